"""The declared writer: one meter's records, value by value, straight from the tables.

It is the reference: what the compiled writer (compiled.py) makes must equal it byte for byte, and
whatever that one cannot express comes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

from devices.readings import (
    ABSENT,
    DAY,
    READ_TYPES,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    instant,
    status_conflict,
)
from exports.formats.cmep.grid import grid_of
from exports.formats.cmep.plan import Target, in_totals, is_total, register_target
from exports.formats.cmep.run import Identity, Run, flag_text
from exports.formats.cmep.tables import MAX_LINE, MEPMD01, READING, cme
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.kinds import EPOCH
from exports.formats.text import product

LINE_END = b"\r\n"
NOBODY = Identity("", "", "")  # of a device without data
READ_ORDER = {read_type: place for place, read_type in enumerate(READ_TYPES)}


class Slot(NamedTuple):
    """One triplet as bytes with the comma before it. `fresh`: it must start a record."""

    end: int
    text: bytes
    missing: bool
    fresh: bool
    odd: bool  # a day not 24 h long


class Record(NamedTuple):
    """A finished line with its place in the file: unit, first time; and what it holds."""

    unit: bytes
    first: int
    last: int
    line: bytes
    triplets: int
    missing: int
    register: bool


class Reading(NamedTuple):
    """A register's value at a minute, ready to be written; `device` is its place in the meter."""

    minute: int
    device: int
    value: RegisterValue
    target: Target


def interval_records(meters: Sequence[MeterData], run: Run, tally: Tally) -> list[Record]:
    """All interval records of one meter, which may stand under several devices in turn.

    Adds warnings and channels left out to `tally`. FormatError for any other refusal.
    """
    records: list[Record] = []
    claims: dict[str, object] = {}
    for meter in meters:
        arrived = [one for one in meter.series if (one.status & ABSENT == 0).any()]
        identity = identity_of(meter, run, tally) if arrived else NOBODY
        for series in arrived:
            channel = series.channel
            where = str(channel.number or f"{channel.unit} {channel.flow}")
            try:
                target = run.target(channel)
                owner = channel.number or (channel.unit, channel.flow)
                if claims.setdefault(target.unit, owner) != owner:
                    raise cme("CME05", unit=target.unit)
                records += _series_records(series, target, identity, meter, run, tally)
            except FormatError as error:
                error.at(format="cmep", meter=identity.meter_id, where=where)
                if not run.skips(error):
                    raise
                tally.leave_out(meter.device, channel, error)
    records.sort(key=lambda record: (record.unit, record.first))
    for one, other in pairwise(records):
        if one.unit == other.unit and other.first <= one.last:
            time = instant(other.first)
            overlap = cme("FMT04", time=f"{time:%Y-%m-%dT%H:%M:%SZ}")
            raise overlap.at(where=one.unit.decode(), instant=time)
    return records


def identity_of(meter: MeterData, run: Run, tally: Tally) -> Identity:
    """The meter's header fields, with their warnings noted."""
    identity = run.identity(meter.device)
    for code, text in identity.warnings:
        tally.warn(code, text)
    return identity


def _series_records(
    series: IntervalSeries,
    target: Target,
    identity: Identity,
    meter: MeterData,
    run: Run,
    tally: Tally,
) -> list[Record]:
    daily = series.channel.seconds == DAY
    header = _header(target, identity, run) | {"interval": series.channel.seconds}
    slots = _slots(series, target, meter.device.time_zone, run)
    negative = 0
    if not target.may_be_negative:
        signs = (series.counts < 0) & (series.status & int(Status.MISSING) == 0)
        negative = int(signs.sum())
    if negative:
        tally.warn("CMW03", f"{identity.meter_id} {target.unit}", negative)
    records = []
    for chunk in chunks(slots, header, run):
        if daily and any(slot.odd for slot in chunk):
            records.append(_record(chunk, header | {"interval": None}, run, False))
        else:
            records.append(_record(chunk, header, run, False))
    return records


def _slots(series: IntervalSeries, target: Target, zone: str, run: Run) -> Iterator[Slot]:
    """The slots that are written, in order."""
    grid = grid_of(series.ends, series.channel, zone)
    split = run.ctx.options["missing"] == "split"
    time_of, flag_of, value_of = MEPMD01.group
    broken = True
    columns = (series.ends, series.status, series.counts, grid.fresh, grid.odd)
    for end, mask, count, fresh, odd in zip(*(c.tolist() for c in columns), strict=True):
        broken = broken or fresh
        never, missing = mask & ABSENT, mask & Status.MISSING
        if (never and not run.ctx.gaps_are_missing) or (missing and split):
            broken = True
            continue
        mask = int(Status.MISSING) if never else mask
        try:
            if why := status_conflict(mask, bool(missing)):
                raise cme("FMT12", why=why)
            value = run.missing_value
            if not missing:
                value = value_of.put(product(Decimal(count), target.scale))
            flag = flag_of.put(flag_text(mask, run.sensus, False))
        except FormatError as error:
            raise error.at(instant=instant(end)) from error
        text = b",%s,%s,%s" % (time_of.put(end), flag, value)
        yield Slot(end, text, bool(missing), broken, odd)
        broken = False


