"""The dashboard's card about events (settings.TMS_DASHBOARD_CARDS)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from events.models import Category
from events.selectors import COUNT_LIMIT, event_counts_by_category

PERIOD = timedelta(hours=24)


def cards(request: HttpRequest) -> list[dict[str, Any]]:
    """Events received in the last 24 hours, by category; nothing for who may not look at them."""
    if not request.user.has_perm("events.view_event"):
        return []
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
    return [
        {
            "title": "Events of the last 24 hours",
            "template": "events/cards/categories.html",
            "size": "small",
            "link": address,
            "context": {"rows": rows},
        }
    ]
