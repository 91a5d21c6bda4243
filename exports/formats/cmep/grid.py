"""Where interval ends may stand and which of them follow one another (section 3, README 2.4)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import DAY, Channel, Ints, instant
from exports.formats.cmep.tables import cme
from exports.formats.zones import local_date, midnight, standard_offset

Flags = npt.NDArray[np.bool_]


class Grid(NamedTuple):
    """Shapes (n,). `fresh[i]`: slot i does not follow slot i-1. `odd`: a day not 24 h long."""

    fresh: Flags
    odd: Flags


def grid_of(ends: Ints, channel: Channel, zone: str) -> Grid:
    """The checked grid of a channel's ends; `zone` is the device's.

    FMT02 off the minute, FMT03 off the grid, FMT04 not ascending; the instant is set.
    """
    _refuse(ends, ends % 60 != 0, "FMT02", channel.seconds)
    steps = np.diff(ends, prepend=ends[:1] - 1)
    _refuse(ends, steps <= 0, "FMT04", channel.seconds)
    if channel.seconds == DAY:
        return _days(ends, channel.zone or zone)
    away = (ends + offsets(ends, channel, zone)) % channel.seconds != 0
    _refuse(ends, away, "FMT03", channel.seconds)
    return Grid(steps != channel.seconds, np.zeros(len(ends), np.bool_))


def offsets(ends: Ints, channel: Channel, zone: str) -> Ints:
    """Seconds east of UTC of the grid: the channel's own, else the zone's standard time, (n,)."""
    if channel.grid_offset is not None:
        return np.full(len(ends), channel.grid_offset, np.int64)
    years = ends.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    found = np.zeros(len(ends), np.int64)
    for year in np.unique(years).tolist():
        found[years == year] = standard_offset(zone, year)
    return found


def _days(ends: Ints, zone: str) -> Grid:
    days = [local_date(zone, end).toordinal() for end in ends.tolist()]
    borders = np.array([midnight(zone, day) for day in days], np.int64)
    _refuse(ends, borders != ends, "FMT03", DAY)
    before = np.array([midnight(zone, day - 1) for day in days], np.int64)
    return Grid(np.diff(days, prepend=0) != 1, ends - before != DAY)


def _refuse(ends: Ints, wrong: Flags, code: str, seconds: int) -> None:
    if wrong.any():
        time = instant(int(ends[int(wrong.argmax())]))
        words = {"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "limit": "minutes", "seconds": seconds}
        raise cme(code, **words).at(instant=time)
