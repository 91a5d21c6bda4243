"""HHF-X1's own tables of the documentation: event codes, refusals, warnings."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.hhf.tables import (
    ERRORS,
    EVENT_CODES,
    HHR_ERRORS,
    HHR_WARNINGS,
    MEANINGS,
    WARNINGS,
)
from exports.formats.records216.units import codes_table


def documentation() -> dict[str, Table]:
    """The tables by name."""
    events = [
        (
            str(code),
            meaning,
            ", ".join(f"`{name}`" for name, number in EVENT_CODES.items() if number == code) or "–",
        )
        for code, meaning in MEANINGS.items()
    ]
    return {
        "event codes": [("Code", "Meaning", "From"), *events],
        "refusals": codes_table(ERRORS.values()),
        "writer warnings": codes_table(WARNINGS.values()),
        "reader errors": codes_table(HHR_ERRORS.items()),
        "reader warnings": codes_table(HHR_WARNINGS.items()),
    }
