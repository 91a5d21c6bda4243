"""S-XML as tables: its elements, options, refusals and warnings.

Section numbers are those of the specification's page (docs/formats/sxml.md).
"""

from __future__ import annotations

import re

from devices.readings import (
    FLOWS,
    INTERVAL_SECONDS,
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    SOURCES,
    UNITS,
)
from exports.formats.context import MODES
from exports.formats.iso import Instant
from exports.formats.issues import REFUSALS, FormatError
from exports.formats.kinds import Integer, Kind, Word
from exports.formats.options import Option
from exports.formats.quality import LETTER
from exports.formats.registers import BILL_OPTIONS
from exports.formats.sxml.markup import Attribute, Boolean, Digits, Element, Leaf, Pattern

NAMESPACE = "urn:tms:sxml:1"
VERSION = "1.0"
DEVICE_ZONE = "DEVICE"  # TimeZone where each device has its own
DEPTH = 16
VALUE_TYPES = {"U": "Usage", "D": "Demand", "V": "Average", "P": "Instantaneous"}
GROUP_KINDS = ("BillCycle", "General")
REASONS = ("NoData", "Late", "CommFail", "Unprovisioned", "Excluded")
DECIMALS, REGISTER_DECIMALS = 6, 4

_ID = re.compile(r"[!-~]([ -~]*[!-~])?")
_TEXT = re.compile(r"\S(.*\S)?")


def _id(width: int) -> Pattern:
    return Pattern(f"identifier, at most {width}", _ID, width)


INSTANT = Instant(exact=True)
RECEIVED = Instant()
NUMBER = Digits(digits=18, decimals=DECIMALS)
READING = Digits(digits=18, decimals=REGISTER_DECIMALS)
TOTAL = Digits(digits=18, decimals=DECIMALS)
MULTIPLIER = Digits(digits=12, decimals=4, exact=True, total=12, above_zero=True)
COUNT = Integer(0, 10**20)
NO = Integer(1, 999)
SMALL = Integer(0, 99)
TEXT64 = Pattern("text, at most 64", _TEXT, 64)
NAME30 = Pattern("text, at most 30", _TEXT, 30)
BATCH = Pattern("14 digits", re.compile(r"[0-9]{14}"), 14)
UUID = Pattern("UUID, lower case", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), 36)
DATE = Pattern("date", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), 10)
HEX8 = Pattern("8 hexadecimal digits", re.compile(r"[0-9A-F]{8}"), 8)
MNEMONIC = Pattern("mnemonic", re.compile(r"[A-Z][A-Z0-9_]{0,15}"), 16)
IEC = Pattern("IEC event code", re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}"), 15)
QCODE = Pattern("quality code", re.compile(r"[0-9]{1,2}(\.[0-9]{1,4}){2}"), 12)
QCODES = Pattern(
    "quality codes, a blank between",
    re.compile(r"[0-9]{1,2}(\.[0-9]{1,4}){2}( [0-9]{1,2}(\.[0-9]{1,4}){2})*"),
    400,
)
SOURCE = Word(tuple(SOURCES.values()))
UOM, FLOW = Word(tuple(UNITS)), Word(tuple(FLOWS))
A = Attribute


def _holds(name: str, kind: Kind, *attributes: Attribute, note: str = "") -> Leaf:
    return Leaf(Element(name, attributes), Attribute(name, kind, True, note))


