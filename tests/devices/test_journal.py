"""The store: appending, numbering, folding in any cut, reading as of a number, purging."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies as st

from devices import blocks, journal
from devices.journal import fold, marks, partitions
from devices.models import BaseBlock, Batch, IntervalBlock, JournalEntry, RegisterSnapshot
from devices.readings import DAY, NEVER, RegisterRead, RegisterValue, Status
from tests.devices.factories import (
    batch_post,
    channel_make,
    day_of,
    day_read,
    device_make,
    entry_of,
    shown,
)

pytestmark = pytest.mark.django_db

ESTIMATED, EDITED = int(Status.ESTIMATED), int(Status.EDITED)
D = day_of(2026, 3, 14)
BLOCK_FIELDS = ("counts", "status", "numbers", "revisions")


def stored_blocks():
    rows = IntervalBlock.objects.order_by("channel_id", "day")
    return [tuple(bytes(v) for v in row) for row in rows.values_list(*BLOCK_FIELDS)]


def test_readings_are_there_before_and_after_the_fold():
    channel = channel_make()
    batch_post([entry_of(channel, D, 4, [1, None, 3])])
    before = shown(day_read(channel, D))
    assert before == [(1, 0, 0), (None, 1, 0), (3, 0, 0)]
    assert not IntervalBlock.objects.exists()
    assert journal.fold_all() == journal.horizon() == 1
    assert shown(day_read(channel, D)) == before


def test_a_repeated_batch_makes_no_new_version():
    channel = channel_make()
    for _ in range(2):
        batch_post([entry_of(channel, D, 0, [5, None])])
        journal.fold_all()
    series = day_read(channel, D)
    assert shown(series) == [(5, 0, 0), (None, 1, 0)]
    assert series.numbers[:2].tolist() == [1, 1]


def test_a_withdrawal_clears_a_slot_and_what_follows_counts_anew():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [5, 6], EDITED)])
    batch_post([journal.withdrawal_entry(channel.pk, D, 1, 1)])
    journal.fold_all()
    assert shown(day_read(channel, D)) == [(5, EDITED, 0)]
    batch_post([entry_of(channel, D, 1, [7], ESTIMATED)])
    assert shown(day_read(channel, D)) == [(5, EDITED, 0), (7, ESTIMATED, 2)]


def test_the_later_entry_of_one_batch_wins():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [1]), entry_of(channel, D, 0, [2])])
    assert shown(day_read(channel, D)) == [(2, 0, 1)]


def test_large_counts_widen_the_block():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [1])])
    journal.fold_all()
    batch_post([entry_of(channel, D, 1, [-(2**40)])])
    assert shown(day_read(channel, D)) == [(1, 0, 0), (-(2**40), 0, 0)]
    journal.fold_all()
    assert shown(day_read(channel, D)) == [(1, 0, 0), (-(2**40), 0, 0)]
    assert shown(day_read(channel, D, horizon=1)) == [(1, 0, 0)]


def test_a_day_of_another_grid_is_read_by_its_own_ends():
    india = channel_make(seconds=3600, grid_offset=19800)
    batch_post([entry_of(india, D, 0, list(range(24)))])
    start = D * DAY - 19800
    series = journal.series_read([india], start + 3600, start + 3 * 3600)[0]
    assert series.ends.tolist() == [start + 2 * 3600, start + 3 * 3600]
    assert series.counts.tolist() == [1, 2]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25)])
def test_one_day_channels_on_clock_change_dates(day, hours):
    zone = "Europe/London"
    channel = channel_make(seconds=DAY, zone=zone)
    number = blocks.day_number(day)
    batch_post([entry_of(channel, n, 0, [n - number + 5]) for n in range(number - 1, number + 2)])
    start = blocks.local_midnight(zone, day)
    series = journal.series_read([channel], start, start + hours * 3600)[0]
    assert (series.counts.tolist(), series.ends.tolist()) == ([5], [start + hours * 3600])
    assert journal.series_read([channel], start, start + hours * 3600 - 1)[0].ends.size == 0


@pytest.mark.parametrize("year", [2011, 2099])
def test_old_and_far_stamps_are_stored_like_any_other(year):
    channel = channel_make()
    batch_post([entry_of(channel, day_of(year, 9, 20), 0, [year])])
    journal.fold_all()
    assert shown(day_read(channel, day_of(year, 9, 20))) == [(year, 0, 0)]


def test_channels_of_several_grids_come_back_in_the_order_asked():
    device = device_make()
    hourly = channel_make(device, number=2, seconds=3600)
    quarter = channel_make(device, number=1)
    daily = channel_make(device, number=3, seconds=DAY, zone="UTC")
    batch_post([entry_of(c, D, 0, [c.number]) for c in (hourly, quarter, daily)])
    series = journal.series_read([daily, hourly, quarter], D * DAY, (D + 1) * DAY)
    assert [(s.channel.number, s.counts[0], len(s.ends)) for s in series] == [
        (3, 3, 1),
        (2, 2, 24),
        (1, 1, 96),
    ]


@pytest.mark.parametrize("versions", [True, False])
def test_a_channel_of_another_grid_between_those_asked_for_is_left_out(versions):
    device = device_make()
    kinds = [(1, 900), (2, 3600), (3, 900)]
    channels = [channel_make(device, number=n, seconds=s) for n, s in kinds]
    batch_post([entry_of(channel, D, 0, [number]) for number, channel in enumerate(channels, 1)])
    journal.fold_all()
    asked = [journal.ChannelKey.of(channel) for channel in (channels[0], channels[2])]
    period = (D * DAY, D * DAY + 900)
    [table] = journal.tables_read(asked, *period, versions=versions)
    assert table.counts.tolist() == [[1], [3]]


def test_an_empty_period_has_no_slots():
    channel = channel_make()
    assert journal.series_read([channel], D * DAY, D * DAY)[0].ends.size == 0
    assert journal.tables_read([], D * DAY, (D + 1) * DAY) == []


# --- horizons ----------------------------------------------------------------------------------


def history(channel):
    """Six batches and, for each number, what stands then."""
    for values, status in (
        ([1, 2, None], 0),
        ([None, 9, 3], ESTIMATED),
        ([4], 0),
        ([5, 5, 5], EDITED),
        ([6, 6, 6], 0),
    ):
        batch_post([entry_of(channel, D, 0, values, status)])
    batch_post([journal.withdrawal_entry(channel.pk, D, 0, 1)])


def test_a_reading_as_of_a_number_never_changes():
    channel = channel_make()
    history(channel)
    seen = {n: shown(day_read(channel, D, horizon=n)) for n in range(7)}
    assert seen[0] == []
    assert seen[1] == [(1, 0, 0), (2, 0, 0), (None, 1, 0)]
    assert seen[2] == [(1, 0, 0), (2, 0, 0), (3, ESTIMATED, 1)]
    assert seen[4] == [(5, EDITED, 2), (5, EDITED, 1), (5, EDITED, 2)]
    while fold.fold_step(limit=1):
        assert {n: shown(day_read(channel, D, horizon=n)) for n in range(7)} == seen
    batch_post([entry_of(channel, D, 0, [7, 7, 7], EDITED)])
    journal.fold_all()
    assert {n: shown(day_read(channel, D, horizon=n)) for n in range(7)} == seen


def test_purge_leaves_every_reading_from_its_bound_on_as_it_was(settings):
    channel, other = channel_make(), channel_make()
    history(channel)
    journal.fold_all()
    Batch.objects.filter(number__lte=3).update(received=timezone.now() - timedelta(days=500))
    batch_post([entry_of(other, D, 0, [8])])
    seen = {n: shown(day_read(channel, D, horizon=n)) for n in range(3, 8)}
    assert journal.purge() == {"number": 3, "entries": 3}
    assert JournalEntry.objects.count() == 4
    assert BaseBlock.objects.get().folded_to == 3
    assert {n: shown(day_read(channel, D, horizon=n)) for n in range(3, 8)} == seen
    with pytest.raises(journal.HorizonGone, match="as of batch 2"):
        day_read(channel, D, horizon=2)
    assert journal.purge() == {"number": 3, "entries": 0}
    settings.TMS_PURGE_BOUNDS = ["tests.devices.test_journal.bound_of_five"]
    assert journal.purge(timezone.now() + timedelta(days=1))["number"] == 5
    assert {n: shown(day_read(channel, D, horizon=n)) for n in range(5, 8)} == {
        n: seen[n] for n in range(5, 8)
    }


def bound_of_five():
    return 5


def test_purge_stops_at_the_fold():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [1])])
    assert journal.purge(timezone.now() + timedelta(days=1)) == {"number": 0, "entries": 0}


def test_a_purge_that_died_half_way_is_finished_by_the_next():
    channel = channel_make()
    history(channel)
    journal.fold_all()
    seen = shown(day_read(channel, D))
    marks.mark_raise(marks.BASE, 6)  # what stands after the first step of a purge
    assert shown(day_read(channel, D)) == seen
    journal.purge(timezone.now() + timedelta(days=1))
    assert not JournalEntry.objects.exists()
    assert shown(day_read(channel, D)) == seen


# --- any cutting, timing and repetition ----------------------------------------------------------

VALUE = st.one_of(st.none(), st.integers(0, 5))
ENTRY = st.tuples(
    st.integers(0, 1),  # channel
    st.integers(0, 1),  # day
    st.integers(0, 20),  # first slot
    st.lists(VALUE, min_size=1, max_size=3),
    st.sampled_from([0, ESTIMATED, EDITED]),
)


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.lists(ENTRY, min_size=1, max_size=3), min_size=1, max_size=6), st.data())
def test_however_the_fold_is_cut_the_blocks_are_the_same(batches, data):
    _empty_store()
    channels = [channel_make(), channel_make(seconds=3600)]
    for batch in batches:
        batch_post([entry_of(channels[c], D + d, slot, v, s) for c, d, slot, v, s in batch])
        for _ in range(data.draw(st.integers(0, 2))):
            fold.fold_step(limit=data.draw(st.sampled_from([1, 200])))
    journal.fold_all()
    stepwise = stored_blocks()
    IntervalBlock.objects.all().delete()
    ids = list(Batch.objects.order_by("number").values_list("pk", flat=True))
    fold.fold_batches(ids, len(ids))
    assert stored_blocks() == stepwise
    fold.fold_batches(ids, len(ids))  # again: nothing moves
    assert stored_blocks() == stepwise


def _empty_store():
    for model in (JournalEntry, IntervalBlock, BaseBlock, Batch):
        model.objects.all().delete()
    marks.Watermark.objects.all().delete()


def test_a_stale_fold_does_not_undo_a_newer_one():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [1])])
    batch_post([entry_of(channel, D, 0, [2])])
    journal.fold_all()
    days = blocks.Days.empty(1, 96)
    fold.store("devices_intervalblock", [(channel.pk, D)], days, [0], 1)
    assert shown(day_read(channel, D)) == [(2, 0, 1)]


def test_a_fold_that_died_before_its_watermark_is_repeated_without_harm():
    channel = channel_make()
    history(channel)
    ids = list(Batch.objects.order_by("number").values_list("pk", flat=True))
    entries = fold.entries_of(fold.sql.rows(fold.entry_sql("b.number <= %s"), [4]))
    fold.fold_chunk(list(entries), 4)  # blocks written, W still 0
    seen = {n: shown(day_read(channel, D, horizon=n)) for n in range(7)}
    assert seen[4] == [(5, EDITED, 2), (5, EDITED, 1), (5, EDITED, 2)]
    fold.fold_batches(ids, 6)
    assert {n: shown(day_read(channel, D, horizon=n)) for n in range(7)} == seen


# --- registers ---------------------------------------------------------------------------------

AT = datetime(2026, 4, 1, 5, tzinfo=UTC)


def read_of(value, *, status=0, rate="T", source="SC", **fields):
    amount = None if value is None else Decimal(value)
    return RegisterRead(
        AT,
        "SR",
        (RegisterValue("SUM", "KWH", "DEL", rate, amount, number=1, status=status),),
        source=source,
        **fields,
    )


def reads(device, horizon=None):
    found = journal.registers_read([device.pk], AT, AT + timedelta(days=1), horizon=horizon)
    return found.get(device.pk, [])


def test_register_reads_come_back_as_posted_before_and_after_the_fold():
    device = device_make()
    posted = read_of("45812.347", season=1, reset_count=17, reset_time=AT - timedelta(days=30))
    batch_post([], [(device.pk, posted)])
    assert reads(device) == [posted]
    journal.fold_all()
    assert reads(device) == [posted]
    assert str(reads(device)[0].values[0].value) == "45812.347"


def test_register_values_merge_by_rank_and_each_change_is_a_version():
    device = device_make()
    for read in (
        read_of("10", status=ESTIMATED),
        read_of("11"),
        read_of("11", source="IM"),  # the same again: no version
        read_of(None, status=int(Status.MISSING)),  # a null never replaces a value
        read_of("3", rate="A"),
    ):
        batch_post([], [(device.pk, read)])
    seen = {n: [[str(v.value) for v in r.values] for r in reads(device, n)] for n in range(6)}
    assert seen == {
        0: [],
        1: [["10"]],
        2: [["11"]],
        3: [["11"]],
        4: [["11"]],
        5: [["11", "3"]],
    }
    while fold.fold_step(limit=1):
        pass
    assert {n: [[str(v.value) for v in r.values] for r in reads(device, n)] for n in range(6)} == (
        seen
    )
    assert list(RegisterSnapshot.objects.order_by("number").values_list("number", "revision")) == [
        (1, 0),
        (2, 1),
        (5, 2),
    ]
    ids = list(Batch.objects.order_by("number").values_list("pk", flat=True))
    journal.fold.fold_batches(ids, 5)
    assert RegisterSnapshot.objects.count() == 3


def test_reads_of_the_period_only_and_with_its_end_when_asked():
    device = device_make()
    batch_post([], [(device.pk, read_of("1"))])
    day = timedelta(days=1)
    assert journal.registers_read([device.pk], AT - day, AT) == {}
    assert len(journal.registers_read([device.pk], AT - day, AT, closed=True)) == 1
    assert journal.registers_read([device.pk], AT, AT + day, read_types=["CUR"]) == {}


def test_never_is_no_public_status():
    series = day_read(channel_make(), D)
    assert np.all(series.status == NEVER)
    assert series.numbers.max() == 0


def test_maintenance_of_partitions_is_nothing_where_there_are_none():
    if fold.sql.is_postgres():
        assert partitions.partitions_maintain().keys() == {"made", "dropped", "merged"}
    else:
        assert partitions.partitions_maintain() == {"made": 0, "dropped": 0, "merged": 0}
