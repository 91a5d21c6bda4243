"""Kinds of fields that only LodeStar has (section 2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal

from exports.formats.issues import refusal
from exports.formats.kinds import Integer, Kind, Text
from exports.formats.text import plain

EARLIEST, LATEST = 1970, 2999  # years that are read
_STAMP = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)")
_NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)")
_QUOTIENT = Context(prec=120, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Second(Kind):
    """`YYYYMMDDHHMMSS` of a local clock, a naive datetime; FMT02 below a second."""

    @property
    def phrase(self) -> str:
        return "`YYYYMMDDHHMMSS` local"

    def put(self, value: datetime, name: str, size: int) -> bytes:
        if value.microsecond:
            raise refusal("FMT02", time=value.isoformat(), limit="seconds")
        return f"{value.year:04}{value:%m%d%H%M%S}".encode("ascii")

    def get(self, raw: bytes) -> datetime:
        match = _STAMP.fullmatch(raw)
        if match is None:
            raise ValueError(f"{raw.decode('latin-1')!r} is no YYYYMMDDHHMMSS")
        time = datetime(*(int(part) for part in match.groups()))  # type: ignore[arg-type] # noqa: DTZ001
        if not EARLIEST <= time.year <= LATEST:
            raise ValueError(f"{raw.decode('latin-1')!r} is before 1970 or after 2999")
        return time


@dataclass(frozen=True, slots=True)
class Plain(Kind):
    """Plain decimal of at least `least` decimals; of at most `most`, or never rounded; or empty."""

    least: int = 0
    most: int | None = None

    @property
    def phrase(self) -> str:
        if self.most is None:
            return "number, never rounded, or empty"
        span = f"{self.least}" if self.least == self.most else f"{self.least} to {self.most}"
        return f"number, {span} decimals, rounded half-even, or empty"

    def put(self, value: Decimal | None, name: str, size: int) -> bytes:
        if value is None:
            return b""
        if not value.is_finite():
            raise refusal("FMT10")
        most = max(0, -int(value.as_tuple().exponent)) if self.most is None else self.most
        whole, _, decimals = plain(value, most).partition(".")
        decimals = decimals.ljust(self.least, "0")
        return (f"{whole}.{decimals}" if decimals else whole).encode("ascii")

    def get(self, raw: bytes) -> Decimal | None:
        if not raw:
            return None
        if not _NUMBER.fullmatch(raw):
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        return Decimal(raw.decode())


@dataclass(frozen=True, slots=True)
class Maybe(Kind):
    """An integer, or empty."""

    integer: Integer

    @property
    def phrase(self) -> str:
        return f"{self.integer.phrase}, or empty"

    def put(self, value: int | None, name: str, size: int) -> bytes:
        return b"" if value is None else self.integer.put(value, name, size)

    def get(self, raw: bytes) -> int | None:
        return self.integer.get(raw) if raw else None


@dataclass(frozen=True, slots=True)
class Empty(Kind):
    """Always empty; what stands there is not looked at."""

    @property
    def phrase(self) -> str:
        return "empty"

    def put(self, value: None, name: str, size: int) -> bytes:
        return b""

    def get(self, raw: bytes) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Kept(Text):
    """Text whose blanks are data, first and last ones too."""

    def get(self, raw: bytes) -> str:
        return raw.decode("ascii")


def rounded(value: Decimal, decimals: int) -> Decimal:
    """The value as it is written with so many decimals."""
    return value.quantize(Decimal(1).scaleb(-decimals), context=_QUOTIENT)


def quotient(value: Decimal, divisor: Decimal) -> Decimal:
    """Division to many more digits than are written."""
    return _QUOTIENT.divide(value, divisor)
