"""LodeStar's own tables of the documentation: units, zones, statuses, refusals, findings."""

from __future__ import annotations

from devices.readings import Status
from exports.formats.base import Table
from exports.formats.lodestar.run import DOUBT, status_of
from exports.formats.lodestar.tables import (
    ERCOT_CHANNELS,
    LSE,
    LSR_ERRORS,
    LSR_WARNINGS,
    LSW,
    UNIT_CODES,
    ZONE_NAMES,
)

CHARACTERS = ("E", "E", " ")  # by default
ROWS = (
    ("MISSING", int(Status.MISSING)),
    ("EDITED", int(Status.EDITED)),
    ("ESTIMATED", int(Status.ESTIMATED)),
    ("QUESTIONABLE or RAW", DOUBT),
    ("none of these", 0),
)


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "units": [("Unit", "Code"), *((unit, f"`{code}`") for unit, code in UNIT_CODES.items())],
        "zones": [("Zone", "Name"), *((zone, f"`{name}`") for zone, name in ZONE_NAMES.items())],
        "ercot channels": [
            ("Flow", "Channel"),
            *((flow, f"`{number}`") for flow, number in ERCOT_CHANNELS.items()),
        ],
        "statuses": [("Mask, first match", "generic", "ercot"), *(_status(*row) for row in ROWS)],
        "refusals": _codes(LSE),
        "writer warnings": _codes(LSW),
        "reader errors": _codes(LSR_ERRORS),
        "reader warnings": _codes(LSR_WARNINGS),
    }


def _status(name: str, mask: int) -> tuple[str, ...]:
    """The characters with default settings."""
    generic = status_of(b"0", False, CHARACTERS, mask)
    ercot = status_of(b"", True, CHARACTERS, mask)
    shown = (f"`{text}`" if text.strip() else ("a space" if text else "empty") for text in
             (generic, ercot))  # fmt: skip
    return (name, *shown)


def _codes(texts: dict[str, str]) -> Table:
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts.items())]
