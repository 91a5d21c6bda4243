"""Runs: made, executed, recorded."""

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import journal
from exports import formats, sinks
from exports.ahead import read_ahead
from exports.formats.base import Format, FormatError, Tally, WriteContext
from exports.models import ExportRun, RunFile
from exports.naming import file_name
from exports.selectors import Scope, Selection, frames_for_scope

STDOUT = "-"
ALL = Selection()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What is to be exported, for whom, and how. Times are aware; the end is exclusive."""

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


class RunFailed(Exception):
    """A run that ended without a file; its row tells why."""


def run_create(request: RunRequest, *, user: Any = None) -> ExportRun:
    """Freeze a run: horizon, stamps, batch id and checked options. OptionError, ValueError."""
    form = formats.get(request.format)
    options = form.options_clean(request.options or {}, "write")
    if request.end <= request.start:
        raise ValueError("the period's end must lie after its start")
    created = timezone.now().astimezone(UTC).replace(microsecond=0)
    row = ExportRun(
        format=form.code,
        name=request.name,
        options={name: _plain(value) for name, value in options.items()},
        selection={
            **asdict(request.selection),
            "on_error": request.on_error,
            "on_unsupported": request.on_unsupported,
        },
        start=request.start,
        end=request.end,
        zone=request.zone,
        mode=request.mode,
        horizon=journal.horizon(),
        created=created,
        user=user,
    )
    return _with_batch_id(row)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, bool, type(None))) else str(value)


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
            continue  # another run took it meanwhile
        return row


def context_of(run: ExportRun, form: Format) -> WriteContext:
    """The writer's context of a run, from its row alone."""
    return WriteContext(
        created=run.created,
        batch_id=run.batch_id,
        start=run.start,
        end=run.end,
        options=form.options_clean(run.options, "write"),
        mode=run.mode,
        sender=settings.TMS_SENDER_CODE,
        export=run.name,
        zone=run.zone or None,
        system_zone=settings.TIME_ZONE,
        on_error=run.selection["on_error"],
        on_unsupported=run.selection["on_unsupported"],
    )


def scope_of(run: ExportRun, form: Format, options: Mapping[str, Any]) -> Scope:
    """What a run reads, from its row alone."""
    chosen = run.selection
    return Scope(
        Selection(
            tuple(chosen["groups"]),
            tuple(chosen["devices"]),
            tuple(chosen["channels"]),
            tuple(chosen["units"]),
        ),
        run.start,
        run.end,
        run.horizon,
        order=form.order(options),
        intervals=form.wants_intervals(options),
        registers=form.wants_registers(options),
        reads_at_end=form.reads_at_end,
    )


def run_execute(run: ExportRun, output: str) -> ExportRun:
    """Write a run's files: `output` is a file, `folder/`, or `-`. RunFailed leaves no file."""
    form = formats.get(run.format)
    try:
        if output == STDOUT:
            tally = _write_stream(run, form, sys.stdout.buffer)
        else:
            tally = _write_file(run, form, output)
    except (FormatError, OSError, ValueError) as error:
        _finish(run, ExportRun.State.FAILED, error=str(error))
        raise RunFailed(str(error)) from error
    except BaseException as error:
        _finish(run, ExportRun.State.FAILED, error=f"{type(error).__name__}: {error}")
        raise
    run.meters, run.records = tally.meters, tally.records
    run.intervals, run.registers, run.missing = tally.intervals, tally.registers, tally.missing
    run.warnings = tally.warnings.lines()
    empty = not tally.records
    _finish(run, ExportRun.State.EMPTY if empty else ExportRun.State.DONE)
    return run


def _finish(run: ExportRun, state: str, error: str = "") -> None:
    run.state, run.error, run.finished = state, error, timezone.now()
    run.save()


def _write(run: ExportRun, form: Format, out: BinaryIO) -> Tally:
    ctx = context_of(run, form)
    scope = scope_of(run, form, ctx.options)
    return form.write(read_ahead(lambda: frames_for_scope(scope)), ctx, out)


def _write_stream(run: ExportRun, form: Format, raw: BinaryIO) -> Tally:
    writer = sinks.HashingWriter(raw)
    try:
        tally = _write(run, form, writer)
    finally:
        writer.close()
    raw.flush()
    RunFile.objects.create(
        run=run, path=STDOUT, bytes=writer.bytes, sha256=writer.sha256, published=True
    )
    return tally


def _write_file(run: ExportRun, form: Format, output: str) -> Tally:
    """One file, under the name given or the format's own in a folder given."""
    in_folder = output.endswith(os.sep)
    target = Path(output)
    folder = target if in_folder else target.parent
    if in_folder:
        folder.mkdir(parents=True, exist_ok=True)
    elif not folder.is_dir():
        raise ValueError(f"{folder} is no folder")
    name = default_name(run, form) if in_folder else target.name
    with contextlib.ExitStack() as stack:
        draft, writer = stack.enter_context(sinks.draft(folder, name))
        tally = _write(run, form, writer)
        stack.close()  # everything is on disk now
    if not tally.records and form.when_empty(run.options) == "none":
        draft.unlink()
        return tally
    if in_folder:
        name = sinks.free_name(folder, name)
    row = RunFile.objects.create(
        run=run, path=str(folder / name), bytes=writer.bytes, sha256=writer.sha256
    )
    sinks.publish(draft, folder / name, overwrite=not in_folder)
    RunFile.objects.filter(pk=row.pk).update(published=True)
    return tally


def default_name(run: ExportRun, form: Format) -> str:
    """The file's name by the format's own pattern."""
    groups: Sequence[str] = run.selection["groups"]
    return file_name(
        form.default_name,
        {
            "format": form.code.upper(),
            "export": run.name or "EXPORT",
            "sender": settings.TMS_SENDER_CODE,
            "receiver": "",
            "group": groups[0] if len(groups) == 1 else "ALL",
            "batch": run.batch_id,
            "mode": run.mode,
            "ext": form.file_extension(run.options),
            "count": str(run.meters),
        },
        created=run.created,
        start=run.start,
        end=run.end,
        zone=run.zone or settings.TIME_ZONE,
        seq=run.options.get("first_seq"),
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
