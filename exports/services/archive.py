"""The proof: a file again from its kept bytes, or made anew from what its run froze."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from django.conf import settings
from django.utils import timezone

from exports import formats, places
from exports.assemble import file_assemble, files_of
from exports.delivery import sha256_of
from exports.models import ExportRun, InboxFile, RunFile, RunPart
from exports.services.requests import context_of
from exports.services.write import part_segments

CHUNK = 1 << 20


class NotKept(Exception):
    """A file whose term is over, or whose bytes are not what they were."""


def file_open(file: RunFile) -> BinaryIO:
    """The kept bytes of a file, checked against the hash they were reserved with. NotKept."""
    path = kept_path(file)
    try:
        if sha256_of(path) != file.sha256:
            raise NotKept(f"The kept bytes of {file.name} are not those of its SHA-256.")
        return path.open("rb")
    except OSError as error:
        raise NotKept(f"The kept bytes of {file.name} are gone: {error.strerror}.") from error


def kept_path(file: RunFile) -> Path:
    """Where the bytes of a file are. NotKept."""
    if file.purged is not None:
        raise NotKept(f"{file.name} was kept until {file.purged:%F}.")
    if not file.archive:
        raise NotKept(f"{file.name} was written by a command, to where it was told; none is kept.")
    return places.data() / file.archive


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A file made anew beside the one that was sent. `first_difference`: byte, None if equal."""

    file: RunFile
    bytes: int
    sha256: str
    first_difference: int | None

    @property
    def same(self) -> bool:
        return self.sha256 == self.file.sha256


def run_rebuild(run: ExportRun) -> list[Rebuilt]:
    """Make a run's files anew from horizon, scope and stamps that it froze, and compare. NotKept.

    Nothing is stored, nothing sent; what differs is told by its first byte.
    """
    if not run.parts.exists() and run.parts_total:
        raise NotKept("What this run read is no longer kept.")
    form = formats.get(run.format)
    ctx = context_of(run, form)
    found = []
    with TemporaryDirectory(prefix="rebuild-", dir=places.work(run.pk).parent) as folder:
        segments = []
        for part in run.parts.order_by("position").iterator(chunk_size=1):
            path = Path(folder) / str(part.position)
            with path.open("wb") as out:
                segments += part_segments(run, part, out, path)
        rows = {file.position: file for file in run.files.all()}
        files, _ = files_of(form, ctx, segments)
        for position, (key, parts) in enumerate(files, 1):
            if position in rows:
                path = Path(folder) / f"file-{position}"
                with path.open("wb") as out:
                    file_assemble(form, ctx, parts, out, key=key, number=position)
                found.append(_compare(rows[position], path))
    return found


def _compare(file: RunFile, path: Path) -> Rebuilt:
    size, digest = path.stat().st_size, sha256_of(path)
    return Rebuilt(file, size, digest, None if digest == file.sha256 else _difference(file, path))


def _difference(file: RunFile, path: Path) -> int:
    """The first byte in which two files differ; the length of the shorter one if none does."""
    try:
        kept = kept_path(file).open("rb")
    except (NotKept, OSError):
        return 0
    place = 0
    with kept as one, path.open("rb") as other:
        while True:
            first, second = one.read(CHUNK), other.read(CHUNK)
            if first != second or not first:
                break
            place += len(first)
    same = (n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return place + next(same, min(len(first), len(second)))


def files_verify() -> Iterator[tuple[RunFile, str]]:
    """Each kept file, with what is wrong with it; an empty string where nothing is."""
    for file in RunFile.objects.filter(published=True, purged=None).exclude(archive="").iterator():
        try:
            file_open(file).close()
        except NotKept as fault:
            yield file, str(fault)
        else:
            yield file, ""


def files_purge() -> int:
    """Let go of files and frozen scopes past their term; how many files. May be repeated."""
    now = timezone.now()
    before = now - timedelta(days=settings.TMS_FILE_DAYS)
    old = RunFile.objects.filter(run__finished__lt=before, purged=None).exclude(archive="")
    count = 0
    for file in old.iterator():
        (places.data() / file.archive).unlink(missing_ok=True)
        Path(file.path).unlink(missing_ok=True)
        count += RunFile.objects.filter(pk=file.pk).update(purged=now)
    RunPart.objects.filter(run__finished__lt=before).delete()
    for taken in InboxFile.objects.filter(finished__lt=before, put_aside=True).iterator():
        path = places.data() / taken.kept
        path.unlink(missing_ok=True)
        path.with_name(f"{path.name}.result.json").unlink(missing_ok=True)
        taken.delete()
    _work_purge()
    return count


def _work_purge() -> None:
    """Remove what workers left behind that died: parts of runs which have ended."""
    folders = {path.name: path for path in places.work_all() if path.name.isdigit()}
    is_open = ExportRun.objects.filter(pk__in=list(folders), state__in=ExportRun.UNSENT)
    for name in folders.keys() - {str(pk) for pk in is_open.values_list("pk", flat=True)}:
        shutil.rmtree(folders[name], ignore_errors=True)


def purge_bound() -> int | None:
    """How far the journal may be purged: not past what an open run reads, a cursor, a debt."""
    from django.db.models import Min

    from exports.models import Backlog, ExportDefinition
    from exports.models.definitions import SINCE_LAST

    limits = [
        ExportRun.objects.filter(state__in=ExportRun.UNSENT).aggregate(n=Min("horizon"))["n"],
        ExportRun.objects.filter(state__in=ExportRun.UNSENT).aggregate(n=Min("since"))["n"],
        ExportDefinition.objects.filter(period=SINCE_LAST, active=True).aggregate(n=Min("cursor"))[
            "n"
        ],
        Backlog.objects.aggregate(n=Min("since"))["n"],
    ]
    return min((limit for limit in limits if limit is not None), default=None)
