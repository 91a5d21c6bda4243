"""HHF-X1 as tables: records, options, refusals and warnings. OURS, NOT ITRON'S LAYOUT.

Section numbers are those of the specification's page (docs/formats/hhf.md). The frame, interval
records, cells, status words and the trailer are those of records216.
"""

from __future__ import annotations

from exports.formats.binary import I16, U32, Bytes, Float64, Key, Stamp
from exports.formats.issues import REFUSALS
from exports.formats.kinds import U16, Const, Word
from exports.formats.layout import Field, Record
from exports.formats.options import Option
from exports.formats.records216.book import IDENTIFIERS
from exports.formats.records216.layouts import (
    CHANNEL,
    DEVICE,
    EVENTS,
    HEADER,
    LENGTH,
    METER,
    NUL,
    REGISTERS,
    frame,
)
from exports.formats.records216.settings import (
    OVERFLOW_IDS,
    RESOLUTIONS,
    ROUND_CELLS,
    SEEN,
    TRIM,
    UNIT_CODES,
)

SIGNATURE = "HHFX0001"
LABEL = "HHF-X1, our own layout, not Itron's: does not load into MV-90, MV-90 xi or IEE"
START, STOP = Stamp(), Stamp(late=True)
CLOCK = Stamp(seconds=True, empty=True)
MOST = 0xFFFF  # meters in a file, registers and events of a meter

