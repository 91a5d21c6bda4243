"""The inbox folders: files that have stopped growing are taken, imported, and put aside.

`inbox/devices` and `inbox/groups` in the data directory. A file is known by its size and time of
change; once both are as they were at an earlier look, and long enough ago, it is taken: moved out
of the folder first, so that no two workers take it, then imported (its good rows), then moved to
`inbox/done` or `inbox/failed` with its result beside it.
"""

import hashlib
import logging
import os
import time
from pathlib import Path

from django.conf import settings
from django.core.cache import cache

from devices.imports.options import Options
from devices.models import ImportJob
from devices.services.imports.answer import result_name
from devices.services.imports.apply import Stale
from devices.services.imports.jobs import ImportFault, State
from devices.services.imports.marked import result_write
from devices.services.imports.work import file_import

logger = logging.getLogger(__name__)
QUIET = 5.0  # seconds without a change after which a file is taken to be whole
KINDS = ("devices", "groups")
LEFT = 3600.0  # seconds after which a file that a dead worker had taken is taken up again


def inbox_sweep() -> bool:
    """Import one file of the inbox; True when there was one."""
    for kind in KINDS:
        _take_up(kind)
        for path in _files(_folder(kind)):
            if _is_whole(path) and (taken := _taken(path)):
                _import(kind, path.name, taken)
                return True
    return False


def _folder(*parts: str) -> Path:
    folder = Path(settings.DATA_DIR, "inbox", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _files(folder: Path) -> list[Path]:
    """What may be taken, oldest first: files that are not hidden and not parts of an upload."""
    found = [
        path
        for path in folder.iterdir()
        if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        if path.suffix not in (".tmp", ".part", ".filepart")
    ]
    return sorted(found, key=lambda path: (path.stat().st_mtime, path.name))


def _is_whole(path: Path) -> bool:
    """Whether a file is as it was at an earlier look, some seconds ago."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    digest = hashlib.sha256(str(path).encode()).hexdigest()
    key = f"tms:inbox:{digest}"
    mark = (stat.st_size, stat.st_mtime_ns)
    seen = cache.get(key)
    now = time.time()
    if seen is None or seen[:2] != mark:
        cache.set(key, (*mark, now), 24 * 3600)
        return False
    return bool(now - seen[2] >= QUIET and now - stat.st_mtime >= QUIET)


def _taken(path: Path) -> Path | None:
    """The file, moved out of reach of others; None when another was quicker."""
    target = _folder(path.parent.name, ".taken") / path.name
    try:
        os.link(path, target)
        path.unlink()
    except (FileExistsError, FileNotFoundError):
        return None
    os.utime(target)
    return target


def _take_up(kind: str) -> None:
    """Give back what a worker that died had taken."""
    for path in _files(_folder(kind, ".taken")):
        if time.time() - path.stat().st_mtime > LEFT:
            path.replace(_folder(kind) / path.name)


def _import(kind: str, name: str, path: Path) -> None:
    job, why = None, ""
    try:
        with path.open("rb") as stream:
            job = file_import(
                kind=kind,
                filename=name,
                stream=stream,
                options=Options(),
                origin=ImportJob.Origin.INBOX,
                apply=True,
            )
    except (Stale, ImportFault) as fault:
        why = str(fault)
    done = job is not None and job.state == State.APPLIED
    if not done:
        logger.error(
            "inbox %s/%s was not applied: %s", kind, name, why or (job.message if job else "")
        )
    folder = _folder("done" if done else "failed")
    if job is not None:
        result_write(job, _free(folder / result_name(job)))
    path.replace(_free(folder / name))


def _free(path: Path) -> Path:
    """A name that is not taken: `_2`, `_3` … before the extension."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free
