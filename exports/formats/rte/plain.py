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
import numpy.typing as npt

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
# Neighbouring cells that are looked up together: who; what; how long; the rest.
CONTEXT = ((DEVICE, POINT_ID), (CHANNEL, FLOW), (SECONDS, SECONDS), (TYPE, WIDTH - 1))
Key = tuple[bytes, bytes, bytes, bytes]
SHARED = ("channel", "mask", "revision", "source", "received")


class Table(NamedTuple):
    """Rows that may be plain. Arrays (n,), `decimals` -1 where there is no value."""

    block: bytes
    row: list[int]  # by line of the block, -1 for one that is not here
    fresh: list[bool]  # whether a row says more that is new than number, time and value
    times: list[bytes]
    spans: list[tuple[int, ...]]  # starts and ends of CONTEXT
    kinds: list[bytes]
    seqs: Ints
    units: Ints
    decimals: Ints

    def texts(self, row: int) -> tuple[bytes, Key]:
        """What a row's device, and the rest, is looked up by."""
        who, point, what, flow, length, then, rest, stop = self.spans[row]
        block = self.block
        kind = self.kinds[row] + (b"" if self.decimals[row] >= 0 else b"-")
        return block[who:point], (kind, block[what:flow], block[length:then], block[rest:stop])


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
    if len(rows):
        starts, ends = found.cells(rows, WIDTH)
        seqs, plain = spans_read(found.data, starts[:, SEQ], ends[:, SEQ], ends[:, SEQ], 0)
        units, decimals, valued = _values(found, starts[:, VALUE], ends[:, VALUE])
        good = plain & (seqs > 0) & (ends[:, 0] - starts[:, 0] == 1) & valued
        rows, starts, ends = rows[good], starts[good], ends[good]
        seqs, units, decimals = seqs[good], units[good], decimals[good]
    at = np.full(len(lines), -1)
    at[rows] = np.arange(len(rows))
    if not len(rows):
        return Table(block, at.tolist(), [], [], [], [], rows, rows, rows)
    kinds = found.data[starts[:, 0]]
    empty = decimals < 0
    fresh = np.ones(len(rows), np.bool_)
    fresh[1:] = (kinds[1:] != kinds[:-1]) | (empty[1:] != empty[:-1])
    for first, last in CONTEXT:
        fresh[1:] |= _differ(found.data, starts[:, first], ends[:, last])
    spans = [part for first, last in CONTEXT for part in (starts[:, first], ends[:, last])]
    times = map(slice, starts[:, TIME].tolist(), ends[:, TIME].tolist())
    return Table(
        *(block, at.tolist(), fresh.tolist(), list(map(block.__getitem__, times))),
        *(
            list(zip(*(part.tolist() for part in spans), strict=True)),
            [*map(_byte, kinds.tolist())],
        ),
        *(seqs, units, decimals),
    )


_byte = [bytes((n,)) for n in range(256)].__getitem__


def _differ(data: npt.NDArray[np.uint8], starts: Ints, ends: Ints) -> Flags:
    """Whether spans differ from those before them, (n - 1,)."""
    sizes = ends - starts
    wide = np.arange(int(sizes.max()))
    texts = data[np.minimum(starts[:, None] + wide, len(data) - 1)]
    texts[wide >= sizes[:, None]] = 0
    return (texts[1:] != texts[:-1]).any(axis=1) | (sizes[1:] != sizes[:-1])  # type: ignore[no-any-return]


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
