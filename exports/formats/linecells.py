"""Cells of lines on arrays, of one width or of several, and lines made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from devices.readings import Ints
from exports.formats.eights import Bytes, rows_at, rows_put

NUL = b"\0"


class Cells(NamedTuple):
    """A cell a row, (n, w), or one for all, (1, w); `sizes` (n,): of how many bytes, w where there
    are none. What stands behind them is of no meaning."""

    rows: Bytes
    sizes: Ints | None = None

    @classmethod
    def fixed(cls, text: bytes) -> Cells:
        """One text for all."""
        return cls(np.frombuffer(text, np.uint8)[None, :])

    @classmethod
    def filled(cls, rows: Bytes) -> Cells:
        """Texts that are filled up with NUL, wherever it stands."""
        sizes = np.count_nonzero(rows, axis=1)
        width = rows.shape[1]
        if sizes.size and int(sizes.min()) == width:
            return cls(rows)
        kept = np.frombuffer(rows.tobytes().translate(None, NUL) + bytes(width), np.uint8)
        ends = np.cumsum(sizes)
        rows = rows_at(kept, ends - sizes, width)
        if len(rows) == 1:
            return cls(rows[:, : int(sizes[0])])
        return cls(rows, sizes)

    def take(self, places: Ints) -> Cells:
        """Those of some rows."""
        return Cells(self.rows[places], None if self.sizes is None else self.sizes[places])

    @property
    def least(self) -> int:
        """The smallest size."""
        if self.sizes is None:
            return int(self.rows.shape[1])
        return int(self.sizes.min(initial=self.rows.shape[1]))


class Lines:
    """So many lines, or groups of lines, each of these cells one after the other."""

    def __init__(self, cells: Iterable[Cells], count: int) -> None:
        self.cells = _merged(cells)
        wide = sum(cell.rows.shape[1] for cell in self.cells if cell.sizes is None)
        self.sizes = np.full(count, wide, np.int64)
        for cell in self.cells:
            if cell.sizes is not None:
                self.sizes += cell.sizes

    def put(self, data: Bytes, at: Ints) -> None:
        """Put the lines to these places of a text."""
        at, left = at.copy(), sum(cell.least for cell in self.cells)
        for cell in self.cells:
            left -= cell.least
            if cell.sizes is None:
                rows_put(data, at, cell.rows)
                at += cell.rows.shape[1]
                continue
            if cell.rows.shape[1] - cell.least <= left:
                rows_put(data, at, cell.rows)  # what stands behind a cell is written over
            else:
                _put_exactly(data, at, cell)
            at += cell.sizes


def _put_exactly(data: Bytes, at: Ints, cell: Cells) -> None:
    """Nothing but the cells themselves, by their sizes."""
    sizes: Ints = cell.sizes  # type: ignore[assignment]
    for size in np.unique(sizes).tolist():
        mine = np.flatnonzero(sizes == size)
        rows_put(data, at[mine], cell.rows[mine if len(cell.rows) > 1 else [0]][:, :size])


def _merged(cells: Iterable[Cells]) -> Sequence[Cells]:
    """The same with neighbours that are one for all put together."""
    found: list[Cells] = []
    for cell in cells:
        if not cell.rows.shape[1]:
            continue
        one = len(cell.rows) == 1 and cell.sizes is None
        if one and found and len(found[-1].rows) == 1 and found[-1].sizes is None:
            found[-1] = Cells(np.concatenate([found[-1].rows, cell.rows], axis=1))
        else:
            found.append(cell)
    return found
