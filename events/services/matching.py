"""Alarm rules as they stand, ready to be asked."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import QuerySet

from events.models import AlarmRule
from events.rules import Rule


class Loaded(NamedTuple):
    """The active rules, the fallback's key, and minutes of repeat suppression by rule."""

    rules: list[Rule]
    fallback: int | None
    repeats: dict[int, int]


def alarm_rules_load() -> Loaded:
    """The active rules, in as many queries as a rule has lists."""
    active: QuerySet[AlarmRule] = AlarmRule.objects.filter(active=True).prefetch_related(
        "mnemonics", "device_classes", "groups"
    )
    found = Loaded([], None, {})
    fallback = None
    for row in active:
        if row.repeat_minutes:
            found.repeats[row.pk] = row.repeat_minutes
        if row.fallback:
            fallback = row.pk
            continue
        found.rules.append(
            Rule(
                row.pk,
                row.name,
                tuple(kind.mnemonic for kind in row.mnemonics.all()),
                row.categories,
                row.severities,
                frozenset(one.code for one in row.device_classes.all()),
                frozenset(group.code for group in row.groups.all()),
                row.days,
                (row.hours_from, row.hours_to),
                row.zone,
            )
        )
    return found._replace(fallback=fallback)
