"""Which entries of a range of batches were versions: against a fold slot by slot."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings, strategies as st

from devices import journal
from devices.journal import fold, versions
from devices.models import Batch
from devices.readings import NEVER, RegisterRead, RegisterValue, Status
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of

pytestmark = pytest.mark.django_db

D = day_of(2026, 3, 14)
ESTIMATED, EDITED, MISSING = int(Status.ESTIMATED), int(Status.EDITED), int(Status.MISSING)
Row = tuple[int, int, int, int, int, int]  # channel, slot from D on, count, status, number, rev


def found(after: int = 0, upto: int | None = None, wanted=None) -> list[Row]:
    """The versions of a range, as plain rows; all lots together."""
    rows: list[Row] = []
    for batches in journal.batches_between(after, journal.horizon() if upto is None else upto):
        for lot in journal.versions_read(batches, wanted):
            columns = (lot.ends, lot.counts, lot.status, lot.numbers, lot.revisions)
            for channel, end, *rest in zip(
                lot.channel.tolist(), *(column.tolist() for column in columns), strict=True
            ):
                rows.append((lot.channel_ids[channel], (end - D * 86400) // 900 - 1, *rest))
    return rows


def test_what_arrives_first_is_a_version_and_what_equals_it_is_none():
    channel = channel_make()
    batch_post([entry_of(channel, D, 4, [1, None])])
    batch_post([entry_of(channel, D, 4, [1, None, 7])])
    assert found() == [
        (channel.pk, 4, 1, 0, 1, 0),
        (channel.pk, 5, 0, MISSING, 1, 0),
        (channel.pk, 6, 7, 0, 2, 0),
    ]
    assert found(1) == [(channel.pk, 6, 7, 0, 2, 0)]


def test_what_loses_is_no_version_and_a_correction_has_its_revision():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [5])])
    batch_post([entry_of(channel, D, 0, [6], ESTIMATED)])  # an estimate never replaces a value
    batch_post([entry_of(channel, D, 0, [8], EDITED)])
    assert found(1) == [(channel.pk, 0, 8, EDITED, 3, 1)]
    journal.fold_all()
    assert found(1) == [(channel.pk, 0, 8, EDITED, 3, 1)]
    assert found(2) == [(channel.pk, 0, 8, EDITED, 3, 1)]


def test_a_withdrawal_is_a_version():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [5])])
    batch_post([journal.withdrawal_entry(channel.pk, D, 0, 2)])
    batch_post([entry_of(channel, D, 0, [5])])
    assert found(1) == [(channel.pk, 0, 0, NEVER, 2, 1), (channel.pk, 0, 5, 0, 3, 2)]


def test_both_versions_of_one_batch_are_found():
    channel = channel_make()
    batch_post([entry_of(channel, D, 0, [1]), entry_of(channel, D, 0, [2])])
    assert found() == [(channel.pk, 0, 1, 0, 1, 0), (channel.pk, 0, 2, 0, 1, 1)]


def test_lengths_of_interval_come_in_their_order():
    quarters, hours = channel_make(), channel_make(seconds=3600)
    batch_post([entry_of(hours, D, 0, [1]), entry_of(quarters, D, 0, [2])])
    batch_post([entry_of(hours, D, 1, [3])])
    assert [row[2] for row in found()] == [1, 2, 3]
    assert [row[1] for row in found()] == [3, 0, 7]


def test_one_day_channels_end_at_local_midnight():
    zone = "America/Chicago"
    channel = channel_make(seconds=86400, zone=zone, grid_offset=-21600)
    batch_post([entry_of(channel, day_of(2026, 3, 8), 0, [9])])  # 23 hours long
    [batches] = journal.batches_between(0, 1)
    [lot] = journal.versions_read(batches)
    assert lot.ends.tolist() == [int(datetime(2026, 3, 9, 5, tzinfo=UTC).timestamp())]


def test_only_wanted_channels_are_folded():
    one, other = channel_make(), channel_make()
    batch_post([entry_of(one, D, 0, [1]), entry_of(other, D, 0, [2])])
    assert [row[0] for row in found(wanted=lambda ids: {other.pk} & set(ids))] == [other.pk]
    assert found(wanted=lambda ids: set()) == []


def test_a_range_that_purge_has_passed_is_refused():
    channel = channel_make()
    for value in (1, 2, 3):
        batch_post([entry_of(channel, D, 0, [value])])
    journal.fold_all()
    journal.purge(before=timezone.now() + timedelta(days=1))
    batch_post([entry_of(channel, D, 0, [4])])
    assert found(3) == [(channel.pk, 0, 4, 0, 4, 3)]
    batch_post([entry_of(channel, D, 0, [5])])
    journal.fold_all()
    assert found(3) == [(channel.pk, 0, 4, 0, 4, 3), (channel.pk, 0, 5, 0, 5, 4)]
    with pytest.raises(journal.HorizonGone):
        list(journal.versions_read(journal.Batches([Batch.objects.get(number=5).pk], 2, 5)))


# --- any journal ----------------------------------------------------------------------------------

VALUES = st.one_of(st.none(), st.integers(0, 3))
ENTRY = st.tuples(
    st.integers(0, 1),  # channel
    st.integers(0, 1),  # day
    st.integers(0, 3),  # first slot
    st.lists(VALUES, min_size=1, max_size=3),
    st.sampled_from([0, 0, 0, ESTIMATED, EDITED, -1]),  # -1: a withdrawal
)
BATCHES = st.lists(
    st.tuples(st.lists(ENTRY, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6
)


def rank(status: int) -> int:
    if status & NEVER == NEVER:
        return -1
    if status & MISSING:
        return 0
    return 3 if status & EDITED else 1 if status & ESTIMATED else 2


def plain_versions(posted: list[tuple[int, list[tuple]]]) -> list[Row]:
    """The fold rule, one slot at a time."""
    stands: dict[tuple[int, int], tuple[int, int]] = {}
    times: dict[tuple[int, int], int] = {}
    rows: list[Row] = []
    for number, entries in posted:
        for channel, day, first, values, status in entries:
            for place, value in enumerate(values):
                key = (channel, day * 96 + first + place)
                old = stands.get(key, (0, NEVER))
                if status == -1:
                    new = (0, NEVER)
                    wins = rank(old[1]) >= 0
                else:
                    new = (value or 0, MISSING if value is None else status)
                    wins = rank(new[1]) >= rank(old[1])
                if wins and new != old:
                    stands[key] = new
                    rows.append((*key, *new, number, times.get(key, 0)))
                    times[key] = times.get(key, 0) + 1
    return rows


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(BATCHES, st.integers(0, 6), st.integers(0, 6), st.sampled_from([1, 3, 10_000]))
def test_versions_are_those_of_the_fold_rule(batches, skipped, taken, cells):
    channels = [channel_make(), channel_make()]
    start = journal.horizon()
    posted = []
    for entries, folded in batches:
        journal_entries = [
            journal.withdrawal_entry(channels[c].pk, D + day, first, len(values))
            if status == -1
            else entry_of(channels[c], D + day, first, values, status)
            for c, day, first, values, status in entries
        ]
        posted.append((batch_post(journal_entries), entries))
        if folded:
            fold.fold_step()
    expected = [(channels[row[0]].pk, *row[1:]) for row in plain_versions(posted)]
    after = min(start + skipped, journal.horizon())
    upto = min(after + taken, journal.horizon())
    limit, versions.LOT_CELLS = versions.LOT_CELLS, cells
    try:
        ours = {channel.pk for channel in channels}
        assert found(after, upto, lambda ids: ours & set(ids)) == [
            row for row in expected if after < row[4] <= upto
        ]
    finally:
        versions.LOT_CELLS = limit


# --- register totals ------------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 4, 1, 5, tzinfo=UTC)


def read_of(value: str | None, kind: str = "CUR", number: int | None = 1, **words) -> RegisterRead:
    fields = {"status": MISSING if value is None else 0, **words}
    amount = None if value is None else Decimal(value)
    total = RegisterValue("SUM", "KWH", "DEL", value=amount, number=number, **fields)
    peak = RegisterValue("MAX", "KW", "DEL", value=Decimal(7), number=2)
    return RegisterRead(MIDNIGHT, kind, (total, peak), source="SR")


def totals(after: int = 0, wanted=None) -> list[tuple]:
    return [
        (total.number, total.value.value, total.value.number, total.source, total.revision)
        for batches in journal.batches_between(after, journal.horizon())
        for total in journal.totals_read(batches, wanted)
    ]


@pytest.mark.parametrize("folded", [False, True])
def test_totals_have_the_revision_of_their_register_at_that_time(folded):
    device = device_make()
    for read in (
        read_of(None),
        read_of("10.5"),
        read_of("10.5"),
        read_of("10.5", "SR"),  # another read says the same: nothing new
        read_of("10.6", "SR", source="ED", status=EDITED),
        read_of("10.4"),  # loses against what was edited
    ):
        batch_post([], [(device.pk, read)])
        if folded:
            journal.fold_all()
    assert totals() == [
        (1, None, 1, "SR", 0),
        (2, Decimal("10.5"), 1, "SR", 1),
        (5, Decimal("10.6"), 1, "ED", 2),
    ]
    assert totals(2) == [(5, Decimal("10.6"), 1, "ED", 2)]


def test_totals_come_in_the_order_of_their_reads():
    one, other = device_make(), device_make()
    batch_post([], [(other.pk, read_of("1", number=None)), (one.pk, read_of("2"))])
    assert [(row[1], row[2]) for row in totals()] == [(Decimal(1), None), (Decimal(2), 1)]
    assert [row[1] for row in totals(wanted=lambda ids: {one.pk} & set(ids))] == [Decimal(2)]
    assert totals(wanted=lambda ids: set()) == []


def test_nothing_arrived():
    assert list(journal.batches_between(0, 0)) == []
    batch_post([])
    assert found() == []
    assert totals() == []
    assert np.array_equal(found(1), [])
