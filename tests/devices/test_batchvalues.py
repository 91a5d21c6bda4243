"""Posted numbers become counts exactly; the fast reading is the plain one."""

import json
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from devices.batchvalues import LARGEST, ValueFault, array_read, columns_read, counts_of, ratio

MILLI = Decimal("0.001")


def fast(arrays, resolution=MILLI):
    """Counts as the fast way reads them; None where it leaves the reading to the plain one."""
    columns = columns_read([a if isinstance(a, bytes) else json.dumps(a).encode() for a in arrays])
    if columns is None:
        return None
    mantissa, decimals = ratio(resolution)
    counts, exact = counts_of(columns, np.array([mantissa]), np.array([decimals]))
    assert exact.all()
    flat = [None if n else c for c, n in zip(counts.tolist(), columns.null.tolist(), strict=True)]
    bounds = [0, *np.cumsum(columns.sizes).tolist()]
    return [flat[a:b] for a, b in pairwise(bounds)]


def plain(array, resolution=MILLI):
    return array_read(array if isinstance(array, bytes) else json.dumps(array).encode(), resolution)


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [("0.001", (1, 3)), ("0.25", (25, 2)), ("10", (1, -1)), ("0.001000000", (1, 3)), ("7", (7, 0))],
)
def test_a_resolution_is_a_whole_number_over_a_power_of_ten(resolution, expected):
    assert ratio(Decimal(resolution)) == expected


@pytest.mark.parametrize(
    "arrays",
    [
        [["0.312", "0.305", None], ["1", "-2"]],
        [[0.312, None, -5]],
        [["0.3120", "00.1", "-0.5", "0", "-0"]],
        [[None], [None, None]],
        [b'["1","2",null]', b"[null]"],
        [b'["999999999999999"]'],
    ],
)
def test_usual_arrays_are_read_at_once(arrays):
    assert fast(arrays) == [plain(array) for array in arrays]


@pytest.mark.parametrize(
    "array",
    [
        ["1,2"], ["1", 2], [[1]], ["n"], [""], ["-"], ["--2"], ["1-2"], ["1n"], ["nn"],
        ["1.2.3"], ["1 2"], ["1, 2"], ["1\n"], ["+1"], ["1_0"], ["٣"], ["\"1"], ["]"],
        [], {"a": 1}, "1", b"5", b'[1e3]', b'["1e-3"]', b'[ 1]', b'[12345678901234567890]',
        [True], b'["\\u0031"]',
    ],
)  # fmt: skip
def test_what_is_written_unusually_is_left_to_the_plain_way(array):
    assert fast([array]) is None


numbers = st.one_of(
    st.none(),
    st.decimals(-(10**9), 10**9, places=3).map(str),
    st.integers(-(10**12), 10**12).map(str),
    st.sampled_from(["0", "-0", "0.5", "1.50", "007"]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(numbers, min_size=1, max_size=9), min_size=1, max_size=5))
def test_both_ways_give_the_same_counts(arrays):
    assert fast(arrays) == [plain(array) for array in arrays]
    for array, counts in zip(arrays, fast(arrays), strict=True):
        for text, count in zip(array, counts, strict=True):
            assert (text is None) == (count is None)
            assert text is None or Decimal(text) == count * MILLI


@settings(max_examples=300, deadline=None)
@given(st.lists(st.text('0123456789.-+e"n, []\\', max_size=6), min_size=1, max_size=4))
def test_no_text_is_read_at_once_that_the_plain_way_refuses(texts):
    try:
        expected = [plain(texts, Decimal("0.000001"))]
    except ValueFault:
        expected = None
    columns = columns_read([json.dumps(texts).encode()])
    if columns is None:
        return
    counts, exact = counts_of(columns, np.array([1]), np.array([6]))
    if expected is None:
        assert not exact.all()
    else:
        assert exact.all()
        assert counts.tolist() == expected[0]


@pytest.mark.parametrize(
    ("text", "count"),
    [(b"1e3", 1_000_000), (b'"1.5e-3"', None), (b"2E-3", 2), (b"0e999", 0), (b'"+0"', None)],
)
def test_exponents_are_exact_too(text, count):
    if count is None:
        with pytest.raises(ValueFault):
            plain(b"[" + text + b"]")
    else:
        assert plain(b"[" + text + b"]") == [count]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (b"0.0001", "NOT_A_MULTIPLE"),
        (b'"0.3125"', "NOT_A_MULTIPLE"),
        (b"1e-400", "NOT_A_MULTIPLE"),
        (b"1e400", "OVERFLOW"),
        (b"1e999", "OVERFLOW"),
        (b'"' + b"9" * 80 + b'"', "OVERFLOW"),
        (b'"NaN"', "NOT_FINITE"),
        (b'"-Infinity"', "NOT_FINITE"),
        (b'"inf"', "NOT_FINITE"),
        (b'"abc"', "BAD_NUMBER"),
        (b"true", "BAD_NUMBER"),
        (b"[]", "BAD_NUMBER"),
        (b'"1e9999"', "BAD_NUMBER"),
        (b'"' + b"1" * 101 + b'"', "BAD_NUMBER"),
    ],
)
def test_a_number_that_cannot_be_kept_is_told_with_its_place(number, code):
    with pytest.raises(ValueFault, match=r"^\[1\]: ") as caught:
        plain(b"[1," + number + b"]")
    assert (caught.value.code, caught.value.place) == (code, 1)


def test_the_largest_count_and_one_more():
    assert plain([str(LARGEST)], Decimal(1)) == [LARGEST]
    with pytest.raises(ValueFault) as caught:
        plain([str(LARGEST + 1)], Decimal(1))
    assert caught.value.code == "OVERFLOW"
    columns = columns_read([b'["999999999999999999","1000"]'])
    _, exact = counts_of(columns, np.array([1]), np.array([3]))
    assert exact.tolist() == [False, True]


def test_values_in_pulses_of_a_quarter():
    assert plain(["0.75", "-1.25", None], Decimal("0.25")) == [3, -5, None]
    assert fast([["0.75", "-1.25", None]], Decimal("0.25")) == [[3, -5, None]]
    with pytest.raises(ValueFault, match=r"multiple of the channel's resolution 0\.25"):
        plain(["0.8"], Decimal("0.25"))
