"""Cuts: which slots stand together, from which clock time to which (section 3)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import numpy as np

from devices.readings import Channel, Ints, instant
from exports.formats.clocks import Clock, Prevailing
from exports.formats.grid import Flags, alignment_check, steps_check
from exports.formats.lodestar.run import Run
from exports.formats.lodestar.tables import lse


class Span(NamedTuple):
    """A cut of a grid: slots `first` to before `last`; from instant `start` to before `end`.

    `size`: intervals written, more than its slots where the grid has holes.
    """

    first: int
    last: int
    start: int
    end: int
    size: int


def spans_of(
    ends: Ints, channel: Channel, zone: str, clock: Clock, run: Run, arrived: Flags | None = None
) -> list[Span]:
    """The cuts of a channel's ends, one or more; FMT03, FMT04, FMT18.

    `arrived` (n,): the slots that were handed over, where days without any must not be made up.
    """
    seconds = channel.seconds
    steps_check(ends, seconds)
    alignment_check(ends, channel, zone)
    days = days_of(ends, clock)
    first = clock.ordinal(int(run.ctx.start.timestamp()))
    cuts = (days - first) // run.ctx.options["cut_days"]
    fresh = np.diff(cuts, prepend=cuts[0] - 1) != 0
    if arrived is not None:
        fresh |= _strange(days, arrived)
    begins = np.flatnonzero(fresh).tolist()
    spans = []
    for low, high in zip(begins, [*begins[1:], len(ends)], strict=True):
        start, end = int(ends[low]) - seconds, int(ends[high - 1])
        size, rest = divmod(end - start, seconds)
        if rest:
            raise lse("FMT18").at(instant=instant(start))
        spans.append(Span(low, high, start, end, size))
    return spans


def days_of(ends: Ints, clock: Clock) -> Ints:
    """The date that each interval belongs to: that of its last second, as an ordinal, (n,)."""
    first, last = clock.ordinal(int(ends[0]) - 1), clock.ordinal(int(ends[-1]) - 1)
    borders = [clock.midnight(day) for day in range(first + 1, last + 1)]
    return first + np.searchsorted(np.array(borders, np.int64), ends, side="left")


def _strange(days: Ints, arrived: Flags) -> Flags:
    """Slots that begin a day beside one of which nothing arrived, (n,)."""
    _, place = np.unique(days, return_inverse=True)
    there = (np.bincount(place, weights=arrived) > 0)[place]
    steps = np.diff(days, prepend=days[0])
    before = np.concatenate((there[:1], there[:-1]))
    fresh: Flags = (steps > 1) | ((steps != 0) & ~(there & before))
    return fresh


def stamps(span: Span, clock: Clock) -> tuple[datetime, datetime]:
    """Start and stop on the clock; LSE02 where a clock time would be in doubt."""
    locals_ = []
    for at in (span.start, span.end - 1):
        local = clock.local(at)
        if isinstance(clock, Prevailing) and len(clock.instants(local)) > 1:
            whole = all(clock.midnight(clock.ordinal(x)) == x for x in (span.start, span.end))
            if not whole:
                shown = f"{local:%Y-%m-%dT%H:%M:%S}"
                raise lse("LSE02", time=shown, zone=clock.zone).at(instant=instant(at))
        locals_.append(local)
    return locals_[0], locals_[1]
