"""Kinds of fixed text fields: digits, decimals, local stamps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar

from exports.formats.issues import refusal
from exports.formats.kinds import Kind
from exports.formats.text import ROUNDING


@dataclass(frozen=True, slots=True)
class Digits(Kind):
    """A whole number ≥ 0, zeros before it."""

    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        return "digits"

    def put(self, value: int, name: str, size: int) -> bytes:
        data = b"%d" % value
        if value < 0 or len(data) > size:
            raise refusal("FMT07", field=name, value=value, width=size)
        return data

    def get(self, raw: bytes) -> int:
        if not raw.strip().isdigit():
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        return int(raw)


_FIXED = re.compile(rb" *-?[0-9]+(\.[0-9]+)? *")


@dataclass(frozen=True, slots=True)
class Fixed(Kind):
    """A number with an explicit point and so many decimals, zeros before it, a `-` first of all."""

    decimals: int
    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        return f"number with {self.decimals} decimals"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        if not value.is_finite():
            raise refusal("FMT10")
        if value and value.adjusted() > size:
            raise refusal("FMT07", field=name, value=value, width=size)
        rounded = value.quantize(Decimal(1).scaleb(-self.decimals), context=ROUNDING)
        sign = "-" if rounded < 0 else ""
        text = f"{abs(rounded):f}"
        if len(sign + text) > size:
            raise refusal("FMT07", field=name, value=value, width=size)
        return (sign + text.rjust(size - len(sign), "0")).encode("ascii")

    def get(self, raw: bytes) -> Decimal:
        if not _FIXED.fullmatch(raw):
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        return Decimal(raw.decode().strip())


@dataclass(frozen=True, slots=True)
class Stamp(Kind):
    """`YYYYMMDDhhmmss` of an aware time as its own zone shows it; fractions are cut off."""

    @property
    def phrase(self) -> str:
        return "`YYYYMMDDhhmmss`"

    def put(self, value: datetime, name: str, size: int) -> bytes:
        return f"{value.year:04}{value:%m%d%H%M%S}".encode("ascii")

    def get(self, raw: bytes) -> datetime | None:
        """The naive local time; None when all zeros."""
        if not raw.strip(b"0"):
            return None
        if not raw.isdigit():
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        return datetime.strptime(raw.decode(), "%Y%m%d%H%M%S")  # noqa: DTZ007 local by its field
