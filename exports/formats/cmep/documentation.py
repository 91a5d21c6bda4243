"""CMEP's own tables of the documentation: units, flags, refusals, warnings."""

from __future__ import annotations

from devices.readings import Status, status_names
from exports.formats.base import Table
from exports.formats.cmep.tables import (
    CME,
    CMR_ERRORS,
    CMR_WARNINGS,
    CMW,
    FLAGS,
    SENSUS_BITS,
    SENSUS_UNITS,
    UNITS,
    Unit,
)


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "units": _units(UNITS),
        "sensus units": _units(SENSUS_UNITS),
        "flags": [
            ("Mask, first match", "Base", "sensus"),
            *(
                (_mask(mask), f"`{base}`" if base else "empty", f"`{letter}`")
                for mask, base, letter in FLAGS
            ),
        ],
        "sensus bits": [
            ("Number", "From an interval", "From a register", "Read as"),
            *((str(row[0]), *(_mask(bit) for bit in row[1:])) for row in SENSUS_BITS),
        ],
        "refusals": _codes(CME),
        "writer warnings": _codes(CMW),
        "reader errors": _codes(CMR_ERRORS),
        "reader warnings": _codes(CMR_WARNINGS),
    }


def _units(units: dict[str, Unit]) -> Table:
    rows = [
        (
            f"`{code}`",
            u.unit or ("`gasreg_unit`" if code == "GASREG" else "listed only"),
            u.flow,
            "register" if u.register else "interval",
            ", ".join(u.commodities),
        )
        for code, u in units.items()
    ]
    return [("Code", "Unit", "Flow", "Data", "Commodity"), *rows]


def _mask(mask: Status | None) -> str:
    if mask is None:
        return "–"
    return " or ".join(name.upper() for name in status_names(int(mask))) or "none of these"


def _codes(texts: dict[str, str]) -> Table:
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts.items())]
