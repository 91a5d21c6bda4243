"""Memberships of one device as intervals, and what entering and leaving a group does to them.

One set ("lane") is the bill cycles of a device, or one general group; its intervals `[from, to)`
never overlap.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

BILL_CYCLE = "BILLCYCLE"


class Stay(NamedTuple):
    """A stay in a group; `end` None: still there."""

    group: str
    kind: str
    start: datetime
    end: datetime | None

    def holds(self, at: datetime) -> bool:
        """Whether the device is in the group then."""
        return self.start <= at and (self.end is None or at < self.end)


Stays = tuple[Stay, ...]


def lane_of(stays: Iterable[Stay], group: str, kind: str) -> list[Stay]:
    """The stays of the set that a group belongs to."""
    if kind == BILL_CYCLE:
        return [stay for stay in stays if stay.kind == BILL_CYCLE]
    return [stay for stay in stays if stay.group == group]


def stay_at(lane: Iterable[Stay], at: datetime) -> Stay | None:
    """The stay of a set that holds at an instant."""
    return next((stay for stay in lane if stay.holds(at)), None)


def last_change(lane: Iterable[Stay]) -> datetime | None:
    """The last start or end in a set, past or stored for the future."""
    return max((t for s in lane for t in (s.start, s.end) if t is not None), default=None)


def left(stays: Stays, stay: Stay, at: datetime) -> Stays:
    """Without the stay from an instant on; one that began then is dropped."""
    ended = () if stay.start >= at else (stay._replace(end=at),)
    return tuple(other for other in stays if other is not stay) + ended


def entered(stays: Stays, group: str, kind: str, at: datetime) -> Stays:
    """In a group from an instant on, until the next stored stay of its set.

    The set must be free then. A stay that adjoins an old one of the same group continues it.
    """
    lane = lane_of(stays, group, kind)
    end = min((stay.start for stay in lane if stay.start > at), default=None)
    before = next((stay for stay in lane if stay.group == group and stay.end == at), None)
    after = next((stay for stay in lane if stay.group == group and stay.start == end), None)
    start = before.start if before else at
    if after:
        end = after.end
    kept = tuple(stay for stay in stays if stay is not before and stay is not after)
    return (*kept, Stay(group, kind, start, end))


def ended_all(stays: Stays, at: datetime) -> Stays:
    """All memberships end; those stored for later are dropped."""
    for stay in stays:
        if stay.end is None or stay.end > at:
            stays = left(stays, stay, at)
    return stays
