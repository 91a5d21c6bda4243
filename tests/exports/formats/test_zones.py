"""Local time: standard offsets, midnights, times that do not exist or occur twice."""

from datetime import UTC, date, datetime

import pytest

from exports.formats.base import FormatError
from exports.formats.zones import local_instants, midnight, standard_offset


@pytest.mark.parametrize(
    ("zone", "hours"),
    [
        ("America/Los_Angeles", -8),
        ("Europe/Dublin", 0),
        ("Africa/Casablanca", 0),
        ("Australia/Lord_Howe", 10.5),
        ("Asia/Kolkata", 5.5),
    ],
)
def test_standard_time_is_the_smaller_offset(zone: str, hours: float) -> None:
    assert standard_offset(zone, 2024) == hours * 3600


@pytest.mark.parametrize(
    ("zone", "day", "first"),
    [
        ("America/Los_Angeles", "2026-03-08", "2026-03-08T00:00-08:00"),
        ("America/Los_Angeles", "2026-03-09", "2026-03-09T00:00-07:00"),
        ("America/Havana", "2024-03-10", "2024-03-10T01:00-04:00"),
        ("America/Havana", "2024-11-03", "2024-11-03T00:00-04:00"),
        ("America/Sao_Paulo", "2018-02-18", "2018-02-18T00:00-03:00"),
        ("America/Toronto", "1919-03-31", "1919-03-31T00:30-04:00"),
    ],
)
def test_a_day_begins_at_its_first_instant(zone: str, day: str, first: str) -> None:
    found = midnight(zone, date.fromisoformat(day).toordinal())
    assert datetime.fromtimestamp(found, UTC) == datetime.fromisoformat(first)


def test_local_times_that_do_not_exist_or_occur_twice() -> None:
    zone = "America/Los_Angeles"
    assert local_instants(zone, datetime.fromisoformat("2026-03-08T02:30")) == []
    assert len(local_instants(zone, datetime.fromisoformat("2026-11-01T01:30"))) == 2
    assert len(local_instants(zone, datetime.fromisoformat("2026-11-01T02:30"))) == 1


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(FormatError, match="FMT15"):
        standard_offset("Mars/Olympus", 2024)
