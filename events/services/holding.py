"""Outages of a route that wait whether they prove momentary (formats/mrc.md 1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from devices.journal import sql
from events.models import Event, EventType, Held, Route
from events.selectors.following import Row, events_by_key

MOMENTARY = "PWR_MOMENTARY"


class Ended(NamedTuple):
    """What is to be written at a restoration; `whole`: the restoration itself is in it."""

    rows: list[Row]
    whole: bool


class Hold:
    """The held outages of the devices of some events; to be stored with what is written."""

    def __init__(self, route: Route, rows: Sequence[Row]) -> None:
        self.route = route
        self.length = timedelta(seconds=route.momentary_seconds)
        self.new: list[Held] = []
        self.released: list[int] = []
        devices = sql.id_set({row.device for row in rows})
        stored = list(Held.objects.filter(route=route, device__in=devices))
        self.outages = {row.pk: row for row in events_by_key([h.event_id for h in stored])}
        self._held: dict[int, list[Held]] = {}
        for one in stored:
            self._held.setdefault(one.device, []).append(one)

    def begin(self, outage: Row) -> None:
        """Hold an outage back from its receipt on."""
        until = outage.received + self.length
        one = Held(route=self.route, event_id=outage.pk, device=outage.device, until=until)
        self.new.append(one)
        self._held.setdefault(outage.device, []).append(one)
        self.outages[outage.pk] = outage

    def end(self, restore: Row) -> Ended:
        """What a restoration makes of the outages before it that are held.

        The newest is momentary where the restoration came in time; then one event stands for
        both. All others can prove momentary no more: they are written now, before it.
        """
        waiting = self._held.get(restore.device, [])
        before = [one for one in waiting if self.outages[one.event_id].time <= restore.time]
        before.sort(key=lambda one: (self.outages[one.event_id].time, one.event_id))
        for one in before:
            waiting.remove(one)
            if one.pk is None:
                self.new.remove(one)
            else:
                self.released.append(one.pk)
        rows = [self.outages[one.event_id] for one in before]
        if not before or not self._in_time(before[-1], rows[-1], restore):
            return Ended(rows, whole=False)
        return Ended([*rows[:-1], momentary_make(rows[-1], restore)], whole=True)

    def _in_time(self, held: Held, outage: Row, restore: Row) -> bool:
        return restore.received <= held.until and restore.time - outage.time <= self.length


def momentary_make(outage: Row, restore: Row) -> Row:
    """The event that an outage and its restoration within the hold become: an event of its own.

    Routes that make it of the same outage share it.
    """
    kind = EventType.objects.get(mnemonic=MOMENTARY)
    seconds = int((restore.time - outage.time).total_seconds())
    event, _ = Event.objects.get_or_create(
        device_id=outage.device,
        time=outage.time,
        type=kind,
        batch=None,
        defaults={
            "received": restore.received,
            "origin": "T",
            "category": kind.category,
            "severity": kind.severity,
            "duration": seconds,
        },
    )
    return outage._replace(
        pk=event.pk,
        type=kind.pk,
        received=event.received,
        origin="T",
        native=None,
        iec_code="",
        category=event.category,
        severity=event.severity,
        duration=event.duration,
        text="",
        replay="",
    )
