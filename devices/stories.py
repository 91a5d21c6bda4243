"""What the inventory and the store tell of a device's life (settings.TMS_STORIES)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils import timezone

from devices.blocks import local_midnight, newest_number
from devices.models import (
    Batch,
    Device,
    ImportPlace,
    ImportRecord,
    ImportStay,
    IntervalBlock,
    RegisterSnapshot,
)
from devices.readings import READ_TYPES, instant
from devices.story import MOST, Entry, Link, Source, Span, Told, told

IMPORT, UNDO = "import ", "undo of import "
ROWS = 200  # imports of one device that are looked up
BATCHES = 3  # named for one day, the newest


# --- made, changed, imported ---------------------------------------------------------------------


def changes(request: Any, device: Device, span: Span) -> Told:
    """How the device's own columns came to be what they are."""
    rows = device.history.select_related("history_user")
    if span.last is not None:
        rows = rows.filter(history_date__lt=span.last)
    found = list(rows.order_by("-history_date", "-history_id")[: MOST + 2])
    imports = _imports(device)
    entries = []
    for index, row in enumerate(found):
        before = found[index + 1] if index + 1 < len(found) else None
        if before is None and index > MOST:
            break  # only there to be compared with
        entries.append(_change(row, before, imports, request))
    return told(entries, span)


def _change(row: Any, before: Any, imports: dict[str, tuple[Any, int]], request: Any) -> Entry:
    reason = row.history_change_reason or ""
    user = row.history_user.get_username() if row.history_user else ""
    title, links = "Changed", ()
    if row.history_type == "+":
        title = "Imported" if reason.startswith(IMPORT) else "Made"
    elif before is not None:
        names = [change.field for change in row.diff_against(before).changes]
        words = [str(Device._meta.get_field(name).verbose_name) for name in names]
        words = [word for word in words if word != "changed at"]
        title = f"Changed: {', '.join(words)}" if words else "Changed"
    why = reason or ("by hand" if user else "")
    if reason.startswith((IMPORT, UNDO)):
        job, number = imports.get(reason.rpartition(" ")[2], (None, 0))
        if job is not None:
            why = f"{reason}: {job.filename}" + (f", row {number}" if number else "")
            if request.user.has_perm("devices.view_importjob"):
                address = reverse("admin:devices_importjob_change", args=[job.pk])
                links = (Link(address, "the import"),)
    return Entry(row.history_date, title, f"{why}, {user}" if user else why, links)


def _imports(device: Device) -> dict[str, tuple[Any, int]]:
    """The imports that had the device, by batch, each with the row."""
    rows = ImportRecord.objects.filter(key=device.device_id, side=ImportRecord.AFTER)
    return {row.job.batch: (row.job, row.number) for row in rows.select_related("job")[:ROWS]}


# --- places and groups ---------------------------------------------------------------------------


def places(request: Any, device: Device, span: Span) -> Told:
    """Where it was installed, and taken away."""
    whys = _whys(ImportPlace, device, ("service_point_id", "account_id"))
    entries = []
    for row in device.installations.all():
        where = ", ".join(
            f"{name} {value}"
            for name, value in (
                ("service point", row.service_point_id),
                ("account", row.account_id),
                ("premise", row.premise_id),
            )
            if value
        )
        key = (row.service_point_id, row.account_id)
        title = f"Installed: {where or 'at no named place'}"
        entries.append(Entry(row.valid_from, title, whys.get((*key, row.valid_from), "")))
        if row.valid_to is not None:
            why = whys.get((*key, row.valid_to), "")
            entries.append(Entry(row.valid_to, f"Left: {where or 'its place'}", why))
    return told(entries, span)


def groups(request: Any, device: Device, span: Span) -> Told:
    """Which groups it entered and left; from one bill cycle to another it is moved."""
    whys = _whys(ImportStay, device, ("group_code",))
    entries = []
    rows = list(device.memberships.select_related("group"))
    for row in rows:
        code = row.group.code
        link = Link(reverse("admin:devices_functionalgroup_change", args=[row.group_id]), code)
        from_cycle = next(
            (o.group.code for o in rows if o.kind == row.kind == "BILL_CYCLE" and o.pk != row.pk
             and o.valid_to == row.valid_from), "",
        )  # fmt: skip
        title = f"Moved from {from_cycle} to {code}" if from_cycle else f"Entered {code}"
        why = whys.get((code, row.valid_from), row.get_kind_display().lower())
        entries.append(Entry(row.valid_from, title, why, (link,)))
        if row.valid_to is not None:
            why = whys.get((code, row.valid_to), row.get_kind_display().lower())
            entries.append(Entry(row.valid_to, f"Left {code}", why, (link,)))
    return told(entries, span)


