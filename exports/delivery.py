"""How a file gets to its destination: under a temporary name, whole and on disk, then by rename."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from exports import sinks
from exports.failpoints import point

CHUNK = 1 << 20


class DeliveryRefused(Exception):
    """The destination cannot take the file; trying again as it is would not help."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to be delivered: where its bytes are, what it is called, what they must be."""

    source: Path
    name: str
    bytes: int
    sha256: str


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes. OSError."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def directory_deliver(parcel: Parcel, folder: Path, *, ok_file: bool) -> None:
    """Put a file into a directory. DeliveryRefused, OSError.

    A file of that name with the same bytes is taken for ours, put there before we died; one with
    other bytes is never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / parcel.name
    if target.exists():
        _is_ours(parcel, target)
    else:
        _copy(parcel, target)
    point("delivery renamed")
    if ok_file:
        _ok_put(parcel, target.with_name(f"{parcel.name}.ok"))
    point("trigger file renamed")


def _is_ours(parcel: Parcel, target: Path) -> None:
    if target.stat().st_size != parcel.bytes or sha256_of(target) != parcel.sha256:
        raise DeliveryRefused(f"{target} is there already, with other content")


def _copy(parcel: Parcel, target: Path) -> None:
    draft = target.with_name(f"{parcel.name}.tmp")
    digest = hashlib.sha256()
    try:
        with parcel.source.open("rb") as source, draft.open("wb") as out:
            while data := source.read(CHUNK):
                digest.update(data)
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != parcel.sha256:
            raise DeliveryRefused(f"the kept bytes of {parcel.name} are damaged")
        draft.chmod(0o644)
        point("delivery copied")
        sinks.publish(draft, target)
    except FileExistsError:
        draft.unlink(missing_ok=True)
        _is_ours(parcel, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _ok_put(parcel: Parcel, target: Path) -> None:
    """The trigger file: one line, size and hash."""
    if target.exists():
        return
    with sinks.draft(target.parent, target.name) as (draft, writer):
        writer.write(f"{parcel.bytes} {parcel.sha256}\n".encode())
    sinks.publish(draft, target, overwrite=True)
