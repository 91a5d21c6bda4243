"""Instants as the store writes them, by the thousand: which of a clock's cells each of them is."""

from __future__ import annotations

import re
from datetime import datetime

import numpy as np

from devices.readings import Ints
from exports.formats.eights import (
    ZEROS,
    Bytes,
    Flags,
    Words,
    all_digits,
    digits_number,
    word,
    words_at,
)
from exports.formats.linecells import Cells
from exports.formats.stamps import KEPT, Clock, texts_column

SHORT, STAMP = len("2025-12-14T05:45:00Z"), len("2025-12-14T05:45:00-06:00")
SPAN = 1 << 20  # minutes of a table, about two years
_STORED = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)")
_TAIL = word(b":00Z")


class StoredStamps(dict[bytes, int]):
    """Instants as the store has them, each with its place in the columns of a clock's cells; -1
    for a text that is not written as the store writes one.

    Whole minutes in UTC are looked up in a table from `first` on, the others one by one.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self._forget()

    @classmethod
    def of(cls, clock: Clock) -> StoredStamps:
        """Those of a clock, kept with it."""
        if clock.stored is None:
            clock.stored = cls(clock)
        return clock.stored  # type: ignore[no-any-return]

    def _forget(self) -> None:
        self.clear()
        self.rows: list[tuple[str, ...]] = []
        self.columns: list[Cells] = []
        self.first = 0
        self.table = np.zeros(0, np.int32)

    def __missing__(self, text: bytes) -> int:
        if not _STORED.fullmatch(text):
            return -1
        try:
            instant = datetime.fromisoformat(text.decode())
        except ValueError:
            return -1  # not in the calendar
        cells = self.clock[instant]
        place = self[text] = len(self.rows)
        self.rows.append(cells)
        return place

    def places(self, texts: Bytes) -> Ints:
        """The places of some texts, filled up with NUL, (…, 25) as (…). FormatError."""
        if len(self.rows) > KEPT:
            self._forget()
        rows = np.ascontiguousarray(texts).reshape(-1, STAMP)
        minutes, plain = _minutes(rows)
        plain &= self._reach(minutes[plain])
        at = np.where(plain, minutes - self.first, 0)
        found = np.where(plain, self.table[at], -1) if len(self.table) else np.full(len(at), -1)
        if len(left := np.flatnonzero(found < 0)):
            every = rows[left].view(f"S{STAMP}").ravel().tolist()
            found[left] = list(map(self.__getitem__, every))
            left = left[plain[left]]
            self.table[at[left]] = found[left]
        return found.reshape(texts.shape[:-1]).astype(np.int64)

    def _reach(self, minutes: Ints) -> bool:
        """Whether the table can be made to hold these."""
        if not len(minutes):
            return False
        low, high = int(minutes.min()), int(minutes.max()) + 1
        if len(self.table):
            low, high = min(low, self.first), max(high, self.first + len(self.table))
        if high - low > SPAN:
            return False
        if high - low > len(self.table):
            table = np.full(high - low, -1, np.int32)
            table[self.first - low :][: len(self.table)] = self.table
            self.first, self.table = low, table
        return True

    def tables(self) -> list[Cells]:
        """The cells of a clock at these places, a column each."""
        if not self.columns or len(self.columns[0].rows) < len(self.rows):
            columns = zip(*self.rows, strict=True)
            self.columns = [Cells.filled(texts_column(column)) for column in columns]
        return self.columns


def _minutes(rows: Bytes) -> tuple[Ints, Flags]:
    """A number for each minute, rising, and which of the texts are `2025-12-14T05:45:00Z`; days
    are of no calendar."""
    data, at = rows.ravel(), np.arange(len(rows)) * STAMP
    month, plain = _apart(words_at(data, at), b"0000-00-")
    minute, fine = _apart(words_at(data, at + 8), b"00T00:00")
    plain &= fine & (words_at(data, at + 12) >> np.uint64(32) == _TAIL) & (rows[:, SHORT] == 0)
    years, months = month // 10_000, month // 10 % 1000
    days, hours, minutes = minute // 10**6, minute // 1000 % 1000, minute % 1000
    plain &= (months >= 1) & (months <= 12) & (days <= 31) & (hours < 24) & (minutes < 60)
    return ((years * 12 + months) * 32 + days) * 1440 + hours * 60 + minutes, plain


def _apart(words: Words, form: bytes) -> tuple[Ints, Flags]:
    """The number of each word's digits, what is between them a zero; which have this form."""
    between = word(bytes(0 if byte == ord("0") else 0xFF for byte in form))
    digits = (words & ~between) | (ZEROS & between)
    return digits_number(digits), (words & between == word(form) & between) & all_digits(digits)
