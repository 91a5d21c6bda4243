"""The declared writer: row by row, straight from the table.

It is the reference: what the compiled writer (compiled.py) makes must equal it byte for byte, and
it is asked what is wrong where that one found a row that cannot be written.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from devices.readings import (
    ABSENT,
    DAY,
    PUBLIC,
    Channel,
    Status,
    instant,
    status_conflict,
    status_letter,
)
from exports.formats.issues import FormatError
from exports.formats.quality import quality_codes
from exports.formats.rte.arrivals import Arrivals
from exports.formats.rte.run import Run, kind_of
from exports.formats.rte.tables import INTERVAL, LAST_REVISION, READING, ROW, rte
from exports.formats.values import ONE, value_of
from exports.formats.zones import local_date, midnight, zone_of

SEQ_PLACE = bytes(18)  # where `Numbering` puts Seq


class Row(NamedTuple):
    """A finished row and what it adds to the file's counts."""

    line: bytes
    kind: str
    value: Decimal | None
    negative: bool
    capped: bool


class Rows:
    """Rows of one lot of arrivals, in any order; knows the keys that it has seen."""

    def __init__(self, arrivals: Arrivals, run: Run, twins: set[int]) -> None:
        self.arrivals = arrivals
        self.run = run
        self.twins = twins

    def row(self, place: int) -> Row:
        """One row; FormatError for what must not be written."""
        a = self.arrivals
        channel = a.channels[int(a.channel[place])]
        end, mask = int(a.ends[place]), int(a.status[place])
        try:
            return self._row(place, channel, end, mask)
        except FormatError as error:
            device = a.devices[int(a.device[place])]
            where = a.name(place) or f"{channel.unit} {channel.flow}"
            raise error.at(
                format="rte", meter=device.device_id, where=where, instant=instant(end)
            ) from error

    def _row(self, place: int, channel: Channel, end: int, mask: int) -> Row:
        a, run = self.arrivals, self.run
        kind = kind_of(channel)
        if kind == INTERVAL:
            check_interval(channel, end)
        null = bool(mask & Status.MISSING)
        if not mask & ABSENT and (why := status_conflict(mask, null)):
            raise rte("FMT12", why=why)
        revision = int(a.revisions[place])
        if place in self.twins:
            raise rte("RTE03", revision=min(revision, LAST_REVISION))
        value = None if null else value_of(int(a.counts[place]), run.scale(channel))
        cells = self._cells(place, channel, kind, value, mask & PUBLIC)
        line = ROW.delimiter.join(cells) + run.line_end
        written = cells[10]
        return Row(
            line,
            kind,
            Decimal(written.decode()) if written else None,
            value is not None and value < 0 and not may_be_negative(channel),
            revision > LAST_REVISION,
        )

    def _cells(
        self, place: int, channel: Channel, kind: str, value: Decimal | None, mask: int
    ) -> list[bytes]:
        a, run = self.arrivals, self.run
        device, batch = a.devices[int(a.device[place])], a.batches[int(a.batch[place])]
        zone = zone_of(run.zone(device))
        values: dict[str, Any] = {
            "RecType": kind,
            "Seq": 1,
            "DeviceID": device.device_id,
            "MeterNumber": device.meter_number,
            "ServicePointID": device.service_point_id,
            "Channel": channel.number,
            "UOM": channel.unit,
            "Flow": channel.flow,
            "Timestamp": datetime.fromtimestamp(int(a.ends[place]), zone),
            "IntervalSeconds": channel.seconds or None,
            "Value": value,
            "ValueType": channel.value_type,
            "Multiplier": ONE if channel.multiplier is None else channel.multiplier,
            "MultiplierApplied": "Y" if run.applied(channel) else "N",
            "Quality": status_letter(mask),
            "QualityCodes": ";".join(quality_codes(mask)),
            "ReceivedTime": None if batch is None else in_zone(batch.received, zone),
            "Origin": "" if batch is None else batch.source,
            "Revision": min(int(a.revisions[place]), LAST_REVISION),
        }
        cells = []
        for column in ROW.columns:
            reading = column.name == "Value" and kind != INTERVAL
            form = READING if reading else column.kind
            cells.append(form.put(values[column.name], column.name, column.limit))
        cells[1] = SEQ_PLACE
        return cells


def check_interval(channel: Channel, end: int) -> None:
    """FMT03 of an interval's end."""
    if off_grid(channel.seconds, channel.grid_offset, channel.zone, end):
        time = f"{instant(end):%Y-%m-%dT%H:%M:%SZ}"
        raise rte("FMT03", time=time, seconds=channel.seconds)


def off_grid(seconds: int, offset: int | None, zone: str, end: int) -> bool:
    """Whether an end misses its channel's grid, as far as the channel tells it (README 2.4)."""
    if seconds == DAY and zone:
        return midnight(zone, local_date(zone, end).toordinal()) != end
    return offset is not None and (end + offset) % seconds != 0


def may_be_negative(channel: Channel) -> bool:
    """Whether a value below 0 is nothing to warn of (README 2.11)."""
    return channel.flow == "NET" or channel.unit == "PF"


def twins_find(arrivals: Arrivals) -> set[int]:
    """Rows whose key and revision an earlier row of the lot had (RTE03); 999 may repeat."""
    seen: Counter[tuple[Any, ...]] = Counter()
    found = set()
    for place in range(len(arrivals)):
        revision = int(arrivals.revisions[place])
        if revision >= LAST_REVISION:
            continue
        channel = arrivals.channels[int(arrivals.channel[place])]
        device = arrivals.devices[int(arrivals.device[place])].device_id
        end = int(arrivals.ends[place])
        key = (device, kind_of(channel), channel.number, end, revision)
        if seen[key]:
            found.add(place)
        seen[key] += 1
    return found


def in_zone(time: datetime, zone: ZoneInfo) -> datetime:
    """An instant in a zone; a naive one as it is, for the column to refuse."""
    return time if time.tzinfo is None else time.astimezone(zone)
