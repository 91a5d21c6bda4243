"""What a row comes to, whichever interface it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from devices.imports.codes import Issue

# What a row does, as the preview counts it.
ADDED, CHANGED, REMOVED, MOVED = "added", "changed", "removed", "moved"
UNCHANGED, REFUSED = "unchanged", "refused"
KINDS = (ADDED, CHANGED, REMOVED, MOVED, UNCHANGED, REFUSED)
UNPROVISIONS, LEAVES_CYCLE = "unprovisions", "leaves_cycle"


class Fact(NamedTuple):
    """Something a row does that may be dangerous: which device, what, from when."""

    number: int
    device: int
    what: str
    at: datetime
    group: str = ""


@dataclass(slots=True)
class Outcome:
    """A row's kind, issues, differences (column → old, new) and, for later, when it is due."""

    number: int
    device_id: str
    kind: str
    issues: list[Issue] = field(default_factory=list)
    changes: dict[str, tuple[str, str]] = field(default_factory=dict)
    due: datetime | None = None
    facts: list[Fact] = field(default_factory=list)


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
    return {
        names[field]: (shown(before.get(field)), shown(value))
        for field, value in after.items()
        if field in names and before.get(field) != value
    }