# fmt: off
# Section 1, in the order of a document; section 2 has the types.
FILE_ID = _holds("FileID", UUID, note="from sender, export, batch id and part (decision 0071)")
BATCH_ID = _holds("BatchID", BATCH)
CREATION_TIME = _holds("CreationTime", RECEIVED)
TIME_ZONE = _holds("TimeZone", TEXT64, note="IANA name, or `DEVICE`")
SENDER, RECEIVER = _holds("Sender", _id(12)), _holds("Receiver", _id(12))
EXPORT_NAME = _holds("ExportName", NAME30)
MODE = _holds("Mode", Word(tuple(MODES.values())))
TEST = _holds("Test", Boolean(), note="option `test`")
ORIGINAL_BATCH_ID = _holds("OriginalBatchID", BATCH, note="ReExport and Correction only")
SELECTION = Element("Selection", (A("from", RECEIVED), A("to", RECEIVED)))
SELECTED_GROUP = _holds("Group", _id(12))
IDENTITY: dict[str, Leaf] = {
    "device_id": _holds("DeviceID", _id(20)),
    "meter_number": _holds("MeterNumber", _id(20)),
    "serial_number": _holds("SerialNumber", _id(24)),
    "service_point_id": _holds("ServicePointID", _id(24)),
    "account_id": _holds("AccountID", _id(20)),
    "premise_id": _holds("PremiseID", _id(24)),
}
DEVICE = Element("Device", (
    A("class", _id(10)), A("manufacturer", TEXT64, False), A("model", TEXT64, False),
    A("firmware", TEXT64, False), A("form", TEXT64, False), A("installed", DATE, False),
    A("removed", DATE, False),
))
GROUP = _holds("Group", _id(12), A("kind", Word(GROUP_KINDS)))
REGISTER_READ = Element("RegisterRead", (
    A("id", COUNT, note="stored id of the read (option `read_ids`)"),
    A("type", Word(tuple(READ_TYPES))), A("time", INSTANT), A("received", RECEIVED),
    A("source", SOURCE), A("season", SMALL, False), A("resetCount", Integer(0, 99999), False),
    A("resetTime", INSTANT, False), A("status", HEX8, False), A("supersedes", COUNT, False),
))
REGISTER = Element("Register", (
    A("no", NO), A("class", Word(tuple(REGISTER_CLASSES))), A("uom", UOM), A("flow", FLOW),
    A("rate", Word(RATES)), A("multiplier", MULTIPLIER), A("multiplierApplied", Boolean()),
    A("dials", SMALL, False), A("decimals", SMALL, False), A("quality", LETTER),
))
VALUE = _holds("Value", READING)
PEAK = _holds("Peak", READING, A("occurrence", Integer(1, 99)), A("time", INSTANT, False))
QUALITY_CODE = _holds("QualityCode", QCODE)
INTERVAL_READ = Element("IntervalRead", (
    A("id", COUNT, note="number of the batch of its latest-received interval, else 1, 2, …"),
    A("received", RECEIVED), A("source", SOURCE),
))
CHANNEL = Element("Channel", (
    A("no", NO), A("uom", UOM), A("flow", FLOW),
    A("seconds", Word(tuple(map(str, INTERVAL_SECONDS)))),
    A("valueType", Word(tuple(VALUE_TYPES.values()))), A("multiplier", MULTIPLIER),
    A("multiplierApplied", Boolean()), A("start", INSTANT), A("end", INSTANT), A("count", COUNT),
))
START_REGISTER = _holds("StartRegister", READING, A("time", INSTANT))
END_REGISTER = _holds("EndRegister", READING, A("time", INSTANT))
I = Element("I", (  # noqa: E741  the specification's name
    A("t", INSTANT, note="end of the interval"), A("v", NUMBER, False, "left out if missing"),
    A("q", LETTER, False, "left out if `A`"), A("c", QCODES, False),
))
EVENT = Element("Event", (
    A("code", MNEMONIC), A("iec", IEC, False), A("time", RECEIVED), A("received", RECEIVED),
    A("severity", Word(("I", "W", "A"))),
))
NOT_READ = Element("NotRead", (
    A("deviceID", _id(20)), A("meterNumber", _id(20)), A("reason", Word(REASONS)),
    A("lastRead", INSTANT, False),
))
COUNTS = ("MeterCount", "RegisterReadCount", "RegisterCount", "ChannelCount", "IntervalCount",
          "EventCount", "EstimatedCount", "MissingCount")
TOTALS = ("EnergyControlTotal", "DemandControlTotal", "IntervalControlTotal")
TRAILER = (*(_holds(name, COUNT) for name in COUNTS), *(_holds(name, TOTAL) for name in TOTALS))

