"""Periods: local days as instants, through clock changes; what is refused."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, strategies as st

from exports.periods import KINDS, PeriodRefused, period_for

NOW = datetime(2026, 3, 9, 7, 30, 15, 500, tzinfo=UTC)  # 03:30:15 in New York, a day after a change
ZONE = "America/New_York"
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001


def texts(period):
    return tuple(instant.isoformat() for instant in period)


@pytest.mark.parametrize(
    ("kind", "parameters", "start", "end"),
    [
        ("yesterday", {}, "2026-03-08T05:00", "2026-03-09T04:00"),  # 23 hours
        ("today", {}, "2026-03-09T04:00", "2026-03-09T07:30:15"),
        ("last_n_days", {"days": 1}, "2026-03-08T05:00", "2026-03-09T04:00"),
        ("last_n_days", {"days": 7}, "2026-03-02T05:00", "2026-03-09T04:00"),
        ("month_to_date", {}, "2026-03-01T05:00", "2026-03-09T07:30:15"),
        ("previous_month", {}, "2026-02-01T05:00", "2026-03-01T05:00"),
        (
            "bill_period",
            {"bills": (date(2026, 2, 10), date(2026, 3, 9))},
            "2026-02-10T05:00",
            "2026-03-09T04:00",
        ),
        (
            "fixed",
            {"start": date(2026, 3, 8), "end": date(2026, 3, 9)},
            "2026-03-08T05:00",
            "2026-03-09T04:00",
        ),
        (
            "fixed",
            {"start": date(2026, 3, 8), "end": datetime.fromisoformat("2026-03-08T10:15+01:00")},
            "2026-03-08T05:00",
            "2026-03-08T09:15",
        ),
    ],
)
def test_kinds(kind, parameters, start, end):
    expected = tuple(datetime.fromisoformat(f"{text}+00:00") for text in (start, end))
    found = period_for(kind, NOW, ZONE, **parameters)
    assert texts(found) == texts(expected)


def test_since_last_has_no_period():
    assert period_for("since_last", NOW, ZONE) is None


def test_the_month_before_january_is_december():
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert texts(period_for("previous_month", now, "UTC")) == (
        "2025-12-01T00:00:00+00:00",
        "2026-01-01T00:00:00+00:00",
    )


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("Europe/London", "2026-03-30T12:00+00:00", 23),
        ("Europe/London", "2026-10-26T12:00+00:00", 25),
        ("Australia/Lord_Howe", "2026-10-05T02:00+00:00", 23.5),
        ("Australia/Lord_Howe", "2026-04-06T02:00+00:00", 24.5),
        ("America/Havana", "2026-03-09T12:00+00:00", 23),  # 00:00 skipped
        ("America/Havana", "2025-11-03T12:00+00:00", 25),  # 00:00 twice
        ("Pacific/Apia", "2011-12-30T22:00+00:00", 24),  # the 31st, after the 29th
    ],
)
def test_yesterday_is_as_long_as_it_was(zone, now, hours):
    start, end = period_for("yesterday", datetime.fromisoformat(now), zone)
    assert end - start == timedelta(hours=hours)


def test_yesterday_is_that_of_the_zone():
    now = datetime(2026, 6, 1, 23, tzinfo=UTC)
    assert period_for("yesterday", now, "Asia/Tokyo")[1].isoformat() == "2026-06-01T15:00:00+00:00"
    assert period_for("yesterday", now, "UTC")[1].isoformat() == "2026-06-01T00:00:00+00:00"


@given(
    st.sampled_from(sorted(available_timezones())),
    st.integers(950_000_000, 2_200_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
    st.integers(1, 40),
)
def test_days_join_without_gap_and_end_before_now(zone, now, days):
    start, end = period_for("last_n_days", now, zone, days=days)
    assert start < end <= now
    assert period_for("yesterday", now, zone)[1] == end
    assert period_for("yesterday", start, zone)[1] == start
    for instant in (start, end):
        just_before = (instant - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).date()
        assert just_before < instant.astimezone(ZoneInfo(zone)).date()


# --- what is refused ----------------------------------------------------------------------------

MIDNIGHT = datetime(2026, 5, 1, tzinfo=UTC)
DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("kind", "now", "parameters", "sentence"),
    [
        ("weekly", NOW, {}, "period 'weekly': choose one of since_last, yesterday"),
        ("fixed", NOW, {"start": DAY}, "Fixed dates: give end"),
        ("fixed", NOW, {}, "Fixed dates: give end and start"),
        ("bill_period", NOW, {}, "Previous bill period: give bills"),
        ("yesterday", NOW, {"days": 3}, "Yesterday: takes no days"),
        ("last_n_days", NOW, {"days": 0}, "0 days; write 1 to 400"),
        ("last_n_days", NOW, {"days": 401}, "401 days; write 1 to 400"),
        ("fixed", NOW, {"start": DAY, "end": DAY}, "the end must come after the start"),
        ("bill_period", NOW, {"bills": (DAY, date(2025, 1, 1))}, "the end must come after"),
        ("today", MIDNIGHT, {}, "Today so far: nothing lies between"),
        ("month_to_date", MIDNIGHT, {}, "Month to date: nothing lies between"),
        ("fixed", NOW, {"start": DAY, "end": NAIVE}, "a time without zone"),
        ("today", NAIVE, {}, "a time without zone"),
    ],
)
def test_what_gives_no_period_is_refused_with_the_reason(kind, now, parameters, sentence):
    with pytest.raises(PeriodRefused, match=sentence):
        period_for(kind, now, "UTC", **parameters)


def test_every_kind_explains_itself_to_a_form():
    for code, kind in KINDS.items():
        assert kind.code == code
        assert kind.label
        assert kind.help.endswith(".")
