"""What is let go after its term. The terms are in the settings; the journal purges itself."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from devices import journal
from devices.models import Batch, Quarantined

CHUNK = 5000  # rows to a statement, so that nobody waits long for their locks


def expire(now: datetime | None = None) -> dict[str, int]:
    """Let go of everything past its term: {keys, bodies, quarantine, entries} removed.

    May be stopped anywhere and repeated.
    """
    now = now or timezone.now()
    return {
        "keys": keys_expire(now),
        "bodies": bodies_expire(now),
        "quarantine": quarantine_expire(now),
        "entries": journal.purge()["entries"],
    }


def keys_expire(now: datetime) -> int:
    """Forget idempotency keys; the batches stay."""
    old = _older(Batch.objects.exclude(key=None), now, settings.TMS_KEY_DAYS)
    return sum(rows.update(key=None) for rows in _chunks(old))


def bodies_expire(now: datetime) -> int:
    """Drop posted bodies; the batches stay."""
    old = _older(Batch.objects.exclude(body=None), now, settings.TMS_BODY_DAYS)
    return sum(rows.update(body=None) for rows in _chunks(old))


def quarantine_expire(now: datetime) -> int:
    """Delete what unknown meters sent, decided on or not."""
    old = _older(Quarantined.objects.all(), now, settings.TMS_QUARANTINE_DAYS)
    return sum(rows.delete()[0] for rows in _chunks(old))


def _older(rows: QuerySet[Any], now: datetime, days: int) -> QuerySet[Any]:
    return rows.filter(received__lt=now - timedelta(days=days))


def _chunks(rows: QuerySet[Any]) -> Iterator[QuerySet[Any]]:
    """The rows some thousand at a time, in one pass over their table."""
    last = 0
    while ids := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:CHUNK]):
        yield rows.model.objects.filter(pk__in=ids)
        last = ids[-1]
