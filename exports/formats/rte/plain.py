"""Rows whose texts were met before, read a block of lines at a time.

Of such a row only its number, its time and its value are new: the number and the value are read on
arrays, the rest is looked up by its words, once for all the rows after it that say the same. The
first row of each kind, and every odd one, goes through the parser; a test holds the two ways equal.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.formats.eights import Bytes, Flags, Words as WordArray
from exports.formats.linearrays import LineArrays
from exports.formats.rte.parse import Parsed
from exports.formats.rte.tables import DECIMALS, INTERVAL, NAMES
from exports.formats.words import (
    POWERS,
    SIZE,
    Found,
    WordTable,
    alike,
    changes,
    digits_read,
    numbers_read,
    span_words,
)

QUOTE = 34
WIDTH = len(NAMES)
SEQ, DEVICE, POINT_ID, CHANNEL, FLOW, TIME, SECONDS, VALUE, TYPE = map(
    NAMES.index,
    (
        *("Seq", "DeviceID", "ServicePointID", "Channel", "Flow"),
        *("Timestamp", "IntervalSeconds", "Value", "ValueType"),
    ),
)
PLACES = DECIMALS[INTERVAL]
LARGEST = 10**8  # before the point, so that a block's values add up in 64 bits
KEPT = 1 << 14  # kinds of rows remembered
# Neighbouring cells that are looked up together, in so many words at most: who; what, how long,
# the rest; when.
WHO, WHO_WORDS = (DEVICE, POINT_ID), 12
KIND, KIND_WORDS = ((CHANNEL, FLOW), (SECONDS, SECONDS), (TYPE, WIDTH - 1)), (3, 1, 12)
TIME_WORDS = 4
Key = tuple[bytes, bytes, bytes, bytes]
SHARED = ("channel", "mask", "revision", "source", "received")


class Known(NamedTuple):
    """What rows share with those before them. Arrays (n,): `first`: the row from which on it is the
    same; `values`: at that row, -1 where not known; (m,): the `rows` that begin so, as words.
    `new`: what was learned of them."""

    first: Ints
    values: Ints
    rows: Ints
    found: Found
    table: WordTable
    new: dict[int, int]

    @classmethod
    def of(
        cls, rows: Ints, size: int, new: Flags, words: Sequence[WordArray], table: WordTable
    ) -> Known:
        """Of some rows, out of so many lines, that say something new or not."""
        begun = rows
        first = _spread(rows, rows, size)
        if not new.all():
            begun = rows[new]
            first = _spread(begun[np.cumsum(new) - 1], rows, size)
            words = [one[new] for one in words]
        found = table.find(words)
        values = np.full(size, -1)
        values[begun] = found.values
        return cls(first, values, begun, found, table, {})

    def at(self, place: int) -> int:
        """The value of a row."""
        return self.values.item(self.first.item(place))

    def learn(self, place: int, value: int) -> None:
        """The value of a row that was not known."""
        first = int(self.first[place])
        self.values[first] = value
        self.new[first] = value

    def keep(self) -> None:
        """What was learned is known to later blocks."""
        if self.new:
            places = np.searchsorted(self.rows, list(self.new))
            self.table.keep(self.found, places.tolist(), list(self.new.values()))


@dataclass(frozen=True, slots=True)
class Table:
    """Lines that may be plain rows. Arrays (n,): `fine`: such a row, else the others mean nothing;
    `letters`: record types; `decimals`: -1 where there is no value. `late`: the rows of each time
    that is not known."""

    lines: LineArrays
    fine: Flags
    letters: Bytes
    seqs: Ints
    units: Ints
    decimals: Ints
    kinds: Known
    devices: Known
    times: Known
    late: list[list[int]]

    def news(self) -> set[int]:
        """The lines that are not known to be plain rows, but for their times."""
        found = set(np.flatnonzero(~self.fine).tolist())
        for one in (self.kinds, self.devices):
            found.update(one.rows[one.found.values < 0].tolist())
        return found

    def span(self, place: int, first: int, last: int) -> bytes:
        """The cells from one to another of a row, as they stand."""
        lines = self.lines
        at = lines.firsts.item(place)
        end = lines.ends.item(place) if last == WIDTH - 1 else lines.commas.item(at + last)
        return lines.text[lines.commas.item(at + first - 1) + 1 : end]

    def key(self, place: int) -> Key:
        """What a row's kind is looked up by."""
        kind = b"%c%s" % (int(self.letters[place]), b"" if self.decimals[place] >= 0 else b"-")
        what, length, rest = (self.span(place, *cells) for cells in KIND)
        return kind, what, length, rest


@dataclass(slots=True)
class Kinds:
    """Kinds of rows met so far, by their texts: what the parser made of the first. `shared` one
    after the other, `SHARED` of each."""

    known: dict[Key, int] = field(default_factory=dict)
    places: dict[tuple[int, ...], int] = field(default_factory=dict)
    shared: array[int] = field(default_factory=partial(array, "q"))

    def place(self, parsed: Parsed) -> int:
        """The place of what a row shares with others."""
        said = tuple(getattr(parsed, name) for name in SHARED)
        place = self.places.get(said)
        if place is None:
            place = len(self.shared) // len(SHARED)
            self.shared.extend(said)
            if len(self.places) < KEPT:
                self.places[said] = place
        return place

    def learn(self, cells: Sequence[bytes], place: int) -> None:
        """A row that the parser took without a word."""
        if len(self.known) < KEPT:
            what = b",".join(cells[CHANNEL : FLOW + 1])
            kind = cells[0] + (b"" if cells[VALUE] else b"-")
            self.known[kind, what, cells[SECONDS], b",".join(cells[TYPE:])] = place


