"""IDF as tables: header, detail line, words, options, refusals."""

from __future__ import annotations

from dataclasses import dataclass

from devices.readings import FLOWS, RATES, UNITS
from exports.formats.csvtext import Cell, Maybe, quoted
from exports.formats.issues import FormatError
from exports.formats.kinds import Integer, Kind, Number, Word
from exports.formats.layout import Column, Line
from exports.formats.options import Option
from exports.formats.quality import LETTER
from exports.formats.registers import (
    BILL_OPTIONS,
    LINE_END_OPTION,
    MULTIPLIER_OPTION,
    NULLS_OPTION,
    RATES_OPTION,
    READ_TYPES_OPTION,
    ZONE_OPTION,
    words_option,
)
from exports.formats.stamps import LocalTime, Offset

HEADER_WORD, INTERFACE = "%HEADER%", "TMSREGISTER"
MOST_LINES = 999_999_999
FEWEST_FIELDS = 23


@dataclass(frozen=True, slots=True)
class ChannelId(Kind):
    """`MeterID:nn`, given as what stands before the colon, the number and what stands after."""

    @property
    def phrase(self) -> str:
        return "`MeterID:nn`"

    def put(self, value: tuple[str, int, str], name: str, size: int) -> bytes:
        return b"%s:%02d%s" % (value[0].encode(), value[1], value[2].encode())

    def get(self, raw: bytes) -> int | None:
        """The number; None when it is 0 or there is none."""
        digits = raw.rpartition(b":")[2]
        return int(digits) or None if digits.isdigit() and len(digits) <= 3 else None


def channel_ends(meter: str) -> tuple[str, str]:
    """What stands before the colon and at the end of a meter's RegisterChannelID."""
    cell = quoted(meter)
    return (cell[:-1], '"') if cell != meter else (cell, "")


TYPES = {"SUM": "TOT", "MAX": "MAX", "CUM": "CUM", "CCUM": "CCUM", "PRES": "PRES", "COIN": "COIN"}
CLASSES = {word: name for name, word in TYPES.items()} | {"SUM": "SUM"}
VALIDATION = {"A": "Passed", "V": "Passed", "E": "Estimated", "Q": "Failed", "M": "Missing"}
LETTER_OF_VALIDATION = {"passed": "A", "estimated": "E", "failed": "Q", "missing": "M"}
# Source to ReadMethod (README 2.5), and back; what was edited is known by its letter.
METHODS = {
    **dict.fromkeys(("SC", "PU", "NT", "GF"), "R"),
    **{"OD": "O", "SR": "S"},
    **dict.fromkeys(("ED", "MN", "IM"), "M"),
}
SOURCE_OF_METHOD = {"R": "SC", "O": "OD", "S": "SR", "M": "MN"}
METHOD_OF_TYPE = {"SR": "S", "OD": "O"}  # where the source is not known; else R

TIME, RESET, OFFSET = LocalTime(), LocalTime(cut=True), Offset()
SMALL = Maybe(Integer(0, 99))

