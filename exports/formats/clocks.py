"""Clocks that local times are written and read by: prevailing time, standard time, an offset.

Instants are whole seconds since 1970, local times naive datetimes of whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from exports.formats import zones
from exports.formats.kinds import EPOCH

DAY = 86400


def _naive(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _seconds(local: datetime) -> int:
    return (local.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1)


class Clock:
    """A clock whose days begin at their first instant."""

    def local(self, instant: int) -> datetime:
        """What the clock shows."""
        raise NotImplementedError

    def instants(self, local: datetime) -> list[int]:
        """When the clock shows this: never, once, or twice (first pass first)."""
        raise NotImplementedError

    def midnight(self, ordinal: int) -> int:
        """The first instant of a date (a proleptic ordinal)."""
        raise NotImplementedError

    def ordinal(self, instant: int) -> int:
        """The date of an instant."""
        return self.local(instant).toordinal()


@dataclass(frozen=True)
class Prevailing(Clock):
    """The zone's wall clock, daylight saving time included."""

    zone: str

    def local(self, instant: int) -> datetime:
        return datetime.fromtimestamp(instant, zones.zone_of(self.zone)).replace(tzinfo=None)

    def instants(self, local: datetime) -> list[int]:
        return zones.local_instants(self.zone, local)

    def midnight(self, ordinal: int) -> int:
        return zones.midnight(self.zone, ordinal)


@dataclass(frozen=True)
class Standard(Clock):
    """Standard time all year: the smaller offset of the (UTC) year (README 2.3)."""

    zone: str

    def offset(self, instant: int) -> int:
        return zones.standard_offset(self.zone, _naive(instant).year)

    def local(self, instant: int) -> datetime:
        return _naive(instant + self.offset(instant))

    def instants(self, local: datetime) -> list[int]:
        """More or less than one only at the turn of a year in which a zone moved its standard."""
        years = range(max(1, local.year - 1), min(9999, local.year + 1) + 1)
        offsets = {zones.standard_offset(self.zone, year) for year in years}
        found = {_seconds(local) - offset for offset in offsets}
        return sorted(instant for instant in found if self.local(instant) == local)

    def midnight(self, ordinal: int) -> int:
        start = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
        found = self.instants(start)
        return found[0] if found else _seconds(start) - zones.standard_offset(self.zone, start.year)


@dataclass(frozen=True)
class Fixed(Clock):
    """A fixed offset, seconds east of UTC."""

    east: int

    def local(self, instant: int) -> datetime:
        return _naive(instant + self.east)

    def instants(self, local: datetime) -> list[int]:
        return [_seconds(local) - self.east]

    def midnight(self, ordinal: int) -> int:
        return (ordinal - EPOCH.toordinal()) * DAY - self.east


@lru_cache(maxsize=1024)
def clock_of(zone: str, prevailing: bool) -> Clock:
    """The clock of a zone; FMT15 when there is no such zone."""
    zones.zone_of(zone)
    return Prevailing(zone) if prevailing else Standard(zone)
