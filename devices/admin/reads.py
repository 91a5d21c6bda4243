"""Register reads: their list over the fleet, and one with its table by rate and its versions."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from devices import registers, registertable, selectors
from devices.admin import bills, registerdownloads
from devices.admin.days import day_typed
from devices.admin.pages import PageAdmin
from devices.journal import version_read
from devices.models import FunctionalGroup, RegisterSnapshot
from devices.readings import READ_TYPES, SOURCES
from devices.registertable import LETTER_WORDS

FROM, TO, GROUP = "from", "to", "group"
SOURCE_WORDS = {code: word for word, code in SOURCES.items()}


class TypeFilter(admin.SimpleListFilter):
    title, parameter_name = "type", "type"

    def lookups(self, request, model_admin):
        return [(code, words.capitalize()) for code, words in READ_TYPES.items()]

    def queryset(self, request, queryset):
        return queryset.filter(read_type=self.value()) if self.value() else queryset


class QualityFilter(admin.SimpleListFilter):
    """By the worst letter of a read's values."""

    title, parameter_name = "quality", "quality"

    def lookups(self, request, model_admin):
        return [(letter, words.capitalize()) for letter, words in LETTER_WORDS.items()]

    def queryset(self, request, queryset):
        letter = self.value()
        if letter and letter != "A":
            queryset = queryset.filter(~Q(quality="A"))  # as the index of the few says it
        return queryset.filter(quality=letter) if letter else queryset


class GroupFilter(admin.SimpleListFilter):
    """Reads of devices that are in a group now."""

    title, parameter_name = "group", GROUP

    def lookups(self, request, model_admin):
        codes = FunctionalGroup.objects.order_by("code").values_list("code", flat=True)
        return [(code, code) for code in codes[:200]]

    def queryset(self, request, queryset):
        return registers.reads_of_group(queryset, self.value()) if self.value() else queryset


class DaysFilter(admin.ListFilter):
    """By the days of the system's zone that the reads were made on; typed into two fields."""

    title = "days"

    def __init__(self, request, params, model, model_admin):
        super().__init__(request, params, model, model_admin)
        for name in self.expected_parameters():
            if typed := params.pop(name, None):
                self.used_parameters[name] = typed[-1]

    def has_output(self) -> bool:
        return bool(self.used_parameters)

    def expected_parameters(self):
        return [FROM, TO]

    def choices(self, changelist):
        said = " – ".join(self.used_parameters.get(name, "…") for name in (FROM, TO))
        every = changelist.get_query_string(remove=[FROM, TO])
        yield {"selected": True, "display": said, "query_string": changelist.get_query_string()}
        yield {"selected": False, "display": "All days", "query_string": every}

    def queryset(self, request, queryset):
        for name, lookup, later in ((FROM, "time__gte", 0), (TO, "time__lt", 1)):
            if day := day_typed(self.used_parameters.get(name, "")):
                zone = timezone.get_default_timezone()
                border = datetime.combine(day + timedelta(days=later), time(), zone)
                queryset = queryset.filter(**{lookup: border})
        return queryset


