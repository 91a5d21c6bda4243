"""The row of an import: made first, claimed by who works on it, cancelled, looked at.

Work on an import is claimed with a lease (devices.leases). Who has lost it (its process slept, or
died and another went on) finds the import another's at the next step, and its transaction is
rolled back.
"""

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any, BinaryIO

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from devices import leases
from devices.imports.codes import DEVICE_CODES, GROUP_CODES, Code
from devices.imports.columns import (
    DEVICE_ACTIONS,
    DEVICE_COLUMNS,
    GROUP_ACTIONS,
    GROUP_COLUMNS,
    Column,
)
from devices.imports.header import Header, header_read
from devices.imports.options import Options
from devices.imports.text import FileRefused, Limits
from devices.models import ImportJob, ImportPiece
from devices.services.secrets import bytes_open, bytes_seal

PIECE = 1 << 20
MAX_TRIES = 5  # of a job over which its workers die
DEVICES, GROUPS = ImportJob.Kind.DEVICES, ImportJob.Kind.GROUPS
State = ImportJob.State


class ImportFault(Exception):
    """Something that cannot be done with an import as it is; says why."""


class Lost(Exception):
    """Another works on the import, or its user has cancelled it."""


def limits() -> Limits:
    """How large a file may be, by the settings."""
    return Limits(settings.TMS_IMPORT_MAX_BYTES, settings.TMS_IMPORT_MAX_ROWS)


# --- what an interface is ------------------------------------------------------------------------


def columns_of(kind: str) -> tuple[Column, ...]:
    """The columns of an interface."""
    return DEVICE_COLUMNS if kind == DEVICES else GROUP_COLUMNS


def actions_of(kind: str) -> dict[str, str]:
    """Its words for actions."""
    return DEVICE_ACTIONS if kind == DEVICES else GROUP_ACTIONS


def codes_of(kind: str) -> dict[str, Code]:
    """Its messages."""
    return DEVICE_CODES if kind == DEVICES else GROUP_CODES


def header_of(job: ImportJob) -> Header:
    """The header of a file that has been read."""
    return header_read(job.names, columns_of(job.kind))


def options_of(job: ImportJob) -> Options:
    """The options that an import was given."""
    known = {field.name for field in fields(Options)}
    return Options(**{name: value for name, value in job.options.items() if name in known})


def is_to_confirm(job: ImportJob) -> bool:
    """Whether something of the whole file needs a yes: a mistyped column, the same file again."""
    again = codes_of(job.kind)["same_file"].code
    return job.held or job.code == again or f"| {again} " in job.message


# --- made ----------------------------------------------------------------------------------------


