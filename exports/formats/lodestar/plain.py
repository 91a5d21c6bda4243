"""Interval records of the plainest form, read a block of lines at a time, on arrays.

Plain is a record of whole triplets without start members, of plain numbers with as many decimals as
are written at least, beside statuses that have a meaning, or nothing or 0 where one says that it is
missing. Every other line is the parser's; but for their recorder, the header records before plain
ones are looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status
from exports.formats.eights import Flags
from exports.formats.linearrays import COMMA, LineArrays
from exports.formats.lodestar.tables import FIRST_RECORD, HEADERS
from exports.formats.text import TextLine
from exports.formats.words import digits_read, numbers_read

CODE_SIZE = 8
HEADS = len(HEADERS)
HEAD_WORDS = [np.uint64(int.from_bytes(head.name.encode(), "little")) for head in HEADERS]
FIRST = ord("1")  # of an interval record's sort code
NINE = b"9"
MISSING = int(Status.MISSING)
ODD, GONE = 1 << 16, 1 << 17  # no masks: of a status that the parser looks at, and of 9
MASKS = npt.NDArray[np.int64]


class Members(NamedTuple):
    """A record's intervals, (n,): counts of the last decimal and masks."""

    counts: Ints
    masks: Masks


def masks_of(statuses: Mapping[bytes, int]) -> MASKS:
    """Masks by a status' one character; last that of an empty one."""
    texts = [*(bytes((n,)) for n in range(256)), b""]
    masks = np.array([statuses.get(text, ODD) for text in texts], np.int64)
    masks[ord(NINE)] = ODD if NINE in statuses else GONE
    return masks


class Whole(NamedTuple):
    """A cut of four header records and plain interval records, numbered as they should be.

    `first` to before `last`: its lines. Places in the text: `recorder` and its end, the end of its
    record, then start and end of the other header records.
    """

    block: Block
    first: int
    last: int
    recorder: int
    tail: int
    one: int
    two: int
    two_end: int
    three: int
    three_end: int
    four: int
    four_end: int

    def line(self, place: int) -> TextLine:
        """A record of the cut."""
        return self.block.line(min(self.first + place, self.last - 1))

    def texts(self) -> tuple[bytes, tuple[bytes, bytes, bytes], bytes]:
        """The recorder; what many cuts say; the third header record."""
        text = self.block.lines.text
        rest, two = text[self.tail : self.one], text[self.two : self.two_end]
        key = (rest, two, text[self.four : self.four_end])
        return text[self.recorder : self.tail], key, text[self.three : self.three_end]

    def members(self) -> Members:
        """All its intervals."""
        found = self.block.members[self.first + HEADS : self.last]
        if len(found) == 1 and found[0]:
            return found[0]
        return Members(*map(np.concatenate, zip(*filter(None, found), strict=True)))


class Block(NamedTuple):
    """Some lines; the members of those that are plain interval records, else None."""

    lines: LineArrays
    members: list[Members | None]
    codes: Ints

    @classmethod
    def of(cls, lines: LineArrays, masks: MASKS, decimals: int) -> Block:
        members: list[Members | None] = [None] * len(lines)
        codes = np.full(len(lines), -1)
        fine = (lines.counts > 0) & (lines.counts % 3 == 0) & (lines.data[lines.starts] == FIRST)
        for count in np.unique(lines.counts[fine]).tolist():
            rows = np.flatnonzero(fine & (lines.counts == count))
            plain, numbers, counts, kinds = _triplets(lines, rows, count, masks, decimals)
            found = np.flatnonzero(plain).tolist()
            codes[rows[plain]] = numbers[plain]
            for n, row in zip(found, rows[plain].tolist(), strict=True):
                members[row] = Members(counts[n], kinds[n])
        return cls(lines, members, codes)

    def line(self, place: int) -> TextLine:
        """A line, with its members if it is plain."""
        number, offset, text, _ = self.lines.line(place)
        return TextLine(number, offset, text, self.members[place])

    def wholes(self) -> dict[int, Whole]:
        """The cuts that are plain throughout, by their first line; another cut follows each."""
        lines, codes = self.lines, self.codes
        size = len(lines) - HEADS - 1
        if size < 1:
            return {}
        said = lines.words[lines.starts]
        heads = [said[n : n + size] == code for n, code in enumerate(HEAD_WORDS)]
        heads += [lines.data[lines.starts[n : n + size] + CODE_SIZE] == COMMA for n in range(HEADS)]
        first = np.flatnonzero(np.all(heads, axis=0) & (codes[HEADS:-1] == FIRST_RECORD))
        others = np.append(np.flatnonzero(codes < 0), len(lines))
        last = others[np.searchsorted(others, first + HEADS)]
        breaks = np.cumsum(np.diff(codes, prepend=-1) != 1)
        good = (breaks[last - 1] == breaks[first + HEADS]) & (last < len(lines))
        first, last = first[good], last[good]
        good = said[last] == HEAD_WORDS[0]
        first, last = first[good], last[good]
        comma = lines.commas[lines.firsts[first]]
        places = [first, last, comma + 1, lines.commas[lines.firsts[first] + 1], lines.ends[first]]
        for n in range(1, HEADS):
            places += [lines.starts[first + n], lines.ends[first + n]]
        rows = zip(*(place.tolist() for place in places), strict=True)
        return {row[0]: Whole(self, *row) for row in rows}


def _triplets(
    lines: LineArrays, rows: Ints, count: int, masks: MASKS, decimals: int
) -> tuple[Flags, Ints, Ints, Masks]:
    """Of records with so many commas: which are plain (m,), their numbers (m,), counts and masks
    (m, n)."""
    data = lines.data
    starts, ends = lines.cells(rows, count + 1)
    numbers, fine = digits_read(lines.words, ends[:, 0], ends[:, 0] - starts[:, 0])
    fine &= ends[:, 0] - starts[:, 0] == CODE_SIZE
    fine &= (starts[:, 3::3] == ends[:, 3::3]).all(axis=1)
    length = ends[:, 2::3] - starts[:, 2::3]
    letters = data[starts[:, 2::3]].astype(np.intp)
    letters[length != 1] = 256
    kinds = masks[letters]
    fine &= ((length <= 1) & (kinds != ODD)).all(axis=1)
    low, high = starts[:, 1::3].ravel(), ends[:, 1::3].ravel()
    counts, plain = numbers_read(data, lines.words, low, high).counts_of(decimals)
    counts, plain = counts.reshape(kinds.shape), plain.reshape(kinds.shape)
    if not plain.all() or (kinds == GONE).any():
        empty = (low == high).reshape(kinds.shape)
        gone = np.where(empty, (kinds == GONE) | (length == 0), (kinds == GONE) & (counts == 0))
        plain = np.where(gone, empty | plain, plain & (kinds != GONE))
        counts[gone], kinds[gone] = 0, MISSING
    fine &= plain.all(axis=1)
    return fine, numbers, counts, kinds.astype(np.uint16)
