"""Events as they arrived, and the catalogue that says what they mean."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.contrib import admin, messages
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from devices.admin.pages import ReadOnly, TolerantChoices
from devices.selectors import devices_for_identifier
from events.helping import help_for
from events.models import Category, Event, EventAlias, EventType, Severity
from events.selectors import events_received_since
from events.services.mapping import alias_apply
from tms.keyset import KeysetAdmin


class ChoiceFilter(admin.SimpleListFilter):
    """Equality with one of a field's choices; the choices are not looked up or counted."""

    choices_class: type[Category] | type[Severity]

    def lookups(self, request, model_admin):
        return self.choices_class.choices

    def queryset(self, request, queryset):
        if self.value() not in self.choices_class.values:
            return queryset
        return queryset.filter(**{self.parameter_name: self.value()})


class CategoryFilter(ChoiceFilter):
    title = parameter_name = "category"
    choices_class = Category


class SeverityFilter(ChoiceFilter):
    title = parameter_name = "severity"
    choices_class = Severity


class ReceivedFilter(admin.SimpleListFilter):
    """By how long ago an event arrived."""

    title = parameter_name = "received"
    periods = {
        "hour": ("Last hour", timedelta(hours=1)),
        "day": ("Last 24 hours", timedelta(days=1)),
        "week": ("Last 7 days", timedelta(days=7)),
        "month": ("Last 31 days", timedelta(days=31)),
    }

    def lookups(self, request, model_admin):
        return [(name, label) for name, (label, _) in self.periods.items()]

    def queryset(self, request, queryset):
        if self.value() not in self.periods:
            return queryset
        _, period = self.periods[self.value()]
        return events_received_since(queryset, timezone.now() - period)


class EventTypeFilter(admin.SimpleListFilter):
    """Codes that arrived and are not in the catalogue, without those known to be noise."""

    title, parameter_name = "catalogue", "unmapped"

    def lookups(self, request, model_admin):
        return [("yes", "Waiting to be described"), ("no", "Described")]

    def queryset(self, request, queryset):
        if self.value() == "yes":
            waiting = queryset.filter(unmapped=True, nuisance=False)
            return waiting.exclude(mnemonic__in=EventAlias.objects.values("code"))
        return queryset.filter(unmapped=False) if self.value() == "no" else queryset


@admin.register(Event)
class EventAdmin(ReadOnly, KeysetAdmin):
    """Looked at, never edited; newest arrivals first."""

    list_display = (
        *("time_shown", "type", "severity_shown", "device", "phases", "value_shown"),
        *("duration", "text", "received", "replay"),
    )
    list_display_links = ("time_shown",)
    list_filter = (CategoryFilter, SeverityFilter, ReceivedFilter)
    search_fields = ("device__device_id",)
    search_help_text = "Device id or meter number, in full."
    empty_hint = "Events come with batches: make an API key and post one to /api/v1/batches."
    change_form_template = "events/event.html"

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("device", "type")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        event = self.get_object(request, object_id)
        context = dict(extra_context or {})
        if event is not None:
            context |= {
                "title": event.type.mnemonic,
                "zone": ZoneInfo(event.device.time_zone),
                "help": help_for(event.type.mnemonic),
            }
        return super().change_view(request, object_id, form_url, context)

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(device__in=devices_for_identifier(term)), False

    @admin.display(description="time")
    def time_shown(self, event: Event) -> str:
        time = timezone.localtime(event.time).strftime("%Y-%m-%d %H:%M:%S")
        return time if event.time_valid else f"{time} (of receipt)"

    @admin.display(description="severity")
    def severity_shown(self, event: Event) -> str:
        label = event.get_severity_display()
        return format_html('<span class="badge {}">{}</span>', label.lower(), label)

    @admin.display(description="value")
    def value_shown(self, event: Event) -> str | None:
        return event.value_words or None


@admin.register(EventType)
class EventTypeAdmin(TolerantChoices, admin.ModelAdmin):
    """The catalogue. A change holds for events that arrive from then on."""

    list_display = (
        *("mnemonic", "category", "severity", "state", "meaning", "c1219_codes", "iec_codes"),
        *("default_routed", "nuisance", "waiting"),
    )
    list_editable = ("severity",)
    list_filter = (EventTypeFilter, "category", "severity")
    search_fields = ("mnemonic", "meaning", "iec_codes", "aliases__code")
    search_help_text = "Part of a mnemonic, a meaning or a code."
    show_full_result_count = False
    list_select_related = True
    autocomplete_fields = ("paired_with",)
    readonly_fields = ("mnemonic", "other_codes", "waiting", "usual_cause", "action")
    fields = (
        *("mnemonic", "meaning", "usual_cause", "action"),
        *(("category", "severity", "state"), "paired_with"),
        *(("c1219_codes", "iec_codes", "iec_confidence"), "other_codes"),
        *(("default_routed", "nuisance", "unmapped"), "waiting"),
    )
    actions = None

    @admin.display(description="not described", ordering="-arrived")
    def waiting(self, kind: EventType) -> str | None:
        """How many came under a code that nobody knows, and where it is given to a type."""
        if not kind.unmapped:
            return None
        address = f"{reverse('admin:events_eventalias_add')}?{urlencode({'code': kind.mnemonic})}"
        times = "once" if kind.arrived == 1 else f"{kind.arrived:,} times"
        return format_html('came {}; <a href="{}">map it</a>', times, address)

    @admin.display(description="usual cause")
    def usual_cause(self, kind: EventType) -> str | None:
        found = help_for(kind.mnemonic)
        return found and found.cause

    @admin.display(description="what to do")
    def action(self, kind: EventType) -> str | None:
        found = help_for(kind.mnemonic)
        return found and found.action

    @admin.display(description="aliases")
    def other_codes(self, kind: EventType) -> str | None:
        return ", ".join(kind.aliases.values_list("code", flat=True)) or None

    def has_add_permission(self, request) -> bool:
        return False  # a type is shipped, or made when its code arrives

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


@admin.register(EventAlias)
class EventAliasAdmin(TolerantChoices, admin.ModelAdmin):
    """Codes of other systems, and what they stand for here; for all, a head-end or a class."""

    list_display = ("code", "type", "head_end", "device_class", "phases")
    list_select_related = ("type", "head_end", "device_class")
    search_fields = ("code", "type__mnemonic")
    search_help_text = "Part of a code or a mnemonic."
    fields = ("code", "type", ("head_end", "device_class"), "phases")
    autocomplete_fields = ("type",)
    show_full_result_count = False
    actions = ("apply_to_stored",)

    def has_map_permission(self, request) -> bool:
        return request.user.has_perm("events.change_eventalias")

    @admin.action(description="Re-map events that are stored under this code", permissions=["map"])
    def apply_to_stored(self, request, queryset) -> None:
        """An alias holds for later events; this is the explicit step for earlier ones."""
        for alias in queryset:
            mapped = alias_apply(alias)
            left = f"; {mapped.left} were there already" if mapped.left else ""
            text = f"{alias.code}: {mapped.moved:,} events are {alias.type} now{left}."
            messages.success(request, text)
