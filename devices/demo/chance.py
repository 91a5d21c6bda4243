"""Where the virtual utility's chance comes from."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Draw(enum.IntEnum):
    """What is drawn; each has a stream of its own, so that none depends on another's use."""

    SIZE = 1
    LOAD = 2
    WOBBLE = 3
    SUN = 4
    VOLTS = 5
    OUTAGE = 6
    GAP = 7
    EVENT = 8


def generator(seed: int, draw: Draw, day: int = 0) -> np.random.Generator:
    """The stream of one kind of draw on one day.

    Arrays are drawn with a row a meter: rows are filled in order, so that the first rows are the
    same in any fleet.
    """
    return np.random.Generator(np.random.PCG64([seed, int(draw), day]))
