"""LodeStar Enhanced as tables: records, units, statuses, options, refusals, the reader's findings.

Section numbers are those of the specification's page (docs/formats/lodestar.md).
"""

from __future__ import annotations

from exports.formats.issues import REFUSALS, FormatError
from exports.formats.kinds import Const, Integer, Text, Word
from exports.formats.layout import Column, Line
from exports.formats.lodestar.fields import Empty, Kept, Maybe, Plain, Second
from exports.formats.options import Option

LINE_END = b"\r\n"
MAX_RECORD = 1490  # characters without line end
MIN_RECORD = 120  # what the longest value needs
FIRST_RECORD, LAST_RECORD = 10_000_000, 99_999_999
WIDTHS = {"generic": 20, "ercot": 64}  # of the recorder id
ERCOT_LENGTHS = (17, 22)  # of an ESI ID
ERCOT_SECONDS = 900
DUNS_LENGTHS = (9, 13)
DAILY = 86400  # not carried: a day of 23 or 25 h is no whole number of its own length

ID = Kept(forbidden=',"')
STAMP = Second()
MULTIPLIER = Plain()
READING = Plain(least=3, most=3)
VALUE_DECIMALS = 6

# fmt: off
# Section 2. Widths of numbers are the program's own bound, the specification has none.
HEADER_1 = Line("00000001", columns=(
    #       #   name                kind                        limit  note
    Column( 1, "sort_code",         Const("00000001", Text()),     8, "identifies the cut"),
    Column( 2, "recorder",          ID,                           64,
            "setting `id_field`; at most 20, ercot 64"),
    Column( 3, "channel",           Integer(1, 999),               3,
            "channel number, or `channel_map`; ercot 4 load, 1 generation"),
    Column( 4, "start",             STAMP,                        14,
            "first instant of the first interval"),
    Column( 5, "stop",              STAMP,                        14,
            "end of the last interval less 1 second"),
    Column( 6, "dst_participant",   Word(("Y", "N")),              1,
            "`Y` prevailing time, `N` standard time all year"),
    Column( 7, "invalid",           Word(("N", "Y")),              1,
            "`Y` if any value of the cut is raw or questionable"),
))
HEADER_2 = Line("00000002", columns=(
    Column( 1, "sort_code",         Const("00000002", Text()),     8, "describes the channel"),
    Column( 2, "start_reading",     READING,                     105,
            "dial reading at the start; see 2.1"),
    Column( 3, "stop_reading",      READING,                     105, "dial reading at the end"),
    Column( 4, "multiplier",        MULTIPLIER,                  120,
            "the channel's, `1` if none; it belongs to the readings"),
    Column( 5, "offset",            MULTIPLIER,                  120, "`0`"),
    Column( 6, "pulse_multiplier",  MULTIPLIER,                  120, "`1`"),
    Column( 7, "pulse_offset",      MULTIPLIER,                  120, "`0`"),
    Column( 8, "seconds",           Integer(1, 43200),             5, "of an interval"),
    Column( 9, "unit",              Text(forbidden=',"'),          2, "code, 2 digits"),
    Column(10, "basic_unit",        Empty(),                       0),
    Column(11, "zone_offset",       Maybe(Integer(0, 28)),         2,
            "half-hours west of GMT in standard time; east: empty"),
    Column(12, "population",        Empty(),                       0),
    Column(13, "weight",            Empty(),                       0),
    Column(14, "zone_name",         Text(forbidden=',"'),         40, "of the device's zone"),
))
HEADER_3 = Line("00000003", columns=(
    Column( 1, "sort_code",         Const("00000003", Text()),     8, "describes the cut"),
    Column( 2, "descriptor",        ID,                           40,
            "setting, default unit and flow; ercot empty"),
))
HEADER_4 = Line("00000004", columns=(
    Column( 1, "sort_code",         Const("00000004", Text()),     8, "says when and how"),
    Column( 2, "time_stamp",        STAMP,                        14,
            "of writing, on the clock of start and stop"),
    Column( 3, "origin",            Word(("M", "P", "C", "S")),    1,
            "`M` metered (profiled, computed, statistic)"),
))
INTERVALS = Line("10000000", columns=(
    Column( 1, "sort_code",         Integer(FIRST_RECORD, LAST_RECORD), 8,
            "`10000000`, then one more a record"),
), group=(
    Column( 2, "value",             Plain(least=3, most=VALUE_DECIMALS), 108,
            "engineering units in the interval"),
    Column( 3, "status",            ID,                            1, "exactly one character"),
    Column( 4, "start",             Empty(),                       0, "intervals are contiguous"),
))
HEADERS = (HEADER_1, HEADER_2, HEADER_3, HEADER_4)

# Section 2, field 9.
UNIT_CODES = {"KWH": "01", "KW": "02", "KVARH": "03", "KVAR": "04"}
# Section 2, field 14.
ZONE_NAMES = {
    "America/New_York":    "EST5EDT",
    "America/Chicago":     "CST6CDT",
    "America/Denver":      "MST7MDT",
    "America/Los_Angeles": "PST8PDT",
}
ERCOT_CHANNELS = {"DEL": 4, "REC": 1}
IDENTIFIERS = {
    "MeterNumber": "meter_number",
    "ServicePointID": "service_point_id",
    "AccountID": "account_id",
    "DeviceID": "device_id",
}
DEFAULT_IDENTIFIERS = {"generic": "MeterNumber", "ercot": "ServicePointID"}

