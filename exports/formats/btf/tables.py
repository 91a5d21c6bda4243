"""BTF as tables: the four records in both layouts, options, refusals. Positions count from 1."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from devices.readings import FLOWS, RATES, READ_TYPES, REGISTER_CLASSES, SOURCES, UNITS
from exports.formats.context import MODES
from exports.formats.issues import FormatError, refusal
from exports.formats.kinds import Blank, Const, Integer, Kind, Text, Word
from exports.formats.layout import Field, Record
from exports.formats.options import Option
from exports.formats.quality import LETTER
from exports.formats.registers import (
    BILL_OPTIONS,
    CLASSES_OPTION,
    LINE_END_OPTION,
    MULTIPLIER_OPTION,
    NULLS_OPTION,
    RATES_OPTION,
    READ_TYPES_OPTION,
    STRICT_OPTION,
    ZONE_OPTION,
)
from exports.formats.stamps import LocalTime, Offset
from exports.formats.text import ROUNDING

LENGTH = 200
MOST_LINES, MOST_REGISTERS = 999_999_999, 999
EXPLICIT, IMPLIED = "0100", "0101"
SEQUENCE = slice(4, 13)  # of a record's bytes
FOUR = Decimal("0.0001")


# --- kinds ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Zeros(Kind):
    """Whole numbers, zeros to the left; read also with blanks for zeros and a `+`."""

    high: int
    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        return f"integer 0–{self.high}, zeros to the left"

    def put(self, value: int, name: str, size: int) -> bytes:
        return Integer(0, self.high).put(value, name, size)

    def get(self, raw: bytes) -> int:
        digits = raw.strip().removeprefix(b"+") or b"0"
        if not digits.isdigit():
            raise ValueError(f"{raw.decode('latin-1')!r} is no number")
        return int(digits)


_N4 = re.compile(rb"([+-]?)[ 0]*(\d*)(?:\.(\d{0,4}))?")


@dataclass(frozen=True, slots=True)
class Four(Kind):
    """A number with four decimals, zeros to the left, `-` in the first position if negative.

    `point`: with an explicit one; else implied, and of a `signed` field the first position is
    that of the sign.
    """

    point: bool
    signed: bool = True
    exact: bool = False

    @property
    def phrase(self) -> str:
        rule = ", never rounded" if self.exact else ", rounded half-even"
        return f"number, 4 decimals, {'explicit' if self.point else 'no'} point{rule}"

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        if not value.is_finite():
            raise refusal("FMT10")
        rounded = value.quantize(FOUR, context=ROUNDING)
        inexact = self.exact and rounded != value
        text = f"{abs(rounded):f}"
        if not self.point:
            text = text.replace(".", "")
        negative = rounded < 0
        room = size - (negative or (self.signed and not self.point))
        if inexact or len(text) > room or (negative and not self.signed):
            raise refusal("FMT07", field=name, value=value, width=size)
        return (b"-" if negative else b"") + text.encode().rjust(size - negative, b"0")

    def get(self, raw: bytes) -> Decimal:
        match = _N4.fullmatch(raw.strip())
        if match is None or (match[3] is not None) is not self.point:
            raise ValueError(f"{raw.decode('latin-1')!r} is no {self.phrase}")
        digits = (match[1] + (match[2] or b"0")).decode()
        if self.point:
            return Decimal(f"{digits}.{match[3].decode() or '0'}")
        return Decimal(digits).scaleb(-4)


@dataclass(frozen=True, slots=True)
class Hex(Kind):
    """Upper-case hexadecimal digits, zeros to the left."""

    fill: ClassVar[bytes] = b"0"
    to_right: ClassVar[bool] = True

    @property
    def phrase(self) -> str:
        return "hexadecimal, upper case, zeros to the left"

    def put(self, value: str, name: str, size: int) -> bytes:
        digits = value.upper().lstrip("0")
        if len(digits) > size or not re.fullmatch(r"[0-9A-F]*", digits):
            raise refusal("FMT07", field=name, value=value, width=size)
        return digits.encode("ascii")

    def get(self, raw: bytes) -> str:
        text = raw.decode("latin-1").strip().upper()
        if not re.fullmatch(r"[0-9A-F]+", text):
            raise ValueError(f"{text!r} is no hexadecimal number")
        return text


AN, TIME, CUT, OFFSET = Text(), LocalTime(), LocalTime(cut=True), Offset()
FILLER = Const("", AN)
SEQ, BATCH = Zeros(MOST_LINES), Zeros(10**14 - 1)
SMALL, RESETS = Blank(Zeros(99)), Blank(Zeros(99999))


# --- records --------------------------------------------------------------------------------------

# fmt: off
BTFH = Record("BTFH", LENGTH, first=1, fields=(
    #     start size  name                    kind                      note
    Field(  1,   4, "record_type",            Const("BTFH", AN)),
    Field(  5,   9, "sequence",               SEQ,                      "1; +1 a line"),
    Field( 14,   4, "layout",                 Word((EXPLICIT, IMPLIED)), "version"),
    Field( 18,  12, "sender",                 AN),
    Field( 30,  12, "receiver",               AN),
    Field( 42,  30, "export",                 AN,                       "ASCII, else `?`"),
    Field( 72,  14, "batch",                  BATCH),
    Field( 86,  14, "created",                CUT,                      "header zone, as to 138"),
    Field(100,   5, "created_offset",         OFFSET),
    Field(105,  14, "start",                  TIME,                     "first instant selected"),
    Field(119,   5, "start_offset",           OFFSET),
    Field(124,  14, "end",                    TIME,                     "exclusive"),
    Field(138,   5, "end_offset",             OFFSET),
    Field(143,  12, "group",                  AN,                       "blank: several"),
    Field(155,   2, "mode",                   Word(tuple(MODES))),
    Field(157,  14, "original_batch",         Blank(BATCH),             "RE, CO"),
    Field(171,   1, "test",                   Word(("P", "T")),         "`T`: test"),
    Field(172,  29, "filler",                 FILLER),
))
BTFM = Record("BTFM", LENGTH, first=1, fields=(
    #     start size  name                    kind                      note
    Field(  1,   4, "record_type",            Const("BTFM", AN)),
    Field(  5,   9, "sequence",               SEQ),
    Field( 14,  20, "meter_number",           AN),
    Field( 34,  24, "service_point_id",       AN),
    Field( 58,  20, "account_id",             AN),
    Field( 78,  20, "device_id",              AN),
    Field( 98,  12, "group",                  AN,                       "bill cycle of the meter"),
    Field(110,   3, "read_type",              Word(tuple(READ_TYPES))),
    Field(113,  14, "time",                   TIME),
    Field(127,   5, "time_offset",            OFFSET),
    Field(132,   2, "season",                 SMALL),
    Field(134,   5, "reset_count",            RESETS),
    Field(139,  14, "reset_time",             CUT),
    Field(153,   5, "reset_offset",           OFFSET),
    Field(158,   3, "registers",              Zeros(MOST_REGISTERS),    "BTFR lines that follow"),
    Field(161,   8, "status_word",            Blank(Hex()),             "C12.19 table 3"),
    Field(169,   3, "estimated",              Zeros(MOST_REGISTERS),    "of them E or V"),
    Field(172,  10, "device_class",           AN),
    Field(182,  19, "filler",                 FILLER),
))
BTFT_TAIL = (
    Field( 95,   9, "estimated",              SEQ,                      "BTFR of E or V"),
    Field(104,   9, "missing",                SEQ,                      "BTFR of M"),
    Field(113,   8, "crc",                    Hex(),
          "CRC-32 of every byte before this line, line ends included"),
    Field(121,  80, "filler",                 FILLER),
)


def _btfr(point: bool) -> Record:
    return Record("BTFR", LENGTH, first=1, fields=(
        #     start size  name                kind                      note
        Field(  1,   4, "record_type",        Const("BTFR", AN)),
        Field(  5,   9, "sequence",           SEQ),
        Field( 14,  20, "meter_number",       AN),
        Field( 34,  24, "service_point_id",   AN),
        Field( 58,  20, "account_id",         AN),
        Field( 78,   3, "read_type",          Word(tuple(READ_TYPES))),
        Field( 81,  14, "time",               TIME),
        Field( 95,   5, "time_offset",        OFFSET),
        Field(100,   3, "number",             Zeros(999),               "`000`: not known"),
        Field(103,   4, "register_class",     Word(tuple(REGISTER_CLASSES))),
        Field(107,   6, "unit",               Word(tuple(UNITS))),
        Field(113,   3, "flow",               Word(tuple(FLOWS))),
        Field(116,   1, "rate",               Word(RATES)),
        Field(117,  16, "value",              Blank(Four(point))),
        Field(133,  14, "peak",               TIME,                     "MAX, COIN"),
        Field(147,   5, "peak_offset",        OFFSET),
        Field(152,   2, "dials",              SMALL),
        Field(154,   2, "decimals",           SMALL),
        Field(156,  12, "multiplier",         Four(point, signed=False, exact=True)),
        Field(168,   1, "applied",            Word(("Y", "N"))),
        Field(169,   1, "quality",            LETTER),
        Field(170,   2, "source",             Word(tuple(SOURCES.values()), empty=True)),
        Field(172,  29, "filler",             FILLER),
    ))


def _btft(point: bool) -> Record:
    return Record("BTFT", LENGTH, first=1, fields=(
        #     start size  name                kind                      note
        Field(  1,   4, "record_type",        Const("BTFT", AN)),
        Field(  5,   9, "sequence",           SEQ,                      "= all lines"),
        Field( 14,  14, "batch",              BATCH),
        Field( 28,   9, "reads",              SEQ,                      "BTFM lines"),
        Field( 37,   9, "registers",          SEQ,                      "BTFR lines"),
        Field( 46,   9, "lines",              SEQ,                      "all lines"),
        Field( 55,  20, "energy",             Four(point),              "sum of class SUM"),
        Field( 75,  20, "demand",             Four(point),              "sum of class MAX"),
        *BTFT_TAIL,
    ))


BTFR = {EXPLICIT: _btfr(True), IMPLIED: _btfr(False)}
BTFT = {EXPLICIT: _btft(True), IMPLIED: _btft(False)}
OF_DEVICE = ("meter_number", "service_point_id", "account_id", "device_id", "group",
             "device_class")
OF_READ = ("read_type", "time", "time_offset", "season", "reset_count", "reset_time",
           "reset_offset", "status_word")
SLOTS = ("value", "peak", "peak_offset")

BTF = {
    "BTF01": "two registers with one key",
    "BTF02": "{count} registers in a read, at most 999",
    "BTF03": "mode {mode} without original batch",
    "BTF04": "more than 999,999,999 lines",
}
OPTIONS = (
    #      name              kind      default   help
    Option("layout",         "choice", EXPLICIT, "0101: implied decimals",
           choices=(EXPLICIT, IMPLIED)),
    READ_TYPES_OPTION,
    *BILL_OPTIONS,
    CLASSES_OPTION,
    RATES_OPTION,
    NULLS_OPTION,
    Option("by_group",       "yes_no", False,    "one file a bill cycle"),
    Option("test_flag",      "choice", "P",      "production or test", choices=("P", "T")),
    MULTIPLIER_OPTION,
    LINE_END_OPTION,
    STRICT_OPTION,
    ZONE_OPTION,
)
# fmt: on


def btf(code: str, **words: object) -> FormatError:
    """One of BTF's own refusals."""
    return FormatError(code, BTF[code].format(**words), format="btf")
