"""What does an export of changes cost in a large store?

The same channel-days changed since the last export, in a store of few and in one of many: found in
the journal by batch, frozen, read as of the horizon. Work on the store itself would take ten times
as long. Best of several runs.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from benchmarks import fleet
from benchmarks.tables import Line, seconds
from devices import blocks, journal
from devices.counts import counts_pack
from devices.journal import marks, partitions, sql
from devices.models import Batch
from exports.scope import Scope, Selection, frames_read, parts_freeze
from exports.scope.changes import batches_since, journal_days_sql

AIM = 1.2
DAYS = 20
FEW, MANY, CHANGED = 10_000, 100_000, 2_000  # channels, of as many days; channels that change
REPEATS = 9
NOTES = {vendor: ["Alternative: the smaller store."] for vendor in ("postgresql", "sqlite")}
_COLUMNS = "channel_id, day, counts, status"


def measure(quick: bool) -> Iterator[Line]:
    changed = CHANGED // 10 if quick else CHANGED
    took = []
    done = 0
    for channels in (FEW, MANY):
        channels = channels // 10 if quick else channels
        ids = fleet.grow(channels)
        _fill(ids[done:])
        fleet.settle()
        since = journal.horizon()
        _correct(ids[:: channels // changed], since)
        took.append(min(_export(since, changed) for _ in range(REPEATS)))
        done = channels
    NOTES[connection.vendor] += ["", "How the changes are found:", *_plan(since)]
    few, many = took
    what = f"{changed:,} channel-days changed of {done * DAYS:,}"
    yield Line(what, seconds(many), seconds(few), many / few, AIM, at_most=True)


def _fill(channels: Sequence[int]) -> None:
    """Every day of these channels, as its batch and the fold leave it; copied by the database."""
    received = timezone.now()
    days = [fleet.FIRST + timedelta(days=n) for n in range(DAYS)]
    journal.prepare(received)
    partitions.partitions_ensure(partitions.BLOCKS, days)
    [given] = fleet.daily(fleet.readings(channels[:1]))
    counts = given.counts[0]
    month = partitions.month_of(received.date())
    of_channels = f"FROM devices_channel c WHERE c.id BETWEEN {channels[0]} AND {channels[-1]}"
    for day in days:
        with transaction.atomic():
            batch = Batch.objects.create(body_hash=b"", source="scheduled", received=received)
            with connection.cursor() as cursor:
                cursor.execute(
                    f"INSERT INTO devices_journalentry (batch_id, seq, month, first_slot, "
                    f"{_COLUMNS}) SELECT %s, c.id, %s, 0, c.id, %s, %s, %s {of_channels}",
                    [batch.pk, month, day, blocks.pack_entry(counts), b""],
                )
                number = journal.batch_number(batch)
                winners = blocks.pack_numbers(np.full(len(counts), number))
                cursor.execute(
                    f"INSERT INTO devices_intervalblock ({_COLUMNS}, numbers, revisions, "
                    f"folded_to) SELECT c.id, %s, %s, %s, %s, %s, %s {of_channels}",
                    [day, counts_pack(counts[None, :])[0], b"", winners, b"", number],
                )
    marks.mark_raise(marks.FOLD, number)


def _correct(channels: Sequence[int], since: int) -> None:
    """A corrected last day of some channels, taken in and folded."""
    given = fleet.readings(channels, fleet.FIRST + timedelta(days=DAYS - 1))
    given.counts[:] += since  # never as corrected before
    given.status[:] = 0  # a null would replace nothing
    fleet.feed(iter([given]))
    journal.fold_all()


def _export(since: int, changed: int) -> float:
    """How long it takes to freeze and read what changed."""
    began = time.perf_counter()
    scope = Scope(Selection(), None, None, journal.horizon(), order="meter_number", since=since)
    frames = [f for part in parts_freeze(scope) for f in frames_read(part.data, scope)]
    took = time.perf_counter() - began
    assert sum(len(frame.devices) for frame in frames) == changed
    return took


def _plan(since: int) -> list[str]:
    """The plan of the query that finds the changes."""
    scope = Scope(Selection(), None, None, journal.horizon(), since=since)
    query, params = journal_days_sql(batches_since(scope))
    word = "EXPLAIN (COSTS OFF)" if sql.is_postgres() else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{word} {query}", params)
        return [f"    {row[-1]}" for row in cursor.fetchall()]