# Sections 2 to 4. A default of nothing: by profile, as the note says.
OPTIONS = (
    #      name                   kind      default
    Option("profile",             "choice", "generic", "whose rules", use="both",
           choices=("generic", "ercot")),
    Option("id_field",            "choice", None,
           "recorder id; default MeterNumber, ercot ServicePointID", use="both",
           choices=tuple(IDENTIFIERS)),
    Option("channel_map",         "map",    None,
           "generic: channel number by `UNIT FLOW` or `FLOW`, e.g. KWH DEL=1;KWH REC=2",
           use="both"),
    Option("uom_map",             "map",    None,
           "two-digit code by unit, beside or instead of the built-in ones", use="both"),
    Option("zone_name",           "map",    None,
           "name by IANA zone, e.g. Europe/London=GMT0BST", use="both"),
    Option("zone_offset",         "yes_no", True,     "field 11 of header 2 is written"),
    Option("dst",                 "choice", "Y",
           "prevailing time, or standard time all year; ercot Y only", choices=("Y", "N")),
    Option("cut_days",            "integer", 1,
           "days a cut, counted from the period's first", minimum=1, maximum=31),
    Option("empty_days",          "yes_no", False,
           "a cut without any interval is written, all of it missing"),
    Option("missing",             "choice", "zero",
           "generic: a missing slot is `0` and status 9, or empty; ercot empty",
           choices=("zero", "empty")),
    Option("status_estimated",    "text",   "E",      "generic: one character", use="both"),
    Option("status_edited",       "text",   "E",      "generic: one character", use="both"),
    Option("status_questionable", "text",   " ",
           "generic: one character, of raw and questionable values", use="both"),
    Option("unvalidated",         "choice", "refuse",
           "ercot: raw and questionable values are refused, or written as A",
           choices=("refuse", "allow")),
    Option("descriptor",          "text",   None,
           "of header 3; default unit and flow, ercot empty"),
    Option("reading_tolerance",   "decimal", None,
           "by how much stop less start may differ from the intervals; default 0.01 x multiplier"),
    Option("record_limit",        "integer", MAX_RECORD, "characters a record",
           minimum=MIN_RECORD, maximum=MAX_RECORD),
    Option("duns",                "text",   None,
           "ercot: number in the file name, 9 or 13 digits"),
    Option("include",             "choice", "intervals",
           "anything but intervals is refused: the format carries no registers",
           choices=("intervals", "registers", "both")),
    Option("zone",                "zone",   None,
           "of times whose zone name is empty or unknown; default the device's", use="read"),
)
# fmt: on

# Section 5; the common ones are in issues.REFUSALS.
LSE = {
    "LSE01": "raw or questionable interval in a cut that declares itself validated",
    "LSE02": "cut boundary {time} occurs twice on the clock of {zone}",
    "LSE03": "no zone name for the zone {zone}; set zone_name",
    "LSE04": "{option} {value!r} is not one printable character other than a comma",
    "LSE05": "{why}",
    "LSE06": "register values are asked for; the format carries intervals only",
    "LSE07": "recorder id is empty: the device has no {field}",
}
# A channel that the format cannot carry, as against data that are wrong.
UNSUPPORTED = ("FMT08", "FMT13", "FMT17")
LSW = {"LSW01": "ESI ID of neither 17 nor 22 characters"}

# Section 6: why a cut is refused.
LSR_ERRORS = {
    "LSR01": "LodeStar Standard (80 columns) is not read, only Enhanced",
    "LSR02": "{found!r} where header record {wanted} belongs",
    "LSR03": "sort code {found!r} is none of the format's",
    "LSR04": "{count} fields, at least {wanted}",
    "LSR05": "{why}",
    "LSR06": "a character outside ASCII 0x20-0x7E",
    "LSR07": "sort code {found} does not follow {before}",
    "LSR08": "{count} fields after the sort code are no whole triplets",
    "LSR09": "start {found} is not the interval's, {wanted}",
    "LSR10": "{count} intervals of {seconds} s do not fill {start} to {stop}",
    "LSR11": "unit code {found!r} is unknown; set uom_map",
    "LSR12": "channel {found!r} is neither load (4) nor generation (1)",
    "LSR13": "no zone: name {name!r} is unknown, no setting, no known device, no offset",
    "LSR14": "overlaps another cut of the channel, {start} to {stop}",
    "LSR15": "number {value} cannot be kept",
    "FMT15": "local time {found} does not exist in {zone}",
    "FMT17": "interval length {seconds} s not carried",
}
# Section 6: what is odd but accepted.
LSR_WARNINGS = {
    "LSR50": "blank line",
    "LSR51": "{count} fields, not 14",
    "LSR52": "stop {found} is the last minute",
    "LSR53": "stop {found} is the next midnight",
    "LSR54": "final comma missing",
    "LSR55": "an extra comma at the end",
    "LSR56": "status {found!r}: only its first character is used ({count})",
    "LSR57": "sort code {found} jumps from {before}",
    "LSR58": "zone name {name!r} is unknown, the offset {east} s east is taken",
    "LSR59": "flow of channel {channel} is not known, DEL taken",
    "LSR60": "pulse multiplier or offset is not applied",
    "LSR61": "negative value ({count})",
    "LSR62": "DST participant {found!r} is read as Y",
    "LSR63": "invalid flag {found!r} is read as Y",
    "LSR64": "status {found!r} is unknown, QUESTIONABLE taken ({count})",
    "LSR65": "status 9 with a value, QUESTIONABLE taken ({count})",
    "LSR66": "empty value without status 9 ({count})",
}


def lse(code: str, **words: object) -> FormatError:
    """The refusal `code`, common or LodeStar's own."""
    return FormatError(code, (LSE | REFUSALS)[code].format(**words))
