"""Going through the events in the order of their batches, after commit, some at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from django.db.models import QuerySet

from devices import journal
from devices.journal import sql
from devices.models import Batch
from events.models import Event
from events.models.readers import DONE

BATCHES = 500  # looked at in one step


class Place(NamedTuple):
    """Every event is done of batches below `number`, and of that batch those up to `event`."""

    number: int
    event: int


class Row(NamedTuple):
    """An event as those see it who go through the events. `type` is a key of `types_load`."""

    number: int  # of its batch; 0 for what TMS itself raised
    pk: int
    device: int
    type: int
    time: datetime
    time_valid: bool
    received: datetime
    origin: str
    native: int | None
    iec_code: str
    category: str
    severity: str
    phases: str
    value: Decimal | None
    unit: str
    duration: int | None
    text: str
    replay: str


COLUMNS = (
    *("pk", "device_id", "type_id", "time", "time_valid", "received", "origin", "native"),
    *("iec_code", "category", "severity", "phases", "value", "unit", "duration", "text", "replay"),
)


def events_after(place: Place, limit: int) -> tuple[list[Row], Place]:
    """The next events, at most `limit`, and the place behind them.

    In the order of batch number, then event number. Only what is committed is looked at: numbers
    become visible in their order.
    """
    newest = journal.horizon()
    batches = list(
        Batch.objects.filter(number__gte=place.number, number__lte=newest, events__gt=0)
        .order_by("number")
        .values_list("pk", "number", "events")[:BATCHES]
    )
    if batches and batches[0][1] == place.number and place.event == DONE:
        del batches[0]
    if not batches:
        return [], Place(newest, DONE)
    first, number, events = batches[0]
    if events > limit or number == place.number:
        after = place.event if number == place.number else 0
        rows = _rows(Event.objects.filter(batch=first, pk__gt=after).order_by("pk")[:limit], number)
        return rows, Place(number, rows[-1].pk if len(rows) == limit else DONE)
    return _whole(batches, limit)


def _whole(batches: Sequence[tuple[int, int, int]], limit: int) -> tuple[list[Row], Place]:
    """The events of as many whole batches as the limit allows."""
    numbers: dict[int, int] = {}
    total = 0
    for pk, number, events in batches:
        if total + events > limit:
            break
        numbers[pk] = number
        total += events
    found = Event.objects.filter(batch__in=sql.id_set(numbers)).order_by()
    rows = [
        Row(numbers[batch], *values)
        for batch, *values in found.values_list("batch_id", *COLUMNS).iterator(5000)
    ]
    rows.sort()
    return rows, Place(max(numbers.values()), DONE)


def events_by_key(keys: Sequence[int]) -> list[Row]:
    """Events by their numbers, in their order."""
    return _rows(Event.objects.filter(pk__in=sql.id_set(keys)).order_by("pk"))


def _rows(found: QuerySet[Event], number: int = 0) -> list[Row]:
    return [Row(number, *values) for values in found.values_list(*COLUMNS)]
