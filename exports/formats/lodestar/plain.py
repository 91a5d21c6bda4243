"""Interval records of the plainest form, read a block of lines at a time, on arrays.

Plain is a record of whole triplets without start members, of plain numbers with as many decimals as
are written at least, beside statuses that have a meaning. Every other line is the parser's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks
from exports.formats.decimals import middles, spans_read
from exports.formats.linearrays import LineArrays

CODE_SIZE = 8
FIRST = ord("1")  # of an interval record's sort code
POINT, ZERO = 46, 48
NINE = b"9"
ODD = 1 << 16  # no mask
MASKS = npt.NDArray[np.int64]


class Members(NamedTuple):
    """A record's intervals, (n,): counts of the last decimal and masks."""

    counts: Ints
    masks: Masks


def masks_of(statuses: Mapping[bytes, int]) -> MASKS:
    """Masks by a status' one character; last that of an empty one."""
    texts = [*(bytes((n,)) for n in range(256)), b""]
    return np.array([ODD if text == NINE else statuses.get(text, ODD) for text in texts], np.int64)


def members_of(lines: Sequence[bytes], masks: MASKS, decimals: int) -> list[Members | None]:
    """The plain interval records among some lines with their ends; None for the others."""
    made: list[Members | None] = [None] * len(lines)
    block = b"".join(lines)
    if b"," not in block:
        return made
    found = LineArrays.of(block, lines)
    points = np.flatnonzero(found.data == POINT)
    fine = (found.counts > 0) & (found.counts % 3 == 0) & (found.data[found.starts] == FIRST)
    for count in np.unique(found.counts[fine]).tolist():
        rows = np.flatnonzero(fine & (found.counts == count))
        plain, counts, kinds = _triplets(found, points, rows, count, masks, decimals)
        for n in np.flatnonzero(plain).tolist():
            made[int(rows[n])] = Members(counts[n], kinds[n])
    return made


def _triplets(
    found: LineArrays, points: Ints, rows: Ints, count: int, masks: MASKS, decimals: int
) -> tuple[npt.NDArray[np.bool_], Ints, Masks]:
    """Of records with so many commas: which are plain (m,), their counts and masks (m, n)."""
    data, last = found.data, len(found.data) - 1
    starts, ends = found.cells(rows, count + 1)
    code = data[np.minimum(starts[:, :1] + np.arange(CODE_SIZE), last)] - np.uint8(ZERO)
    fine = (ends[:, 0] - starts[:, 0] == CODE_SIZE) & (code < 10).all(axis=1)
    fine &= (starts[:, 3::3] == ends[:, 3::3]).all(axis=1)
    length = ends[:, 2::3] - starts[:, 2::3]
    letters = data[np.minimum(starts[:, 2::3], last)].astype(np.intp)
    letters[length != 1] = 256
    kinds = masks[letters]
    fine &= ((length <= 1) & (kinds != ODD)).all(axis=1)
    low, high = starts[:, 1::3].ravel(), ends[:, 1::3].ravel()
    middle = middles(low, high, points)
    if middle is None:
        return np.zeros(len(rows), np.bool_), kinds, kinds.astype(np.uint16)
    counts, plain = spans_read(data, low, middle, high, decimals)
    fine &= plain.reshape(kinds.shape).all(axis=1)
    return fine, counts.reshape(kinds.shape), kinds.astype(np.uint16)
