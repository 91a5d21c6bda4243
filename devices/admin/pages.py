"""Pages to look at: what a row leads to where the stock form is not what people need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.widgets import AutocompleteSelect, AutocompleteSelectMultiple
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from simple_history.admin import SimpleHistoryAdmin

from tms.keyset import KeysetAdmin


class _OfKeys:
    """A choice of rows that shows a form again whatever was sent in a key's place."""

    def optgroups(self, name, value, attr=None):
        keys = [key for key in value if not key or (str(key).isdecimal() and len(str(key)) < 19)]
        return super().optgroups(name, keys, attr)


class _OneRow(_OfKeys, AutocompleteSelect):
    pass


class _SomeRows(_OfKeys, AutocompleteSelectMultiple):
    pass


TOLERANT = {AutocompleteSelect: _OneRow, AutocompleteSelectMultiple: _SomeRows}


class TolerantChoices:
    """A form with completed choices is shown again whatever was sent in a key's place."""

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        widget = getattr(field, "widget", None)
        widget = getattr(widget, "widget", widget)
        if type(widget) in TOLERANT:
            widget.__class__ = TOLERANT[type(widget)]
        return field


class PlainRelations(TolerantChoices):
    """Relations as plain choices, without the buttons that open other rows in a window."""

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for name in ("add", "change", "delete", "view"):
            if hasattr(getattr(field, "widget", None), f"can_{name}_related"):
                setattr(field.widget, f"can_{name}_related", False)
        return field


class ReadOnly:
    """Rows to look at: whatever the role, none is added, changed or deleted."""

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False


class RowHistory(SimpleHistoryAdmin):
    """The history of a row: who changed what and when, to look at."""

    object_history_list_template = "devices/history_list.html"

    def revert_disabled(self, request, obj=None) -> bool:
        """History is looked at; what was is made again by an edit, under its own checks."""
        return True

    def history_view(self, request, object_id, extra_context=None):
        """The list of versions; Http404 where the address names no row."""
        try:
            return super().history_view(request, object_id, extra_context)
        except (ValueError, OverflowError) as error:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.") from error

    def history_form_view(self, request, object_id, version_id, extra_context=None):
        """Looked at, truly: what is posted here would be saved without those checks."""
        if request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        try:
            return super().history_form_view(request, object_id, version_id, extra_context)
        except (ValueError, OverflowError) as error:
            raise Http404(f"There is no version {version_id} of {object_id}.") from error


class RowPages(KeysetAdmin):
    """Helps a model admin with pages of its own about one row, within the site's frame."""

    def render_page(
        self, request: HttpRequest, template: str, row: Any, context: dict[str, Any]
    ) -> HttpResponse:
        """A page about `row` (None: about one to be made)."""
        request.current_app = self.admin_site.name
        whole = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": str(row),
            "original": row,
            **context,
        }
        return TemplateResponse(request, template, whole)

    def row_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """The row, if it exists and may be looked at."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} numbered {object_id}.")
        return row

    def answer_list(
        self, request: HttpRequest, answer: Callable[[QuerySet], HttpResponse]
    ) -> HttpResponse:
        """What `answer` makes of the list as it is searched and filtered. A filter that is none is
        answered as the list itself answers it."""
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            names = self.opts.app_label, self.opts.model_name
            return redirect(reverse("admin:{}_{}_changelist".format(*names)) + "?e=1")
        return answer(rows)


class PageAdmin(ReadOnly, RowPages):
    """A list whose rows lead to a page of its own template; nothing is edited on it."""

    page_template = ""

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the template needs beside `original`, `title` and `opts`."""
        raise NotImplementedError

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.row_or_404(request, object_id)
        return self.render_page(request, self.page_template, row, self.page_context(request, row))
