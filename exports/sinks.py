"""Where an export's bytes go: a file that appears whole under its name, or not at all."""

import contextlib
import hashlib
import io
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Protocol

CHUNK = 1 << 20
NAMES = 10_000  # names like one that are tried
SYNCED = 32 << 20  # bytes after which a draft goes to disk, so that little is left for its end
QUEUED = 1  # chunks that may wait, each as large as the largest write


class Sink(Protocol):
    """What a format writes to."""

    bytes: int

    def write(self, data: bytes) -> int: ...


class HashingWriter:
    """Counts, hashes and writes on a thread of its own, so that making text need not wait.

    After `close`, `bytes` and `sha256` tell what was written. An error of the thread is raised
    by the next `write` or by `close`.
    """

    def __init__(self, raw: BinaryIO, *, synced: bool = False) -> None:
        """`synced`: what is written goes to disk by and by, while the next text is made."""
        self.bytes = 0
        self._raw = raw
        self._synced = synced
        self._hash = hashlib.sha256()
        self._pending: list[bytes] = []
        self._size = 0
        self._queue: queue.Queue[bytes | None] = queue.Queue(QUEUED)
        self._error: BaseException | None = None
        self._written, self._ended = 0, False
        self._more = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="export-writer", daemon=True)
        self._thread.start()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes) -> int:
        if self._error is not None:
            raise self._error
        self._pending.append(data)
        self._size += len(data)
        if self._size >= CHUNK:
            self._hand_over()
        return len(data)

    def flush(self) -> None:
        """Nothing to do: `close` writes everything."""

    def close(self) -> None:
        """Wait until everything is written."""
        if not self._thread.is_alive() and self._error is None:
            return
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def wait_for(self, size: int) -> None:
        """Wait until so many bytes can be read again, or nothing more is written."""
        with self._more:
            self._more.wait_for(lambda: self._ended or self._written >= size)

    def _hand_over(self) -> None:
        data = b"".join(self._pending)
        self._pending, self._size = [], 0
        self.bytes += len(data)
        self._queue.put(data)

    def _run(self) -> None:
        try:
            self._write_all()
        finally:
            self._tell(0, ended=True)

    def _tell(self, size: int, *, ended: bool = False) -> None:
        with self._more:
            self._written, self._ended = self._written + size, ended
            self._more.notify_all()

    def _write_all(self) -> None:
        dirty = 0
        while (data := self._queue.get()) is not None:
            if self._error is not None:
                continue  # drain, so that nobody waits for a full queue
            try:
                self._hash.update(data)
                self._raw.write(data)
                self._raw.flush()
                self._tell(len(data))
                dirty += len(data)
                if self._synced and dirty >= SYNCED:
                    os.fdatasync(self._raw.fileno())
                    dirty = 0
            except BaseException as error:
                self._error = error


class Following(io.RawIOBase):
    """A file while it is written, from its beginning: what is not there yet is waited for."""

    def __init__(self, path: Path, writer: HashingWriter) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._writer = writer

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any) -> int | None:
        self._writer.wait_for(self._file.tell() + 1)
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


@contextlib.contextmanager
def draft(folder: Path, name: str) -> Iterator[tuple[Path, HashingWriter]]:
    """A draft file `.name.<pid>.tmp` in its target folder: on disk when the block ends, removed
    on error. `publish` gives it its name."""
    path = folder / f".{name}.{os.getpid()}.tmp"
    with path.open("wb") as raw:
        writer = HashingWriter(raw, synced=True)
        try:
            yield path, writer
            writer.close()
            raw.flush()
            os.fsync(raw.fileno())
        except BaseException:
            with contextlib.suppress(BaseException):
                writer.close()
            path.unlink(missing_ok=True)
            raise


def publish(draft_path: Path, target: Path, *, overwrite: bool = False) -> None:
    """Give a draft its name, in one step. FileExistsError unless `overwrite`."""
    if overwrite:
        draft_path.replace(target)
    else:
        os.link(draft_path, target)
        draft_path.unlink()
    folder_sync(target.parent)


def folder_sync(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def names_like(name: str) -> Iterator[str]:
    """The name, then with `_2`, `_3`, … before the extension."""
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    yield name
    for n in range(2, NAMES):
        yield f"{stem}_{n}{dot}{extension}"


def free_name(folder: Path, name: str) -> str:
    """The first name like this that is not in use."""
    return next(free for free in names_like(name) if not (folder / free).exists())
