"""Lines of text as arrays: where they and the commas in them stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

COMMA, NEWLINE, RETURN = 44, 10, 13


class LineArrays(NamedTuple):
    """Some lines. Shapes: `starts`, `ends` (n,) without the line's end; `commas` all of them, of
    line k `counts[k]` from `firsts[k]` on."""

    data: npt.NDArray[np.uint8]
    starts: Ints
    ends: Ints
    commas: Ints
    firsts: Ints
    counts: Ints

    @classmethod
    def of(cls, block: bytes, lines: Sequence[bytes]) -> LineArrays:
        """`block`: the lines joined, each with its end (CR LF, LF or CR, the last one's if any)."""
        data = np.frombuffer(block, np.uint8)
        sizes = np.fromiter(map(len, lines), np.int64, len(lines))
        stops = np.cumsum(sizes)
        ends = stops - (data[stops - 1] == NEWLINE)
        ends -= data[np.maximum(ends - 1, 0)] == RETURN
        commas = np.flatnonzero(data == COMMA)
        counts = np.diff(np.searchsorted(commas, stops), prepend=0)
        return cls(data, stops - sizes, ends, commas, np.cumsum(counts) - counts, counts)

    def cells(self, rows: Ints, cells: int) -> tuple[Ints, Ints]:
        """Where the cells of these lines start and end, which have so many, (m, cells)."""
        at = self.commas[self.firsts[rows, None] + np.arange(cells - 1)]
        starts = np.concatenate([self.starts[rows, None], at + 1], axis=1)
        return starts, np.concatenate([at, self.ends[rows, None]], axis=1)
