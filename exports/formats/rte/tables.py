"""RTE as tables: its rows and control lines, options, refusals and warnings.

Section numbers are those of the specification's page (docs/formats/rte.md).
"""

from __future__ import annotations

from devices.readings import FLOWS, SOURCES, UNITS, VALUE_TYPES, WIDTHS
from exports.formats.csvtext import Cell, Maybe
from exports.formats.iso import Instant
from exports.formats.issues import REFUSALS, FormatError
from exports.formats.kinds import Const, Integer, Number, Word
from exports.formats.layout import Column, Line
from exports.formats.options import Option
from exports.formats.quality import LETTER

VERSION = "1.00"
SEQ_DIGITS = 18
LAST_SEQ = 10**SEQ_DIGITS - 1
LAST_REVISION = 999
INTERVAL, REGISTER = "I", "R"  # record types
TOTAL = "X"  # value type of a register total
DECIMALS = {INTERVAL: 6, REGISTER: 4}
ID = Cell()
STAMP = Instant(exact=True)
VALUE = Maybe(Number(digits=18, decimals=DECIMALS[INTERVAL]))
READING = Maybe(Number(digits=18, decimals=DECIMALS[REGISTER]))
YES_NO = Word(("Y", "N"))

# fmt: off
# Section 1. Values of RecType R are written with READING.
ROW = Line("row", columns=(
    #       #   name                  kind                                limit  note
    Column( 1, "RecType",             Word((INTERVAL, REGISTER)),             1,
            "`I` interval value, `R` register total"),
    Column( 2, "Seq",                 Integer(1, LAST_SEQ),          SEQ_DIGITS,
            "+1 a row of the export definition over all files, never reused"),
    Column( 3, "DeviceID",            ID,                   WIDTHS["device_id"]),
    Column( 4, "MeterNumber",         ID,                WIDTHS["meter_number"]),
    Column( 5, "ServicePointID",      ID,            WIDTHS["service_point_id"]),
    Column( 6, "Channel",             Integer(1, 999),                        3,
            "channel (`I`) or register number (`R`)"),
    Column( 7, "UOM",                 Word(tuple(UNITS)),                     6),
    Column( 8, "Flow",                Word(tuple(FLOWS)),                     3),
    Column( 9, "Timestamp",           STAMP,                                 25,
            "interval end, or read time"),
    Column(10, "IntervalSeconds",     Maybe(Integer(60, 86400)),              5, "`I` only"),
    Column(11, "Value",               VALUE,                                 18,
            "empty if null; of `R` 4 decimals"),
    Column(12, "ValueType",           Word((*VALUE_TYPES, TOTAL)),            1,
            "usage, average demand, average, instantaneous, register total"),
    Column(13, "Multiplier",          Number(12, 4, exact=True),             12),
    Column(14, "MultiplierApplied",   YES_NO,                                 1),
    Column(15, "Quality",             LETTER,                                 1),
    Column(16, "QualityCodes",        Cell(),                               120, "joined by `;`"),
    Column(17, "ReceivedTime",        Instant(),                             25,
            "arrival in TMS, fraction of a second cut off"),
    Column(18, "Origin",              Word(tuple(SOURCES.values()), empty=True), 2,
            "source code"),
    Column(19, "Revision",            Integer(0, LAST_REVISION),              3,
            "0 first, +1 for each version of the key that TMS accepted"),
))
HEADER = Line("H", columns=(
    Column( 1, "RecType",             Const("H", Word(("H",))),               1),
    Column( 2, "Version",             Const(VERSION, Word((VERSION,))),       4),
    Column( 3, "BatchID",             Cell(),                                14),
    Column( 4, "Created",             Instant(),                             25, "header stamp"),
    Column( 5, "Export",              Cell(unicode=True), WIDTHS["export_name"]),
    Column( 6, "FirstSeq",            Integer(1, LAST_SEQ),          SEQ_DIGITS,
            "of an empty file the next one"),
    Column( 7, "Zone",                Cell(),                                64,
            "of the header stamp, IANA name"),
))
TRAILER = Line("T", columns=(
    Column( 1, "RecType",             Const("T", Word(("T",))),               1),
    Column( 2, "BatchID",             Cell(),                                14),
    Column( 3, "IntervalRows",        Integer(0, LAST_SEQ),          SEQ_DIGITS),
    Column( 4, "RegisterRows",        Integer(0, LAST_SEQ),          SEQ_DIGITS),
    Column( 5, "LastSeq",             Integer(0, LAST_SEQ),          SEQ_DIGITS,
            "of an empty file the first one less 1"),
    Column( 6, "IntervalTotal",       Number(60, 6),                         70,
            "sum of the `I` values as written"),
    Column( 7, "RegisterTotal",       Number(60, 6),                         70,
            "sum of the `R` values as written"),
))

