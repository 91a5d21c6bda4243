"""Every message of the two interfaces: its code, its words, its level.

Both interfaces make the same checks under different codes, so a check names its message by a
symbol and the table of the interface gives code and words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

ERROR, WARNING, HELD, SKIPPED = "error", "warning", "held", "skipped"


class Code(NamedTuple):
    """A message of an interface. `text` has its values in braces, `{n}` is the row number."""

    code: str
    text: str
    level: str = ERROR


class Issue(NamedTuple):
    """A finding: its symbol, the place of its column in the file (-1: the row), its values."""

    symbol: str
    place: int
    values: Mapping[str, Any]


Table = Mapping[str, Code]

_DAMAGED = 'row {n}: {name} "{v}" looks like a number changed by a spreadsheet; '
_DAMAGED += "format the column as text"
_NOT_TEXT = "file is not UTF-8, UTF-16 or Windows-1252 text"
_MEANT = "column {name} is unknown; did you mean {known}?"
_LOST = 'row {n}: {name} "{v}": digits after the 15th are zero; lost in a spreadsheet?'
_INVISIBLE = "row {n}: {name}: invisible characters removed"
_PADDED = 'row {n}: {name} padded to "{v}"'
_CHARACTER = "row {n}: {name} holds a character or value that is not allowed: {v}"

DEVICE_CODES: dict[str, Code] = {
    "empty": Code("DEV01", "file is empty or has no header line"),
    "missing": Code("DEV02", "required column {name} missing"),
    "twice": Code("DEV03", "column {name} appears twice"),
    "not_text": Code("DEV04", _NOT_TEXT),
    "cells": Code("DEV05", "row {n}: {k} cells, header has {m}"),
    "action": Code("DEV06", 'row {n}: unknown action "{v}"'),
    "no_key": Code("DEV07", "row {n}: {name} empty"),
    "length": Code("DEV08", "row {n}: {name} has {k} characters, at most {w}"),
    "character": Code("DEV09", _CHARACTER),
    "damaged": Code("DEV10", _DAMAGED),
    "no_meter": Code("DEV11", "row {n}: MeterNumber required for add"),
    "meter_taken": Code("DEV12", "row {n}: MeterNumber {v} belongs to active device {id}"),
    "class": Code("DEV13", 'row {n}: DeviceClass "{v}" empty or unknown'),
    "active": Code("DEV14", "row {n}: device {id} exists and is active"),
    "unknown": Code("DEV15", "row {n}: device {id} not found"),
    "pair": Code("DEV16", "row {n}: Latitude and Longitude must both be given and in range"),
    "number": Code("DEV17", 'row {n}: {name} "{v}" is not a number in the allowed range'),
    "date": Code("DEV18", 'row {n}: {name} "{v}" is not a clear date or time'),
    "zone": Code("DEV19", 'row {n}: time zone "{v}" unknown'),
    "group": Code("DEV20", 'row {n}: group "{v}" unknown'),
    "profile": Code("DEV21", 'row {n}: schedule profile "{v}" unknown'),
    "choice": Code("DEV22", 'row {n}: {name} "{v}" is not one of {list}'),
    "not_cleared": Code("DEV23", "row {n}: {name} cannot be cleared"),
    "unprovisioned": Code("DEV24", "row {n}: device {id} is unprovisioned; add it again first"),
    "removal": Code("DEV25", "row {n}: RemovalDate before InstallDate"),
    "not_cycle": Code("DEV26", "row {n}: {v} is not a bill cycle"),
    "role": Code("DEV27", "row {n}: not allowed for your role"),
    "early": Code("DEV28", "row {n}: EffectiveTime {v} before the device's last change"),
    "too_large": Code("DEV29", "file larger than {n} bytes or rows"),
    "cycle": Code("DEV30", "row {n}: {v} is a bill cycle; use column BillCycle"),
    "quote": Code("DEV31", "row {n}: a quote is not closed"),
    "ignored": Code("DEV51", "column {name} ignored", WARNING),
    "reactivated": Code("DEV52", "row {n}: device {id} reactivated", WARNING),
    "nothing": Code("DEV53", "row {n}: nothing changed", WARNING),
    "gone": Code("DEV54", "row {n}: device {id} was already unprovisioned", WARNING),
    "same_file": Code("DEV55", "same file as import {batch}", WARNING),
    "windows": Code("DEV56", "file read as Windows-1252", WARNING),
    "padded": Code("DEV57", _PADDED, WARNING),
    "invisible": Code("DEV58", _INVISIBLE, WARNING),
    "masked": Code("DEV59", "row {n}: masked PIN ignored", WARNING),
    "zeros": Code("DEV60", _LOST, WARNING),
    "meant": Code("DEV61", _MEANT, HELD),
    "skipped": Code("DEV90", "another row failed (all or nothing)", SKIPPED),
}

GROUP_CODES: dict[str, Code] = {
    "empty": Code("GRP01", "file is empty, has no header line or is not readable text"),
    "not_text": Code("GRP01", "file is empty, has no header line or is not readable text"),
    "missing": Code("GRP02", "required column {name} missing"),
    "twice": Code("GRP02", "column {name} appears twice"),
    "in_cycle": Code("GRP03", "row {n}: device {id} is already in bill cycle {g}; use action M"),
    "action": Code("GRP04", 'row {n}: unknown action "{v}"'),
    "unknown": Code("GRP05", 'row {n}: device "{v}" not found'),
    "two_devices": Code("GRP06", "row {n}: DeviceID {a} and MeterNumber {b} are different devices"),
    "group": Code("GRP07", 'row {n}: group "{v}" does not exist'),
    "type": Code("GRP08", "row {n}: group {g} is {type}, row says {v}"),
    "type_needed": Code("GRP08", "row {n}: GroupType needed to create group {g}"),
    "from_needed": Code("GRP09", "row {n}: FromGroup required to move between GENERAL groups"),
    "not_in": Code("GRP10", "row {n}: device {id} is not in {g}"),
    "unprovisioned": Code("GRP11", "row {n}: device {id} is unprovisioned"),
    "damaged": Code("GRP12", _DAMAGED),
    "date": Code("GRP13", 'row {n}: EffectiveDate "{v}" is not a clear date'),
    "early": Code("GRP13", "row {n}: EffectiveDate {v} lies before {t}"),
    "no_key": Code("GRP14", "row {n}: {name} empty"),
    "length": Code("GRP14", "row {n}: {name} longer than {w}"),
    "character": Code("GRP14", "row {n}: {name} holds a character or word that is not allowed"),
    "choice": Code("GRP14", "row {n}: {name} holds a character or word that is not allowed"),
    "cells": Code("GRP15", "row {n}: {k} cells, header has {m}"),
    "types": Code("GRP16", "row {n}: FromGroup and GroupCode are of different types"),
    "role": Code("GRP17", "row {n}: not allowed for your role"),
    "too_large": Code("GRP18", "file larger than {n} bytes or rows"),
    "quote": Code("GRP19", "row {n}: a quote is not closed"),
    "nothing": Code("GRP51", "row {n}: nothing changed", WARNING),
    "moved": Code("GRP52", "row {n}: moved from {g}", WARNING),
    "added": Code("GRP53", "row {n}: device was in no bill cycle; added", WARNING),
    "ignored": Code("GRP54", "column {name} ignored", WARNING),
    "same_file": Code("GRP55", "same file as import {batch}", WARNING),
    "created": Code("GRP56", "group {g} created", WARNING),
    "windows": Code("GRP57", "file read as Windows-1252", WARNING),
    "invisible": Code("GRP58", _INVISIBLE, WARNING),
    "padded": Code("GRP59", _PADDED, WARNING),
    "zeros": Code("GRP60", _LOST, WARNING),
    "meant": Code("GRP61", _MEANT, HELD),
    "skipped": Code("GRP90", "another row failed (all or nothing)", SKIPPED),
}


class Said(NamedTuple):
    """What a row's issues come to: result, first code, all messages."""

    result: str
    code: str
    message: str


