"""S-XML's own tables of the documentation: elements, refusals, warnings."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.sxml.tables import ELEMENTS, SXM, SXR_ERRORS, SXR_WARNINGS, SXW


def documentation() -> dict[str, Table]:
    """The tables by name."""
    rows = [row for element in ELEMENTS for row in element.rows()]
    return {
        "elements": [("Element", "Holds", "Type", "Required", "Written"), *rows],
        "checks": _codes(SXM),
        "writer warnings": _codes(SXW),
        "reader errors": _codes(SXR_ERRORS),
        "reader warnings": _codes(SXR_WARNINGS),
    }


def _codes(texts: dict[str, str]) -> Table:
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts.items())]
