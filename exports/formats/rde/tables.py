"""RDE as tables: the lines of both profiles, energy kinds, options, refusals."""

from __future__ import annotations

from typing import NamedTuple

from devices.readings import FLOWS, RATES, READ_TYPES, REGISTER_CLASSES, SOURCES, UNITS
from exports.formats.context import MODES
from exports.formats.csvtext import Cell, Maybe
from exports.formats.issues import FormatError
from exports.formats.kinds import Const, Integer, Number, Word
from exports.formats.layout import Column, Line
from exports.formats.options import Option
from exports.formats.quality import LETTER, LETTER_MASKS
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
from exports.formats.stamps import Instant

VERSION = "1.00"
MOST = 10**9 - 1  # reads, rows and counts of a file
MOST_OF_ID = 10**18 - 1
MOST_REVISIONS = 999

ID, NAME = Cell(), Cell(unicode=True)
TIME, MAYBE_TIME, CUT = Instant(), Maybe(Instant()), Maybe(Instant(cut=True))
VALUE, SMALL = Maybe(Number(16, 4)), Maybe(Integer(0, 99))
TOTAL = Number(40, 4)
BATCH, COUNT, RESETS = Integer(0, 10**14 - 1), Integer(0, MOST), Maybe(Integer(0, 99999))
TYPES, CLASSES = Word(tuple(READ_TYPES)), Word(tuple(REGISTER_CLASSES))
UNIT, FLOW, RATE = Word(tuple(UNITS)), Word(tuple(FLOWS)), Word(RATES)
YES_NO = Word(("Y", "N"))

# fmt: off
RDEH = Line("RDEH", columns=(
    #       #  name                  kind                          limit  note
    Column( 1, "RecType",            Const("RDEH", ID),                4),
    Column( 2, "Version",            Const(VERSION, ID),               4),
    Column( 3, "Batch",              BATCH,                           14),
    Column( 4, "Created",            TIME,                            25),
    Column( 5, "Sender",             ID,                              12),
    Column( 6, "Receiver",           ID,                              12),
    Column( 7, "Export",             NAME,                            30),
    Column( 8, "Mode",               Word(tuple(MODES)),               2),
    Column( 9, "OriginalBatch",      Maybe(BATCH),                    14, "RE, CO"),
    Column(10, "From",               MAYBE_TIME,                      25),
    Column(11, "To",                 MAYBE_TIME,                      25),
    Column(12, "Zone",               ID,                              32,
           "IANA, or `DEVICE`: each row in its device's zone"),
    Column(13, "Groups",             ID,                           10000, "codes joined by `;`"),
))
RDED = Line("RDED", columns=(
    #       #  name                  kind                          limit  note
    Column( 1, "RecType",            Const("RDED", ID),                4),
    Column( 2, "DeviceID",           ID,                              20),
    Column( 3, "MeterNumber",        ID,                              20),
    Column( 4, "SerialNumber",       ID,                              24),
    Column( 5, "ServicePointID",     ID,                              24),
    Column( 6, "AccountID",          ID,                              20),
    Column( 7, "FunctionalGroup",    ID,                              12, "bill cycle"),
    Column( 8, "ReadType",           TYPES,                            3),
    Column( 9, "ReadTime",           TIME,                            25,
           "the moment the values belong to"),
    Column(10, "ReadID",             Maybe(Integer(0, MOST_OF_ID)),   18, "empty if not a number"),
    Column(11, "Season",             SMALL,                            2),
    Column(12, "DemandResetCount",   RESETS,                           5),
    Column(13, "DemandResetTime",    CUT,                             25),
    Column(14, "RegisterNo",         Maybe(Integer(1, 999)),           3, "empty: not known"),
    Column(15, "RegisterClass",      CLASSES,                          4),
    Column(16, "UOM",                UNIT,                             6),
    Column(17, "Flow",               FLOW,                             3),
    Column(18, "Rate",               RATE,                             1),
    Column(19, "Occurrence",         Integer(1, 99),                   2,
           "MAX and COIN: 1 = highest peak; 1 for all else"),
    Column(20, "Value",              VALUE,                           16, "empty if null"),
    Column(21, "PeakTime",           MAYBE_TIME,                      25, "MAX, COIN"),
    Column(22, "Multiplier",         Number(12, 4, exact=True),       12),
    Column(23, "MultiplierApplied",  YES_NO,                           1),
    Column(24, "Dials",              SMALL,                            2),
    Column(25, "Decimals",           SMALL,                            2),
    Column(26, "Quality",            LETTER,                           1),
    Column(27, "QualityCodes",       ID,                             200, "joined by `;`"),
    Column(28, "Source",             Word(tuple(SOURCES.values()), empty=True), 2,
           "of the value, else of the read"),
    Column(29, "ReceivedTime",       CUT,                             25, "of the read"),
    Column(30, "Revision",           Integer(0, MOST_REVISIONS),       3,
           "earlier accepted versions; stays at 999"),
))
RDET = Line("RDET", columns=(
    #       #  name                  kind                          limit  note
    Column( 1, "RecType",            Const("RDET", ID),                4),
    Column( 2, "Batch",              BATCH,                           14),
    Column( 3, "Reads",              COUNT,                            9),
    Column( 4, "Rows",               COUNT,                            9, "RDED lines"),
    Column( 5, "EnergyTotal",        TOTAL,                           40, "sum of class SUM"),
    Column( 6, "DemandTotal",        TOTAL,                           40,
           "sum of class MAX, every occurrence written"),
    Column( 7, "Estimated",          COUNT,                            9, "letters E and V"),
    Column( 8, "Missing",            COUNT,                            9, "letter M"),
    Column( 9, "SHA256",             ID,                              64,
           "of all bytes before this line, line ends included"),
))
DEVICE_NAMES = ("DeviceID", "MeterNumber", "SerialNumber", "ServicePointID", "AccountID",
                "FunctionalGroup")
