"""MV-90's own tables of the documentation: unit codes, status words, refusals, warnings."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.mv90.tables import ERRORS, MDR_ERRORS, MDR_WARNINGS, WARNINGS
from exports.formats.records216.units import codes_table, unit_tables
from exports.formats.records216.words import word_tables


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        **unit_tables(),
        **word_tables(),
        "refusals": codes_table(ERRORS.values()),
        "writer warnings": codes_table(WARNINGS.values()),
        "reader errors": codes_table(MDR_ERRORS.items()),
        "reader warnings": codes_table(MDR_WARNINGS.items()),
    }
