"""Delivery into a directory of this machine, or one that is mounted on it."""

import contextlib
import hashlib
import os
from pathlib import Path

from exports import sinks
from exports.delivery.parcel import CHUNK, DeliveryRefused, Draft, Parcel, draft_name, sha256_of
from exports.failpoints import point


def directory_deliver(parcel: Parcel, folder: Path, draft: Draft) -> None:
    """Put a file into a directory. DeliveryRefused, OSError.

    A file of that name with the same bytes is taken for ours, put there before we died; one with
    other bytes is never overwritten.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in draft.stale:
        (folder / name).unlink(missing_ok=True)
    target = folder / parcel.name
    if target.exists():
        _is_ours(parcel, target)
    else:
        _copy(parcel, target, draft)
    point("delivery renamed")
    if parcel.trigger:
        _trigger_put(parcel, folder / parcel.trigger)
    point("trigger file renamed")


def directory_try(folder: Path) -> None:
    """Write, rename and remove a small file, as a delivery would. OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    one, two = (folder / draft_name("tms-test") for _ in range(2))
    try:
        one.write_bytes(b"A test of TMS; it may be removed.\n")
        one.rename(two)
    finally:
        for path in (one, two):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _is_ours(parcel: Parcel, target: Path) -> None:
    if target.stat().st_size != parcel.bytes or sha256_of(target) != parcel.sha256:
        raise DeliveryRefused(f"{target} is there already, with other content")


def _copy(parcel: Parcel, target: Path, attempt: Draft) -> None:
    draft = target.with_name(attempt.name)
    digest = hashlib.sha256()
    try:
        with parcel.source.open("rb") as source, draft.open("xb") as out:
            while data := source.read(CHUNK):
                digest.update(data)
                out.write(data)
            out.flush()
            os.fsync(out.fileno())
        if digest.hexdigest() != parcel.sha256:
            raise DeliveryRefused(f"the kept bytes of {parcel.name} are damaged")
        draft.chmod(0o644)
        point("delivery copied")
        attempt.check()
        sinks.publish(draft, target)
    except FileExistsError:
        draft.unlink(missing_ok=True)
        _is_ours(parcel, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _trigger_put(parcel: Parcel, target: Path) -> None:
    """The trigger file: one line, size and hash."""
    if target.exists():
        return
    with sinks.draft(target.parent, target.name) as (draft, writer):
        writer.write(parcel.trigger_line)
    sinks.publish(draft, target, overwrite=True)
