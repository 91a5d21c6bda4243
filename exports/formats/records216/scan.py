"""Reading: the records of a file, their codes, and the cells of many channels at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status
from exports.formats.issues import ReadReport
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


class Found(NamedTuple):
    """A channel's cells, (cells,): values 0 where missing, masks; and what was odd, as counts."""

    values: npt.NDArray[Any]
    masks: Masks
    odd: Mapping[str, int]


@dataclass(slots=True)
class Odd:
    """What is odd about channels, by what it is: counts (channels,)."""

    counts: dict[str, Ints] = field(default_factory=dict)

    def add(self, about: str, counts: Any) -> None:
        if counts.any():
            self.counts[about] = counts

    def of(self, row: int) -> dict[str, int]:
        return {about: int(n[row]) for about, n in self.counts.items() if n[row]}


def most_cells(form: Form) -> int:
    """The cells that a channel's records can hold."""
    return MOST_RECORDS * (CELLS_SIZE // DTYPES[form].itemsize)


def cells_read(records: Records, wanted: Sequence[Wanted]) -> list[Found]:
    """The cells of channels, those of one shape together."""
    groups: dict[tuple[Form, int, int], list[int]] = defaultdict(list)
    for place, channel in enumerate(wanted):
        groups[channel.form, len(channel.records), channel.cells].append(place)
    found: dict[int, Found] = {}
    for (form, _, cells), places in groups.items():
        index = np.array([wanted[place].records for place in places], np.intp)
        data = records.table[index, CELLS_START:].reshape(len(places), -1)
        for place, one in zip(places, _cells(data, form, cells), strict=True):
            found[place] = one
    return [found[place] for place in range(len(wanted))]


def _cells(data: Bytes, form: Form, size: int) -> list[Found]:
    """The cells of channels of one shape, (channels, bytes)."""
    dtype, odd = DTYPES[form], Odd()
    there = min(size, data.shape[1] // dtype.itemsize)
    used = there * dtype.itemsize
    filler = np.ascontiguousarray(data[:, used:]).view("<u2")
    odd.add("no_fill", (filler != FILL).any(axis=1).astype(np.int64))
    odd.add("fewer", np.full(len(data), size - there))
    cells = np.ascontiguousarray(data[:, :used]).view(dtype)
    values = cells["value"]
    masks = np.full((len(data), size), MISSING, np.uint16)
    masks[:, :there] = _masks(cells, values, form, odd)
    gone: Flags = masks & MISSING != 0
    full = np.zeros((len(data), size), values.dtype)
    full[:, :there] = np.where(gone[:, :there], 0, values)
    masks[gone] &= ~np.uint16(SPOILT)
    return [Found(full[row], masks[row], odd.of(row)) for row in range(len(data))]


def _masks(cells: Any, values: Any, form: Form, odd: Odd) -> Masks:
    """The masks of cells, by their words and by what their values are."""
    names = cells.dtype.names
    masks = np.zeros(values.shape, np.uint16)
    stray = np.zeros(values.shape, np.bool_)
    if "channel" in names:
        masks |= masks_in(False)[cells["channel"]]
        stray |= cells["channel"] & ~np.uint16(CHANNEL_BITS) != 0
    if "interval" in names:
        masks |= masks_in(True)[cells["interval"]]
        stray |= cells["interval"] & ~np.uint16(INTERVAL_BITS) != 0
    odd.add("stray_bits", stray.sum(axis=1))
    marked = masks & MISSING != 0
    number = np.ones_like(marked) if form == PULSES else np.isfinite(values)
    held = marked & number & (values != 0)
    odd.add("held", held.sum(axis=1))
    masks[held] = masks[held] & ~np.uint16(MISSING) | int(Status.QUESTIONABLE)
    odd.add("no_number", (~number).sum(axis=1))
    masks[~number] |= MISSING
    return masks


def file_refuse(error: FileError, report: ReadReport, codes: Mapping[str, str], text: str) -> None:
    """Says why a file is refused."""
    report.error(
        codes[error.about],
        text.format(**error.words),
        record=error.record + 1,
        offset=error.record * LENGTH,
    )
