"""Message routes: what goes into which MRC file, how its writing goes, its records."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from devices.admin.pages import PlainRelations, ReadOnly
from devices.selectors import devices_for_identifier
from events.admin.forms import RouteForm
from events.models import Route, RouteRecord
from events.services.routes import route_file, route_resend, route_start
from tms.keyset import KeysetAdmin


@admin.register(Route)
class RouteAdmin(PlainRelations, admin.ModelAdmin):
    form = RouteForm
    list_display = ("name", "state_badge", "sequence", "waiting", "problem")
    list_filter = ("active",)
    search_fields = ("name",)
    show_full_result_count = False
    actions = None
    change_form_template = "admin/events/route/change_form.html"
    autocomplete_fields = ("mnemonics", "groups")
    fieldsets = (
        (None, {"fields": ("name", "active")}),
        (
            "Which events",
            {
                "fields": ("catalogue_default", "categories", "severities", "mnemonics", "groups"),
                "description": "An event is written when any of these takes it: the default "
                "selection, its type, or its category and severity together.",
            },
        ),
        ("File", {"fields": ("rotation", "rotate_bytes", "line_end", "zone")}),
        ("Outages", {"fields": ("momentary_seconds", "late")}),
    )

    def get_queryset(self, request):
        waits = Count("records", filter=Q(records__state=RouteRecord.State.PENDING))
        return super().get_queryset(request).annotate(waits=waits)

    @admin.display(description="state")
    def state_badge(self, route: Route) -> str:
        if route.problem:
            word, label = "discarded", "Cannot write"
        else:
            word, label = ("provisioned", "Writing") if route.active else ("", "Off")
        return format_html('<span class="badge {}">{}</span>', word, label)

    @admin.display(description="waiting")
    def waiting(self, route: Route) -> int:
        return route.waits

    def get_readonly_fields(self, request, obj=None):
        """The line end of a file that has been begun is what its size is counted by."""
        return ("line_end",) if obj is not None and obj.sequence else ()

    def save_model(self, request, obj, form, change) -> None:
        super().save_model(request, obj, form, change)
        if obj.active and (not change or "active" in form.changed_data):
            route_start(obj)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        context = dict(extra_context or {})
        route = self.get_object(request, object_id) if object_id else None
        if route is not None:
            path = route_file(route).path
            records = reverse("admin:events_routerecord_changelist")
            context |= {
                "route_path": path.relative_to(settings.DATA_DIR),
                "route_size": path.stat().st_size if path.exists() else None,
                "route_waits": route.waits,
                "route_records": f"{records}?{urlencode({'route': route.pk})}",
            }
        return super().changeform_view(request, object_id, form_url, context)

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only a route that never wrote: a consumer counts on sequences that are not used again."""
        if obj is None or obj.sequence:
            return False
        return super().has_delete_permission(request, obj)


class RouteFilter(admin.SimpleListFilter):
    """By route; the routes are few."""

    title = parameter_name = "route"

    def lookups(self, request, model_admin):
        return list(Route.objects.values_list("pk", "name"))

    def queryset(self, request, queryset):
        value = self.value() or ""
        return queryset.filter(route=value) if value.isdecimal() else queryset


@admin.register(RouteRecord)
class RouteRecordAdmin(ReadOnly, KeysetAdmin):
    """What routes have written; the action writes an event once more."""

    list_display = (
        "sequence",
        "route",
        "event_type",
        "device",
        "received",
        "state_badge",
        "reason",
    )
    list_filter = (RouteFilter, "state")
    search_fields = ("event__device__device_id",)
    search_help_text = "Device id, in full."
    list_display_links = None
    actions = ("send_again",)
    empty_hint = "Records come with the first event that a message route takes."

    def get_queryset(self, request):
        rows = super().get_queryset(request).defer("line")
        return rows.select_related("route", "event__type", "event__device")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(event__device__in=devices_for_identifier(term)), False

    @admin.display(description="event")
    def event_type(self, row: RouteRecord) -> str:
        address = reverse("admin:events_event_change", args=[row.event_id])
        again = " (again)" if row.resent else ""
        return format_html('<a href="{}">{}</a>{}', address, row.event.type, again)

    @admin.display(description="received")
    def received_shown(self, row: RouteRecord) -> str:
        return timezone.localtime(row.received).strftime("%Y-%m-%d %H:%M:%S")

    @admin.display(description="device")
    def device(self, row: RouteRecord) -> str:
        return row.event.device.device_id

    @admin.display(description="state")
    def state_badge(self, row: RouteRecord) -> str:
        word = {"d": "provisioned", "p": "held", "r": "discarded"}[row.state]
        return format_html('<span class="badge {}">{}</span>', word, row.get_state_display())

    def get_model_perms(self, request):
        """Reached from its route, not from the navigation."""
        return {}

    def has_resend_permission(self, request) -> bool:
        return request.user.has_perm("events.change_routerecord")

    @admin.action(description="Write again, marked as replay", permissions=["resend"])
    def send_again(self, request, queryset) -> None:
        by_route: dict[int, list[RouteRecord]] = {}
        for row in queryset.order_by("sequence"):
            by_route.setdefault(row.route_id, []).append(row)
        for rows in by_route.values():
            events = list({row.event_id: row.event for row in rows}.values())
            written = route_resend(rows[0].route, events)
            text = f"{written} records of {rows[0].route} will be written again, marked R."
            messages.success(request, text)
