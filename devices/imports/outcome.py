"""What a row comes to, whichever interface it is of."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

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
