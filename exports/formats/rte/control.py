"""What a T line is held against: the rows since the H before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.formats.context import SUMS

KINDS = (b"I", b"R")


@dataclass(slots=True)
class Section:
    """Rows counted and added up, by record type and decimals, since H (or the last T)."""

    header: Sequence[bytes] | None = None
    rows: dict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[tuple[bytes, int], int] = field(default_factory=lambda: defaultdict(int))
    first: int | None = None
    last: int | None = None
    first_line: int = 0
    last_line: int = 0

    def add(self, line: int, kind: bytes, seq: int | None, count: int, decimals: int) -> None:
        """One row, refused or not, of a line."""
        self.rows[kind] += 1
        self.sums[kind, decimals] += count
        self._seq(line, seq)

    def _seq(self, line: int, seq: int | None) -> None:
        """Seq of a line is the first, or the last so far; lines come in any order."""
        if seq is not None and (self.first is None or line < self.first_line):
            self.first, self.first_line = seq, line
        if line > self.last_line:
            self.last, self.last_line = seq, line

    def add_many(
        self, lines: Ints, kinds: npt.NDArray[np.uint8], seqs: Ints, counts: Ints, decimals: Ints
    ) -> None:
        """Some rows at once, of lines that rise; `kinds` are letters."""
        for letter in np.flatnonzero(np.bincount(kinds)).tolist():
            kind, mine = b"%c" % letter, kinds == letter
            self.rows[kind] += int(np.count_nonzero(mine))
            for places in np.flatnonzero(np.bincount(decimals[mine])).tolist():
                self.sums[kind, places] += int(counts[mine & (decimals == places)].sum())
        self._seq(int(lines[0]), int(seqs[0]))
        self._seq(int(lines[-1]), int(seqs[-1]))

    def total(self, kind: bytes) -> Decimal:
        """The exact sum of the values of a record type."""
        total = Decimal(0)
        for (one, decimals), count in self.sums.items():
            if one == kind:
                total = SUMS.add(total, Decimal(count).scaleb(-decimals, context=SUMS))
        return total

    def wrong(self, trailer: Sequence[bytes]) -> Iterator[str]:
        """In which ways a T line disagrees with the rows."""
        _, batch, *counts, last, interval_total, register_total = trailer
        if self.header is not None and batch != self.header[2]:
            yield f"T is of batch {_text(batch)}, H of {_text(self.header[2])}"
        for kind, said in zip(KINDS, counts, strict=True):
            if said != b"%d" % self.rows[kind]:
                yield f"T says {_text(said)} {kind.decode()} rows, there are {self.rows[kind]}"
        yield from self._numbers_wrong(last)
        for kind, said in zip(KINDS, (interval_total, register_total), strict=True):
            total = self.total(kind)
            if _number(said) != total:
                yield f"T says a sum of {_text(said)} of {kind.decode()} rows, it is {total:f}"

    def _numbers_wrong(self, last: bytes) -> Iterator[str]:
        there = self.last
        if self.header is not None and self.header[5].isdigit() and len(self.header[5]) <= 18:
            first = int(self.header[5])
            if self.first is not None and self.first != first:
                yield f"H says that Seq begins at {first}, it begins at {self.first}"
            there = first - 1 if self.first is None else there
        if there is not None and last != b"%d" % there:
            yield f"T says that Seq ends at {_text(last)}, it ends at {there}"


def _text(cell: bytes) -> str:
    return cell[:40].decode("latin-1")


def _number(cell: bytes) -> Decimal | None:
    try:
        return Decimal(cell.decode("ascii")) if cell else None
    except (ValueError, ArithmeticError):
        return None
