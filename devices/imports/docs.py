"""The tables of both interfaces for their documentation (`manage.py format_docs`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.imports.codes import DEVICE_CODES, GROUP_CODES, Code
from devices.imports.columns import DEVICE_COLUMNS, GROUP_COLUMNS, Column

Table = Sequence[Sequence[str]]
_REQUIRED = {"always": "always", "A": "to add", "one": "one of two", "": ""}
_CLEARS = {"yes": "clears", "no": "refused", "pair": "with its fellow", "empty": "as empty"}


def pages() -> dict[str, dict[str, Table]]:
    """Page → the tables between its marks."""
    return {
        "device-import.md": {"columns": _columns(DEVICE_COLUMNS), "codes": _codes(DEVICE_CODES)},
        "group-import.md": {"columns": _columns(GROUP_COLUMNS), "codes": _codes(GROUP_CODES)},
    }


def _columns(columns: Sequence[Column]) -> Table:
    rows = [("Column", "Required", "Holds", "`<null>` in an update", "Meaning")]
    for column in columns:
        kind, clears = column.kind, _CLEARS[column.clear]
        name = f"{column.name} ⓘ" if kind.identifier else column.name
        rows.append((name, _REQUIRED[column.required], kind.phrase(), clears, column.meaning))
    return rows


def _codes(codes: Mapping[str, Code]) -> Table:
    found = sorted(codes.values(), key=lambda code: code.code)
    texts: dict[str, list[Code]] = {}
    for code in found:
        texts.setdefault(code.code, []).append(code)
    rows = [("Code", "Level", "Message")]
    for name, same in texts.items():
        words = dict.fromkeys(f"`{code.text}`" for code in same)
        rows.append((name, same[0].level, " or ".join(words)))
    return rows
