"""Lines of text as arrays: where they and the commas in them stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from devices.readings import Ints
from exports.formats.eights import Bytes, Words, words_of
from exports.formats.issues import ReadReport
from exports.formats.text import TextLine, text_pieces
from exports.formats.words import FIRST, ROOM

COMMA, NEWLINE, RETURN = 44, 10, 13


@dataclass(frozen=True, slots=True)
class LineArrays:
    """Lines of a file, the first of which has `number` and `offset`. Shapes: `starts`, `ends` (n,)
    without the line's end; `commas` those of all lines and their ends, line k's from `firsts[k]`
    on, `counts[k]` commas. Places are those of `text`, which has room on either side."""

    number: int
    offset: int
    text: bytes
    data: Bytes
    words: Words
    starts: Ints
    ends: Ints
    commas: Ints
    firsts: Ints
    counts: Ints

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def of(cls, block: bytes, number: int = 1, offset: int = 0) -> LineArrays:
        """`block`: lines, each with its end (CR LF, LF or CR, the last one's if any)."""
        open_end = not block.endswith((b"\n", b"\r"))
        text = ROOM + block + (b"\n" if open_end else b"") + ROOM
        data = marks = np.frombuffer(text, np.uint8)
        is_stop = data == NEWLINE
        stops = np.flatnonzero(is_stop)
        returns = data[stops - 1] == RETURN
        if block.count(b"\r") != np.count_nonzero(returns):  # some lines end with it alone
            sizes = [len(line) for line in block.splitlines(keepends=True)]
            stops = FIRST - 1 + np.cumsum(sizes)
            stops[-1] += open_end
            marks = data.copy()
            marks[stops] = NEWLINE
            is_stop = marks == NEWLINE
            returns = data[stops - 1] == RETURN
        commas = np.flatnonzero((data == COMMA) | is_stop)
        last = _lasts(marks, commas, len(stops))
        firsts, starts = np.empty_like(last), np.empty_like(stops)
        firsts[:1], firsts[1:] = 0, last[:-1] + 1
        starts[:1], starts[1:] = FIRST, stops[:-1] + 1
        ends = np.maximum(stops - returns, starts)
        words = words_of(data)
        return cls(
            *(number, offset, text, data, words, starts, ends, commas, firsts, last - firsts)
        )

    def cells(self, rows: Ints, cells: int) -> tuple[Ints, Ints]:
        """Where the cells of these lines start and end, which have so many, (m, cells)."""
        at = self.commas[self.firsts[rows, None] + np.arange(cells)]
        starts = np.empty_like(at)
        starts[:, 0], starts[:, 1:] = self.starts[rows], at[:, :-1] + 1
        at[:, -1] = self.ends[rows]
        return starts, at

    @property
    def offsets(self) -> Ints:
        """Where the lines begin in the file, (n,)."""
        return self.starts + (self.offset - FIRST)

    def line(self, place: int) -> TextLine:
        """A line without its end."""
        start = self.starts.item(place)
        text = self.text[start : self.ends.item(place)]
        return TextLine(self.number + place, self.offset + start - FIRST, text)


def _lasts(marks: Bytes, commas: Ints, lines: int) -> Ints:
    """Which of the marks end a line."""
    if lines and not len(commas) % lines:  # most tables have as many cells in each
        width = len(commas) // lines
        found = np.arange(width - 1, len(commas), width)
        if (marks[commas[found]] == NEWLINE).all():
            return found
    return np.flatnonzero(marks[commas] == NEWLINE)


def line_arrays(stream: BinaryIO, report: ReadReport) -> Iterator[LineArrays]:
    """The lines of a text file, see `text_blocks`."""
    number = 1
    for offset, data, fault in text_pieces(stream, report):
        if fault:
            report.error("RD02", fault, record=number, offset=offset)
            return
        found = LineArrays.of(data, number, offset)
        yield found
        number += len(found)
