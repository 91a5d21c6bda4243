"""Kinds of fields: how a value is put into bytes and got back, and the phrase that documents it.

`put` gives at most `size` bytes: a fixed field pads them by the kind's `fill` and side, a
delimited one takes them as they are. It raises FormatError naming field and value; nothing is
cut or rounded silently. `get` takes the bytes back; it raises ValueError saying what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

from exports.formats.issues import refusal
from exports.formats.text import plain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = 60, 3600, 86400


class Kind:
    """A symmetrical pair. Fixed fields are padded with `fill`, on the left if `to_right`."""

    fill: ClassVar[bytes] = b" "
    to_right: ClassVar[bool] = False

    @property
    def phrase(self) -> str:
        """The words of the documentation."""
        raise NotImplementedError

    def put(self, value: Any, name: str, size: int) -> bytes:
        raise NotImplementedError

    def get(self, raw: bytes) -> Any:
        raise NotImplementedError

    def stands(self, values: Sequence[Any], size: int) -> bool:
        """Whether `put` is known to leave each of these texts as it is."""
        return False


def all_match(lines: re.Pattern[str], texts: Sequence[str], size: int) -> bool:
    """Whether these texts, put on a line each, match, and none is over its size."""
    joined = "\n".join(texts)
    fits = joined.count("\n") == len(texts) - 1 and max(map(len, texts)) <= size
    return fits and lines.fullmatch(joined) is not None


@dataclass(frozen=True, slots=True)
class Const(Kind):
    """Always the same value; another one read is an error."""

    value: Any
    kind: Kind

    @property
    def phrase(self) -> str:
        return f"`{self.value}`"

    def put(self, value: Any, name: str, size: int) -> bytes:
        if value is not None and value != self.value:
            raise ValueError(f"{name}: {value!r} where {self.value!r} is fixed")
        return self.kind.put(self.value, name, size)

    def get(self, raw: bytes) -> Any:
        value = self.kind.get(raw)
        if value != self.value:
            raise ValueError(f"{value!r} where {self.value!r} is fixed")
        return value


@dataclass(frozen=True, slots=True)
class Blank(Kind):
    """A fixed field of `kind`, or all blanks for None."""

    kind: Kind

    @property
    def phrase(self) -> str:
        return f"{self.kind.phrase}, or blank"

    def put(self, value: Any, name: str, size: int) -> bytes:
        if value is None:
            return b" " * size
        data = self.kind.put(value, name, size)
        adjust = data.rjust if self.kind.to_right else data.ljust
        return adjust(size, self.kind.fill)

    def get(self, raw: bytes) -> Any:
        return self.kind.get(raw) if raw.strip() else None


@dataclass(frozen=True, slots=True)
class U16(Kind):
    """Two bytes, little-endian, unsigned."""

    fill: ClassVar[bytes] = b"\0"

    @property
    def phrase(self) -> str:
        return "uint16, little-endian"

    def put(self, value: int, name: str, size: int) -> bytes:
        if not 0 <= value <= 0xFFFF:
            raise refusal("FMT07", field=name, value=value, width="16-bit")
        return value.to_bytes(2, "little")

    def get(self, raw: bytes) -> int:
        return int.from_bytes(raw, "little")


_PRINTABLE_LINES = re.compile("[ -~\n]*")


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """Printable ASCII 0x20–0x7E, kept as it is; `forbidden` characters are refused (FMT11)."""

    forbidden: str = ""

    @property
    def phrase(self) -> str:
        return "text"

    def put(self, value: str, name: str, size: int) -> bytes:
        if self.forbidden or not (value.isascii() and value.isprintable()):
            self._check(value, name)
        if len(value) > size:
            raise refusal("FMT06", field=name, length=len(value), width=size)
        return value.encode("ascii")

    def _check(self, value: str, name: str) -> None:
        for char in value:
            if char < " " or char == "\x7f" or char in self.forbidden:
                raise refusal("FMT11", field=name, char=repr(char))
            if char > "~":
                raise refusal("FMT05", field=name, char=f"{ord(char):04X}")

    def stands(self, values: Sequence[str], size: int) -> bool:
        return not self.forbidden and all_match(_PRINTABLE_LINES, values, size)

    def get(self, raw: bytes) -> str:
        return raw.decode("ascii").rstrip(" ")


@dataclass(frozen=True, slots=True)
class Word(Kind):
    """One of a list of words; `empty` allows none at all."""

    words: tuple[str, ...]
    empty: bool = False

    @property
    def phrase(self) -> str:
        listed = ", ".join(f"`{word}`" for word in self.words)
        return listed + (" or empty" if self.empty else "")

    def put(self, value: str, name: str, size: int) -> bytes:
        if not (value in self.words or (self.empty and not value)):
            raise ValueError(f"{name}: {value!r} is none of {', '.join(self.words)}")
        return value.encode("ascii")

    def get(self, raw: bytes) -> str:
        value = raw.decode("ascii").rstrip(" ")
        if not (value in self.words or (self.empty and not value)):
            raise ValueError(f"{value!r} is none of {', '.join(self.words)}")
        return value


@dataclass(frozen=True, slots=True)
class Integer(Kind):
    """Decimal digits, `low` to `high`."""

    low: int
    high: int
    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        return f"integer {self.low}–{self.high}"

    def put(self, value: int, name: str, size: int) -> bytes:
        if not self.low <= value <= self.high:
            raise refusal("FMT07", field=name, value=value, width=size)
        return b"%d" % value

    def get(self, raw: bytes) -> int:
        if not (raw.isdigit() and self.low <= int(raw) <= self.high):
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        return int(raw)


# Sign, digits, point, exponent with one of E e D d; or H and hexadecimal digits.
_NUMBER = re.compile(rb"([+-]?)(?:(\d*)(?:\.(\d*))?(?:[EeDd]([+-]?\d{1,3}))?|H([0-9A-Fa-f]{1,15}))")


@dataclass(frozen=True, slots=True)
class Number(Kind):
    """Plain decimal of at most `digits` integer digits and `decimals` decimals.

    `exact`: more decimals are refused (FMT07) instead of rounded half-even.
    Reading also takes `+`, exponents `E e D d` and hexadecimal with a leading `H`.
    """

    digits: int
    decimals: int
    exact: bool = False

    @property
    def phrase(self) -> str:
        rule = "never rounded" if self.exact else "rounded half-even"
        return f"number, {self.digits} integer digits, {self.decimals} decimals, {rule}"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        text = plain(value, self.decimals)
        inexact = self.exact and Decimal(text) != value
        if inexact or len(text.lstrip("-").partition(".")[0]) > self.digits or len(text) > size:
            raise refusal("FMT07", field=name, value=value, width=size)
        return text.encode("ascii")

    def get(self, raw: bytes) -> Decimal:
        match = _NUMBER.fullmatch(raw)
        if match is None or not (match[2] or match[3] or match[5]):
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        if match[5]:
            return Decimal(int(match[1] + match[5], 16))
        mantissa = match[1] + (match[2] or b"0") + (b"." + match[3] if match[3] else b"")
        return Decimal(mantissa.decode() + (f"E{match[4].decode()}" if match[4] else ""))


_STAMP = re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)")


@dataclass(frozen=True, slots=True)
class Minute(Kind):
    """`CCYYMMDDHHMM`; the value is whole epoch seconds, refused off the minute (FMT02)."""

    @property
    def phrase(self) -> str:
        return "`CCYYMMDDHHMM` UTC"

    def put(self, value: int, name: str, size: int) -> bytes:
        time = EPOCH + timedelta(seconds=value)
        if value % MINUTE:
            raise refusal("FMT02", time=time.isoformat(), limit="minutes")
        return f"{time.year:04}{time:%m%d%H%M}".encode("ascii")

    def get(self, raw: bytes) -> int:
        """ValueError for anything but an existing minute, `2400` included."""
        match = _STAMP.fullmatch(raw)
        if match is None:
            raise ValueError(f"{raw.decode('latin-1')!r} is no CCYYMMDDHHMM")
        time = datetime(*(int(part) for part in match.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
        return (time - EPOCH) // timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Duration(Kind):
    """`MMDDHHMM` as a duration of seconds; `lengths` are those that may be written.

    Months have no length in seconds: they are read as negative numbers, -1 one month.
    """

    lengths: tuple[int, ...] = field(repr=False)

    @property
    def phrase(self) -> str:
        return "`MMDDHHMM` as a duration, or empty"

    def put(self, value: int | None, name: str, size: int) -> bytes:
        if value is None:
            return b""
        if value not in self.lengths:
            raise refusal("FMT17", seconds=value)
        days, rest = divmod(value, DAY)
        return b"00%02d%02d%02d" % (days, rest // HOUR, rest % HOUR // MINUTE)

    def get(self, raw: bytes) -> int | None:
        """Seconds, None when empty, minus the months; six digits are `DDHHMM`."""
        if not raw:
            return None
        digits = raw.rjust(8, b"0") if len(raw) == 6 else raw
        if not (len(digits) == 8 and digits.isdigit()):
            raise ValueError(f"{raw.decode('latin-1')!r} is no MMDDHHMM")
        months, days, hours, minutes = (int(digits[i : i + 2]) for i in (0, 2, 4, 6))
        seconds = days * DAY + hours * HOUR + minutes * MINUTE
        if months and not seconds:
            return -months
        if months or not seconds:
            raise ValueError(f"{raw.decode('latin-1')!r} is no interval length")
        return seconds
