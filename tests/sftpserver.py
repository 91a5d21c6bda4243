"""An SFTP server for the tests that answers as they please: one account, with a password."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from exports.delivery import Server
from tests.servers import HOST


class Files(asyncssh.SFTPServer):
    """A folder as root, and what may go wrong in it. `fault(name, offset)` raises at a write."""

    fault: Callable[[int], None] = staticmethod(lambda offset: None)
    renames = "all"

    def write(self, file_obj, offset, data):
        type(self).fault(offset)
        return super().write(file_obj, offset, data)

    def rename(self, oldpath, newpath):
        if self.renames == "posix":
            raise asyncssh.SFTPOpUnsupported("no")
        if self.renames == "none":
            raise asyncssh.SFTPFailure("no")
        return super().rename(oldpath, newpath)

    def posix_rename(self, oldpath, newpath):
        if self.renames == "none":
            raise asyncssh.SFTPFailure("no")
        return super().posix_rename(oldpath, newpath)

    def open(self, path, pflags, attrs):
        if self.renames == "unreadable" and not pflags & asyncssh.FXF_WRITE:
            raise asyncssh.SFTPPermissionDenied("write only")
        return super().open(path, pflags, attrs)


class Account(asyncssh.SSHServer):
    """One user, with a password. `lines`: who is connected."""

    lines: set[asyncssh.SSHServerConnection] = set()

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.lines.add(conn)

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("partner", "pa ss:wörd")


@contextmanager
def answering(folder: Path, **behaviour) -> Iterator[Server]:
    """A server in a thread of its own; the account on it."""
    kind = type("Behaving", (Files,), behaviour)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    key = asyncssh.generate_private_key("ssh-ed25519")

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.create_server(
            *(Account, HOST, 0),
            server_host_keys=[key],
            sftp_factory=lambda channel: kind(channel, chroot=str(folder)),
        )

    acceptor = asyncio.run_coroutine_threadsafe(listen(), loop).result(20)
    host_key = key.export_public_key().decode().strip()
    try:
        yield Server(
            *(HOST, acceptor.get_port(), "partner", " ".join(host_key.split()[:2])),
            password="pa ss:wörd",
            timeout=5,
        )
    finally:

        async def end() -> None:
            acceptor.close()
            await acceptor.wait_closed()
            while Account.lines:
                line = Account.lines.pop()
                line.abort()
                await line.wait_closed()
            for _ in range(2):  # the transports' own last steps
                await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
