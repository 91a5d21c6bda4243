"""Devices: a list to search, a page to look at, a form to edit. Never a way to delete one."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from devices import selectors
from devices.admin import device_page, downloads, register_page, registerdownloads, story_page
from devices.admin.pages import PlainRelations, RowHistory, RowPages
from devices.admin.periods import InstallationInline, MembershipInline
from devices.models import Device, Membership
from devices.models.inventory import local_now
from devices.services.inventory import NewDevice, devices_create
from devices.services.memberships import (
    MembershipChange,
    memberships_as_stored,
    memberships_changed,
)
from tms.keyset import AFTER, BEFORE


class BillCycleFilter(admin.SimpleListFilter):
    """Devices that are in a bill cycle now."""

    title = "bill cycle"
    parameter_name = "cycle"

    def lookups(self, request, model_admin):
        return [(cycle.code, cycle.code) for cycle in selectors.bill_cycles_for_filter()]

    def queryset(self, request, queryset):
        if not self.value():
            return queryset
        marks = {name: request.GET.get(name, "") for name in (AFTER, BEFORE)}
        return queryset.filter(selectors.members_for_filter(self.value(), **marks))


@admin.register(Device)
class DeviceAdmin(PlainRelations, RowHistory, RowPages):
    """The list says where each device hangs; its rows lead to the device's page."""

    list_display = (
        *("device", "meter_number", "state_badge", "device_class"),
        *("service_point", "account", "groups", "found_by"),
    )
    list_display_links = ("device",)
    list_filter = ("state", "device_class", BillCycleFilter)
    search_fields = ("device_id",)
    search_help_text = (
        "Beginning of a device id, meter number, serial number, service point, account, premise, "
        "transformer or feeder."
    )
    actions = ("download_selected",)
    empty_hint = (
        "Devices come with an import of the device list, or with the first file of readings: "
        "ingest FILE --format FORMAT --provision CLASS."
    )
    fields = (
        *("device_id", "meter_number", "serial_number", "device_class"),
        *("time_zone", "state", "notes"),
        *(("comm_type", "comm_address"), ("address", "city", "region", "postal_code")),
        *(("latitude", "longitude"), ("ct_ratio", "pt_ratio", "phase")),
        *(("install_date", "removal_date"), "schedule_profile"),
    )
    inlines = (InstallationInline, MembershipInline)
    change_list_template = "admin/devices/device/change_list.html"
    change_form_template = "admin/devices/device/change_form.html"

    # --- the list ---

    def get_keyset(self, request) -> str:
        """By device id; a bill cycle in order of entry, which its index can give."""
        return "pk" if BillCycleFilter.parameter_name in request.GET else "device_id"

    def get_keyset_path(self, request) -> str:
        in_cycle = BillCycleFilter.parameter_name in request.GET and not request.GET.get("q")
        return "memberships__device_id" if in_cycle else ""

    def get_search_results(self, request, queryset, search_term):
        if not search_term.strip():
            return queryset, False
        found = selectors.devices_for_search(search_term)
        request.found = found
        return queryset.filter(pk__in=list(found.reasons)), False

    def get_queryset(self, request):
        return selectors.devices_for_list(super().get_queryset(request))

    def get_list_display(self, request):
        searching = request.GET.get("q", "").strip()
        return self.list_display if searching else self.list_display[:-1]

    def changelist_view(self, request, extra_context=None):
        context = {
            "may_download": self.has_download_permission(request),
            **(extra_context or {}),
        }
        response = super().changelist_view(request, context)
        found = getattr(request, "found", None)
        if isinstance(response, TemplateResponse) and found and response.context_data:
            response.context_data["search_more"] = found.more
            for row in response.context_data["cl"].result_list:
                row.found_by = found.reasons.get(row.pk, "")
        return response

    @admin.display(description="device", ordering="device_id")
    def device(self, row: Device) -> str:
        return row.device_id

    @admin.display(description="state")
    def state_badge(self, row: Device) -> str:
        return format_html('<span class="badge {}">{}</span>', row.state, row.get_state_display())

    @admin.display(description="service point")
    def service_point(self, row: Device) -> str:
        return row.installed[0].service_point_id if row.installed else ""

    @admin.display(description="account")
    def account(self, row: Device) -> str:
        return row.installed[0].account_id if row.installed else ""

    @admin.display(description="groups")
    def groups(self, row: Device) -> str:
        return ", ".join(membership.group.code for membership in row.grouped)

    @admin.display(description="found by")
    def found_by(self, row: Device) -> str:
        return getattr(row, "found_by", "")

    @admin.action(description="Download as CSV", permissions=["download"])
    def download_selected(self, request, queryset):
        return downloads.devices_csv(queryset)

    def download_view(self, request: HttpRequest) -> HttpResponse:
        """The whole list as it is searched and filtered, as CSV."""
        if not self.has_download_permission(request):
            raise PermissionDenied
        return self.answer_list(request, downloads.devices_csv)

    # --- the page and the form ---

    def get_urls(self):
        wrap = self.admin_site.admin_view
        own = [
            path("download.csv", wrap(self.download_view), name="devices_device_download"),
            path(
                "<path:object_id>/edit/",
                wrap(self.edit_view),
                name="devices_device_edit",
            ),
            path(
                "<path:object_id>/readings.csv",
                wrap(self.readings_view),
                name="devices_device_readings",
            ),
            path("<path:object_id>/story/", wrap(self.story_view), name="devices_device_story"),
            path(
                "<path:object_id>/story.csv",
                wrap(self.story_csv_view),
                name="devices_device_story_csv",
            ),
            path(
                "<path:object_id>/registers/",
                wrap(self.registers_view),
                name="devices_device_registers",
            ),
            path(
                "<path:object_id>/registers.csv",
                wrap(self.registers_csv_view),
                name="devices_device_registers_csv",
            ),
        ]
        return own + super().get_urls()

    def change_view(self, request, object_id, form_url="", extra_context=None):
        """The device's page; the form has an address of its own."""
        if request.method != "GET" or "_popup" in request.GET:
            return self.edit_view(request, object_id)
        device = self.row_or_404(request, object_id)
        context = {
            **device_page.context(request, device),
            "may_edit": self.has_change_permission(request, device),
        }
        return self.render_page(request, "devices/device.html", device, context)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        if not self.has_change_permission(request, self.row_or_404(request, object_id)):
            raise PermissionDenied
        context = {"title": "Edit device", "show_save_and_add_another": False}
        return self.changeform_view(request, object_id, "", context)

    def readings_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        device = self.row_or_404(request, object_id)
        period = device_page.Period.of(request, device, selectors.channels_for_device(device))
        return downloads.readings_csv(device, period)

    def story_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The device's life in order: what became of it, and why."""
        device = self.row_or_404(request, object_id)
        context = story_page.context(request, device)
        return self.render_page(request, "devices/story.html", device, context)

    def story_csv_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        device = self.row_or_404(request, object_id)
        return story_page.story_csv(request, device)

    def registers_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The device's register reads, and what was used between them."""
        device = self.row_or_404(request, object_id)
        context = register_page.context(request, device)
        return self.render_page(request, "devices/registers.html", device, context)

    def registers_csv_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        device = self.row_or_404(request, object_id)
        asked = register_page.Asked.of(request, device)
        name = downloads.file_name(f"{device.device_id}-registers-{asked.first}-{asked.last}.csv")
        return registerdownloads.reads_csv(name, asked.rows(device).iterator(chunk_size=500))

    def get_fields(self, request, obj=None):
        """A new device is provisioned by the service that makes it."""
        return self.fields if obj else self.fields[:5]

    def save_model(self, request, obj, form, change):
        """A new device gets its channels as any other does, from its class."""
        if change:
            obj.changed_at = local_now()  # imports keep to the order of time
            was = obj.ended
            gone = obj.state == Device.State.UNPROVISIONED
            obj.ended = (was or obj.changed_at) if gone else None
            super().save_model(request, obj, form, change)
            memberships_changed([MembershipChange(obj.pk, None, (None, was), (None, obj.ended))])
            return
        names = ("device_id", "meter_number", "serial_number", "time_zone")
        new = NewDevice(
            device_class=obj.device_class.code, **{name: getattr(obj, name) for name in names}
        )
        devices_create([new], since=local_now(), reason="made by hand")
        obj.pk = Device.objects.values_list("pk", flat=True).get(device_id=obj.device_id)

    def save_formset(self, request, form, formset, change):
        """Changed memberships are told to the apps above: exports may owe readings by them."""
        if formset.model is not Membership:
            super().save_formset(request, form, formset, change)
            return
        rows = [inline.instance for inline in formset.forms if inline.has_changed()]
        before = memberships_as_stored(rows)
        super().save_formset(request, form, formset, change)
        memberships_changed(
            [
                MembershipChange(
                    row.device_id, row.group_id, before.get(row.pk), (row.valid_from, row.valid_to)
                )
                for row in rows
                if row.pk
            ]
        )

    def response_post_save_add(self, request, obj):
        return self.response_post_save_change(request, obj)

    def get_readonly_fields(self, request, obj=None):
        return ("device_id",) if obj else ()

    def get_inlines(self, request, obj):
        return self.inlines if obj else ()

    def response_post_save_change(self, request, obj):
        return HttpResponseRedirect(reverse("admin:devices_device_change", args=[obj.pk]))

    def response_change(self, request, obj):
        if "_continue" in request.POST:
            messages.success(request, f"Device {obj} was saved. You may edit it again below.")
            return HttpResponseRedirect(reverse("admin:devices_device_edit", args=[obj.pk]))
        return super().response_change(request, obj)

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def has_download_permission(self, request) -> bool:
        return request.user.has_perm("devices.download_device")