# fmt: off
HEADER = Line("header", columns=(
    #       #  name                   kind                        limit  note
    Column( 1, "flag",                Cell(unicode=True),            20, "option `header_word`"),
    Column( 2, "run",                 Integer(0, 10**14 - 1),        14, "batch id"),
    Column( 3, "interface",           Cell(unicode=True),            40, "option `interface`"),
    Column( 4, "count",               Integer(0, MOST_LINES),         9, "detail lines"),
    Column( 5, "modified",            LocalTime(cut=True),           14, "creation, header zone"),
))
DETAIL = Line("detail", columns=(
    Column( 1, "record_type",         Word(("REG",)),                 3, "`INT` is reserved"),
    Column( 2, "meter_id",            Cell(),                        20, "MeterNumber"),
    Column( 3, "register_channel_id", ChannelId(),                   25,
            "register number, at least 2 digits; `00`: not known"),
    Column( 4, "service_point_id",    Cell(),                        24, ""),
    Column( 5, "account_id",          Cell(),                        20, ""),
    Column( 6, "route_id",            Cell(),                        12, "bill cycle"),
    Column( 7, "text_prompt",         Word(tuple(UNITS)),             6, "unit"),
    Column( 8, "energy_flow",         Word(tuple(FLOWS)),             3, "flow"),
    Column( 9, "register_type",       Word(tuple(TYPES.values())),    4, "`TOT` for class SUM"),
    Column(10, "tou_rate",            Word(RATES),                    1, "rate"),
    Column(11, "reading",             Maybe(Number(16, 4)),          16, "empty if null"),
    Column(12, "read_timestamp",      TIME,                          14, ""),
    Column(13, "gmt_offset",          OFFSET,                         5, "at 12"),
    Column(14, "peak_timestamp",      TIME,                          14, "MAX, COIN; else empty"),
    Column(15, "peak_gmt_offset",     OFFSET,                         5, "at 14"),
    Column(16, "meter_constant",      Number(12, 4, exact=True),     12, "multiplier"),
    Column(17, "constant_flag",       Word(("1", "0")),               1, "`1` applied, `0` not"),
    Column(18, "dials",               SMALL,                          2, ""),
    Column(19, "decimals",            SMALL,                          2, ""),
    Column(20, "read_code",           LETTER,                         1, "quality letter"),
    Column(21, "source_validation",   Word(tuple(dict.fromkeys(VALIDATION.values()))), 9,
            "by 20: A, V Passed; E Estimated; Q Failed; M Missing"),
    Column(22, "read_method",         Word(("R", "O", "S", "M")),     1, "by source"),
    Column(23, "read_reason",         Cell(),                         3, "ReadType"),
    Column(24, "demand_reset_count",  Maybe(Integer(0, 99999)),       5, ""),
    Column(25, "demand_reset_timestamp", RESET,                      14, "zone of 26, no offset"),
    Column(26, "time_zone",           Cell(),                        32,
            "zone that 12, 14 and 25 are written in"),
    Column(27, "process_flag",        Word(("I", "U")),               1,
            "`U` replaces an earlier line of the key"),
))
OF_DEVICE = ("meter_id", "service_point_id", "account_id", "route_id")
OF_READ = ("record_type", "read_timestamp", "gmt_offset", "read_reason", "demand_reset_count",
           "demand_reset_timestamp", "time_zone", "process_flag")
SLOTS = ("reading", "peak_timestamp", "peak_gmt_offset")
FIELD_NAMES = tuple(column.name.title().replace("_", "") for column in DETAIL.columns)

IDF = {
    "IDF01": "two values with one key",
    "IDF02": "run number {run} is not above {last}, the last one of the interface",
    "IDF03": "interval data requested",
    "IDF04": "count {count} is above 999,999,999",
}
OPTIONS = (
    #      name              kind      default      help
    words_option("register_types", TYPES.values(),  "register types written", "TOT,MAX"),
    RATES_OPTION,
    READ_TYPES_OPTION,
    *BILL_OPTIONS,
    NULLS_OPTION,
    MULTIPLIER_OPTION,
    Option("interface",      "text",   INTERFACE,   "interface name", maximum=40),
    Option("header_word",    "text",   HEADER_WORD, "first field of the header", use="both",
           maximum=20),
    Option("fields",         "text",   "",
           "order of the fields by their names, with commas between; those not named follow in "
           "their own order", use="both"),
    Option("after_run",      "text",   "",
           "last run number that the interface had from another installation", maximum=14),
    LINE_END_OPTION,
    Option("headerless",     "yes_no", False,       "a file without header is read", use="read"),
    ZONE_OPTION,
)
# fmt: on


def fields_order(text: str) -> list[Column]:
    """The columns in the order of option `fields`. ValueError names what is unknown or twice."""
    known = {column.name.replace("_", ""): column for column in DETAIL.columns}
    named = [part.strip().lower().replace("_", "") for part in text.split(",") if part.strip()]
    if unknown := [name for name in named if name not in known]:
        listed = ", ".join(FIELD_NAMES)
        raise ValueError(f"option fields: no field {', '.join(unknown)}; there are: {listed}")
    if len(set(named)) < len(named):
        raise ValueError("option fields: a field is named twice")
    return [known[name] for name in dict.fromkeys([*named, *known])]


def idf(code: str, **words: object) -> FormatError:
    """One of IDF's own refusals."""
    return FormatError(code, IDF[code].format(**words), format="idf")
