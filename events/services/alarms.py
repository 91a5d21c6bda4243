"""Detecting alarms: each event, once, in the order of its batch, against every rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from devices.journal import sql
from events import rules
from events.failpoints import passing
from events.models import Alarm, EventType
from events.selectors.catalogue import Type, types_load
from events.selectors.following import Row, events_after
from events.selectors.places import NOWHERE, Located, fact_of, located_load
from events.services.inserting import instants, rows_insert
from events.services.matching import Loaded, alarm_rules_load
from events.services.reading import reader_move, reader_place

READER = "alarms"
STEP = 5000  # events looked at in one transaction


def alarms_detect() -> bool:
    """Match the next events against the rules; True when there may be more.

    Alarms and the place behind their events are stored together.
    """
    here = reader_place(READER)
    rows, there = events_after(here, STEP)
    if here == there:
        return False
    types, loaded = types_load(), alarm_rules_load()
    located = located_load(row.device for row in rows)
    now = timezone.now()
    alarms = [
        alarm
        for row in rows
        for alarm in _alarms(row, types[row.type], located.get(row.device, NOWHERE), loaded, now)
    ]
    _repeats_mark(alarms, loaded.repeats, now)
    passing("detect")
    with transaction.atomic():
        _insert(alarms)
        _unmapped_count(rows, types)
        reader_move(READER, here, there)
    passing("detected")
    return True


def _alarms(row: Row, kind: Type, located: Located, loaded: Loaded, now: datetime) -> list[Alarm]:
    fact = fact_of(row, kind, located)
    found = rules.matches(fact, loaded.rules, loaded.fallback)
    if not found:
        return []
    _, _, feeder = located.place_at(row.time)
    group = located.cycle_at(row.time) or next(iter(fact.groups), "")
    return [
        Alarm(
            rule_id=match.rule,
            event=row.pk,
            device_id=row.device,
            mnemonic=kind.mnemonic,
            severity=row.severity,
            time=row.time,
            accepted=now,
            feeder_id=feeder,
            group=group,
            why=match.why,
        )
        for match in found
    ]


def _insert(alarms: Sequence[Alarm]) -> None:
    """Store alarms; one that its rule took before stays as it is."""
    columns = (
        *("rule_id", "event", "device_id", "mnemonic", "severity", "time", "accepted"),
        *("feeder_id", "group", "why", "state"),
    )
    times = instants({time for alarm in alarms for time in (alarm.time, alarm.accepted)})
    rows = [
        (
            *(alarm.rule_id, alarm.event, alarm.device_id, alarm.mnemonic, alarm.severity),
            *(times[alarm.time], times[alarm.accepted], alarm.feeder_id, alarm.group),
            *(alarm.why, str(alarm.state)),
        )
        for alarm in alarms
    ]
    rows_insert(Alarm, columns, rows, once=True)


def _repeats_mark(alarms: Sequence[Alarm], minutes: dict[int, int], now: datetime) -> None:
    """Mark those that repeat one of the same rule, device and type within the rule's minutes."""
    asked = [alarm for alarm in alarms if alarm.rule_id in minutes]
    if not asked:
        return
    since = now - timedelta(minutes=max(minutes.values()))
    rows = (
        Alarm.objects.filter(
            rule__in={a.rule_id for a in asked},
            device__in=sql.id_set({a.device_id for a in asked}),
            accepted__gte=since,
        )
        .exclude(state=Alarm.State.REPEATED)
        .order_by()
        .values_list("rule", "device", "mnemonic")
        .annotate(newest=Max("accepted"))
    )
    last = {tuple(key): newest for *key, newest in rows}
    for alarm in asked:
        key = (alarm.rule_id, alarm.device_id, alarm.mnemonic)
        before = last.get(key)
        if before and now - before < timedelta(minutes=minutes[alarm.rule_id]):
            alarm.state = Alarm.State.REPEATED
        else:
            last[key] = now


def _unmapped_count(rows: Sequence[Row], types: dict[int, Type]) -> None:
    """Count what arrives under codes that nobody has described."""
    counted = Counter(row.type for row in rows if types[row.type].unmapped)
    for pk, arrived in sorted(counted.items()):
        newest = max(row.received for row in rows if row.type == pk)
        EventType.objects.filter(pk=pk).update(arrived=F("arrived") + arrived, last_arrived=newest)
