"""MV-90 216-byte records as tables: headers, options, refusals and warnings.

Section numbers are those of the specification's page (docs/formats/mv90.md). The frame, interval
records, cells, status words and the trailer are those of records216.
"""

from __future__ import annotations

from exports.formats.binary import Digits, Key, Name, Pointed, Reserved, Stamp
from exports.formats.issues import REFUSALS
from exports.formats.kinds import U16, Const, Integer, Word
from exports.formats.layout import Field, Record
from exports.formats.options import Option
from exports.formats.records216.book import IDENTIFIERS
from exports.formats.records216.layouts import BLANK, CHANNEL, DEVICE, HEADER, LENGTH, NUL, frame
from exports.formats.records216.settings import (
    OVERFLOW_IDS,
    RESOLUTIONS,
    ROUND_CELLS,
    SEEN,
    TRIM,
    UNIT_CODES,
)

START, STOP = Stamp(), Stamp(late=True)
NO_READING = b"00000000.000"

# fmt: off
# Section 2.
METER = Record("meter header", length=LENGTH, fields=(
    #     start size  name           kind               note
    *frame(Const(HEADER, U16())),
    Field(  4,  20, "CM_CUSTID",   DEVICE,
          "key, same in every record of the meter; setting `custid`"),
    Field( 24,  20, "CM_NAME",     Name(),            "setting `name`; cut at 20, warning"),
    Field( 44,  20, "CM_ADDR1",    Name(),            "setting `addr1`"),
    Field( 64,  20, "CM_ADDR2",    Name(),            "setting `addr2`"),
    Field( 84,  20, "CM_ACCOUNT",  Key(),             "AccountID, or blank"),
    Field(104,   7, "reserved_104", BLANK),
    Field(111,   4, "CM_LOGCHANS", Digits(),          "channel headers that follow"),
    Field(115,   4, "reserved_115", BLANK),
    Field(119,  12, "TA_START",    START,             "start of the first interval + 1 minute"),
    Field(131,  12, "TA_STOP",     STOP,              "end of the last interval"),
    Field(143,   1, "DST_FLAG",    Word(("N", "Y")),  "`N`"),
    Field(144,  72, "reserved_144", BLANK),
))
CHANNEL_HEADER = Record("channel header", length=LENGTH, fields=(
    #     start size  name           kind               note
    *frame(Const(CHANNEL, U16())),
    Field(  4,  20, "DC_CUSTID",   DEVICE,            "= CM_CUSTID"),
    Field( 24,  14, "DC_RECID",    Key(),             "recorder id: setting `recid`"),
    Field( 38,   6, "reserved_38", NUL),
    Field( 44,  12, "DC_METERID",  Key(),             "setting `meterid`"),
    Field( 56,  12, "TA_START",    START,             "= header"),
    Field( 68,  12, "TA_STOP",     STOP,              "= header"),
    Field( 80,  12, "reserved_80", Reserved(b"0")),
    Field( 92,   1, "reserved_92", Reserved(b"N"),    "profile `mainframe`: setting `byte92`"),
    Field( 93,   2, "DC_PYSCHAN",  Digits(0, 99),     "physical channel"),
    Field( 95,   2, "DC_LOGCHAN",  U16(),             "logical channel: the channel's number"),
    Field( 97,   2, "DC_UMCODE",   Key(),             "unit code"),
    Field( 99,   1, "CHANSTAT",    Word(("Y", "N")),  "`Y`: channel-status word after each value"),
    Field(100,   1, "INTSTAT",     Word(("Y", "N")),  "`Y`: interval-status word after that"),
    Field(101,  12, "STRTMTR",     Pointed(),         "start reading"),
    Field(113,  12, "STOPMTR",     Pointed(),         "stop reading"),
    Field(125,   1, "reserved_125", Reserved(b"3")),
    Field(126,  10, "DC_MMULT",    Pointed(exact=True), "meter multiplier"),
    Field(136,  30, "reserved_136", NUL),
    Field(166,   1, "DC_SERVTYPE", Key(),             "`W` value type U, else `D`"),
    Field(167,  10, "reserved_167", NUL),
    Field(177,   2, "DR_INPHR",    Integer(1, 60),    "intervals an hour"),
    Field(179,  12, "reserved_179", NUL),
    Field(191,   2, "reserved_191", Reserved(b"NA")),
    Field(193,   2, "TD_STATUS",   Key(),             "`AC` accepted"),
    Field(195,  15, "reserved_195", NUL),
    Field(210,   1, "DC_FLOW",     Key(),             "`D` DEL, `R` REC"),
    Field(211,   2, "DC_KVASET",   NUL),
    Field(213,   1, "TD_ORIGIN",   Reserved(b"R")),
    Field(214,   2, "reserved_214", NUL),
))
# fmt: on
CHANNELS = range(1, 100)

