"""Planning a run: horizon, scope, backlog and inventory frozen in one view of the database."""

from collections.abc import Sequence
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from devices import journal, leases
from devices.journal import sql
from exports import formats
from exports.failpoints import point
from exports.formats.base import Format
from exports.models import Backlog, ExportRun, RunPart
from exports.scope import Frozen, Scope, parts_freeze
from exports.services import backlog, corrections, flows
from exports.services.holds import holds_plan
from exports.services.requests import context_of, scope_of
from exports.services.wake import wake_run

PART_CELLS = 250_000  # slots a part holds at most, about
PART_DEVICES = 2_500
DAY = timedelta(days=1)


def part_devices(scope: Scope) -> int:
    """How many devices a part has, so that its readings fit in memory."""
    if scope.since is not None:
        return PART_DEVICES
    slots = max(1, (scope.end - scope.start) // timedelta(minutes=15))
    return max(1, min(PART_DEVICES, PART_CELLS // slots))


def run_plan(run: ExportRun) -> None:
    """Freeze a claimed run and cut it into parts; it is then ready to be written.

    ValueError when the run is over the definition's limit of meters.
    """
    form = formats.get(run.format)
    holds_plan(run)
    with sql.view():
        if not run.original_id:
            run.horizon = journal.horizon()
            run.since = _cursor(run)
            corrections.correction_plan(run)
        owed = [] if run.is_flow else backlog.backlog_for_run(run)
        if run.original_id:
            frozen = _frozen_again(run)
        elif run.is_flow:
            frozen = flows.flow_freeze(run, form)
        else:
            frozen = _frozen(run, form, owed)
    point("scope frozen, not stored")
    expected = sum(part.devices for part in frozen)
    limit = run.definition.meters_limit if run.definition else None
    if limit is not None and expected > limit:
        raise ValueError(
            f"{expected:,} meters are selected, the definition allows {limit:,}; "
            "narrow the selection or raise the limit"
        )
    with transaction.atomic():
        run.parts.all().delete()
        _parts_store(run, frozen)
        Backlog.objects.filter(pk__in=sql.id_set([row.pk for row in owed])).update(run=run)
        leases.release(
            run,
            horizon=run.horizon,
            since=run.since,
            options=run.options,
            windows=run.windows,
            selection=run.selection,
            start=run.start,
            end=run.end,
            original_batch=run.original_batch,
            first_received=run.first_received,
            expected=expected,
            parts_total=len(frozen),
            parts_done=0,
            phase=ExportRun.Phase.WRITE if frozen else ExportRun.Phase.JOIN,
        )
        wake_run(len(frozen))
    point("scope stored")


def _cursor(run: ExportRun) -> int | None:
    """How far the definition has come by now: a run may have waited for the one before it."""
    if run.since is None or run.definition is None or run.windows:
        return run.since
    run.definition.refresh_from_db(fields=["cursor", "next_seq", "version"])
    return run.definition.cursor


def _frozen(run: ExportRun, form: Format, owed: Sequence[Backlog]) -> list[Frozen]:
    options = context_of(run, form).options
    extra = backlog.extra_for_rows(owed, run.horizon)
    if run.corrections and run.moves_cursor:
        extra["without"] = corrections.held_devices(run.definition)
    scope = scope_of(run, form, options, **extra)
    return list(parts_freeze(scope, part_devices(scope)))


def _frozen_again(run: ExportRun) -> list[Frozen]:
    """The parts of the run that this one sends again. ValueError when they are no longer kept."""
    parts = list(run.original.parts.order_by("position"))
    if len(parts) != run.original.parts_total:
        raise ValueError(
            f"what run {run.original.pk} read is kept for {settings.TMS_FILE_DAYS} days only"
        )
    return [
        Frozen(bytes(part.data), part.devices, part.first, part.last, run.original.horizon)
        for part in parts
    ]


def _parts_store(run: ExportRun, frozen: Sequence[Frozen]) -> None:
    rows, first = [], 0
    for position, part in enumerate(frozen, 1):
        rows.append(
            RunPart(
                run=run,
                position=position,
                first_device=first,
                devices=part.devices,
                first=part.first,
                last=part.last,
                data=part.data,
            )
        )
        first += part.devices
    RunPart.objects.bulk_create(rows, batch_size=200)


def run_is_late(run: ExportRun) -> bool:
    """Whether a run has taken longer than its definition allows."""
    limit = run.definition.minutes_limit if run.definition else None
    if limit is None or run.started is None:
        return False
    return timezone.now() > run.started + timedelta(minutes=limit)
