"""Folding the journal into blocks: after commit, in transactions of its own, in any cut.

A step folds the batches numbered in (W, N]. Blocks are written by upsert, only forwards
(`folded_to`), so steps may be repeated, overlap or die anywhere; W moves last.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction

from devices import blocks
from devices.journal import bulk, locks, marks, registers, sql
from devices.journal.partitions import BLOCKS, partitions_ensure, room_make
from devices.readings import DAY

STEP_INTERVALS = 2_000_000  # a step's work; one batch is never cut in two
CHUNK_ENTRIES = 20_000  # a transaction's work

Key = tuple[int, int]  # channel id, day number


class Slots(NamedTuple):
    """A journal entry as read back."""

    channel_id: int
    day: int
    seconds: int
    number: int
    first_slot: int
    counts: bytes
    status: bytes

    @property
    def key(self) -> Key:
        return (self.channel_id, self.day)


_KEY = itemgetter(0, 1)
_NUMBER, _FIRST_SLOT, _COUNTS, _STATUS = map(itemgetter, range(3, 7))
ENTRY_SQL = (
    "SELECT e.channel_id, {day}, c.seconds, b.number, e.first_slot, e.counts, e.status "
    "FROM devices_journalentry e JOIN devices_batch b ON b.id = e.batch_id "
    "JOIN devices_channel c ON c.id = e.channel_id "
)
ENTRY_ORDER = " ORDER BY e.channel_id, e.day, b.number, e.seq"


def entry_sql(where: str) -> str:
    """The query of entries in folding order."""
    return ENTRY_SQL.format(day=sql.day_column("e.day")) + "WHERE " + where + ENTRY_ORDER


def entries_of(records: Iterable[Sequence[Any]]) -> Iterator[Slots]:
    """Entries from their query's rows."""
    if sql.is_postgres():
        return map(Slots._make, records)
    return (Slots(record[0], sql.day_back(record[1]), *record[2:]) for record in records)


def fold_step(limit: int = STEP_INTERVALS) -> bool:
    """Fold the next stretch of numbers; True when more is waiting."""
    done, newest = marks.folded_to(), marks.horizon()
    if done >= newest:
        return False
    target, batch_ids = stretch(done, newest, limit)
    if sql.is_postgres():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [locks.FOLD])
            if not cursor.fetchone()[0]:
                return False  # another process is folding, and looks again when it is done
            try:
                fold_batches(batch_ids, target)
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [locks.FOLD])
    else:
        fold_batches(batch_ids, target)
    # Asked anew: who found the lock taken has left its batches to us.
    return target < marks.horizon()


def fold_all() -> int:
    """Fold everything that waits; how far it came."""
    while fold_step():
        pass
    return marks.folded_to()


def stretch(done: int, newest: int, limit: int) -> tuple[int, list[int]]:
    """The last number of the next step and the ids of its batches: whole batches up to limit."""
    found = sql.rows(
        "SELECT id, number, intervals FROM devices_batch "
        "WHERE number > %s AND number <= %s ORDER BY number LIMIT 5000",
        [done, newest],
    )
    ids: list[int] = []
    total, target = 0, done if found else newest
    for batch_id, number, intervals in found:
        if ids and total + intervals > limit:
            break
        ids.append(batch_id)
        target, total = number, total + intervals
    return target, ids


def fold_batches(batch_ids: Sequence[int], target: int) -> None:
    """Fold these batches, the next after W, the last of them numbered `target`."""
    condition, param = sql.any_of("e.batch_id", batch_ids)
    entries = entries_of(sql.stream(entry_sql(condition), [param]))
    for chunk in chunks(entries):
        fold_chunk(chunk, target)
    registers.fold(batch_ids)
    marks.mark_raise(marks.FOLD, target)


def chunks(entries: Iterable[Slots], size: int = CHUNK_ENTRIES) -> Iterator[list[Slots]]:
    """Entries in lists of about `size`, a channel-day never cut in two."""
    chunk: list[Slots] = []
    for _, group in itertools.groupby(entries, key=_KEY):
        chunk.extend(group)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def fold_chunk(chunk: Sequence[Slots], target: int) -> None:
    """Fold entries into their blocks, in one transaction."""
    days = {entry[1] for entry in chunk}
    partitions_ensure(BLOCKS, map(blocks.day_date, days))
    with transaction.atomic():
        written, again = fold_into(BLOCKS, chunk, target)
    if 2 * len(again) > written:
        room_make({blocks.day_date(day) for day in again})


