"""Finishing a run: its files appear whole, each under a name that was reserved for it, and then
the run is committed: state, cursor, backlog and deliveries in one transaction."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import leases
from exports import formats, places, sinks
from exports.assemble import Segment, file_assemble, files_of
from exports.failpoints import point
from exports.formats.base import Format, Tally, WriteContext
from exports.models import Delivery, ExportDefinition, ExportRun, RunFile
from exports.services import backlog
from exports.services.names import file_names
from exports.services.requests import context_of
from exports.services.wake import wake_deliver
from exports.services.write import segments_of


class FileWrong(Exception):
    """A finished file that is not what it should be; nothing of the run is sent."""


def run_join(run: ExportRun) -> None:
    """Put a claimed run's files together and commit it. SegmentDamaged, LeaseLost, OSError,
    FormatError, FileWrong."""
    form = formats.get(run.format)
    ctx = context_of(run, form)
    whole = Tally()
    left_out: list[tuple[str, int | None, str]] = []
    segments = segments_of(run)
    for segment in segments:
        left_out += [tuple(one) for one in segment.tally["left_out"]]
    files, dropped = files_of(form, ctx, segments)
    whole.merge(dropped)
    names = file_names(run, form, ctx, [key for key, _ in files])
    with leases.held(run) as lost:
        for position, (key, parts) in enumerate(files, 1):
            if lost.is_set():
                raise leases.LeaseLost(str(run))
            _file_make(run, form, ctx, position, key, names[key], parts, whole)
    _run_commit(run, whole, left_out)
    point("run committed")
    shutil.rmtree(places.work(run.pk), ignore_errors=True)


def _file_make(
    run: ExportRun,
    form: Format,
    ctx: WriteContext,
    position: int,
    key: str,
    name: str,
    parts: Sequence[Segment],
    whole: Tally,
) -> None:
    """One file of the run, from its draft to its name; whatever is there already is adopted."""
    folder = places.produced()
    with sinks.draft(folder, f"{run.batch_id}-{position}") as (draft, writer):
        tally = file_assemble(form, ctx, parts, writer, key=key, number=position)  # type: ignore[arg-type]
    whole.merge(tally)
    if not tally.records and form.when_empty(ctx.options) == "none":
        draft.unlink()
        return
    point("draft written")
    try:
        with draft.open("rb") as stream:
            faults = form.verify(stream, ctx)
        if faults:
            raise FileWrong(f"{name}: {'; '.join(faults[:3])}")
        row = _file_reserve(run, position, folder, name, writer)
        point("file reserved")
        _file_publish(row, draft)
    finally:
        draft.unlink(missing_ok=True)


def _file_reserve(
    run: ExportRun, position: int, folder: Path, name: str, made: sinks.HashingWriter
) -> RunFile:
    """The row of a file, with a name that no other file of ours has; made once."""
    row = RunFile.objects.filter(run=run, position=position).first()
    if row is not None:
        if (row.bytes, row.sha256) != (made.bytes, made.sha256):
            raise FileWrong(f"{row.path} was reserved with other bytes: {row.sha256}")
        return row
    archive = places.archive(run.pk) / f"{run.pk}-{position}"
    for candidate in sinks.names_like(name):
        path = folder / candidate
        if path.exists():
            continue
        try:
            with transaction.atomic():
                return RunFile.objects.create(
                    run=run,
                    position=position,
                    path=str(path),
                    bytes=made.bytes,
                    sha256=made.sha256,
                    archive=str(archive.relative_to(places.data())),
                )
        except IntegrityError:
            if RunFile.objects.filter(run=run, position=position).exists():
                raise leases.LeaseLost(str(run)) from None
            # another run has this name
    raise FileWrong(f"no free name like {name}")


def _file_publish(row: RunFile, draft: Path) -> None:
    """Give a draft its reserved name and keep its bytes under another one in the archive."""
    target, kept = Path(row.path), places.data() / row.archive
    draft.chmod(0o444)
    if not row.published:
        with contextlib.suppress(FileExistsError):  # an earlier attempt came so far
            os.link(draft, target)
        sinks.folder_sync(target.parent)
        point("file renamed")
        with contextlib.suppress(FileExistsError):
            os.link(draft, kept)
        sinks.folder_sync(kept.parent)
        point("file archived")
        RunFile.objects.filter(pk=row.pk).update(published=True)
    point("file published")


@transaction.atomic
def _run_commit(
    run: ExportRun, tally: Tally, left_out: Sequence[tuple[str, int | None, str]]
) -> None:
    """The run is done: cursor, backlog and deliveries move with its state, or none of them."""
    state = ExportRun.State.DONE if tally.records else ExportRun.State.EMPTY
    leases.release(
        run,
        state=state,
        finished=timezone.now(),
        meters=tally.meters,
        records=tally.records,
        intervals=tally.intervals,
        registers=tally.registers,
        missing=tally.missing,
        warnings=tally.warnings.lines(),
    )
    if run.since is not None and run.definition_id and not run.original_id:
        _cursor_move(run, tally.records)
        if not run.is_flow:
            backlog.backlog_settle(run, left_out)
    deliveries_create(run)
    if state == ExportRun.State.EMPTY and run.trigger == ExportRun.Trigger.FLOW:
        run.delete()  # what arrived was none of this export's: nothing to tell of
    point("run committed, in the transaction")


def _cursor_move(run: ExportRun, records: int) -> None:
    """The definition's cursor, and a flow's numbers, go to where the run has come. FileWrong."""
    rows = ExportDefinition.objects.filter(pk=run.definition_id, cursor=run.since)
    moves = {"cursor": run.horizon}
    if run.is_flow:
        first = run.options["first_seq"]
        rows, moves["next_seq"] = rows.filter(next_seq=first), first + records
    if not rows.update(**moves):
        raise FileWrong("the cursor of the definition has been moved meanwhile")


def deliveries_create(run: ExportRun) -> None:
    """A row for each file and destination of the definition; they are sent after the commit."""
    if run.definition is None:
        return
    now = timezone.now()
    destinations = list(run.definition.destinations.all())
    Delivery.objects.bulk_create(
        [
            Delivery(file=file, destination=destination, due=now)
            for file in run.files.order_by("position")
            for destination in destinations
        ]
    )
    wake_deliver()
