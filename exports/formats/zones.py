"""Local time where formats need it: standard offsets, local midnights, local stamps.

Zones are IANA names; instants are whole seconds since 1970. An unknown zone is FMT15.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from exports.formats.issues import refusal

MONTHS = range(1, 13)


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of this name; FMT15 if there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refusal("FMT15", time=name) from error


@lru_cache(maxsize=4096)
def standard_offset(name: str, year: int) -> int:
    """Seconds east of UTC: the smaller of the zone's seasonal offsets of the year (README 2.3)."""
    zone = zone_of(name)
    firsts = (datetime(year, month, 1, 12, tzinfo=UTC) for month in MONTHS)
    offsets = [first.astimezone(zone).utcoffset() or timedelta(0) for first in firsts]
    return int(min(offsets).total_seconds())


def local_date(name: str, seconds: int) -> date:
    """The local date of an instant."""
    return datetime.fromtimestamp(seconds, zone_of(name)).date()


@lru_cache(maxsize=65536)
def midnight(name: str, ordinal: int) -> int:
    """The first instant of a local date (a proleptic ordinal), also where 00:00 is skipped or
    occurs twice: the first instant from which on the local date is that one."""
    zone = zone_of(name)
    first = datetime.combine(date.fromordinal(ordinal), datetime.min.time(), zone)
    seconds = int(first.timestamp())  # fold 0: first pass; in a gap: the offset before it
    before = datetime.fromtimestamp(seconds - 1, zone).date().toordinal()
    if before == ordinal:  # a gap from before midnight to after it: the date begins at its end
        return _first_instant(zone, ordinal, seconds - 7200, seconds)
    return seconds


def _first_instant(zone: ZoneInfo, ordinal: int, low: int, high: int) -> int:
    """The border in (low, high] where the local date becomes `ordinal`; by halving."""
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).date().toordinal() >= ordinal:
            high = middle
        else:
            low = middle
    return high


def local_instants(name: str, local: datetime) -> list[int]:
    """The instants with this local time: none in a spring gap, two in the repeated hour."""
    zone = zone_of(name)
    found = []
    for fold in (0, 1):
        seconds = int(local.replace(tzinfo=zone, fold=fold).timestamp())
        same = datetime.fromtimestamp(seconds, zone).replace(tzinfo=None) == local
        if same and seconds not in found:
            found.append(seconds)
    return found


def year_of(seconds: int) -> int:
    """The UTC year of an instant."""
    return datetime.fromtimestamp(seconds, UTC).year


def local_time(seconds: int) -> datetime:
    """Seconds of a clock as its naive time."""
    return datetime(1970, 1, 1) + timedelta(seconds=seconds)  # noqa: DTZ001
