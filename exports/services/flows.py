"""Flows: readings go out as they arrive, each version once, in the order of the journal.

A flush is a run like any other. It covers the batches from the definition's cursor to a horizon.
Its rows are written when it is planned, with room for their numbers, and kept with its parts, next
to the number of the first one: whatever happens afterwards, the file is made of these (decision
0073). Cursor and next number move with the run's commit.
"""

import io
import json
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.utils import timezone

from devices import journal
from devices.models import Batch
from exports.assemble import Segment
from exports.formats.base import Format, Tally
from exports.models import ExportDefinition, ExportRun, RunPart
from exports.models.definitions import SINCE_LAST, flow_formats
from exports.rte import arrivals_for_range
from exports.scope import Frozen
from exports.services.definitions import definition_run
from exports.services.requests import context_of, selection_of_run

PAUSE = timedelta(minutes=5)  # after a flush that failed
PART_BYTES = 8 << 20  # of rows in a part, about


# --- when -----------------------------------------------------------------------------------------


def flows_flush(now: datetime | None = None) -> bool:
    """Ask for a run of each flow that is due; whether any was."""
    now = now or timezone.now()
    horizon = journal.horizon()
    made = False
    for definition in flows_behind(horizon):
        due = flow_due(definition, horizon, now)
        if due is not None and due <= now:
            made |= _flush_ask(definition)
    return made


def flows_wait() -> bool:
    """Whether a flow on no schedule has something to send, now or later."""
    return flows_behind(journal.horizon()).exists()


def flows_behind(horizon: int) -> QuerySet[ExportDefinition]:
    """Flows on no schedule that may have something to send."""
    return ExportDefinition.objects.filter(
        period=SINCE_LAST, format__in=flow_formats(), active=True, schedule="", cursor__lt=horizon
    )


def flow_due(definition: ExportDefinition, horizon: int, now: datetime) -> datetime | None:
    """When a flow is to be flushed, of what has arrived up to `horizon`; None: nothing has.

    That is some seconds after the first reading, or then if there are rows enough; a flush that
    failed or was called off is tried again after a pause.
    """
    waiting = _batches(definition.cursor, horizon)
    first = waiting.values_list("received", flat=True).first()
    if first is None:
        return None
    due = first + timedelta(seconds=definition.flush_seconds)
    if due > now:
        rows = waiting.aggregate(n=Sum(F("intervals") + F("registers")))["n"]
        due = first if rows >= definition.flush_rows else due
    last = definition.runs.order_by("-id").first()
    if last is not None and last.state in (ExportRun.State.FAILED, ExportRun.State.CANCELLED):
        return max(due, (last.finished or last.created) + PAUSE)
    return due


def _batches(after: int, upto: int) -> QuerySet[Batch]:
    """The batches of a range, but for those that bring nothing but events."""
    rows = Batch.objects.filter(number__gt=after, number__lte=upto).order_by("number")
    return rows.exclude(intervals=0, registers=0, events__gt=0)


@transaction.atomic
def _flush_ask(definition: ExportDefinition) -> bool:
    """A run, unless there is one that has not ended; the definition's row is the lock."""
    ExportDefinition.objects.filter(pk=definition.pk).update(cursor=F("cursor"))
    if definition.runs.filter(state__in=ExportRun.OPEN).exists():
        return False
    definition_run(definition, trigger=ExportRun.Trigger.FLOW)
    return True


# --- what -----------------------------------------------------------------------------------------


def flow_freeze(run: ExportRun, form: Format) -> list[Frozen]:
    """The rows of a run that is planned, as parts; its horizon, first number and first arrival are
    set. FormatError, HorizonGone.

    A run takes as many batches as the journal reads at once, so that memory is bounded; what came
    after them is the next run's.
    """
    run.options = {**run.options, "first_seq": run.definition.next_seq}
    batches = next(journal.batches_between(run.since, run.horizon), None)
    if batches is None:
        return []
    run.horizon = batches.last
    taken = _batches(run.since, run.horizon)
    run.first_received = taken.values_list("received", flat=True).first()
    return list(_parts(run, form))


def _parts(run: ExportRun, form: Format) -> Iterator[Frozen]:
    ctx = context_of(run, form)
    lots = arrivals_for_range(
        run.since,
        run.horizon,
        selection_of_run(run),
        intervals=form.wants_intervals(ctx.options),
        registers=form.wants_registers(ctx.options),
    )
    seen: set[str] = set()
    out, tally = io.BytesIO(), Tally()
    for arrivals in lots:
        found = form.write_lot(arrivals, ctx, out, tally) - seen
        tally.meters += len(found)
        seen |= found
        if out.tell() >= PART_BYTES:
            yield _part(out, tally, run.horizon)
            out, tally = io.BytesIO(), Tally()
    if out.tell() or tally.left_out:
        yield _part(out, tally, run.horizon)


def _part(out: io.BytesIO, tally: Tally, horizon: int) -> Frozen:
    head = json.dumps(tally.as_dict(), separators=(",", ":")).encode()
    data = zlib.compress(head + b"\n" + out.getbuffer(), 1)
    return Frozen(data, tally.meters, "", "", horizon)


def rows_write(part: RunPart, out: BinaryIO, path: Path) -> list[Segment]:
    """A part's kept rows, as the segment of a file."""
    head, _, rows = zlib.decompress(bytes(part.data)).partition(b"\n")
    out.write(rows)
    return [Segment("", part.position, path, 0, len(rows), zlib.crc32(rows), json.loads(head))]
