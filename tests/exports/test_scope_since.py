"""What a run reads of what changed since a batch: slots, whole days, spans; reads, events."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from devices import journal
from devices.models import FunctionalGroup, Installation, Membership
from devices.readings import CHANGED, DAY, NEVER, RegisterRead, RegisterValue, instant
from devices.services.channels import channel_change
from exports.scope import (
    ExtraDay,
    ExtraRead,
    Scope,
    Selection,
    changed,
    changed_since,
    frames_read,
    parts_freeze,
)
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of
from tests.exports.test_scope import event_post

pytestmark = pytest.mark.django_db

D = day_of(2026, 3, 14)
START = datetime(2026, 3, 14, tzinfo=UTC)
LONG_AGO = START - timedelta(days=400)


def scope(since, **given):
    chosen = {k: given.pop(k) for k in ("groups", "devices", "channels", "units") if k in given}
    asked = {"start": None, "end": None, "horizon": journal.horizon(), "since": since} | given
    return Scope(Selection(**chosen), **asked)


def meters(asked, devices=2500):
    return [
        meter
        for part in parts_freeze(asked, devices)
        for frame in frames_read(part.data, asked)
        for meter in frame.meters()
    ]


def sent(asked, devices=2500):
    """(device, channel, {hours since the 14th: count}) of all that is not NEVER."""
    found = []
    for meter in meters(asked, devices):
        for series in meter.series:
            slots = {
                (end - D * DAY) / 3600: (count if status < CHANGED else (count, "new"))
                for end, count, status in zip(
                    series.ends.tolist(),
                    series.counts.tolist(),
                    series.status.tolist(),
                    strict=True,
                )
                if status != NEVER
            }
            found.append((meter.device.device_id, series.channel.number, slots))
    return found


def hourly(device_id="M", number=1, device=None, **fields):
    return channel_make(device or device_make(device_id), number=number, seconds=3600, **fields)


def test_only_slots_that_a_newer_batch_won_are_sent():
    channel, other = hourly("A"), hourly("B")
    batch_post([entry_of(channel, D, 0, [1, 2, 3]), entry_of(other, D, 0, [1])])
    before = journal.horizon()
    batch_post([entry_of(channel, D, 1, [20, 3]), entry_of(channel, D + 3, 5, [7])])
    expected = [("A", 1, {2.0: 20, 78.0: 7})]
    assert sent(scope(before)) == expected
    journal.fold_all()
    assert sent(scope(before)) == expected
    assert sent(scope(0)) == [
        ("A", 1, {1.0: 1, 2.0: 20, 3.0: 3, 78.0: 7}),
        ("B", 1, {1.0: 1}),
    ]


def test_the_horizon_bounds_what_is_new():
    channel = hourly()
    batch_post([entry_of(channel, D, 0, [1])])
    asked = scope(0)
    batch_post([entry_of(channel, D, 0, [2, 3])])
    journal.fold_all()
    assert sent(asked) == [("M", 1, {1.0: 1})]


def test_a_repeat_and_a_withdrawal_send_nothing():
    channel = hourly()
    batch_post([entry_of(channel, D, 0, [1, 2])])
    before = journal.horizon()
    batch_post([entry_of(channel, D, 0, [1])])
    batch_post([journal.withdrawal_entry(channel.pk, D, 1, 1)])
    asked = scope(before)
    assert changed_since(asked)
    assert len(list(parts_freeze(asked))) == 1
    assert sent(asked) == []


def test_nothing_new_is_known_without_reading_anything():
    channel = hourly()
    batch_post([entry_of(channel, D, 0, [1])])
    asked = scope(journal.horizon())
    assert not changed_since(asked)
    assert list(parts_freeze(asked)) == []


def test_a_number_that_purge_has_passed_is_refused():
    channel = hourly()
    batch_post([entry_of(channel, D, 0, [1])], received=LONG_AGO)
    journal.fold_all()
    journal.purge(before=START)
    with pytest.raises(journal.HorizonGone, match="since batch 0"):
        list(parts_freeze(scope(0)))


def test_whole_local_days_of_the_devices_or_the_files_zone():
    chicago = device_make("C", time_zone="America/Chicago")
    channel = hourly(device=chicago)
    batch_post([entry_of(channel, day, 0, list(range(24))) for day in (D - 1, D, D + 1)])
    before = journal.horizon()
    batch_post([entry_of(channel, D, 4, [99])])  # ends at 05:00, midnight in Chicago
    [(_, _, slots)] = sent(scope(before, grain="day"))
    assert (min(slots), max(slots), len(slots), slots[5.0]) == (-18.0, 5.0, 24, 99)
    [(_, _, slots)] = sent(scope(before, grain="day", zone="UTC"))
    assert (min(slots), max(slots), len(slots)) == (1.0, 24.0, 24)


def test_a_span_runs_from_the_meters_first_to_its_last_changed_slot_in_all_its_channels():
    device = device_make("S")
    one, two = hourly(device=device), hourly(device=device, number=2)
    away = hourly("T")
    batch_post([entry_of(c, day, 0, [5] * 24) for c in (one, two, away) for day in (D, D + 2)])
    before = journal.horizon()
    batch_post([entry_of(one, D, 22, [7]), entry_of(two, D + 2, 0, [8])])
    assert sent(scope(before, grain="span")) == [
        ("S", 1, {23.0: (7, "new"), 24.0: 5, 49.0: 5}),
        ("S", 2, {23.0: 5, 24.0: 5, 49.0: (8, "new")}),
    ]


def test_the_selection_and_the_period_narrow_what_changed():
    device = device_make("A")
    channels = [hourly(device=device, number=n, unit=u) for n, u in ((1, "KWH"), (2, "KVARH"))]
    batch_post([entry_of(c, day, 0, [c.number] * 24) for c in channels for day in (D, D + 9)])
    assert [row[1] for row in sent(scope(0, units=("KVARH",)))] == [2]
    assert [row[1] for row in sent(scope(0, channels=(1,)))] == [1]
    assert sent(scope(0, devices=("B",))) == []
    end = START + timedelta(hours=2)
    assert sent(scope(0, channels=(1,), start=START, end=end)) == [("A", 1, {1.0: 1, 2.0: 1})]


def test_membership_is_judged_at_each_values_time():
    group = FunctionalGroup.objects.create(code="G")
    device = device_make("M")
    Installation.objects.create(device=device, valid_from=LONG_AGO, service_point_id="SP")
    Membership.objects.create(
        device=device, group=group, valid_from=START + timedelta(hours=2),
        valid_to=START + timedelta(hours=4),
    )  # fmt: skip
    batch_post([entry_of(hourly(device=device), D, 0, list(range(24)))])
    batch_post([entry_of(hourly("N"), D, 0, list(range(24)))])
    assert sent(scope(0, groups=("G",))) == [("M", 1, {3.0: 2, 4.0: 3})]


def test_what_is_owed_comes_with_its_own_number():
    late, both, gone = hourly("A"), hourly("B"), hourly("C")
    batch_post([entry_of(c, D, 0, [1]) for c in (late, both, gone)])
    first = journal.horizon()
    batch_post([entry_of(late, D, 1, [2])])
    batch_post([entry_of(both, D, 1, [3])])
    before = journal.horizon()
    batch_post([entry_of(both, D, 2, [4])])
    extra = (
        ExtraDay(late.pk, D, first),
        ExtraDay(both.pk, D, 0),
        ExtraDay(gone.pk, D, first),  # nothing newer
    )
    assert sent(scope(before)) == [("B", 1, {3.0: 4})]
    assert sent(scope(before, extra=extra)) == [
        ("A", 1, {2.0: 2}),
        ("B", 1, {1.0: 1, 2.0: 3, 3.0: 4}),
    ]
    assert changed_since(scope(journal.horizon(), extra=extra))


def test_eras_and_moves_divide_what_changed():
    device = device_make("E")
    noon = START + timedelta(hours=12)
    Installation.objects.create(
        device=device, valid_from=LONG_AGO, valid_to=noon, service_point_id="SP1"
    )
    Installation.objects.create(device=device, valid_from=noon, service_point_id="SP2")
    old = hourly(device=device)
    batch_post([entry_of(old, D, 10, [1])])
    new = channel_change(old, at=noon, resolution=Decimal("0.01"))
    batch_post([entry_of(new, D, 12, [2])])
    assert [
        (m.device.service_point_id, s.channel.resolution, s.counts[s.status != NEVER].tolist())
        for m in meters(scope(0))
        for s in m.series
    ] == [("SP1", Decimal("0.001"), [1]), ("SP2", Decimal("0.01"), [2])]


def test_channels_of_scattered_days_are_read_apart_and_alike(monkeypatch):
    channels = [hourly(f"D{n}") for n in range(4)]
    batch_post([entry_of(c, D + 100 * n, n, [n]) for n, c in enumerate(channels)])
    together = sent(scope(0))
    assert [slots for _, _, slots in together] == [{2400.0 * n + n + 1: n} for n in range(4)]
    monkeypatch.setattr(changed, "SPARSE", 0)
    assert sent(scope(0)) == together
    assert sent(scope(0), devices=1) == together


def read_at(when, value):
    return RegisterRead(
        when, "CUR", (RegisterValue("SUM", "KWH", "DEL", "T", Decimal(value)),), source="SC"
    )


def test_register_reads_whose_latest_version_is_newer():
    a, b = device_make("A"), device_make("B")
    noon = START + timedelta(hours=12)
    batch_post([], [(a.pk, read_at(START, 1)), (b.pk, read_at(START, 2))])
    before = journal.horizon()
    batch_post([], [(a.pk, read_at(START, 1)), (b.pk, read_at(noon, 4))])

    def reads(**given):
        asked = scope(before, registers=True, **given)
        return [
            (m.device.device_id, [int(r.values[0].value) for r in m.reads]) for m in meters(asked)
        ]

    assert reads() == [("B", [4])]
    journal.fold_all()
    assert reads() == [("B", [4])]
    owed = ExtraRead(a.pk, "CUR", START, 0)
    assert reads(extra_reads=(owed, owed._replace(since=1))) == [("A", [1]), ("B", [4])]
    assert reads(start=START, end=noon) == []


def test_events_that_newer_batches_brought():
    device, other = device_make("A"), device_make("B")
    event_post(other, START)
    before = journal.horizon()
    event_post(device, START)
    asked = scope(before, events=True)
    event_post(device, START + timedelta(hours=1))
    assert [(m.device.device_id, [e.time for e in m.events]) for m in meters(asked)] == [
        ("A", [START])
    ]
    assert meters(replace(asked, end=START)) == []


def test_batches_behind_the_numbers_of_slots():
    channel = hourly()
    batch_post([entry_of(channel, D, 0, [1])], received=START)
    batch_post([entry_of(channel, D, 1, [2])], received=START + timedelta(hours=1))
    for asked in (
        scope(0, arrivals=True),
        scope(None, start=START, end=START + timedelta(hours=3), arrivals=True),
    ):
        [part] = parts_freeze(asked)
        [frame] = frames_read(part.data, asked)
        [series] = next(frame.meters()).series
        first, second = series.numbers[:2].tolist()
        assert frame.arrivals[first].received == START
        assert frame.arrivals[second].received == START + timedelta(hours=1)
        assert set(frame.arrivals) == {first, second}


def test_a_frozen_part_is_read_the_same_after_the_inventory_changed():
    device = device_make("F")
    Installation.objects.create(device=device, valid_from=LONG_AGO, service_point_id="SP1")
    batch_post([entry_of(hourly(device=device), D, 0, [1])])
    asked = scope(0)
    [part] = parts_freeze(asked)
    Installation.objects.update(service_point_id="SP2")
    [frame] = frames_read(part.data, asked)
    assert frame.devices[0].service_point_id == "SP1"
    assert np.array_equal(frame.sheets[0].counts, [[1]])


def test_without_a_horizon_it_is_taken_when_freezing():
    batch_post([entry_of(hourly(), D, 0, [1])])
    [part] = parts_freeze(replace(scope(0), horizon=None))
    assert part.horizon == journal.horizon()
    with pytest.raises(ValueError, match="no horizon yet"):
        _ = replace(scope(0), horizon=None).number


def test_a_scope_says_what_it_asks_for():
    with pytest.raises(ValueError, match="start and an end"):
        Scope(Selection(), START, None)
    with pytest.raises(ValueError, match="backlog"):
        Scope(Selection(), START, instant(D * DAY + 1), extra=(ExtraDay(1, D, 0),))


@pytest.mark.parametrize("seed", range(4))
def test_runs_one_after_another_send_everything_that_stands(seed):
    """Whatever arrives, is folded or withdrawn between runs: a receiver who keeps the latest of
    each slot has what the store has, withdrawn slots apart; and no run repeats another."""
    chance = random.Random(seed)
    channels = [hourly(f"D{n}") for n in range(3)]
    has, since, sent_at = {}, 0, {}
    for _ in range(12):
        for _ in range(chance.randrange(3)):
            channel, day, slot = (
                chance.choice(channels),
                D + chance.randrange(2),
                chance.randrange(20),
            )
            values = [chance.choice([None, 1, 2, 3]) for _ in range(chance.randint(1, 4))]
            entry = entry_of(channel, day, slot, values, chance.choice([0, 2, 4]))
            if chance.random() < 0.15:
                entry = journal.withdrawal_entry(channel.pk, day, slot, 2)
            batch_post([entry])
            if chance.random() < 0.4:
                journal.fold_all()
        asked = scope(since, arrivals=True)
        for meter in meters(asked, devices=1):
            [series] = meter.series
            for end, count, status, number in zip(
                series.ends, series.counts, series.status, series.numbers, strict=True
            ):
                if status != NEVER:
                    key = (meter.device.device_id, int(end))
                    assert since < number <= asked.horizon
                    assert sent_at.get(key) != number
                    has[key], sent_at[key] = (int(count), int(status)), number
        since = asked.horizon
    stands = {}
    for channel, series in zip(
        channels, journal.series_read(channels, D * DAY, (D + 2) * DAY), strict=True
    ):
        for end, count, status in zip(series.ends, series.counts, series.status, strict=True):
            if status != NEVER:
                stands[channel.device.device_id, int(end)] = (int(count), int(status))
    assert stands
    assert {key: value for key, value in has.items() if key in stands} == stands
