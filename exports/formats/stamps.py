"""Instants as cells: ISO 8601 with offset, or local digits and their offset apart (README 2.3).

`put` takes an aware datetime in the zone that it is to be written in, see `Clock`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np

from exports.formats.eights import Bytes
from exports.formats.iso import stamp_of
from exports.formats.issues import refusal
from exports.formats.kinds import Kind
from exports.formats.zones import zone_of

MINUTE = timedelta(minutes=1)
KEPT = 1 << 16  # instants of a zone that are remembered
_ISO = re.compile(rb"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?")
_LOCAL = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
_OFFSET = re.compile(rb"([+-])(\d\d):?([0-5]\d)")


def whole_seconds(time: datetime, cut: bool) -> datetime:
    """The time without a fraction: cut off, or refused (FMT02)."""
    if not time.microsecond:
        return time
    if not cut:
        raise refusal("FMT02", time=time.isoformat(), limit="seconds")
    return time.replace(microsecond=0)


@dataclass(frozen=True, slots=True)
class Instant(Kind):
    """`2024-04-01T00:00:00-05:00`; `Z` in UTC. `cut`: a fraction is cut off, not refused."""

    cut: bool = False

    @property
    def phrase(self) -> str:
        return "instant, ISO 8601 with offset" + (", fraction cut off" if self.cut else "")

    def put(self, value: datetime, name: str, size: int) -> bytes:
        return stamp_of(whole_seconds(value, self.cut)).encode("ascii")

    def get(self, raw: bytes) -> datetime:
        """Aware when there is an offset, else naive; with a fraction only if there was one."""
        match = _ISO.fullmatch(raw)
        if match is None:
            raise ValueError(f"{raw.decode('latin-1')!r} is no ISO 8601 time")
        time = datetime.fromisoformat(match[1].decode().upper())
        if match[2] and int(match[2][1:]):
            time = time.replace(microsecond=1)
        if match[3] is None:
            return time
        offset = None if match[3] in (b"Z", b"z") else Offset().get(match[3])
        return time.replace(tzinfo=UTC if offset is None else timezone(offset))


@dataclass(frozen=True, slots=True)
class LocalTime(Kind):
    """`YYYYMMDDhhmmss`, local; nothing for None. `cut` as Instant's."""

    cut: bool = False

    @property
    def phrase(self) -> str:
        return "`YYYYMMDDhhmmss`, local"

    def put(self, value: datetime | None, name: str, size: int) -> bytes:
        if value is None:
            return b""
        time = whole_seconds(value, self.cut)
        return f"{time.year:04}{time:%m%d%H%M%S}".encode("ascii")

    def get(self, raw: bytes) -> datetime | None:
        """Naive, None for blanks and zeros; ValueError for a time that is not in the calendar."""
        if not raw.strip(b" 0"):
            return None
        match = _LOCAL.fullmatch(raw)
        if match is None:
            raise ValueError(f"{raw.decode('latin-1')!r} is no YYYYMMDDhhmmss")
        return datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type]  # noqa: DTZ001


@dataclass(frozen=True, slots=True)
class Offset(Kind):
    """`±hhmm`, the offset of a local time beside it; nothing for None."""

    @property
    def phrase(self) -> str:
        return "`±hhmm`"

    def put(self, value: datetime | None, name: str, size: int) -> bytes:
        if value is None:
            return b""
        offset = value.utcoffset() or timedelta(0)
        if offset % MINUTE:
            raise refusal("FMT15", time=value.isoformat())
        return value.strftime("%z").encode("ascii")

    def get(self, raw: bytes) -> timedelta | None:
        """None for blanks; a colon is taken, too."""
        if not raw.strip():
            return None
        match = _OFFSET.fullmatch(raw)
        if match is None or int(match[2]) > 23:
            raise ValueError(f"{raw.decode('latin-1')!r} is no offset ±hhmm")
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return -offset if match[1] == b"-" else offset


class Clock(dict[datetime | None, tuple[str, ...]]):
    """Instants as cells of one zone, each rendered once: `clock[instant]`.

    `puts` make the cells of a local time; None gives what they make of None.
    """

    def __init__(self, zone: str, puts: Sequence[Callable[[datetime | None], bytes]]) -> None:
        super().__init__()
        self.zone = zone_of(zone)
        self.puts = puts
        self.stored: Any = None  # see `storedstamps`

    def local(self, instant: datetime) -> datetime:
        """The instant in this zone; FMT01 for a naive one."""
        if instant.tzinfo is None:
            raise refusal("FMT01", time=instant.isoformat())
        return instant.astimezone(self.zone)

    def __missing__(self, instant: datetime | None) -> tuple[str, ...]:
        local = None if instant is None else self.local(instant)
        cells = tuple(put(local).decode("ascii") for put in self.puts)
        if len(self) >= KEPT:
            self.clear()
        self[instant] = cells
        return cells


def texts_column(texts: Sequence[str], width: int = 0) -> Bytes:
    """ASCII texts as rows of bytes, (n, w), filled up with NUL."""
    sizes = set(map(len, texts))
    if len(sizes) == 1 and (size := sizes.pop()) and size >= width:
        joined = np.frombuffer("".join(texts).encode("ascii"), np.uint8)
        return joined.reshape(len(texts), size).copy()
    found = np.array(texts, f"S{width}" if width else "S")
    return found.view(np.uint8).reshape(len(texts), -1)
