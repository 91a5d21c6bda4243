"""What a cell may hold, a kind a class: how it is checked, read, and described.

A cell comes mended (see `cells`), neither empty nor `<null>`. `plain` is a pattern of the cells
that are surely good as they stand; it only saves time, and a test holds it against `read`.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any, ClassVar

from devices.imports.dates import NotClear, date_read, moment_read

SPREADSHEET_ERRORS = frozenset(("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!"))
_EXPONENT = re.compile(r"[0-9]+(?:[.,][0-9]+)?[Ee][+-][0-9]+")
_ZEROS = re.compile(r"[0-9]+[.,]0+")
_NUMBER = re.compile(r"-?([0-9]+)(?:[.,]([0-9]+))?")
_HASHES = re.compile(r"#+")


class Refused(Exception):
    """A cell that cannot be taken: the symbol of its message and the values in it."""

    def __init__(self, symbol: str, **values: Any) -> None:
        super().__init__(symbol)
        self.symbol, self.values = symbol, values


@dataclass(frozen=True)
class Reader:
    """What the reading of a cell depends on beside the cell: options and catalogues."""

    comma: bool = False  # a comma may be the decimal mark
    date_order: str = ""
    pad: Mapping[str, int] = field(default_factory=dict)  # field → digits
    classes: Container[str] = frozenset()
    groups: Mapping[str, str] | None = None  # code → BILLCYCLE or GENERAL; None: not checked
    profiles: Container[str] = frozenset()


@dataclass(frozen=True)
class Kind:
    """A kind of cell. `width`: its most characters, 0 for what has none."""

    width: int = 0
    breaks: bool = False
    identifier: ClassVar[bool] = False
    ascii: ClassVar[bool] = True

    def phrase(self) -> str:
        """The kind in the documentation's words."""
        raise NotImplementedError

    def check(self, text: str) -> None:
        """Length, characters and damage, in the order of their codes. Refused."""
        if self.width and len(text) > self.width:
            raise Refused("length", k=len(text), w=self.width)
        if text[0] == "=" or text in SPREADSHEET_ERRORS or _HASHES.fullmatch(text):
            raise Refused("character", v=text)
        for char in text:
            if not self._allowed(char):
                raise Refused("character", v=f"U+{ord(char):04X}")
        if self.identifier and is_damaged(text):
            raise Refused("damaged", v=text)

    def _allowed(self, char: str) -> bool:
        if " " <= char <= "~":
            return True
        if char in "\r\n":
            return self.breaks
        return not self.ascii and char >= "\xa0"

    def read(self, text: str, reader: Reader) -> Any:
        """The value of a checked cell. Refused."""
        return text

    def plain(self) -> str:
        """Cells that are their own values, as a pattern; empty: none are."""
        return ""


def is_damaged(text: str) -> bool:
    """Whether a spreadsheet has made a number of an identifier: digits are lost."""
    return bool(_EXPONENT.fullmatch(text) or _ZEROS.fullmatch(text))


def has_lost_digits(text: str) -> bool:
    """Sixteen or more digits, all after the fifteenth zero: a spreadsheet keeps fifteen."""
    digits = text.isascii() and text.isdigit() and len(text) > 15
    return digits and not text[15:].strip("0")


@dataclass(frozen=True)
class Identifier(Kind):
    identifier: ClassVar[bool] = True

    def phrase(self) -> str:
        return f"id, ≤ {self.width}"

    def plain(self) -> str:
        words = rf"[A-Za-z][A-Za-z0-9_\-]{{0,{self.width - 1}}}|[0-9]{{1,{min(self.width, 15)}}}"
        addresses = r"|(?:[0-9]{1,3}\.){3}[0-9]{1,3}"  # of the network
        return words + (addresses if self.width > 14 else "")


@dataclass(frozen=True)
class Pin(Identifier):
    """Like an identifier, and a secret: no message or result repeats it."""

    def plain(self) -> str:
        return ""


@dataclass(frozen=True)
class FreeText(Kind):
    ascii: ClassVar[bool] = False

    def phrase(self) -> str:
        lines = ", line breaks allowed" if self.breaks else ""
        return f"any Unicode, ≤ {self.width}{lines}"

    def plain(self) -> str:
        return rf"[A-Za-z0-9](?:[A-Za-z0-9 ,.\-]{{0,{self.width - 2}}}[A-Za-z0-9.])?"


@dataclass(frozen=True)
class Choice(Kind):
    words: tuple[str, ...] = ()

    def phrase(self) -> str:
        return " ".join(f"`{word}`" for word in self.words)

    def read(self, text: str, reader: Reader) -> Any:
        if text.upper() not in self.words:
            raise Refused("choice", v=text, list=" ".join(self.words))
        return text.upper()


FLAGS = {"Y": True, "N": False, "YES": True, "NO": False, "TRUE": True, "FALSE": False}
FLAGS |= {"1": True, "0": False}