# Section 6; the common ones are in issues.REFUSALS.
ERRORS = {
    "empty": ("MDE01", "meter {why}"),
    "long": ("MDE02", "{field}: {length} characters, at most {width}"),
    "clash": ("MDE03", "{what}: two shortened identifiers are the same"),
    "lengths": ("MDE04", "channels of different lengths ({lengths} s)"),
    "records": ("MDE05", "{what}, at most 8998"),
    "number": ("MDE06", "channel number {number} is not 1 to 99"),
    "value": ("MDE07", "value {value} is outside float32"),
    "eras": ("MDE08", "channel {number} changes its unit, flow or value type within the period"),
}
WARNINGS = {
    "name": ("MDW01", "name or address cut at 20 characters"),
    "inexact": ("MDW02", "value that does not come back from its cell"),
    "multipliers": ("MDW03", "multiplier changes within the period, the last one stands"),
    "character": ("MDW04", "character without a place in Windows-1252, `?` written"),
}

NAMES = ("none", *IDENTIFIERS)
# Section 6.
OPTIONS = (
    #      name            kind      default
    Option(
        "profile",
        "choice",
        "mdef",
        "`mainframe`: extension mv9, `byte92` may be set; not verified against a host",
        choices=("mdef", "mainframe"),
    ),
    Option(
        "custid",
        "choice",
        "DeviceID",
        "CM_CUSTID; reading: what it is",
        use="both",
        choices=("DeviceID", "MeterNumber", "AccountID"),
    ),
    Option("recid", "choice", "DeviceID", "DC_RECID", choices=tuple(IDENTIFIERS)),
    Option(
        "meterid",
        "choice",
        "SerialNumber",
        "DC_METERID; `label`: unit, blank, D or R, as in real files",
        choices=("SerialNumber", "MeterNumber", "label"),
    ),
    OVERFLOW_IDS,
    UNIT_CODES,
    SEEN,
    Option("serv_type", "choice", None, "DC_SERVTYPE; default by value type", choices=("W", "D")),
    Option(
        "physical", "map", None, "physical channels, as `1=3;2=4`; default the channel's number"
    ),
    Option("byte92", "text", None, "byte 92 of channel headers, profile mainframe", maximum=1),
    Option("multi_meter", "yes_no", False, "several meters in a file, of one standard offset"),
    TRIM,
    Option("name", "choice", "none", "CM_NAME", choices=NAMES),
    Option("addr1", "choice", "none", "CM_ADDR1", choices=NAMES),
    Option("addr2", "choice", "none", "CM_ADDR2", choices=NAMES),
    Option("account", "yes_no", True, "CM_ACCOUNT is written"),
    Option("zone", "zone", None, "zone of the times read; default the system's", use="read"),
    Option(
        "dst_flag_y",
        "choice",
        "refuse",
        "channels of a meter with DST_FLAG `Y`: refused, or read as prevailing time",
        use="read",
        choices=("refuse", "prevailing"),
    ),
    Option(
        "multiplier_applied",
        "yes_no",
        True,
        "values and readings read have their multiplier applied",
        use="read",
    ),
    RESOLUTIONS,
    ROUND_CELLS,
)
# Section 7: why a record, a channel or the file is refused.
MDR_ERRORS = {
    "MDR01": "file of {size} bytes, no multiple of 216",
    "MDR02": "length word {length}, not 216{hint}",
    "MDR03": "first record has code {code}, not 1",
    "MDR04": "record code {code} is unknown",
    "MDR05": "no channel header before this record",
    "MDR06": "{why}",
    "MDR07": "{field} {value!r}, in the meter header {wanted!r}",
    "MDR08": "interval codes do not run 1001, 1002, …",
    "MDR09": "start and stop are no whole number of intervals",
    "MDR10": "{per_hour} intervals an hour",
    "MDR11": "channel number {number} stands twice",
    "MDR12": "unit code {code!r} is not in the table",
    "MDR13": "DST_FLAG Y (option dst_flag_y)",
    "MDR14": "{count} cells are no count of resolution {resolution}",
    "MDR15": "a value is too large for resolution {resolution}",
    "MDR16": "channel number {number} is not 1 to 999",
    "MDR17": "an interval record has another CUSTID than its channel",
    "MDR18": "the period has {cells} intervals, there are {there} cells",
    "RD02": "file over 2 GiB",
    "FMT15": REFUSALS["FMT15"],
}
# What is odd but accepted.
MDR_WARNINGS = {
    "MDR50": "{field} says {stated}, there are {count}",
    "MDR51": "no trailer",
    "MDR52": "records after the trailer are ignored",
    "MDR53": "physical channel {physical}, logical channel {logical}",
    "MDR54": "{field} differs from the meter header's",
    "MDR55": "channel number stands twice, physical channel {number} taken",
    "MDR56": "TA_STOP 0000, read as the start of that date",
    "MDR57": "{count} cells that are no number",
    "MDR58": "cells after the end of the period are no fill",
    "MDR59": "{count} cells fewer than the period has",
    "MDR60": "unit code and flow {letter!r} disagree, {flow} taken",
    "MDR61": "{count} cells are marked missing but hold a value",
    "MDR62": "{count} cells have status bits without a meaning",
    "MDR63": "{count} cells rounded to resolution {resolution}",
}
