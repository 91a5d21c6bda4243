"""BTF's own tables of the documentation."""

from __future__ import annotations

from exports.formats.base import Table
from exports.formats.btf.reader import BTF_ERRORS, BTF_WARNINGS
from exports.formats.btf.tables import BTF
from exports.formats.registers import codes_table
from exports.formats.registerwriter import WARNINGS

BTF_WRITE_WARNINGS = WARNINGS | {"BTF50": "a character of the export name is written `?`"}


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "refusals": codes_table(BTF),
        "writer warnings": codes_table(BTF_WRITE_WARNINGS),
        "reader errors": codes_table(BTF_ERRORS),
        "reader warnings": codes_table(BTF_WARNINGS),
    }