@dataclass(slots=True)
class Words:
    """What was looked up by its words so far: kinds, devices and times."""

    kinds: WordTable = field(default_factory=partial(WordTable, 1 + sum(1 + n for n in KIND_WORDS)))
    devices: WordTable = field(default_factory=partial(WordTable, 1 + WHO_WORDS))
    times: WordTable = field(default_factory=partial(WordTable, 1 + TIME_WORDS))


def table_of(lines: LineArrays, known: Words) -> Table:
    """The rows of some lines of the table's own columns, as far as their numbers are plain."""
    fine = lines.counts == WIDTH - 1
    if QUOTE in lines.text:
        fine[np.searchsorted(lines.ends, np.flatnonzero(lines.data == QUOTE))] = False
    rows = np.flatnonzero(fine)
    cells = Cells.of(lines, rows)
    seqs, good = digits_read(lines.words, cells.ends(SEQ), cells.ends(SEQ) - cells.starts(SEQ))
    units, decimals, plain = _values(cells)
    good &= plain & (seqs > 0) & (cells.ends(0) - cells.starts(0) == 1) & cells.short()
    if not good.all():
        fine[rows[~good]] = False
        rows, cells = rows[good], Cells(lines, rows[good], cells.at[:, good])
        seqs, units, decimals = seqs[good], units[good], decimals[good]
    letters = lines.data[cells.starts(0)]
    said = [letters.astype(np.uint64) * np.uint64(2) + (decimals < 0)]
    for (first, last), size in zip(KIND, KIND_WORDS, strict=True):
        said += cells.words(first, last, size)
    size = len(fine)
    kinds = Known.of(rows, size, changes(said), said, known.kinds)
    who = cells.words(*WHO, WHO_WORDS)
    devices = Known.of(rows, size, changes(who), who, known.devices)
    when = cells.words(TIME, TIME, TIME_WORDS)
    times = Known.of(rows, size, np.ones(len(rows), np.bool_), when, known.times)
    unknown = alike(when, np.flatnonzero(times.found.values < 0))
    late = [rows[group].tolist() for group in unknown]
    letters = _spread(letters, rows, size)
    seqs, units, decimals = (_spread(column, rows, size) for column in (seqs, units, decimals))
    return Table(lines, fine, letters, seqs, units, decimals, kinds, devices, times, late)


class Cells(NamedTuple):
    """Where the cells of rows stand: commas and line ends, (WIDTH, m)."""

    lines: LineArrays
    rows: Ints
    at: Ints

    @classmethod
    def of(cls, lines: LineArrays, rows: Ints) -> Cells:
        if len(rows) == len(lines):
            return cls(lines, rows, np.ascontiguousarray(lines.commas.reshape(-1, WIDTH).T))
        return cls(lines, rows, lines.commas[lines.firsts[rows] + np.arange(WIDTH)[:, None]])

    def starts(self, cell: int) -> Ints:
        return self.at[cell - 1] + 1 if cell else self.lines.starts[self.rows]

    def ends(self, cell: int) -> Ints:
        return self.at[cell] if cell < WIDTH - 1 else self.lines.ends[self.rows]

    def words(self, first: int, last: int, most: int) -> list[WordArray]:
        """The cells from one to another, as they stand, as words."""
        return span_words(self.lines.words, self.starts(first), self.ends(last), most)

    def short(self) -> Flags:
        """Which of the rows have no cells that are longer than what is looked up, (m,)."""
        found = np.ones(len(self.rows), np.bool_)
        looked = ((TIME, TIME), TIME_WORDS), (WHO, WHO_WORDS), *zip(KIND, KIND_WORDS, strict=True)
        for (first, last), size in looked:
            found &= self.ends(last) - self.starts(first) <= size * SIZE
        return found


def _spread(column: npt.NDArray[Any], rows: Ints, size: int) -> npt.NDArray[Any]:
    """A column of some rows as one of all lines."""
    if len(rows) == size:
        return column
    wide = np.zeros(size, column.dtype)
    wide[rows] = column
    return wide


def _values(cells: Cells) -> tuple[Ints, Ints, Flags]:
    """Units and decimals of the values, without zeros at their ends, and which are plain."""
    lines, starts, ends = cells.lines, cells.starts(VALUE), cells.ends(VALUE)
    empty = starts == ends
    units, decimals, fine = numbers_read(lines.data, lines.words, starts, ends)
    fine &= (decimals <= PLACES) & (units < LARGEST * POWERS[np.minimum(decimals, PLACES)])
    while len(cut := np.flatnonzero(fine & (decimals > 0) & (units % 10 == 0))):
        units[cut] //= 10
        decimals[cut] -= 1
    return np.where(empty, 0, units), np.where(empty, -1, decimals), fine | empty
