"""Folders that others drop files into: what is there, what is whole, where it is put aside."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import signal
import time
from pathlib import Path

from django.conf import settings
from django.core.cache import cache

PARTS = (".tmp", ".part", ".filepart", ".partial", ".crdownload")  # of uploads under way
REMEMBERED = 24 * 3600  # seconds that a look at a file is remembered


def inbox_folder(*parts: str) -> Path:
    """A folder of the inbox, made where it is missing."""
    folder = Path(settings.DATA_DIR, "inbox", *parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def files_in(folder: Path) -> list[Path]:
    """What may be taken, oldest first: files that are not hidden and not parts of an upload."""
    found = []
    for path in folder.iterdir():
        if path.name.startswith(".") or path.suffix.lower() in PARTS:
            continue
        try:
            if path.is_file() and not path.is_symlink():
                found.append((path.stat().st_mtime, path.name, path))
        except FileNotFoundError:
            continue  # taken away meanwhile
    return [path for _, _, path in sorted(found)]


def is_whole(path: Path) -> bool:
    """Whether a file has stopped growing: as it was TMS_INBOX_SECONDS ago, and open to no writer.

    What is renamed into the folder, or sent with an old time of change, has to wait as well: only
    what was seen here counts, not what the clock of another machine says.
    """
    try:
        stat = path.stat()
    except FileNotFoundError:
        return False
    key = f"tms:inbox:{hashlib.sha256(str(path).encode()).hexdigest()}"
    mark = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    seen = cache.get(key)
    now = time.time()
    if seen is None or seen[:3] != mark or seen[3] > now:
        cache.set(key, (*mark, now), REMEMBERED)
        return False
    return now - seen[3] >= settings.TMS_INBOX_SECONDS and not is_being_written(path)


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine has a file open for writing, as far as Linux tells us.

    The kernel grants a read lease only on a file that nobody writes; ours is given back at once.
    It tells of files of our own user (of any for root), on most file systems but not all.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        with path.open("rb") as stream:
            # Who opens it meanwhile makes the kernel send a signal: one that nobody minds.
            fcntl.fcntl(stream, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(stream, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def free_path(path: Path) -> Path:
    """A name that is not taken: `_2`, `_3` … before the extension."""
    number, free = 2, path
    while free.exists():
        free = path.with_name(f"{path.stem}_{number}{path.suffix}")
        number += 1
    return free


def write_whole(path: Path, data: bytes) -> None:
    """A small file that appears whole, in place of what was there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    draft.write_bytes(data)
    draft.replace(path)
