"""The declared writer: one recorder's cuts, value by value, straight from the tables.

It is the reference: what the compiled writer (compiled.py) makes must equal it byte for byte, and
whatever that one cannot express comes here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial, reduce
from itertools import pairwise
from typing import Any, NamedTuple

from devices.readings import (
    ABSENT,
    Channel,
    IntervalSeries,
    MeterData,
    Status,
    instant,
    status_conflict,
)
from exports.formats.clocks import Clock
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.lodestar.cuts import Span, spans_of, stamps
from exports.formats.lodestar.dials import NONE, Dials, Readings, dials_of
from exports.formats.lodestar.fields import rounded
from exports.formats.lodestar.run import DOUBT, Run, Target
from exports.formats.lodestar.tables import (
    FIRST_RECORD,
    HEADERS,
    INTERVALS,
    LINE_END,
    VALUE_DECIMALS,
    lse,
)
from exports.formats.text import WIDE, product

VALUE, STATUS, START = INTERVALS.group
CODE = INTERVALS.columns[0]
Known = tuple[dict[str, Any], ...]


class Cut(NamedTuple):
    """A finished cut with its place in the file, and what it holds."""

    number: int
    start: int
    end: int
    data: bytes
    records: int
    intervals: int
    missing: int


class Place(NamedTuple):
    """Where a series stands: its recorder, zone and clock, and the readings beside it."""

    recorder: str
    zone: str
    clock: Clock
    dials: Dials


class Slot(NamedTuple):
    """A slot of a cut: its value as written, None where missing; its mask and triplet."""

    value: Decimal | None
    mask: int
    text: bytes


def recorder_cuts(meters: Sequence[MeterData], run: Run, tally: Tally) -> list[Cut]:
    """All cuts of one recorder, which may stand under several devices in turn.

    Adds warnings and channels left out to `tally`. FormatError for any other refusal.
    """
    cuts: list[Cut] = []
    for meter in meters:
        live = [(s, t) for s, t in _targets(meter, run, tally) if t is not None]
        if not live:
            continue
        recorder, warnings = run.recorder(meter.device)
        for warning in warnings:
            tally.warn(*warning)
        zone = meter.device.time_zone
        place = Place(recorder, zone, run.clock(zone), dials_of(meter.reads))
        for series, target in live:
            try:
                cuts += _series_cuts(series, target, place, run)
            except FormatError as error:
                raise error.at(where=channel_name(series.channel)) from error
    cuts.sort(key=lambda cut: (cut.number, cut.start))
    for one, other in pairwise(cuts):
        if one.number == other.number and other.start < one.end:
            time = instant(other.start)
            overlap = lse("FMT04", time=f"{time:%Y-%m-%dT%H:%M:%SZ}")
            raise overlap.at(where=str(one.number), instant=time)
    return cuts


def _targets(
    meter: MeterData, run: Run, tally: Tally
) -> Iterator[tuple[IntervalSeries, Target | None]]:
    """The series that have something to write, and what they become; None: left out."""
    for series in meter.series:
        arrived = run.makes_days or (series.status & ABSENT == 0).any()
        if not arrived or not len(series.ends):
            continue
        try:
            yield series, run.target(series.channel)
        except FormatError as error:
            meter_name = getattr(meter.device, run.attribute)
            where = channel_name(series.channel)
            error.at(format="lodestar", meter=meter_name, where=where)
            if not run.skips(error):
                raise
            tally.leave_out(meter.device, series.channel, error)


def channel_name(channel: Channel) -> str:
    """How messages name a channel."""
    return str(channel.number or f"{channel.unit} {channel.flow}")


def _series_cuts(series: IntervalSeries, target: Target, place: Place, run: Run) -> Iterator[Cut]:
    channel, arrived = series.channel, series.status & ABSENT == 0
    handed = None if run.ctx.gaps_are_missing else arrived
    for span in spans_of(series.ends, channel, place.zone, place.clock, run, handed):
        if run.makes_days or arrived[span.first : span.last].any():
            yield _cut(series, span, target, place, run)


def _cut(series: IntervalSeries, span: Span, target: Target, place: Place, run: Run) -> Cut:
    slots = list(_slots(series, span, target, run))
    values = [slot.value for slot in slots if slot.value is not None]
    missing = len(slots) - len(values)
    readings: Readings = NONE
    if not missing:
        total = partial(reduce, WIDE.add, values)
        readings = place.dials.readings(series.channel, target, span, total, run)
    doubt = any(slot.mask & DOUBT for slot in slots if slot.value is not None)
    known = headers(series.channel, target, place.zone, place.clock, span, run)
    own: Known = (
        {"recorder": place.recorder, "invalid": "Y" if doubt and run.flags_doubt else "N"},
        {"start_reading": readings[0], "stop_reading": readings[1]},
        {},
        {},
    )
    lines = [line.put(k | o) for line, k, o in zip(HEADERS, known, own, strict=True)]
    lines += records([slot.text for slot in slots], run.ctx.options["record_limit"])
    data = b"".join([line + LINE_END for line in lines])
    return Cut(target.number, span.start, span.end, data, len(lines), len(slots), missing)


def headers(
    channel: Channel, target: Target, zone: str, clock: Clock, span: Span, run: Run
) -> Known:
    """What the four header records hold beside recorder, flag and readings; LSE02."""
    start, stop = stamps(span, clock)
    return (
        {
            "sort_code": None,
            "channel": target.number,
            "start": start,
            "stop": stop,
            "dst_participant": "Y" if run.prevailing else "N",
        },
        {
            "sort_code": None,
            "multiplier": target.multiplier,
            "offset": Decimal(0),
            "pulse_multiplier": Decimal(1),
            "pulse_offset": Decimal(0),
            "seconds": channel.seconds,
            "unit": target.unit,
            "basic_unit": None,
            "zone_offset": run.zone_code(zone, start.year),
            "population": None,
            "weight": None,
            "zone_name": run.names[zone],
        },
        {"sort_code": None, "descriptor": target.descriptor},
        {
            "sort_code": None,
            "time_stamp": clock.local(int(run.ctx.created.timestamp())),
            "origin": "M",
        },
    )


def _slots(series: IntervalSeries, span: Span, target: Target, run: Run) -> Iterator[Slot]:
    """The slots of a cut, holes of the grid as missing ones; FMT09, FMT12, LSE01."""
    chosen = slice(span.first, span.last)
    columns = (series.ends[chosen], series.counts[chosen], series.status[chosen])
    end = span.start
    for given, count, mask in zip(*(column.tolist() for column in columns), strict=True):
        end += series.channel.seconds
        while end < given:
            yield _slot(0, ABSENT, target, run)
            end += series.channel.seconds
        try:
            yield _slot(count, mask, target, run)
        except FormatError as error:
            raise error.at(instant=instant(end)) from error


def _slot(count: int, mask: int, target: Target, run: Run) -> Slot:
    mask = int(Status.MISSING) if mask & ABSENT else mask
    missing = bool(mask & Status.MISSING)
    if why := status_conflict(mask, missing):
        raise lse("FMT12", why=why)
    if missing:
        return Slot(None, mask, triplet(run.gap, mask, run))
    value = product(Decimal(count), target.scale)
    if value < 0 and not target.may_be_negative:
        raise lse("FMT09", value=f"{value:f}")
    if mask & DOUBT and run.refuses_doubt:
        raise lse("LSE01")
    text = triplet(VALUE.put(value), mask, run)
    return Slot(rounded(value, VALUE_DECIMALS), mask, text)


def triplet(value: bytes, mask: int, run: Run) -> bytes:
    """A triplet with the comma before it."""
    return b",%s,%s,%s" % (value, STATUS.put(run.status(mask)), START.put(None))


def records(texts: Sequence[bytes], limit: int) -> list[bytes]:
    """Interval records of triplets, none of them over the limit."""
    lines: list[bytes] = []
    for text in texts:
        if not lines or len(lines[-1]) + len(text) > limit:
            lines.append(CODE.put(FIRST_RECORD + len(lines)))
        lines[-1] += text
    return lines
