"""The work on runs, a piece at a time: by any number of processes, each of which may die anywhere.

What is to be done stands in the rows. `work` does the most urgent piece that nobody else does: it
plans a run, writes a part, or finishes a run. A run by hand has precedence over one by schedule of
the same priority, and gets its turn as soon as the piece at hand is done.
"""

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.urls import reverse
from django.utils import timezone

from devices import leases, tracing
from devices.longwork import longwork_begin
from exports import formats
from exports.assemble import SegmentDamaged
from exports.failpoints import point
from exports.formats.base import FormatError
from exports.hooks import RUN_FAILED, alarm
from exports.models import ExportRun, Hold, RunPart
from exports.naming import NameRefused
from exports.services import backlog, holds
from exports.services.join import run_join, run_join_ahead, run_joins_ahead
from exports.services.plan import run_is_late, run_plan
from exports.services.write import part_write, run_written

logger = logging.getLogger(__name__)
State, Phase = ExportRun.State, ExportRun.Phase
LOOKED_AT = 50  # open runs, and parts of one, that are looked through for work
ATTEMPTS = 5  # of a phase or part, when what failed may pass: disk, network, database
PASSING = (OSError, OperationalError)
FINAL = (FormatError, ValueError, NameRefused, formats.UnknownFormat)


def runs_open() -> QuerySet[ExportRun]:
    """Runs that are not at their end, the most urgent first."""
    by_hand = Case(
        When(trigger=ExportRun.Trigger.SCHEDULE, then=Value(1)),
        default=Value(0),
        output_field=IntegerField(),
    )
    return (
        ExportRun.objects.filter(state__in=ExportRun.OPEN)
        .select_related("definition", "original")
        .order_by("priority", by_hand, "id")
    )


def work() -> bool:
    """Do one piece of work; False when there is none."""
    return any(run_step(run) for run in runs_open()[:LOOKED_AT])


def run_step(run: ExportRun) -> bool:
    """Do one piece of a run; False when there is none that nobody else does."""
    longwork_begin()
    with tracing.bound(run=run.pk):
        return _step(run)


def _step(run: ExportRun) -> bool:
    if run.cancel_asked:
        return _run_end(run, State.CANCELLED, "")
    if run_is_late(run):
        limit = run.definition.minutes_limit
        return _run_end(run, State.FAILED, f"not done within {limit} minutes, as the export allows")
    if run.phase == Phase.PLAN:
        return _plan(run)
    if run.phase == Phase.WRITE:
        return _join_ahead(run) or _write(run) or run_written(run)
    return _join(run)


def _claim(run: ExportRun, phase: str) -> bool:
    """Take a run for one of its phases; not while another run of its definition is on its way."""
    same = Q(phase=phase, state__in=ExportRun.OPEN, cancel_asked=False)
    started = run.started or timezone.now()
    try:
        with transaction.atomic():
            return leases.claim(run, same, state=State.RUNNING, started=started)
    except IntegrityError:
        return False


def _plan(run: ExportRun) -> bool:
    if not _claim(run, Phase.PLAN):
        return False
    point("run claimed")
    return _guarded(run, run, lambda: run_plan(run))


def _write(run: ExportRun) -> bool:
    # What a part froze is read when the part is claimed: of a large run it is megabytes.
    for part in run.parts.filter(done=False).defer("data").order_by("position")[:LOOKED_AT]:
        if leases.claim(part, Q(done=False), attempts=part.attempts + 1):
            point("part claimed")
            return _guarded(run, part, lambda part=part: part_write(run, part))
    return False


def _join(run: ExportRun) -> bool:
    if not _claim(run, Phase.JOIN):
        return False
    point("files claimed")
    return _guarded(run, run, lambda: run_join(run))


def _join_ahead(run: ExportRun) -> bool:
    """Begin the file while others write the last parts: what no two can do is then done by the
    time that they are."""
    if not run_joins_ahead(run) or not _claim(run, Phase.WRITE):
        return False
    point("files claimed")
    return _guarded(run, run, lambda: run_join_ahead(run, lambda: _write(run)))


def _guarded(run: ExportRun, row: leases.Leased, do: Callable[[], None]) -> bool:
    """Do a piece; what goes wrong ends the run, or is tried again later when it may pass."""
    try:
        do()
    except leases.LeaseLost as lost:
        logger.warning("%s", lost)
    except SegmentDamaged as damaged:
        _part_again(run, damaged)
    except FINAL as error:
        _run_end(run, State.FAILED, str(error), mine=True)
    except PASSING as error:
        logger.warning("run %s: %s; again soon", run.pk, error)
        _again(run, row, error)
    except Exception as error:  # a fault of ours must not keep the others waiting for ever
        logger.exception("run %s", run.pk)
        _again(run, row, error)
    return True


def _part_again(run: ExportRun, damaged: SegmentDamaged) -> None:
    """Have a part written anew, and the run wait for it."""
    logger.warning("run %s: %s; it is written again", run.pk, damaged)
    with transaction.atomic():
        run.parts.filter(position=damaged.part).update(done=False, path="", segments=[])
        done = run.parts.filter(done=True).count()
        leases.release(run, phase=Phase.WRITE, parts_done=done)


def _again(run: ExportRun, row: leases.Leased, error: Exception) -> None:
    """Leave a piece for later: after 1, 2, 4 … seconds; after five attempts the run has failed."""
    attempts = row.attempts + (0 if isinstance(row, RunPart) else 1)
    if attempts >= ATTEMPTS:
        _run_end(run, State.FAILED, str(error) or repr(error), mine=True)
        return
    until = timezone.now() + timedelta(seconds=2**attempts / 2)
    rows = type(row)._default_manager.filter(pk=row.pk, worker=row.worker)
    rows.update(worker="", lease_until=until, attempts=attempts)


def _run_end(run: ExportRun, state: str, error: str, *, mine: bool = False) -> bool:
    """End a run without sending anything. False: somebody works on its end just now."""
    now = timezone.now()
    free = Q() if mine else Q(lease_until=None) | Q(lease_until__lt=now) | Q(phase=Phase.WRITE)
    if not mine and run.lease_until is not None and leases.is_gone(run.worker):
        free |= Q(worker=run.worker)
    with transaction.atomic():
        ended = ExportRun.objects.filter(
            free, pk=run.pk, state__in=ExportRun.OPEN, phase=run.phase
        ).update(state=state, error=error[:2000], finished=now, worker="", lease_until=None)
        if not ended:
            return False
        backlog.backlog_release(run)
        holds.released_free(run)
    if state == State.FAILED:
        address = reverse("admin:exports_exportrun_change", args=[run.pk])
        alarm(RUN_FAILED, f"Export {run.name or run.format} failed", text=error, link=address)
    return True


def run_cancel(run: ExportRun) -> bool:
    """Ask that a run be ended; False when its files are being finished or it has ended. One that
    is held ends at once."""
    if run.state == State.HELD:
        return holds.run_drop(run, Hold.State.DROPPED, "")
    asked = ExportRun.objects.filter(pk=run.pk, state__in=ExportRun.OPEN).exclude(phase=Phase.JOIN)
    return bool(asked.update(cancel_asked=True))


def run_finish(run: ExportRun, wait: Callable[[], None]) -> ExportRun:
    """Work on one run until it has ended; `wait` is called while others have all its pieces."""
    while True:
        run = runs_open().filter(pk=run.pk).first() or ExportRun.objects.get(pk=run.pk)
        if not run.is_open:
            return run
        if not run_step(run):
            wait()
