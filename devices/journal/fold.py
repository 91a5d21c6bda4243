"""Folding the journal into blocks: after commit, in transactions of its own, in any cut.

A step folds the batches numbered in (W, N]. Blocks are written by upsert, only forwards
(`folded_to`), so steps may be repeated, overlap or die anywhere; W moves last.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from django.db import connection, transaction

from devices import blocks
from devices.journal import locks, marks, registers, sql
from devices.journal.partitions import BLOCKS, months_between, partitions_ensure
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
    for channel, day, seconds, number, slot, counts, status in records:
        yield Slots(channel, sql.day_back(day), seconds, number, slot, bytes(counts), bytes(status))


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
    for _, group in itertools.groupby(entries, key=lambda e: e[:2]):
        chunk.extend(group)
        if len(chunk) >= size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def fold_chunk(chunk: Sequence[Slots], target: int) -> None:
    """Fold entries into their blocks, in one transaction."""
    first = min(entry.day for entry in chunk)
    last = max(entry.day for entry in chunk)
    partitions_ensure(BLOCKS, months_between(blocks.day_date(first), blocks.day_date(last)))
    with transaction.atomic():
        fold_into(BLOCKS, chunk, target)


def fold_into(table: str, chunk: Sequence[Slots], target: int) -> None:
    """Fold entries into what stands in a table; rows in which nothing won are left alone."""
    by_seconds: dict[int, list[Slots]] = {}
    for entry in chunk:
        by_seconds.setdefault(entry.seconds, []).append(entry)
    for seconds, entries in by_seconds.items():
        keys = list(dict.fromkeys(entry[:2] for entry in entries))
        days, done = load(table, keys, DAY // seconds)
        before = days.numbers.copy()
        apply(days, keys, entries, done)
        changed = np.flatnonzero((days.numbers != before).any(axis=1)).tolist()
        store(table, keys, days, changed, target)


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
    for channel, day, counts, status, numbers, revisions, folded_to in found:
        row = place[channel, sql.day_back(day)]
        days.load(row, counts, status, numbers, revisions)
        done[row] = folded_to
    return days, done


def apply(
    days: blocks.Days, keys: Sequence[Key], entries: Sequence[Slots], after: Sequence[int]
) -> None:
    """Fold entries, in folding order, into days; those numbered ≤ `after` of their day are in."""
    place = {key: row for row, key in enumerate(keys)}
    fresh = [entry for entry in entries if entry.number > after[place[entry[:2]]]]
    if fresh:
        blocks.fold(days, cells_of(fresh, place, days.counts.shape[1]))


def cells_of(entries: Sequence[Slots], place: Mapping[Key, int], slots: int) -> blocks.Cells:
    """The slots of entries, flat, in their order; `place` is the row of each channel-day."""
    counts = [blocks.unpack_entry(entry.counts) for entry in entries]
    sizes = np.fromiter(map(len, counts), np.int64, len(counts))
    starts = np.fromiter(
        (place[entry[:2]] * slots + entry.first_slot for entry in entries), np.int64, len(entries)
    )
    offsets = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    within = np.arange(int(sizes.sum())) - np.repeat(offsets, sizes)
    status = [
        blocks.unpack_status(entry.status, len(run))
        for entry, run in zip(entries, counts, strict=True)
    ]
    numbers = np.fromiter((entry.number for entry in entries), np.int64, len(entries))
    return blocks.Cells(
        np.repeat(starts, sizes) + within,
        np.concatenate(counts),
        np.concatenate(status),
        np.repeat(numbers, sizes),
    )


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
    packed = zip((keys[row] for row in rows), days.pack(rows), strict=True)
    with connection.cursor() as cursor:
        if sql.is_postgres():
            cursor.execute(
                "CREATE TEMP TABLE IF NOT EXISTS tms_fold (channel_id bigint, day date, "
                "counts bytea, status bytea, numbers bytea, revisions bytea, folded_to bigint) "
                "ON COMMIT DELETE ROWS"
            )
            sql.copy_in(
                "tms_fold",
                "channel_id, day, counts, status, numbers, revisions, folded_to",
                (_record(key, blobs, target) for key, blobs in packed),
            )
            cursor.execute(UPSERT.format(table=table, source="SELECT * FROM tms_fold"))
            cursor.execute("TRUNCATE tms_fold")
        else:
            cursor.executemany(
                UPSERT.format(table=table, source="VALUES (%s, %s, %s, %s, %s, %s, %s)"),
                [(key[0], sql.day_text(key[1]), *blobs, target) for key, blobs in packed],
            )


def _record(key: Key, blobs: tuple[bytes, bytes, bytes, bytes], target: int) -> bytes:
    head = b"\x00\x07\x00\x00\x00\x08" + key[0].to_bytes(8, "big") + b"\x00\x00\x00\x04"
    day = (key[1] - sql.PG_EPOCH_DAY).to_bytes(4, "big", signed=True)
    number = b"\x00\x00\x00\x08" + target.to_bytes(8, "big")
    return head + day + b"".join(map(sql.blob, blobs)) + number
