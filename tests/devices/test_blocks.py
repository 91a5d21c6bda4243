"""Packing, the grid, and the fold rule on plain arrays."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, strategies as st

from devices import blocks, winners
from devices.readings import ABSENT, DAY, INTERVAL_SECONDS, NEVER, Status

MISSING, ESTIMATED, EDITED, RAW = (
    int(Status.MISSING),
    int(Status.ESTIMATED),
    int(Status.EDITED),
    int(Status.RAW),
)
BIG = st.integers(-(2**62), 2**62)


@given(st.lists(BIG, min_size=1, max_size=100))
def test_an_entry_comes_back_as_it_was_packed(counts):
    array = np.array(counts, np.int64)
    assert blocks.unpack_entry(blocks.pack_entry(array)).tolist() == counts


def test_an_entry_takes_the_narrowest_width():
    assert len(blocks.pack_entry(np.array([127, -128]))) == 1 + 2
    assert len(blocks.pack_entry(np.array([128]))) == 1 + 2
    assert len(blocks.pack_entry(np.array([2**31]))) == 1 + 8


@given(
    st.lists(BIG, min_size=24, max_size=24), st.lists(st.integers(0, 9), min_size=24, max_size=24)
)
def test_a_block_comes_back_as_it_was_packed(counts, numbers):
    days = blocks.Days.empty(1, 24)
    days.counts[0], days.numbers[0] = counts, numbers
    days.status[0] = np.array(numbers, np.uint16)
    days.revisions[0, 3] = 7
    again = blocks.Days.empty(1, 24)
    again.load([0], days.pack([0]))
    for name in ("counts", "status", "numbers", "revisions"):
        assert np.array_equal(getattr(again, name), getattr(days, name)), name


ENTRIES = st.lists(
    st.tuples(
        st.lists(st.integers(-(2**62), 2**62) | st.integers(-300, 300), min_size=1, max_size=9),
        st.booleans(),
    ),
    max_size=12,
)


@given(ENTRIES)
def test_many_entries_are_unpacked_as_one_by_one(given_entries):
    counts = [blocks.pack_entry(np.array(run, np.int64)) for run, _ in given_entries]
    masks = [
        blocks.pack_status(np.full(len(run), 4 * flagged, np.uint16))
        for run, flagged in given_entries
    ]
    flat, sizes = blocks.unpack_entries(counts)
    status = blocks.unpack_statuses(masks, sizes)
    assert flat.tolist() == [count for run, _ in given_entries for count in run]
    assert sizes.tolist() == [len(run) for run, _ in given_entries]
    assert status.tolist() == [4 * flagged for run, flagged in given_entries for _ in run]


# Numbers of some days of 6 slots: near each other, far apart, none.
NUMBERS = st.lists(
    st.lists(
        st.sampled_from([0, 1, 2, 3]) | st.integers(1, 2**16 + 5) | st.integers(1, 2**62),
        min_size=6,
        max_size=6,
    ),
    min_size=1,
    max_size=8,
)


@given(NUMBERS)
def test_winning_numbers_come_back_as_they_were_packed(rows):
    numbers = np.array(rows, np.int64)
    packed = winners.winners_pack(numbers)
    assert np.array_equal(winners.winners_unpack(packed, 6), numbers)
    for row, blob in zip(rows, packed, strict=True):
        assert blob == blocks.pack_numbers(np.array(row, np.int64))
        assert blocks.newest_number(blob) == max(row)


@pytest.mark.parametrize(("span", "width"), [(254, 1), (255, 2), (65534, 2), (65535, 4)])
def test_a_day_of_a_number_a_slot_takes_offsets(span, width):
    numbers = np.arange(1000, 1096)
    numbers[5], numbers[7] = 1000 + span, 0
    assert len(blocks.pack_numbers(numbers)) == 11 + 96 * width


def test_numbers_too_far_apart_stay_runs():
    numbers = np.arange(1000, 1096)
    numbers[0] = 2**33
    assert len(blocks.pack_numbers(numbers)) == 960


def test_a_plain_block_has_no_status_and_no_revisions_and_one_run():
    days = blocks.Days.empty(1, 96)
    days.status[:], days.numbers[:], days.counts[:] = 0, 5, 7
    counts, status, numbers, revisions = days.pack([0])[0]
    assert (len(counts), status, len(numbers), revisions) == (144, b"", 10, b"")


@pytest.mark.parametrize(
    ("call", "args"),
    [
        (blocks.unpack_entry, (b"",)),
        (blocks.unpack_entry, (b"\x03abc",)),
        (blocks.unpack_entry, (b"\x04abc",)),
        (blocks.unpack_status, (b"ab", 3)),
        (blocks.unpack_numbers, (blocks.pack_numbers(np.array([1, 1])), 3)),
        (blocks.unpack_numbers, (b"abc", 3)),
        (blocks.unpack_numbers, (blocks.pack_numbers(np.arange(96)), 95)),
        (blocks.unpack_entries, ([b"\x01a", b""],)),
        (blocks.unpack_entries, ([b"\x01a", b"\x03abc"],)),
        (blocks.unpack_entries, ([b"\x01a", b"\x04abc"],)),
        (blocks.unpack_statuses, ([b"", b"ab"], np.array([1, 3]))),
        (blocks.Days.empty(1, 3).load, ([0], [(b"abc", b"", b"", b"")])),
    ],
)
def test_impossible_lengths_are_refused(call, args):
    with pytest.raises(blocks.PackError):
        call(*args)


# --- the grid ----------------------------------------------------------------------------------


def test_standard_time_is_the_smaller_offset_also_where_winter_is_the_shifted_season():
    assert blocks.standard_offset("Europe/Dublin", 2026) == 0
    assert blocks.standard_offset("Africa/Casablanca", 2026) == 0
    assert blocks.standard_offset("America/Chicago", 2026) == -6 * 3600
    assert blocks.standard_offset("Asia/Kolkata", 2026) == 19800
    assert blocks.standard_offset("Australia/Lord_Howe", 2026) == 37800


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("Europe/London", date(2026, 3, 29), "2026-03-29T00:00:00+00:00"),
        ("Europe/London", date(2026, 3, 30), "2026-03-29T23:00:00+00:00"),
        ("America/Sao_Paulo", date(2018, 11, 4), "2018-11-04T03:00:00+00:00"),  # 00:00 skipped
        ("Africa/Cairo", date(2024, 4, 26), "2024-04-25T22:00:00+00:00"),  # 00:00 skipped
        ("America/Havana", date(2024, 11, 3), "2024-11-03T04:00:00+00:00"),  # 00:00 twice
    ],
)
def test_local_midnight_is_the_first_instant_of_the_date(zone, day, first):
    assert blocks.local_midnight(zone, day) == datetime.fromisoformat(first).timestamp()


def test_hourly_slots_of_a_half_hour_zone_lie_on_its_own_grid():
    start = int(datetime(2026, 3, 13, 18, 30, tzinfo=UTC).timestamp())  # midnight in India
    assert blocks.day_slot(start, 3600, 19800) == (blocks.day_number(date(2026, 3, 14)), 0)
    assert blocks.day_slot(start + 1800, 3600, 19800) is None


def test_one_day_slots_are_local_dates_of_23_and_25_hours():
    zone = "Europe/London"
    for day, hours in ((date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)):
        start = blocks.local_midnight(zone, day)
        number = blocks.day_number(day)
        assert blocks.day_slot(start, DAY, 0, zone) == (number, 0)
        assert blocks.day_slot(start + 3600, DAY, 0, zone) is None
        assert blocks.day_ends(number, DAY, 0, zone).tolist() == [start + hours * 3600]


@given(
    st.sampled_from([s for s in INTERVAL_SECONDS if s < DAY]),
    st.integers(0, 2_000_000),
    st.sampled_from([-25200, 0, 19800, 20700, 37800]),
)
def test_an_interval_is_found_where_its_day_says(seconds, n, offset):
    start = 946684800 - offset + n * seconds
    day, slot = blocks.day_slot(start, seconds, offset)
    assert blocks.day_ends(day, seconds, offset)[slot] == start + seconds


@given(st.sampled_from(["UTC", "America/Chicago", "Asia/Kolkata"]), st.integers(0, 10**9))
def test_days_touching_covers_every_end_of_the_period(zone, n):
    start = 946684800 + n
    offset = blocks.standard_offset(zone, 2026)
    for grid_zone, seconds in (("", 900), (zone, DAY)):
        first, last = blocks.days_touching(start, start + 3 * DAY, offset, grid_zone)
        before = blocks.day_ends(first - 1, seconds, offset, grid_zone)
        after = blocks.day_ends(last + 1, seconds, offset, grid_zone)
        assert before[-1] <= start
        assert after[0] > start + 3 * DAY


def test_zone_of_a_day_may_be_any_that_python_knows():
    assert blocks.local_midnight("Pacific/Apia", date(2012, 1, 1)) == int(
        datetime(2012, 1, 1, tzinfo=ZoneInfo("Pacific/Apia")).timestamp()
    )


# --- the fold rule -----------------------------------------------------------------------------


def cells(*parts):
    place, counts, status, numbers = zip(*parts, strict=True)
    return blocks.Cells(
        np.array(place), np.array(counts), np.array(status, np.uint16), np.array(numbers)
    )


def folded(*parts):
    """One slot after these (count, status) arrived, numbered from 1: (count, status, n, rev)."""
    days = blocks.Days.empty(1, 1)
    blocks.fold(days, cells(*((0, c, s, n) for n, (c, s) in enumerate(parts, 1))))
    return tuple(
        int(getattr(days, name)[0, 0]) for name in ("counts", "status", "numbers", "revisions")
    )


@pytest.mark.parametrize(
    ("arrivals", "stands"),
    [
        ([(5, 0)], (5, 0, 1, 0)),
        ([(5, 0), (6, 0)], (6, 0, 2, 1)),  # equal rank: the later
        ([(5, 0), (5, 0)], (5, 0, 1, 0)),  # nothing new is no version
        ([(5, 0), (5, RAW)], (5, RAW, 2, 1)),  # the status alone is something new
        ([(5, 0), (0, MISSING)], (5, 0, 1, 0)),  # a null never replaces a value
        ([(0, MISSING), (5, 0)], (5, 0, 2, 1)),  # a reported gap counts as a version
        ([(5, 0), (6, ESTIMATED)], (5, 0, 1, 0)),
        ([(6, ESTIMATED), (5, 0)], (5, 0, 2, 1)),
        ([(5, EDITED), (6, 0)], (5, EDITED, 1, 0)),
        ([(5, EDITED), (6, EDITED | ESTIMATED)], (6, EDITED | ESTIMATED, 2, 1)),
        ([(5, 0), (0, NEVER)], (0, NEVER, 2, 1)),  # withdrawn
        ([(0, NEVER)], (0, NEVER, 0, 0)),  # nothing there to withdraw
        ([(5, EDITED), (0, NEVER), (7, ESTIMATED)], (7, ESTIMATED, 3, 2)),
        ([(5, 0), (0, NEVER), (0, MISSING)], (0, MISSING, 3, 2)),
        ([(5, 0), (0, NEVER), (5, 0)], (5, 0, 3, 2)),
    ],
)
def test_the_fold_rule(arrivals, stands):
    assert folded(*arrivals) == stands


ARRIVAL = st.tuples(
    st.integers(0, 3),
    st.sampled_from([0, 0, RAW, ESTIMATED, EDITED, EDITED | ESTIMATED, MISSING, NEVER]),
).map(lambda a: (0 if a[1] & MISSING else a[0], a[1]))


def plain_fold(arrivals):
    """The rule, said once more slowly: what the arrays must agree with."""
    count, status, number, revision = 0, NEVER, 0, 0

    def rank(mask):
        if mask & ABSENT:
            return -1
        if mask & MISSING:
            return 0
        return 3 if mask & EDITED else 1 if mask & ESTIMATED else 2

    for n, (c, s) in enumerate(arrivals, 1):
        wins = not status & ABSENT if s & ABSENT else rank(s) >= rank(status)
        if wins and (c, s) != (count, status):
            revision += number > 0
            count, status, number = c, s, n
    return count, status, number, revision


@given(st.lists(ARRIVAL, min_size=1, max_size=12))
def test_the_arrays_fold_as_the_rule_says(arrivals):
    assert folded(*arrivals) == plain_fold(arrivals)


@given(st.lists(st.tuples(st.integers(0, 7), ARRIVAL), min_size=1, max_size=40), st.data())
def test_every_cutting_of_the_fold_gives_the_same_block(arrivals, data):
    whole = blocks.Days.empty(2, 4)
    parts = [(place, c, s, n) for n, (place, (c, s)) in enumerate(arrivals, 1)]
    blocks.fold(whole, cells(*parts))
    pieces = blocks.Days.empty(2, 4)
    while parts:
        n = data.draw(st.integers(1, len(parts)))
        blocks.fold(pieces, cells(*parts[:n]))
        parts = parts[n:]
    for name in ("counts", "status", "numbers", "revisions"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name)), name


@given(
    st.permutations([(1, MISSING), (2, ESTIMATED), (3, 0), (4, EDITED)]).map(
        lambda p: [(0 if s & MISSING else c, s) for c, s in p]
    )
)
def test_entries_of_unequal_rank_give_the_same_value_in_any_order(arrivals):
    assert folded(*arrivals)[:2] == (4, EDITED)


def test_folding_nothing_changes_nothing():
    days = blocks.Days.empty(1, 4)
    blocks.fold(days, blocks.Cells(*(np.zeros(0, np.int64) for _ in range(4))))
    assert (days.status == NEVER).all()


def test_revisions_stop_at_what_sixteen_bits_hold():
    days = blocks.Days.empty(1, 1)
    days.status[:], days.numbers[:], days.revisions[:] = 0, 1, 0xFFFF
    blocks.fold(days, cells((0, 9, 0, 2)))
    assert (days.counts[0, 0], days.revisions[0, 0]) == (9, 0xFFFF)
