"""Pure values: what a meter says, as every writer gets it and every reader returns it.

Terms are those of ANSI C12.19 and IEC 61968-9. Times of arrays are whole seconds since
1970-01-01T00:00Z (int64); single instants are aware datetimes. Values are integer counts times a
Decimal resolution; no float stands for a billing quantity. Knows nothing of Django.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from devices.terms import (
    DAY as DAY,
    FLOWS as FLOWS,
    INTERVAL_SECONDS as INTERVAL_SECONDS,
    RATES as RATES,
    READ_TYPES as READ_TYPES,
    REGISTER_CLASSES as REGISTER_CLASSES,
    SOURCES as SOURCES,
    UNITS as UNITS,
    VALUE_TYPES as VALUE_TYPES,
    WIDTHS as WIDTHS,
    Unit as Unit,
    identifier_fault as identifier_fault,
)

# A 64-bit count times a resolution of 18 digits needs more than the usual 28.
EXACT = Context(prec=64, traps=[Inexact])
Ints = npt.NDArray[np.int64]
Masks = npt.NDArray[np.uint16]


class Status(enum.IntFlag):
    """The common status mask, one a slot or register value (formats/README 2.6)."""

    MISSING = 0x0001
    ESTIMATED = 0x0002
    EDITED = 0x0004
    QUESTIONABLE = 0x0008
    RAW = 0x0010
    POWER_OUTAGE = 0x0020
    SHORT = 0x0040
    LONG = 0x0080
    TIME_CHANGED = 0x0100
    TEST_MODE = 0x0200
    OVERFLOW = 0x0400
    RESET = 0x0800
    DST = 0x1000


# Internal, never leaves the house: the slot has never arrived (block, series) or is withdrawn
# (journal entry). Always stands together with MISSING.
ABSENT = 0x8000
NEVER = ABSENT | int(Status.MISSING)
# Internal, never leaves the house: the slot is new or changed since the last export. Set only for
# formats that also write what stands between (`Format.since` of "span").
CHANGED = 0x4000
PUBLIC = 0x1FFF
LETTERS = "AVEQM"  # of quality, the worst last

STATUS_NAMES = {flag.name.lower(): int(flag) for flag in Status if flag.name}


def status_parse(text: str) -> int:
    """The mask of `estimated+power_outage`; empty text is 0. KeyError names an unknown word."""
    mask = 0
    if text:
        for name in text.split("+"):
            mask |= STATUS_NAMES[name.strip()]
    return mask


def status_names(mask: int) -> list[str]:
    """The names of a mask's public bits, lowest bit first."""
    return [name for name, bit in STATUS_NAMES.items() if mask & bit]


def status_conflict(mask: int, null: bool) -> str:
    """Why mask and value disagree (FMT12), or an empty string."""
    missing = bool(mask & Status.MISSING)
    if missing != null:
        return "a null value must be marked missing" if null else "a value is marked missing"
    if missing and mask & (Status.ESTIMATED | Status.EDITED):
        return "missing excludes estimated and edited"
    return ""


def status_letter(mask: int) -> str:
    """The quality letter: the first match of M, V, E, Q; else A."""
    if mask & Status.MISSING:
        return "M"
    if mask & Status.EDITED:
        return "V"
    if mask & Status.ESTIMATED:
        return "E"
    return "Q" if mask & Status.QUESTIONABLE else "A"


def worst_letter(masks: Iterable[int], default: str) -> str:
    """The one letter that stands for several values; `default` for none."""
    return max(map(status_letter, masks), key=LETTERS.index, default=default)


class DeviceInfo(NamedTuple):
    """Who the meter is, as held in the stretch of time that its readings come from."""

    device_id: str
    meter_number: str = ""
    serial_number: str = ""
    service_point_id: str = ""
    account_id: str = ""
    premise_id: str = ""
    device_class: str = ""
    time_zone: str = "UTC"
    transformer_id: str = ""
    feeder_id: str = ""
    groups: tuple[str, ...] = ()  # other than the bill cycle, by code
    bill_cycle: str = ""


