"""Records of HHF-X1 read: headers, register and event entries (section 5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from msgspec import structs

from devices.readings import RATES, RegisterRead, RegisterValue
from exports.formats.hhf.tables import (
    CHANNEL_HEADER,
    CLASSES,
    EVENT,
    EVENT_CODES,
    FILE,
    METER_HEADER,
    MISSING_EVENT,
    REGISTER,
    SIGNATURE,
)
from exports.formats.kinds import MINUTE
from exports.formats.layout import Record
from exports.formats.records216.layouts import CELLS_SIZE, CELLS_START
from exports.formats.records216.reading import KEPT, RecordError, remembered
from exports.formats.records216.units import ONE, UnitReader
from exports.formats.records216.words import register_mask
from exports.formats.zones import local_instants, local_time

ENTRIES = slice(CELLS_START, CELLS_START + CELLS_SIZE)
CLASSES_READ = {letter: name for name, letter in CLASSES.items()}
EVENTS_READ = {code: name for name, code in reversed(EVENT_CODES.items())}
OWN = ("start_register", "stop_register", "dials", "decimals", "start_time", "stop_time")
STOP = CHANNEL_HEADER.field("stop")
Instant = Callable[[int], int]


class FileHeader(NamedTuple):
    """What code 1 says. `offset` in seconds."""

    meters: int
    offset: int
    daylight: bool


def file_header(raw: bytes) -> FileHeader | None:
    """None for a file that is no HHF-X1."""
    if FILE.field("signature").raw(raw) != SIGNATURE.encode():
        return None
    offset = FILE.field("offset").get(raw)
    daylight = FILE.field("daylight").raw(raw) == b"Y"
    return FileHeader(FILE.field("meters").get(raw), offset * MINUTE, daylight)


def times_of(header: FileHeader, zone: str) -> Instant:
    """What makes instants of the file's local seconds. RecordError where there is none."""
    if not header.daylight:
        return lambda local: local - header.offset

    def prevailing(local: int) -> int:
        found = local_instants(zone, local_time(local))
        if not found:
            raise RecordError("FMT15", time=f"{local_time(local)} in {zone}")
        return found[0]

    return prevailing


class MeterHeader(NamedTuple):
    """What code 2 says, as far as it is read."""

    device: str
    serial: str
    read_time: int
    channels: int
    registers: int
    events: int
    per_hour: int
    status_word: int


METER_FIELDS = [METER_HEADER.field(name) for name in MeterHeader._fields]
OWN_FIELDS = [CHANNEL_HEADER.field(name) for name in OWN]


class Reading(NamedTuple):
    """A start or stop reading. `time` in local seconds, None: not stated."""

    value: Decimal
    time: int | None


class Header(NamedTuple):
    """What a channel header says beside its readings. `start` and `stop`: local seconds."""

    number: int
    unit: str
    flow: str
    agrees: bool
    letter: str
    pulse: Decimal | None
    multiplier: Decimal
    start: int
    stop: int
    cells: int
    zero_stop: bool