@admin.register(RegisterSnapshot)
class RegisterReadAdmin(PageAdmin):
    """The newest first; of some devices: by device, the newest of each first."""

    list_display = (
        *("read_at", "device_link", "meter_number", "type_shown", "quality_badge"),
        *("registers_shown", "version"),
    )
    list_display_links = ("read_at",)
    list_filter = (TypeFilter, QualityFilter, GroupFilter, DaysFilter)
    search_fields = ("device__device_id",)
    search_help_text = (
        "Beginning of a device id, meter number, serial number, service point, account or premise."
    )
    change_list_template = "admin/devices/registersnapshot/change_list.html"
    page_template = "devices/read.html"
    empty_hint = (
        "They come with batches (the member “registers” of a meter), or with a file: "
        "ingest FILE --format btf."
    )

    # --- the list ---

    def get_keyset(self, request) -> str:
        some_devices = request.GET.get(GROUP) or request.GET.get("q", "").strip()
        return "-device_id,-time,-id" if some_devices else "-time,-id"

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("device")
        return registers.reads_standing(rows)

    def get_object(self, request, object_id, from_field=None):
        """Superseded versions have pages, too."""
        if not object_id.isdecimal() or len(object_id) > 18:
            return None
        rows = RegisterSnapshot.objects.select_related("device__device_class")
        return rows.filter(pk=object_id).first()

    def get_search_results(self, request, queryset, search_term):
        if not search_term.strip():
            return queryset, False
        found = selectors.devices_for_search(search_term)
        return queryset.filter(device__in=list(found.reasons)), False

    def changelist_view(self, request, extra_context=None):
        context = {
            "may_download": self.has_download_permission(request),
            "days": {name: request.GET.get(name, "") for name in (FROM, TO)},
            "kept": [
                (name, value)
                for name, value in request.GET.items()
                if name not in (FROM, TO, "after", "before")
            ],
            "days_fault": _days_fault(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    @admin.display(description="read at")
    def read_at(self, row: RegisterSnapshot) -> str:
        local = row.time.astimezone(ZoneInfo(row.device.time_zone))
        return f"{local:%Y-%m-%d %H:%M %Z}"

    @admin.display(description="device")
    def device_link(self, row: RegisterSnapshot) -> str:
        address = reverse("admin:devices_device_registers", args=[row.device_id])
        return format_html('<a href="{}">{}</a>', address, row.device)

    @admin.display(description="meter number")
    def meter_number(self, row: RegisterSnapshot) -> str:
        return row.device.meter_number

    @admin.display(description="type")
    def type_shown(self, row: RegisterSnapshot) -> str:
        return READ_TYPES.get(row.read_type, row.read_type).capitalize()

    @admin.display(description="quality")
    def quality_badge(self, row: RegisterSnapshot) -> str:
        return quality_badge(row.quality)

    @admin.display(description="totals")
    def registers_shown(self, row: RegisterSnapshot) -> str:
        return totals_words(version_read(row).values)

    @admin.display(description="revision")
    def version(self, row: RegisterSnapshot) -> str:
        return str(row.revision or "")

    def get_urls(self):
        wrap = self.admin_site.admin_view
        download = path(
            "download.csv", wrap(self.download_view), name="devices_registersnapshot_download"
        )
        bill = path("bill/", wrap(bills.bill_view(self)), name="devices_registersnapshot_bill")
        bill_csv = path(
            "bill.csv", wrap(bills.download_view(self)), name="devices_registersnapshot_bill_csv"
        )
        return [download, bill, bill_csv, *super().get_urls()]

    def download_view(self, request: HttpRequest) -> HttpResponse:
        """The list as it is searched and filtered, a row a register value."""
        if not self.has_download_permission(request):
            raise PermissionDenied
        order = self.get_keyset(request).split(",")
        return self.answer_list(
            request,
            lambda rows: registerdownloads.reads_csv(
                "register-reads.csv", rows.order_by(*order).iterator(chunk_size=1000)
            ),
        )

    def has_download_permission(self, request) -> bool:
        return request.user.has_perm("devices.download_registersnapshot")

    # --- one read ---

    def page_context(self, request, row):
        versions = registers.versions_for_read(row)
        batches = registers.batches_of_versions(versions)
        read = version_read(row)
        before: tuple = ()
        shown = []
        for version in versions:
            values = version_read(version).values
            shown.append(
                {
                    "row": version,
                    "batch": batches.get(version.number),
                    "changes": registertable.changes(before, values) if before else [],
                    "stands": version.pk == versions[-1].pk,
                    "here": version.pk == row.pk,
                }
            )
            before = values
        return {
            "title": f"{row.device}, {READ_TYPES.get(row.read_type, row.read_type)}",
            "read": read,
            "device": row.device,
            "quality": quality_badge(row.quality),
            "zone": ZoneInfo(row.device.time_zone),
            "table": registertable.table(read.values),
            "source": SOURCE_WORDS.get(read.source, read.source),
            "versions": shown[::-1],
            "standing": None if row.pk == versions[-1].pk else versions[-1],
        }


def _days_fault(request: HttpRequest) -> str:
    typed = [request.GET.get(name, "") for name in (FROM, TO)]
    if any(text and day_typed(text) is None for text in typed):
        return "Choose the days from the calendar, or write them as 2026-03-29."
    if all(typed) and typed[1] < typed[0]:
        return "The last day is before the first. Swap them."
    return ""


def quality_badge(letter: str) -> str:
    """A quality letter as its word."""
    return format_html(
        '<span class="badge quality-{}">{}</span>', letter, LETTER_WORDS.get(letter, letter)
    )


def totals_words(values) -> str:
    """The totals of a read in a list: value and unit of each summation of rate T."""
    totals = [v for v in values if v.register_class == "SUM" and v.rate == "T"]
    words = [
        f"{registertable.number_text(v.value)} {v.unit}" + ("" if v.flow == "DEL" else f" {v.flow}")
        for v in totals[:3]
    ]
    more = len(values) - len(words)
    return ", ".join(words) + (f" and {more} more" if more and words else "")
