"""Consumption between reads: differences, rollover, exchange of meters."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from devices.consumption import Reading, usage
from devices.readings import RegisterValue, Status

START = datetime(2026, 3, 1, 6, tzinfo=UTC)


def reading(day, value, device="M1", status=0, **more):
    given = {"dials": 6} | more
    amount = None if value is None else Decimal(value)
    status = int(Status.MISSING) if value is None else status
    register = RegisterValue("SUM", "KWH", given.pop("flow", "DEL"), value=amount, status=status,
                             **given)  # fmt: skip
    return Reading(device, START + timedelta(days=day), register)


def test_differences_are_added():
    found = usage([reading(31, "130.5"), reading(0, "100"), reading(10, "110.25")])
    assert found.amount == Decimal("30.5")
    assert [step.amount for step in found.steps] == [Decimal("10.25"), Decimal("20.25")]
    assert found.marks == ()


def test_a_rollover_is_told_by_the_dials_and_marked():
    found = usage([reading(0, "999990.5"), reading(31, "12.25")])
    assert found.amount == Decimal("21.75")
    assert found.marks == ("rollover",)


@pytest.mark.parametrize(
    ("more", "first", "last"),
    [
        ({"multiplier": Decimal(40)}, "39999600", "400"),
        ({"multiplier": Decimal(40), "multiplier_applied": False}, "999990", "10"),
    ],
)
def test_a_rollover_under_a_multiplier(more, first, last):
    found = usage([reading(0, first, **more), reading(31, last, **more)])
    assert found.amount == Decimal(800)
    assert found.marks == ("rollover",)


@pytest.mark.parametrize("more", [{"dials": None}, {"dials": 0}, {}])
def test_a_register_that_goes_back_is_no_rollover(more):
    found = usage([reading(0, "500", **more), reading(31, "499", **more)])
    assert (found.amount, found.marks) == (None, ("backwards",))


def test_a_net_register_may_go_back():
    found = usage([reading(0, "500", flow="NET"), reading(31, "450", flow="NET")])
    assert (found.amount, found.marks) == (Decimal(-50), ())


def test_a_meter_exchanged_in_mid_cycle_bills_both():
    found = usage([
        reading(0, "1000"), reading(12, "1080"),
        reading(12, "3", device="M2"), reading(31, "103", device="M2"),
    ])  # fmt: skip
    assert found.amount == Decimal(180)
    assert found.marks == ("exchange",)
    assert [step.amount for step in found.steps] == [80, 0, 100]


def test_time_between_two_meters_is_marked():
    found = usage([reading(0, "1000"), reading(12, "1080"), reading(13, "0", device="M2")])
    assert found.marks == ("exchange", "unmeasured")
    assert found.amount == Decimal(80)


def test_an_exchange_and_a_rollover_in_one_cycle():
    found = usage([
        reading(0, "999900"), reading(12, "100"),
        reading(12, "5", device="M2"), reading(31, "6", device="M2"),
    ])  # fmt: skip
    assert found.amount == Decimal(201)
    assert found.marks == ("rollover", "exchange")


def test_estimates_are_marked_and_nulls_passed_over():
    found = usage([
        reading(0, "1"), reading(1, None), reading(2, "3", status=int(Status.ESTIMATED)),
    ])  # fmt: skip
    assert (found.amount, found.marks, len(found.steps)) == (Decimal(2), ("estimated",), 1)


def test_one_reading_tells_nothing():
    assert usage([reading(0, "1")]) == (None, (), ())
    assert usage([]) == (None, (), ())


def test_what_is_not_one_register_is_refused():
    with pytest.raises(ValueError, match="different registers"):
        usage([reading(0, "1"), reading(1, "2", flow="REC")])
    with pytest.raises(ValueError, match="both sides"):
        usage([reading(0, "1"), reading(1, "2", device="M2"), reading(2, "3")])


@given(
    st.lists(st.integers(0, 49_999), min_size=1, max_size=30), st.integers(0, 99_999),
)  # fmt: skip
def test_a_register_of_five_dials_counts_what_went_through_it(amounts, start):
    """However often it turns, if it is read before half a turn is through."""
    shown, readings = start, [reading(0, str(start), dials=5)]
    for day, amount in enumerate(amounts, start=1):
        shown = (shown + amount) % 100_000
        readings.append(reading(day, str(shown), dials=5))
    assert usage(readings).amount == sum(amounts)