class RegisterValue(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One register's reading. `value` in engineering units (Decimal) or None when missing.

    A struct, not a dataclass: the store's JSON becomes millions of these, at a tenth of the cost.
    It holds nothing that could hold it, so the collector of garbage need not look at it.
    """

    register_class: str
    unit: str
    flow: str
    rate: str = "T"
    value: Decimal | None = None
    number: int | None = None
    occurrence: int = 1
    peak_time: datetime | None = None
    multiplier: Decimal | None = None
    multiplier_applied: bool | None = None
    dials: int | None = None
    decimals: int | None = None
    status: int = 0
    source: str = ""

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        """What the fold rule keys a read's values by."""
        return (self.register_class, self.unit, self.flow, self.rate, self.occurrence)

    @property
    def said(self) -> tuple[Decimal | None, int, datetime | None]:
        """What must differ to make a new version."""
        return (self.value, self.status, self.peak_time)


@dataclass(frozen=True, slots=True)
class RegisterRead:
    """A meter's registers at one instant (C12.19 tables 23–26)."""

    time: datetime
    read_type: str
    values: tuple[RegisterValue, ...]
    season: int | None = None
    reset_count: int | None = None
    reset_time: datetime | None = None
    status_word: str = ""
    source: str = ""  # two-letter code
    received: datetime | None = None
    read_id: str = ""
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened at a device; `code` is a catalogue mnemonic or a native code."""

    code: str
    time: datetime | None
    event_id: str = ""
    origin: str = ""
    native: str = ""
    phases: str = ""
    value: Decimal | None = None
    unit: str = ""
    duration: int | None = None
    text: str = ""
    received: datetime | None = None
    iec: str = ""
    category: str = ""
    severity: str = ""  # I, W or A


class Arrival(NamedTuple):
    """When and how a batch came: `source` is a two-letter code."""

    received: datetime
    source: str


class Channel(NamedTuple):
    """What a series measures. `number` and `grid_offset` are None until the inventory knows.

    `zone` is set for one-day channels only: their slot is a local date of that zone.
    """

    number: int | None
    unit: str
    flow: str
    seconds: int
    value_type: str
    resolution: Decimal
    multiplier: Decimal | None = None
    multiplier_applied: bool | None = None
    grid_offset: int | None = None
    zone: str = ""


@dataclass(frozen=True, slots=True)
class IntervalSeries:
    """Intervals of one channel, ascending by end.

    Shapes: `ends`, `counts`, `status` are (n,). Slots that never arrived carry status NEVER,
    count 0. `numbers` (n,): the batch that brought each slot, see Frame.arrivals; None when not
    asked for.
    """

    channel: Channel
    ends: Ints
    counts: Ints
    status: Masks
    start_register: Decimal | None = None
    end_register: Decimal | None = None
    numbers: Ints | None = None

    def values(self) -> list[Decimal | None]:
        """Engineering values, exact; None where missing."""
        times, resolution = EXACT.multiply, self.channel.resolution
        missing = (self.status & int(Status.MISSING)).astype(bool).tolist()
        return [
            None if gone else times(Decimal(count), resolution)
            for count, gone in zip(self.counts.tolist(), missing, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class MeterData:
    """One meter's data: what a reader yields and a plain writer takes."""

    device: DeviceInfo
    series: tuple[IntervalSeries, ...] = ()
    reads: tuple[RegisterRead, ...] = ()
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """Many channels on one grid, columnar: the hot path's form of their series.

    Shapes: `devices` (m,) index into the frame's devices; `channels` m long; `ends` (n,);
    `counts` (m, n) of any integer dtype; `status` (m, n) or None when every slot is 0; `numbers`
    (m, n) the batch that brought each slot, or None when not asked for.
    """

    devices: npt.NDArray[np.int64]
    channels: Sequence[Channel]
    ends: Ints
    counts: npt.NDArray[np.integer]
    status: Masks | None
    numbers: Ints | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A part of a fleet: devices in the file's order, their sheets, register reads and events.

    `arrivals`: the batches that the sheets' `numbers` name.
    """

    devices: Sequence[DeviceInfo]
    sheets: Sequence[Sheet] = ()
    reads: Mapping[int, Sequence[RegisterRead]] = field(default_factory=dict)
    events: dict[int, list[Event]] = field(default_factory=dict)
    arrivals: dict[int, Arrival] = field(default_factory=dict)

    def meters(self) -> Iterator[MeterData]:
        """The same data meter by meter, for plain writers. Devices without data are included."""
        series: dict[int, list[IntervalSeries]] = {}
        for sheet in self.sheets:
            for row, (device, channel) in enumerate(
                zip(sheet.devices.tolist(), sheet.channels, strict=True)
            ):
                status = (
                    np.zeros(len(sheet.ends), np.uint16)
                    if sheet.status is None
                    else sheet.status[row]
                )
                series.setdefault(device, []).append(
                    IntervalSeries(
                        channel,
                        sheet.ends,
                        sheet.counts[row].astype(np.int64),
                        status,
                        numbers=None if sheet.numbers is None else sheet.numbers[row],
                    )
                )
        for index, device_info in enumerate(self.devices):
            yield MeterData(
                device_info,
                tuple(sorted(series.get(index, ()), key=lambda s: s.channel.number or 0)),
                tuple(self.reads.get(index, ())),
                tuple(self.events.get(index, ())),
            )

    @classmethod
    def of(cls, meters: Sequence[MeterData]) -> Frame:
        """A frame of plain meters, a sheet a series."""
        sheets = [
            Sheet(
                *(np.array([index]), [s.channel], s.ends, s.counts[None, :], s.status[None, :]),
                None if s.numbers is None else s.numbers[None, :],
            )
            for index, meter in enumerate(meters)
            for s in meter.series
        ]
        return cls(
            [meter.device for meter in meters],
            sheets,
            {index: list(meter.reads) for index, meter in enumerate(meters) if meter.reads},
            {index: list(meter.events) for index, meter in enumerate(meters) if meter.events},
        )


def epoch(instant: datetime) -> int:
    """Whole seconds since 1970 of an aware instant; ValueError when naive or with a fraction."""
    if instant.tzinfo is None:
        raise ValueError("time without zone")
    if instant.microsecond:
        raise ValueError("time has a fraction of a second")
    return int(instant.timestamp())


def instant(seconds: int) -> datetime:
    """The aware UTC instant of whole seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
