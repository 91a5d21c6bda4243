"""Reading intervals as of a horizon: blocks, plus what waits in the journal, less what came later.

The order of the queries is what makes it exact while others write: the watermark W first, then
the entries in (W, N], then the blocks, which say themselves which of those they hold by now; a
block already folded past N is folded again from its base and its entries up to N. Entries are read
before block and base, so that neither a fold nor a purge in between can hide any.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices import blocks, models
from devices.journal import columns, fold, marks, sql
from devices.journal.fold import Key
from devices.readings import DAY, NEVER, Ints, Masks

BASES = "devices_baseblock"
Grid = tuple[int, int, str]  # seconds, grid offset, zone of one-day channels
_NO_NUMBERS = np.zeros((0, 0), np.int64)
_NO_REVISIONS = np.zeros((0, 0), np.uint16)


class ChannelKey(NamedTuple):
    """What reading needs to know of a channel."""

    id: int
    seconds: int
    grid_offset: int
    zone: str = ""

    @classmethod
    def of(cls, channel: models.Channel) -> "ChannelKey":
        return cls(channel.pk, channel.seconds, channel.grid_offset, channel.zone)


@dataclass(frozen=True, slots=True)
class Table:
    """Channels of one grid over a period, in the order asked.

    Shapes: `index` (m,) the channels' places in the request; `ends` (n,) epoch seconds; `counts`
    (m, n) int32 or int64; `status` (m, n), None when all 0; `numbers`, `revisions` (m, n), empty
    unless versions were asked for. Slots that never arrived: count 0, status NEVER.
    """

    index: npt.NDArray[np.int64]
    ends: Ints
    counts: npt.NDArray[np.integer]
    status: Masks | None
    numbers: Ints = field(default_factory=lambda: _NO_NUMBERS)
    revisions: Masks = field(default_factory=lambda: _NO_REVISIONS)


@dataclass(frozen=True, slots=True)
class ChannelSeries:
    """One channel over a period, with versions. Shapes (n,)."""

    channel: models.Channel
    ends: Ints
    counts: Ints
    status: Masks
    numbers: Ints
    revisions: Masks


def series_read(
    channels: Sequence[models.Channel], start: int, end: int, *, horizon: int | None = None
) -> list[ChannelSeries]:
    """Each channel's intervals with start < end ≤ `end`, in the order given, with versions."""
    keys = [ChannelKey.of(channel) for channel in channels]
    found: dict[int, ChannelSeries] = {}
    for table in tables_read(keys, start, end, horizon=horizon, versions=True):
        status = np.zeros(table.counts.shape, np.uint16) if table.status is None else table.status
        for row, place in enumerate(table.index.tolist()):
            found[place] = ChannelSeries(
                channels[place],
                table.ends,
                table.counts[row].astype(np.int64),
                status[row],
                table.numbers[row],
                table.revisions[row],
            )
    return [found[place] for place in range(len(channels))]


def tables_read(
    channels: Sequence[ChannelKey],
    start: int,
    end: int,
    *,
    horizon: int | None = None,
    versions: bool = False,
) -> list[Table]:
    """Channels' intervals with start < end ≤ `end` as of a horizon, a table a grid.

    HorizonGone when purge has passed the horizon.
    """
    grids: dict[Grid, list[int]] = {}
    for place, channel in enumerate(channels):
        grids.setdefault(channel[1:], []).append(place)
    return [
        grid_read(
            grid,
            [channels[p].id for p in places],
            start,
            end,
            horizon=horizon,
            versions=versions,
            index=np.array(places),
        )
        for grid, places in grids.items()
    ]


