"""What the rows of a finished RDE file of profile long add up to, by a second look at its bytes."""

from __future__ import annotations

import hashlib
from collections import Counter
from decimal import Decimal
from operator import ne

import numpy as np

from exports.formats.decimals import DECIMALS, middles, spans_read
from exports.formats.rde.tables import NAMES
from exports.formats.secondlook import Cells, cells_found, rows_of

CLASS, VALUE, QUALITY = map(NAMES.index, ("RegisterClass", "Value", "Quality"))
LETTERS = np.arange(3)
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
        data, starts, ends = found
        kinds = data[starts[:, 0, None] + np.arange(5)]
        length = ends - starts
        if (kinds != np.frombuffer(b"RDED,", np.uint8)).any() or (length[:, QUALITY] != 1).any():
            return False
        points = np.flatnonzero(data == ord("."))
        words = (
            np.where(length[:, CLASS] == 3, 1, 0)[:, None] * data[starts[:, CLASS, None] + LETTERS]
        )
        sums = {}
        for name in self.totals:
            mine = (words == np.frombuffer(name.encode(), np.uint8)).all(axis=1)
            mine &= length[:, VALUE] > 0
            first, last = starts[mine, VALUE], ends[mine, VALUE]
            middle = middles(first, last, points)
            if middle is None:
                return False
            counts, plain = spans_read(data, first, middle, last, DECIMALS)
            if not plain.all():
                return False
            sums[name] = int(counts.sum())
        for name, total in sums.items():
            self.totals[name] += Decimal(total).scaleb(-DECIMALS)
        letters = data[starts[:, QUALITY]]
        self.counts["rows"] += len(letters)
        self.counts["estimated"] += int(np.isin(letters, (ord("E"), ord("V"))).sum())
        self.counts["missing"] += int((letters == ord("M")).sum())
        first, last = starts[:, OF_READ.start].tolist(), ends[:, OF_READ.stop - 1].tolist()
        reads = [self.read, *map(block.__getitem__, map(slice, first, last))]
        self.counts["reads"] += sum(map(ne, reads[1:], reads))
        self.read = reads[-1]
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
