"""Pairs of events: what opens and closes an incident, what is one event told twice. Pure.

Events come in any order; the answer is by their own times (formats/events.md 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

SET, CLEAR = "S", "C"
# The module and the meter's log tell of one outage by different words, seconds apart.
OUTAGE_SETS = ("PWR_OUTAGE", "PWR_DOWN")
OUTAGE_CLEARS = ("PWR_RESTORE", "PWR_UP")
OUTAGE = OUTAGE_SETS[0]
SLACK = timedelta(seconds=60)
# May come from the module and from the meter's log.
TWINS = frozenset(("DEMAND_RESET", "SWITCH_OPEN", "SWITCH_CLOSED"))
# Old and new time of one clock setting: C12.19 numbers.
CLOCK_PAIRS = {3: 4, 5: 6}


class Mark(NamedTuple):
    """An event that sets or clears a condition. `kind`: the mnemonic that the condition goes by."""

    event: int
    mnemonic: str
    kind: str
    state: str
    time: datetime


@dataclass(slots=True)
class Spell:
    """A condition from its beginning to its end; `pk` None while it is new."""

    kind: str
    mnemonic: str  # that opened it
    began: datetime
    began_event: int | None = None
    ended: datetime | None = None
    ended_event: int | None = None
    closer: str = ""
    pk: int | None = None
    changed: bool = False

    def covers(self, time: datetime) -> bool:
        """Whether a time is in it, give or take the slack of two clocks."""
        return self.began - SLACK <= time and (self.ended is None or time <= self.ended + SLACK)

    def close(self, mark: Mark) -> None:
        self.ended, self.ended_event, self.closer = mark.time, mark.event, mark.mnemonic
        self.changed = True


def kind_of(mnemonic: str, paired_with: str, state: str) -> str:
    """What condition an event sets or clears: the mnemonic of its set, one for all outages."""
    if mnemonic in OUTAGE_SETS or mnemonic in OUTAGE_CLEARS:
        return OUTAGE
    return mnemonic if state == SET else paired_with


def spells_fold(spells: list[Spell], marks: Sequence[Mark], clears: Sequence[Mark]) -> list[Spell]:
    """The spells of one device after some new events, in the order of their times.

    `spells`: those open or near in time; `clears`: ends that arrived before, which may belong to a
    beginning that arrives only now.
    """
    for mark in sorted(marks, key=lambda m: (m.time, m.event)):
        mine = [spell for spell in spells if spell.kind == mark.kind]
        if mark.state == CLEAR:
            _end(mine, mark)
        elif not any(_same_beginning(spell, mark) for spell in mine):
            spells += _begin(mine, mark, clears)
    return spells


def _same_beginning(spell: Spell, mark: Mark) -> bool:
    """A set within a spell doubles nothing; nor does the other reporter's, by another clock."""
    if spell.ended is None:
        return mark.time >= spell.began - SLACK
    if spell.began <= mark.time < spell.ended:
        return True
    return mark.mnemonic != spell.mnemonic and spell.covers(mark.time)


def _begin(mine: Sequence[Spell], mark: Mark, clears: Sequence[Mark]) -> list[Spell]:
    """A new spell, closed at once by an end that overtook it; none where it is the beginning of
    one that is known: a spell without an end between then began earlier."""
    used = {other.ended_event for other in mine}
    ends = [c for c in clears if c.kind == mark.kind and c.event not in used]
    end = min((c for c in ends if c.time >= mark.time), key=_order, default=None)
    following = min((s for s in mine if s.began > mark.time), key=_beginning, default=None)
    if following is not None and (end is None or end.time > following.began):
        following.began, following.began_event = mark.time, mark.event
        following.changed = True
        return []
    spell = Spell(mark.kind, mark.mnemonic, mark.time, mark.event, changed=True)
    if end is not None:
        spell.close(end)
    return [spell]


def _order(mark: Mark) -> tuple[datetime, int]:
    return mark.time, mark.event


def _beginning(spell: Spell) -> datetime:
    return spell.began


def _end(mine: Sequence[Spell], mark: Mark) -> None:
    """Close the newest open spell that began before; the other reporter's end changes nothing."""
    fitting = [s for s in mine if s.ended is None and s.began <= mark.time]
    if fitting:
        max(fitting, key=lambda s: s.began).close(mark)


def open_since(history: Iterable[tuple[datetime, str]], until: datetime) -> datetime | None:
    """When the condition that ends at `until` began: the first set behind the last clear.

    `history`: (time, S or C) of a device's events of one pair.
    """
    begun: datetime | None = None
    for time, state in sorted(history):
        if time > until or (time == until and state == CLEAR):
            break
        begun = (begun or time) if state == SET else None
    return begun


# --- twins --------------------------------------------------------------------------------------


@dataclass(slots=True)
class Report:
    """An event of a kind that is told twice. `twin`: its second report, as it is noted."""

    row: Any  # the caller's
    origin: str
    native: int | None
    time: datetime
    twin: str = ""

    def note(self) -> str:
        """How it is noted on the event that it is the twin of."""
        number = "" if self.native is None else f" {self.native}"
        return f"{self.origin}{number} at {self.time.isoformat(timespec='seconds')}"


def twin_of(report: Report, others: Iterable[Report]) -> Report | None:
    """The event that a report is the second telling of: another origin, within 60 s, the nearest.

    One that has its twin already takes the very same report again and no other.
    """
    near = [
        other
        for other in others
        if other.origin != report.origin
        and abs(other.time - report.time) <= SLACK
        and other.twin in ("", report.note())
    ]
    return min(
        near, key=lambda other: (not other.twin, abs(other.time - report.time)), default=None
    )


def clock_partner(report: Report, others: Iterable[Report]) -> Report | None:
    """The other half of a clock setting within 60 s: its old time, or its new one."""
    wanted = {CLOCK_PAIRS.get(report.native or 0)}
    wanted |= {old for old, new in CLOCK_PAIRS.items() if new == report.native}
    near = [
        other
        for other in others
        if other.native in wanted - {None}
        and abs(other.time - report.time) <= SLACK
        and other.twin in ("", report.note())
    ]
    return min(
        near, key=lambda other: (not other.twin, abs(other.time - report.time)), default=None
    )
