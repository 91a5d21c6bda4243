"""Exports: their list, a page each, the form, and the button “Export now”."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html

from devices.admin.pages import RowHistory, RowPages
from exports import formats, gate, schedules, selectors, services
from exports.admin.coverage import CoveragePages
from exports.admin.form import DefinitionForm
from exports.api import schema_address
from exports.formats.base import Format, OptionError
from exports.models import ExportDefinition

RUNS_SHOWN = 10
NEXT_SHOWN = 5


@admin.register(ExportDefinition)
class DefinitionAdmin(CoveragePages, RowHistory, RowPages):
    """Looked at and run on its page; edited in a form made from the format's options."""

    list_display = ("name", "format_label", "selects", "period_label", "next_run", "last_run")
    list_display_links = ("name",)
    list_filter = ("active", "period")
    search_fields = ("name",)
    search_help_text = "Beginning of an export's name."
    keyset = "name"
    empty_hint = (
        "An export says which readings go to whom, in which format, and when. "
        "Make one with “Add export”."
    )

    def get_queryset(self, request):
        return selectors.definitions_for_list(super().get_queryset(request))

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(name__istartswith=term), False

    def get_urls(self):
        wrap, name = self.admin_site.admin_view, "exports_exportdefinition"
        own = [
            path("next-runs/", wrap(self.next_view), name=f"{name}_next"),
            path("<path:object_id>/edit/", wrap(self.edit_view), name=f"{name}_edit"),
            path("<path:object_id>/run/", wrap(self.run_view), name=f"{name}_run"),
        ]
        return own + self.coverage_urls() + super().get_urls()

    # --- pages --------------------------------------------------------------------------------
    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.row_or_404(request, object_id)
        form = formats.get(row.format)
        context = {
            "title": row.name,
            "form_label": form.label,
            "schema": schema_address(form.code),
            "options": sorted(row.options.items()),
            "groups": list(row.groups.values_list("code", flat=True)),
            "devices": selectors.devices_for_definition(row),
            "destinations": list(row.destinations.all()),
            "next_runs": next_runs(row) if row.schedule and row.active else [],
            "runs": selectors.runs_for_definition(row, RUNS_SHOWN),
            "open_run": selectors.open_run_for_definition(row),
            "backlog": selectors.backlog_for_definition(row),
            "held": selectors.holds_for_definition(row),
            "limits": limits_said(row),
            "may_run": self.has_run_permission(request),
            "may_edit": self.has_change_permission(request, row),
        }
        return self.render_page(request, "exports/definition.html", row, context)

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        code = request.GET.get("format", "")
        offered = [form for form in formats.every() if form.writable and form.defined]
        if code not in {form.code for form in offered}:
            choices = [(form.code, form.label, carried(form)) for form in offered]
            context = {"title": "Which format?", "formats": choices}
            return self.render_page(request, "exports/definition_formats.html", None, context)
        return self._form_view(request, ExportDefinition(), code)

    def edit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.row_or_404(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        return self._form_view(request, row, row.format)

    def _form_view(self, request: HttpRequest, row: ExportDefinition, code: str) -> HttpResponse:
        new = row.pk is None
        form = DefinitionForm(request.POST or None, instance=row, code=code)
        if request.method == "POST" and form.is_valid() and "preview" not in request.POST:
            given = form.cleaned_data
            services.definition_save(
                form.instance,
                groups=given["groups"],
                devices=given["device_ids"],
                destinations=given["destinations"],
                from_now=given.get("from_now", False),
            )
            self.log_change(request, row, "Made." if new else "Edited.")
            messages.success(request, f"The export “{row.name}” is saved.")
            return redirect("admin:exports_exportdefinition_change", row.pk)
        title = f"New export: {form.format.label}" if new else f"Edit {row.name}"
        context = {
            "title": title,
            "form": form,
            "preview": self._preview(form) if "preview" in request.POST else None,
            "next_address": reverse("admin:exports_exportdefinition_next"),
            "back": None
            if new
            else reverse("admin:exports_exportdefinition_change", args=[row.pk]),
        }
        return self.render_page(
            request, "exports/definition_form.html", None if new else row, context
        )

    def _preview(self, form: DefinitionForm) -> dict[str, Any]:
        zone = form.data.get("schedule_zone") or form.data.get("zone") or ""
        return preview(form.data.get("schedule", ""), zone)

    def next_view(self, request: HttpRequest) -> JsonResponse:
        """The next runs of a schedule that is being typed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return JsonResponse(preview(request.GET.get("schedule", ""), request.GET.get("zone", "")))

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """“Export now”."""
        row = self.row_asked(request, object_id)
        try:
            run = services.definition_run(row, user=request.user)
        except (OptionError, ValueError) as error:
            messages.error(request, f"The export was not started: {error}")
            return redirect("admin:exports_exportdefinition_change", row.pk)
        return redirect("admin:exports_exportrun_change", run.pk)

    def row_asked(self, request: HttpRequest, object_id: str) -> ExportDefinition:
        """The export of which a run is asked for, by a POST of somebody who may."""
        row = self.row_or_404(request, object_id)
        if not self.has_run_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        return row

    # --- permissions --------------------------------------------------------------------------
    def has_run_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exports.run_exportdefinition")

    def has_delete_permission(self, request, obj=None) -> bool:
        """Only one that has never run: the history of files stays."""
        if obj is None or obj.runs.exists():
            return False
        return super().has_delete_permission(request, obj)

    # --- columns ------------------------------------------------------------------------------
    @admin.display(description="format")
    def format_label(self, row: ExportDefinition) -> str:
        return row.format.upper()

    @admin.display(description="selects")
    def selects(self, row: ExportDefinition) -> str:
        codes = [group.code for group in row.groups.all()]
        return ", ".join(codes[:4]) + (" …" if len(codes) > 4 else "") if codes else "whole fleet"

    @admin.display(description="period")
    def period_label(self, row: ExportDefinition) -> str:
        return row.get_period_display()

    @admin.display(description="next run")
    def next_run(self, row: ExportDefinition) -> str:
        if not row.schedule:
            return "by hand"
        if row.next_due is None:
            return "rests"
        return schedules.local_text(row.next_due, row.schedule_clock)

    @admin.display(description="last run")
    def last_run(self, row: ExportDefinition) -> str:
        if not row.last_state:
            return ""
        address = reverse("admin:exports_exportrun_change", args=[row.last_run_id])
        return format_html(
            '<a class="badge {}" href="{}">{}</a>', row.last_state, address, row.last_state
        )


def limits_said(row: ExportDefinition) -> str:
    """The limits of a definition's gate in words."""
    sign = " %" if row.gate_unit == row.GateUnit.PERCENT else ""
    limits = ((kind, getattr(row, f"gate_{kind}")) for kind in gate.KINDS)
    return ", ".join(f"{kind} {limit}{sign}" for kind, limit in limits if limit is not None)


def next_runs(row: ExportDefinition) -> list[schedules.Firing]:
    """The next five runs of a definition."""
    schedule = schedules.Schedule(row.schedule, row.schedule_clock)
    return schedule.next_runs(timezone.now(), NEXT_SHOWN)


def preview(expression: str, zone: str) -> dict[str, Any]:
    """The next five runs of an expression, or what is wrong with it."""
    zone = zone or settings.TIME_ZONE
    if not expression.strip():
        return {"zone": zone, "runs": [], "error": ""}
    try:
        schedule = schedules.Schedule(expression, zone)
    except schedules.ScheduleRefused as error:
        return {"zone": zone, "runs": [], "error": str(error)}
    runs = [
        {"text": firing.text, "notes": "; ".join(firing.notes)}
        for firing in schedule.next_runs(timezone.now(), NEXT_SHOWN)
    ]
    return {"zone": zone, "runs": runs, "error": ""}


def carried(form: Format) -> str:
    """What a format takes: “Interval readings, register reads, events”."""
    kinds = [
        (form.intervals, "interval readings"),
        (form.registers, "register reads"),
        (form.events, "events"),
    ]
    return ", ".join(label for takes, label in kinds if takes).capitalize()
