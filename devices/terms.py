"""Pure: the words of metering data: units, flows, kinds of reads and registers, identifiers.

Terms are those of ANSI C12.19 and IEC 61968-9, as formats/README 2.4–2.13 gives them.
"""

from __future__ import annotations

from typing import NamedTuple


class Unit(NamedTuple):
    """A canonical unit: its quantity, the value type of its intervals, the unit of its demand."""

    quantity: str
    value_type: str
    directed: bool  # False: carries flow DEL only


UNITS: dict[str, Unit] = {
    "KWH": Unit("active energy", "U", True),
    "KVARH": Unit("reactive energy", "U", True),
    "KVAH": Unit("apparent energy", "U", True),
    "KW": Unit("active power", "D", True),
    "KVAR": Unit("reactive power", "D", True),
    "KVA": Unit("apparent power", "D", True),
    "V": Unit("voltage", "V", False),
    "A": Unit("current", "V", False),
    "PF": Unit("power factor", "V", False),
    "HZ": Unit("frequency", "V", False),
    "CF": Unit("volume, cubic feet", "U", False),
    "CCF": Unit("volume, hundred cubic feet", "U", False),
    "GAL": Unit("volume, gallons", "U", False),
    "THERM": Unit("gas energy", "U", False),
    "M3": Unit("volume, cubic metres", "U", False),
    "PULSE": Unit("pulse count", "U", False),
}
FLOWS = {
    "DEL": "delivered to the customer",
    "REC": "received from the customer",
    "NET": "delivered less received",
    "TOT": "delivered plus received",
    "Q1": "reactive quadrant 1",
    "Q2": "reactive quadrant 2",
    "Q3": "reactive quadrant 3",
    "Q4": "reactive quadrant 4",
}
VALUE_TYPES = {
    "U": "usage in the interval",
    "D": "average demand",
    "V": "average of another quantity",
    "P": "instantaneous at the interval's end",
}
INTERVAL_SECONDS = (
    *(60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800),
    *(3600, 7200, 10800, 14400, 21600, 28800, 43200, 86400),
)
DAY = 86400
READ_TYPES = {
    "CUR": "current registers",
    "OD": "on demand",
    "PDR": "previous demand reset",
    "PSN": "previous season",
    "SR": "self-read",
}
REGISTER_CLASSES = {
    "SUM": "summation",
    "MAX": "maximum demand",
    "CUM": "cumulative demand",
    "CCUM": "continuous cumulative demand",
    "PRES": "present demand",
    "COIN": "coincident value",
}
RATES = ("T", "A", "B", "C", "D", "E", "F", "G", "H")
# Words of the ingest API and the two-letter codes of the files.
SOURCES = {
    "scheduled": "SC",
    "on-demand": "OD",
    "pushed": "PU",
    "near-term": "NT",
    "self-read": "SR",
    "gap-fill": "GF",
    "edited": "ED",
    "manual": "MN",
    "imported": "IM",
}
# Identifier widths (formats/README 2.13).
WIDTHS = {
    "device_id": 20,
    "meter_number": 20,
    "account_id": 20,
    "serial_number": 24,
    "service_point_id": 24,
    "premise_id": 24,
    "group_code": 12,
    "feeder_id": 12,
    "sender_code": 12,
    "transformer_id": 16,
    "group_name": 40,
    "export_name": 30,
    "mnemonic": 16,
    "device_class": 10,
}


def identifier_fault(name: str, value: str) -> str:
    """Why `value` cannot be the identifier `name`, or an empty string."""
    width = WIDTHS[name]
    if len(value) > width:
        return f"{len(value)} characters, at most {width}"
    if value != value.strip(" "):
        return "begins or ends with a blank"
    for char in value:
        if not " " <= char <= "~":
            return f"character U+{ord(char):04X} is not printable ASCII"
    return ""
