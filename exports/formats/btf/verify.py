"""What the records of a finished BTF file add up to, by a second look at its bytes."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from exports.formats.btf.tables import BTFR, EXPLICIT, LENGTH, SEQUENCE
from exports.formats.decimals import DECIMALS
from exports.formats.eights import all_digits, digits_number, rows_at, word, words_at

POINT, ZERO = 46, 48
BLANKS = word(b" " * 8)
FOUR = word(b"\xff" * 4)  # of the first bytes of a word


def _place(name: str) -> slice:
    field = BTFR[EXPLICIT].field(name)
    start = field.start - BTFR[EXPLICIT].first
    return slice(start, start + field.size)


CLASS, VALUE, QUALITY = map(_place, ("register_class", "value", "quality"))
Rows = npt.NDArray[np.uint8]


def four(text: str) -> Decimal:
    """A number of four decimals, with or without its point."""
    return Decimal(text) if "." in text else Decimal(text) / 10000


class Seen:
    """Counts, totals and CRC-32 of the records so far. The CRC is that of whole blocks alone."""

    def __init__(self, line_end: bytes) -> None:
        self.line_end = line_end
        self.counts: Counter[str] = Counter()
        self.totals = {"SUM": Decimal(0), "MAX": Decimal(0)}
        self.crc = 0
        self.wrong: list[str] = []

    def block(self, block: bytes) -> None:
        """Records but the trailer."""
        self.crc = zlib.crc32(block, self.crc)
        size = LENGTH + len(self.line_end)
        if len(block) % size == 0:
            rows = np.frombuffer(block, np.uint8).reshape(-1, size)
            ends = np.frombuffer(self.line_end, np.uint8)
            if (rows[:, LENGTH:] == ends).all() and self._rows(rows):
                return
        self.lines(block.splitlines(keepends=True))

    def _rows(self, rows: Rows) -> bool:
        """Records of the right length; False, and nothing counted, if one is not plain."""
        data, at = rows.ravel(), np.arange(len(rows)) * rows.shape[1]
        first = self.counts["lines"] + 1
        digits = words_at(data, at + SEQUENCE.start)
        last = rows[:, SEQUENCE.stop - 1].astype(np.int64) - ZERO
        if not (all_digits(digits) & (last >= 0) & (last <= 9)).all():
            return False
        if (digits_number(digits) * 10 + last != np.arange(first, first + len(rows))).any():
            return False
        words = words_at(data, at) & FOUR
        registers = words == word(b"BTFR")
        of_registers = at[registers]
        classes = words_at(data, of_registers + CLASS.start) & FOUR
        sums = {}
        for name in self.totals:
            mine = of_registers[classes == word(name.ljust(4).encode())]
            total = _total(rows_at(data, mine + VALUE.start, VALUE.stop - VALUE.start))
            if total is None:
                return False
            sums[name] = total
        for name, total in sums.items():
            self.totals[name] += Decimal(total).scaleb(-DECIMALS)
        letters = data[of_registers + QUALITY.start]
        self.counts["lines"] += len(rows)
        self.counts["BTFR"] += len(of_registers)
        self.counts["estimated"] += int(((letters == ord("E")) | (letters == ord("V"))).sum())
        self.counts["missing"] += int((letters == ord("M")).sum())
        kinds = words[~registers].astype("<u4").view("S4")
        for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
            self.counts[kind.decode("latin-1")] += int(count)
        return True

    def lines(self, lines: Iterable[bytes]) -> None:
        """The same of any records, one by one, but for the CRC."""
        for line in lines:
            text = line.decode("ascii")
            self.counts["lines"] += 1
            size = LENGTH + len(self.line_end)
            if len(line) != size or text[SEQUENCE] != f"{self.counts['lines']:09}":
                self.wrong.append(f"line {self.counts['lines']}: wrong length or number")
            self.counts[text[:4]] += 1
            if text[:4] == "BTFR":
                self.counts["estimated"] += text[QUALITY] in ("E", "V")
                self.counts["missing"] += text[QUALITY] == "M"
                name = text[CLASS].strip()
                if text[VALUE].strip() and name in self.totals:
                    self.totals[name] += four(text[VALUE])


def _total(values: Rows) -> int | None:
    """The sum of plain values in units of the last decimal, blank ones aside; None if one is not
    plain."""
    values = values[(values.view("<u8") != BLANKS).any(axis=1)]
    if not len(values):
        return 0
    at = values.shape[1] - DECIMALS - 1
    if (values[:, at] == POINT).all():
        values = np.delete(values, at, axis=1)
    digits = values - np.uint8(ZERO)
    if digits.max() > 9:
        return None
    powers = 10 ** np.arange(digits.shape[1] - 1, -1, -1)
    return int(digits.sum(axis=0, dtype=np.int64) @ powers)
