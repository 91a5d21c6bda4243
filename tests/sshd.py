"""A real OpenSSH server for the tests, which can be stopped, and a line to it that can be bad."""

from __future__ import annotations

import contextlib
import os
import pwd
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.servers import HOST, START_SECONDS, Unavailable, free_port

PROGRAMS = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd")
CONFIG = """
Port {port}
ListenAddress {host}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
MaxStartups 100
LogLevel ERROR
Subsystem sftp internal-sftp {options}
"""


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new key pair, in place of what was there."""
    path.unlink(missing_ok=True)
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


def program() -> str:
    found = next(filter(os.path.exists, PROGRAMS), None) or shutil.which("sshd")
    if found is None:
        raise Unavailable("OpenSSH's server is not installed")
    return found


class Sshd:
    """An SFTP server with one account: the user that the tests run as, by `client_key`.

    `options` are those of internal-sftp (`-R`: nothing may be written). `file_limit`: bytes that a
    file may have, for a disk that is full.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.user = pwd.getpwuid(os.getuid()).pw_name
        self.options, self.file_limit = "", 0
        self._process: subprocess.Popen | None = None
        keygen(folder / "host_key")
        self.client_key = keygen(folder / "client_key")
        (folder / "authorized").write_text((folder / "client_key.pub").read_text())
        self.home = folder / "in"
        self.home.mkdir()

    @property
    def host_key(self) -> str:
        """Its key as it shows it: type and base64."""
        return " ".join((self.folder / "host_key.pub").read_text().split()[:2])

    def start(self) -> None:
        """Start it; it answers when this returns."""
        if not os.getuid():
            Path("/run/sshd").mkdir(parents=True, exist_ok=True)  # where it gives up privileges
        config = self.folder / "sshd_config"
        options = {"port": self.port, "host": HOST, "folder": self.folder, "options": self.options}
        config.write_text(CONFIG.format(**options))
        log = self.folder / "log"
        self._process = subprocess.Popen(
            [program(), "-D", "-f", str(config), "-E", str(log)],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=self._limit if self.file_limit else None,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"sshd did not start: {log.read_text()}")
            time.sleep(0.02)

    def _limit(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that it gets an error, as from a disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.file_limit, self.file_limit))

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 2) as line:
            return line.recv(3) == b"SSH"
        return False

    def stop(self) -> None:
        """End it with all its sessions."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 15)
            self._process.wait(START_SECONDS)
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


@contextlib.contextmanager
def sshd_running(folder: Path) -> Iterator[Sshd]:
    """A server that has started, with a folder of its own."""
    server = Sshd(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Line:
    """A TCP line to a port: slow, cut after so many bytes sent, or silent after them.

    `rate` in bytes a second; `cut_after`, `silent_after` in bytes from the client.
    """

    def __init__(self, port: int) -> None:
        self.target, self.rate = port, 0
        self.cut_after = self.silent_after = 0
        self.cuts = 0
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self.target))
                self._open += [near, far]
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, sending: bool) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(8192):
                passed += len(data)
                if sending and self.cut_after and passed > self.cut_after:
                    self.cuts += 1
                    break
                if sending and self.silent_after and passed > self.silent_after:
                    self._ended.wait()
                    break
                if sending and self.rate:
                    self._ended.wait(len(data) / self.rate)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._ended.set()
        self._listener.close()
        for end in self._open:
            end.close()


@contextlib.contextmanager
def line_to(port: int) -> Iterator[Line]:
    line = Line(port)
    try:
        yield line
    finally:
        line.close()
