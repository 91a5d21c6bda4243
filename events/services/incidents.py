"""Pairing events into incidents: each event once, in the order of its batch, by its own time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from devices.journal import sql
from events.models import Event, EventType, Incident
from events.pairing import CLEAR, OUTAGE, SET, SLACK, Mark, Spell, kind_of, spells_fold
from events.selectors.catalogue import Type, types_load
from events.selectors.following import Row, events_after
from events.selectors.places import Located, located_load
from events.services.reading import reader_move, reader_place

READER = "incidents"
STEP = 5000


class Kinds:
    """Which types set and clear which conditions. Conditions of mere information are none."""

    def __init__(self, types: dict[int, Type]) -> None:
        self.types = types
        severe = EventType.objects.exclude(severity="I").values_list("mnemonic", flat=True)
        wanted = set(severe) | {OUTAGE}
        self.of = {
            pk: kind
            for pk, t in types.items()
            if t.state in (SET, CLEAR)
            and (kind := kind_of(t.mnemonic, t.paired_with, t.state)) in wanted
        }
        self.by_mnemonic = {t.mnemonic: pk for pk, t in types.items()}

    def mark(self, event: int, kind: int, time: datetime) -> Mark:
        t = self.types[kind]
        return Mark(event, t.mnemonic, self.of[kind], t.state, time)


def incidents_follow() -> bool:
    """Pair the next events; True when there may be more."""
    here = reader_place(READER)
    rows, there = events_after(here, STEP)
    if here == there:
        return False
    kinds = Kinds(types_load())
    marked = [row for row in rows if row.type in kinds.of]
    with transaction.atomic():
        if marked:
            _pair(marked, kinds)
        reader_move(READER, here, there)
    return True


def _pair(rows: Sequence[Row], kinds: Kinds) -> None:
    marks: dict[int, list[Mark]] = {}
    for row in rows:
        marks.setdefault(row.device, []).append(kinds.mark(row.pk, row.type, row.time))
    early = min(row.time for row in rows)
    spells = _spells(marks, early, kinds)
    clears = _clears(marks, early, kinds)
    located = located_load(marks)
    changed = [
        (device, spell)
        for device, events in marks.items()
        for spell in spells_fold(spells.get(device, []), events, clears.get(device, []))
        if spell.changed
    ]
    _store(changed, located, kinds)


def _spells(devices: Iterable[int], early: datetime, kinds: Kinds) -> dict[int, list[Spell]]:
    """The incidents of these devices that are open, or not over before the events begin."""
    near = Q(ended=None) | Q(ended__gte=early - SLACK)
    rows = Incident.objects.filter(near, device__in=sql.id_set(devices), closed_by="").order_by()
    found: dict[int, list[Spell]] = {}
    for pk, device, kind, began, began_event, ended, ended_event in rows.values_list(
        "pk", "device_id", "type_id", "began", "began_event", "ended", "ended_event"
    ):
        mnemonic = kinds.types[kind].mnemonic
        found.setdefault(device, []).append(
            Spell(kinds.of.get(kind, mnemonic), mnemonic, began, began_event, ended, ended_event)
        )
        found[device][-1].pk = pk
    return found


def _clears(devices: Iterable[int], early: datetime, kinds: Kinds) -> dict[int, list[Mark]]:
    """Ends that are stored and may belong to beginnings that come only now."""
    types = [pk for pk in kinds.of if kinds.types[pk].state == CLEAR]
    rows = Event.objects.filter(device__in=sql.id_set(devices), type__in=types, time__gte=early)
    found: dict[int, list[Mark]] = {}
    for pk, device, kind, time in rows.values_list("pk", "device_id", "type_id", "time"):
        found.setdefault(device, []).append(kinds.mark(pk, kind, time))
    return found


def _store(changed: Sequence[tuple[int, Spell]], located: dict[int, Located], kinds: Kinds) -> None:
    new, old = [], []
    for device, spell in changed:
        kind = kinds.by_mnemonic[spell.mnemonic]
        row = Incident(
            pk=spell.pk,
            device_id=device,
            type_id=kind,
            began=spell.began,
            began_event=spell.began_event,
        )
        _end(row, spell.ended, spell.ended_event)
        if spell.pk is None:
            row.category = "OUTG" if spell.kind == OUTAGE else _category(kind)
            if device in located:
                _, row.transformer_id, row.feeder_id = located[device].place_at(spell.began)
            new.append(row)
        else:
            old.append(row)
    Incident.objects.bulk_create(new, batch_size=2000)
    if old:
        _update(old)


def _update(rows: Sequence[Incident]) -> None:
    """Write beginnings and ends. A restored city is as many statements, sent as one."""
    stamp = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE events_incident SET began = %s, began_event = %s, ended = %s, "
            "ended_event = %s, duration = %s, momentary = %s WHERE id = %s",
            [
                (
                    *(stamp(row.began), row.began_event, stamp(row.ended), row.ended_event),
                    *(row.duration, row.momentary, row.pk),
                )
                for row in rows
            ],
        )


def _category(kind: int) -> str:
    return EventType.objects.values_list("category", flat=True).get(pk=kind)


def _end(row: Incident, ended: datetime | None, event: int | None) -> None:
    row.ended, row.ended_event = ended, event
    if ended is not None:
        row.duration = max(int((ended - row.began).total_seconds()), 0)
        row.momentary = row.duration <= settings.TMS_MOMENTARY_SECONDS


def incidents_close(incidents: Iterable[Incident], *, by: str) -> int:
    """Close open incidents by hand: their ends never came. How many there were."""
    now = timezone.now()
    closed = 0
    for incident in incidents:
        seconds = max(int((now - incident.began).total_seconds()), 0)
        rows = Incident.objects.filter(pk=incident.pk, ended=None)
        closed += rows.update(ended=now, duration=seconds, closed_by=by)
    return closed