def _whys(model: Any, device: Device, names: tuple[str, ...]) -> dict[tuple[Any, ...], str]:
    """What began or ended a dated row, by what it says and when: the import that did."""
    found = {}
    for row in model.objects.filter(key=device.device_id).select_related("job")[:ROWS]:
        for at in (row.after_from, row.after_to):
            if at is not None:
                key = (*(getattr(row, name) for name in names), at)
                found.setdefault(key, f"import {row.job.batch}: {row.job.filename}")
    return found


# --- readings ------------------------------------------------------------------------------------


@dataclass
class _Day:
    """What came of a local day, and the batches that brought the newest of it."""

    said: list[str] = field(default_factory=list)
    numbers: set[int] = field(default_factory=set)


Days = dict[date, _Day]


def readings(request: Any, device: Device, span: Span) -> Told:
    """What it read, a line a day: its channels with intervals, its register reads by type."""
    zone = ZoneInfo(device.time_zone)
    last = (span.last or timezone.now() + timedelta(days=2)).astimezone(zone)
    days: Days = {}
    cut = [_intervals(device, last, days), _registers(device, last, days)]
    newest = {n for day in days.values() for n in sorted(day.numbers)[-BATCHES:]}
    rows = Batch.objects.filter(number__in=newest).values_list("number", "pk", "source")
    batches = {number: (pk, source) for number, pk, source in rows}
    entries = [_day(device, day, made, batches) for day, made in days.items()]
    reached = max((at for at in cut if at is not None), default=None)
    found = told(entries, span)
    if reached is None:
        return found
    kept = [entry for entry in found.entries if entry.time >= reached]
    return Told(kept, max(reached, found.reached or reached))


def _day(device: Device, day: date, made: _Day, batches: dict[int, tuple[int, str]]) -> Entry:
    at = instant(local_midnight(device.time_zone, day + timedelta(days=1)))
    page = reverse("admin:devices_device_change", args=[device.pk])
    links = [Link(f"{page}?period=custom&from={day}&to={day}#curve", "readings of the day")]
    came = []
    for number in sorted(made.numbers)[-BATCHES:]:
        pk, source = batches.get(number, (0, ""))
        came.append(f"batch {number}" + (f", {source}" if source else ", no longer kept"))
        if pk:
            address = reverse("admin:devices_batch_change", args=[pk])
            links.append(Link(address, f"batch {number}"))
    why = f"came with {'; '.join(came)}" if came else ""
    return Entry(at, f"Readings of {day:%-d %b}: {'; '.join(made.said)}", why, tuple(links))


def _intervals(device: Device, last: datetime, days: Days) -> datetime | None:
    """Days with intervals; the instant before which there may be others."""
    names: dict[date, list[str]] = {}
    cut = None
    for channel in device.channels.all():
        own = IntervalBlock.objects.filter(channel_id=channel.pk, day__lte=last.date())
        found = list(own.order_by("-day").values_list("day", "numbers")[: MOST + 1])
        if len(found) > MOST:
            edge = instant(local_midnight(device.time_zone, found[MOST][0] + timedelta(days=2)))
            cut = max(cut, edge) if cut else edge
        for day, numbers in found:
            names.setdefault(day, []).append(f"{channel.number} {channel.unit} {channel.flow}")
            days.setdefault(day, _Day()).numbers.add(newest_number(bytes(numbers)))
    for day, every in names.items():
        days[day].said.append(f"intervals of {', '.join(sorted(set(every)))}")
    return cut


def _registers(device: Device, last: datetime, days: Days) -> datetime | None:
    """Days with register reads; the instant before which there may be others."""
    zone = ZoneInfo(device.time_zone)
    rows = RegisterSnapshot.objects.filter(device=device, time__lte=last).order_by("-time")
    found = list(rows.values_list("time", "read_type", "number")[: 4 * MOST + 1])
    types: dict[date, list[str]] = {}
    for time, read_type, number in found:
        # A read at midnight closes the day before.
        day = (time - timedelta(seconds=1)).astimezone(zone).date()
        types.setdefault(day, []).append(read_type)
        days.setdefault(day, _Day()).numbers.add(number)
    for day, every in types.items():
        words = [READ_TYPES.get(one, one) for one in dict.fromkeys(sorted(every))]
        days[day].said.append(f"registers ({', '.join(words)})")
    if len(found) <= 4 * MOST:
        return None
    oldest = (found[-1][0] - timedelta(seconds=1)).astimezone(zone).date()
    return instant(local_midnight(device.time_zone, oldest + timedelta(days=2)))


def sources() -> Iterator[Source]:
    """The kinds that this app tells."""
    yield Source("change", "Made, changed, imported", changes)
    yield Source("place", "Installed", places)
    yield Source("group", "Groups", groups)
    yield Source("reading", "Read", readings)
