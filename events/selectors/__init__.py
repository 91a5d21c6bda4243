"""Queries on events, their catalogue, incidents, routes and alarms."""

from events.selectors.catalogue import Kind, kinds_for_mnemonics, types_load
from events.selectors.events import (
    COUNT_LIMIT,
    Place,
    event_counts_by_category,
    events_for_device,
    events_for_export,
    events_latest_for_device,
    events_received_since,
)

__all__ = [
    "COUNT_LIMIT",
    "Kind",
    "Place",
    "event_counts_by_category",
    "events_for_device",
    "events_for_export",
    "events_latest_for_device",
    "events_received_since",
    "kinds_for_mnemonics",
    "types_load",
]
