"""Plain decimal numbers out of texts, by the thousand: how they are written, what they count.

Only what is plain is taken: digits, at most 11 of them before the point and 4 behind it, none
without need in front. Such a number stands in sixteen characters, `00000047318.8690`, which are
held as two words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from devices.readings import Ints
from exports.formats.decimals import DECIMALS, WHOLE
from exports.formats.eights import (
    WORD,
    ZEROS,
    Bytes,
    Flags,
    Words,
    all_digits,
    byte_first,
    digits_number,
    rows_at,
    word,
    words_at,
)
from exports.formats.linecells import Cells

POINT, ZERO = 46, 48
WIDTH = WHOLE + 1 + DECIMALS
_FIRST = WHOLE - 8  # of the second word, where the point stands
_SIZES = range(WIDTH + 1)
# By a text's size: which bytes of the words before its end are its own, and zeros for the others.
_KEPT = [np.array([word(b"\0" * (8 - min(8, max(0, size - skip))) +
                        b"\xff" * min(8, max(0, size - skip))) for size in _SIZES])
         for skip in (0, 8)]  # fmt: skip
_FILLED = [ZEROS & ~kept for kept in _KEPT]
# By the byte that holds the point, 8 where there is none: bits to move by so that it gets to its
# place, what comes in then behind.
_PLACES = range(9)
_FITS = np.array([place in (*range(_FIRST, _FIRST + DECIMALS), 8) for place in _PLACES])
_MOVE = np.array([8 * (place - _FIRST) if fits else 0 for place, fits in enumerate(_FITS)], WORD)
_BEHIND = np.array([word(b"\0" * (8 - move // 8) + (b".0000" if place == 8 else b"0" * (move // 8)))
                    for place, move in enumerate(_MOVE.tolist())])  # fmt: skip
_ROUND = word(b"\0\0\0" + bytes([POINT ^ ZERO]) + b"\0" * 4)  # makes the point a zero, and back
_BEFORE = word(b"\xff" * _FIRST + b"\0" * (8 - _FIRST))
_AFTER = word(b"\0" * (_FIRST + 1) + b"\xff" * DECIMALS)
_BYTE, _ALL = np.uint64(8), np.uint64(56)
# By how many of the last four bytes are zeros: characters of point and decimals that are written.
_TAIL = np.array([5, 4, 3, 2, 0])


class Amounts(NamedTuple):
    """Numbers that stand in a text from `starts` on: the words of each, digits before its point,
    which of them are plain. All (k, n)."""

    data: Bytes
    starts: Ints
    high: Words
    low: Words
    whole: Ints
    fine: Flags

    @classmethod
    def read(cls, data: Bytes, starts: Ints, sizes: Ints) -> Amounts:
        """Those of `sizes` bytes. Sixteen bytes at least stand before each, and behind."""
        ends, sizes = starts + sizes, np.minimum(sizes, WIDTH)
        low = (words_at(data, ends - 8) & _KEPT[0][sizes]) | _FILLED[0][sizes]
        high = (words_at(data, ends - 16) & _KEPT[1][sizes]) | _FILLED[1][sizes]
        place = byte_first(low, POINT)
        whole = sizes - 8 + place
        move = _MOVE[place]
        high = (high >> move) | ((low << (_ALL - move)) << _BYTE)
        low = (low >> move) | _BEHIND[place]
        fine = _FITS[place] & (whole >= 1) & (whole <= WHOLE)
        fine &= (whole == 1) | (data[starts] != ZERO)
        fine &= all_digits(high) & all_digits(low ^ _ROUND)
        return cls(data, starts, high, low, whole, fine)

    def take(self, kept: Flags) -> Amounts:
        """Those of some columns."""
        data, *columns = self
        return Amounts(data, *(column[:, kept] for column in columns))  # type: ignore[arg-type]

    def counts(self) -> Ints:
        """The numbers in units of the last of four decimals."""
        rest = ((self.low & _BEFORE) << _BYTE) | np.uint64(ZERO) | (self.low & _AFTER)
        return digits_number(self.high) * 10**7 + digits_number(rest)

    def plain(self) -> list[Cells]:
        """As written, without zeros at their ends: a column of cells for each of k."""
        part = (self.low >> np.uint64(32)) ^ (ZEROS >> np.uint64(32))
        zeros = (part < 1 << 24).astype(np.int64)
        for bits in (16, 8, 0):
            zeros += part < 1 << bits
        sizes = self.whole + _TAIL[zeros]
        return list(map(Cells, rows_at(self.data, self.starts, WIDTH), sizes))

    def fixed(self, point: bool) -> list[Cells]:
        """With zeros in front and four decimals, sixteen characters; without a point there is a
        digit more in front."""
        words = np.empty((*self.high.shape, 2), WORD)
        words[..., 0], words[..., 1] = self.high, self.low
        if not point:
            words[..., 0] = (self.high << _BYTE) | np.uint64(ZERO)
            carried = (self.high >> _ALL) | ((self.low & _BEFORE) << _BYTE)
            words[..., 1] = carried | (self.low & _AFTER)
        return [Cells(rows) for rows in words.view(np.uint8).reshape(*self.high.shape, WIDTH)]
