"""CMEP v1.20 as tables: the record, units, flags, options, refusals and warnings.

Section numbers are those of the specification's page (docs/formats/cmep.md).
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from devices.readings import INTERVAL_SECONDS, Status
from exports.formats import issues
from exports.formats.cmep.fields import Constant, Identifier
from exports.formats.issues import REFUSALS, FormatError
from exports.formats.kinds import Duration, Integer, Minute, Number, Text, Word
from exports.formats.layout import Column, Line
from exports.formats.options import Option

MAX_LINE = 2048  # bytes with CR LF
MAX_FIELD = 255  # characters with quotes, without the delimiter
MAX_TRIPLETS = 48
MAX_TOTALS = 6  # of MEPMD02

BASE, SENSUS = "19970819", "20080501"  # record versions
VERSIONS = {"cmep120": BASE, "sensus": SENSUS}
PURPOSES = ("OK", "RESEND", "SUMMARY", "HISTORY", "PROFILE", "TEMPLATE", "REJECT")
MODE_PURPOSE = {"OR": "OK", "IN": "OK", "RE": "RESEND", "CO": "RESEND"}
COMMODITIES = ("E", "G", "W", "S")
RECORD_TYPES = (
    *("MEPMD01", "MEPMD02", "MEPAD01", "MEPAD02", "MEPBD01", "MEPBD02", "MEPBD03"),
    *("MEPLF01", "MEPEC01", "MEPRR01", "MLA01"),
)

BASE_LABELS = ("ON-PEAK", "OFF-PEAK", "PART-PEAK", "PEAK-2", "PEAK-3", "PEAK-4", "TOTAL")
LABELS = (*BASE_LABELS, *(f"RATE_{rate}" for rate in "ABCDEF"))

ID = Identifier()
STAMP = Minute()
FLAG = Text(forbidden=',"')
INTERVAL = Duration(INTERVAL_SECONDS)
VALUE = Number(digits=10, decimals=5)
READING = Number(digits=10, decimals=4)

# fmt: off
# Section 2. Values of section 2.3 are written with VALUE (intervals) or READING (registers).
MEPMD01 = Line("MEPMD01", columns=(
    #       #   name                    kind                            limit  note
    Column( 1, "record_type",           Word(("MEPMD01",)),               12, "`MEPMD01`"),
    Column( 2, "record_version",        Word((BASE, SENSUS)),              8,
            "CCYYMMDD: `19970819`; dialect sensus `20080501`"),
    Column( 3, "sender_id",             ID,                              255,
            "setting; default the installation's sender code", guide=16),
    Column( 4, "sender_customer_id",    ID,                              255,
            "setting, may be empty; default AccountID", guide=12),
    Column( 5, "receiver_id",           ID,                              255,
            "setting; default the destination's receiver code", guide=16),
    Column( 6, "receiver_customer_id",  ID,                              255,
            "setting; default ServicePointID (sensus: field 8)", guide=12),
    Column( 7, "time_stamp",            STAMP,                            12,
            "creation of the record, one value per run, seconds cut off"),
    Column( 8, "meter_id",              ID,                              255,
            "setting: MeterNumber (default), SerialNumber, DeviceID", guide=12),
    Column( 9, "purpose",               Word(PURPOSES),                    8, "by mode or setting"),
    Column(10, "commodity",             Word(COMMODITIES),                 1, "by unit or setting"),
    Column(11, "units",                 Text(),                            8, "one code"),
    Column(12, "calculation_constant",  Constant(10, 5, exact=True),      16,
            "`1` (sensus `1.0`); of `PULSE` the channel's multiplier"),
    Column(13, "interval",              INTERVAL,                          8,
            "empty for register reads (sensus `00000100`) and where a day is not 24 h long"),
    Column(14, "count",                 Integer(1, MAX_TRIPLETS),          2,
            "triplets that follow"),
), group=(
    Column(15, "time",                  STAMP,                            12,
            "end of the interval, or instant of the register read"),
    Column(16, "flag",                  FLAG,                             12, "quality"),
    Column(17, "value",                 VALUE,                            17,
            "amount in the interval; reading for `*REG`, 4 decimals"),
))
# Section 8. Fields 1 to 11 are those of MEPMD01; of both dialects one version and one set of flags.
MEPMD02 = Line("MEPMD02", columns=(
    Column( 1, "record_type",           Word(("MEPMD02",)),               12, "`MEPMD02`"),
    Column( 2, "record_version",        Word((BASE,)),                     8, "`19970819`"),
    *MEPMD01.columns[2:11],
    Column(12, "season",                Word(("S", "W"), empty=True),      1,
            "by `tou_seasons`, else empty"),
    Column(13, "calculation_constant",  Constant(10, 5, exact=True),      16, "`1`"),
    Column(14, "start_time",            STAMP,                            12,
            "instant of the period's first read"),
    Column(15, "end_time",              STAMP,                            12,
            "instant of its last read"),
    Column(16, "count",                 Integer(1, MAX_TOTALS),            1,
            "triplets that follow"),
), group=(
    Column(17, "label",                 Word(LABELS),                     12, "the rate"),
    Column(18, "flag",                  FLAG,                             12, "quality"),
    Column(19, "value",                 VALUE,                            17,
            "SUM: reading at the end less that at the start; MAX: the period's peak"),
))


class Unit(NamedTuple):
    """A unit of the list: canonical unit and flow, what it measures, commodities it suits."""

    unit: str  # empty: no canonical name, listed only
    flow: str
    register: bool
    commodities: str
    value_type: str = "U"


# Section 2.1: the complete v1.20 list, and what the sensus dialect adds.
UNITS: dict[str, Unit] = {
    #                unit     flow   register commodities
    "KWHREG":   Unit("KWH",   "DEL", True,  "E"),
    "KVAHREG":  Unit("KVAH",  "DEL", True,  "E"),
    "KVARHREG": Unit("KVARH", "DEL", True,  "E"),
    "GASREG":   Unit("",      "DEL", True,  "G"),  # stands for the setting gasreg_unit
    "KWH":      Unit("KWH",   "DEL", False, "E"),
    "KVAH":     Unit("KVAH",  "DEL", False, "E"),
    "KVARH":    Unit("KVARH", "DEL", False, "E"),
    "GKWH":     Unit("KWH",   "REC", False, "E"),
    "GKVAH":    Unit("KVAH",  "REC", False, "E"),
    "GKVARH":   Unit("KVARH", "REC", False, "E"),
    "KW":       Unit("KW",    "DEL", False, "E", "D"),
    "KVA":      Unit("KVA",   "DEL", False, "E", "D"),
    "KVAR":     Unit("KVAR",  "DEL", False, "E", "D"),
    "GKW":      Unit("KW",    "REC", False, "E", "D"),
    "GKVA":     Unit("KVA",   "REC", False, "E", "D"),
    "GKVAR":    Unit("KVAR",  "REC", False, "E", "D"),
    "PULSE":    Unit("PULSE", "DEL", False, "EGW"),
    "VOLTS":    Unit("V",     "DEL", False, "E", "V"),
    "BTU":      Unit("",      "DEL", False, "G"),
    "THERM":    Unit("THERM", "DEL", False, "G"),
    "GAL":      Unit("GAL",   "DEL", False, "GW"),
    "CF":       Unit("CF",    "DEL", False, "GW"),
    "CCF":      Unit("CCF",   "DEL", False, "GW"),
    "MCF":      Unit("",      "DEL", False, "G"),
    "ACFT":     Unit("",      "DEL", False, "W"),
    "LBS":      Unit("",      "DEL", False, "S"),
    "$":        Unit("",      "DEL", False, "EGWS"),
}
PREFIXES = {"G": "REC", "N": "NET", "S": "TOT"}
SENSUS_UNITS: dict[str, Unit] = {
    f"{prefix}{unit}{reg}": Unit(unit, flow, bool(reg), "E")
    for prefix, flow in PREFIXES.items()
    for unit in ("KWH", "KVAH", "KVARH")
    for reg in ("", "REG")
    if f"{prefix}{unit}{reg}" not in UNITS
} | {
    f"{unit}REG": Unit(unit, "DEL", True, "GW") for unit in ("CF", "CCF", "GAL")
}
# Section 2.2, field 10: the commodity where no setting says so.
UNIT_COMMODITY = {"THERM": "G", "GASREG": "G", "CF": "W", "CCF": "W", "GAL": "W",
                  "CFREG": "W", "CCFREG": "W", "GALREG": "W"}

# Section 4: first match of the mask; the base flag, the letter of the sensus flag.
FLAGS = (
    #  mask                                     base  sensus
    (Status.MISSING,                            "N",  "N"),
    (Status.EDITED,                             "A",  "A"),
    (Status.ESTIMATED,                          "E",  "E"),
    (Status.RAW | Status.QUESTIONABLE,          "R",  "R"),
    (Status(0),                                 "",   "R"),
)
LETTER_MASKS = {"N": Status.MISSING, "A": Status.EDITED, "E": Status.ESTIMATED, "R": Status.RAW}

# Section 4, dialect sensus: number, mask out of an interval, of a register, mask in.
SENSUS_BITS = (
    #      value  interval             register             in
    (          1, None,                None,                Status.QUESTIONABLE),
    (          2, Status.POWER_OUTAGE, Status.POWER_OUTAGE, Status.POWER_OUTAGE),
    (          4, None,                None,                Status.POWER_OUTAGE),
    (          8, None,                None,                None),
    (         16, None,                None,                None),
    (         32, Status.MISSING,      Status.MISSING,      Status.MISSING),
    (         64, Status.DST,          Status.DST,          Status.DST),
    (        128, None,                None,                Status.QUESTIONABLE),
    (        256, Status.TIME_CHANGED, Status.TIME_CHANGED, Status.TIME_CHANGED),
    (        512, Status.OVERFLOW,     None,                Status.OVERFLOW),
    (       1024, Status.LONG,         Status.LONG,         Status.LONG),
    (       2048, Status.SHORT,        Status.SHORT,        Status.SHORT),
    (       4096, Status.TEST_MODE,    Status.TEST_MODE,    Status.TEST_MODE),
    (       8192, None,                Status.OVERFLOW,     Status.OVERFLOW),
    (      16384, None,                Status.RESET,        Status.RESET),
    (      32768, None,                None,                Status.QUESTIONABLE),
    (      65536, None,                None,                None),
    (     131072, None,                None,                None),
)

# Section 5: flow to prefix and sign of KVARH and KVAR, by the setting kvarh_sign.
KVARH_SIGNS = {
    "delivered_positive": {"DEL": ("", 1), "REC": ("G", 1)},
    "cmep120": {
        "DEL": ("", -1), "Q1": ("", -1), "Q4": ("", 1),
        "REC": ("G", 1), "Q2": ("G", -1), "Q3": ("G", 1),
    },
}
# README 2.10: one cubic metre.
M3 = {"CF": Decimal("35.3146667"), "GAL": Decimal("264.172052")}

# Section 9; the common ones are in issues.REFUSALS.
CME = {
    "CME01": "{field} is empty",
    "CME02": "line of {length} bytes even with one triplet, at most 2048",
    "CME03": "{field}: {length} characters, at most {width} without the delimiter",
    "CME04": "unit {unit} does not suit commodity {commodity}",
    "CME05": "two channels give unit {unit}",
    "CME06": "register of flow {flow} needs dialect sensus",
    "CME07": "rate {rate} goes back from {start} to {end}: a rollover cannot be told from a fault",
    "CME08": "{why}",
}
# A channel or register that the format cannot carry, as against data that are wrong.
UNSUPPORTED = issues.UNSUPPORTED | {"CME06"}
# Warnings of writer and reader.
CMW = {
    "CMW01": "receiver_id is empty",
    "CMW02": "longer than one utility's reading limit",
    "CMW03": "negative value of a flow other than NET",
    "CMW04": "read time cut to the minute",
    "CMW05": "two reads of one register in one minute, the later stays",
    "CMW06": "only one reading of a register in the period",
    "CMW07": "only one read of TOU registers in the period, no record",
}

# Section 10: why a record is refused.
CMR_ERRORS = {
    "CMR01": "record type {value!r} is not in the list",
    "CMR02": "{count} fields, at least {least}",
    "CMR03": "both meter id and receiver customer id are empty",
    "CMR04": "{why}",
    "CMR05": "{value!r} is not in the list",
    "CMR06": "{count} fields instead of {wanted}: the record looks cut short",
    "CMR07": "{count} fields instead of {wanted}: too many",
    "CMR08": "first time is empty",
    "CMR09": "time {place} is empty and there is no Interval",
    "CMR10": "Interval is empty and no channel tells the length",
    "CMR11": "a character outside ASCII 0x20-0x7E",
    "CMR12": "number {value} cannot be kept",
    "FMT03": "interval end {time} is not on the {seconds}-second grid",
    "FMT15": "local time {value!r} does not exist",
    "FMT17": "interval length {value!r} not carried",
}
# Section 10: what is odd but accepted.
CMR_WARNINGS = {
    "CMR50": "blank line",
    "CMR51": "record type {value} is skipped",
    "CMR52": "version {value!r} is read as the base dialect",
    "CMR53": "meter id is empty, receiver customer id {value} taken",
    "CMR54": "constant is empty, 1 taken",
    "CMR55": "Interval {value!r} has 6 digits",
    "CMR56": "{count} triplets, over 48",
    "CMR57": "last triplet lacks {missing} of its fields, empty taken",
    "CMR58": "time {place} does not follow the one before by Interval",
    "CMR59": "flag {value!r}: only its letter {letter!r} is used",
    "CMR60": "flag {value!r} is unknown, QUESTIONABLE taken",
    "CMR61": "empty value without flag N",
    "CMR62": "flag {value!r}: bit 32 without N",
    "CMR63": "flag {value!r}: bits without a meaning here",
    "CMR64": "time {place} is up to a minute off the grid",
    "CMR65": "purpose REJECT: not applied",
    "CMR66": "unit {value}: not applied",
    "CMR67": "unit {value} does not suit commodity {commodity}",
    "CMR68": "totals of a period, listed, not stored: {value}",
}

IDENTIFIERS = {
    "MeterNumber": "meter_number",
    "SerialNumber": "serial_number",
    "DeviceID": "device_id",
    "AccountID": "account_id",
    "ServicePointID": "service_point_id",
    "PremiseID": "premise_id",
    "TransformerID": "transformer_id",
    "FeederID": "feeder_id",
}
NAMED = "a text, an identifier's name (" + ", ".join(IDENTIFIERS) + ") or `none`"
# Section 6. A default of nothing: by dialect, mode or unit, as the note says.
OPTIONS = (
    #      name                   kind      default
    Option("dialect",             "choice", "cmep120", "flags, version and units written",
           choices=("cmep120", "sensus")),
    Option("kvarh_sign",          "choice", "delivered_positive",
           "sign of reactive energy: as stored, or positive = produced by the customer",
           use="both", choices=("delivered_positive", "cmep120")),
    Option("missing",             "choice", "flag",
           "a missing slot is kept with flag N, or ends the record", choices=("flag", "split")),
    Option("missing_value",       "choice", None,
           "value beside flag N; default empty, sensus 0", choices=("empty", "0")),
    Option("empty_crc_field",     "yes_no", False, "adds one final comma"),
    Option("max_triplets",        "integer", MAX_TRIPLETS, "triplets a record",
           minimum=1, maximum=MAX_TRIPLETS),
    Option("register_interval",   "choice", None,
           "field 13 of register reads; default empty, sensus 00000100",
           choices=("empty", "00000100")),
    Option("purpose",             "choice", None,
           "field 9; default by mode: OR, IN OK; RE, CO RESEND", choices=PURPOSES[:-1]),
    Option("include",             "choice", "intervals", "what is written",
           choices=("intervals", "registers", "both")),
    Option("tou",                 "yes_no", False,
           "MEPMD02 records are written: totals and peaks by rate between the first and the last "
           "read of the period"),
    Option("tou_labels",          "map",    None,
           "labels of rates, such as A=ON-PEAK;B=OFF-PEAK; default T=TOTAL, in sensus A-F as "
           "RATE_A to RATE_F"),
    Option("tou_seasons",         "map",    None,
           "field 12 by the number of a read's season, such as 0=W;1=S; default empty, and one "
           "record for all seasons"),
    Option("sender_id",           "text",   None, "default the installation's sender code"),
    Option("sender_customer_id",  "text",   "AccountID", NAMED),
    Option("receiver_id",         "text",   None, "default the destination's receiver code"),
    Option("receiver_customer_id", "text",  None,
           NAMED + "; default ServicePointID, sensus as meter_id"),
    Option("meter_id",            "choice", "MeterNumber", "field 8; reading: what it is",
           use="both", choices=("MeterNumber", "SerialNumber", "DeviceID")),
    Option("pulses",              "yes_no", False,
           "channels of unit PULSE are written, the constant is their multiplier"),
    Option("commodity",           "choice", None,
           "field 10; default by unit: THERM, GASREG G; CF, CCF, GAL W; others E",
           choices=COMMODITIES),
    Option("strict_widths",       "yes_no", False, "ids over the guide widths are refused"),
    Option("quote_ids",           "yes_no", False, "ids with a comma are quoted, not refused"),
    Option("gasreg_unit",         "choice", None, "the unit that GASREG stands for",
           use="both", choices=("CF", "CCF", "THERM")),
    Option("convert_m3",          "choice", None, "cubic metres are written as this unit",
           choices=("CF", "GAL")),
    Option("a_means",             "choice", "adjusted", "flag A read: adjusted, or actual",
           use="read", choices=("adjusted", "actual")),
    Option("empty_value",         "choice", "missing",
           "an empty value without flag N read", use="read", choices=("missing", "zero")),
    Option("times",               "zone",   "UTC", "zone of the times read", use="read"),
)
# fmt: on


def cme(code: str, **words: object) -> FormatError:
    """The refusal `code`, common or CMEP's own."""
    return FormatError(code, (CME | REFUSALS)[code].format(**words))
