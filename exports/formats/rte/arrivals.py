"""Arrivals: versions of values in the order in which they came, columnar. The writer's input.

A live export has them from the journal (exports/rte), an export of a period from its frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import (
    ABSENT,
    NEVER,
    Arrival,
    Channel,
    DeviceInfo,
    Frame,
    Ints,
    Masks,
    RegisterRead,
    RegisterValue,
    Sheet,
    Status,
    epoch,
    status_conflict,
)
from exports.formats.context import Tally, WriteContext
from exports.formats.issues import FormatError
from exports.formats.rte.tables import DECIMALS, REGISTER, TOTAL, rte
from exports.formats.text import plain

UNKNOWN: Arrival | None = None  # of a frame that does not tell


@dataclass(frozen=True, slots=True)
class Arrivals:
    """n versions; each names its device, channel and batch by their places in the lists.

    Shapes (n,). A register is a channel of value type X and 0 seconds; its `ends` are read times.
    A null has MISSING in its status; a slot that was withdrawn has NEVER. `revisions`: number of
    earlier versions of the same key, not capped.
    """

    devices: Sequence[DeviceInfo]
    channels: Sequence[Channel]
    batches: Sequence[Arrival | None]
    device: Ints
    channel: Ints
    batch: Ints
    ends: Ints
    counts: Ints
    status: Masks
    revisions: Ints

    def __len__(self) -> int:
        return len(self.ends)

    def pick(self, which: npt.NDArray[Any] | slice) -> Arrivals:
        """Some of the rows, in their order."""
        rows = [column[which] for column in self.columns()]
        return Arrivals(self.devices, self.channels, self.batches, *rows)

    def columns(self) -> tuple[Any, ...]:
        """What is as long as there are rows."""
        return (
            *(self.device, self.channel, self.batch, self.ends, self.counts, self.status),
            self.revisions,
        )

    def name(self, row: int) -> str:
        """Channel or register number of a row, for messages."""
        number = self.channels[int(self.channel[row])].number
        return "" if number is None else str(number)


def register_channel(
    value: RegisterValue | Any, multiplier: Decimal | None = None
) -> tuple[Channel, int]:
    """A register as a channel, and its value as a count of it, rounded to the 4 decimals of R.

    `multiplier`: where the value states none. FMT10, FMT07 for a value that is no such number.
    """
    text = "0" if value.value is None else plain(value.value, DECIMALS[REGISTER])
    whole, _, part = text.partition(".")
    if len(text) > 18:  # the column's width, within 64 bits
        raise rte("FMT07", field="Value", value=value.value, width=18)
    channel = Channel(
        value.number,
        value.unit,
        value.flow,
        0,
        TOTAL,
        Decimal(1).scaleb(-len(part)),
        multiplier if value.multiplier is None else value.multiplier,
        value.multiplier_applied,
    )
    return channel, int(whole + part)


# --- from a frame ---------------------------------------------------------------------------------


class Piece(NamedTuple):
    """A stretch of rows of one device: its place in the file, and in the flat columns."""

    device: int
    register: bool
    place: tuple[int, int]  # channel number and first end, or read time and register number
    start: int
    size: int


@dataclass(slots=True)
class Gather:
    """A frame's values as arrivals of revision 0: by device, intervals before registers.

    Intervals by channel and end, registers by time and number. Slots that never arrived are none.
    """

    frame: Frame
    ctx: WriteContext
    tally: Tally
    channels: dict[Channel, int] = field(default_factory=dict)
    batches: dict[Arrival | None, int] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)
    flat: list[tuple[Any, ...]] = field(default_factory=list)
    size: int = 0
    refused: dict[int, FormatError] = field(default_factory=dict)

    def arrivals(self) -> Arrivals:
        """All of them; what cannot be taken is in `refused`, by device."""
        include = self.ctx.options["include"]
        if include != "registers":
            for sheet in self.frame.sheets:
                self._take_sheet(sheet)
        if include != "intervals":
            for device in sorted(self.frame.reads):
                self._take_reads(device, self.frame.reads[device])
        order = self._order()
        columns: list[Any] = [np.zeros(0, np.int64)] * 7
        if self.flat:
            columns = [np.concatenate(parts) for parts in zip(*self.flat, strict=True)]
            if order is not None:
                columns = [column[order] for column in columns]
        columns[5] = columns[5].astype(np.uint16)
        return Arrivals(self.frame.devices, list(self.channels), list(self.batches), *columns)

    def _order(self) -> Ints | None:
        """The order of the rows; None where they stand in it."""
        pieces = sorted(self.pieces)
        if pieces == self.pieces:
            return None
        sizes = np.array([piece.size for piece in pieces], np.int64)
        starts = np.array([piece.start for piece in pieces], np.int64)
        within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(starts, sizes) + within

    def _take_sheet(self, sheet: Sheet) -> None:
        rows, slots = len(sheet.devices), len(sheet.ends)
        if not rows or not slots:
            return
        status = np.zeros((rows, slots), np.uint16) if sheet.status is None else sheet.status
        there = (status & ABSENT) == 0
        kept = there.sum(axis=1)
        batch = np.full((rows, slots), self._batch(UNKNOWN), np.int64)
        if sheet.numbers is not None:
            batch = self._batches(np.where(there, sheet.numbers, 0))
        channels = [self._channel(channel) for channel in sheet.channels]
        starts = (self.size + np.cumsum(kept) - kept).tolist()
        first = int(sheet.ends[0])
        for device, channel, start, size in zip(
            sheet.devices.tolist(), sheet.channels, starts, kept.tolist(), strict=True
        ):
            if size:
                order = (channel.number or 0, first)
                self.pieces.append(Piece(device, False, order, start, size))
        self._add(
            np.repeat(sheet.devices, kept),
            np.repeat(np.array(channels, np.int64), kept),
            batch[there],
            np.broadcast_to(sheet.ends, (rows, slots))[there],
            sheet.counts[there].astype(np.int64),
            status[there],
        )

    def _take_reads(self, device: int, reads: Sequence[RegisterRead]) -> None:
        for read in reads:
            for value in read.values:
                try:
                    self._take_value(device, read, value)
                except FormatError as error:
                    error.at(instant=read.time if read.time.tzinfo else None)
                    error.at(where="" if value.number is None else str(value.number))
                    if error.code == "RTE02" and self.ctx.on_unsupported == "skip":
                        error.at(format="rte", meter=self.frame.devices[device].device_id)
                        self.tally.warn(error.code, str(error))
                        continue
                    self.refused.setdefault(device, error)
                    return

    def _take_value(self, device: int, read: RegisterRead, value: RegisterValue) -> None:
        if value.register_class != "SUM" or value.rate != "T":
            words = {"register_class": value.register_class, "rate": value.rate}
            raise rte("RTE02", **words)
        if why := status_conflict(value.status, value.value is None):
            raise rte("FMT12", why=why)
        time = _whole(read.time)
        channel, count = register_channel(value)
        arrival = UNKNOWN
        if read.received is not None:
            arrival = Arrival(read.received, value.source or read.source)
        place = self._channel(channel)
        order = (time, value.number or 0)
        self.pieces.append(Piece(device, True, order, self.size, 1))
        one = [np.array([n]) for n in (device, place, self._batch(arrival), time, count)]
        self._add(*one, np.array([value.status], np.uint16))

    def _add(self, *columns: npt.NDArray[Any]) -> None:
        size = len(columns[0])
        self.flat.append((*columns, np.zeros(size, np.int64)))
        self.size += size

    def _channel(self, channel: Channel) -> int:
        return self.channels.setdefault(channel, len(self.channels))

    def _batch(self, arrival: Arrival | None) -> int:
        return self.batches.setdefault(arrival, len(self.batches))

    def _batches(self, numbers: Ints) -> Ints:
        """Batch numbers as places in the list."""
        known: Mapping[int, Arrival] = self.frame.arrivals
        low = int(numbers.min())
        if low == int(numbers.max()):  # the usual case: all came together
            return np.full(numbers.shape, self._batch(known.get(low)), np.int64)
        found, index = np.unique(numbers, return_inverse=True)
        places = [self._batch(known.get(number)) for number in found.tolist()]
        return np.array(places, np.int64)[index].reshape(numbers.shape)


def _whole(time: datetime) -> int:
    if time.tzinfo is None:
        raise rte("FMT01", time=time)
    if time.microsecond:
        raise rte("FMT02", time=time.isoformat(), limit="seconds")
    return epoch(time)


def is_withdrawn(status: Masks) -> npt.NDArray[np.bool_]:
    """Slots that were withdrawn: what was sent of them no longer holds."""
    found: npt.NDArray[np.bool_] = (status & NEVER) == NEVER
    return found


def is_missing(status: Masks) -> npt.NDArray[np.bool_]:
    """Slots without a value."""
    found: npt.NDArray[np.bool_] = (status & int(Status.MISSING)) != 0
    return found
