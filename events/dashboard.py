"""The dashboard's cards about events (settings.TMS_DASHBOARD_CARDS)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from events.models import Category
from events.selectors import COUNT_LIMIT, event_counts_by_category
from events.selectors.attention import attention_rows
from events.selectors.incidents import outages_now, outages_over_time, period_of
from events.timeline import outage_timeline

PERIOD = timedelta(hours=24)
FEEDERS = 5


def attention(request: HttpRequest) -> dict[str, list[Any]]:
    """Alarms of the house, routes, mails, codes (settings.TMS_ATTENTION)."""
    return {"lines": attention_rows(request.user.has_perm)}


def cards(request: HttpRequest) -> list[dict[str, Any]]:
    """Who is out, and events by category; as far as the user may look."""
    found = []
    if request.user.has_perm("events.view_incident"):
        found.append(_outages())
    if request.user.has_perm("events.view_event"):
        found.append(_categories())
    return found


def _outages() -> dict[str, Any]:
    """Who is out now, the worst feeders, and the last 24 hours."""
    start, end, step = period_of(24)
    counts = outages_over_time(start, end, step)
    zone = timezone.get_current_timezone_name()
    now = outages_now()
    return {
        "title": "Out now",
        "template": "events/cards/outages.html",
        "size": "half",
        "link": reverse("admin:events_incident_now"),
        "context": {
            "outages": now,
            "feeders": now.by_feeder[:FEEDERS],
            "plot": outage_timeline(start, step, counts, zone, width=520, height=220),
        },
    }


def _categories() -> dict[str, Any]:
    """Events received in the last 24 hours, by category."""
    address = reverse("admin:events_event_changelist")
    counts = event_counts_by_category(timezone.now() - PERIOD)
    rows = [
        {
            "label": Category(category).label,
            "count": f"{COUNT_LIMIT:,}+" if count > COUNT_LIMIT else f"{count:,}",
            "link": f"{address}?{urlencode({'category': category, 'received': 'day'})}",
        }
        for category, count in counts.items()
        if count
    ]
    return {
        "title": "Events of the last 24 hours",
        "template": "events/cards/categories.html",
        "size": "half",
        "link": address,
        "context": {"rows": rows},
    }
