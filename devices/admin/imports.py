"""Imports: uploaded, looked at as a difference, applied, answered, taken back."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from devices.admin import importfiles, importforms
from devices.admin.pages import PageAdmin
from devices.models import ImportJob, ImportRow, ScheduleProfile
from devices.services.imports import apply, jobs, undo, work
from devices.services.imports.answer import changes_of
from devices.services.imports.stored import cells_unpack
from tms.keyset import page_of

State = ImportJob.State
WORKING = (State.UPLOADED, State.READING, State.QUEUED, State.APPLYING)
ROWS_SHOWN = 50
CELLS_SHOWN = 6
# Filters of the rows: what `show` says, its name, which rows, whether it wants attention.
FILTERS = (
    ("added", "Added", {"kind": "added"}),
    ("changed", "Changed", {"kind": "changed"}),
    ("moved", "Moved", {"kind": "moved"}),
    ("removed", "Removed", {"kind": "removed"}),
    ("unchanged", "Unchanged", {"kind": "unchanged"}),
    ("refused", "Refused", {"kind": "refused"}),
    ("WARN", "With a warning", {"result": "WARN"}),
    ("dangerous", "Dangerous", {"danger__gt": ""}),
    ("later", "For later", {"due__isnull": False}),
)


@admin.register(ScheduleProfile)
class ScheduleProfileAdmin(admin.ModelAdmin):
    """Names that an import may give a device as its profile."""

    list_display = ("name",)
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER


@admin.register(ImportJob)
class ImportJobAdmin(PageAdmin):
    list_display = ("batch", "filename", "kind", "created", "who", "state_badge", "outcome")
    list_display_links = ("batch",)
    list_filter = ("kind", "state")
    search_fields = ("batch",)
    search_help_text = "Beginning of an import's number."
    page_template = "devices/import.html"
    change_list_template = "admin/devices/importjob/change_list.html"
    empty_hint = (
        "Upload a file of devices or of groups; nothing is changed before you have seen it."
    )

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("user")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term:
            return queryset, False
        if not term.isascii() or not term.isdigit():
            return queryset.none(), False
        return queryset.filter(batch__startswith=term), False

    @admin.display(description="by")
    def who(self, job: ImportJob) -> str:
        return job.user.get_username() if job.user else job.get_origin_display()

    @admin.display(description="state")
    def state_badge(self, job: ImportJob) -> str:
        return format_html('<span class="badge {}">{}</span>', job.state, job.get_state_display())

    @admin.display(description="rows")
    def outcome(self, job: ImportJob) -> str:
        counts = job.counts
        parts = [f"{counts[key]:,} {name.lower()}" for key, name, _ in FILTERS if counts.get(key)]
        return ", ".join(parts) or job.code or "–"

    # --- who may ---

    def has_add_permission(self, request) -> bool:
        return request.user.has_perm("devices.add_importjob")

    def may_undo(self, request: HttpRequest, job: ImportJob, force: bool = False) -> bool:
        return undo.undo_allowed(job, request.user, force)

    def _changeable(self, request: HttpRequest, object_id: str) -> ImportJob:
        """An import that the user may decide on: by POST, with the right to import."""
        job = self.row_or_404(request, object_id)
        if not self.has_add_permission(request) or request.method != "POST":
            raise PermissionDenied
        return job

    # --- addresses ---

    def get_urls(self):
        wrap = self.admin_site.admin_view
        views = {
            "apply": self.apply_view,
            "cancel": self.cancel_view,
            "undo": self.undo_view,
            "progress": self.progress_view,
            "result.csv": self.result_view,
            "result.xlsx": self.workbook_view,
            "resubmit.csv": self.resubmit_view,
        }
        own = [
            path(
                f"<path:object_id>/{name}{'' if '.' in name else '/'}",
                wrap(view),
                name=f"devices_importjob_{name.replace('.', '_')}",
            )
            for name, view in views.items()
        ]
        own += [
            path(
                f"{word}/<str:kind>.<str:extension>",
                wrap(view),
                name=f"devices_importjob_{word}",
            )
            for word, view in (("template", self.template_view), ("present", self.present_view))
        ]
        return own + super().get_urls()

    # --- upload ---

    def add_view(self, request, form_url="", extra_context=None) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        kind = request.GET.get("kind", ImportJob.Kind.DEVICES)
        if kind not in ImportJob.Kind.values:
            kind = ImportJob.Kind.DEVICES
        form = importforms.form_of(kind)(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            return self._received(request, kind, form)
        context = {
            "title": f"Import {ImportJob.Kind(kind).label.lower()}",
            "form": form,
            "kind": kind,
            "columns": jobs.columns_of(kind),
            "may_export": request.user.has_perm("devices.download_device"),
        }
        return self.render_page(request, "devices/import_add.html", None, context)

    def _received(self, request: HttpRequest, kind: str, form) -> HttpResponse:
        upload = form.cleaned_data["file"]
        job = jobs.import_create(
            kind=kind, filename=upload.name, options=form.options, user=request.user
        )
        work.import_receive(job, upload.chunks(), upload.size)
        self._hint(job)
        return redirect("admin:devices_importjob_change", job.pk)

    @staticmethod
    def _hint(job: ImportJob) -> None:
        """With a broker, tell a worker that there is something to do; without one it looks."""
        if settings.BROKER_URL and job.state in WORKING:
            from devices.tasks import imports

            imports.apply_async(retry=False)

    # --- the page ---

    def page_context(self, request, job):
        show = request.GET.get("show", "")
        wanted = next((lookup for key, _, lookup in FILTERS if key == show), {})
        rows = ImportRow.objects.filter(job=job, **wanted)
        page = page_of(rows, "number", request.GET, ROWS_SHOWN)
        may_import = self.has_add_permission(request)
        is_preview = job.state == State.PREVIEW
        return {
            "title": job.filename,
            "job": job,
            "working": job.state in WORKING,
            "is_preview": is_preview,
            "filters": [
                {"key": key, "name": name, "count": job.counts[key], "current": key == show}
                for key, name, _ in FILTERS
                if job.counts.get(key)
            ],
            "show": show,
            "rows": [self._shown(job, row) for row in page.rows],
            "row_links": page.links({k: v for k, v in request.GET.items() if k == "show"}),
            "may_import": may_import,
            "may_decide": may_import and is_preview,
            "may_cancel": may_import and (is_preview or job.state in WORKING),
            "may_undo": job.state == State.APPLIED and self.may_undo(request, job),
            "may_force": job.state == State.UNDONE
            and self.may_undo(request, job, force=True)
            and job.conflicts.exclude(why="kept").exists(),
            "conflicts": job.conflicts.all()[:ROWS_SHOWN],
            "to_confirm": jobs.is_to_confirm(job),
            "all_or_nothing": job.options.get("all_or_nothing") and job.counts.get("ERROR"),
        }

    @staticmethod
    def _shown(job: ImportJob, row: ImportRow) -> dict:
        """A row as the list shows it: what it changes, or what it brings."""
        changes = changes_of(row)
        brought = []
        if not changes:
            named = zip(job.names, cells_unpack(row.cells), strict=False)
            shown = (name.lower() not in ("action", "deviceid") for name in job.names)
            pairs = zip(named, shown, strict=False)
            brought = [(name, cell) for (name, cell), wanted in pairs if cell and wanted]
        return {
            "row": row,
            "changes": changes,
            "brought": brought[:CELLS_SHOWN],
            "more": max(len(brought) - CELLS_SHOWN, 0),
        }

    def progress_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.row_or_404(request, object_id)
        return JsonResponse(
            {
                "state": job.state,
                "label": job.get_state_display(),
                "progress": job.progress,
                "working": job.state in WORKING,
            }
        )

    # --- decisions ---

    def apply_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self._changeable(request, object_id)
        try:
            apply.import_queue(
                job,
                user=request.user,
                confirmed="confirmed" in request.POST,
                dangers="dangers" in request.POST,
            )
            work.import_go(job)
        except jobs.ImportFault as fault:
            messages.error(request, str(fault))
        else:
            self._hint(job)
            if job.state == State.APPLIED:
                messages.success(request, f"The import of {job.filename} was applied.")
        return self._back(job)

    def cancel_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self._changeable(request, object_id)
        if jobs.import_cancel(job):
            messages.success(request, f"The import of {job.filename} was given up.")
        else:
            messages.error(request, "It was too late to give this import up.")
        return self._back(job)

    def undo_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        job = self.row_or_404(request, object_id)
        force = "force" in request.POST or "force" in request.GET
        if not self.may_undo(request, job, force):
            raise PermissionDenied
        if request.method != "POST":
            context = {"title": f"Undo {job.filename}?", "force": force, "job": job}
            return self.render_page(request, "devices/import_undo.html", job, context)
        try:
            undone = undo.import_undo(job, user=request.user, force=force)
        except jobs.ImportFault as fault:
            messages.error(request, str(fault))
            return self._back(job)
        messages.success(request, f"The import of {job.filename} was undone.")
        if undone.conflicts:
            count = len(undone.conflicts)
            messages.warning(request, f"Left alone because they changed since: {count:,} devices.")
        return self._back(job)

    @staticmethod
    def _back(job: ImportJob) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:devices_importjob_change", args=[job.pk]))

    # --- files ---

    def result_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return importfiles.result(self._answered(request, object_id))

    def resubmit_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return importfiles.result(self._answered(request, object_id), only_bad=True)

    def workbook_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return importfiles.workbook(self._answered(request, object_id))

    def _answered(self, request: HttpRequest, object_id: str) -> ImportJob:
        job = self.row_or_404(request, object_id)
        if not self.has_add_permission(request):
            raise PermissionDenied
        return job

    def template_view(self, request: HttpRequest, kind: str, extension: str) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return importfiles.template(kind, extension)

    def present_view(self, request: HttpRequest, kind: str, extension: str) -> HttpResponse:
        if not request.user.has_perm("devices.download_device"):
            raise PermissionDenied
        return importfiles.present(kind, extension)