HEADER_PARTS = (FILE_ID, BATCH_ID, CREATION_TIME, TIME_ZONE, SENDER, RECEIVER, EXPORT_NAME, MODE,
                TEST, ORIGINAL_BATCH_ID)
ELEMENTS: tuple[Element | Leaf, ...] = (
    *HEADER_PARTS, SELECTION, *IDENTITY.values(), DEVICE, GROUP, REGISTER_READ, REGISTER, VALUE,
    PEAK, QUALITY_CODE, INTERVAL_READ, CHANNEL, START_REGISTER, END_REGISTER, I, EVENT, NOT_READ,
    *TRAILER,
)

# Section 4.
OPTIONS = (
    #      name                 kind       default
    Option("registers",         "yes_no",  True, "register reads are written"),
    Option("intervals",         "yes_no",  True, "intervals are written"),
    Option("events",            "yes_no",  False, "events are written"),
    Option("read_types",        "text",    "", "read types, a comma between; default all"),
    *BILL_OPTIONS,
    Option("classes",           "text",    "", "register classes, a comma between; default all"),
    Option("rates",             "text",    "", "rates, a comma between; default all"),
    Option("quality_codes",     "yes_no",  True, "QualityCode and @c are written"),
    Option("not_read",          "yes_no",  True, "meters without data are listed"),
    Option("split",             "integer", None, "meters a file at most",
           minimum=1, maximum=10_000_000),
    Option("test",              "yes_no",  False, "`<Test>true</Test>`"),
    Option("line_end",          "choice",  "CRLF", "end of each line", choices=("CRLF", "LF")),
    Option("gzip",              "yes_no",  False, "the file is packed, `.xml.gz`"),
    Option("read_ids",          "choice",  "stored",
           "@id of a RegisterRead: that of the store where it is a number, or always made from "
           "device, type and time", choices=("stored", "derived")),
    Option("remove_multiplier", "yes_no",  False,
           "an applied multiplier is divided out, @multiplierApplied is false"),
    Option("checks",            "choice",  "strict", "how a file is read",
           choices=("strict", "lenient"), use="read"),
)
# fmt: on
LISTS = {
    "read_types": tuple(READ_TYPES),
    "classes": tuple(REGISTER_CLASSES),
    "rates": RATES,
}

SXM = {
    "SXM01": "value and quality disagree: {why}",
    "SXM02": "peaks: {why}",
    "SXM03": "@count is {said}, there are {found} I",
    "SXM04": "intervals are not contiguous: {why}",
    "SXM05": "{name} is {said}, it is {found} by the file",
    "SXM06": "OriginalBatchID {why}",
    "SXM07": "letter {letter} and codes {codes} disagree, the codes stand",
    "SXM08": "{text}: not the offset of {zone} at that instant",
    "SXM09": "channel or register {unit} {flow} has no number",
    "SXM10": "{what} stands twice: {which}",
}
# Warnings of the writer.
SXW = {
    "SXW01": "negative value of a flow other than NET",
    "SXW02": "status word is no 8 hexadecimal digits, left out",
    "SXW03": "further coincident values are left out",
    "SXW04": "peaks do not descend",
}
# Section 5: why a file is refused, beside SXM01 to SXM06 and SXM10.
SXR_ERRORS = {
    "SXR01": "not well-formed: {why}",
    "SXR02": "against the schema: {why}",
    "SXR03": "a document type declaration is refused",
    "SXR04": "elements are nested deeper than {depth}",
    "SXR05": "root is {name}, not SXML of namespace " + NAMESPACE,
    "SXR06": "{name}: {why}",
    "SXR07": "encoding {name} is not read",
    "SXR08": "the file cannot be unpacked: {why}",
}
# What is odd but accepted, beside SXM07 and SXM08; in lenient reading SXM02, SXM05 and SXM06, too.
SXR_WARNINGS = {
    "SXR50": "{name} is not known, skipped",
    "SXR51": "there is no Trailer",
    "SXR52": "quality codes {codes} have no meaning here",
}


def sxm(code: str, **words: object) -> FormatError:
    """The refusal `code`, common or S-XML's own."""
    return FormatError(code, (SXM | REFUSALS)[code].format(**words))
