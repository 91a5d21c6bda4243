"""Frames of what changed: slots newer than the number they are asked since, by the format's grain.

A slot is sent when the batch that won it is newer (newer.py); one that was withdrawn, or that only
repeats what stood, has no newer winner. All else carries NEVER. Of corrections, what is new is
noted instead.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from devices import blocks, journal
from devices.readings import ABSENT, CHANGED, DAY, NEVER, Channel, DeviceInfo, Frame, Ints, Sheet
from devices.storedreads import StoredReads
from exports.formats.zones import local_date, midnight
from exports.scope import happened
from exports.scope.asked import Scope
from exports.scope.common import arrivals_of, grids_of
from exports.scope.findings import Findings
from exports.scope.frozen import Part
from exports.scope.newer import NOT_ASKED, Flags, newer_of

ZONE = DeviceInfo._fields.index("time_zone")
SPARSE = 4_000  # slots read in vain that are cheaper than a query more


def frame(part: Part, scope: Scope, findings: Findings) -> Frame | None:
    """The devices that something changed of; None when there are none."""
    sheets = _sheets(part, scope, findings) if scope.intervals else []
    reads = happened.reads_changed(part, scope, findings) if scope.registers else StoredReads({})
    events = happened.events(part, scope) if scope.events else {}
    if scope.corrections:  # no event is ever corrected
        if not scope.windows:
            findings.events.update(part.device[list(events)].tolist())
        events = {}
    used = np.zeros(len(part.device), bool)
    for sheet in sheets:
        used[sheet.devices] = True
    used[[*reads, *events]] = True
    if not used.any():
        return None
    place = np.cumsum(used) - 1
    return Frame(
        part.devices().take(np.flatnonzero(used).tolist()),
        [replace(sheet, devices=place[sheet.devices]) for sheet in sheets],
        StoredReads({int(place[at]): mine for at, mine in reads.texts.items()}),
        {int(place[at]): mine for at, mine in events.items()},
        arrivals_of(sheets),
    )


def cells(part: Part, scope: Scope) -> Ints:
    """About how many slots each of the part's channels will take, (c,)."""
    seconds = np.array([channel.seconds for channel in part.channels()], np.int64)
    days = _Days(part, scope)
    sizes = [len(days.of(row)) for row in range(len(part.channel))]
    return np.array(sizes, np.int64) * (DAY // seconds[part.kind])


class _Days:
    """Which days of a channel are read."""

    def __init__(self, part: Part, scope: Scope) -> None:
        self.part, self.scope = part, scope
        ids, starts = np.unique(part.day_channel, return_index=True)
        borders, days = np.append(starts, len(part.day)).tolist(), part.day.tolist()
        self.own = {
            channel: tuple(days[start:end])
            for channel, (start, end) in zip(ids.tolist(), pairwise(borders), strict=True)
        }
        self.hulls: dict[int, tuple[int, int]] = {}
        if scope.grain == "span":
            for channel, stay in zip(part.channel.tolist(), part.stay.tolist(), strict=True):
                if channel in self.own:
                    device, own = int(part.device[stay]), self.own[channel]
                    low, high = self.hulls.get(device, (own[0], own[-1]))
                    self.hulls[device] = min(low, own[0]), max(high, own[-1])

    def of(self, row: int) -> tuple[int, ...]:
        """The days of a row of the part's channels: those that hold candidates, and as many
        around or between as the grain may need, whatever the channels' offsets are."""
        if self.scope.grain == "span":
            low, high = self.hulls[int(self.part.device[self.part.stay[row]])]
            return tuple(range(low - 1, high + 2))
        days = self.own[int(self.part.channel[row])]
        if self.scope.grain == "day":
            return tuple(sorted({day + n for day in days for n in (-1, 0, 1)}))
        return days


class _Read(NamedTuple):
    """Rows of one grid over some days. Shapes: `rows` (m,) of the part's channels; (n,), (m, n)."""

    rows: Ints
    days: Sequence[int]
    starts: Ints
    table: journal.Table
    changed: Flags
    within: Flags  # the slot has arrived, and the device was in the scope then
    rest: Flags  # of corrections: it is new
    since: Ints  # (m, days)


def _sheets(part: Part, scope: Scope, findings: Findings) -> list[Sheet]:
    channels = part.channels()
    found = [
        _read(part, scope, grid, rows, days)
        for grid, rows in grids_of(channels, part.kind)
        for rows, days in _together(part, scope, grid, rows)
    ]
    if scope.grain == "span":
        kept = _spans(part, found)
    elif scope.grain == "day":
        kept = [_whole_days(part, scope, read) for read in found]
    else:
        kept = [read.changed for read in found]
    if scope.corrections:
        for read, keep in zip(found, kept, strict=True):
            _note_rest(part, read, keep, findings)
    made = (
        _sheet(part, scope, channels, read, keep) for read, keep in zip(found, kept, strict=True)
    )
    return [sheet for sheet in made if sheet is not None]


def _together(
    part: Part, scope: Scope, grid: journal.Grid, rows: Ints
) -> Iterator[tuple[Ints, Sequence[int]]]:
    """Rows that are read over the same days: all, where that asks for little in vain."""
    days = _Days(part, scope)
    asked = [days.of(row) for row in rows.tolist()]
    every = sorted(set().union(*asked))
    slots = DAY // grid[0]
    wanted = sum(map(len, asked))
    if (len(rows) * len(every) - wanted) * slots <= SPARSE + wanted * slots:
        yield rows, every
        return
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, mine in zip(rows.tolist(), asked, strict=True):
        groups.setdefault(mine, []).append(row)
    for mine, members in groups.items():
        yield np.array(members), mine


def _read(part: Part, scope: Scope, grid: journal.Grid, rows: Ints, days: Sequence[int]) -> _Read:
    """Rows over days, and which of their slots are newer than what they are asked since."""
    ids, place = np.unique(part.channel[rows], return_inverse=True)
    table, (newer, rest), since = newer_of(part, scope, grid, ids, days)
    status = np.zeros(table.counts.shape, np.uint16) if table.status is None else table.status
    if len(ids) != len(rows) or (place != np.arange(len(rows))).any():
        newer, rest, status, since = newer[place], rest[place], status[place], since[place]
        table = replace(table, counts=table.counts[place], numbers=table.numbers[place])
    ends = table.ends
    within = (ends > part.opened[rows][:, None]) & (ends <= part.closed[rows][:, None])
    within &= status & ABSENT == 0
    starts = np.concatenate([_starts(day, grid) for day in days])
    made = replace(table, status=status)
    return _Read(rows, days, starts, made, newer & within, within, rest & within, since)


def _note_rest(part: Part, read: _Read, keep: Flags, findings: Findings) -> None:
    """The channel-days that hold something new which is not sent with the corrections."""
    left = read.rest & ~keep
    if not left.any():
        return
    row, at = np.nonzero(left.reshape(*read.since.shape, -1).any(axis=2))
    days = np.array(read.days, np.int64)
    mine = read.rows[row]
    columns = (part.device[part.stay[mine]], part.channel[mine], days[at], read.since[row, at])
    findings.days.append(np.array(columns, np.int64))


def _starts(day: int, grid: journal.Grid) -> Ints:
    if grid[0] == DAY and grid[2]:
        return blocks.day_ends(day - 1, *grid)
    return blocks.day_ends(day, *grid) - grid[0]


def _whole_days(part: Part, scope: Scope, read: _Read) -> Flags:
    """Every slot of the local days that hold a changed one, channel by channel."""
    own = part.infos[ZONE]
    zones = [scope.zone or own[at] for at in part.stay[read.rows].tolist()]
    kept = np.zeros(read.changed.shape, bool)
    for zone in dict.fromkeys(zones):
        mine = np.array([other == zone for other in zones])
        day = _local_days(zone, read.table.ends)
        begins = np.flatnonzero(np.diff(day, prepend=day[0] - 1))
        hit = np.logical_or.reduceat(read.changed[mine], begins, axis=1)
        kept[mine] = np.repeat(hit, np.diff(begins, append=len(day)), axis=1)
    return kept & read.within


def _local_days(zone: str, ends: Ints) -> Ints:
    """The local date, as an ordinal, that each interval belongs to; midnight ends a day."""
    first = local_date(zone, int(ends[0]) - 1).toordinal()
    last = local_date(zone, int(ends[-1])).toordinal()
    borders = np.array([midnight(zone, day) for day in range(first + 1, last + 1)], np.int64)
    return first + np.searchsorted(borders, ends, side="left")


def _spans(part: Part, found: Sequence[_Read]) -> list[Flags]:
    """Everything from each stay's first to its last changed slot, over all its channels."""
    low = np.full(len(part.device), NOT_ASKED)
    high = np.full(len(part.device), -1)
    for read in found:
        stays = part.stay[read.rows]
        np.minimum.at(low, stays, np.where(read.changed, read.starts, NOT_ASKED).min(axis=1))
        np.maximum.at(high, stays, np.where(read.changed, read.table.ends, -1).max(axis=1))
    kept = []
    for read in found:
        stays = part.stay[read.rows][:, None]
        inside = (read.table.ends > low[stays]) & (read.table.ends <= high[stays])
        kept.append(read.within & inside)
    return kept


def _sheet(
    part: Part, scope: Scope, channels: Sequence[Channel], read: _Read, keep: Flags
) -> Sheet | None:
    """The rows that hold something, as a sheet; slots that are not kept as if never arrived."""
    rows, ends = np.flatnonzero(keep.any(axis=1)), np.flatnonzero(keep.any(axis=0))
    if not len(rows):
        return None
    cut = np.ix_(rows, ends)
    status: Any = read.table.status
    status = np.where(keep, status, NEVER)
    if scope.grain == "span":
        status |= np.where(read.changed, CHANGED, 0).astype(np.uint16)
    mine = read.rows[rows]
    return Sheet(
        part.stay[mine],
        list(map(channels.__getitem__, part.kind[mine].tolist())),
        read.table.ends[ends],
        np.where(keep, read.table.counts, 0)[cut],
        status[cut].astype(np.uint16),
        np.where(keep, read.table.numbers, 0)[cut] if scope.arrivals else None,
    )
