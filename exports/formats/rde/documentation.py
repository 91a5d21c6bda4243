"""RDE's own tables of the documentation."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.quality import CODES_IN, CODES_OUT
from exports.formats.rde.reader import RDE_ERRORS, RDE_READ_WARNINGS
from exports.formats.rde.tables import ENERGY_KINDS, RDE, RDE_WARNINGS
from exports.formats.registers import codes_table
from exports.formats.registerwriter import WARNINGS


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "energy kinds": [
            ("EnergyUOM", "DemandUOM"),
            *((f"`{kind.energy}`", f"`{kind.demand}`" if kind.demand else "empty")
              for kind in ENERGY_KINDS),
        ],
        "codes written": [
            ("Mask bit", "Code"),
            *((bit.name or "", f"`{code}`") for bit, code in CODES_OUT),
        ],
        "codes read": [
            ("Last two numbers", "Mask bits"),
            *((f"`{code}`", (bits.name or "none").replace("|", ", ")) for code, bits in CODES_IN),
            ("`4.4`", "MISSING without a value, else QUESTIONABLE"),
        ],
        "refusals": codes_table(RDE),
        "writer warnings": codes_table(WARNINGS | RDE_WARNINGS),
        "reader errors": codes_table(RDE_ERRORS),
        "reader warnings": codes_table(RDE_READ_WARNINGS),
    }  # fmt: skip
