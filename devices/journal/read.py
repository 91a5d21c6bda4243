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
from devices.journal import fold, marks, sql
from devices.journal.fold import Key
from devices.readings import DAY, NEVER, Ints, Masks

BASES = "devices_baseblock"
Grid = tuple[int, int, str]  # seconds, grid offset, zone of one-day channels
_NO_NUMBERS = np.zeros((0, 0), np.int64)
_NO_REVISIONS = np.zeros((0, 0), np.uint16)
_PLACE = np.dtype([("channel", ">i8"), ("day", ">i4"), ("folded_to", ">i8"), ("flagged", "i1")])


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
    versions: bool = False,
    index: npt.NDArray[np.int64] | None = None,
) -> Table:
    """What `tables_read` reads, of channels known to be of one grid."""
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
    return reading.table(index, horizon, versions)


def days_read(
    grid: Grid, ids: list[int], days: Sequence[int], *, horizon: int | None = None
) -> Table:
    """These days, ascending, of channels known to be of one grid, with versions."""
    return _Reading(grid, ids, days, slice(None)).table(None, horizon, True)


class _Reading:
    """One grid's channels over some days, of which a stretch of slots is wanted."""

    def __init__(self, grid: Grid, ids: list[int], days: Sequence[int], cut: slice) -> None:
        self.ids = ids
        self.place = {channel: row for row, channel in enumerate(ids)}
        self.slots = DAY // grid[0]
        self.days = days
        self.nth = {day: column for column, day in enumerate(days)}
        self.cut = cut
        self.ends = np.concatenate([blocks.day_ends(day, *grid) for day in days])[cut]

    def table(self, index: Any, horizon: int | None, versions: bool) -> Table:
        if horizon is None:
            horizon = marks.horizon()
        done = marks.folded_to()
        if horizon < marks.base_number():
            raise marks.HorizonGone(f"readings as of batch {horizon} are no longer kept")
        if index is None:
            index = np.arange(len(self.ids))
        shape = (len(self.ids), len(self.days) * self.slots)
        if not len(self.ends):
            none = np.zeros((len(self.ids), 0), np.int64)
            mask = np.zeros((len(self.ids), 0), np.uint16)
            return Table(index, self.ends, none, mask, none, mask)
        waiting = self._waiting(done, horizon) if done < horizon else []
        if not versions and not waiting and sql.is_postgres():
            packed = self._packed(horizon)
            if packed is not None:
                counts, status = packed
                status = None if status is None else status.reshape(shape)[:, self.cut]
                return Table(index, self.ends, counts.reshape(shape)[:, self.cut], status)
        found = self._blocks(versions)
        days = self._assemble(found, versions)
        self._refold(found, days, horizon)
        if waiting:
            self._overlay(found, days, waiting)
        cut = np.s_[:, self.cut]
        status = days.status
        return Table(
            index,
            self.ends,
            days.counts.reshape(shape)[cut],
            None if status is None else status.reshape(shape)[cut],
            days.numbers.reshape(shape)[cut] if versions else _NO_NUMBERS,
            days.revisions.reshape(shape)[cut] if versions else _NO_REVISIONS,
        )

    def _where(self, table: str) -> tuple[str, list[Any]]:
        condition, ids = sql.any_of(f"{table}.channel_id", self.ids)
        days, params = self._days(table)
        return f"{condition} AND {days}", [ids, *params]

    def _range(self) -> tuple[str, list[Any]] | None:
        """The same for channels that lie close together: a range is read in one sweep."""
        low, high = min(self.ids), max(self.ids)
        if high - low > 2 * len(self.ids):
            return None
        days, params = self._days("t")
        return f"t.channel_id BETWEEN %s AND %s AND {days}", [low, high, *params]

    def _days(self, table: str) -> tuple[str, list[Any]]:
        first, last = self.days[0], self.days[-1]
        if last - first == len(self.days) - 1:
            return f"{table}.day BETWEEN %s AND %s", [sql.day_param(first), sql.day_param(last)]
        return sql.any_day(f"{table}.day", self.days)

    def _row(self, channel: int, day: int) -> int:
        return self.place[channel] * len(self.days) + self.nth[day]

    def _packed(self, horizon: int) -> tuple[Any, Masks | None] | None:
        """All blocks in one row, put end to end by the database: the short way for most days.

        None when a block is wide, or was folded past the horizon: then they are read by row.
        """
        condition, params = self._range() or self._where("t")
        [(places, counts, status, widest)] = sql.rows(
            "SELECT string_agg(int8send(t.channel_id) || int4send(t.day - DATE '1970-01-01') "
            "|| int8send(t.folded_to) || CASE WHEN t.status = ''::bytea THEN '\\x00'::bytea "
            "ELSE '\\x01'::bytea END, ''::bytea), string_agg(t.counts, ''::bytea), "
            "string_agg(t.status, ''::bytea), max(length(t.counts)) "
            f"FROM devices_intervalblock t WHERE {condition}",
            params,
        )
        total, slots = len(self.ids) * len(self.days), self.slots
        found = np.frombuffer(places or b"", _PLACE)
        if widest not in (None, 4 * slots) or (found["folded_to"] > horizon).any():
            return None
        order = np.argsort(self.ids)
        sorted_ids = np.array(self.ids)[order]
        near = np.searchsorted(sorted_ids, found["channel"]).clip(max=len(sorted_ids) - 1)
        asked = sorted_ids[near] == found["channel"]  # a range may hold others, too
        rows = order[near] * len(self.days) + np.searchsorted(self.days, found["day"])
        stack = np.zeros((total, slots), np.int32)
        stack[rows[asked]] = np.frombuffer(counts or b"", "<i4").reshape(-1, slots)[asked]
        if not status and np.count_nonzero(asked) == total:
            return stack, None
        mask = np.full((total, slots), NEVER, np.uint16)
        mask[rows[asked]] = 0
        flagged = found["flagged"] == 1
        masks = np.frombuffer(status or b"", "<u2").reshape(-1, slots)
        mask[rows[flagged & asked]] = masks[asked[flagged]]
        return stack, mask

    def _blocks(self, versions: bool) -> dict[int, tuple[bytes, bytes, bytes, bytes, int]]:
        """Blocks of the period by row."""
        condition, params = self._where("t")
        revisions = "t.revisions" if versions else "NULL"
        found = sql.rows(
            f"SELECT t.channel_id, {sql.day_column('t.day')}, t.counts, t.status, t.numbers, "
            f"{revisions}, t.folded_to FROM devices_intervalblock t WHERE {condition}",
            params,
        )
        row, back = self._row, sql.day_back
        return {row(f[0], back(f[1])): f[2:] for f in found}

    def _assemble(self, found: dict[int, Any], versions: bool) -> "_Stack":
        total, slots = len(self.ids) * len(self.days), self.slots
        width = 8 if any(len(block[0]) != 4 * slots for block in found.values()) else 4
        nothing = bytes(width * slots)
        cells = [nothing] * total
        for row, block in found.items():
            cells[row] = block[0]
        if width == 8:
            cells = [blocks.unpack_counts(c, slots).astype("<i8").tobytes() for c in cells]
        counts = np.frombuffer(bytearray(b"".join(cells)), f"<i{width}").reshape(total, slots)
        flagged = {row: block[1] for row, block in found.items() if block[1]}
        status = None
        if flagged or versions or len(found) < total:
            status = np.zeros((total, slots), np.uint16)
            for row, mask in flagged.items():
                status[row] = np.frombuffer(mask, "<u2")
            if len(found) < total:
                absent = np.ones(total, bool)
                absent[list(found)] = False
                status[absent] = NEVER
        stack = _Stack(counts, status, total, slots, versions)
        if versions:
            for row, block in found.items():
                stack.numbers[row] = blocks.unpack_numbers(block[2], slots)
                stack.revisions[row] = blocks.unpack_status(block[3], slots)
        return stack

    def _refold(self, found: dict[int, Any], stack: "_Stack", horizon: int) -> None:
        """Fold again what stands from after the horizon."""
        rows = [
            row
            for row, block in found.items()
            if block[4] > horizon and blocks.newest_number(block[2]) > horizon
        ]
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

    def _overlay(self, found: dict[int, Any], stack: "_Stack", entries: list[fold.Slots]) -> None:
        """Fold in what waits."""
        keys = list(dict.fromkeys(entry[:2] for entry in entries))
        rows = [self._row(*key) for key in keys]
        after = [found[row][4] if row in found else 0 for row in rows]
        days = stack.take(rows)
        fold.apply(days, keys, entries, after)
        stack.put(rows, days)

    def _key(self, row: int) -> Key:
        return self.ids[row // len(self.days)], self.days[row % len(self.days)]


class _Stack:
    """Rows of channel-days under assembly; status only where something is not plain."""

    def __init__(self, counts: Any, status: Any, total: int, slots: int, versions: bool) -> None:
        self.counts = counts
        self.status = status
        self.versions = versions
        shape = (total, slots) if versions else (0, slots)
        self.numbers = np.zeros(shape, np.int64)
        self.revisions = np.zeros(shape, np.uint16)

    def take(self, rows: list[int]) -> blocks.Days:
        """Copies of rows, to be folded into."""
        days = blocks.Days.empty(len(rows), self.counts.shape[1])
        days.counts[:] = self.counts[rows]
        days.status[:] = 0 if self.status is None else self.status[rows]
        if self.versions:
            days.numbers[:] = self.numbers[rows]
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
        if self.versions:
            self.numbers[rows] = days.numbers
            self.revisions[rows] = days.revisions
