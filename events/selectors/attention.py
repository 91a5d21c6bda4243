"""What somebody should look at: alarms of the house, routes that cannot write, failed mails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Sum
from django.urls import reverse
from django.utils import timezone

from events.codes import NUISANCES
from events.models import EventAlias, EventType, Mail, Route, SystemAlarm

RECENT = timedelta(days=7)


class Attention(NamedTuple):
    """A line of the dashboard: what it is, and where it leads."""

    text: str
    link: str


def attention_rows(may: Callable[[str], bool]) -> list[Attention]:
    """What wants attention, as far as somebody with these permissions may look."""
    rows: list[Attention] = []
    if may("events.view_systemalarm"):
        address = reverse("admin:events_systemalarm_changelist")
        standing = SystemAlarm.objects.filter(cleared=None).order_by("-pk")[:5]
        rows += [Attention(alarm.title, address) for alarm in standing]
    if may("events.view_route"):
        rows += [
            Attention(
                f"Message route {route.name}: {route.problem}",
                reverse("admin:events_route_change", args=[route.pk]),
            )
            for route in Route.objects.exclude(problem="")
        ]
    if may("events.view_notification"):
        failed = Mail.objects.filter(
            state=Mail.State.FAILED, notification__created__gte=timezone.now() - RECENT
        ).count()
        if failed:
            address = reverse("admin:events_notification_changelist")
            what = "mail" if failed == 1 else "mails"
            rows.append(Attention(f"{failed:,} alarm {what} failed", f"{address}?state=failed"))
    if may("events.change_eventtype"):
        rows += _unmapped()
    return rows


def _unmapped() -> list[Attention]:
    """Codes that nobody has described, without those known to be noise."""
    noise = [f"STD_{number:05}" for number in NUISANCES]
    waiting = EventType.objects.filter(unmapped=True, nuisance=False, arrived__gt=0)
    waiting = waiting.exclude(mnemonic__in=noise)
    waiting = waiting.exclude(mnemonic__in=EventAlias.objects.values("code"))
    kinds = waiting.count()
    if not kinds:
        return []
    events = waiting.aggregate(total=Sum("arrived"))["total"]
    what = "event code is" if kinds == 1 else "event codes are"
    address = reverse("admin:events_eventtype_changelist")
    text = f"{kinds} {what} not described; {events:,} events came under them"
    return [Attention(text, f"{address}?unmapped=yes")]
