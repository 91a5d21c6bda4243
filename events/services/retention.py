"""What is let go after its term: records of routes, alarms with their notifications.

Events and incidents stay. May be stopped anywhere and repeated.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Model, QuerySet
from django.utils import timezone

from events.models import Alarm, Mail, Notification, RouteRecord, SystemAlarm

CHUNK = 2000


def events_expire(now: datetime | None = None) -> dict[str, int]:
    """Let go of everything past its term: {records, alarms, notifications} removed."""
    now = now or timezone.now()
    records = now - timedelta(days=settings.TMS_RECORD_DAYS)
    mails = now - timedelta(days=settings.TMS_MAIL_DAYS)
    queued = Mail.objects.filter(state=Mail.State.QUEUED).values("notification")
    old = {
        "records": RouteRecord.objects.exclude(state="p").filter(received__lt=records),
        "alarms": Alarm.objects.exclude(state="w").filter(accepted__lt=mails),
        "system": SystemAlarm.objects.filter(cleared__lt=mails, alarms=None),
        "notifications": Notification.objects.filter(created__lt=mails).exclude(pk__in=queued),
    }
    return {name: _delete(rows) for name, rows in old.items()}


def _delete(rows: QuerySet[Model]) -> int:
    """Delete rows some thousand at a time, so that nobody waits long."""
    gone = 0
    while pks := list(rows.order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        rows.model.objects.filter(pk__in=pks).delete()
        gone += len(pks)
    return gone
