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
from events.pairing import (
    CLEAR,
    OUTAGE,
    SET,
    SLACK,
    Mark,
    Spell,
    kind_of,
    spells_changed,
    spells_of,
)
from events.selectors.catalogue import Type, types_load
from events.selectors.following import Row, events_after
from events.selectors.places import Located, located_load
from events.services.inserting import rows_insert
from events.services.reading import reader_move, reader_place

READER = "incidents"
STEP = 5000


class Kinds:
    """Which types set and clear which conditions. Conditions of mere information are none."""

    def __init__(self, types: dict[int, Type]) -> None:
        self.types = types
        described = list(EventType.objects.values_list("pk", "mnemonic", "severity", "category"))
        wanted = {mnemonic for _, mnemonic, severity, _ in described if severity != "I"} | {OUTAGE}
        self.categories = {pk: category for pk, _, _, category in described}
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
    """Tell the spells of the devices anew from where these events touch them."""
    early: dict[int, datetime] = {}
    for row in rows:
        early[row.device] = min(row.time, early.get(row.device, row.time))
    stored = _stored(early, kinds)
    for device, spells in stored.items():
        early[device] = min(early[device], *(spell.began for spell in spells))
    changed: list[tuple[int, Spell]] = []
    gone: list[int] = []
    for (device, kind), marks in _marks(early, stored, kinds).items():
        known = [spell for spell in stored.get(device, []) if spell.kind == kind]
        anew, parts = spells_changed(known, spells_of(marks))
        changed += [(device, spell) for spell in anew]
        gone += parts
    Incident.objects.filter(pk__in=gone).delete()
    _store(changed, located_load(early), kinds)


def _stored(early: dict[int, datetime], kinds: Kinds) -> dict[int, list[Spell]]:
    """The incidents of these devices that are open, or not over when the events begin."""
    near = Q(ended=None) | Q(ended__gte=min(early.values()) - SLACK)
    rows = Incident.objects.filter(near, device__in=sql.id_set(early)).order_by()
    found: dict[int, list[Spell]] = {}
    for pk, device, kind, *told in rows.values_list(
        *("pk", "device_id", "type_id", "began", "began_event", "ended", "ended_event")
    ):
        mnemonic = kinds.types[kind].mnemonic
        spell = Spell(kinds.of.get(kind, mnemonic), mnemonic, *told, pk=pk)
        if spell.ended is None or spell.ended >= early[device] - SLACK:
            found.setdefault(device, []).append(spell)
    return found


def _marks(
    early: dict[int, datetime], stored: dict[int, list[Spell]], kinds: Kinds
) -> dict[tuple[int, str], list[Mark]]:
    """What set and cleared the conditions since then, by device and kind of condition.

    An operator's closing is an end without an event.
    """
    rows = Event.objects.filter(
        device__in=sql.id_set(early), type__in=list(kinds.of), time__gte=min(early.values())
    )
    found: dict[tuple[int, str], list[Mark]] = {}
    for pk, device, kind, time in rows.values_list("pk", "device_id", "type_id", "time"):
        if time >= early[device]:
            mark = kinds.mark(pk, kind, time)
            found.setdefault((device, mark.kind), []).append(mark)
    for device, spells in stored.items():
        for spell in spells:
            if spell.ended is not None and spell.ended_event is None:
                mark = Mark(0, "", spell.kind, CLEAR, spell.ended)
                found.setdefault((device, spell.kind), []).append(mark)
    return found


def _store(changed: Sequence[tuple[int, Spell]], located: dict[int, Located], kinds: Kinds) -> None:
    new, old = [], []
    for device, spell in changed:
        row = Incident(
            pk=spell.pk,
            device_id=device,
            type_id=kinds.by_mnemonic[spell.mnemonic],
            began=spell.began,
            began_event=spell.began_event,
        )
        _end(row, spell.ended, spell.ended_event or None)
        if spell.pk is not None:
            old.append(row)
            continue
        row.category = kinds.categories[row.type_id]
        if device in located:
            _, row.transformer_id, row.feeder_id = located[device].place_at(spell.began)
        new.append(row)
    _insert(new)
    if old:
        _update(old)


def _insert(rows: Sequence[Incident]) -> None:
    columns = (
        *("device_id", "type_id", "category", "began", "began_event", "ended", "ended_event"),
        *("duration", "momentary", "closed_by", "feeder_id", "transformer_id"),
    )
    stamp = connection.ops.adapt_datetimefield_value
    rows_insert(
        Incident,
        columns,
        [
            (
                *(row.device_id, row.type_id, row.category, stamp(row.began), row.began_event),
                *(stamp(row.ended), row.ended_event, row.duration, row.momentary, ""),
                *(row.feeder_id, row.transformer_id),
            )
            for row in rows
        ],
    )


def _update(rows: Sequence[Incident]) -> None:
    """Write beginnings and ends. A restored city is as many statements, sent as one."""
    stamp = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE events_incident SET type_id = %s, began = %s, began_event = %s, ended = %s, "
            "ended_event = %s, duration = %s, momentary = %s WHERE id = %s",
            [
                (
                    *(row.type_id, stamp(row.began), row.began_event, stamp(row.ended)),
                    *(row.ended_event, row.duration, row.momentary, row.pk),
                )
                for row in rows
            ],
        )


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