@dataclass(frozen=True)
class Flag(Kind):
    def phrase(self) -> str:
        return " ".join(f"`{word}`" for word in FLAGS)

    def read(self, text: str, reader: Reader) -> Any:
        if text.upper() not in FLAGS:
            raise Refused("choice", v=text, list=" ".join(FLAGS))
        return FLAGS[text.upper()]


PHASES = ("A", "B", "C", "AB", "AC", "BC", "ABC")


@dataclass(frozen=True)
class Phases(Kind):
    def phrase(self) -> str:
        return "subset of `ABC`"

    def read(self, text: str, reader: Reader) -> Any:
        ordered = "".join(sorted(text.upper()))
        if ordered not in PHASES:
            raise Refused("choice", v=text, list=" ".join(PHASES))
        return ordered


@dataclass(frozen=True)
class ClassCode(Kind):
    def phrase(self) -> str:
        return f"code of a class, ≤ {self.width}"

    def read(self, text: str, reader: Reader) -> Any:
        if text not in reader.classes:
            raise Refused("class", v=text)
        return text


@dataclass(frozen=True)
class Profile(Kind):
    def phrase(self) -> str:
        return f"name, ≤ {self.width}"

    def read(self, text: str, reader: Reader) -> Any:
        if text not in reader.profiles:
            raise Refused("profile", v=text)
        return text


@dataclass(frozen=True)
class Group(Kind):
    """A group's code; with `cycle` it must be a bill cycle."""

    cycle: bool = False
    identifier: ClassVar[bool] = True

    def phrase(self) -> str:
        return f"id, group code, ≤ {self.width}"

    def read(self, text: str, reader: Reader) -> Any:
        if reader.groups is not None:
            kind = reader.groups.get(text)
            if kind is None:
                raise Refused("group", v=text)
            if self.cycle and kind != "BILLCYCLE":
                raise Refused("not_cycle", v=text)
        return text


@dataclass(frozen=True)
class Groups(Kind):
    """Codes of general groups joined by semicolons; `width` is that of one."""

    identifier: ClassVar[bool] = True

    def phrase(self) -> str:
        return f"ids, group codes joined by `;`, ≤ {self.width} each"

    def check(self, text: str) -> None:
        one = Identifier(self.width)
        Identifier().check(text)
        for code in self.codes(text):
            one.check(code)

    @staticmethod
    def codes(text: str) -> list[str]:
        """The codes of a cell; empty places are none."""
        return [code for part in text.split(";") if (code := part.strip(" "))]

    def read(self, text: str, reader: Reader) -> Any:
        found = list(dict.fromkeys(self.codes(text)))
        known = reader.groups or {}
        for code in found:
            if code not in known:
                raise Refused("group", v=code)
        for code in found:
            if known[code] == "BILLCYCLE":
                raise Refused("cycle", v=code)
        return tuple(found)


def number_read(text: str, reader: Reader, decimals: int) -> Decimal:
    """A plain number: optional minus, digits, a mark and digits. Refused."""
    match = _NUMBER.fullmatch(text)
    if match is None or ("," in text and not reader.comma):
        raise Refused("number", v=text)
    if match[2] and len(match[2]) > decimals:
        raise Refused("number", v=text)
    return Decimal(text.replace(",", "."))


@dataclass(frozen=True)
class Number(Kind):
    """Above zero, at most `digits` characters and `decimals` decimals."""

    digits: int = 12
    decimals: int = 4

    def phrase(self) -> str:
        return f"> 0, N {self.digits}.{self.decimals}"

    def read(self, text: str, reader: Reader) -> Any:
        value = number_read(text, reader, self.decimals)
        # The database keeps `digits` digits, of which `decimals` stand after the mark.
        if len(text) > self.digits or not 0 < value < 10 ** (self.digits - self.decimals):
            raise Refused("number", v=text)
        return value


@dataclass(frozen=True)
class Coordinate(Kind):
    limit: int = 180

    def phrase(self) -> str:
        return f"−{self.limit}…{self.limit}, ≤ 8 decimals"

    def read(self, text: str, reader: Reader) -> Any:
        value = number_read(text, reader, 8)
        if abs(value) > self.limit:
            raise Refused("pair")
        return value


@dataclass(frozen=True)
class Day(Kind):
    def phrase(self) -> str:
        return "date"

    def read(self, text: str, reader: Reader) -> Any:
        try:
            return date_read(text, reader.date_order)
        except NotClear:
            raise Refused("date", v=text) from None


@dataclass(frozen=True)
class Moment(Kind):
    """A date (local midnight of the device, known later) or epoch seconds."""

    def phrase(self) -> str:
        return "instant with offset, or a date = local midnight of the device"

    def read(self, text: str, reader: Reader) -> date | int:
        try:
            return moment_read(text, reader.date_order)
        except NotClear:
            raise Refused("date", v=text) from None


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The IANA zones."""
    return frozenset(zoneinfo.available_timezones())


@dataclass(frozen=True)
class Zone(Kind):
    def phrase(self) -> str:
        return "IANA zone"

    def read(self, text: str, reader: Reader) -> Any:
        if text not in zones():
            raise Refused("zone", v=text)
        return text
