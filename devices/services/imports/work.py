"""Imports in the background: what waits is claimed and done, what a dead worker left taken up."""

import logging
import tempfile
from collections.abc import Iterable
from datetime import timedelta
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone

from devices import leases, tracing
from devices.imports.options import Options
from devices.imports.text import FileRefused
from devices.models import ImportJob, ImportRow
from devices.services.imports.apply import Stale, import_apply, import_queue
from devices.services.imports.changes import changes_clear
from devices.services.imports.jobs import (
    MAX_TRIES,
    Lost,
    State,
    cancelled_clear,
    import_create,
    import_turn_down,
    job_claim,
    job_end,
    pieces_of,
    pieces_store,
    stream_note,
)
from devices.services.imports.later import rows_due
from devices.services.imports.stage import import_refuse, import_stage

logger = logging.getLogger(__name__)
# Up to so much is read and applied while its user waits.
AT_ONCE_BYTES, AT_ONCE_ROWS = 512 << 10, 5000
TO_READ = (State.UPLOADED, State.READING)
TO_APPLY = (State.QUEUED, State.APPLYING)


def import_read(job: ImportJob) -> bool:
    """Read an uploaded file, if it is free to be; True: it was."""
    if not job_claim(job, TO_READ, State.READING):
        return False
    try:
        with (
            leases.held(job),
            tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as stream,
        ):
            for piece in pieces_of(job):
                stream.write(piece)
            stream.seek(0)
            import_stage(job, stream)
    except Lost:
        cancelled_clear(job)
    return True


def import_do(job: ImportJob) -> bool:
    """Apply an import that was said yes to, if it is free; True: it was. Stale."""
    if not job_claim(job, TO_APPLY, State.APPLYING):
        return False
    try:
        with leases.held(job):
            import_apply(job)
    except Lost:
        cancelled_clear(job)
    return True


def import_receive(job: ImportJob, chunks: Iterable[bytes], size: int = 0) -> None:
    """Keep an uploaded file; a small one is read at once, another by a worker."""
    try:
        pieces_store(job, chunks, size)
    except FileRefused as refused:
        if job_claim(job, TO_READ, State.READING):
            import_refuse(job, refused)
        return
    if job.size <= AT_ONCE_BYTES:
        import_read(job)
    job.refresh_from_db()


def import_go(job: ImportJob) -> None:
    """After the yes to a preview: a small one is applied at once. Stale as `import_apply`."""
    if job.counts.get("rows", 0) <= AT_ONCE_ROWS:
        import_do(job)
    job.refresh_from_db()


def imports_sweep() -> bool:
    """Do the next piece of work there is; True when there may be more."""
    for job in ImportJob.objects.filter(cancel=True):
        cancelled_clear(job)
    waiting = ImportJob.objects.filter(state__in=(*TO_READ, *TO_APPLY)).order_by("pk")
    return any(map(_piece_do, waiting)) or rows_due()


def _piece_do(job: ImportJob) -> bool:
    """Read or apply an import; False: another is at it."""
    with tracing.bound(**{"import": job.batch}):
        return _piece(job)


def _piece(job: ImportJob) -> bool:
    if job.tries >= MAX_TRIES:
        return _give_up(job)
    if job.state in TO_READ:
        return import_read(job)
    try:
        return import_do(job)
    except Stale as stale:
        logger.info("import %s: %s", job.batch, stale)
        return True


def _give_up(job: ImportJob) -> bool:
    """An import over which workers died again and again ends, and says so; False: it is held."""
    if not job_claim(job, (*TO_READ, *TO_APPLY), job.state):
        return False
    logger.error("import %s was given up after %d tries", job.batch, MAX_TRIES)
    if job.state in TO_READ:
        import_refuse(job, FileRefused("not_text"))
    else:
        job_end(job, State.PREVIEW)
    return True


def imports_expire() -> int:
    """Let go of staged rows and change sets past their term; the imports themselves stay."""
    old = timezone.now() - timedelta(days=settings.TMS_IMPORT_DAYS)
    waiting = ImportRow.objects.filter(status=ImportRow.Status.WAITING).values("job")
    done = ImportJob.objects.filter(created__lt=old).exclude(pk__in=waiting)
    count = 0
    for job in done.filter(rows__isnull=False).distinct():
        count += ImportRow.objects.filter(job=job).delete()[0]
        changes_clear(job)
        job.pieces.all().delete()
    return count


def file_import(
    *,
    kind: str,
    filename: str,
    stream: BinaryIO,
    options: Options,
    origin: str,
    apply: bool,
) -> ImportJob:
    """A file that is at hand, read here and now and, with `apply`, its good rows applied.

    It ends applied, as a preview (not to be applied), or refused: the file, or because it is all
    or nothing, or because a column may be mistyped. Stale when the inventory changed meanwhile.
    """
    job = import_create(kind=kind, filename=filename, options=options, origin=origin)
    try:
        stream_note(job, stream)
    except FileRefused as refused:
        job_claim(job, TO_READ, State.READING)
        import_refuse(job, refused)
        return job
    job_claim(job, TO_READ, State.READING)
    with leases.held(job):
        import_stage(job, stream)
    if job.state != State.PREVIEW:
        return job
    if job.held or (options.all_or_nothing and job.counts.get("ERROR")):
        if apply:
            import_turn_down(job)
        return job
    if apply:
        import_queue(job, user=None, confirmed=True, dangers=True)
        import_do(job)
    return job
