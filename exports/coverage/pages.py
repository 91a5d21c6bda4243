"""Pages of the coverage map: some meters at a time, in the order of the file, never counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.models import Device, Membership
from devices.readings import instant
from devices.selectors import prefix_filter
from exports import formats
from exports.coverage.days import Days
from exports.coverage.grid import Coverage, coverage_read
from exports.coverage.states import State
from exports.models import ExportDefinition
from exports.scope.stays import during

METERS = 40  # a page
BUNDLES, BUNDLE = 20, 25  # lines of a page of many meters a line, and how many
SCAN, SCANNED_MOST = 200, 2000  # meters looked through for a state: at once, and for one page
AT_ONCE = 200  # meters whose readings are held at once
DAYS_SHOWN, DAYS_MOST = 14, 62


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the map is asked for. `after`, `before`, `at`: a device id to go on from."""

    days: Days
    group: str = ""
    text: str = ""
    state: State | None = None
    after: str = ""
    before: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A meter of the map, by its place in the coverage."""

    pk: int
    device_id: str
    meter_number: str
    place: int
    coverage: Coverage


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of a page. `before`, `after`: device ids to go on from, "" at an end; `looked`: how
    many meters were looked through for a state."""

    lines: list[Line]
    before: str
    after: str
    looked: int = 0


def days_for_definition(definition: ExportDefinition, first: str = "", last: str = "") -> Days:
    """The days asked for; else those of fixed dates, else the last two weeks. ValueError."""
    zone = definition.zone or settings.TIME_ZONE
    end = timezone.now().astimezone(ZoneInfo(zone)).date()
    start = end - timedelta(days=DAYS_SHOWN - 1)
    if definition.period == "fixed" and definition.start and definition.end:
        start = definition.start.astimezone(ZoneInfo(zone)).date()
        end = (definition.end - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()
        end = min(end, start + timedelta(days=DAYS_MOST - 1))
    begins = date.fromisoformat(first) if first else start
    ends = date.fromisoformat(last) if last else end
    if first and not last:
        ends = max(min(ends, begins + timedelta(days=DAYS_MOST - 1)), begins)
    if begins > ends:
        raise ValueError("The first day must not come after the last.")
    if (ends - begins).days >= DAYS_MOST:
        raise ValueError(f"At most {DAYS_MOST} days are shown at a time.")
    if not 2000 <= begins.year <= ends.year <= 2100:
        raise ValueError("The days must lie between 2000 and 2100.")
    return Days(begins, ends, definition.zone)


def page_read(definition: ExportDefinition, asked: Asked, size: int = METERS) -> Page:
    """A page of meters with what became of their days."""
    if asked.state is None:
        rows, more = _rows(definition, asked, size)
        lines = _lines(definition, rows, asked.days)
        return _page(asked, lines, more, len(lines))
    return _scanned(definition, asked, size)


def lines_all(definition: ExportDefinition, asked: Asked) -> Iterator[Line]:
    """Every meter that is asked for, some hundred in memory at a time."""
    more = True
    while more:
        rows, more = _rows(definition, asked, SCAN)
        found = _lines(definition, rows, asked.days)
        yield from (line for line in found if _has(line, asked.state))
        if found:
            asked = replace(asked, after=found[-1].device_id, before="", at="")


def _scanned(definition: ExportDefinition, asked: Asked, size: int) -> Page:
    """A page of the meters that have a state, looked for up to a limit."""
    found: list[Line] = []
    looked, more, step = 0, True, replace(asked, before="")
    last = ""
    while more and looked < SCANNED_MOST and len(found) < size:
        rows, more = _rows(definition, step, SCAN)
        lines = _lines(definition, rows, asked.days)
        for line in lines:
            looked, last = looked + 1, line.device_id
            if _has(line, asked.state):
                found.append(line)
                if len(found) == size:
                    more = True
                    break
        step = replace(step, after=last, at="")
    return Page(found, "", last if more else "", looked)


def _has(line: Line, state: State | None) -> bool:
    return state is None or bool((line.coverage.state[line.place] == state).any())


def _page(asked: Asked, lines: list[Line], more: bool, looked: int) -> Page:
    if not lines:
        return Page([], "", "")
    back = bool(asked.before)
    went_on = bool(asked.after or asked.at)
    return Page(
        lines,
        before=lines[0].device_id if (more if back else went_on) else "",
        after=lines[-1].device_id if (back or more) else "",
        looked=looked,
    )


def devices_for_coverage(definition: ExportDefinition, asked: Asked) -> QuerySet[Device]:
    """The devices that the export selects at any time of the days, narrowed as asked."""
    start, end = map(instant, asked.days.hull)
    rows = Device.objects.filter(Q(ended=None) | Q(ended__gt=start))
    if definition.groups.exists():
        groups = definition.groups.values("pk")
        rows = rows.filter(pk__in=_members(start, end).filter(group__in=groups).values("device"))
    if asked.group:
        inside = _members(start, end).filter(group__code=asked.group)
        rows = rows.filter(pk__in=inside.values("device"))
    if definition.devices.exists():
        rows = rows.filter(pk__in=definition.devices.values("pk"))
    if asked.text:
        begins = prefix_filter("device_id", asked.text) | prefix_filter("meter_number", asked.text)
        rows = rows.filter(begins)
    return rows


def _members(start: datetime, end: datetime) -> QuerySet[Membership]:
    return during(Membership.objects.order_by(), start, end)


def _rows(
    definition: ExportDefinition, asked: Asked, size: int
) -> tuple[list[tuple[int, str, str]], bool]:
    """Primary key, device id and meter number of some devices, and whether there are more."""
    form = formats.get(definition.format)
    key = form.order(form.options_clean(definition.options, "write"))
    rows = devices_for_coverage(definition, asked)
    mark = asked.before or asked.after or asked.at
    back = bool(asked.before)
    if mark and "\0" not in mark:
        known = Device.objects.filter(device_id=mark).values_list(key, "pk").first()
        if known is not None:
            step = "lt" if back else "gt"
            last = f"pk__{step}" if mark != asked.at else "pk__gte"
            rows = rows.filter(
                Q(**{f"{key}__{step}": known[0]}) | Q(**{key: known[0], last: known[1]})
            )
    order = (f"-{key}", "-pk") if back else (key, "pk")
    found = list(rows.order_by(*order).values_list("pk", "device_id", "meter_number")[: size + 1])
    more, found = len(found) > size, found[:size]
    return (found[::-1] if back else found), more


def _lines(
    definition: ExportDefinition, rows: Sequence[tuple[int, str, str]], days: Days
) -> list[Line]:
    """Lines of meters, some hundred in memory at a time."""
    found = []
    for low in range(0, len(rows), AT_ONCE):
        some = rows[low : low + AT_ONCE]
        coverage = coverage_read(definition, [(pk, name) for pk, name, _ in some], days)
        found += [Line(*row, place, coverage) for place, row in enumerate(some)]
    return found
