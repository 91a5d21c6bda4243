"""What differs between two states of a device, column by column, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any

from devices.imports.columns import DEVICE_COLUMNS, MASK, PLACE_FIELDS
from devices.imports.state import RECORD_DEFAULTS, State
from devices.imports.stays import BILL_CYCLE

NAMES = {column.field: column.name for column in DEVICE_COLUMNS}
_RECORD_NAMES = {f: NAMES[f] for f in NAMES if f in RECORD_DEFAULTS and f != "pin"}
_RECORD_NAMES |= {"provision_at": "Provision"}
_PLACE_NAMES = {name: NAMES[name] for name in PLACE_FIELDS}


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def differences(
    before: Mapping[str, Any], after: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, tuple[str, str]]:
    """Column → (old, new) of what differs. `names`: field → column."""
    pick = itemgetter(*names)
    was, is_now = pick(before), pick(after)
    if was == is_now:
        return {}
    return {
        name: (shown(one), shown(other))
        for name, one, other in zip(names.values(), was, is_now, strict=True)
        if one != other
    }


def state_changes(before: State | None, after: State, at: datetime) -> dict[str, tuple[str, str]]:
    """Column → (old, new) of all that a row changes."""
    if before is None:
        return {}
    found = differences(before.record, after.record, _RECORD_NAMES)
    if before.record["pin"] != after.record["pin"]:
        found["PIN"] = _masked(before), _masked(after)
    if before.places is not after.places:
        found |= differences(before.place_values(at), after.place_values(at), _PLACE_NAMES)
    if before.stays is not after.stays:
        for name, kind in (("BillCycle", BILL_CYCLE), ("Groups", "GENERAL")):
            was, is_now = _groups_at(before, kind, at), _groups_at(after, kind, at)
            if was != is_now:
                found[name] = was, is_now
    return found


def _masked(state: State) -> str:
    return MASK if state.record["pin"] else ""


def _groups_at(state: State, kind: str, at: datetime) -> str:
    return ";".join(sorted(s.group for s in state.stays if s.kind == kind and s.holds(at)))
