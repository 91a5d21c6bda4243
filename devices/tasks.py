"""Background work of the store. The broker only hints: what is to be done stands in the tables."""

import time

from celery import shared_task
from django.core.cache import cache
from django.utils import timezone

from devices import journal
from devices.journal.partitions import partitions_maintain
from devices.services.arrivals import arrivals_count
from devices.services.imports.inbox import inbox_sweep
from devices.services.imports.work import imports_expire, imports_sweep
from devices.services.quarantine import quarantine_recover
from devices.services.retention import expire

FOLD_SECONDS = 10
DAY = 24 * 3600


@shared_task
def fold() -> bool:
    """Fold for some seconds; True when more is waiting."""
    end = time.monotonic() + FOLD_SECONDS
    while more := journal.fold_step():
        if time.monotonic() > end:
            break
    return more


@shared_task
def count() -> None:
    """Add up what has arrived, for /metrics."""
    end = time.monotonic() + FOLD_SECONDS
    while arrivals_count() and time.monotonic() < end:
        pass


@shared_task
def imports() -> bool:
    """Read or apply the next import, rows that are due, a file of the inbox; True: go on."""
    return imports_sweep() or inbox_sweep()


@shared_task
def maintain() -> None:
    """What died half-way, each time; partitions and terms, once a day, again when it failed."""
    quarantine_recover()
    done = f"maintained:{timezone.now():%F}"
    if not cache.get(done):
        partitions_maintain()
        expire()
        imports_expire()
        cache.set(done, True, DAY)
