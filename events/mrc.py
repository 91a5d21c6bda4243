"""A route's MRC file: append-only, whole lines, locked, flushed, rotated. Pure; knows no database.

Whoever appends stores the lines first. Here it is settled what of them the file has already: the
sequence of its last whole line tells (formats/mrc.md 1).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from events.failpoints import passing
from exports.formats import mrc
from exports.formats.base import FormatError
from exports.sinks import folder_sync

NAME_MAX = 200
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Locked(Exception):
    """Somebody else has the file locked; it may be tried again at once (MRC01 after a while)."""


def file_name(route: str) -> str:
    """The name of a route's file: what is not a letter, digit, dot, dash becomes `_`."""
    name = f"MRC_{re.sub(r'[^A-Za-z0-9._-]', '_', route)}.dat"
    if ".." in name or len(name) > NAME_MAX:
        raise FormatError("FMT16", f"file name refused: {name}", format="mrc")
    return name


class RouteFile:
    """One route's file. All that is done to it is done inside `locked`."""

    def __init__(self, path: Path, line_end: str) -> None:
        self.path = path
        self.end = mrc.LINE_ENDS[line_end]
        self.width = mrc.LENGTH + len(self.end)

    @contextmanager
    def locked(self) -> Iterator[OpenFile]:
        """The file, made where it is absent, under an exclusive lock.

        Locked: somebody has it. FormatError MRC03: it cannot be opened.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise _unwritable(error) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    raise Locked from None
                raise _unwritable(error) from error
            if not _is_at(handle, self.path):  # moved away between the two
                raise Locked
            yield OpenFile(self, handle)
        finally:
            os.close(handle)

    def exists(self) -> bool:
        """Whether there is anything to rotate."""
        try:
            return self.path.stat().st_size > 0
        except FileNotFoundError:
            return False

    def rotate(self, stamp: datetime) -> Path:
        """Move the file to `name.YYYYMMDDhhmmss`, a second later for each one that is taken."""
        while True:
            target = self.path.with_name(f"{self.path.name}.{stamp:%Y%m%d%H%M%S}")
            if not target.exists():
                break
            stamp += timedelta(seconds=1)
        passing("rotate")
        try:
            os.rename(self.path, target)
            folder_sync(self.path.parent)
        except OSError as error:
            raise _unwritable(error) from error
        passing("rotated")
        return target


class OpenFile:
    """The file while it is locked."""

    def __init__(self, route_file: RouteFile, handle: int) -> None:
        self.file = route_file
        self.handle = handle
        self.size = os.fstat(handle).st_size

    def settle(self, given: int) -> int:
        """Cut a torn last line; the sequence of the last whole one, 0 in an empty file.

        `given` is the highest sequence that was ever given. FormatError MRC04: the file is not
        ours; nothing is cut then.
        """
        width = self.file.width
        whole = self.size - self.size % width
        if not whole:
            start = os.pread(self.handle, 5, 0)
            if not b"MRC01".startswith(start):
                raise _foreign(self.file.path, "its beginning is no MRC record")
            last = 0
        else:
            line = os.pread(self.handle, width, whole - width)
            found = mrc.sequence_of(line) if line.endswith(self.file.end) else None
            if found is None:
                raise _foreign(self.file.path, "its last whole line is no MRC record")
            if found > given:
                raise _foreign(
                    self.file.path, f"it has sequence {found}, the last given is {given}"
                )
            last = found
        if whole != self.size:
            passing("cut")
            self._cut(whole)
            passing("cut done")
        return last

    def room(self, limit: int) -> int:
        """How many lines still go in below a size of `limit` bytes."""
        return max((limit - self.size) // self.file.width, 0)

    def append(self, lines: Sequence[bytes]) -> bool:
        """Write whole lines at once and flush them. False: the file was moved away meanwhile.

        FormatError MRC03: nothing of them is left in the file.
        """
        data = b"".join(line + self.file.end for line in lines)
        if not _is_at(self.handle, self.file.path):
            return False
        passing("write")
        try:
            done = 0
            while done < len(data):
                done += os.write(self.handle, data[done:])
            # Moved before our bytes were in it, the mover may have read it without them.
            there = _is_at(self.handle, self.file.path)
            passing("written")
            os.fsync(self.handle)
        except OSError as error:
            self._cut(self.size)
            raise _unwritable(error) from error
        if self.size == 0:
            folder_sync(self.file.path.parent)
        self.size += len(data)
        passing("flushed")
        return there

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self.handle, size)
            os.fsync(self.handle)
        except OSError as error:
            raise _unwritable(error) from error


def _is_at(handle: int, path: Path) -> bool:
    """Whether the open file is still the one that the path names."""
    mine = os.fstat(handle)
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


def _unwritable(error: OSError) -> FormatError:
    what = "disk full" if error.errno in FULL else "not writable"
    return FormatError("MRC03", f"{what}: {error.strerror or error}", format="mrc")


def _foreign(path: Path, why: str) -> FormatError:
    return FormatError("MRC04", f"{path.name} is not this route's file: {why}", format="mrc")