def chunks(slots: Iterable[Slot], header: dict[str, Any], run: Run) -> Iterator[list[Slot]]:
    """Records' worth of slots: no gap inside, at most max_triplets, at most 2048 bytes."""
    # Without the count's digits.
    bare = len(MEPMD01.put(header | {"count": 1})) - 1 + len(run.crc) + len(LINE_END)
    most = run.ctx.options["max_triplets"]
    chunk: list[Slot] = []
    length = bare
    for slot in slots:
        longer = length + len(slot.text) + len(str(len(chunk) + 1))
        if chunk and (slot.fresh or len(chunk) == most or longer > MAX_LINE):
            yield chunk
            chunk, length = [], bare
        if not chunk and bare + 1 + len(slot.text) > MAX_LINE:
            raise cme("CME02", length=bare + 1 + len(slot.text))
        chunk.append(slot)
        length += len(slot.text)
    if chunk:
        yield chunk


def _header(target: Target, identity: Identity, run: Run) -> dict[str, Any]:
    """Fields 2 to 12; 13 and 14 differ from record to record."""
    return run.values | {
        "record_type": "MEPMD01",
        "sender_customer_id": identity.sender_customer_id,
        "receiver_customer_id": identity.receiver_customer_id,
        "meter_id": identity.meter_id,
        "commodity": target.commodity,
        "units": target.unit,
        "calculation_constant": target.constant,
        "interval": None,
    }


def _record(chunk: list[Slot], header: dict[str, Any], run: Run, register: bool) -> Record:
    head = MEPMD01.put(header | {"count": len(chunk)})
    line = head + b"".join(slot.text for slot in chunk) + run.crc + LINE_END
    missing = sum(slot.missing for slot in chunk)
    unit = header["units"].encode("ascii")
    return Record(unit, chunk[0].end, chunk[-1].end, line, len(chunk), missing, register)


# --- register reads (section 7) -----------------------------------------------------------------


def register_records(meters: Sequence[MeterData], run: Run, tally: Tally) -> list[Record]:
    """All `*REG` records of one meter, which may stand under several devices in turn."""
    readings: dict[str, dict[tuple[int, int], Reading]] = {}
    for place, meter in enumerate(meters):
        for read in sorted(meter.reads, key=read_order):
            for reading in _read_values(read, place, meter, run, tally):
                kept = readings.setdefault(reading.target.unit, {})
                key = (place, reading.minute)
                if key in kept:
                    tally.warn("CMW05", f"{_meter_id(meter, run)} {reading.target.unit}")
                kept[key] = reading
    records: list[Record] = []
    used = {reading.device for kept in readings.values() for reading in kept.values()}
    identities = [
        identity_of(meter, run, tally) if place in used else NOBODY
        for place, meter in enumerate(meters)
    ]
    for unit in sorted(readings):
        kept = readings[unit]
        if len(kept) == 1:
            tally.warn("CMW06", f"{_meter_id(meters[0], run)} {unit}")
        records += _unit_records([kept[key] for key in sorted(kept)], identities, run, tally)
    return records


def _meter_id(meter: MeterData, run: Run) -> str:
    text: str = getattr(meter.device, run.attribute)
    return text


def read_order(read: RegisterRead) -> tuple[datetime, int, str]:
    if read.time.tzinfo is None:
        raise cme("FMT01", time=read.time)
    return (read.time, READ_ORDER.get(read.read_type, len(READ_ORDER)), read.read_id)


def _read_values(
    read: RegisterRead, place: int, meter: MeterData, run: Run, tally: Tally
) -> Iterator[Reading]:
    """The values of one read that this format carries; a null one is left out."""
    since = (read.time - EPOCH).total_seconds()
    minute = int(since // 60) * 60
    units: set[str] = set()
    for value in read.values:
        where = str(value.number or f"{value.unit} {value.flow}")
        if run.ctx.options["tou"] and not is_total(value) and in_totals(value):
            continue  # MEPMD02 has it
        try:
            target = register_target(value, run.ctx.options)
            if why := status_conflict(value.status, value.value is None):
                raise cme("FMT12", why=why)
            if target.unit in units:
                raise cme("CME05", unit=target.unit)
        except FormatError as error:
            error.at(format="cmep", meter=_meter_id(meter, run), where=where, instant=read.time)
            if not run.skips(error):
                raise
            tally.warn(error.code, str(error))
            continue
        units.add(target.unit)
        if value.value is not None:
            yield Reading(minute, place, value, target)
    if units and since != minute:
        tally.warn("CMW04", f"{_meter_id(meter, run)} {read.time.isoformat()}")


def _unit_records(
    readings: Sequence[Reading], identities: Sequence[Identity], run: Run, tally: Tally
) -> Iterator[Record]:
    """The records of one unit: a new one where the device changes."""
    start = 0
    for index in range(1, len(readings) + 1):
        if index < len(readings) and readings[index].device == readings[start].device:
            continue
        part = readings[start:index]
        identity = identities[part[0].device]
        header = _header(part[0].target, identity, run) | {"interval": run.register_interval}
        slots = [_register_slot(reading, identity, run, tally) for reading in part]
        for chunk in chunks(slots, header, run):
            yield _record(chunk, header, run, True)
        start = index


def _register_slot(reading: Reading, identity: Identity, run: Run, tally: Tally) -> Slot:
    value, target = reading.value, reading.target
    try:
        amount = value.value if value.value is not None else Decimal(0)
        if not amount.is_finite():
            raise cme("FMT10")
        text = READING.put(product(amount, target.scale), "value", 17)
    except FormatError as error:
        time = instant(reading.minute)
        raise error.at(meter=identity.meter_id, where=target.unit, instant=time) from error
    if amount < 0 and not target.may_be_negative:
        tally.warn("CMW03", f"{identity.meter_id} {target.unit}")
    time_of, flag_of, _ = MEPMD01.group
    flag = flag_of.put(flag_text(value.status, run.sensus, True))
    return Slot(
        reading.minute,
        b",%s,%s,%s" % (time_of.put(reading.minute), flag, text),
        False,
        False,
        False,
    )
