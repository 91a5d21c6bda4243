"""Queries on events."""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet

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
