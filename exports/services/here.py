"""A run in this process, to a place of the caller's: what the `export` command does.

The same planning, reading and writing as of a run by the workers; only that the parts, where one
file holds them all, go straight into it.
"""

import itertools
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from django.db import connection
from django.utils import timezone

from devices import journal
from devices.journal import sql
from devices.longwork import longwork_begin
from devices.readings import Frame
from events.models import Route
from events.selectors.routes import route_for_export, route_records_for_period
from exports import formats, sinks
from exports.ahead import read_ahead
from exports.assemble import file_assemble, files_of, segments_write
from exports.formats.base import Format, FormatError, Tally, WriteContext
from exports.formats.mrc import Mrc
from exports.models import ExportRun, RunFile
from exports.scope import Scope, frames_read, parts_freeze
from exports.services.drafts import Draft, draft_begin
from exports.services.names import file_names
from exports.services.plan import part_devices
from exports.services.requests import context_of, scope_of

STDOUT = "-"
PARTS_AHEAD = 1000  # frozen parts that may wait, of 20 kB or so
ROUTE_LINES = 2000  # records of a route that are read at once


class RunFailed(Exception):
    """A run that ended without a file; its row tells why."""


def run_execute(run: ExportRun, output: str) -> ExportRun:
    """Write a run's files: `output` is a file, `folder/`, or `-`. RunFailed leaves no file."""
    longwork_begin()
    form = formats.get(run.format)
    run.state, run.started = ExportRun.State.RUNNING, timezone.now()
    try:
        with sql.view():
            run.horizon = journal.horizon()
        run.save()
        tally = _write(run, form, output)
    except (FormatError, OSError, ValueError) as error:
        _finish(run, ExportRun.State.FAILED, error=str(error))
        raise RunFailed(str(error)) from error
    except BaseException as error:
        _finish(run, ExportRun.State.FAILED, error=f"{type(error).__name__}: {error}")
        raise
    run.meters, run.records = tally.meters, tally.records
    run.intervals, run.registers, run.missing = tally.intervals, tally.registers, tally.missing
    run.warnings = tally.warnings.lines()
    _finish(run, ExportRun.State.DONE if tally.records else ExportRun.State.EMPTY)
    return run


def _finish(run: ExportRun, state: str, error: str = "") -> None:
    run.state, run.error, run.finished = state, error, timezone.now()
    run.save()


def _frames(scope: Scope) -> Iterator[Frame]:
    """The inventory is read ahead, too: readings are as of the horizon whenever they are read."""
    alone = not connection.in_atomic_block
    parts = lambda: parts_freeze(scope, part_devices(scope), flowing=alone)  # noqa: E731
    for part in read_ahead(parts, PARTS_AHEAD):
        yield from frames_read(part.data, scope)


def _route_frames(form: Mrc, ctx: WriteContext) -> Iterator[Frame]:
    """What a message route has written of events received in the period. ValueError: no route."""
    name = ctx.options["route"]
    try:
        route = route_for_export(name)
    except Route.DoesNotExist:
        known = ", ".join(Route.objects.order_by("name").values_list("name", flat=True)[:20])
        raise ValueError(f"--option route={name}: there are: {known or 'none'}") from None
    lines = route_records_for_period(route, ctx.start, ctx.end)
    while some := list(itertools.islice(lines, ROUTE_LINES)):
        yield form.frame(some)


def _write(run: ExportRun, form: Format, output: str) -> Tally:
    ctx = context_of(run, form)
    scope = scope_of(run, form, ctx.options)
    if isinstance(form, Mrc):
        frames = _route_frames(form, ctx)
    else:
        frames = read_ahead(lambda: _frames(scope))
    if form.splits(ctx.options) or form.meters_a_file(ctx.options) is not None:
        return _write_many(run, form, ctx, frames, output)
    if output == STDOUT:
        return _write_stream(run, form, ctx, frames)
    folder, name = _place(output)
    own = name or file_names(run, form, ctx, [""])[""]
    with draft_begin(form, ctx, folder, name or run.batch_id) as draft:
        tally = form.write(frames, ctx, draft.writer)  # type: ignore[arg-type]
    made = _Made(draft, tally, own)
    _publish(run, form, ctx, [made], folder, name)
    return tally


def _place(output: str) -> tuple[Path, str]:
    """Folder and file name; no name when the folder alone is given."""
    target = Path(output)
    if output.endswith(os.sep):
        target.mkdir(parents=True, exist_ok=True)
        return target, ""
    if not target.parent.is_dir():
        raise ValueError(f"{target.parent} is no folder")
    return target.parent, target.name


class _Made(NamedTuple):
    """A file written under no name yet; `name` is the format's own for it."""

    draft: Draft
    tally: Tally
    name: str


def _publish(
    run: ExportRun,
    form: Format,
    ctx: WriteContext,
    made: Sequence[_Made],
    folder: Path,
    name: str,
) -> None:
    """Check the drafts and give them their names: the one asked for, or free ones of their own."""
    wanted = []
    for file in made:
        if not file.tally.records and form.when_empty(ctx.options) == "none":
            file.draft.path.unlink()
        else:
            wanted.append(file)
    try:
        for file in wanted:
            file.draft.check(file.name)
    except BaseException:
        for file in wanted:
            file.draft.path.unlink(missing_ok=True)
        raise
    for position, file in enumerate(wanted, 1):
        target = folder / (name or sinks.free_name(folder, file.name))
        row = RunFile.objects.create(
            run=run,
            position=position,
            path=str(target),
            bytes=file.draft.writer.bytes,
            sha256=file.draft.writer.sha256,
        )
        sinks.publish(file.draft.path, target, overwrite=bool(name))
        RunFile.objects.filter(pk=row.pk).update(published=True)


def _write_stream(
    run: ExportRun, form: Format, ctx: WriteContext, frames: Iterator[Frame]
) -> Tally:
    raw: BinaryIO = sys.stdout.buffer
    writer = sinks.HashingWriter(raw)
    try:
        tally = form.write(frames, ctx, writer)  # type: ignore[arg-type]
    finally:
        writer.close()
    raw.flush()
    RunFile.objects.create(
        run=run, path=STDOUT, bytes=writer.bytes, sha256=writer.sha256, published=True
    )
    return tally


def _write_many(
    run: ExportRun, form: Format, ctx: WriteContext, frames: Iterator[Frame], output: str
) -> Tally:
    """As many files as the format makes; all of them are written before any appears."""
    if output == STDOUT:
        raise ValueError(f"{form.code} may make several files: give a folder, such as out{os.sep}")
    folder, name = _place(output)
    whole = Tally()
    with tempfile.TemporaryDirectory(prefix=".tms-", dir=folder) as spool:
        body = Path(spool) / "body"
        with body.open("wb") as out:
            segments = segments_write(form, ctx, frames, out, path=body)
        files, dropped = files_of(form, ctx, segments)
        whole.merge(dropped)
        if name and len(files) > 1:
            raise ValueError(f"{len(files)} files are made: give a folder, {output}{os.sep}")
        names = file_names(run, form, ctx, [key for key, _ in files])
        made = []
        for position, (key, parts) in enumerate(files, 1):
            with draft_begin(form, ctx, Path(spool), str(position)) as draft:
                tally = file_assemble(form, ctx, parts, draft.writer, key=key, number=position)  # type: ignore[arg-type]
            whole.merge(tally)
            made.append(_Made(draft, tally, names[key]))
        _publish(run, form, ctx, made, folder, name)
    return whole
