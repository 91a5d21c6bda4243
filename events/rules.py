"""Which routes and alarm rules an event matches, and when people are told. Pure.

A rule that cannot be evaluated is no "no match": `RuleBroken` says why, and the fallback hears.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, NamedTuple

from events.codes import is_mnemonic

CATEGORIES = ("OUTG", "PQLT", "TAMP", "HDWR", "COMM", "BILL", "CONF")
SYSTEM = "SYST"  # the category of the system's own alarms; rules know it, events do not
SEVERITIES = ("I", "W", "A")
ALARM = "A"
SYSTEM_CODES = {
    "TMS_RUN_FAILED": "An export run failed",
    "TMS_MISSED": "A schedule was missed",
    "TMS_DESTINATION": "A destination takes no files, or not this one",
    "TMS_DISK": "The disk is nearly full",
    "TMS_GATEWAY": "A gateway has gone silent",
    "TMS_ROUTE": "A message route cannot write",
    "TMS_IMPORT": "A row of an import was refused when it was due",
    "TMS_INBOX": "A file of the inbox was not taken",
    "TMS_HELD": "An export is held back until somebody releases it",
}


class RuleBroken(ValueError):
    """Why a rule cannot be evaluated."""


class Fact(NamedTuple):
    """What rules look at of an event. `groups`: the device's, by code, at the event's time."""

    mnemonic: str
    category: str
    severity: str
    received: datetime
    nuisance: bool = False
    default_routed: bool = False
    device_class: str = ""
    groups: tuple[str, ...] = ()


def words(value: Any, allowed: Iterable[str], what: str) -> frozenset[str]:
    """A stored list of words; RuleBroken when it is none, or holds another word."""
    known = set(allowed)
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise RuleBroken(f"{what} are not a list of words")
    if unknown := sorted(set(value) - known):
        raise RuleBroken(f"{what}: {', '.join(unknown)} is not known")
    return frozenset(value)


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of events. One named by its mnemonic is always in; a nuisance only so.

    `default`: those that the catalogue routes by default. Categories and severities narrow each
    other where both are given; where nothing at all is given, nothing is chosen.
    """

    mnemonics: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    default: bool = False

    def takes(self, fact: Fact) -> bool:
        if fact.mnemonic in self.mnemonics:
            return True
        if fact.nuisance:
            return False
        if self.default and fact.default_routed:
            return True
        if not (self.categories or self.severities):
            return False
        return (not self.categories or fact.category in self.categories) and (
            not self.severities or fact.severity in self.severities
        )


def selection(
    mnemonics: Iterable[str], categories: Any, severities: Any, default: bool = False
) -> Selection:
    """A selection from stored values; RuleBroken says what is wrong with them."""
    named = frozenset(mnemonics)
    if bad := sorted(name for name in named if not is_mnemonic(name)):
        raise RuleBroken(f"{bad[0]} is no mnemonic")
    return Selection(
        named,
        words(categories, (*CATEGORIES, SYSTEM), "categories"),
        words(severities, SEVERITIES, "severities"),
        default,
    )


def scope(groups: frozenset[str], fact: Fact) -> str | None:
    """The first group, by code, that puts a device in scope; "" without groups, None outside."""
    if not groups:
        return ""
    return next((code for code in sorted(fact.groups) if code in groups), None)


