"""Counts of channel-days come back as they were packed, whatever stands beside them."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from devices.counts import counts_of, counts_pack
from devices.winners import PackError

EDGES = [
    0,
    1,
    -1,
    *(sign * (1 << bits) + by for bits in (11, 15, 31) for sign in (1, -1) for by in (-1, 0, 1)),
]
COUNT = st.sampled_from(EDGES) | st.integers(-(2**62), 2**62)
SMALL = st.integers(-2048, 2047)


@st.composite
def days(draw):
    slots = draw(st.sampled_from([1, 2, 24, 25]))
    day = st.lists(draw(st.sampled_from([SMALL, COUNT])), min_size=slots, max_size=slots)
    mixed = st.lists(day | st.lists(SMALL, min_size=slots, max_size=slots), max_size=6)
    return np.array(draw(mixed), np.int64).reshape(-1, slots)


@given(days())
def test_days_come_back_as_they_were_packed(counts):
    packed = counts_pack(counts)
    again = counts_of(packed, counts.shape[1])
    assert np.array_equal(again, counts)
    assert again.dtype in (np.int32, np.int64)
    assert packed == [counts_pack(day[None, :])[0] for day in counts]


@pytest.mark.parametrize(
    ("count", "bits"),
    [
        *[(2047, 12), (-2048, 12), (2048, 16), (-2049, 16), (32767, 16), (-32768, 16)],
        *[(32768, 32), (-32769, 32), (2**31 - 1, 32), (-(2**31), 32), (2**31, 64), (2**62, 64)],
    ],
)
def test_a_day_takes_the_narrowest_form_that_holds_it(count, bits):
    day = np.zeros((1, 96), np.int64)
    day[0, 5] = count
    assert len(counts_pack(day)[0]) == 96 * bits // 8


def test_two_counts_share_three_bytes_the_earlier_in_the_lower_bits():
    assert counts_pack(np.array([[0x123, 0x456]])) == [bytes.fromhex("236145")]
    assert counts_pack(np.array([[-1, 1]])) == [bytes.fromhex("ff1f00")]


def test_a_day_of_one_slot_takes_whole_bytes():
    assert counts_pack(np.array([[7]])) == [b"\x07\x00"]


def test_days_that_were_kept_with_four_bytes_a_count_are_read_beside_others():
    kept = np.arange(24, dtype="<i4").tobytes()
    narrow = counts_pack(np.arange(24, dtype=np.int64)[None, :])[0]
    assert counts_of([kept, narrow], 24).tolist() == [list(range(24))] * 2


def test_no_days_are_none():
    assert counts_of([], 96).shape == (0, 96)


@pytest.mark.parametrize(("packed", "slots"), [(b"abc", 3), (b"", 3), (b"abcde", 2), (b"a", 1)])
def test_a_length_of_no_form_is_refused(packed, slots):
    with pytest.raises(PackError, match=f"{len(packed)} bytes are no block of {slots} slots"):
        counts_of([packed], slots)
