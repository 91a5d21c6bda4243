"""Values of cells: counts as IEEE singles, exactly the nearest ones, and singles as counts.

Nothing here rounds twice: a double in between is corrected where it would tip the single.
"""

from __future__ import annotations

import struct
from decimal import Decimal
from fractions import Fraction
from math import inf, nextafter

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.formats.text import product

Floats = npt.NDArray[np.float32]
Pulses = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.integer]

EXACT = 1 << 53  # whole numbers below this are doubles
SAFE = 1 << 23  # counts below this come back from a single
HALF = np.uint64(1 << 28)  # the bits of a double that lie half-way between two singles
BELOW = np.uint64((1 << 29) - 1)
SMALLEST = float(np.finfo(np.float32).tiny)
FINEST = 6  # decimals of a resolution made from a file
HEAD = 64  # cells looked at first
LARGEST = float(1 << 62)


def nearest32(value: Decimal) -> np.float32:
    """The nearest single, ties to even; infinite where the value is too large."""
    double = float(value)
    if abs(double) != inf and Decimal(double) != value and not _odd(double):
        # Rounded to odd, so that the second rounding cannot meet a false tie.
        double = nextafter(double, inf if value > Decimal(double) else -inf)
    with np.errstate(over="ignore"):
        return np.float32(double)


def _odd(double: float) -> bool:
    """The last bit of its mantissa is set."""
    return bool(struct.unpack("<Q", struct.pack("<d", double))[0] & 1)


def counts_to_cells(counts: Counts, scale: Decimal) -> Floats:
    """The nearest single of each count times `scale`, any shape; infinite where too large."""
    over, under = scale.as_integer_ratio()
    largest = max(abs(int(counts.max())), abs(int(counts.min()))) if counts.size else 0
    if largest * over >= EXACT or under >= EXACT:
        return _one_by_one(counts, scale)
    doubles = counts * float(over)
    if under != 1:
        doubles /= float(under)
    with np.errstate(over="ignore"):
        cells: Floats = doubles.astype(np.float32)
    doubtful = (doubles.view(np.uint64) & BELOW) == HALF
    doubtful |= (doubles != 0) & (np.abs(doubles) < SMALLEST)
    if doubtful.any():
        cells[doubtful] = _one_by_one(counts[doubtful], scale)
    return cells


def _one_by_one(counts: Counts, scale: Decimal) -> Floats:
    distinct, places = np.unique(counts, return_inverse=True)
    cells = [nearest32(product(Decimal(count), scale)) for count in distinct.tolist()]
    return np.array(cells, np.float32)[places].reshape(counts.shape)


def counts_to_pulses(counts: Counts, scale: Decimal, pulse: Decimal) -> tuple[Pulses, Flags]:
    """Whole pulses of each count times `scale`, and which are none: broken, or over 32 bits."""
    ratio = Fraction(scale) / Fraction(pulse)
    over, under = ratio.numerator, ratio.denominator
    most = max(abs(int(counts.max())), abs(int(counts.min()))) if counts.size else 0
    if most * over >= 1 << 62 or under >= 1 << 62:
        numbers = np.array([count * over for count in counts.ravel().tolist()], object)
        numbers = numbers.reshape(counts.shape)
    else:
        numbers = counts.astype(np.int64) * over
    wrong: Flags = ((numbers % under != 0) | (numbers // under >= 1 << 32)).astype(np.bool_)
    return np.where(wrong, 0, numbers // under).astype(np.uint32), wrong


def cells_to_counts(cells: Floats, scale: Decimal) -> tuple[Ints, Flags]:
    """The count nearest to each finite cell, ties to even, and which are beyond 62 bits (0)."""
    over, under = (float(part) for part in scale.as_integer_ratio())
    doubles = cells * np.float64(under)
    if over != 1:
        doubles /= over
    np.rint(doubles, out=doubles)
    huge: Flags = np.abs(doubles) >= LARGEST
    if huge.any():
        doubles[huge] = 0
    return doubles.astype(np.int64), huge


def come_back(counts: Counts, cells: Floats, scale: Decimal) -> Flags | None:
    """Which cells a reader takes for the same count; None when all."""
    if not counts.size or max(abs(int(counts.max())), abs(int(counts.min()))) < SAFE:
        return None
    with np.errstate(invalid="ignore", over="ignore"):
        over, under = (float(part) for part in scale.as_integer_ratio())
        same: Flags = np.rint(cells.astype(np.float64) * under / over) == counts
    return None if same.all() else same


def coarsest(cells: Floats) -> Ints:
    """Decimals of each row's resolution, (r,): the fewest, 0 to 6, that keep all its cells; 6 where
    none do."""
    decimals = np.full(len(cells), FINEST)
    open_rows = np.arange(len(cells))
    for places in range(FINEST):
        scale = Decimal(1).scaleb(-places)
        # Most rows show by their first cells that this is too coarse.
        maybe = open_rows[_keeps(cells[open_rows, :HEAD], scale)]
        maybe = maybe[_keeps(cells[maybe], scale)]
        decimals[maybe] = places
        open_rows = np.setdiff1d(open_rows, maybe, assume_unique=True)
        if not len(open_rows):
            break
    return decimals


def _keeps(cells: Floats, scale: Decimal) -> Flags:
    """Which rows come back from counts of this resolution."""
    counts, huge = cells_to_counts(cells, scale)
    same: Flags = (counts_to_cells(counts, scale) == cells) & ~huge
    every: Flags = np.all(same, axis=1)
    return every
