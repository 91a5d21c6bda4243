"""What the rows of a finished RDE file of profile long add up to, by a second look at its bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal

import numpy as np

from devices.readings import Ints
from exports.formats.decimals import DECIMALS, spans_read
from exports.formats.eights import Bytes, Flags, byte_first, word, words_at
from exports.formats.rde.tables import NAMES
from exports.formats.registers import VALUE_WIDTH
from exports.formats.secondlook import Cells, cells_found, rows_of

CLASS, VALUE, QUALITY = map(NAMES.index, ("RegisterClass", "Value", "Quality"))
MASKS = np.array([word(b"\xff" * size) for size in range(9)])
POINT = ord(".")
OF_READ = slice(1, 9)  # DeviceID to ReadTime


class Seen:
    """Counts, totals and hash of the lines so far."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.totals = {"SUM": Decimal(0), "MAX": Decimal(0)}
        self.sha256 = hashlib.sha256()
        self.read = b""

    def block(self, block: bytes) -> None:
        """Lines but the trailer."""
        self.sha256.update(block)
        first = block.find(b"RDED,")
        if first > 0:  # the header, and the line of names, stand before the first row
            self._lines(block[:first])
            block = block[first:]
        found = cells_found(block, len(NAMES)) if block.startswith(b"RDED,") else None
        if found is None or not self._rows(block, found):
            self._lines(block)

    def _rows(self, block: bytes, found: Cells) -> bool:
        """Rows by their columns; False, and nothing counted, if one is not plain."""
        data, letters = found.data, found.data[found.starts_of(QUALITY)]
        whole = found.ends_of(QUALITY) - found.starts_of(QUALITY) == 1
        if (words_at(data, found.firsts) & MASKS[5] != word(b"RDED,")).any() or not whole.all():
            return False
        classes = words_at(data, found.starts_of(CLASS)) & MASKS[4]
        starts, sizes = found.starts_of(VALUE), found.ends_of(VALUE) - found.starts_of(VALUE)
        sums = {}
        for name in self.totals:
            mine = np.flatnonzero((classes == word(f"{name},".encode())) & (sizes > 0))
            total = _total(data, starts[mine], sizes[mine])
            if total is None:
                return False
            sums[name] = total
        for name, total in sums.items():
            self.totals[name] += Decimal(total).scaleb(-DECIMALS)
        self.counts["rows"] += len(letters)
        self.counts["estimated"] += int(((letters == ord("E")) | (letters == ord("V"))).sum())
        self.counts["missing"] += int((letters == ord("M")).sum())
        first, last = found.starts_of(OF_READ.start), found.ends_of(OF_READ.stop - 1)
        self.counts["reads"] += block[first[0] : last[0]] != self.read
        self.counts["reads"] += int(np.count_nonzero(_others(data, first, last - first)))
        self.read = block[first[-1] : last[-1]]
        return True

    def _lines(self, block: bytes) -> None:
        """The same of any lines, one by one."""
        for row in rows_of(block):
            if row[0] != "RDED":
                continue
            self.counts["rows"] += 1
            read = ",".join(row[OF_READ]).encode()
            self.counts["reads"] += read != self.read
            self.read = read
            self.counts["estimated"] += row[QUALITY] in ("E", "V")
            self.counts["missing"] += row[QUALITY] == "M"
            if row[VALUE] and row[CLASS] in self.totals:
                self.totals[row[CLASS]] += Decimal(row[VALUE])


def _total(data: Bytes, starts: Ints, sizes: Ints) -> int | None:
    """The sum of numbers in units of the last decimal; None if one is not plain."""
    if sizes.max(initial=0) > VALUE_WIDTH:
        return None
    place = byte_first(words_at(data, starts), POINT)
    more = byte_first(words_at(data, starts + 8), POINT)
    place = np.minimum(place + np.where(place == 8, more, 0), sizes)
    counts, plain = spans_read(data, starts, starts + place, starts + sizes, DECIMALS)
    return int(counts.sum()) if plain.all() else None


def _others(data: Bytes, starts: Ints, sizes: Ints) -> Flags:
    """Which texts, but for the first, are not the one before them."""
    found = sizes[1:] != sizes[:-1]
    least, most = int(sizes.min()), int(sizes.max())
    for at in range(0, most, 8):
        words = words_at(data, np.minimum(starts + at, len(data) - 8))
        other = words[1:] ^ words[:-1]
        if at + 8 > least:
            other &= MASKS[np.clip(sizes[1:] - at, 0, 8)]
        found |= other != 0
    return found  # type: ignore[no-any-return]
