"""Runs as they are asked for: made, named, seen again from their row alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from exports import formats
from exports.formats.base import Format, WriteContext
from exports.models import ExportDefinition, ExportRun
from exports.models.definitions import BILL_WITHOUT_PERIOD
from exports.scope import Scope, Selection, Window
from exports.services.wake import wake_run

ALL = Selection()
# A run of what is new has no period of its own: anything the store may hold.
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def period_of_all() -> tuple[datetime, datetime]:
    """The period of a run of what is new: whole seconds, as some formats ask for."""
    return BEGINNING, timezone.now().replace(microsecond=0) + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is to be exported, for whom, and how. Times are aware; the end is exclusive.

    `since`: only what batches numbered above it brought, whatever day it is of; of that with
    `corrections` only what changed after it was sent (`windows`: of an export of periods).
    `gate`: as `gating.gate_of` gives it.
    """

    format: str
    start: datetime
    end: datetime
    selection: Selection = ALL
    options: Mapping[str, Any] | None = None
    zone: str = ""
    mode: str = "OR"
    name: str = ""
    on_error: str = "stop"
    on_unsupported: str = "skip"
    since: int | None = None
    corrections: bool = False
    windows: Sequence[Window] = ()
    gate: Mapping[str, Any] | None = None
    definition: ExportDefinition | None = None
    original: ExportRun | None = None
    destined: bool = False
    receiver: str = ""
    file_name: str = ""
    priority: int = 3
    trigger: str = ExportRun.Trigger.COMMAND
    due: datetime | None = None


def run_create(
    request: RunRequest, *, user: Any = None, api_key: Any = None, key: str | None = None
) -> ExportRun:
    """Store a run that waits to be done: checked options, stamps, batch id.

    OptionError, ValueError for what cannot be done. IntegrityError: the key, or the due time of
    the definition, has a run already.
    """
    form = formats.get(request.format)
    options = form.options_clean(request.options or {}, "write")
    if request.end <= request.start:
        raise ValueError("the period's end must lie after its start")
    if request.since is not None and not request.windows and form.billing(options):
        raise ValueError(BILL_WITHOUT_PERIOD)
    run = _with_batch_id(
        ExportRun(
            definition=request.definition,
            original=request.original,
            trigger=request.trigger,
            due=request.due,
            user=user,
            api_key=api_key,
            key=key,
            priority=request.priority,
            format=form.code,
            name=request.name,
            options={name: _plain(value) for name, value in options.items()},
            selection={
                **asdict(request.selection),
                "on_error": request.on_error,
                "on_unsupported": request.on_unsupported,
                "gate": request.gate,
            },
            start=request.start,
            end=request.end,
            since=request.since,
            corrections=request.corrections,
            windows=[list(window) for window in request.windows],
            horizon=request.original.horizon if request.original else None,
            zone=request.zone,
            mode=request.mode,
            original_batch=request.original.batch_id if request.original else "",
            file_name=request.file_name,
            stamps={
                "sender": settings.TMS_SENDER_CODE,
                "receiver": request.receiver,
                "destined": request.destined,
                "system_zone": settings.TIME_ZONE,
            },
            created=timezone.now().astimezone(UTC).replace(microsecond=0),
        )
    )
    if request.definition is not None:
        wake_run()
    return run


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, bool, dict, type(None))) else str(value)


def _with_batch_id(row: ExportRun) -> ExportRun:
    """Save with the next batch id: the creation time, or one second past the newest."""
    while True:
        newest = ExportRun.objects.order_by("-batch_id").values_list("batch_id", flat=True).first()
        stamp = row.created
        if newest:
            after = datetime.strptime(newest, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            stamp = max(stamp, after + timedelta(seconds=1))
        row.batch_id = f"{stamp:%Y%m%d%H%M%S}"
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            if not ExportRun.objects.filter(batch_id=row.batch_id).exists():
                raise  # it was not the batch id that is taken
            continue
        return row


def request_of(run: ExportRun, **other: Any) -> RunRequest:
    """The same export asked for again: what a run's row says of it; `other` fields as given."""
    asked: dict[str, Any] = {
        "format": run.format,
        "start": run.start,
        "end": run.end,
        "selection": selection_of_run(run),
        "options": run.options,
        "zone": run.zone,
        "name": run.name,
        "on_error": run.selection["on_error"],
        "on_unsupported": run.selection["on_unsupported"],
        "definition": run.definition,
        "destined": run.stamps["destined"],
        "receiver": run.stamps["receiver"],
        "file_name": run.file_name,
        "priority": run.priority,
    }
    return RunRequest(**asked | other)


def context_of(run: ExportRun, form: Format) -> WriteContext:
    """The writer's context of a run, from its row alone."""
    return WriteContext(
        created=run.created,
        batch_id=run.batch_id,
        start=run.start,
        end=run.end,
        options=form.options_clean(run.options, "write"),
        mode=run.mode,
        sender=run.stamps["sender"],
        receiver=run.stamps["receiver"],
        export=run.name,
        zone=run.zone or None,
        system_zone=run.stamps["system_zone"],
        destination=run.stamps["destined"],
        original_batch=run.original_batch,
        groups=tuple(run.selection["groups"]),
        on_error=run.selection["on_error"],
        on_unsupported=run.selection["on_unsupported"],
    )


def selection_of_run(run: ExportRun) -> Selection:
    """Which meters and channels a run is of."""
    names = ("groups", "devices", "channels", "units")
    return Selection(**{name: tuple(run.selection[name]) for name in names})


def scope_of(run: ExportRun, form: Format, options: Mapping[str, Any], **more: Any) -> Scope:
    """What a run reads, from its row alone; `more` are further fields of the scope."""
    return Scope(
        selection_of_run(run),
        run.start,
        run.end,
        run.horizon,
        order=form.order(options),
        intervals=form.wants_intervals(options),
        registers=form.wants_registers(options),
        events=form.wants_events(options),
        arrivals=form.wants_arrivals(options),
        margin=form.register_margin(options),
        reads_at_end=form.reads_at_end,
        billing=form.billing(options),
        since=run.since,
        grain=form.since,
        zone=run.zone,
        corrections=run.corrections,
        windows=[Window(*window) for window in run.windows],
        began=run.definition.began if run.definition else 0,
        **more,
    )


def run_report(run: ExportRun) -> dict[str, Any]:
    """What `--json` prints of a run."""
    return {
        "run": run.pk,
        "format": run.format,
        "status": run.state,
        "horizon": run.horizon,
        "meters": run.meters,
        "records": run.records,
        "intervals": run.intervals,
        "registers": run.registers,
        "missing": run.missing,
        "files": list(run.files.values("path", "bytes", "sha256")),
        "warnings": run.warnings,
    }
