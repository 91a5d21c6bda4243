"""Plain decimal numbers by the thousand: texts to integers and back, on arrays.

A number is a count of ten-thousandths (int64), as register formats round to. Only what is plain is
taken: digits, at most one point, at most 11 of them before it and 4 behind; else `None`, and the
caller goes the slower way.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
DECIMALS = 4
UNIT = 10**DECIMALS
WHOLE = 11  # digits before the point
NEWLINE, POINT, ZERO = 10, 46, 48


def counts_of(texts: Iterable[str]) -> Ints | None:
    """The numbers of some texts, (n,); None unless all are plain."""
    return counts_joined("\n".join(texts).encode())


def counts_joined(raw: bytes) -> Ints | None:
    """The same of texts that stand on a line each."""
    data = np.frombuffer(raw + b"\n", np.uint8)
    ends = np.flatnonzero(data == NEWLINE)
    points = np.flatnonzero(data == POINT)
    if np.count_nonzero(data - np.uint8(ZERO) < 10) + len(ends) + len(points) != len(data):
        return None
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    if len(points) == len(ends):  # the usual case: as many decimals in all of them
        behind = ends - points
        places = int(behind[0])
        if (points > starts).all() and 2 <= places <= DECIMALS + 1 and (behind == places).all():
            if int((points - starts).max()) > WHOLE:
                return None
            digits = np.fromstring(raw.replace(b".", b""), np.int64, sep="\n")
            return digits * 10 ** (DECIMALS + 1 - places)  # type: ignore[no-any-return]
    return _any_counts(data, starts, ends, points)


def _any_counts(data: Bytes, starts: Ints, ends: Ints, points: Ints) -> Ints | None:
    """The same of numbers with different decimals, or none."""
    middle = middles(starts, ends, points)
    if middle is None or (len(ends) and int((middle - starts).max()) > WHOLE):
        return None
    found, fine = spans_read(data, starts, middle, ends, DECIMALS)
    return found if fine.all() else None


def middles(starts: Ints, ends: Ints, points: Ints) -> Ints | None:
    """Where the point of each span stands, its end where it has none; None if one has two.

    `points`: all points of the text, rising.
    """
    if not len(points):
        return ends
    first = np.searchsorted(points, starts)
    padded = np.append(points, [points[-1] + len(starts) + (1 << 40)] * 2)
    middle, second = padded[first], padded[first + 1]
    return None if (second < ends).any() else np.minimum(middle, ends)


def spans_read(
    data: Bytes, starts: Ints, middles: Ints, ends: Ints, decimals: int
) -> tuple[Ints, Flags]:
    """Numbers that stand at [start, end) of a text, their points at `middles`, as counts of the
    last decimal; and which of them are plain: digits before the point, and as many as `decimals`
    behind it at most, none there only if there is no point. At most 18 digits are asked for."""
    whole, part = middles - starts, ends - middles - 1
    fine = (whole >= 1) & (part != 0) & (part <= decimals) & (whole + decimals <= 18)
    found = np.zeros(len(ends), np.int64)
    top = len(data) - 1
    for place in range(int(whole[fine].max(initial=0))):
        at = middles - 1 - place
        inside = at >= starts
        digit = data[np.maximum(at, 0)] - np.uint8(ZERO)
        fine &= (digit < 10) | ~inside
        found += np.where(inside, digit, 0) * np.int64(10 ** (decimals + place))
    for place in range(int(part[fine].max(initial=0))):
        at = middles + 1 + place
        inside = at < ends
        digit = data[np.minimum(at, top)] - np.uint8(ZERO)
        fine &= (digit < 10) | ~inside
        found += np.where(inside, digit, 0) * np.int64(10 ** (decimals - 1 - place))
    return found, fine


# Cells of numbers: groups of four digits, a point, four digits.
_PLAIN = np.dtype([("high", "<u4"), ("middle", "<u4"), ("low", "<u4"), ("point", "u1"),
                   ("part", "<u4")])  # fmt: skip
_Four = npt.NDArray[np.uint32]


@lru_cache(maxsize=1)
def _tables() -> tuple[_Four, _Four, _Four]:
    """Of 0 to 9999: four digits; without zeros in front, none for 0; without zeros at the end,
    none for 0. Filled up with NUL."""
    every = [f"{n:04}" for n in range(UNIT)]
    front, back = [text.lstrip("0") for text in every], [text.rstrip("0") for text in every]
    four, leading, trailing = (np.array(texts, "S4").view("<u4") for texts in (every, front, back))
    return four, leading, trailing


def plain_cells(counts: Ints) -> Bytes:
    """Numbers as written, without zeros at their ends: counts (k, n) as (k, n, 17), filled up with
    NUL wherever it comes."""
    four, leading, trailing = _tables()
    whole, rest = np.divmod(counts, UNIT)
    upper, low = np.divmod(whole, UNIT)
    high, middle = np.divmod(upper, UNIT)
    cells = np.empty(counts.shape, _PLAIN)
    cells["high"] = leading[high]
    cells["middle"] = np.where(high > 0, four[middle], leading[middle])
    cells["low"] = np.where(upper > 0, four[low], np.where(low > 0, leading[low], ZERO))
    cells["point"] = np.where(rest > 0, POINT, 0)
    cells["part"] = trailing[rest]
    return cells.view(np.uint8).reshape(*counts.shape, _PLAIN.itemsize)