def grid_read(
    grid: Grid,
    ids: list[int],
    start: int,
    end: int,
    *,
    horizon: int | None = None,
    numbers: bool = False,
    versions: bool = False,
    index: npt.NDArray[np.int64] | None = None,
) -> Table:
    """What `tables_read` reads, of channels known to be of one grid; `numbers`: with those of the
    slots, but without their revisions."""
    seconds, offset, zone = grid
    first, last = blocks.days_touching(start, end, offset, zone)
    days = range(first, last + 1)
    ends = np.concatenate([blocks.day_ends(day, seconds, offset, zone) for day in days])
    low, high = np.searchsorted(ends, (start, end), side="right").tolist()
    slots = DAY // seconds
    if high > low:
        days = days[low // slots : (high - 1) // slots + 1]
        low, high = (at - low // slots * slots for at in (low, high))
    reading = _Reading(grid, ids, days, slice(low, max(low, high)))
    names = columns.NUMBERED if numbers else columns.PLAIN
    return reading.table(index, horizon, columns.VERSIONED if versions else names)


def days_read(
    grid: Grid,
    ids: list[int],
    days: Sequence[int],
    *,
    horizon: int | None = None,
    versions: bool = False,
) -> Table:
    """These days, ascending, of channels known to be of one grid, with the slots' numbers; with
    `versions` their revisions, too."""
    names = columns.VERSIONED if versions else columns.NUMBERED
    return _Reading(grid, ids, days, slice(None)).table(None, horizon, names)


class _Reading:
    """One grid's channels over some days, of which a stretch of slots is wanted."""

    def __init__(self, grid: Grid, ids: list[int], days: Sequence[int], cut: slice) -> None:
        self.ids = ids
        self.days = days
        self.slots = DAY // grid[0]
        self.cut = cut
        self.ends = np.concatenate([blocks.day_ends(day, *grid) for day in days])[cut]
        self.order = np.argsort(ids)
        self.sorted = np.array(ids, np.int64)[self.order]

    def table(self, index: Any, horizon: int | None, names: Sequence[str]) -> Table:
        """What stands as of the horizon; `names`: the packed columns it takes."""
        marked = marks.marks()
        if horizon is None:
            horizon = marked[marks.BATCH]
        if horizon < marked[marks.BASE]:
            raise marks.HorizonGone(f"readings as of batch {horizon} are no longer kept")
        if not len(self.ends):
            none = np.zeros((len(self.ids), 0), np.int64)
            masks = none.astype(np.uint16)
            return Table(np.arange(len(self.ids)), self.ends, none, masks, none, masks)
        done = marked[marks.FOLD]
        waiting = self._waiting(done, horizon) if done < horizon else []
        stack = self._stack(horizon, names)
        if waiting:
            self._overlay(stack, waiting)
        shape = (len(self.ids), len(self.days) * self.slots)
        cut = np.s_[:, self.cut]
        return Table(
            np.arange(len(self.ids)) if index is None else index,
            self.ends,
            stack.counts.reshape(shape)[cut],
            None if stack.status is None else stack.status.reshape(shape)[cut],
            stack.numbers.reshape(shape)[cut] if "numbers" in names else _NO_NUMBERS,
            stack.revisions.reshape(shape)[cut] if "revisions" in names else _NO_REVISIONS,
        )

    def _where(self, table: str) -> tuple[str, list[Any]]:
        """The condition of these channels and days; a range of channels that lie close together
        is read in one sweep, and may hold others."""
        days, params = self._days(table)
        low, high = int(self.sorted[0]), int(self.sorted[-1])
        if high - low <= 2 * len(self.ids):
            return f"{table}.channel_id BETWEEN %s AND %s AND {days}", [low, high, *params]
        condition, ids = sql.any_of(f"{table}.channel_id", self.ids)
        return f"{condition} AND {days}", [ids, *params]

    def _days(self, table: str) -> tuple[str, list[Any]]:
        first, last = self.days[0], self.days[-1]
        if last - first == len(self.days) - 1:
            return f"{table}.day BETWEEN %s AND %s", [sql.day_param(first), sql.day_param(last)]
        return sql.any_day(f"{table}.day", self.days)

    def _rows(self, channel: Ints, day: Ints) -> Ints:
        """The rows of channel-days; -1 where it was not asked for."""
        near = np.searchsorted(self.sorted, channel).clip(max=len(self.sorted) - 1)
        rows = self.order[near] * len(self.days) + np.searchsorted(self.days, day)
        return np.where(self.sorted[near] == channel, rows, -1)

    def _key(self, row: int) -> Key:
        return self.ids[row // len(self.days)], self.days[row % len(self.days)]

    def _stack(self, horizon: int, names: Sequence[str]) -> "_Stack":
        """The blocks, those that hold something from after the horizon folded again."""
        condition, params = self._where("t")
        found = columns.columns_fetch(condition, params, names)
        if "numbers" not in names and (found.folded_to > horizon).any():
            return self._stack(horizon, columns.NUMBERED)
        rows = self._rows(found.channel, found.day)
        if (rows < 0).any():  # others of the range, whose blocks may have another length
            found, rows = found.pick(rows >= 0), rows[rows >= 0]
        stack = _Stack.of(found, rows, len(self.ids) * len(self.days), self.slots)
        if "numbers" in names:
            later = (stack.folded_to > horizon) & (stack.numbers.max(axis=1) > horizon)
            self._refold(stack, np.flatnonzero(later).tolist(), horizon)
        return stack

    def _refold(self, stack: "_Stack", rows: list[int], horizon: int) -> None:
        if not rows:
            return
        keys = [self._key(row) for row in rows]
        source, params = sql.pairs(keys)
        entries = list(
            fold.entries_of(
                sql.rows(
                    fold.ENTRY_SQL.format(day=sql.day_column("e.day"))
                    + f"JOIN {source} ON e.channel_id = k.c AND e.day = k.d "
                    + "WHERE b.number <= %s"
                    + fold.ENTRY_ORDER,
                    [*params, horizon],
                )
            )
        )
        days, after = fold.load(BASES, keys, self.slots)
        if max(after) > horizon:
            raise marks.HorizonGone(f"readings as of batch {horizon} are no longer kept")
        fold.apply(days, keys, entries, after)
        stack.put(rows, days)

    def _waiting(self, done: int, horizon: int) -> list[fold.Slots]:
        """What the fold had not reached when W was read. Asked for by the ids of the waiting
        batches: joined by number, the database would look up every channel once a batch."""
        ids = [
            row[0]
            for row in sql.rows(
                "SELECT id FROM devices_batch WHERE number > %s AND number <= %s", [done, horizon]
            )
        ]
        of_batches, batch_ids = sql.any_of("e.batch_id", ids)
        condition, params = self._where("e")
        query = fold.entry_sql(f"{of_batches} AND {condition}")
        return list(fold.entries_of(sql.rows(query, [batch_ids, *params])))

    def _overlay(self, stack: "_Stack", entries: list[fold.Slots]) -> None:
        """Fold in what waits."""
        keys = list(dict.fromkeys(entry[:2] for entry in entries))
        every = self._rows(*np.array(keys, np.int64).T)
        asked = [key for key, row in zip(keys, every.tolist(), strict=True) if row >= 0]
        rows = every[every >= 0].tolist()
        mine = set(asked)
        days = stack.take(rows)
        after = stack.folded_to[rows].tolist()
        fold.apply(days, asked, [entry for entry in entries if entry[:2] in mine], after)
        stack.put(rows, days)


@dataclass(slots=True)
class _Stack:
    """Rows of channel-days under assembly, (t, s); status only where something is not plain.

    `folded_to` (t,), 0 where no block stands. Numbers and revisions are empty if not asked for.
    """

    counts: Any
    status: Masks | None
    numbers: Ints
    revisions: Masks
    folded_to: Ints

    @classmethod
    def of(cls, found: columns.Columns, rows: Ints, total: int, slots: int) -> "_Stack":
        """Blocks put in their rows."""
        packed = found.counts(slots)
        counts = np.zeros((total, slots), packed.dtype)
        counts[rows] = packed
        folded_to = np.zeros(total, np.int64)
        folded_to[rows] = found.folded_to
        status = None
        if found.blobs["status"] or len(rows) < total:
            status = np.full((total, slots), NEVER, np.uint16)
            _put_masks(status, found, "status", rows)
        numbers = np.zeros((total if "numbers" in found.blobs else 0, slots), np.int64)
        if len(numbers):
            numbers[rows] = found.numbers(slots)
        revisions = np.zeros((total if "revisions" in found.blobs else 0, slots), np.uint16)
        if len(revisions):
            _put_masks(revisions, found, "revisions", rows)
        return cls(counts, status, numbers, revisions, folded_to)

    def take(self, rows: list[int]) -> blocks.Days:
        """Copies of rows, to be folded into."""
        days = blocks.Days.empty(len(rows), self.counts.shape[1])
        days.counts[:] = self.counts[rows]
        days.status[:] = 0 if self.status is None else self.status[rows]
        if len(self.numbers):
            days.numbers[:] = self.numbers[rows]
        if len(self.revisions):
            days.revisions[:] = self.revisions[rows]
        return days

    def put(self, rows: list[int], days: blocks.Days) -> None:
        """Set rows."""
        if self.counts.itemsize == 4 and np.abs(days.counts).max(initial=0) > 0x7FFFFFFF:
            self.counts = self.counts.astype(np.int64)
        self.counts[rows] = days.counts
        if self.status is None:
            self.status = np.zeros(self.counts.shape, np.uint16)
        self.status[rows] = days.status
        if len(self.numbers):
            self.numbers[rows] = days.numbers
        if len(self.revisions):
            self.revisions[rows] = days.revisions


def _put_masks(into: Masks, found: columns.Columns, name: str, rows: Ints) -> None:
    """Masks of one name put in their rows; 0 where a block has none."""
    has, masks = found.masks(name, into.shape[1])
    into[rows] = 0
    into[rows[has]] = masks
