"""Reading: the records of a file, their codes, and the cells of many channels at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status
from exports.formats.records216.cells import Flags
from exports.formats.records216.layouts import (
    CELL_DTYPES,
    CELLS_SIZE,
    CELLS_START,
    FILL,
    FIRST_INTERVALS,
    LAST_INTERVALS,
    LENGTH,
    MOST_RECORDS,
    PULSE_DTYPE,
)
from exports.formats.records216.words import CHANNEL_BITS, INTERVAL_BITS, masks_in
from exports.formats.text import FILE_LIMIT

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint16]
Form = tuple[str, str]  # channel and interval status present
PULSES = ("U", "U")  # the form of cells of pulses
DTYPES = CELL_DTYPES | {PULSES: PULSE_DTYPE}
MISSING = int(Status.MISSING)
SPOILT = int(Status.ESTIMATED | Status.EDITED)


class FileError(Exception):
    """The file is refused as a whole: (about, words), at this record."""

    def __init__(self, about: str, record: int = 0, **words: object) -> None:
        super().__init__(about)
        self.about = about
        self.record = record
        self.words = words


@dataclass(frozen=True, slots=True)
class Records:
    """A file as records: `table` (n, 216), `codes` (n,)."""

    table: Bytes
    codes: Codes

    def raw(self, place: int) -> bytes:
        return bytes(self.table[place].tobytes())

    def intervals(self) -> Flags:
        """Which are interval records."""
        found: Flags = (self.codes >= FIRST_INTERVALS) & (self.codes <= LAST_INTERVALS)
        return found


def records_of(stream: BinaryIO) -> Records:
    """FileError: `large`, `size`, `length`."""
    data = stream.read(FILE_LIMIT + 1)
    if len(data) > FILE_LIMIT:
        raise FileError("large")
    if not data or len(data) % LENGTH:
        raise FileError("size", size=len(data))
    table = np.frombuffer(data, np.uint8).reshape(-1, LENGTH)
    words = np.ascontiguousarray(table[:, :4]).view("<u2")
    wrong = np.flatnonzero(words[:, 0] != LENGTH)
    if len(wrong):
        length = int(words[wrong[0], 0])
        hint = " (0x00D8, big-endian)" if length == 0xD800 else ""
        raise FileError("length", int(wrong[0]), length=length, hint=hint)
    return Records(table, words[:, 1])


class Wanted(NamedTuple):
    """A channel's interval records and how they are to be read. `cells`: of its period."""

    records: Ints
    form: Form
    cells: int


@dataclass(slots=True)
class Odd:
    """What is odd about channels, by what it is: counts (channels,)."""

    counts: dict[str, Ints] = field(default_factory=dict)

    def add(self, about: str, counts: Any) -> None:
        if counts.any():
            self.counts[about] = counts

    def of(self, row: int) -> dict[str, int]:
        return {about: int(n[row]) for about, n in self.counts.items() if n[row]}


class Found(NamedTuple):
    """Channels of one shape: places among those wanted; (channels, cells) values, 0 where missing,
    and masks; what is odd about each."""

    places: list[int]
    values: npt.NDArray[Any]
    masks: Masks
    odd: Odd


def cells_a_record(form: Form) -> int:
    """The cells that a record holds."""
    return CELLS_SIZE // DTYPES[form].itemsize


def most_cells(form: Form) -> int:
    """The cells that a channel's records can hold."""
    return MOST_RECORDS * cells_a_record(form)


def cells_read(records: Records, wanted: Sequence[Wanted]) -> Iterator[Found]:
    """The cells of channels, those of one shape together."""
    groups: dict[tuple[Form, int, int], list[int]] = defaultdict(list)
    for place, channel in enumerate(wanted):
        groups[channel.form, len(channel.records), channel.cells].append(place)
    for (form, _, cells), places in groups.items():
        index = np.array([wanted[place].records for place in places], np.intp)
        data = records.table[index, CELLS_START:].reshape(len(places), -1)
        yield _cells(places, data, form, cells)


def _cells(places: list[int], data: Bytes, form: Form, size: int) -> Found:
    """The cells of channels of one shape, (channels, bytes)."""
    dtype, odd = DTYPES[form], Odd()
    there = min(size, data.shape[1] // dtype.itemsize)
    used = there * dtype.itemsize
    filler = np.ascontiguousarray(data[:, used:]).view("<u2")
    odd.add("no_fill", (filler != FILL).any(axis=1).astype(np.int64))
    odd.add("fewer", np.full(len(data), size - there))
    cells = np.ascontiguousarray(data[:, :used]).view(dtype)
    values = np.zeros((len(data), size), dtype["value"])
    values[:, :there] = cells["value"]
    masks = np.zeros((len(data), size), np.uint16)
    masks[:, there:] = MISSING
    if form != PULSES:
        _no_numbers(values, masks, odd)
    _words(cells, values, masks, odd)
    return Found(places, values, masks, odd)


def _no_numbers(values: npt.NDArray[Any], masks: Masks, odd: Odd) -> None:
    """Cells that are no number are missing."""
    wrong = ~np.isfinite(values)
    if wrong.any():
        odd.add("no_number", wrong.sum(axis=1))
        masks[wrong], values[wrong] = MISSING, 0


def _words(cells: npt.NDArray[Any], values: npt.NDArray[Any], masks: Masks, odd: Odd) -> None:
    """What status words say, looked at only where they say something."""
    names = cells.dtype.names or ()
    words = {name: cells[name] for name in ("channel", "interval") if name in names}
    said = np.zeros(cells.shape, np.bool_)
    for word in words.values():
        said |= word != 0
    where = np.nonzero(said)
    channel, interval = (
        words[name][where] if name in words else np.zeros(len(where[0]), np.uint16)
        for name in ("channel", "interval")
    )
    found = masks_in(False)[channel] | masks_in(True)[interval] | masks[where]
    stray = (channel & ~np.uint16(CHANNEL_BITS)) | (interval & ~np.uint16(INTERVAL_BITS))
    odd.add("stray_bits", np.bincount(where[0][stray != 0], minlength=len(cells)))
    held = (found & MISSING != 0) & (values[where] != 0)
    odd.add("held", np.bincount(where[0][held], minlength=len(cells)))
    found[held] = found[held] & ~np.uint16(MISSING) | int(Status.QUESTIONABLE)
    gone = found & MISSING != 0
    found[gone] &= ~np.uint16(SPOILT)
    masks[where] = found
