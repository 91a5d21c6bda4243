"""Lists of this app as CSV, as they are searched and filtered; and what their searches share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone

from devices.admin.downloads import csv_response, safe_cell
from devices.admin.pages import PageAdmin

CHUNK = 1000


class ListedAdmin(PageAdmin):
    """A list that can be had as CSV: `csv_columns`, and the cells of a row by `csv_cells`."""

    change_list_template = "admin/exports/change_list.html"
    csv_columns: tuple[str, ...] = ()

    def csv_cells(self, row: Any) -> Iterable[object]:
        """What the columns hold of a row."""
        raise NotImplementedError

    def csv_rows(self, rows: QuerySet) -> QuerySet:
        """What is read of the list for it."""
        return rows

    @property
    def _route(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_download"

    def get_urls(self):
        view = self.admin_site.admin_view(self.download_view)
        return [path("download.csv", view, name=self._route), *super().get_urls()]

    def may_download(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.download_{self.opts.model_name}")

    def download_view(self, request: HttpRequest) -> HttpResponse:
        """The whole list as it is searched and filtered, newest first."""
        if not self.may_download(request):
            raise PermissionDenied
        name = f"{self.opts.verbose_name_plural.replace(' ', '-')}.csv"
        return self.answer_list(
            request,
            lambda rows: csv_response(
                name, self.csv_columns, _lines(self.csv_rows(rows), self.csv_cells)
            ),
        )

    def changelist_view(self, request, extra_context=None):
        address = f"admin:{self._route}" if self.may_download(request) else ""
        return super().changelist_view(request, {"download": address, **(extra_context or {})})


def _lines(rows: QuerySet, cells: Callable[[Any], Iterable[object]]) -> Iterator[list[str]]:
    for row in rows.iterator(chunk_size=CHUNK):
        yield [safe_cell(cell) for cell in cells(row)]


def shown(when: datetime | None) -> str | None:
    """A time as a list has it."""
    return None if when is None else timezone.localtime(when).strftime("%Y-%m-%d %H:%M")


def stamp(when: datetime | None) -> str:
    """A time as a download has it: UTC, ISO; empty for none."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}" if when else ""
