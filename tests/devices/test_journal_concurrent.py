"""The store under open transactions and races, on connections of their own."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from devices import blocks, journal
from devices.journal import partitions
from devices.models import Batch
from tests.devices.factories import batch_post, channel_make, day_of, day_read, entry_of, shown

D = day_of(2026, 3, 14)
postgres = pytest.mark.postgres


def closing(function):
    """Run in a thread and close its database connections."""

    def run(*args):
        try:
            return function(*args)
        finally:
            connections.close_all()

    return run


def open_batch(entries):
    """A batch written but not numbered."""
    batch = Batch.objects.create(
        body_hash=b"\0" * 32, source="SC", received=timezone.now(), intervals=96
    )
    journal.entries_append(batch, entries)
    return batch


@postgres
@pytest.mark.django_db(transaction=True)
def test_numbers_become_visible_in_their_order():
    """Two open transactions: the one that numbers first commits first, the other waits."""
    channel = channel_make()
    journal.prepare(timezone.now())
    numbered, may_commit, second_asks = (threading.Event() for _ in range(3))
    numbers = {}

    @closing
    def first():
        with transaction.atomic():
            numbers["first"] = journal.batch_number(open_batch([entry_of(channel, D, 0, [1])]))
            numbered.set()
            assert may_commit.wait(30)

    @closing
    def second():
        with transaction.atomic():
            batch = open_batch([entry_of(channel, D, 1, [2])])
            second_asks.set()
            numbers["second"] = journal.batch_number(batch)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert numbered.wait(30)
        two = pool.submit(second)
        assert second_asks.wait(30)
        _wait_for_lock()
        assert journal.horizon() == 0  # neither is visible, and "second" has no number yet
        assert "second" not in numbers
        may_commit.set()
        one.result(30)
        two.result(30)
    assert numbers == {"first": 1, "second": 2}


def _wait_for_lock():
    """Until somebody waits for an advisory lock."""
    for _ in range(3000):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_sleep(0.01), count(*) FROM pg_locks "
                "WHERE locktype = 'advisory' AND NOT granted"
            )
            if cursor.fetchone()[1]:
                return
    raise AssertionError("nobody waited for the numbering lock")


@pytest.mark.django_db(transaction=True)
def test_batches_racing_for_one_new_channel_day_lose_nothing():
    channel = channel_make()
    journal.prepare(timezone.now())

    @closing
    def post(slot):
        return batch_post([entry_of(channel, D, slot, [slot])])

    @closing
    def folder():
        return journal.fold_all()

    with ThreadPoolExecutor(4) as pool:
        posts = [pool.submit(post, slot) for slot in range(24)]
        folds = [pool.submit(folder) for _ in range(8)]
        numbers = sorted(p.result(60) for p in posts)
        for f in folds:
            f.result(60)
    assert numbers == list(range(1, 25))
    journal.fold_all()
    assert shown(day_read(channel, D)) == [(slot, 0, 0) for slot in range(24)]


@postgres
@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_fails_leaves_no_gap_and_no_rows():
    channel = channel_make()
    journal.prepare(timezone.now())

    @transaction.atomic
    def fail():
        journal.batch_number(open_batch([entry_of(channel, D, 0, [1])]))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not Batch.objects.exists()
    assert batch_post([entry_of(channel, D, 0, [1])]) == 1


@postgres
@pytest.mark.django_db(transaction=True)
def test_partitions_are_made_when_needed_and_merged_when_old():
    def names():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits "
                "WHERE inhparent = 'devices_intervalblock'::regclass"
            )
            return {row[0] for row in cursor.fetchall()}

    channel = channel_make()
    today = timezone.now().date()
    recent = partitions.month_add(partitions.month_of(today), -2)
    for day in (day_of(2011, 9, 20), day_of(recent.year, recent.month, 3), day_of(2099, 1, 1)):
        batch_post([entry_of(channel, day, 0, [7])])
    journal.fold_all()
    name = f"devices_intervalblock_{recent:%Y%m}"
    assert {name, "devices_intervalblock_209901", "devices_intervalblock_old"} <= names()
    partitions._blocks_merge(partitions.month_add(recent, 1))
    assert name not in names()
    assert shown(day_read(channel, day_of(recent.year, recent.month, 3))) == [(7, 0, 0)]
    batch_post([entry_of(channel, day_of(recent.year, recent.month, 3), 0, [8])])
    journal.fold_all()
    assert shown(day_read(channel, day_of(recent.year, recent.month, 3))) == [(8, 0, 1)]


def filled(month):
    """Whether the pages of a month's blocks are filled at first, or have room."""
    with connection.cursor() as cursor:
        name = f"devices_intervalblock_{month:%Y%m}"
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [name])
        return "fillfactor=50" not in cursor.fetchone()[0]


@postgres
@pytest.mark.django_db(transaction=True)
def test_blocks_that_are_written_again_get_room_and_those_of_the_next_month_too():
    channel = channel_make()
    whole, pieces = date(2031, 1, 5), date(2031, 3, 5)
    for day in (whole, whole + timedelta(days=1)):
        batch_post([entry_of(channel, blocks.day_number(day), 0, [1] * 96)])
        journal.fold_all()
    for slot in range(3):
        batch_post([entry_of(channel, blocks.day_number(pieces), slot, [slot])])
        journal.fold_all()
    batch_post([entry_of(channel, blocks.day_number(date(2031, 4, 1)), 0, [1] * 96)])
    journal.fold_all()
    assert filled(whole)
    assert not filled(pieces)
    assert not filled(date(2031, 4, 1))
    assert shown(day_read(channel, blocks.day_number(pieces)))[:3] == [
        (0, 0, 0),
        (1, 0, 0),
        (2, 0, 0),
    ]


@postgres
@pytest.mark.django_db(transaction=True)
def test_maintenance_makes_the_coming_month_and_drops_emptied_journal_months():
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE devices_journalentry_202401 PARTITION OF devices_journalentry "
            "FOR VALUES FROM ('2024-01-01') TO ('2024-02-01')"
        )
    partitions._known.clear()
    made = partitions.partitions_maintain()
    assert made["dropped"] == 1
    assert partitions.partitions_maintain() == {"made": 0, "dropped": 0, "merged": 0}
