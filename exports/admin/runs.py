"""Runs: their list, a page with progress, files and proof, and what can be done with one."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from devices.admin.downloads import csv_response, safe_cell
from exports import formats, selectors, services
from exports.admin.lists import ListedAdmin, stamp
from exports.api import file_response, schema_address
from exports.models import ExportRun

ABSENT_SHOWN = 50  # meters on the page that were not exported


@admin.register(ExportRun)
class RunAdmin(ListedAdmin):
    """Looked at; what was sent is never edited."""

    list_display = (
        *("label", "export", "period_text", "state_badge", "created", "meters"),
        *("intervals", "registers", "file_count"),
    )
    list_display_links = ("label",)
    list_filter = ("state", "trigger")
    search_fields = ("batch_id",)
    search_help_text = "A batch id, or the beginning of an export's name."
    empty_hint = "Open an export and press “Export now”, or give it a schedule."
    page_template = "exports/run.html"
    csv_columns = (
        *("batch", "export", "format", "mode", "trigger", "state", "start_utc", "end_utc", "since"),
        *("horizon", "created_utc", "finished_utc", "meters_expected", "meters", "records"),
        *("intervals", "registers", "missing", "files", "error"),
    )

    def get_queryset(self, request):
        return selectors.runs_for_list(super().get_queryset(request))

    def csv_cells(self, run: ExportRun):
        return (
            *(run.batch_id, run.name, run.format, run.get_mode_display(), run.trigger, run.state),
            *(stamp(run.start), stamp(run.end), run.since, run.horizon, stamp(run.created)),
            *(stamp(run.finished), run.expected, run.meters, run.records, run.intervals),
            *(run.registers, run.missing, run.file_count or 0, run.error),
        )

    def csv_rows(self, rows):
        return rows.defer(None).defer("warnings", "options", "selection", "stamps")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        if term.isascii() and term.isdigit() and len(term) == 14:
            return queryset.filter(batch_id=term), False
        return queryset.filter(name__istartswith=term), False

    def get_urls(self):
        wrap, name = self.admin_site.admin_view, "exports_exportrun"
        own = [
            path("<int:pk>/progress.json", wrap(self.progress_view), name=f"{name}_progress"),
            path("<int:pk>/files/<int:n>", wrap(self.file_view), name=f"{name}_file"),
            path("<int:pk>/meters.csv", wrap(self.meters_view), name=f"{name}_meters"),
            path("<int:pk>/cancel/", wrap(self.cancel_view), name=f"{name}_cancel"),
            path("<int:pk>/again/", wrap(self.again_view), name=f"{name}_again"),
            path("<int:pk>/rebuild/", wrap(self.rebuild_view), name=f"{name}_rebuild"),
        ]
        return own + super().get_urls()

    def page_context(self, request, run):
        user = request.user
        return {
            "title": f"Run {run.batch_id}",
            "files": selectors.files_for_run(run),
            "may_download": user.has_perm("exports.download_exportrun"),
            "may_run": user.has_perm("exports.run_exportdefinition"),
            "may_resend": user.has_perm("exports.change_delivery"),
            "form_label": formats.get(run.format).label if run.format in formats.codes() else "",
            "schema": schema_address(run.format),
            "groups": ", ".join(run.selection.get("groups", [])) or "whole fleet",
            "read_from": selectors.source_for_run(run),
            "rebuilt": getattr(request, "rebuilt", None),
            "absent": list(selectors.meters_for_run(run, ABSENT_SHOWN)),
            "hold": selectors.hold_for_run(run),
            "gate": run.selection.get("gate"),
        }

    # --- what is asked of a run ---------------------------------------------------------------
    def progress_view(self, request: HttpRequest, pk: int) -> JsonResponse:
        run = self.row_or_404(request, str(pk))
        text = f"{run.parts_done:,} of {run.parts_total:,} parts" if run.parts_total else ""
        return JsonResponse(
            {
                "working": run.is_open,
                "progress": run.progress,
                "label": f"{run.get_phase_display()} {text}".strip(),
            }
        )

    def file_view(self, request: HttpRequest, pk: int, n: int) -> HttpResponse:
        run = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.download_exportrun"):
            raise PermissionDenied
        file = run.files.filter(position=n, published=True).first()
        if file is None:
            raise Http404(f"Run {pk} has no file {n}.")
        response = file_response(file)
        if response.status_code == 200:
            return response
        messages.error(request, f"{file.name} is no longer kept, or its bytes are damaged.")
        return redirect("admin:exports_exportrun_change", pk)

    def meters_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every meter of the run: exported, or why not."""
        run = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.download_exportrun"):
            raise PermissionDenied
        rows = (
            [safe_cell(name), "no" if why else "yes", safe_cell(why)]
            for name, why in selectors.meters_for_run(run)
        )
        return csv_response(f"meters-{run.batch_id}.csv", ("device", "exported", "why"), rows)

    def _asked(self, request: HttpRequest, pk: int) -> ExportRun:
        """The run that something is asked of, by a POST of somebody who may."""
        run = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.run_exportdefinition"):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        return run

    def cancel_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        if services.run_cancel(self._asked(request, pk)):
            messages.success(request, "The run is being stopped; nothing of it will be sent.")
        else:
            messages.error(request, "It was too late to stop the run.")
        return redirect("admin:exports_exportrun_change", pk)

    def again_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        try:
            run = services.run_again(self._asked(request, pk), user=request.user)
        except services.NotNow as error:
            messages.error(request, str(error))
            return redirect("admin:exports_exportrun_change", pk)
        messages.success(request, "The same readings go out once more, as a batch of their own.")
        return redirect("admin:exports_exportrun_change", run.pk)

    def rebuild_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The proof, on the run's page: its files made anew and compared."""
        run = self._asked(request, pk)
        try:
            request.rebuilt = services.run_rebuild(run)
        except services.NotKept as error:
            messages.error(request, str(error))
            return redirect("admin:exports_exportrun_change", pk)
        return self.render_page(request, self.page_template, run, self.page_context(request, run))

    # --- columns ------------------------------------------------------------------------------
    @admin.display(description="batch")
    def label(self, run: ExportRun) -> str:
        return run.batch_id

    @admin.display(description="export")
    def export(self, run: ExportRun) -> str:
        if run.definition_id is None:
            return run.name or f"{run.format} by command"
        address = reverse("admin:exports_exportdefinition_change", args=[run.definition_id])
        return format_html('<a href="{}">{}</a>', address, run.name)

    @admin.display(description="period")
    def period_text(self, run: ExportRun) -> str:
        if run.since is not None:
            return f"since {run.since:,}"
        return f"{run.start:%F} – {run.end:%F}"

    @admin.display(description="state")
    def state_badge(self, run: ExportRun) -> str:
        return format_html('<span class="badge {}">{}</span>', run.state, run.get_state_display())

    @admin.display(description="files")
    def file_count(self, run: ExportRun) -> int:
        return run.file_count
