"""Purging the journal: old entries of a channel-day become one base block, which is their fold.

Readings as of any number that is still wanted stay possible: B passes neither the fold nor any
bound that the hooks of `settings.TMS_PURGE_BOUNDS` name (open runs, cursors, backlogs).
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from devices.journal import fold, marks, sql
from devices.models import Batch, RegisterEntry

BASES = "devices_baseblock"


def purge(before: datetime | None = None) -> dict[str, int]:
    """Purge batches received before an instant (default: the term in the settings).

    Returns {"number": B, "entries": rows replaced}. May be stopped anywhere and repeated.
    """
    before = before or timezone.now() - timedelta(days=settings.TMS_JOURNAL_DAYS)
    bound = _bound(before)
    entries = 0
    while (done := marks.purged_to()) < bound:
        target, batch_ids = fold.stretch(done, bound, fold.STEP_INTERVALS)
        marks.mark_raise(marks.BASE, target)
        entries += _replace(batch_ids, target)
        RegisterEntry.objects.filter(batch_id__in=sql.id_set(batch_ids)).delete()
        marks.mark_raise(marks.PURGED, target)
    return {"number": bound, "entries": entries}


def _bound(before: datetime) -> int:
    """The newest number that may be purged."""
    kept = (
        Batch.objects.filter(received__gte=before, number__isnull=False)
        .order_by("number")
        .values_list("number", flat=True)
        .first()
    )
    limits = [marks.folded_to()]
    if kept is not None:
        limits.append(kept - 1)
    for name in settings.TMS_PURGE_BOUNDS:
        limit = import_string(name)()
        if limit is not None:
            limits.append(limit)
    return min(limits)


def _replace(batch_ids: list[int], target: int) -> int:
    """Put the entries of these batches into base blocks; how many rows went."""
    condition, param = sql.any_of("e.batch_id", batch_ids)
    entries = fold.entries_of(sql.stream(fold.entry_sql(condition), [param]))
    gone = 0
    for chunk in fold.chunks(entries):
        with transaction.atomic():
            fold.fold_into(BASES, chunk, target)
            gone += _delete(chunk, batch_ids)
    return gone


def _delete(chunk: list[fold.Slots], batch_ids: list[int]) -> int:
    source, params = sql.pairs(list(dict.fromkeys(entry.key for entry in chunk)))
    condition, ids = sql.any_of("batch_id", batch_ids)
    key = "channel_id = k.c AND day = k.d"
    where: list[Any] = [*params, ids]
    with connection.cursor() as cursor:
        if sql.is_postgres():
            cursor.execute(
                f"DELETE FROM devices_journalentry USING {source} WHERE {key} AND {condition}",
                where,
            )
        else:
            cursor.execute(
                "DELETE FROM devices_journalentry WHERE rowid IN (SELECT j.rowid FROM "
                f"{source} CROSS JOIN devices_journalentry j ON {key} WHERE {condition})",
                where,
            )
        return cursor.rowcount
