"""Delivery by SFTP: written under a temporary name, its size verified, then renamed.

The rename is SFTP's own, which refuses to replace a file; `posix-rename@openssh.com`, which would
replace one, is used only by servers that cannot do the former, and only while nothing has that
name (docs/decisions/0090-renaming-by-sftp.md).
"""

import contextlib
import errno
import hashlib
import io
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import paramiko

from exports.delivery.parcel import (
    DeliveryRefused,
    DestinationFault,
    Draft,
    Parcel,
    draft_name,
)
from exports.delivery.ssh import Server, logged_in
from exports.failpoints import point

CHUNK = 32768  # the largest write that every server takes
AHEAD = 64  # requests that may be open while a file is read back


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in at work in a folder."""

    client: paramiko.SFTPClient
    server: Server

    def path(self, name: str) -> str:
        return posixpath.join(self.server.folder, name)

    def size(self, name: str) -> int | None:
        """The size of a file; None when there is none of this name."""
        try:
            return self.client.stat(self.path(name)).st_size
        except FileNotFoundError:
            return None


def sftp_deliver(parcel: Parcel, server: Server, draft: Draft) -> None:
    """Put a file into a folder of an SFTP server. DeliveryRefused, DestinationFault, OSError.

    A file of that name with the same bytes is taken for ours, put there before we died; one with
    other bytes is never overwritten.
    """
    with _session(server) as session:
        point("sftp connected")
        for name in draft.stale:
            _remove(session, name)
        size = session.size(parcel.name)
        if size is None:
            _put(session, parcel, draft)
        else:
            _is_ours(session, parcel, size)
        point("sftp renamed")
        if parcel.trigger and session.size(parcel.trigger) is None:
            _trigger_put(session, parcel)
        point("sftp trigger renamed")


def sftp_try(server: Server) -> None:
    """Write, rename and remove a small file, as a delivery would. DestinationFault, OSError."""
    with _session(server) as session:
        one, two = (draft_name("tms-test") for _ in range(2))
        try:
            _write(session, io.BytesIO(b"A test of TMS; it may be removed.\n"), one)
            session.client.rename(session.path(one), session.path(two))
        finally:
            for name in (one, two):
                _remove(session, name)


@contextlib.contextmanager
def _session(server: Server) -> Iterator[Session]:
    """Logged in, in a folder that is there; what the server refuses is told in a sentence."""
    with logged_in(server) as transport:
        client = paramiko.SFTPClient.from_transport(transport)
        if client is None:
            raise DestinationFault(f"{server.place} has no SFTP")
        session = Session(client, server)
        try:
            if server.folder and session.size("") is None:
                raise DestinationFault(f"{server.place} has no folder {server.folder}")
            yield session
        except PermissionError as error:
            where = server.folder or "the folder of the log-in"
            words = f"{server.place} does not let {server.username} write into {where}"
            raise DestinationFault(words) from error
        except OSError as error:
            if not transport.is_active() or error.filename is not None:
                raise  # the connection's end, or this machine's disk
            words = f"{server.place} could not write the file: {_said(error)}"
            raise DestinationFault(words) from error


def _said(error: OSError) -> str:
    """The words of a server, with a guess where it says no more than that it failed."""
    words = str(error.strerror or error).strip() or "no reason given"
    if words.lower() == "failure":
        return "it says no more than “Failure”, as when its disk or quota is full"
    return words


def _is_ours(session: Session, parcel: Parcel, size: int) -> None:
    where = f"{session.server.place} {session.path(parcel.name)}"
    try:
        same = size == parcel.bytes and _remote_sha256(session, parcel.name, size) == parcel.sha256
    except PermissionError as error:
        raise DeliveryRefused(
            f"{where} is there already, and cannot be read to see whether it is ours"
        ) from error
    if not same:
        raise DeliveryRefused(f"{where} is there already, with other content")


def _remote_sha256(session: Session, name: str, size: int) -> str:
    digest = hashlib.sha256()
    with session.client.open(session.path(name), "rb") as remote:
        remote.prefetch(size, max_concurrent_requests=AHEAD)
        while data := remote.read(CHUNK):
            digest.update(data)
    return digest.hexdigest()


def _put(session: Session, parcel: Parcel, draft: Draft) -> None:
    try:
        with parcel.source.open("rb") as source:
            written, digest = _write(session, source, draft.name)
        if digest != parcel.sha256:
            raise DeliveryRefused(f"the kept bytes of {parcel.name} are damaged")
        stored = session.size(draft.name)
        if stored != written:
            raise DestinationFault(
                f"{session.server.place} stored {stored or 0:,} of {written:,} bytes of "
                f"{parcel.name}"
            )
        point("sftp draft written")
        draft.check()
        _publish(session, draft.name, parcel.name)
    except FileExistsError:
        _remove(session, draft.name)
        _is_ours(session, parcel, session.size(parcel.name) or 0)
    except BaseException:
        _remove(session, draft.name)
        raise
    # The receiver may have taken it away by now; what is there must be whole.
    if session.size(parcel.name) not in (parcel.bytes, None):
        raise DestinationFault(f"{session.server.place} shows {parcel.name} with another size")


def _write(session: Session, source: BinaryIO, name: str) -> tuple[int, str]:
    """Write a new file; its size and SHA-256. OSError.

    Chunks are sent without waiting for the answer to each. The last one waits for all answers:
    paramiko would let errors of the others pass in silence.
    """
    digest, size = hashlib.sha256(), 0
    with session.client.open(session.path(name), "wx") as out:
        out.set_pipelined(True)
        data = source.read(CHUNK)
        while data:
            following = source.read(CHUNK)
            out.set_pipelined(bool(following))
            out.write(data)
            digest.update(data)
            size += len(data)
            data = following
    return size, digest.hexdigest()


def _publish(session: Session, draft: str, name: str) -> None:
    """Give a draft its name. FileExistsError when something has it; OSError."""
    old, new = session.path(draft), session.path(name)
    try:
        session.client.rename(old, new)
    except OSError as error:
        if session.size(name) is not None:
            raise FileExistsError(errno.EEXIST, "is there already") from error
        try:
            session.client.posix_rename(old, new)
        except OSError:
            raise error from None


def _remove(session: Session, name: str) -> None:
    """Remove a temporary file, if it is there and the server lets us."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        session.client.remove(session.path(name))


def _trigger_put(session: Session, parcel: Parcel) -> None:
    """The trigger file; one that is there, or appears meanwhile, is left alone."""
    draft = draft_name(parcel.trigger)
    _write(session, io.BytesIO(parcel.trigger_line), draft)
    try:
        _publish(session, draft, parcel.trigger)
    except FileExistsError:
        _remove(session, draft)
