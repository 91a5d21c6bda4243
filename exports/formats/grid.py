"""Where interval ends may stand (README 2.4): checks that formats share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from devices.readings import Channel, Ints, instant
from exports.formats.issues import refusal
from exports.formats.zones import standard_offset

Flags = npt.NDArray[np.bool_]


def offsets(ends: Ints, channel: Channel, zone: str) -> Ints:
    """Seconds east of UTC of the grid: the channel's own, else the zone's standard time, (n,)."""
    if channel.grid_offset is not None:
        return np.full(len(ends), channel.grid_offset, np.int64)
    years = ends.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970
    found = np.zeros(len(ends), np.int64)
    for year in np.unique(years).tolist():
        found[years == year] = standard_offset(zone, year)
    return found


def steps_check(ends: Ints, seconds: int) -> Ints:
    """The distance of each end from the one before, (n,), 1 for the first; FMT04 not ascending."""
    steps = np.diff(ends, prepend=ends[:1] - 1)
    refuse(ends, steps <= 0, "FMT04", seconds)
    return steps


def alignment_check(ends: Ints, channel: Channel, zone: str) -> None:
    """FMT03 off the grid of the channel's length."""
    away = (ends + offsets(ends, channel, zone)) % channel.seconds != 0
    refuse(ends, away, "FMT03", channel.seconds)


def refuse(ends: Ints, wrong: Flags, code: str, seconds: int) -> None:
    """Refuses the first end that is wrong; the error names its instant."""
    if wrong.any():
        time = instant(int(ends[int(wrong.argmax())]))
        words = {"time": f"{time:%Y-%m-%dT%H:%M:%SZ}", "limit": "minutes", "seconds": seconds}
        raise refusal(code, **words).at(instant=time)