def fold_into(table: str, chunk: Sequence[Slots], target: int) -> tuple[int, list[int]]:
    """Fold entries into what stands in a table; rows in which nothing won are left alone.

    How many rows were written, and the days of those among them that stood there before.
    """
    written, again = 0, []
    by_seconds: dict[int, list[Slots]] = {}
    for entry in chunk:
        by_seconds.setdefault(entry[2], []).append(entry)
    for seconds, entries in by_seconds.items():
        keys = list(dict.fromkeys(map(_KEY, entries)))
        days, done = load(table, keys, DAY // seconds)
        before = days.numbers.copy()
        apply(days, keys, entries, done)
        changed = np.flatnonzero((days.numbers != before).any(axis=1)).tolist()
        store(table, keys, days, changed, target)
        written += len(changed)
        again += [keys[row][1] for row in changed if done[row]]
    return written, again


def load(table: str, keys: Sequence[Key], slots: int) -> tuple[blocks.Days, list[int]]:
    """What stands for channel-days, and the number each is folded to (0: nothing stands)."""
    days = blocks.Days.empty(len(keys), slots)
    done = [0] * len(keys)
    place = {key: row for row, key in enumerate(keys)}
    source, params = sql.pairs(keys)
    found = sql.rows(
        f"SELECT t.channel_id, {sql.day_column('t.day')}, t.counts, t.status, t.numbers, "
        f"t.revisions, t.folded_to FROM {source} "
        f"JOIN {table} t ON t.channel_id = k.c AND t.day = k.d",
        params,
    )
    rows = [place[channel, sql.day_back(day)] for channel, day, *_ in found]
    days.load(rows, [block[2:6] for block in found])
    for row, block in zip(rows, found, strict=True):
        done[row] = block[6]
    return days, done


def apply(
    days: blocks.Days, keys: Sequence[Key], entries: Sequence[Slots], after: Sequence[int]
) -> None:
    """Fold entries, in folding order, into days; those numbered ≤ `after` of their day are in."""
    if not entries:
        return
    place = {key: row for row, key in enumerate(keys)}
    rows = np.array([place[key] for key in map(_KEY, entries)], np.int64)
    numbers = np.fromiter(map(_NUMBER, entries), np.int64, len(entries))
    fresh = numbers > np.array(after, np.int64)[rows]
    if not fresh.all():
        entries = list(itertools.compress(entries, fresh.tolist()))
    if entries:
        blocks.fold(days, cells_of(entries, place, days.counts.shape[1]))


def cells_of(entries: Sequence[Slots], place: Mapping[Key, int], slots: int) -> blocks.Cells:
    """The slots of entries, flat, in their order; `place` is the row of each channel-day."""
    rows = np.array([place[key] for key in map(_KEY, entries)], np.int64)
    numbers = np.fromiter(map(_NUMBER, entries), np.int64, len(entries))
    first = np.fromiter(map(_FIRST_SLOT, entries), np.int64, len(entries))
    counts, sizes = blocks.unpack_entries(list(map(_COUNTS, entries)))
    status = blocks.unpack_statuses(list(map(_STATUS, entries)), sizes)
    # Where the slots of an entry go, less where they stand in `counts`.
    shift = rows * slots + first - (np.cumsum(sizes) - sizes)
    return blocks.Cells(
        np.arange(len(counts)) + np.repeat(shift, sizes), counts, status, np.repeat(numbers, sizes)
    )


BLOBS = ("counts", "status", "numbers", "revisions")
UPSERT = (
    "INSERT INTO {table} (channel_id, day, counts, status, numbers, revisions, folded_to) "
    "{source} ON CONFLICT (channel_id, day) DO UPDATE SET counts = excluded.counts, "
    "status = excluded.status, numbers = excluded.numbers, revisions = excluded.revisions, "
    "folded_to = excluded.folded_to WHERE {table}.folded_to < excluded.folded_to"
)


def store(
    table: str, keys: Sequence[Key], days: blocks.Days, rows: Sequence[int], target: int
) -> None:
    """Upsert these rows of days as folded to `target`; a block folded further stays."""
    if not rows:
        return
    where = [keys[row] for row in rows]
    packed = days.pack(rows)
    if sql.is_postgres():
        channels, of_days = zip(*where, strict=True)
        blobs = zip(BLOBS, zip(*packed, strict=True), strict=True)
        source, columns = bulk.source(
            channel=bulk.ints(channels),
            day=bulk.ints(of_days),
            **{name: bulk.blobs(column) for name, column in blobs},
        )
        rows_of = (
            "SELECT r.channel, DATE '1970-01-01' + r.day::int, r.counts, r.status, r.numbers, "
            f"r.revisions, %s FROM {source}"
        )
        with bulk.cursor() as cursor:
            cursor.execute(UPSERT.format(table=table, source=rows_of), [target, *columns])
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            UPSERT.format(table=table, source="VALUES (%s, %s, %s, %s, %s, %s, %s)"),
            [
                (channel, sql.day_text(day), *blobs, target)
                for (channel, day), blobs in zip(where, packed, strict=True)
            ],
        )