# fmt: off
# Section 1.
FILE = Record("file header", length=LENGTH, fields=(
    #     start size  name          kind                  note
    *frame(Const(HEADER, U16())),
    Field(  4,   8, "signature",  Const(SIGNATURE, Key())),
    Field( 12,  14, "created",    Stamp(seconds=True),  "standard time of the file, as every time"),
    Field( 26,  20, "system",     Key(),                "setting `producing_system`"),
    Field( 46,  12, "reader",     Key(),                "setting `reader_id`"),
    Field( 58,  12, "route",      Key(),                "group code; blank when several"),
    Field( 70,   2, "meters",     U16(),                "meters in the file"),
    Field( 72,   2, "offset",     I16(),                "standard UTC offset, minutes, east +"),
    Field( 74,   1, "daylight",   Word(("N", "Y")),     "`N`: no DST applied"),
    Field( 75,   1, "value_kind", Word(("E", "P")),     "`P` pulses, `E` engineering"),
    Field( 76, 140, "unused_76",  NUL),
))
METER_HEADER = Record("meter", length=LENGTH, fields=(
    #     start size  name          kind                  note
    *frame(Const(METER, U16())),
    Field(  4,  20, "device",     DEVICE,               "DeviceID, key of all its records"),
    Field( 24,  14, "recorder",   Key(),                "setting `recorder`"),
    Field( 38,  20, "serial",     Key(),                "SerialNumber"),
    Field( 58,  10, "class",      Key(),                "DeviceClass"),
    Field( 68,  12, "read_time",  Stamp(),              "received instant of the register read"
                                                        " written, else of the newest interval"),
    Field( 80,  14, "meter_clock", CLOCK,               "meter clock at read: blanks"),
    Field( 94,  14, "reader_clock", CLOCK,              "reader clock at read: blanks"),
    Field(108,  12, "start",      START,                "start of the first interval + 1 minute"),
    Field(120,  12, "stop",       STOP,                 "end of the last interval"),
    Field(132,   2, "channels",   U16(),                "channel headers that follow"),
    Field(134,   2, "registers",  U16(),                "register entries"),
    Field(136,   2, "events",     U16(),                "event entries"),
    Field(138,   2, "per_hour",   U16(),                "intervals an hour; 0 without channels"),
    Field(140,   1, "method",     Key(),                "`O` optical, `M` manual, `R` radio,"
                                                        " `A` AMI: `A`"),
    Field(141,   1, "status",     Key(),                "`A` accepted"),
    Field(142,   4, "status_word", U32(),               "C12.19 table 3 bits of the register read"
                                                        " written; 0 unknown"),
    Field(146,  70, "unused_146", NUL),
))
CHANNEL_HEADER = Record("channel", length=LENGTH, fields=(
    #     start size  name          kind                  note
    *frame(Const(CHANNEL, U16())),
    Field(  4,  20, "device",     DEVICE,               "as code 2"),
    Field( 24,   2, "number",     U16(),                "1–999"),
    Field( 26,   2, "unit",       Key(),                "unit code"),
    Field( 28,   1, "flow",       Key(),                "`D` DEL, `R` REC"),
    Field( 29,   1, "channel_status", Word(("Y",)),     "channel status word present"),
    Field( 30,   1, "interval_status", Word(("Y",)),    "interval status word present"),
    Field( 31,   1, "value_type", Word(("F", "U")),     "`F` float32, `U` uint32 pulses"),
    Field( 32,  12, "start",      START,                "as code 2"),
    Field( 44,  12, "stop",       STOP,                 "as code 2"),
    Field( 56,   4, "intervals",  U32(),                "interval count"),
    Field( 60,   8, "start_register", Float64(),        "0 if none"),
    Field( 68,   8, "stop_register", Float64(),         "0 if none"),
    Field( 76,   8, "pulse",      Float64(exact=True),  "units per pulse; 1 for `F`"),
    Field( 84,   8, "multiplier", Float64(exact=True),  "meter multiplier"),
    Field( 92,   2, "dials",      U16(),                "of the register of unit and flow, SUM, T;"
                                                        " 0 unknown"),
    Field( 94,   2, "decimals",   U16(),                "same register; 0 unknown"),
    Field( 96,  12, "start_time", Stamp(empty=True),    "start-register time, true minute"),
    Field(108,  12, "stop_time",  Stamp(late=True, empty=True), "stop-register time"),
    Field(120,  12, "label",      Key(),                "unit, blank, `D` or `R`"),
    Field(132,  84, "unused_132", NUL),
))
REGISTERS_RECORD = Record("registers", length=LENGTH, fields=(
    #     start size  name          kind                  note
    *frame(Const(REGISTERS, U16())),
    Field(  4,  20, "device",     DEVICE,               "as code 2"),
    Field( 24, 192, "entries",    Bytes(),              "four entries; number 0 is empty, all NUL"),
))
REGISTER = Record("register entry", length=48, fields=(
    #     start size  name          kind                  note
    Field(  0,   2, "number",     U16(),                "register number ≥ 1"),
    Field(  2,   2, "unit",       Key(),                "unit code, which tells the flow"),
    Field(  4,   1, "rate",       Word(tuple("012345678")), "`0` T, `1`–`8` A–H"),
    Field(  5,   1, "class",      Word(("T", "M", "C")), "`T` SUM, `M` MAX, `C` CUM"),
    Field(  6,   2, "quality",    U16(),                "bits of the channel word"),
    Field(  8,   8, "reading",    Float64()),
    Field( 16,  12, "time",       Stamp(late=True, empty=True), "of the reading; of the maximum"),
    Field( 28,   8, "multiplier", Float64(exact=True)),
    Field( 36,  12, "unused_36",  NUL),
))
EVENTS_RECORD = Record("events", length=LENGTH, fields=(
    #     start size  name          kind                  note
    *frame(Const(EVENTS, U16())),
    Field(  4,  20, "device",     DEVICE,               "as code 2"),
    Field( 24, 192, "entries",    Bytes(),              "eight entries; code 0 is empty"),
))
EVENT = Record("event entry", length=24, fields=(
    #     start size  name          kind                  note
    Field(  0,   2, "code",       U16()),
    Field(  2,   2, "channel",    U16(),                "0: the meter"),
    Field(  4,  14, "time",       Stamp(seconds=True),  "of the event; end of the interval"),
    Field( 18,   4, "argument",   U32(),                "seconds, else 0"),
    Field( 22,   2, "unused_22",  NUL),
))
CLASSES = {"SUM": "T", "MAX": "M", "CUM": "C"}
MISSING_EVENT, TAMPER_EVENT = 6, 9
# The events written, by mnemonic; the first of a code is what it is read as.
EVENT_CODES = {
    "PWR_OUTAGE":   1, "PWR_DOWN": 1,
    "PWR_RESTORE":  2, "PWR_UP":   2,
    "TIME_CHANGED": 3,
    "DEMAND_RESET": 4,
    "TEST_MODE_ON": 5,
    "CLOCK_ERR":    7,
    "NVM_FAIL":     8, "RAM_FAIL": 8, "ROM_FAIL": 8,
    "TAMPER":       9,
}
MEANINGS = {
    1: "outage start", 2: "outage end", 3: "time set", 4: "demand reset", 5: "test mode",
    6: "data missing", 7: "clock error", 8: "memory error", 9: "tamper/alarm",
}
# fmt: on