OPTIONS = (
    #      name                 kind       default
    Option("names",             "yes_no",  True, "a line of column names"),
    Option("control",           "yes_no",  False, "first line `H`, last line `T`"),
    Option("send_missing",      "yes_no",  None,
           "slots known missing are sent; default: those of a scheduled retrieval (Origin SC)"),
    Option("include",           "choice",  "both", "what is written",
           choices=("intervals", "registers", "both")),
    Option("remove_multiplier", "yes_no",  False,
           "an applied multiplier is divided out, MultiplierApplied is N"),
    Option("line_end",          "choice",  "CRLF", "end of each line", choices=("CRLF", "LF")),
    Option("first_seq",         "integer", 1,
           "Seq of the first row; of a live export that of its first file, the others go on",
           minimum=1, maximum=LAST_SEQ),
    Option("zone",              "zone",    None, "of instants read without offset", use="read"),
    Option("strict",            "yes_no",  False,
           "a T that disagrees, or an H without T, refuses the file", use="read"),
)
# fmt: on
NAMES = tuple(column.name for column in ROW.columns)

RTE = {
    "RTE01": "Seq would run backwards: {first} after {last}",
    "RTE02": "register class {register_class} rate {rate} is no SUM/T register",
    "RTE03": "two rows of one key and revision {revision}",
    "RTE04": "register or channel {unit} {flow} has no number",
}
# Warnings of the writer.
RTW = {
    "RTW01": "negative value of a flow other than NET",
    "RTW02": "revision over 999, written as 999",
}
# Section 3: why a row, or a file, is refused.
RTR_ERRORS = {
    "FMT03": "interval end {value} is not on the grid of its length",
    "FMT12": "value and missing mark disagree: {value} beside MISSING",
    "FMT15": "{why}",
    "FMT17": "interval length {value!r} not carried",
    "RTR01": "{count} fields instead of {wanted}",
    "RTR02": "{value!r} is neither I nor R, nor a control line",
    "RTR03": "{why}",
    "RTR04": "number {value} cannot be kept",
    "RTR05": "interval seconds are empty",
    "RTR06": "value type {value!r} does not belong to record type {kind}",
    "RTR07": "seq {value} was given to another row",
    "RTR08": "layout version {value} is above " + VERSION,
    "RTR09": "{why}",
    "RTR10": "columns {value} are missing",
}
# What is odd but accepted.
RTR_WARNINGS = {
    "RTR50": "blank line",
    "RTR51": "column {value!r} is not known, ignored",
    "RTR52": "quality codes {value} have no meaning here",
    "RTR53": "letter {letter} and codes {value} disagree, the codes stand",
    "RTR54": "empty value without a missing mark",
    "RTR55": "a fraction of a second was cut off",
    "RTR56": "rows missing: {count} numbers of Seq between {first} and {last}",
    "RTR57": "{why}",
    "RTR58": "seq {value} is repeated with equal content, ignored",
}


def rte(code: str, **words: object) -> FormatError:
    """The refusal `code`, common or RTE's own."""
    return FormatError(code, (RTE | REFUSALS)[code].format(**words))
