"""Finishing a run: its files appear whole, each under a name that was reserved for it, and then
the run is committed: state, cursor, backlog and deliveries in one transaction."""

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from django.db import IntegrityError, transaction
from django.utils import timezone

from devices import leases
from exports import formats, places, sinks
from exports.assemble import Segment, file_assemble, files_of
from exports.delivery import sha256_of
from exports.failpoints import point
from exports.formats.base import Format, Tally, WriteContext
from exports.models import Delivery, ExportDefinition, ExportRun, RunFile
from exports.services import backlog
from exports.services.drafts import FileWrong, draft_begin
from exports.services.holds import holds_settle, may_be_held
from exports.services.names import file_names
from exports.services.requests import context_of
from exports.services.wake import wake_deliver
from exports.services.write import segments_of

AHEAD_PARTS = 8  # a run of fewer parts is put together when all of them are written
LOOK = 0.02  # seconds between two looks at the next part, which another worker writes


def run_join(run: ExportRun) -> None:
    """Put a claimed run's files together and commit it. SegmentDamaged, LeaseLost, OSError,
    FormatError, FileWrong."""
    form = formats.get(run.format)
    ctx = context_of(run, form)
    whole = Tally()
    segments = segments_of(run)
    files, dropped = files_of(form, ctx, segments)
    whole.merge(dropped)
    names = file_names(run, form, ctx, [key for key, _ in files])
    with leases.held(run) as lost:
        for position, (key, parts) in enumerate(files, 1):
            if lost.is_set():
                raise leases.LeaseLost(str(run))
            _file_make(run, form, ctx, position, key, names[key], parts, whole)
    _run_end(run, whole, segments)


def run_joins_ahead(run: ExportRun) -> bool:
    """Whether a run's one file can be begun, because others are busy with the last of its parts."""
    half = run.parts_total >= AHEAD_PARTS and 2 * run.parts_done >= run.parts_total
    if not half or run.parts_done == run.parts_total or run.is_flow or may_be_held(run):
        return False
    if run.lease_until is not None and not leases.is_gone(run.worker):
        return False
    form = formats.get(run.format)
    options = context_of(run, form).options
    if form.counts_first or form.splits(options) or form.meters_a_file(options) is not None:
        return False
    busy = run.parts.filter(done=False, lease_until__gt=timezone.now())
    return any(not leases.is_gone(name) for name in busy.values_list("worker", flat=True))


def run_join_ahead(run: ExportRun, write_part: Callable[[], bool]) -> None:
    """The same of a run whose last parts are still being written: each goes into the file as soon
    as it is done. `write_part` writes one that nobody works on, and says whether there was any."""
    form = formats.get(run.format)
    ctx = context_of(run, form)
    whole = Tally()
    used: list[Segment] = []
    names = file_names(run, form, ctx, [""])
    with leases.held(run) as lost:
        parts = _parts_as_done(run, lost, write_part, used)
        _file_make(run, form, ctx, 1, "", names[""], parts, whole)
    _run_end(run, whole, used)


def _parts_as_done(
    run: ExportRun, lost: threading.Event, write_part: Callable[[], bool], used: list[Segment]
) -> Iterator[Segment]:
    """The segments of all parts in their order, which are noted in `used`. LeaseLost when the run
    was ended meanwhile, or is another's."""
    at, mine = 1, ExportRun.objects.filter(pk=run.pk, worker=run.worker, cancel_asked=False)
    while at <= run.parts_total:
        found = segments_of(run, at)
        if not found:
            if lost.is_set() or not mine.exists():
                raise leases.LeaseLost(str(run))
            if not write_part():
                lost.wait(LOOK)
            continue
        for segment in found:
            used.append(segment)
            yield segment
        at += 1
    if not mine.update(phase=ExportRun.Phase.JOIN):
        raise leases.LeaseLost(str(run))
    run.phase = ExportRun.Phase.JOIN


def _run_end(run: ExportRun, whole: Tally, segments: Sequence[Segment]) -> None:
    """Commit a run whose files stand, and clear away what they were made of."""
    left_out = [tuple(one) for segment in segments for one in segment.tally["left_out"]]
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
    parts: Iterable[Segment],
    whole: Tally,
) -> None:
    """One file of the run, from its draft to its name; whatever is there already is adopted."""
    folder = places.produced()
    with draft_begin(form, ctx, folder, f"{run.batch_id}-{position}") as draft:
        tally = file_assemble(form, ctx, parts, draft.writer, key=key, number=position)  # type: ignore[arg-type]
    whole.merge(tally)
    if not tally.records and form.when_empty(ctx.options) == "none":
        draft.path.unlink()
        return
    point("draft written")
    try:
        draft.check(name)
        row = _file_reserve(run, position, folder, name, draft.writer)
        point("file reserved")
        _file_publish(row, draft.path)
    finally:
        draft.path.unlink(missing_ok=True)


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
        _keep(draft, kept, row.sha256)
        point("file archived")
        RunFile.objects.filter(pk=row.pk).update(published=True)
    point("file published")


def _keep(draft: Path, kept: Path, digest: str) -> None:
    """Archive the bytes of a draft. Another file there is of a run that a restored backup does not
    know, whose number was given again; its bytes give way."""
    try:
        os.link(draft, kept)
    except FileExistsError:
        if sha256_of(kept) != digest:
            beside = kept.with_name(f".{kept.name}.{os.getpid()}.tmp")
            beside.unlink(missing_ok=True)
            os.link(draft, beside)
            beside.replace(kept)
    sinks.folder_sync(kept.parent)


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
    held = holds_settle(run, left_out)
    if run.moves_cursor:
        _cursor_move(run, tally.records)
        if not run.is_flow:
            backlog.backlog_settle(run, [*left_out, *held])
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
