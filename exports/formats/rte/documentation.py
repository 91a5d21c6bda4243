"""RTE's own tables of the documentation: quality codes, refusals, warnings."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.quality import CODES
from exports.formats.rte.tables import RTE, RTR_ERRORS, RTR_WARNINGS, RTW


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "quality codes": [
            ("Status", "Code"),
            *((bit.name or "", f"`{code}`") for bit, code in CODES.items()),
        ],
        "refusals": _codes(RTE),
        "writer warnings": _codes(RTW),
        "reader errors": _codes(RTR_ERRORS),
        "reader warnings": _codes(RTR_WARNINGS),
    }


def _codes(texts: dict[str, str]) -> Table:
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts.items())]
