"""Queries on events."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

from devices import readings
from devices.journal import sql
from devices.models import Device
from events.models import Category, Event

# Counts stop here: how many there are beyond it changes nothing and would cost a scan.
COUNT_LIMIT = 10_000
# Longer than a batch takes from its receipt to its last event's key.
OVERLAP = timedelta(minutes=10)


class Place(NamedTuple):
    """Where a page of events ended."""

    time: datetime
    pk: int


def events_for_device(
    device: Device,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    after: Place | None = None,
) -> QuerySet[Event]:
    """A device's events with start ≤ time < end, oldest first, from behind a place on."""
    events = Event.objects.filter(device=device).select_related("type").order_by("time", "id")
    if start is not None:
        events = events.filter(time__gte=start)
    if end is not None:
        events = events.filter(time__lt=end)
    if after is not None:
        # The first condition is implied; with it the index is entered at the place.
        events = events.filter(time__gte=after.time).filter(
            Q(time__gt=after.time) | Q(id__gt=after.pk)
        )
    return events


def events_latest_for_device(device: Device, limit: int) -> list[Event]:
    """A device's newest events, newest first."""
    events = Event.objects.filter(device=device).select_related("type")
    return list(events.order_by("-time", "-id")[:limit])


def events_received_since(events: QuerySet[Event], since: datetime) -> QuerySet[Event]:
    """Those of some events that were received since then, found through a range of keys.

    Keys rise with the time of receipt but for batches that are stored at the same time, so the
    range begins a while before. With it, every list by key stays within the period.
    """
    early = Event.objects.filter(received__gte=since - OVERLAP).order_by("received", "id")
    first = early.values_list("id", flat=True).first()
    return events.none() if first is None else events.filter(received__gte=since, id__gte=first)


def event_counts_by_category(since: datetime) -> dict[str, int]:
    """How many events were received since then, by category; counted to COUNT_LIMIT + 1 each."""
    recent = events_received_since(Event.objects.order_by(), since)
    return {
        category: recent.filter(category=category)[: COUNT_LIMIT + 1].count()
        for category in Category.values
    }


def events_for_export(
    devices: Sequence[int],
    horizon: int,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    ids: Sequence[int] | None = None,
) -> Iterator[tuple[int, datetime, readings.Event]]:
    """Events of some devices that batches numbered at most `horizon` brought, oldest first.

    Those with start ≤ time < end, or those of `ids`. Each with its device's primary key and the
    time that it is filed under; the event itself has no time where the meter gave none.
    """
    found = Event.objects.filter(
        device_id__in=sql.id_set(devices), batch__number__lte=horizon
    ).order_by("device_id", "time", "id")
    if ids is not None:
        found = found.filter(pk__in=sql.id_set(ids))
    if start is not None:
        found = found.filter(time__gte=start)
    if end is not None:
        found = found.filter(time__lt=end)
    for event in found.select_related("type").iterator(chunk_size=2000):
        yield (
            event.device_id,
            event.time,
            readings.Event(
                event.type.mnemonic,
                event.time if event.time_valid else None,
                event.event_id,
                event.origin,
                "" if event.native is None else str(event.native),
                event.phases,
                event.value,
                event.unit,
                event.duration,
                event.text,
                event.received,
                event.iec_code,
                event.category,
                event.severity,
            ),
        )
