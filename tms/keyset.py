"""Lists of large tables: pages by key (`?after=`, `?before=`), never by offset, never counted.

A page is one query for a page's rows and one more: `WHERE key > x ORDER BY key LIMIT n + 1`. It
costs the same on the first page as on the last, and with a thousand rows as with a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value
from django.utils.text import capfirst

AFTER, BEFORE = "after", "before"


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows. `before` and `after` are the keys to go on from, None at an end."""

    rows: list[Model]
    before: str | None
    after: str | None

    def links(self, params: dict[str, Any] | None = None) -> dict[str, str | None]:
        """Query strings of the neighbouring pages that keep the other parameters."""
        kept = {k: v for k, v in (params or {}).items() if k not in (AFTER, BEFORE)}

        def link(name: str, key: str | None) -> str | None:
            return None if key is None else "?" + urlencode({**kept, name: key}, doseq=True)

        return {
            "previous": link(BEFORE, self.before),
            "next": link(AFTER, self.after),
            "first": "?" + urlencode(kept, doseq=True) if self.before is not None else None,
        }


class _Beyond(Func):
    """`(a, b) < (x, y)`: the rows after a place, as an index of (a, b) can give them."""

    output_field = BooleanField()

    def __init__(self, *names_and_values: Any, sign: str = "<") -> None:
        super().__init__(*names_and_values)
        self.sign = sign

    def as_sql(self, compiler, connection, **kwargs):
        parts = [compiler.compile(one) for one in self.get_source_expressions()]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in some) for some in (parts[:half], parts[half:]))
        return f"({left}) {self.sign} ({right})", [p for _, params in parts for p in params]


def page_of(
    queryset: QuerySet, key: str, params: dict[str, Any], size: int = 50, by: str = ""
) -> Page:
    """The page of `queryset` that `params` asks for, in the order of the unique field `key`.

    `key` is a field name, `-` before it for descending; or several by commas, of one direction and
    unique together. A key that cannot be one (typed into the address by hand) gives the first
    page. `by` is the same key by another path, to order by where a joined table has the index that
    gives the order.
    """
    names, descending = key.replace("-", "").split(","), key.startswith("-")
    backwards = AFTER not in params and BEFORE in params
    mark = params.get(BEFORE if backwards else AFTER)
    paths = (by or ",".join(names)).split(",")
    ordered = queryset.order_by(*(("-" if descending != backwards else "") + p for p in paths))
    if mark is not None:
        try:
            ordered = _after(ordered, names, mark, down=descending != backwards)
        except (ValueError, TypeError, ValidationError):
            mark, backwards, ordered = None, False, queryset.order_by(*key.split(","))
    rows = list(ordered[: size + 1])
    more, rows = len(rows) > size, rows[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return Page([], None, None)
    first, last = (",".join(_key_value(row, n) for n in names) for row in (rows[0], rows[-1]))
    return Page(
        rows,
        before=first if (more if backwards else mark is not None) else None,
        after=last if (backwards or more) else None,
    )


def _after(rows: QuerySet, names: list[str], mark: str, *, down: bool) -> QuerySet:
    """The rows after a place. ValueError, TypeError, ValidationError: it is none."""
    if len(names) == 1:
        return rows.filter(**{f"{names[0]}__{'lt' if down else 'gt'}": mark})
    fields = [rows.model._meta.get_field(name) for name in names]
    values = [f.to_python(text) for f, text in zip(fields, mark.split(","), strict=True)]
    if None in values:
        raise ValueError(mark)
    marks = [Value(v, output_field=f) for f, v in zip(fields, values, strict=True)]
    return rows.filter(_Beyond(*map(F, names), *marks, sign="<" if down else ">"))


def _key_value(row: Model, path: str) -> str:
    value: Any = row
    for part in path.split("__"):
        value = getattr(value, part)
    return str(value)


class KeysetChangeList(ChangeList):
    """Django's change list with its pages taken by key."""

    page: Page

    def get_filters_params(self, params=None):
        lookups = super().get_filters_params(params)
        for name in (AFTER, BEFORE):
            lookups.pop(name, None)
        return lookups

    def get_query_string(self, new_params=None, remove=None):
        """As Django's, and a changed filter begins at the first page."""
        return super().get_query_string(new_params, [*(remove or []), AFTER, BEFORE])

    def get_ordering(self, request, queryset):
        return self.model_admin.get_keyset(request).split(",")

    def get_ordering_field_columns(self):
        return {}

    def get_results(self, request):
        key = self.model_admin.get_keyset(request)
        by = self.model_admin.get_keyset_path(request)
        self.page = page_of(self.queryset, key, self.params, self.list_per_page, by)
        self.page_links = self.page.links(self.filter_params)
        self.result_list = self.page.rows
        # What is not counted is shown as what is there, so no link to "all pages" is offered.
        self.result_count = len(self.page.rows)
        self.full_result_count = None
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.paginator = Paginator(self.page.rows, self.list_per_page)


class KeysetAdmin(admin.ModelAdmin):
    """A model admin whose list is paged by key. `keyset` names a unique, indexed field, or several
    by commas."""

    keyset = "-pk"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()
    empty_hint = ""  # what to do when there is nothing yet; shown under an empty list

    def get_keyset(self, request) -> str:
        """The field to page by; may depend on the filters of the request."""
        return self.keyset

    def get_keyset_path(self, request) -> str:
        """Another path to the same key, where a filter joins the table that has the index."""
        return ""

    def get_changelist(self, request, **kwargs):
        return KeysetChangeList

    def changelist_view(self, request, extra_context=None):
        if ORDER_VAR in request.GET:
            request.GET = request.GET.copy()
            del request.GET[ORDER_VAR]
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "empty_hint": self.empty_hint,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)