# --- alarm rules --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rule:
    """The conditions of an alarm rule as stored; looked into only when an event asks for it."""

    pk: int
    name: str
    mnemonics: tuple[str, ...] = ()
    categories: Any = field(default_factory=list)
    severities: Any = field(default_factory=list)
    device_classes: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    days: Any = field(default_factory=list)  # 0 Monday … 6 Sunday
    hours: tuple[time | None, time | None] = (None, None)
    zone: str = "UTC"

    def takes(self, fact: Fact) -> bool:
        """Whether an event is this rule's. RuleBroken only where the answer hangs on it."""
        chosen = selection(self.mnemonics, self.categories, self.severities)
        if not chosen.takes(fact):
            return False
        if self.device_classes and fact.device_class not in self.device_classes:
            return False
        if scope(self.groups, fact) is None:
            return False
        return self._hears_at(fact.received)

    def _hears_at(self, received: datetime) -> bool:
        begin, end = self.hours
        if not self.days and begin is None and end is None:
            return True
        if not isinstance(self.days, list) or not set(self.days) <= set(range(7)):
            raise RuleBroken("days are not numbers 0 to 6")
        if (begin is None) != (end is None):
            raise RuleBroken("hours have a beginning and no end, or the reverse")
        local = received.astimezone(zone_of(self.zone))
        # Past midnight the hours belong to the day on which they began.
        early = begin is not None and end is not None and end <= begin and local.time() < end
        weekday = (local.weekday() - early) % 7
        if self.days and weekday not in self.days:
            return False
        return begin is None or end is None or within(local.time(), begin, end)


def within(now: time, begin: time, end: time) -> bool:
    """Whether a time of day is in [begin, end), which may pass midnight; equal: all day."""
    if begin < end:
        return begin <= now < end
    return now >= begin or now < end


def zone_of(name: str) -> zoneinfo.ZoneInfo:
    """The zone of a rule; RuleBroken when there is none of the name."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise RuleBroken(f"{name!r} is no time zone") from None


class Match(NamedTuple):
    """A rule that takes an event, and why if that is not by its conditions."""

    rule: int
    why: str = ""


def matches(fact: Fact, rules: Sequence[Rule], fallback: int | None) -> list[Match]:
    """The rules that take an event, the fallback among them where it must hear of it."""
    found, broken = [], []
    for rule in rules:
        try:
            if rule.takes(fact):
                found.append(Match(rule.pk))
        except RuleBroken as reason:
            broken.append(f"rule “{rule.name}” cannot be evaluated: {reason}")
    if fallback is None:
        return found
    alarm = fact.severity == ALARM and not fact.nuisance
    if broken and (alarm or not found):
        return [*found, Match(fallback, "; ".join(broken)[:200])]
    if alarm and not found:
        return [Match(fallback, "no rule takes it")]
    return found


# --- when people are told -----------------------------------------------------------------------

SINGLE = 3  # so many alarms at once are still told one by one
GATHER = timedelta(seconds=10)  # a burst is gathered so long before its first summary
SPACING = timedelta(minutes=2)  # … and between two of them
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a rule may tell. `digest`: minutes, None at once; `limit`: messages an hour."""

    digest: int | None = None
    limit: int | None = None
    quiet: tuple[time | None, time | None] = (None, None)
    zone: str = "UTC"


class Waiting(NamedTuple):
    """What waits to be told by a rule: how many, since when; and what was sent within the hour:
    how many messages, and when the newest summary among them."""

    alarms: int
    oldest: datetime
    sent: int = 0
    summary: datetime | None = None


def is_quiet(rate: Rate, now: datetime) -> bool:
    """Whether `now` is in the quiet hours. With an unknown zone nothing is held back."""
    begin, end = rate.quiet
    if begin is None or end is None:
        return False
    try:
        local = now.astimezone(zone_of(rate.zone))
    except RuleBroken:
        local = now.astimezone(UTC)
    return within(local.time(), begin, end)


def tell(rate: Rate, waiting: Waiting, now: datetime) -> str:
    """What is to be sent now: "" nothing, "alarm" one by one, "summary", or "digest"."""
    if not waiting.alarms or is_quiet(rate, now):
        return ""
    age = now - waiting.oldest
    if rate.digest is not None:
        return "digest" if age >= timedelta(minutes=rate.digest) else ""
    if rate.limit is None:
        return "alarm"
    if waiting.sent >= rate.limit:
        return ""
    # Half of the hour's messages may be single alarms; the others are kept for summaries. While
    # summaries come, so does what is told of a burst's last few alarms.
    calm = waiting.summary is None or now - waiting.summary >= SPACING
    if calm and waiting.alarms <= SINGLE and waiting.sent + waiting.alarms <= rate.limit // 2:
        return "alarm"
    return "summary" if calm and age >= GATHER else ""
