"""Clocks of zones: what they show, when they show it, where their days begin."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from exports.formats.base import FormatError
from exports.formats.clocks import Fixed, Prevailing, Standard, clock_of


def instant(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_prevailing_clock_shows_an_hour_twice_and_one_never() -> None:
    clock = Prevailing("America/Chicago")
    twice = [instant(2024, 11, 3, 6, 30), instant(2024, 11, 3, 7, 30)]
    assert clock.instants(local("2024-11-03T01:30")) == twice
    assert {clock.local(at) for at in twice} == {local("2024-11-03T01:30")}
    assert clock.instants(local("2024-03-10T02:30")) == []
    assert clock.midnight(date(2024, 7, 1).toordinal()) == instant(2024, 7, 1, 5)
    assert clock.ordinal(instant(2024, 7, 1, 4)) == date(2024, 6, 30).toordinal()


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Dublin", "Asia/Kolkata"])
def test_the_standard_clock_has_days_of_24_hours(zone: str) -> None:
    clock = Standard(zone)
    first = date(2024, 1, 1).toordinal()
    days = [clock.midnight(first + day) for day in range(366)]
    assert {later - earlier for earlier, later in pairwise(days)} == {86400}
    assert all(clock.ordinal(day) == first + n for n, day in enumerate(days))
    for at in days[::40]:
        shown = clock.local(at + 3723)
        assert shown.time().isoformat() == "01:02:03"
        assert clock.instants(shown) == [at + 3723]


def test_a_standard_time_that_moved_moves_with_the_year() -> None:
    """Caracas: UTC-4:30 counts for 2016, UTC-4 for 2017; the turn is that of the UTC year."""
    clock = Standard("America/Caracas")
    turn = instant(2017, 1, 1)
    assert clock.local(turn - 1) == local("2016-12-31T19:29:59")
    assert clock.local(turn) == local("2016-12-31T20:00:00")
    assert clock.instants(local("2016-12-31T19:45")) == []
    assert clock.midnight(date(2017, 1, 1).toordinal()) == instant(2017, 1, 1, 4)


def test_a_midnight_that_standard_time_leaves_out_is_by_its_own_year() -> None:
    """Samoa went from UTC-11 to UTC+13 at the end of 2011: by years, a day is missing."""
    clock = Standard("Pacific/Apia")
    for day in range(date(2011, 12, 25).toordinal(), date(2012, 1, 5).toordinal()):
        at = clock.midnight(day)
        assert abs(at - instant(2011, 12, 30)) < timedelta(days=9).total_seconds()
    assert clock.instants(local("2011-12-31T18:00")) == []
    missing = date(2012, 1, 1)
    assert clock.midnight(missing.toordinal()) == instant(2011, 12, 31, 11)


def test_a_fixed_offset() -> None:
    clock = Fixed(-21600)
    assert clock.instants(local("2024-07-01T00:00")) == [instant(2024, 7, 1, 6)]
    assert clock.local(instant(2024, 7, 1, 6)) == local("2024-07-01T00:00")


def test_a_zone_that_there_is_not() -> None:
    with pytest.raises(FormatError, match="FMT15"):
        clock_of("Mars/Base", True)
    assert isinstance(clock_of("UTC", False), Standard)
