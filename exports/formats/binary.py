"""Kinds of binary fixed-field records: numbers as bytes, stamps of local time, texts as kept.

Times are local seconds: whole seconds since 1970-01-01T00:00 of the record's own clock, no zone.
`dtype_of` makes a numpy dtype of a record, for whole arrays of them.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, ClassVar

import numpy as np

from exports.formats.issues import refusal
from exports.formats.kinds import DAY, EPOCH, MINUTE, U16, Const, Integer, Kind, Text
from exports.formats.layout import Record
from exports.formats.text import ROUNDING

BLANKS = " \0"
YEARS = range(1900, 3000)  # of stamps; outside, zones are guesswork and dates overflow


@dataclass(frozen=True, slots=True)
class Reserved(Const):
    """Bytes that are written as stated, over and over, and kept as they were read."""

    value: bytes
    kind: Kind | None = None  # type: ignore[assignment]

    @property
    def phrase(self) -> str:
        named = {b" ": "blanks", b"\0": "NUL"}.get(self.value)
        if self.value.isascii():
            return named or f"`{self.value.decode()}`"
        return f"`{self.value.hex(' ').upper()}`"

    def put(self, value: bytes | None, name: str, size: int) -> bytes:
        return (self.value * size)[:size] if value is None else value

    def get(self, raw: bytes) -> bytes:
        return raw


@dataclass(frozen=True, slots=True)
class Bytes(Kind):
    """A part that other tables describe."""

    fill: ClassVar[bytes] = b"\0"

    @property
    def phrase(self) -> str:
        return "bytes"

    def put(self, value: bytes, name: str, size: int) -> bytes:
        return value

    def get(self, raw: bytes) -> bytes:
        return raw


@dataclass(frozen=True, slots=True)
class Key(Text):
    """ASCII text that identifies something; blanks and NULs after it do not count."""

    def put(self, value: str, name: str, size: int) -> bytes:
        if value.isascii() and value.isprintable() and len(value) <= size:
            return value.encode("ascii")
        return Text.put(self, value, name, size)

    def get(self, raw: bytes) -> str:
        return raw.decode("ascii").rstrip(BLANKS)


@dataclass(frozen=True, slots=True)
class Name(Kind):
    """Text for people, Windows-1252; what that lacks has to be replaced before (FMT05)."""

    @property
    def phrase(self) -> str:
        return "text, Windows-1252"

    def put(self, value: str, name: str, size: int) -> bytes:
        try:
            return value.encode("cp1252")
        except UnicodeEncodeError as error:
            char = f"{ord(value[error.start]):04X}"
            raise refusal("FMT05", field=name, char=char) from error

    def get(self, raw: bytes) -> str:
        return raw.decode("cp1252", errors="replace").rstrip(BLANKS)


@dataclass(frozen=True, slots=True)
class Digits(Integer):
    """Decimal digits filled up with zeros; blanks or NULs alone are read as 0."""

    low: int = 0
    high: int = 10**10 - 1

    @property
    def phrase(self) -> str:
        return "digits"

    def get(self, raw: bytes) -> int:
        text = raw.strip(BLANKS.encode())
        if text and not text.isdigit():
            raise ValueError(f"{raw.decode('latin-1')!r} is no whole number")
        return int(text or b"0")


_POINTED = re.compile(rb"\d+\.?\d*|\.\d+")


@dataclass(frozen=True, slots=True)
class Pointed(Kind):
    """A number filled up with zeros, with its point and as many of 3 decimals as fit.

    `exact`: what would have to be rounded is refused (FMT07). No sign (FMT09).
    """

    exact: bool = False
    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        rule = "never rounded" if self.exact else "rounded half-even"
        return f"number with a point, up to 3 decimals, {rule}"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        if not value.is_finite():
            raise refusal("FMT10")
        if value < 0:
            raise refusal("FMT09", value=value)
        for decimals in (3, 2, 1, 0) if value.adjusted() < size else ():
            one = Decimal(1).scaleb(-decimals)
            rounded = value.quantize(one, ROUND_HALF_EVEN, context=ROUNDING)
            text = f"{rounded:0{size}.{decimals}f}" if decimals else f"{rounded:0{size - 1}.0f}."
            if len(text) <= size and not (self.exact and rounded != value):
                return text.encode("ascii")
        raise refusal("FMT07", field=name, value=value, width=size)

    def get(self, raw: bytes) -> Decimal:
        text = raw.strip(BLANKS.encode())
        if text and not _POINTED.fullmatch(text):
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        return Decimal(text.decode() or "0")


class Packed(Kind):
    """A number as bytes, little-endian, by a code of `struct` that numpy knows too."""

    code: ClassVar[str]
    words: ClassVar[str]
    fill: ClassVar[bytes] = b"\0"

    @property
    def phrase(self) -> str:
        return f"{self.words}, little-endian"

    def put(self, value: Any, name: str, size: int) -> bytes:
        try:
            return struct.pack(self.code, value)
        except (struct.error, OverflowError) as error:
            raise refusal("FMT07", field=name, value=value, width=f"{8 * size}-bit") from error

    def get(self, raw: bytes) -> Any:
        return struct.unpack(self.code, raw)[0]


class U32(Packed):
    code, words = "<I", "uint32"


class I16(Packed):
    code, words = "<h", "int16"


class Float32(Packed):
    """IEEE single, given as such: `cells.nearest32` makes it."""

    code, words = "<f", "IEEE single"


@dataclass(frozen=True, slots=True)
class Float64(Packed):
    """IEEE double. Given as a Decimal; read as the shortest decimal of the same double.

    `exact`: a number that would be read as another one is refused (FMT07).
    """

    exact: bool = False
    code: ClassVar[str] = "<d"
    words: ClassVar[str] = "IEEE double"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        if not value.is_finite():
            raise refusal("FMT10")
        number = float(value)
        if number - number != 0 or (self.exact and shortest(number) != value):
            raise refusal("FMT07", field=name, value=value, width="64-bit")
        return Packed.put(self, number, name, size)

    def get(self, raw: bytes) -> Decimal:
        number = Packed.get(self, raw)
        if number - number != 0:
            raise ValueError(f"{number} is not a finite number")
        return shortest(number)


def shortest(number: float) -> Decimal:
    """The shortest decimal that gives the same double again; no negative zero."""
    return Decimal(repr(number)) if number else Decimal(0)


_STAMP = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?")


@dataclass(frozen=True, slots=True)
class Stamp(Kind):
    """`YYYYMMDDHHMM`, with `seconds` `…SS`, of local time; the value is in local seconds.

    `late`: midnight is written `2400` of the day that ends. `empty`: None stands as blanks.
    A time off the minute is refused (FMT02).
    """

    seconds: bool = False
    late: bool = False
    empty: bool = False

    @property
    def phrase(self) -> str:
        text = "`YYYYMMDDHHMMSS`" if self.seconds else "`YYYYMMDDHHMM`"
        return text + (", midnight `2400`" if self.late else "") + (" or blanks" * self.empty)

    def put(self, value: int | None, name: str, size: int) -> bytes:
        if value is None and self.empty:
            return b""
        if value is None or (value % MINUTE and not self.seconds):
            raise refusal("FMT02", time=f"{name} {value}", limit="minutes")
        ends_day = self.late and value % DAY == 0
        time = EPOCH + timedelta(seconds=value - ends_day)
        clock = "240000" if ends_day else f"{time:%H%M%S}"
        return f"{time.year:04}{time:%m%d}{clock[: 6 if self.seconds else 4]}".encode()

    def get(self, raw: bytes) -> int | None:
        """`2400` and `0000` are both read, each as what it says."""
        if self.empty and not raw.strip(BLANKS.encode()):
            return None
        match = _STAMP.fullmatch(raw)
        if match is None or (match[6] is None) is self.seconds:
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
        if year not in YEARS or (hour == 24 and (minute or second)):
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        time = datetime(year, month, day, 0 if hour == 24 else hour, minute, second, tzinfo=UTC)
        return (time - EPOCH) // timedelta(seconds=1) + (DAY if hour == 24 else 0)


def dtype_of(record: Record) -> np.dtype[Any]:
    """The record as a numpy dtype: packed numbers as such, all other fields as bytes."""

    def format_of(kind: Kind, size: int) -> str:
        while isinstance(kind, Const) and kind.kind is not None:
            kind = kind.kind
        if isinstance(kind, U16):
            return "<u2"
        if isinstance(kind, Packed):
            return "<" + {"I": "u4", "h": "i2", "f": "f4", "d": "f8"}[kind.code[1]]
        return f"V{size}"

    return np.dtype(
        {
            "names": [field.name for field in record.fields],
            "formats": [format_of(field.kind, field.size) for field in record.fields],
            "offsets": [field.start for field in record.fields],
            "itemsize": record.length,
        }
    )
