"""Records of message routes, for a copy of a period (`export mrc`)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from events.models import Route, RouteRecord


def route_for_export(name: str) -> Route:
    """The route of this name; Route.DoesNotExist when there is none."""
    return Route.objects.get(name=name)


def route_records_for_period(route: Route, start: datetime, end: datetime) -> Iterator[bytes]:
    """The route's written records of events with start ≤ received < end, by sequence.

    Each is its 320 characters as they were appended, without a line end; `exports.formats.mrc`
    makes a frame of them.
    """
    rows = RouteRecord.objects.filter(
        route=route, state=RouteRecord.State.DONE, received__gte=start, received__lt=end
    ).order_by("sequence")
    for line in rows.values_list("line", flat=True).iterator(2000):
        yield bytes(line)
