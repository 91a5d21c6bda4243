"""Kinds of fixed text fields that may be blank: digits, decimals, local stamps, offsets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from exports.formats.issues import refusal
from exports.formats.kinds import HOUR, MINUTE, Kind
from exports.formats.text import ROUNDING


@dataclass(frozen=True, slots=True)
class Blank(Kind):
    """Another kind, or blanks for None."""

    kind: Kind

    @property
    def phrase(self) -> str:
        return f"{self.kind.phrase}, or blank"

    def put(self, value: Any, name: str, size: int) -> bytes:
        if value is None:
            return b" " * size
        data = self.kind.put(value, name, size)
        if self.kind.to_right:
            return data.rjust(size, self.kind.fill)
        return data.ljust(size, self.kind.fill)

    def get(self, raw: bytes) -> Any:
        return self.kind.get(raw) if raw.strip() else None


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


@dataclass(frozen=True, slots=True)
class Offset(Kind):
    """`±hhmm` of an aware time."""

    @property
    def phrase(self) -> str:
        return "`±hhmm`"

    def put(self, value: datetime, name: str, size: int) -> bytes:
        offset = value.utcoffset() or timedelta(0)
        if offset % timedelta(minutes=1):
            raise refusal("FMT15", time=value.isoformat())
        return value.strftime("%z").encode("ascii")

    def get(self, raw: bytes) -> int:
        """Seconds east of UTC."""
        if not re.fullmatch(rb"[+-](?:[01][0-9]|2[0-3])[0-5][0-9]", raw):
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        seconds = int(raw[1:3]) * HOUR + int(raw[3:]) * MINUTE
        return -seconds if raw[:1] == b"-" else seconds