def import_create(
    *,
    kind: str,
    filename: str,
    options: Options,
    user: AbstractBaseUser | None = None,
    origin: str = ImportJob.Origin.PAGE,
) -> ImportJob:
    """The row of a new import, under a number of its own."""
    name = PurePath(filename.replace("\\", "/")).name.replace("\0", "")[:255] or "import.csv"
    now = timezone.now()
    while True:
        newest = ImportJob.objects.order_by("-batch").values_list("batch", flat=True).first()
        stamp = now.astimezone(UTC).replace(microsecond=0)
        if newest and newest >= f"{stamp:%Y%m%d%H%M%S}":
            last = datetime.strptime(newest, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
            stamp = last + timedelta(seconds=1)
        try:
            with transaction.atomic():
                return ImportJob.objects.create(
                    kind=kind,
                    batch=f"{stamp:%Y%m%d%H%M%S}",
                    filename=name,
                    origin=origin,
                    user=user,
                    created=now,
                    options=options.as_dict(),
                )
        except IntegrityError:  # another took the number at the same moment
            continue


def pieces_store(job: ImportJob, chunks: Iterable[bytes], size: int = 0) -> None:
    """Keep an uploaded file until it has been read. FileRefused when it is too large: before
    anything is kept, where its size is known."""
    most = limits().bytes
    if size > most:
        raise FileRefused("too_large", n=most)
    digest, size, number, held = hashlib.sha256(), 0, 0, bytearray()
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise FileRefused("too_large", n=most)
        digest.update(chunk)
        held += chunk
        while len(held) >= PIECE:
            _piece_store(job, number, bytes(held[:PIECE]))
            number, held = number + 1, held[PIECE:]
    if held or not number:
        _piece_store(job, number, bytes(held))
    job.size, job.sha256 = size, digest.hexdigest()
    job.save(update_fields=["size", "sha256"])


def _piece_store(job: ImportJob, number: int, data: bytes) -> None:
    sealed = bytes_seal(zlib.compress(data, 1))
    ImportPiece.objects.create(job=job, number=number, data=sealed)


def pieces_of(job: ImportJob) -> Iterator[bytes]:
    """The file that was kept, piece by piece."""
    numbers = list(job.pieces.order_by("number").values_list("number", flat=True))
    for number in numbers:
        data = job.pieces.values_list("data", flat=True).get(number=number)
        yield zlib.decompress(bytes_open(bytes(data)))


def stream_note(job: ImportJob, stream: BinaryIO) -> None:
    """Note size and hash of a file that is at hand, and rewind it. FileRefused when too large."""
    digest, size, most = hashlib.sha256(), 0, limits().bytes
    stream.seek(0)
    while chunk := stream.read(PIECE):
        size += len(chunk)
        digest.update(chunk)
    job.size, job.sha256 = size, digest.hexdigest()
    job.save(update_fields=["size", "sha256"])
    stream.seek(0)
    if size > most:
        raise FileRefused("too_large", n=most)


# --- worked on -----------------------------------------------------------------------------------


def job_claim(job: ImportJob, states: Iterable[str], into: str) -> bool:
    """Take an import that is in one of these states, and free, to work on; False: not free."""
    ready = Q(state__in=list(states), cancel=False)
    if not leases.claim(job, ready, state=into, tries=F("tries") + 1):
        return False
    job.refresh_from_db()
    return True


def job_beat(job: ImportJob, **noted: Any) -> None:
    """Stay at work, and note progress. Lost when it is another's, or cancelled."""
    mine = ImportJob.objects.filter(pk=job.pk, worker=job.worker, cancel=False)
    if not mine.update(lease_until=timezone.now() + leases.seconds(), **noted):
        raise Lost(str(job))


def job_end(job: ImportJob, state: str, **noted: Any) -> None:
    """End the work on an import, in the transaction of what was done. Lost as `job_beat`."""
    noted |= {"state": state, "worker": "", "lease_until": None, "progress": 100, "tries": 0}
    mine = ImportJob.objects.filter(pk=job.pk, worker=job.worker, cancel=False)
    if not mine.update(**noted):
        raise Lost(str(job))
    job.refresh_from_db()


def import_cancel(job: ImportJob) -> bool:
    """Give up an import that is not applied yet; False when it is too late.

    One that is being worked on ends at its next step, and is cleared by who notices.
    """
    open_states = (State.UPLOADED, State.READING, State.PREVIEW, State.QUEUED, State.APPLYING)
    rows = ImportJob.objects.filter(pk=job.pk, state__in=open_states)
    if not rows.update(cancel=True):
        return False
    cancelled_clear(job)
    job.refresh_from_db()
    return True


def import_turn_down(job: ImportJob) -> None:
    """End a preview that is not to be applied; its rows stay to be looked at."""
    ImportJob.objects.filter(pk=job.pk, state=State.PREVIEW).update(state=State.REFUSED)
    job.refresh_from_db()


def cancelled_clear(job: ImportJob) -> bool:
    """Clear away what a cancelled import has staged, unless somebody is still at it."""
    with transaction.atomic():
        mine = ImportJob.objects.filter(leases.free(job), pk=job.pk, cancel=True)
        state = State.APPLIED if _applied_in_part(job) else State.CANCELLED
        ended = {"state": state, "cancel": False, "worker": "", "lease_until": None}
        if not mine.update(**ended):
            return False
        job.pieces.all().delete()
    return True


def _applied_in_part(job: ImportJob) -> bool:
    """Row by row, some rows may have been applied before the end."""
    return ImportJob.objects.filter(pk=job.pk, steps__gt=0, options__row_by_row=True).exists()
