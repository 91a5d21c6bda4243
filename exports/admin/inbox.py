"""The inbox: which files were taken in and what came of them, and how each folder is read."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html

from devices.admin.pages import RowPages
from exports import formats
from exports.admin.form import OPTION, Section, option_field, options_clean
from exports.admin.lists import ListedAdmin, shown, stamp
from exports.formats.base import Option
from exports.models import InboxFile, ReaderSetting
from exports.models.inbox import JSON
from exports.services.inbox import folders

LISTED = 50  # refusals and warnings that a page lists


@admin.register(InboxFile)
class InboxFileAdmin(ListedAdmin):
    """Looked at; what was taken is not edited."""

    list_display = (
        *("name", "format", "state_badge", "taken_shown", "devices", "intervals", "registers"),
        *("events", "message"),
    )
    list_display_links = ("name",)
    list_filter = ("state", "format")
    search_fields = ("name",)
    search_help_text = "Beginning of a file's name."
    page_template = "exports/inboxfile.html"
    empty_hint = (
        "Files dropped into inbox/reads/<format> of the data directory are taken when they have "
        "stopped growing. How a folder is read is said under “Inbox settings”; files of devices "
        "and groups are among the imports."
    )
    csv_columns = (
        *("file", "format", "bytes", "sha256", "taken_utc", "finished_utc", "state", "devices"),
        *("intervals", "registers", "events", "refused", "message", "kept"),
    )

    def get_queryset(self, request):
        return super().get_queryset(request).defer("report")

    def get_search_results(self, request, queryset, search_term):
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        return queryset.filter(name__startswith=term), False

    def csv_cells(self, row: InboxFile):
        return (
            *(row.name, row.format, row.bytes, row.sha256, stamp(row.taken), stamp(row.finished)),
            *(row.state, row.devices, row.intervals, row.registers, row.events, row.refused),
            *(row.message, row.kept),
        )

    def page_context(self, request, row):
        report = row.report
        return {
            "title": row.name,
            "refusals": report.get("refused", [])[:LISTED],
            "warnings": report.get("warnings", [])[:LISTED],
            "created": report.get("created", {}),
            "result": f"{row.kept}.result.json" if row.put_aside else "",
        }

    @admin.display(description="taken")
    def taken_shown(self, row: InboxFile) -> str | None:
        return shown(row.taken)

    @admin.display(description="state")
    def state_badge(self, row: InboxFile) -> Any:
        return format_html('<span class="badge {}">{}</span>', row.state, row.get_state_display())


class SettingForm(forms.ModelForm):
    """How a folder is read: what holds for all formats, and the options of its reader."""

    class Meta:
        model = ReaderSetting
        fields = ("active", "source", "on_error", "provision", "resolution", "zone")

    def __init__(self, *args: Any, code: str, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.instance.format = code
        self.options: list[Option] = []
        if code != JSON:
            self.options = [o for o in formats.get(code).options if o.use in ("read", "both")]
        for option in self.options:
            given = (self.instance.options or {}).get(option.name)
            self.fields[OPTION + option.name] = option_field(option, given)

    def sections(self):
        """The fields as the page groups them."""
        yield Section("Files", [self[name] for name in ("active", "source", "on_error")])
        unknown = ("provision", "resolution", "zone")
        yield Section("What is unknown", [self[name] for name in unknown])
        if self.options:
            label = formats.get(self.instance.format).label
            fields = [self[OPTION + option.name] for option in self.options]
            yield Section(f"The reader: {label}", fields)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("resolution") is not None and not cleaned.get("provision"):
            self.add_error("resolution", "It is of channels that are made: choose a class, too.")
        if self.options:
            options_clean(self, formats.get(self.instance.format), self.options, "read")
        return cleaned


@admin.register(ReaderSetting)
class ReaderSettingAdmin(RowPages):
    """One a format; a folder without one is read as by default."""

    list_display = ("folder", "active", "source", "on_error", "provision", "zone")
    list_display_links = ("folder",)
    list_filter = ("active",)
    keyset = "format"
    list_select_related = ("provision",)
    empty_hint = (
        "Every format that can be read has a folder inbox/reads/<format>, and is read as `ingest` "
        "reads it without options. Say here what is to be different, for example that unknown "
        "devices are made."
    )

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        code = request.GET.get("format", "")
        used = set(ReaderSetting.objects.values_list("format", flat=True))
        offered = [code for code in folders() if code not in used]
        if code not in offered:
            choices = [(one, _label(one)) for one in offered]
            context = {"title": "Files of which format?", "choices": choices}
            return self.render_page(request, "exports/setting_formats.html", None, context)
        return self._form_view(request, ReaderSetting(format=code))

    def change_view(self, request, object_id, form_url="", extra_context=None):
        return self._form_view(request, self.row_or_404(request, object_id))

    def _form_view(self, request: HttpRequest, row: ReaderSetting) -> HttpResponse:
        may_edit = row.pk is None or self.has_change_permission(request, row)
        if request.method == "POST" and not may_edit:
            raise PermissionDenied
        new = row.pk is None
        form = SettingForm(request.POST or None, instance=row, code=row.format)
        if request.method == "POST" and form.is_valid():
            saved = form.save()
            self.log_change(request, saved, "Made." if new else "Edited.")
            messages.success(request, f"The settings of {saved} are saved.")
            return redirect("admin:exports_readersetting_changelist")
        if not may_edit:
            for field in form.fields.values():
                field.disabled = True
        deletable = not new and self.has_delete_permission(request, row)
        context = {
            "title": f"inbox/reads/{row.format}",
            "lead": _label(row.format),
            "form": form,
            "may_edit": may_edit,
            "delete": reverse("admin:exports_readersetting_delete", args=[row.pk])
            if deletable
            else "",
        }
        return self.render_page(request, "exports/setting_form.html", None if new else row, context)

    @admin.display(description="folder")
    def folder(self, row: ReaderSetting) -> str:
        return str(row)


def _label(code: str) -> str:
    return "Batches as they are posted" if code == JSON else formats.get(code).label