# Section 4; the common ones are in issues.REFUSALS.
ERRORS = {
    "long": ("HHX01", "{field}: {length} characters, at most {width}"),
    "clash": ("HHX01", "{what}: two shortened identifiers are the same"),
    "records": ("HHX02", "{what}: too many"),
    "pulses": ("HHX03", "value {value} is no whole number of pulses of {pulse} below 2^32"),
    "offsets": ("HHX04", "standard offsets {offsets} in one file"),
    "lengths": ("HHX05", "channels of different lengths ({lengths} s)"),
    "eras": ("HHX06", "channel {number} changes its unit, flow or value type within the period"),
    "number": ("FMT07", "channel number {number} is not 1 to 999"),
    "value": ("FMT07", REFUSALS["FMT07"]),
}
WARNINGS = {
    "seconds": ("HHW01", "seconds of a register's time cut off"),
    "inexact": ("HHW02", "value that does not come back from its cell"),
    "multipliers": ("HHW03", "multiplier changes within the period, the last one stands"),
    "reads": ("HHW04", "register read that is not the one written"),
    "registers": ("HHW05", "register of a class, occurrence or value that has no entry"),
    "units": ("HHW06", "register of a unit or flow without a code"),
    "events": ("HHW07", "event without a code"),
    "status": ("HHW08", "status word that is no hexadecimal number of 32 bits"),
}

# Section 4.
OPTIONS = (
    #      name               kind      default
    Option("producing_system", "text", None, "code 1; default the sender code", maximum=20),
    Option("reader_id", "text", None, "code 1", maximum=12),
    Option("route", "text", None, "code 1; default the group that all meters share", maximum=12),
    Option(
        "value_kind",
        "choice",
        "E",
        "engineering units as float32, or pulses as uint32",
        choices=("E", "P"),
    ),
    Option(
        "pulse_multipliers",
        "map",
        None,
        "units per pulse by unit, unit and flow or channel number, as `KWH=0.25;3=0.1;*=1`;"
        " default the channel's resolution",
    ),
    Option("recorder", "choice", "DeviceID", "recorder id", choices=tuple(IDENTIFIERS)),
    OVERFLOW_IDS,
    UNIT_CODES,
    SEEN,
    Option("events", "yes_no", True, "code 30 is written"),
    Option("registers", "yes_no", True, "code 20 is written"),
    Option("read_types", "text", "CUR OD", "types of the register read written, the latest one"),
    Option(
        "skip_registers",
        "yes_no",
        True,
        "registers without a unit code are left out and counted, not refused",
    ),
    TRIM,
    Option(
        "zone",
        "zone",
        None,
        "zone of a file with DST applied; default the system's",
        use="read",
    ),
    RESOLUTIONS,
    ROUND_CELLS,
)
# Section 5: why a record, a channel or the file is refused.
HHR_ERRORS = {
    "HHR01": "not HHF-X1; Itron HHF is not supported ({why})",
    "HHR02": "{why}",
    "HHR03": "no meter, or no channel header, before this record",
    "HHR04": "another device id ({value!r}) than the meter's ({wanted!r})",
    "HHR05": "interval codes do not run 1001, 1002, …",
    "HHR06": "an interval record has another device id than its channel",
    "HHR07": "interval count {count}, start and stop tell {cells}",
    "HHR08": "interval count {count}, there are {cells} cells",
    "HHR09": "{per_hour} intervals an hour",
    "HHR10": "channel number {number} is not 1 to 999, or stands twice",
    "HHR11": "unit code {code!r} is not in the table",
    "HHR12": "{count} cells are no count of resolution {resolution}",
    "HHR13": "a value is too large for resolution {resolution}",
    "HHR14": "event code {code} is unknown",
    "FMT15": REFUSALS["FMT15"],
    "RD02": "file over 2 GiB",
}
# What is odd but accepted.
HHR_WARNINGS = {
    "HHR50": "{field} says {stated}, there are {count}",
    "HHR51": "no trailer",
    "HHR52": "records after the trailer are ignored",
    "HHR53": "record code {code} is unknown or out of place, skipped",
    "HHR54": "stop 0000, read as the start of that date",
    "HHR55": "{count} cells that are no number",
    "HHR56": "unit code and flow {letter!r} disagree, {flow} taken",
    "HHR57": "{count} cells are marked missing but hold a value",
    "HHR58": "{count} cells have status bits without a meaning",
    "HHR59": "{count} cells rounded to resolution {resolution}",
    "HHR60": "DST applied, times are read in {zone}",
}
