"""A file to be delivered by SFTP, ways to deliver it, and a partner who looks at the folder."""

import hashlib
import os
import threading
from dataclasses import replace
from pathlib import Path

from exports.delivery import Draft, Parcel, Server, sftp_deliver
from exports.delivery.parcel import draft_name
from tests.servers import HOST
from tests.sshd import Sshd

SIZE = 1_500_000


def parcel_make(folder: Path) -> Parcel:
    """A file of SIZE bytes, with a trigger file."""
    data = os.urandom(SIZE)
    source = folder / "source"
    source.write_bytes(data)
    return Parcel(source, "A_1.txt", SIZE, hashlib.sha256(data).hexdigest(), "A_1.txt.ok")


def server_of(sshd: Sshd, **changes) -> Server:
    """An account on a test's server."""
    plain = Server(
        host=HOST,
        port=sshd.port,
        username=sshd.user,
        host_key=sshd.host_key,
        private_key=sshd.client_key.read_text(),
        folder=str(sshd.home),
        timeout=5,
    )
    return replace(plain, **changes)


def deliver(parcel: Parcel, server: Server, *stale: str) -> None:
    sftp_deliver(parcel, server, Draft(draft_name(parcel.name), stale))


def shown(folder: Path) -> list[str]:
    """The files that a partner sees: not the hidden ones."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


class Looking(threading.Thread):
    """A partner who looks every 10 ms: each visible name's sizes, as they were seen."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder, self.ended = folder, threading.Event()
        self.seen: dict[str, set[int]] = {}

    def __enter__(self) -> "Looking":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._look()
        self.ended.set()
        self.join()

    def run(self) -> None:
        while not self.ended.wait(0.01):
            self._look()

    def _look(self) -> None:
        for name in shown(self.folder):
            self.seen.setdefault(name, set()).add((self.folder / name).stat().st_size)
