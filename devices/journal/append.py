"""Appending a batch and giving it its number, last before commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from devices import blocks
from devices.journal import bulk, locks, marks, sql
from devices.journal.partitions import JOURNAL, month_of, partitions_ensure
from devices.journal.registers import entry_columns
from devices.models import Batch, RegisterEntry
from devices.readings import NEVER, RegisterRead

COLUMNS = "batch_id, seq, month, channel_id, day, first_slot, counts, status"

NUMBER_NEXT = (
    "INSERT INTO devices_watermark (name, number) VALUES (%s, 1) "
    "ON CONFLICT (name) DO UPDATE SET number = devices_watermark.number + 1 RETURNING number"
)
NUMBER_POSTGRES = (
    "SET CONSTRAINTS ALL IMMEDIATE; SELECT pg_advisory_xact_lock(%s); "
    f"WITH mark AS ({NUMBER_NEXT}) "
    "UPDATE devices_batch SET number = mark.number, answer = %s, events = %s FROM mark "
    "WHERE id = %s RETURNING devices_batch.number"
)


class Entry(NamedTuple):
    """A run of slots of one channel-day, packed (`blocks.pack_entry`, `blocks.pack_status`).

    `day`: days since 1970 in the channel's own days. A slot of status NEVER withdraws.
    """

    channel_id: int
    day: int
    first_slot: int
    counts: bytes
    status: bytes


class EntryColumns(NamedTuple):
    """Many entries, a column each member of `Entry`."""

    channels: Sequence[int]
    days: Sequence[int]
    slots: Sequence[int]
    counts: Sequence[bytes]
    status: Sequence[bytes]


def prepare(received: datetime) -> None:
    """Make what a batch received now will need, before its transaction begins."""
    partitions_ensure(JOURNAL, [received.date()])


def entries_append(batch: Batch, entries: Sequence[Entry]) -> None:
    """Append a batch's interval entries, in their order. Inside the batch's transaction."""
    if entries:
        columns_append(batch, EntryColumns(*zip(*entries, strict=True)))


def columns_append(batch: Batch, entries: EntryColumns) -> None:
    """The same of entries as columns, of which there is one at least."""
    month = month_of(batch.received.date())
    if sql.is_postgres():
        rows, columns = bulk.source(
            channel=bulk.ints(entries.channels),
            day=bulk.ints(entries.days),
            slot=bulk.ints(entries.slots),
            counts=bulk.blobs(entries.counts),
            status=bulk.blobs(entries.status),
        )
        with bulk.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO devices_journalentry ({COLUMNS}) "
                "SELECT %s, r.n - 1, %s, r.channel, DATE '1970-01-01' + r.day::int, r.slot, "
                f"r.counts, r.status FROM {rows}",
                [batch.pk, month, *columns],
            )
        return
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO devices_journalentry ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (batch.pk, seq, month.isoformat(), e[0], sql.day_text(e[1]), e[2], e[3], e[4])
                for seq, e in enumerate(zip(*entries, strict=True))
            ],
        )


def registers_append(batch: Batch, reads: Sequence[tuple[int, RegisterRead]]) -> None:
    """Append a batch's register reads, each with its device's key."""
    RegisterEntry.objects.bulk_create(
        [RegisterEntry(batch=batch, **entry_columns(device, read)) for device, read in reads],
        batch_size=2000,
    )


def batch_number(batch: Batch) -> int:
    """Number a batch, with its answer and count of events, which are known only now.

    The last act of its outermost transaction. All constraints are checked first; under the lock
    there is one statement and then COMMIT, so that numbers become visible in their order and
    nobody waits for us while we wait for another.
    """
    what = [batch.answer, batch.events, batch.pk]
    with connection.cursor() as cursor:
        if sql.is_postgres():
            # One message of three statements: nobody waits for our network under the lock.
            cursor.execute(NUMBER_POSTGRES, [locks.NUMBER, marks.BATCH, *what])
            cursor.nextset()
            cursor.nextset()
            batch.number = cursor.fetchone()[0]
        else:
            cursor.execute(NUMBER_NEXT, [marks.BATCH])
            batch.number = cursor.fetchone()[0]
            cursor.execute(
                "UPDATE devices_batch SET number = %s, answer = %s, events = %s WHERE id = %s",
                [batch.number, *what],
            )
    transaction.on_commit(wake, robust=True)
    return batch.number


def wake() -> None:
    """Hint that there is something to fold and to send. Nothing depends on it: the worker sweeps
    anyway."""
    if settings.BROKER_URL:
        import_string("devices.tasks.fold").apply_async(retry=False)
    for name in settings.TMS_COMMIT_HOOKS:
        import_string(name)()


def withdrawal_entry(channel_id: int, day: int, first_slot: int, slots: int) -> Entry:
    """An operator's entry that clears a run of slots; what comes after it counts anew."""
    status = np.full(slots, NEVER, np.uint16)
    return Entry(
        channel_id,
        day,
        first_slot,
        blocks.pack_entry(np.zeros(slots, np.int64)),
        blocks.pack_status(status),
    )