@dataclass(slots=True)
class Parser:
    """Channel headers, remembered without what is each channel's own."""

    units: UnitReader
    headers: dict[tuple[bytes, ...], Header | RecordError] = field(default_factory=dict)
    meters: dict[bytes, tuple[int, ...]] = field(default_factory=dict)

    def meter(self, raw: bytes) -> MeterHeader:
        """RecordError."""
        device, serial, *others = METER_FIELDS
        key = raw[others[0].start : others[-1].start + others[-1].size]
        try:
            names = device.get(raw), serial.get(raw)
            known = self.meters.get(key)
            if known is None:
                known = tuple(one.get(raw) for one in others)
                if len(self.meters) < KEPT:
                    self.meters[key] = known
        except ValueError as error:
            raise RecordError("HHR02", why=error) from error
        return MeterHeader(*names, *known)

    def channel(self, raw: bytes) -> Header:
        """RecordError."""
        key = (raw[24:60], raw[76:92])
        return remembered(self.headers, key, lambda: self._header(raw))

    def _header(self, raw: bytes) -> Header:
        names = [one.name for one in CHANNEL_HEADER.fields[3:] if one.name not in OWN]
        try:
            values = {name: CHANNEL_HEADER.field(name).get(raw) for name in names}
        except ValueError as error:
            raise RecordError("HHR02", why=error) from error
        found = self.units.unit_read(values["unit"], values["flow"])
        if found is None:
            raise RecordError("HHR11", code=values["unit"])
        pulse = values["pulse"] if values["value_type"] == "U" else None
        if pulse is not None and pulse <= 0:
            raise RecordError("HHR02", why=f"pulse multiplier {pulse}")
        return Header(
            values["number"],
            *found,
            values["flow"],
            pulse,
            values["multiplier"] or ONE,
            values["start"] - MINUTE,
            values["stop"],
            values["intervals"],
            STOP.raw(raw).endswith(b"0000"),
        )


def channel_readings(raw: bytes) -> list[Reading | None]:
    """Start and stop reading; 0 without a time is none. RecordError."""
    try:
        values = {one.name: one.get(raw) for one in OWN_FIELDS}
    except ValueError as error:
        raise RecordError("HHR02", why=error) from error
    found = []
    for border in ("start", "stop"):
        value, time = values[f"{border}_register"], values[f"{border}_time"]
        found.append(None if time is None and not value else Reading(value, time))
    return found


def entries_of(raw: bytes, layout: Record) -> list[bytes]:
    """The entries of a record that are not empty: those whose number or code is not 0."""
    body = raw[ENTRIES]
    size = layout.length
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    return [entry for entry in cut if entry[:2] not in (b"\0\0", b"  ")]


def register_read(raw: bytes, units: UnitReader) -> tuple[RegisterValue, int | None]:
    """A register entry: the value, and its time in local seconds. RecordError."""
    try:
        values = REGISTER.get(raw)
    except ValueError as error:
        raise RecordError("HHR02", why=error) from error
    if values["unit"] not in units.units:
        raise RecordError("HHR11", code=values["unit"])
    unit, flow = units.units[values["unit"]]
    value = RegisterValue(
        CLASSES_READ[values["class"]],
        unit,
        flow,
        RATES[int(values["rate"])],
        values["reading"],
        values["number"],
        multiplier=values["multiplier"] or ONE,
        multiplier_applied=True,
        status=register_mask(values["quality"]),
    )
    return value, values["time"]


def reads_of(
    found: Sequence[tuple[RegisterValue, datetime | None]], header: MeterHeader, received: datetime
) -> tuple[RegisterRead, ...]:
    """Register entries as reads by time. A maximum's time is its peak's; its read is the last of
    the others, else of the time of read."""
    by_time: dict[datetime, list[RegisterValue]] = defaultdict(list)
    times = [time for value, time in found if value.register_class != "MAX" and time is not None]
    last = max(times, default=received)
    for value, time in found:
        if value.register_class == "MAX":
            by_time[last].append(structs.replace(value, peak_time=time))
        else:
            by_time[time or last].append(value)
    word = f"{header.status_word:08X}" if header.status_word else ""
    return tuple(
        RegisterRead(time, "CUR", tuple(values), status_word=word, received=received)
        for time, values in sorted(by_time.items())
    )


def event_read(raw: bytes) -> tuple[str, int, int | None] | None:
    """An event entry: mnemonic, local seconds, duration; None for missing data. RecordError."""
    try:
        values = EVENT.get(raw)
    except ValueError as error:
        raise RecordError("HHR02", why=error) from error
    if values["code"] == MISSING_EVENT:
        return None
    if values["code"] not in EVENTS_READ:
        raise RecordError("HHR14", code=values["code"])
    return EVENTS_READ[values["code"]], values["time"], values["argument"] or None
