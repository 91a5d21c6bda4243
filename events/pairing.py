"""Pairs of events: what opens and closes an incident, what is one event told twice. Pure.

Events come in any order; the answer is by their own times (formats/events.md 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
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
    """A condition from its beginning to its end, both by event. `pk` where it is stored."""

    kind: str
    mnemonic: str  # of its first set
    began: datetime
    began_event: int | None = None
    ended: datetime | None = None
    ended_event: int | None = None
    pk: int | None = None
    openers: set[str] = field(default_factory=set)

    @property
    def told(self) -> tuple[object, ...]:
        """What is stored of it."""
        return (self.mnemonic, self.began, self.began_event, self.ended, self.ended_event)


def kind_of(mnemonic: str, paired_with: str, state: str) -> str:
    """What condition an event sets or clears: the mnemonic of its set, one for all outages."""
    if mnemonic in OUTAGE_SETS or mnemonic in OUTAGE_CLEARS:
        return OUTAGE
    return mnemonic if state == SET else paired_with


def spells_of(marks: Iterable[Mark]) -> list[Spell]:
    """The spells that a device's events of one kind tell of, whatever order they arrived in.

    A set while one is open is no second one. Nor is the other reporter's first word of a spell
    that ended within the slack of two clocks.
    """
    spells: list[Spell] = []
    for mark in sorted(marks, key=lambda m: (m.time, m.event)):
        last = spells[-1] if spells else None
        if mark.state == CLEAR:
            if last is not None and last.ended is None:
                last.ended, last.ended_event = mark.time, mark.event
        elif last is None or not _is_of(last, mark):
            spells.append(Spell(mark.kind, mark.mnemonic, mark.time, mark.event))
            spells[-1].openers.add(mark.mnemonic)
        else:
            last.openers.add(mark.mnemonic)
    return spells


def _is_of(spell: Spell, mark: Mark) -> bool:
    """Whether a set tells of a spell that has begun."""
    if spell.ended is None:
        return True
    return mark.mnemonic not in spell.openers and mark.time <= spell.ended + SLACK


def spells_changed(
    stored: Sequence[Spell], spells: Sequence[Spell]
) -> tuple[list[Spell], list[int]]:
    """The spells that are new or no longer as they are stored, with the key of what they were; and
    the keys of those that proved to be part of another.

    A stored spell is the one that began with the same event; else the first left that it overlaps,
    since a beginning may prove earlier and an end may come between.
    """
    left = {spell.pk: spell for spell in stored}
    by_event = {spell.began_event: spell for spell in stored}
    for spell in spells:
        if (same := by_event.get(spell.began_event)) is not None:
            spell.pk = left.pop(same.pk).pk
    for spell in spells:
        if spell.pk is None:
            fitting = [one for one in left.values() if _overlap(one, spell)]
            if fitting:
                spell.pk = left.pop(min(fitting, key=lambda one: one.began).pk).pk
    told = {spell.pk: spell.told for spell in stored}
    changed = [spell for spell in spells if spell.pk is None or told[spell.pk] != spell.told]
    return changed, [pk for pk in left if pk is not None]


def _overlap(one: Spell, other: Spell) -> bool:
    return (other.ended is None or one.began < other.ended) and (
        one.ended is None or other.began < one.ended
    )


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
