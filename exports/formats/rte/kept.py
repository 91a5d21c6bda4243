"""The rows of a file that were taken, as columns: held until its end, in the order of its lines."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.formats.rte.parse import Parsed
from exports.formats.rte.plain import SHARED

Column = npt.NDArray[np.signedinteger]
KINDS = (np.int64, np.int32, np.int32, np.int64, np.int64, np.int8, np.int32, np.int64)


class Columns(NamedTuple):
    """Rows, (n,) each. `kind`: place of what a row shares with others; `record` and `offset`: of
    its line."""

    seq: Column
    device: Column
    kind: Column
    end: Column
    units: Column
    decimals: Column
    record: Column
    offset: Column

    def pick(self, which: npt.NDArray[np.generic]) -> Columns:
        """Some of the rows."""
        return Columns(*(column[which] for column in self))


class Shared(NamedTuple):
    """What rows share, (k,): see Parsed."""

    channel: Ints
    mask: Ints
    revision: Ints
    source: Ints
    received: Ints

    @classmethod
    def of(cls, kinds: Sequence[int]) -> Shared:
        """`kinds` one after the other."""
        return cls(*np.array(kinds, np.int64).reshape(-1, len(SHARED)).T)


@dataclass(slots=True)
class Kept:
    """The rows so far: many at a time, or one."""

    lots: list[Columns] = field(default_factory=list)
    single: array[int] = field(default_factory=partial(array, "q"))

    def add(self, *columns: Column) -> None:
        """Some rows, in the order of `Columns`."""
        pairs = zip(columns, KINDS, strict=True)
        self.lots.append(Columns(*(column.astype(kind) for column, kind in pairs)))

    def add_one(self, parsed: Parsed, kind: int, record: int, offset: int) -> None:
        """A row that the parser took."""
        one = (parsed.seq, parsed.device, kind, parsed.end, parsed.units, parsed.decimals)
        self.single.extend((*one, record, offset))

    def columns(self) -> Columns:
        """All rows; they are held here no longer."""
        if len(self.single):
            self.add(*np.array(self.single, np.int64).reshape(-1, len(KINDS)).T)
        if not self.lots:
            self.add(*np.zeros((len(KINDS), 0), np.int64))
        columns = Columns(*map(np.concatenate, zip(*self.lots, strict=True)))
        self.lots, self.single = [], array("q")
        if (columns.record[1:] < columns.record[:-1]).any():
            columns = columns.pick(np.argsort(columns.record, kind="stable"))
        return columns
