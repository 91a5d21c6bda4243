"""The coverage of an export: the map, one meter's day, the map as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import numpy as np
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse

from devices import selectors as device_selectors
from devices.admin.downloads import csv_response, safe_cell
from exports import selectors, services
from exports.coverage import State, pages
from exports.coverage.detail import meter_day
from exports.coverage.states import KINDS, OF_CODE, OF_STATE
from exports.formats.base import OptionError
from exports.models import ExportDefinition

COLUMNS = (
    *("device", "meter_number", "day", "state", "readings", "expected", "sent", "pending"),
    *("changed", "held", "missing", "runs"),
)
GROUPS_OFFERED = 200
WORST = (State.HELD, State.CHANGED, State.PENDING, State.MISSING, State.SENT, State.OUTSIDE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as the page draws it."""

    code: str
    mark: str
    title: str
    address: str
    some: str = ""  # how many of a line's meters, where not all


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the map."""

    label: str
    note: str
    address: str
    cells: list[Shown]


class CoveragePages:
    """Mixed into the admin of definitions."""

    def coverage_urls(self) -> list[Any]:
        wrap, name = self.admin_site.admin_view, "exports_exportdefinition"
        return [
            path("<int:pk>/coverage/", wrap(self.coverage_view), name=f"{name}_coverage"),
            path("<int:pk>/coverage.csv", wrap(self.coverage_csv), name=f"{name}_coverage_csv"),
            path(
                "<int:pk>/coverage/<path:device>/<str:day>/",
                wrap(self.day_view),
                name=f"{name}_day",
            ),
            path("<int:pk>/correct/", wrap(self.correct_view), name=f"{name}_correct"),
            path("<int:pk>/released/", wrap(self.released_view), name=f"{name}_released"),
        ]

    def coverage_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The map."""
        row = self.row_or_404(request, str(pk))
        asked, error = _asked(row, request)
        bundled = request.GET.get("rows") == "groups"
        size = pages.BUNDLES * pages.BUNDLE if bundled else pages.METERS
        page = pages.page_read(row, asked, size)
        address = reverse("admin:exports_exportdefinition_coverage", args=[pk])
        lines = _bundles(row, page, address, request) if bundled else _meters(row, page)
        context = {
            "title": f"Coverage of {row.name}",
            "days": asked.days,
            "dates": [_heading(day) for day in asked.days.dates],
            "rows": lines,
            "kinds": KINDS,
            "strip": _strip(page, request),
            "shown": len(page.lines),
            "asked": asked,
            "bundled": bundled,
            "bundle": pages.BUNDLE,
            "error": error,
            "group_choices": selectors.groups_for_coverage(row, GROUPS_OFFERED),
            "previous": _link(request, before=page.before) if page.before else "",
            "next": _link(request, after=page.after) if page.after else "",
            "narrowed": bool(asked.group or asked.text or asked.state is not None),
            "csv": _link(request, at="", after="", before=""),
            "other_rows": _link(request, rows="meters" if bundled else "groups"),
            "backlog": selectors.backlog_for_definition(row),
            "may_run": self.has_run_permission(request),
            "may_download": request.user.has_perm("exports.download_exportrun"),
            "may_correct": _may_correct(row),
        }
        return self.render_page(request, "exports/coverage.html", row, context)

    def day_view(self, request: HttpRequest, pk: int, device: str, day: str) -> HttpResponse:
        """One meter's day."""
        row = self.row_or_404(request, str(pk))
        found = device_selectors.device_for_address(device)
        try:
            chosen = date.fromisoformat(day)
        except ValueError as error:
            raise Http404(f"{day} is no day.") from error
        if found is None or found.device_id != device or not 2000 <= chosen.year <= 2100:
            raise Http404(f"There is no device {device}.")
        seen = meter_day(row, found, chosen)
        query = {"from": day, "to": day, "at": device}
        context = {
            "title": f"{device} on {day}",
            "device": found,
            "day": chosen,
            "seen": seen,
            "kind": OF_STATE[seen.cell.state],
            "counts": [
                (known.label, seen.cell.counts[known.state])
                for known in KINDS
                if known.state != State.OUTSIDE and seen.cell.counts[known.state]
            ],
            "stretches": [(one, OF_STATE[one.state]) for one in seen.stretches],
            "zone": row.zone or found.time_zone,
            "zone_info": ZoneInfo(row.zone or found.time_zone),
            "back": reverse("admin:exports_exportdefinition_coverage", args=[pk])
            + "?"
            + urlencode(query),
            "may_run": self.has_run_permission(request),
        }
        return self.render_page(request, "exports/coverage_day.html", row, context)

    def coverage_csv(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Every meter and day that is asked for, not only those of a page."""
        row = self.row_or_404(request, str(pk))
        if not request.user.has_perm("exports.download_exportrun"):
            raise PermissionDenied
        asked, error = _asked(row, request)
        if error:
            messages.error(request, error)
            return redirect("admin:exports_exportdefinition_coverage", pk)
        name = f"coverage-{row.name}-{asked.days.first:%Y%m%d}-{asked.days.last:%Y%m%d}.csv"
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
        return csv_response(safe, COLUMNS, _csv_rows(row, asked))

    def correct_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """“Correction file”."""
        row = self.row_asked(request, str(pk))
        try:
            run = services.definition_run(row, user=request.user, corrections=True)
        except (OptionError, ValueError) as error:
            messages.error(request, f"No correction file was started: {error}.")
            return redirect("admin:exports_exportdefinition_change", row.pk)
        return redirect("admin:exports_exportrun_change", run.pk)

    def released_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """“Send what is released now”."""
        row = self.row_asked(request, str(pk))
        runs = services.released_send(row, user=request.user)
        if not runs:
            messages.info(request, "Nothing that is released waits to be sent.")
            return redirect("admin:exports_exportdefinition_change", pk)
        return redirect("admin:exports_exportrun_change", runs[0].pk)


def _may_correct(row: ExportDefinition) -> bool:
    return not row.is_flow


def _asked(row: ExportDefinition, request: HttpRequest) -> tuple[pages.Asked, str]:
    """What the address asks for, and what is wrong with it."""
    given = {name: request.GET.get(name, "").strip() for name in ("from", "to", "group", "q")}
    marks = {name: request.GET.get(name, "") for name in ("after", "before", "at")}
    error = ""
    try:
        days = pages.days_for_definition(row, given["from"], given["to"])
    except ValueError as fault:
        days, error = pages.days_for_definition(row), _said(fault)
    kind = OF_CODE.get(request.GET.get("state", ""))
    text = "" if "\0" in given["q"] else given["q"]
    group = "" if "\0" in given["group"] else given["group"]
    return pages.Asked(days, group, text, kind.state if kind else None, **marks), error


def _said(fault: ValueError) -> str:
    text = str(fault)
    return "Write days as 2026-03-31." if "isoformat" in text else text


def _link(request: HttpRequest, **changes: str) -> str:
    """The address's question with some of it changed; pages begin anew where it is narrowed."""
    kept = {
        name: request.GET[name]
        for name in ("from", "to", "group", "q", "state", "rows")
        if request.GET.get(name)
    }
    kept |= changes
    return "?" + urlencode({name: value for name, value in kept.items() if value})


def _heading(day: date) -> dict[str, Any]:
    return {"day": day, "number": day.day, "weekend": day.weekday() > 4, "first": day.day == 1}


def _strip(page: pages.Page, request: HttpRequest) -> list[dict[str, Any]]:
    """How many meter-days of the page are in each state, and where to see only those meters."""
    states = np.concatenate(
        [line.coverage.state[line.place] for line in page.lines] or [np.zeros(0, np.int8)]
    )
    tally = np.bincount(states, minlength=len(State))
    chosen = request.GET.get("state", "")
    return [
        {
            "kind": kind,
            "count": int(tally[kind.state]),
            "chosen": kind.code == chosen,
            "address": _link(request, state="" if kind.code == chosen else kind.code),
        }
        for kind in KINDS
        if kind.state != State.OUTSIDE
    ]


def _meters(row: ExportDefinition, page: pages.Page) -> list[Row]:
    """A meter a line; a cell leads to its day."""
    found = []
    for line in page.lines:
        cells = []
        for n, day in enumerate(line.coverage.days.dates):
            cell = line.coverage.cell(line.place, n)
            kind = OF_STATE[cell.state]
            text = f"{line.device_id}, {day}: {kind.label}"
            if cell.expected:
                text += f", {cell.there} of {cell.expected} readings"
            if cell.runs:
                text += ", by " + ", ".join(run.batch_id for run in cell.runs[:3])
            where = reverse(
                "admin:exports_exportdefinition_day", args=[row.pk, line.device_id, day.isoformat()]
            )
            cells.append(Shown(kind.code, kind.mark, text, where))
        address = reverse("admin:devices_device_change", args=[line.pk])
        found.append(Row(line.device_id, line.meter_number, address, cells))
    return found


def _bundles(
    row: ExportDefinition, page: pages.Page, address: str, request: HttpRequest
) -> list[Row]:
    """Many meters a line, as the worst of them; a line leads to its meters."""
    found = []
    for low in range(0, len(page.lines), pages.BUNDLE):
        lines = page.lines[low : low + pages.BUNDLE]
        states = np.stack([line.coverage.state[line.place] for line in lines])
        inside = address + _link(request, rows="meters", at=lines[0].device_id)
        cells = []
        for n, day in enumerate(page.lines[0].coverage.days.dates):
            tally = np.bincount(states[:, n], minlength=len(State)).tolist()
            worst = next(state for state in WORST if tally[state])
            kind = OF_STATE[worst]
            said = ", ".join(f"{tally[k.state]} {k.label.lower()}" for k in KINDS if tally[k.state])
            some = "" if tally[worst] == len(lines) else str(tally[worst])
            cells.append(Shown(kind.code, kind.mark, f"{day}: {said}", inside, some))
        label = f"{lines[0].device_id} – {lines[-1].device_id}"
        found.append(Row(label, f"{len(lines)} meters", inside, cells))
    return found


def _csv_rows(row: ExportDefinition, asked: pages.Asked) -> Iterator[Sequence[str]]:
    for line in pages.lines_all(row, asked):
        head = [safe_cell(line.device_id), safe_cell(line.meter_number)]
        for n, day in enumerate(line.coverage.days.dates):
            cell = line.coverage.cell(line.place, n)
            if asked.state is not None and cell.state != asked.state:
                continue
            counts = [
                str(cell.counts[state])
                for state in (State.SENT, State.PENDING, State.CHANGED, State.HELD, State.MISSING)
            ]
            runs = " ".join(run.batch_id for run in cell.runs)
            code = OF_STATE[cell.state].code
            yield [*head, day.isoformat(), code, str(cell.there), str(cell.expected), *counts, runs]
