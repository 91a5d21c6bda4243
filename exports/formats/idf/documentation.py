"""IDF's own tables of the documentation."""

from __future__ import annotations

from devices.readings import REGISTER_CLASSES
from exports.formats.base import Table
from exports.formats.idf.reader import IDF_ERRORS, IDF_WARNINGS
from exports.formats.idf.tables import IDF, METHODS, SOURCE_OF_METHOD, TYPES, VALIDATION
from exports.formats.registers import codes_table
from exports.formats.registerwriter import WARNINGS


def documentation() -> dict[str, Table]:
    """The tables by name."""
    return {
        "register types": [
            ("RegisterType", "Class"),
            *(
                (f"`{TYPES[name]}`", f"`{name}`, {words}")
                for name, words in REGISTER_CLASSES.items()
            ),
        ],
        "methods": [
            ("ReadMethod", "Written for source", "Read back"),
            *(
                (f"`{method}`", ", ".join(s for s, m in METHODS.items() if m == method), source)
                for method, source in SOURCE_OF_METHOD.items()
            ),
        ],
        "validation": [
            ("Letter", "SourceValidation"),
            *((f"`{letter}`", word) for letter, word in VALIDATION.items()),
        ],
        "refusals": codes_table(IDF),
        "writer warnings": codes_table(WARNINGS),
        "reader errors": codes_table(IDF_ERRORS),
        "reader warnings": codes_table(IDF_WARNINGS),
    }