READ_NAMES = ("RecType", "ReadType", "ReadTime", "Season", "DemandResetCount",
              "DemandResetTime", "ReceivedTime", "Revision")
SLOTS = ("Value", "PeakTime")
REQUIRED = ("ReadType", "ReadTime", "RegisterNo", "RegisterClass", "UOM", "Value")
NAMES = tuple(column.name for column in RDED.columns)
RDEC = ",".join(("RDEC", *NAMES[1:]))


# --- wide -----------------------------------------------------------------------------------------


class EnergyKind(NamedTuple):
    """A row's units: energy, and demand if it has one."""

    energy: str
    demand: str


ENERGY_KINDS = (
    EnergyKind("KWH",   "KW"),
    EnergyKind("KVARH", "KVAR"),
    EnergyKind("KVAH",  "KVA"),
    *(EnergyKind(unit, "") for unit in ("CF", "CCF", "GAL", "THERM", "M3")),
)
WIDE_RATES = ("T", "A", "B", "C", "D")
# Class of a block's cells: Energy, MaxDemand, CumDemand.
BLOCK = (("SUM", "Energy"), ("MAX", "MaxDemand"), ("CUM", "CumDemand"))


def _block(first: int, rate: str) -> tuple[Column, ...]:
    return (
        Column(first,     f"{rate}_Energy",        VALUE,             16, "SUM"),
        Column(first + 1, f"{rate}_MaxDemand",     VALUE,             16, "MAX, highest peak"),
        Column(first + 2, f"{rate}_MaxDemandTime", MAYBE_TIME,        25),
        Column(first + 3, f"{rate}_CumDemand",     VALUE,             16, "CUM"),
        Column(first + 4, f"{rate}_Quality",       Word(tuple(LETTER_MASKS), empty=True), 1,
               "worst of the block; empty without registers"),
    )


WIDE = Line("wide", columns=(
    #       #  name                  kind                          limit  note
    Column( 1, "MeterNumber",        ID,                              20),
    Column( 2, "ServicePointID",     ID,                              24),
    Column( 3, "AccountID",          ID,                              20),
    Column( 4, "FunctionalGroup",    ID,                              12, "bill cycle"),
    Column( 5, "ReadType",           TYPES,                            3),
    Column( 6, "ReadTime",           TIME,                            25),
    Column( 7, "EnergyUOM",          UNIT,                             6),
    Column( 8, "DemandUOM",          Word(tuple(UNITS), empty=True),   6),
    Column( 9, "Flow",               FLOW,                             3),
    *(column for place, rate in enumerate(WIDE_RATES) for column in _block(10 + 5 * place, rate)),
    Column(35, "DemandResetCount",   RESETS,                           5),
    Column(36, "DemandResetTime",    CUT,                             25),
    Column(37, "Multiplier",         Number(12, 4, exact=True),       12),
    Column(38, "MultiplierApplied",  YES_NO,                           1),
    Column(39, "ReceivedTime",       CUT,                             25),
))
WIDE_NAMES = tuple(column.name for column in WIDE.columns)
WIDE_DEVICE = ("MeterNumber", "ServicePointID", "AccountID", "FunctionalGroup")
WIDE_READ = ("ReadType", "ReadTime", "DemandResetCount", "DemandResetTime", "ReceivedTime")
WIDE_REQUIRED = ("MeterNumber", "ReadType", "ReadTime", "EnergyUOM", "Flow")

RDE = {
    "RDE01": "two rows with one key",
    "RDE02": "rate {rate}: use profile long, or select rates T, A to D",
    "RDE03": "{why}",
    "RDE04": "mode {mode} without original batch",
    "RDE05": "registers of one row with different multiplier or applied mark",
}
RDE_WARNINGS = {
    "RDE50": "register not carried by profile wide",
    "RDE51": "read id that is not a number of 18 digits, left empty",
}
OPTIONS = (
    #      name             kind       default  help
    Option("profile",       "choice",  "long",  "one row a register, or one a read and flow",
           choices=("long", "wide")),
    READ_TYPES_OPTION,
    *BILL_OPTIONS,
    CLASSES_OPTION,
    RATES_OPTION,
    Option("occurrences",   "integer", None,    "highest peaks written; default all",
           minimum=1, maximum=99),
    Option("names",         "yes_no",  False,   "a line of column names (wide: always)"),
    NULLS_OPTION,
    Option("energy_days",   "integer", None,
           "of class SUM only the newest read of so many days before creation",
           minimum=1, maximum=3660),
    Option("demand_days",   "integer", None,    "the same of all other classes",
           minimum=1, maximum=3660),
    Option("append",        "yes_no",  False,
           "rows for the end of an existing file: no line of names; wide only"),
    Option("formula_guard", "yes_no",  False,
           "a `'` before cells that a spreadsheet would take for formulas; wide only"),
    MULTIPLIER_OPTION,
    LINE_END_OPTION,
    STRICT_OPTION,
    ZONE_OPTION,
)
WIDE_ONLY = ("append", "formula_guard")
# fmt: on


def rde(code: str, **words: object) -> FormatError:
    """One of RDE's own refusals."""
    return FormatError(code, RDE[code].format(**words), format="rde")
