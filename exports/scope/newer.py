"""Which slots of a table are to be sent: newer than what they are asked since.

A slot that stood at that number had been sent then; where a correction file has sent changes since,
only what is newer than that file is still owed of it. What was not there yet is owed as it is.
"""

import heapq
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices import journal
from devices.readings import ABSENT, DAY, Ints
from exports.scope.asked import Scope, Window
from exports.scope.frozen import Part

Flags = npt.NDArray[np.bool_]
NOT_ASKED = np.iinfo(np.int64).max  # no number is newer


class Newer(NamedTuple):
    """Slots (i, n) of i channels: those to be sent, and those that are new and stay behind."""

    wanted: Flags
    rest: Flags


def newer_of(
    part: Part, scope: Scope, grid: journal.Grid, ids: Ints, days: Sequence[int]
) -> tuple[journal.Table, Newer, Ints]:
    """Channels of a grid over some days as of the horizon; which of their slots are newer; and
    the number that each channel-day is asked since, (i, d)."""
    since, sent = _asked(part, ids, days)
    apart = scope.corrections or bool((since < sent).any())
    table = journal.days_read(
        grid, ids.tolist(), days, horizon=scope.number, versions=apart and not scope.windows
    )
    slots = DAY // grid[0]
    none = np.zeros(table.numbers.shape, bool)
    if scope.windows:
        asked = np.repeat(since != NOT_ASKED, slots, axis=1)
        return (
            table,
            Newer(asked & (table.numbers > sent_at(scope.windows, table.ends)), none),
            since,
        )
    after = table.numbers > np.repeat(since, slots, axis=1)
    if not apart:
        return table, Newer(after, none), since
    beyond = table.numbers > np.repeat(sent, slots, axis=1)
    stood = _stood(scope, grid, ids, days, since, after & (table.revisions > 0))
    if scope.corrections:
        return table, Newer(beyond & stood, after & ~stood), since
    return table, Newer(beyond | (after & ~stood), none), since


def _asked(part: Part, ids: Ints, days: Sequence[int]) -> tuple[Ints, Ints]:
    """Since which number each channel-day is asked, and up to which its changes were sent."""
    since = np.full((len(ids), len(days)), NOT_ASKED)
    sent = since.copy()
    asked = np.isin(part.day_channel, ids) & np.isin(part.day, days)
    where = np.searchsorted(ids, part.day_channel[asked]), np.searchsorted(days, part.day[asked])
    since[where], sent[where] = part.day_since[asked], part.day_sent[asked]
    return since, sent


def _stood(
    scope: Scope, grid: journal.Grid, ids: Ints, days: Sequence[int], since: Ints, asked: Flags
) -> Flags:
    """Which of the asked slots were there, to be sent, at the number they are asked since."""
    slots = DAY // grid[0]
    stood = np.zeros(asked.shape, bool)
    cells = asked.reshape(len(ids), len(days), slots)
    wanted = cells.any(axis=2) & (since > 0)
    for number in np.unique(since[wanted]).tolist():
        mine = wanted & (since == number)
        rows, columns = np.flatnonzero(mine.any(axis=1)), np.flatnonzero(mine.any(axis=0))
        then = journal.days_read(
            grid, ids[rows].tolist(), [days[at] for at in columns.tolist()], horizon=number
        )
        there = then.numbers > scope.began
        if then.status is not None:
            there &= then.status & ABSENT == 0
        there = (
            there.reshape(len(rows), len(columns), slots) & mine[np.ix_(rows, columns)][..., None]
        )
        stood.reshape(cells.shape)[np.ix_(rows, columns)] |= there
    return stood & asked


def sent_at(windows: Sequence[Window], times: Ints) -> Ints:
    """Up to which number what ends at these times was sent; NOT_ASKED where nothing was."""
    starts = np.array([window.start for window in windows], np.int64)
    ends = np.array([window.end for window in windows], np.int64)
    numbers = np.array([window.number for window in windows], np.int64)
    at = np.searchsorted(starts, times, side="left") - 1
    inside = (at >= 0) & (times <= ends[at.clip(min=0)])
    return np.where(inside, numbers[at.clip(min=0)], NOT_ASKED)


def windows_merge(windows: Sequence[Window]) -> list[Window]:
    """Windows ascending and apart, of any; where several overlap the highest number holds."""
    starts = sorted(windows, key=lambda window: window.start)
    borders = sorted({time for window in windows for time in window[:2]})
    open_: list[tuple[int, int]] = []  # highest number first; those that have ended go when on top
    found: list[Window] = []
    at = 0
    for low, high in pairwise(borders):
        while at < len(starts) and starts[at].start <= low:
            heapq.heappush(open_, (-starts[at].number, starts[at].end))
            at += 1
        while open_ and open_[0][1] <= low:
            heapq.heappop(open_)
        if not open_:
            continue
        number = -open_[0][0]
        if found and (found[-1].end, found[-1].number) == (low, number):
            found[-1] = found[-1]._replace(end=high)
        else:
            found.append(Window(low, high, number))
    return found
