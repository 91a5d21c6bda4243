"""What is noticed while a part is read, beside its bytes; stored with it, in JSON's types.

A correction run leaves out what is new, and says so here: from these the backlog is made.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from devices.blocks import day_date
from devices.readings import Ints


class Rest(NamedTuple):
    """Days of a channel that hold something new, or, without a channel, a device's register reads
    and events; and what they are owed since."""

    device: int
    channel: int | None
    first: date | None
    last: date | None
    since: int


@dataclass(slots=True)
class Findings:
    """What a part's reader adds up. `days`: device, channel, day, since, (4, k) each. By device id,
    `short`: figures and reasons of who falls short of the gate; `nothing`: who has no readings.
    """

    days: list[Ints] = field(default_factory=list)
    reads: dict[int, int] = field(default_factory=dict)
    events: set[int] = field(default_factory=set)
    short: list[list[Any]] = field(default_factory=list)
    nothing: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Only what there is."""
        found: dict[str, Any] = {}
        if self.days:
            found["days"] = _stretches(np.concatenate(self.days, axis=1))
        if self.reads:
            found["reads"] = sorted(self.reads.items())
        if self.events:
            found["events"] = sorted(self.events)
        found |= {name: rows for name in ("short", "nothing") if (rows := getattr(self, name))}
        return found


def _stretches(days: Ints) -> list[list[int]]:
    """Device, channel, first day, last day, since of days that follow upon each other."""
    device, channel, day, since = days[:, np.lexsort((days[2], days[3], days[1]))]
    broken = (np.diff(channel) != 0) | (np.diff(since) != 0) | (np.diff(day) > 1)
    cuts = [0, *(np.flatnonzero(broken) + 1).tolist(), len(day)]
    return [
        [int(device[a]), int(channel[a]), int(day[a]), int(day[b - 1]), int(since[a])]
        for a, b in pairwise(cuts)
    ]


def rests_of(stored: Mapping[str, Any], since: int) -> Iterator[Rest]:
    """What a part, of a run since a number, left out because it was new."""
    for device, channel, first, last, owed_since in stored.get("days", ()):
        yield Rest(device, channel, day_date(first), day_date(last), owed_since)
    for device, owed_since in stored.get("reads", ()):
        yield Rest(device, None, None, None, owed_since)
    for device in stored.get("events", ()):
        yield Rest(device, None, None, None, since)
