"""The work list of what the gate holds back: looked at, released with a note, sent on its own."""

from __future__ import annotations

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.html import format_html

from devices import selectors as device_selectors
from exports.admin.lists import ListedAdmin, stamp
from exports.models import Hold
from exports.services.holds import hold_release

COLUMNS = (
    *("export", "run", "meter", "from", "to", "state", "why", "readings", "missing", "estimated"),
    *("questionable", "held_since", "released_by", "released", "note", "sent_in"),
)


@admin.register(Hold)
class HoldAdmin(ListedAdmin):
    list_display = ("what", "export", "why", "state_badge", "created", "decided_by", "sent")
    list_display_links = ("what",)
    list_filter = ("state", "definition")
    search_fields = ("device__device_id",)
    search_help_text = "Beginning of a meter's device id."
    actions = ("release",)
    page_template = "exports/hold.html"
    csv_columns = COLUMNS
    empty_hint = (
        "Nothing is held. An export holds meters, or a whole run, when its “Quality” says how many "
        "readings may be missing, estimated or questionable."
    )

    def get_queryset(self, request):
        rows = (
            super().get_queryset(request).select_related("definition", "run", "device", "sent_in")
        )
        return rows.defer("run__warnings", "run__error", "run__options")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(device_selectors.prefix_filter("device__device_id", term)), False

    def get_urls(self):
        wrap = self.admin_site.admin_view
        own = [
            path("<int:pk>/release/", wrap(self.release_view), name="exports_hold_release"),
        ]
        return own + super().get_urls()

    def get_actions(self, request):
        return super().get_actions(request) if self.may_release(request) else {}

    def may_release(self, request: HttpRequest) -> bool:
        return request.user.has_perm("exports.release_hold")

    def page_context(self, request, hold):
        return {
            "title": str(hold),
            "may_release": self.may_release(request),
            "may_run": request.user.has_perm("exports.run_exportdefinition"),
        }

    # --- deciding -----------------------------------------------------------------------------
    @admin.action(description="Release the chosen ones", permissions=["view"])
    def release(self, request, queryset):
        """Asks for the note, and with one releases."""
        if not self.may_release(request):
            raise PermissionDenied
        rows = list(queryset.filter(state=Hold.State.HELD)[:500])
        if not rows:
            messages.info(request, "None of the chosen ones is held any longer.")
            return None
        if "note" in request.POST:
            self._release(request, rows)
            return None
        context = {"title": "Release", "rows": rows}
        return self.render_page(request, "exports/hold_release.html", None, context)

    def release_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        hold = self.row_or_404(request, str(pk))
        if not self.may_release(request):
            raise PermissionDenied
        if request.method != "POST":
            raise Http404
        self._release(request, [hold])
        return redirect("admin:exports_hold_change", pk)

    def _release(self, request: HttpRequest, rows: list[Hold]) -> None:
        note, released = request.POST.get("note", ""), 0
        try:
            for hold in rows:
                released += hold_release(hold, user=request.user, note=note)
        except ValueError as error:
            messages.error(request, str(error))
        if released:
            self.log_change(request, rows[0], f"Released {released}: {note.strip()[:200]}")
            text = "is" if released == 1 else "are"
            messages.success(request, f"{released} {text} released, to be sent with the next run.")

    def csv_cells(self, hold):
        return (
            *(hold.definition.name, hold.run.batch_id),
            hold.device.device_id if hold.device else "",
            *(stamp(hold.start), stamp(hold.end), hold.state, hold.reasons),
            *(hold.readings, hold.missing, hold.estimated, hold.questionable),
            *(stamp(hold.created), hold.decided_by, stamp(hold.decided), hold.note),
            "" if hold.sent_in is None else hold.sent_in.batch_id,
        )

    # --- columns ------------------------------------------------------------------------------
    @admin.display(description="meter or run")
    def what(self, hold: Hold) -> str:
        return str(hold)

    @admin.display(description="export")
    def export(self, hold: Hold) -> str:
        address = reverse("admin:exports_exportdefinition_change", args=[hold.definition_id])
        return format_html('<a href="{}">{}</a>', address, hold.definition.name)

    @admin.display(description="why")
    def why(self, hold: Hold) -> str:
        return hold.reasons

    @admin.display(description="state")
    def state_badge(self, hold: Hold) -> str:
        return format_html('<span class="badge {}">{}</span>', hold.state, hold.get_state_display())

    @admin.display(description="sent in")
    def sent(self, hold: Hold) -> str:
        if hold.sent_in is None:
            return ""
        address = reverse("admin:exports_exportrun_change", args=[hold.sent_in_id])
        return format_html('<a href="{}">{}</a>', address, hold.sent_in.batch_id)
