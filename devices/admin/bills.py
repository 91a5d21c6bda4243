"""The reads that a bill cycle needs, on the screen: of each meter which read, and why that one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from devices import billing, registertable, selectors, usageplots
from devices.admin.days import day_typed
from devices.admin.downloads import csv_response, safe_cell
from devices.admin.pages import PageAdmin
from devices.bestread import Choice, Window, read_letter
from devices.billing import Cycle, Line
from devices.models import FunctionalGroup, Membership
from devices.readings import READ_TYPES
from tms.keyset import AFTER, BEFORE, page_of

KEY = "device_id,id"
SHOWN = 50
CHUNK, CHUNKS = 200, 10  # meters looked at for those that are wanted, in one page
LONGEST = 100  # days of a cycle
KINDS: dict[str, tuple[str, Callable[[Line], bool]]] = {
    "": ("All meters", lambda line: True),
    "none": ("Without a read", lambda line: bool(line.fault)),
    "inexact": ("Estimated, edited or questionable", lambda line: bool(_letters(line) - {"A"})),
    "moved": ("Came or went", lambda line: line.came or line.went),
}
COLUMNS = (
    *("cycle", "device", "meter_number", "service_point", "account", "from", "to"),
    *("opening_type", "opening_time", "opening_quality", "opening_value"),
    *("closing_type", "closing_time", "closing_quality", "closing_value"),
    *("unit", "flow", "rate", "used", "marks", "why"),
)


def _letters(line: Line) -> set[str]:
    return {read_letter(choice.read) for choice in line.bill if choice.read}


@dataclass(frozen=True, slots=True)
class Asked:
    """A cycle and its days as they were typed; the window in days; `fault`: what is wrong."""

    group: FunctionalGroup | None
    opens: date
    closes: date
    before: int
    after: int
    fault: str

    @classmethod
    def of(cls, request: HttpRequest) -> Asked:
        given = request.GET
        today = timezone.localdate()
        closes = day_typed(given.get("closes", "")) or today.replace(day=1)
        opens = day_typed(given.get("opens", "")) or _month_before(closes)
        before, after = (_days(given.get(name, "")) for name in ("days_before", "days_after"))
        code = given.get("cycle", "")
        group = FunctionalGroup.objects.filter(code=code).first() if "\0" not in code else None
        fault = ""
        if code and group is None:
            fault = f"There is no group {code[:20]}."
        elif any(given.get(n) and day_typed(given[n]) is None for n in ("opens", "closes")):
            fault = "Choose both days from the calendar, or write them as 2026-03-29."
        elif opens >= closes:
            fault = "The cycle has to open before it closes. Swap the days."
        elif (closes - opens).days > LONGEST:
            fault = f"A cycle has at most {LONGEST} days here."
        elif before is None or after is None:
            fault = "Give whole days, 0 to 31, before and after."
        return cls(group, opens, closes, 3 if before is None else before,
                   3 if after is None else after, fault)  # fmt: skip

    @property
    def cycle(self) -> Cycle | None:
        """What is looked at; None when no cycle is chosen, or something is wrong."""
        if self.group is None or self.fault:
            return None
        zone = timezone.get_default_timezone()
        opens, closes = (datetime.combine(d, time(), zone) for d in (self.opens, self.closes))
        window = Window(timedelta(days=self.before), timedelta(days=self.after))
        return Cycle(self.group, opens, closes, window)


def _month_before(day: date) -> date:
    """The same day of the month before, or its last day."""
    last = day.replace(day=1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def _days(text: str) -> int | None:
    if not text:
        return 3
    return int(text) if text.isascii() and text.isdigit() and int(text[:3]) <= 31 else None


# --- the page ------------------------------------------------------------------------------------


def bill_view(pages: PageAdmin) -> Callable[[HttpRequest], HttpResponse]:
    """The page, within the frame of these pages."""

    def view(request: HttpRequest) -> HttpResponse:
        if not pages.has_view_permission(request):
            raise PermissionDenied
        asked = Asked.of(request)
        kind = request.GET.get("show", "")
        kind = kind if kind in KINDS else ""
        context = {
            "title": "Reads for a bill",
            "asked": asked,
            "cycles": selectors.bill_cycles_for_filter(),
            "kinds": [(name, label) for name, (label, _) in KINDS.items()],
            "kind": kind,
            "text": request.GET.get("q", ""),
            "query": urlencode(_kept(request)),
            "may_download": request.user.has_perm("devices.download_registersnapshot"),
        }
        if asked.cycle:
            lines, links = _found(request, asked.cycle, kind)
            context |= {"lines": [_shown(line) for line in lines], "links": links}
        return pages.render_page(request, "devices/bill.html", None, context)

    return view


def _kept(request: HttpRequest) -> dict[str, str]:
    return {k: v for k, v in request.GET.items() if k not in (AFTER, BEFORE)}


def _members(request: HttpRequest, cycle: Cycle):
    rows = billing.members_for_cycle(cycle)
    if text := request.GET.get("q", "").strip():
        rows = rows.filter(device__in=list(selectors.devices_for_search(text).reasons))
    return rows


def _found(request: HttpRequest, cycle: Cycle, kind: str) -> tuple[list[Line], dict]:
    """A page of lines of the kind, and the links to its neighbours."""
    rows, kept = _members(request, cycle), _kept(request)
    if not kind:
        page = page_of(rows, KEY, request.GET.dict(), SHOWN)
        return billing.lines_for_cycle(cycle, page.rows), page.links(kept)
    lines: list[Line] = []
    mark = request.GET.get(AFTER)
    for _ in range(CHUNKS):
        page = page_of(rows, KEY, {AFTER: mark} if mark else {}, CHUNK)
        lines += filter(KINDS[kind][1], billing.lines_for_cycle(cycle, page.rows))
        mark = page.after
        if mark is None or len(lines) >= SHOWN:
            break
    forth = "?" + urlencode({**kept, AFTER: mark}) if mark else None
    first = "?" + urlencode(kept) if AFTER in request.GET else None
    return lines, {"first": first, "previous": None, "next": forth}


def _shown(line: Line) -> dict[str, Any]:
    return {
        "line": line,
        "zone": ZoneInfo(line.device.time_zone),
        "reads": [_read(line, choice) for choice in line.bill],
        "why": line.fault or _why(line.bill.closing),
        "marks": [
            (mark, usageplots.MARKS[mark]) for mark in (line.used.marks if line.used else ())
        ],
    }


def _read(line: Line, choice: Choice) -> dict[str, Any]:
    """A chosen read and what was made of the others."""
    read = choice.read
    return {
        "read": read,
        "type": READ_TYPES[read.read_type] if read else "",
        "letter": read_letter(read) if read else "",
        "value": _value(line, choice),
        "verdicts": [
            (verdict, READ_TYPES.get(verdict.read.read_type, verdict.read.read_type))
            for verdict in choice.verdicts
            if verdict.near
        ],
    }


def _why(choice: Choice) -> str:
    return next((verdict.why for verdict in choice.verdicts if verdict.taken), "")


def _value(line: Line, choice: Choice) -> str:
    """The reading of the register that is billed by; empty where none is."""
    if choice.read is None or line.register is None:
        return ""
    for value in choice.read.values:
        if value.register_class == "SUM" and value.key[1:4] == line.register:
            return registertable.number_text(value.value)
    return ""


# --- the download --------------------------------------------------------------------------------


def download_view(pages: PageAdmin) -> Callable[[HttpRequest], HttpResponse]:
    """The whole cycle as CSV, narrowed as the page is."""

    def view(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm("devices.download_registersnapshot"):
            raise PermissionDenied
        cycle = Asked.of(request).cycle
        if cycle is None:
            return bill_view(pages)(request)
        keep = KINDS.get(request.GET.get("show", ""), KINDS[""])[1]
        lines = filter(keep, _all_lines(cycle, _members(request, cycle)))
        name = f"bill-{cycle.group.code}-{cycle.closes:%Y-%m-%d}.csv"
        return csv_response(name, COLUMNS, (_cells(cycle, line) for line in lines))

    return view


def _all_lines(cycle: Cycle, rows: Any) -> Iterator[Line]:
    mark: str | None = ""
    while mark is not None:
        page = page_of(rows, KEY, {AFTER: mark} if mark else {}, CHUNK)
        members: Iterable[Membership] = page.rows  # type: ignore[assignment]
        yield from billing.lines_for_cycle(cycle, members)
        mark = page.after


def _cells(cycle: Cycle, line: Line) -> list[str]:
    zone, used = ZoneInfo(line.device.time_zone), line.used
    names = (
        *(cycle.group.code, line.device.device_id, line.device.meter_number),
        *((line.place.service_point_id, line.place.account_id) if line.place else ("", "")),
    )
    return [
        *map(safe_cell, names),
        *(at.astimezone(zone).isoformat() for at in (line.start, line.end)),
        *(cell for choice in line.bill for cell in _read_cells(line, choice, zone)),
        *(line.register or ("", "", "")),
        "" if used is None or used.amount is None else f"{used.amount:f}",
        " ".join(used.marks) if used else "",
        line.fault or "; ".join(map(_why, line.bill)),
    ]


def _read_cells(line: Line, choice: Choice, zone: ZoneInfo) -> list[str]:
    read = choice.read
    if read is None:
        return ["", "", "", ""]
    local = read.time.astimezone(zone).isoformat()
    return [read.read_type, local, read_letter(read), _value(line, choice)]
