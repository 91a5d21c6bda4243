"""MEPMD02 read: its fields are checked, its totals listed with their period, nothing is stored.

No register class means an amount of a period, so there is no place in the store for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from devices.readings import status_names
from exports.formats.cmep.flags import Flags
from exports.formats.cmep.tables import LABELS, MEPMD02

NAMES = tuple(column.name for column in MEPMD02.columns)
HEADER = len(NAMES)
ROW = len(MEPMD02.group)
Fault = Callable[..., Exception]


def totals_text(
    fields: Sequence[bytes],
    meter: str,
    number: Callable[[bytes], Decimal],
    flags: Flags,
    fault: Fault,
) -> str:
    """A record's meter, unit, period and totals in words.

    `number` reads a value; `fault(code, field, **words)` makes the error of a field that is none.
    """
    head = dict(zip(NAMES, fields[:HEADER], strict=True))
    start, end = (_got(head, name, fault) for name in ("start_time", "end_time"))
    if start >= end:
        why = f"the period ends at {_said(head['end_time'])}, before it starts"
        raise fault("CMR04", "end_time", why=why)
    count = _got(head, "count", fault)
    wanted = HEADER + ROW * count
    if len(fields) < wanted:
        raise fault("CMR06", "count", count=len(fields), wanted=wanted)
    surplus = fields[wanted:]
    if len(surplus) > 1 or (surplus and surplus[0]):
        raise fault("CMR07", "count", count=len(fields), wanted=wanted)
    rows = [fields[at : at + ROW] for at in range(HEADER, wanted, ROW)]
    season = _got(head, "season", fault)
    said = ", ".join(_row(*row, number=number, flags=flags, fault=fault) for row in rows)
    period = f"{_said(head['start_time'])} to {_said(head['end_time'])}"
    unit = head["units"].decode() + (f", season {season}" if season else "")
    return f"{meter} {unit}, {period}: {said}"


def _row(
    label: bytes,
    flag: bytes,
    value: bytes,
    *,
    number: Callable[[bytes], Decimal],
    flags: Flags,
    fault: Fault,
) -> str:
    if label.decode() not in LABELS:
        raise fault("CMR05", "label", value=label.decode())
    try:
        amount = f"{number(value):f}" if value else "no value"
    except ValueError as error:
        raise fault("CMR04", "value", why=str(error)) from error
    names = " ".join(status_names(flags[flag].mask)) or "valid"
    return f"{label.decode()} {amount} ({names})"


def _got(head: Mapping[str, bytes], name: str, fault: Fault) -> Any:
    try:
        return MEPMD02.column(name).get(head[name])
    except ValueError as error:
        raise fault("CMR04", name, why=str(error)) from error


def _said(stamp: bytes) -> str:
    text = stamp.decode()
    return f"{text[:4]}-{text[4:6]}-{text[6:8]} {text[8:10]}:{text[10:]}Z"
