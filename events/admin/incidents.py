"""Incidents: their list, one of them with its events, and who is out now."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html

from devices.admin.pages import PageAdmin
from devices.selectors import devices_for_identifier
from events.admin.catalogue import CategoryFilter
from events.models import Event, Incident
from events.pairing import SLACK
from events.selectors.incidents import incidents_open, outages_now, outages_over_time, period_of
from events.services.incidents import incidents_close
from events.timeline import outage_timeline

HOURS = (1, 6, 24, 168)
NEWEST = 20
EVENTS_SHOWN = 50


class OpenFilter(admin.SimpleListFilter):
    title, parameter_name = "state", "state"

    def lookups(self, request, model_admin):
        return [("open", "Open"), ("over", "Over"), ("momentary", "Momentary")]

    def queryset(self, request, queryset):
        kinds = {
            "open": Q(ended=None),
            "over": Q(ended__isnull=False),
            "momentary": Q(momentary=True),
        }
        return queryset.filter(kinds.get(self.value(), Q()))


@admin.register(Incident)
class IncidentAdmin(PageAdmin):
    list_display = (
        *("began_shown", "type", "device", "state_badge", "duration_shown", "feeder_id"),
        "transformer_id",
    )
    list_display_links = ("began_shown",)
    list_filter = (OpenFilter, CategoryFilter)
    search_fields = ("device__device_id",)
    search_help_text = "Device id, meter number, feeder or transformer, in full."
    actions = ("close",)
    page_template = "events/incident.html"
    change_list_template = "admin/events/incident/change_list.html"
    empty_hint = "They come with events that set a condition, such as outages."

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("type", "device")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        devices = devices_for_identifier(term)
        if devices:
            return queryset.filter(device__in=devices), False
        return queryset.filter(Q(feeder_id=term) | Q(transformer_id=term)), False

    @admin.display(description="began")
    def began_shown(self, row: Incident) -> str:
        return timezone.localtime(row.began).strftime("%Y-%m-%d %H:%M:%S")

    @admin.display(description="lasted")
    def duration_shown(self, row: Incident) -> str | None:
        return row.duration_words or None

    @admin.display(description="state")
    def state_badge(self, row: Incident) -> str:
        word, label = _state(row)
        return format_html('<span class="badge {}">{}</span>', word, label)

    def page_context(self, request, row):
        until = (row.ended or timezone.now()) + SLACK
        events = Event.objects.filter(
            device=row.device_id, time__gte=row.began - SLACK, time__lte=until
        )
        return {
            "title": f"{row.type} at {row.device}",
            "zone": ZoneInfo(row.device.time_zone),
            "state": _state(row),
            "events": events.select_related("type").order_by("time", "pk")[:EVENTS_SHOWN],
            "may_close": row.ended is None and self.has_close_permission(request),
        }

    def get_urls(self):
        now = path("now/", self.admin_site.admin_view(self.now_view), name="events_incident_now")
        return [now, *super().get_urls()]

    def now_view(self, request: HttpRequest) -> HttpResponse:
        """Who is out now, by group, feeder and transformer, and how it came to that."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        asked = request.GET.get("hours", "")
        hours = int(asked) if asked.isdecimal() and int(asked) in HOURS else 24
        start, end, step = period_of(hours)
        counts = outages_over_time(start, end, step)
        newest = incidents_open().select_related("device", "type").order_by("-began")[:NEWEST]
        context = {
            "title": "Out now",
            "outages": outages_now(),
            "plot": outage_timeline(start, step, counts, timezone.get_current_timezone_name()),
            "hours": [(n, f"{n} h" if n < 48 else f"{n // 24} days", n == hours) for n in HOURS],
            "newest": newest,
        }
        return self.render_page(request, "events/outages.html", None, context)

    def has_close_permission(self, request) -> bool:
        return request.user.has_perm("events.change_incident")

    @admin.action(description="Close: its end never came", permissions=["close"])
    def close(self, request, queryset) -> None:
        closed = incidents_close(queryset, by=request.user.get_username())
        messages.success(
            request, f"{closed} {'incident is' if closed == 1 else 'incidents are'} closed."
        )


def _state(row: Incident) -> tuple[str, str]:
    """Badge and word of an incident."""
    if row.ended is None:
        return "discarded", "Open"
    if row.closed_by:
        return "", f"Closed by {row.closed_by}"
    return ("held", "Momentary") if row.momentary else ("provisioned", "Over")
