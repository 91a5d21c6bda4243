"""Rows whose texts were met before, read a block of lines at a time.

Of such a row only its number, its time and its value are new: the number and the value are read on
arrays, the rest is looked up by its text. The first row of each kind, and every odd one, goes
through the parser; a test holds the two ways equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from devices.readings import Ints
from exports.formats.decimals import Flags, middles, spans_read
from exports.formats.linearrays import LineArrays
from exports.formats.rte.parse import Parsed
from exports.formats.rte.tables import DECIMALS, INTERVAL, NAMES

QUOTE, POINT = 34, 46
WIDTH = len(NAMES)
SEQ, DEVICE, POINT_ID, CHANNEL, FLOW, TIME, SECONDS, VALUE, TYPE = map(
    NAMES.index,
    (
        *("Seq", "DeviceID", "ServicePointID", "Channel", "Flow"),
        *("Timestamp", "IntervalSeconds", "Value", "ValueType"),
    ),
)
PLACES = DECIMALS[INTERVAL]
LARGEST = 10 ** (8 + PLACES)  # so that a block's values add up in 64 bits
KEPT = 1 << 14  # kinds of rows remembered
Key = tuple[bytes, bytes, bytes, bytes]
SHARED = ("channel", "mask", "revision", "source", "received")


class Row(NamedTuple):
    """What a row is looked up by, and where its own parts stand in the arrays."""

    place: int
    who: bytes
    key: Key
    time: bytes


class Table(NamedTuple):
    """Rows that may be plain; arrays (n,), `decimals` -1 where there is no value."""

    rows: dict[int, Row]  # by line of the block
    kinds: Sequence[bytes]
    seqs: Ints
    units: Ints
    decimals: Ints


@dataclass(slots=True)
class Kinds:
    """Kinds of rows met so far, by their texts: what the parser made of the first."""

    known: dict[Key, int] = field(default_factory=dict)
    shared: list[tuple[int, ...]] = field(default_factory=list)

    def learn(self, cells: Sequence[bytes], parsed: Parsed) -> None:
        """A row that the parser took without a word."""
        if len(self.known) < KEPT:
            what = b",".join(cells[CHANNEL : FLOW + 1])
            kind = cells[0] + (b"" if cells[VALUE] else b"-")
            key = (kind, what, cells[SECONDS], b",".join(cells[TYPE:]))
            self.known[key] = len(self.shared)
            self.shared.append(tuple(getattr(parsed, name) for name in SHARED))


def table_of(lines: Sequence[bytes]) -> Table:
    """The rows of some lines of the table's own columns, as far as their numbers are plain."""
    block = b"".join(lines)
    found = LineArrays.of(block, lines)
    fine = found.counts == WIDTH - 1
    if b'"' in block:
        quotes = np.flatnonzero(found.data == QUOTE)
        fine[np.searchsorted(found.ends, quotes)] = False
    rows = np.flatnonzero(fine)
    if not len(rows):
        return Table({}, [], rows, rows, rows)
    starts, ends = found.cells(rows, WIDTH)
    seqs, plain = spans_read(found.data, starts[:, SEQ], ends[:, SEQ], ends[:, SEQ], 0)
    fine = plain & (seqs > 0) & (ends[:, 0] - starts[:, 0] == 1)
    units, decimals, plain = _values(found, starts[:, VALUE], ends[:, VALUE])
    fine &= plain
    columns = (starts[:, DEVICE], ends[:, POINT_ID], starts[:, CHANNEL], ends[:, FLOW])
    time = (starts[:, TIME], ends[:, TIME])
    more = (starts[:, SECONDS], ends[:, SECONDS], starts[:, TYPE], ends[:, WIDTH - 1])
    every = [column.tolist() for column in (starts[:, 0], decimals, *columns, *time, *more)]
    kinds: list[bytes] = []
    made: dict[int, Row] = {}
    for place, (line, good, *at) in enumerate(
        zip(rows.tolist(), fine.tolist(), *every, strict=True)
    ):
        first, places, who, point, what, flow, time_at, after, length, then, rest, stop = at
        kind = block[first : first + 1]
        kinds.append(kind)
        if good:
            key = (kind if places >= 0 else kind + b"-", block[what:flow], block[length:then])
            made[line] = Row(
                *(place, block[who:point], (*key, block[rest:stop]), block[time_at:after])
            )
    return Table(made, kinds, seqs, units, decimals)


def _values(found: LineArrays, starts: Ints, ends: Ints) -> tuple[Ints, Ints, Flags]:
    """Units and decimals of the values, without zeros at their ends, and which are plain."""
    middle = middles(starts, ends, np.flatnonzero(found.data == POINT))
    empty = starts == ends
    if middle is None:
        none = np.zeros(len(starts), np.int64)
        return none, none - 1, empty
    units, plain = spans_read(found.data, starts, middle, ends, PLACES)
    decimals = np.full(len(units), PLACES)
    for _ in range(PLACES):
        cut = (decimals > 0) & (units % 10 == 0)
        units, decimals = np.where(cut, units // 10, units), decimals - cut
    plain &= units * 10 ** (PLACES - decimals) < LARGEST
    return np.where(empty, 0, units), np.where(empty, -1, decimals), plain | empty