FINE = Said("OK", "", "")
_RESULTS = {ERROR: "ERROR", HELD: "ERROR", SKIPPED: "SKIPPED", WARNING: "WARN"}


def said(table: Table, issues: Iterable[Issue], number: int = 0, *, confirmed: bool = True) -> Said:
    """A row's result, code and message: ascending code, at equal code in the file's order.

    The code is that of the first error, else of the first warning. `confirmed`: what a file is
    held for (a column that may be mistyped) is a warning once its user has confirmed it.
    """
    found = sorted((table[i.symbol].code, i.place, i) for i in _once(issues))
    if not found:
        return FINE
    messages: list[str] = []
    first = ("", WARNING)
    for code, _, issue in found:
        level = table[issue.symbol].level
        if level == HELD and confirmed:
            level = WARNING
        if not first[0] or (level != WARNING and first[1] == WARNING):
            first = (code, level)
        text = table[issue.symbol].text.format_map({"n": number, **issue.values})
        messages.append(f"{code} {text}" if messages else text)
    return Said(_RESULTS[first[1]], first[0], " | ".join(messages))


def _once(issues: Iterable[Issue]) -> list[Issue]:
    """Without repeats of one message; `pair` is said once whichever of its cells is bad."""
    seen: dict[tuple[str, int, str], Issue] = {}
    for issue in issues:
        place = -1 if issue.symbol == "pair" else issue.place
        seen.setdefault((issue.symbol, place, str(issue.values)), issue)
    return list(seen.values())
