"""Instants in CSV and XML: ISO 8601 with seconds and offset, `Z` in UTC (README 2.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from exports.formats.issues import refusal
from exports.formats.kinds import Kind
from exports.formats.zones import local_instants, zone_of

ZULU = ("UTC", "Etc/UTC")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  of local times, which are counted like instants
SECOND = timedelta(seconds=1)
_TEXT = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?(?:(Z)|([+-])(\d\d):(\d\d))?", re.ASCII
)


class Read(NamedTuple):
    """An instant read: epoch seconds; whether a fraction other than 0 was cut off; whether it had
    no offset and came out of the zone."""

    seconds: int
    cut: bool = False
    local: bool = False


@lru_cache(maxsize=1 << 16)
def stamp(seconds: int, zone: str) -> str:
    """Whole epoch seconds as text in a zone; FMT15 if there is no such zone."""
    return stamp_of(datetime.fromtimestamp(seconds, zone_of(zone)))


def stamp_of(time: datetime) -> str:
    """An aware instant as text in its own zone, a fraction of a second cut off."""
    text = time.isoformat(timespec="seconds")
    return text[:19] + "Z" if str(time.tzinfo) in ZULU else text


def stamp_read(text: str, zone: str | None = None) -> Read:
    """An instant read. One without offset is local time of `zone`, its first pass where it occurs
    twice; ValueError if there is no zone, no such local time, or no such date."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no instant such as 2024-04-01T00:00:00-05:00")
    plain, fraction, zulu, sign, hours, minutes = match.groups()
    try:
        local = datetime.fromisoformat(plain)
    except ValueError as error:
        raise ValueError(f"{text!r}: {error}") from error
    cut = bool(fraction and fraction.strip(".0"))
    if zulu or sign:
        offset = 0 if zulu else int(hours) * 3600 + int(minutes) * 60
        if offset >= 86400 or (not zulu and int(minutes) > 59):
            raise ValueError(f"{text!r}: no such offset")
        seconds = (local - EPOCH) // SECOND
        return Read(seconds + offset if sign == "-" else seconds - offset, cut)
    if zone is None:
        raise ValueError(f"{text!r} has no offset, and no zone is set")
    found = local_instants(zone, local)
    if not found:
        raise ValueError(f"local time {text} does not exist in {zone}")
    return Read(found[0], cut, True)


@dataclass(frozen=True, slots=True)
class Instant(Kind):
    """An aware instant in its own zone, or nothing. `exact`: a fraction of a second is refused."""

    exact: bool = False

    @property
    def phrase(self) -> str:
        return "instant with offset, no fraction" if self.exact else "instant with offset"

    def put(self, value: datetime | None, name: str, size: int) -> bytes:
        if value is None:
            return b""
        if value.tzinfo is None:
            raise refusal("FMT01", time=value)
        if self.exact and value.microsecond:
            raise refusal("FMT02", time=value.isoformat(), limit="seconds")
        return stamp_of(value).encode("ascii")

    def get(self, raw: bytes) -> datetime | None:
        if not raw:
            return None
        return datetime.fromtimestamp(stamp_read(raw.decode("ascii")).seconds, UTC)
