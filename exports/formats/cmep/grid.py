"""Where interval ends may stand and which of them follow one another (section 3, README 2.4)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from devices.readings import DAY, Channel, Ints
from exports.formats.grid import Flags, alignment_check, refuse, steps_check
from exports.formats.zones import local_date, midnight


class Grid(NamedTuple):
    """Shapes (n,). `fresh[i]`: slot i does not follow slot i-1. `odd`: a day not 24 h long."""

    fresh: Flags
    odd: Flags


def grid_of(ends: Ints, channel: Channel, zone: str) -> Grid:
    """The checked grid of a channel's ends; `zone` is the device's.

    FMT02 off the minute, FMT03 off the grid, FMT04 not ascending; the instant is set.
    """
    refuse(ends, ends % 60 != 0, "FMT02", channel.seconds)
    steps = steps_check(ends, channel.seconds)
    if channel.seconds == DAY:
        return _days(ends, channel.zone or zone)
    alignment_check(ends, channel, zone)
    return Grid(steps != channel.seconds, np.zeros(len(ends), np.bool_))


def _days(ends: Ints, zone: str) -> Grid:
    days = [local_date(zone, end).toordinal() for end in ends.tolist()]
    borders = np.array([midnight(zone, day) for day in days], np.int64)
    refuse(ends, borders != ends, "FMT03", DAY)
    before = np.array([midnight(zone, day - 1) for day in days], np.int64)
    return Grid(np.diff(days, prepend=0) != 1, ends - before != DAY)
