"""Who is out now, and how many were over the last hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from devices.journal import sql
from devices.models import Membership
from devices.selectors import present
from events.models import Category, Incident

OUTAGE = Category.OUTAGE.value
SHOWN = 12  # rows of a table
KEPT = 5  # seconds that the counts may be old: in a storm everybody looks


class Outages(NamedTuple):
    """Open outages, and where: (name, how many) by group, feeder and transformer."""

    total: int
    since: datetime | None
    by_group: list[tuple[str, int]]
    by_feeder: list[tuple[str, int]]
    by_transformer: list[tuple[str, int]]


def incidents_open() -> QuerySet[Incident]:
    """Outages that have not ended."""
    return Incident.objects.filter(category=OUTAGE, ended=None)


def outages_now() -> Outages:
    """Who is out now; at most some seconds old."""
    if (known := cache.get("events:outages")) is None:
        known = _outages()
        cache.set("events:outages", known, KEPT)
    return known


def _outages() -> Outages:
    rows = incidents_open().order_by()
    total = rows.count()
    if not total:
        return Outages(0, None, [], [], [])
    members = Membership.objects.filter(present(), device__in=rows.values("device")).order_by()
    groups = members.values_list("group__code").annotate(n=Count("device")).order_by("-n")
    return Outages(
        total,
        rows.order_by("began").values_list("began", flat=True).first(),
        list(groups[:SHOWN]),
        *(
            list(
                rows.exclude(**{name: ""})
                .values_list(name)
                .annotate(n=Count("pk"))
                .order_by("-n", name)[:SHOWN]
            )
            for name in ("feeder_id", "transformer_id")
        ),
    )


def outages_over_time(start: datetime, end: datetime, step: timedelta) -> list[int]:
    """How many outages were open at the end of each step between two instants."""
    seconds = int(step.total_seconds())
    first = int(start.timestamp())
    slots = int((end - start).total_seconds()) // seconds
    at_start = Incident.objects.filter(
        Q(ended=None) | Q(ended__gte=start), category=OUTAGE, began__lt=start
    ).count()
    change = [0] * slots
    for column, sign in (("began", 1), ("ended", -1)):
        for slot, count in _by_slot(column, start, end, first, seconds):
            change[min(int(slot), slots - 1)] += sign * count
    found = []
    for delta in change:
        at_start += delta
        found.append(at_start)
    return found


def _by_slot(
    column: str, start: datetime, end: datetime, first: int, seconds: int
) -> list[tuple[int, int]]:
    """(slot, how many) of the outages whose `column` is in the period."""
    epoch = sql.epoch_column(column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT ({epoch} - %s) / %s, count(*) FROM events_incident "  # noqa: S608 our columns
            f"WHERE category = %s AND {column} >= %s AND {column} < %s GROUP BY 1",
            [
                *(first, seconds, OUTAGE),
                *(sql.instant_param(time) for time in (start, end)),
            ],
        )
        return cursor.fetchall()


def incidents_for_device(device: int, limit: int) -> list[Incident]:
    """A device's incidents, those that are open first, then the newest."""
    rows = Incident.objects.filter(device=device).select_related("type")
    return list(rows.order_by(F("ended").desc(nulls_first=True), "-began")[:limit])


def period_of(hours: int) -> tuple[datetime, datetime, timedelta]:
    """The last hours in some hundred steps."""
    end = timezone.now().replace(microsecond=0)
    step = timedelta(seconds=max(hours * 36, 60))
    return end - step * 100, end, step
