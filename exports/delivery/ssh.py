"""A connection to an SSH server: whose key is known, that does not wait for ever.

Something must pass over the line within the server's time-out; a watching thread closes the
connection when nothing does, whatever the library is waiting for.
"""

import base64
import hashlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import paramiko
from paramiko.ssh_exception import IncompatiblePeer, SSHException

from exports.delivery.parcel import DestinationFault, HostKeyFault

KEYS = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)
RSA = ("rsa-sha2-512", "rsa-sha2-256")  # what an ssh-rsa key signs with
NO_KEY = (
    "the host key of {place} has not been accepted yet: compare its fingerprint with the one that "
    "the partner gave, then accept it"
)
OTHER_KEY = (
    "{place} shows another host key than the accepted one: {offered} instead of {known}. Nothing "
    "was sent. Ask the partner whether they changed it before you accept the new one"
)


@dataclass(frozen=True, slots=True)
class Server:
    """An SFTP account. `host_key` as in a known-hosts file: type, blank, base64; empty: none yet.

    With a `private_key` that is used, else the password; they are kept out of the repr.
    """

    host: str
    port: int
    username: str
    host_key: str = ""
    password: str = field(default="", repr=False)
    private_key: str = field(default="", repr=False)
    passphrase: str = field(default="", repr=False)
    folder: str = ""
    timeout: float = 30.0

    @property
    def place(self) -> str:
        return f"{self.host}:{self.port}"


def fingerprint(host_key: str) -> str:
    """The SHA-256 fingerprint of a key as OpenSSH shows it. `host_key` as in Server."""
    try:
        data = base64.b64decode(host_key.split()[1], validate=True)
    except (IndexError, ValueError):  # not one that was stored here
        return "cannot be read"
    return "SHA256:" + base64.b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


def private_key_check(text: str, passphrase: str) -> paramiko.PKey:
    """A private key in OpenSSH's or PEM form. ValueError says what is wrong, without the key."""
    for kind in KEYS:
        try:
            return kind.from_private_key(io.StringIO(text), password=passphrase or None)
        except paramiko.PasswordRequiredException as error:
            raise ValueError("The key has a passphrase; write it below.") from error
        except (SSHException, ValueError, IndexError, TypeError, UnicodeError):
            continue
    if passphrase:
        raise ValueError("This is no private key, or the passphrase does not open it.")
    raise ValueError(
        "This is no private key of kind Ed25519, ECDSA or RSA; paste the whole file, with its "
        "first and last line."
    )


class Line(socket.socket):
    """A connection that is ended when nothing has passed over it for so many seconds.

    What the operating system takes to send counts: it takes no more than the other side takes from
    it. `silent` says that it was ended so. `raw` is used up.
    """

    def __init__(self, raw: socket.socket, seconds: float) -> None:
        super().__init__(raw.family, raw.type, raw.proto, fileno=raw.detach())
        self.silent = False
        self._seconds, self._last = seconds, time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="sftp-line", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.close()

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = super().recv(size, flags)
        self._last = time.monotonic()
        return data

    def send(self, data: bytes, flags: int = 0) -> int:
        count = super().send(data, flags)
        self._last = time.monotonic()
        return count

    def _watch(self) -> None:
        while not self._ended.wait(max(0.01, self._last + self._seconds - time.monotonic())):
            if time.monotonic() - self._last >= self._seconds:
                self.silent = True
                with suppress(OSError):
                    self.shutdown(socket.SHUT_RDWR)
                return


def host_key_of(server: Server) -> str:
    """The key that a server shows, as in Server; nobody logs in. DestinationFault."""
    with _transport(server) as (transport, line):
        with _told(server, line):
            transport.start_client(timeout=2 * server.timeout)
        return _key_line(transport.get_remote_server_key())


@contextmanager
def logged_in(server: Server) -> Iterator[paramiko.Transport]:
    """A connection to the server with the accepted key. HostKeyFault, DestinationFault."""
    if not server.host_key:
        raise HostKeyFault(NO_KEY.format(place=server.place), host_key_of(server))
    with _transport(server) as (transport, line):
        kind = server.host_key.split()[0]
        with _told(server, line):
            options = transport.get_security_options()
            options.key_types = RSA if kind == "ssh-rsa" else (kind,)
            try:
                transport.start_client(timeout=2 * server.timeout)
                offered = _key_line(transport.get_remote_server_key())
            except IncompatiblePeer:  # the server has no key of that kind any more
                offered = host_key_of(server)
        if offered != server.host_key:
            words = OTHER_KEY.format(
                place=server.place,
                offered=fingerprint(offered),
                known=fingerprint(server.host_key),
            )
            raise HostKeyFault(words, offered)
        with _told(server, line):
            _log_in(transport, server, line)
            yield transport


def _log_in(transport: paramiko.Transport, server: Server, line: Line) -> None:
    try:
        if server.private_key:
            left = transport.auth_publickey(server.username, _key_of(server))
        else:
            left = transport.auth_password(server.username, server.password)
    except paramiko.AuthenticationException as error:
        if not transport.is_active():
            raise SSHException("during the log-in") from error
        what = "private key" if server.private_key else "password"
        raise DestinationFault(
            f"{server.place} refuses the log-in of {server.username} by {what}"
        ) from error
    if left:
        raise DestinationFault(f"{server.place} asks for more than one proof: {', '.join(left)}")


def _key_of(server: Server) -> paramiko.PKey:
    try:
        return private_key_check(server.private_key, server.passphrase)
    except ValueError as error:
        raise DestinationFault(f"the stored private key cannot be used: {error}") from error


@contextmanager
def _transport(server: Server) -> Iterator[tuple[paramiko.Transport, Line]]:
    """A TCP connection to the server, not yet greeted. DestinationFault."""
    try:
        raw = socket.create_connection((server.host, server.port), timeout=server.timeout)
    except (socket.gaierror, UnicodeError) as error:
        raise DestinationFault(f"there is no host {server.host}") from error
    except TimeoutError as error:
        raise DestinationFault(f"{server.place} does not answer") from error
    except OSError as error:
        raise DestinationFault(f"{server.place} cannot be reached: {error.strerror}") from error
    with Line(raw, server.timeout) as line:
        transport = paramiko.Transport(line)
        # The library's own limits come behind ours, which says what it means.
        later = 2 * server.timeout
        transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = later
        try:
            yield transport, line
        finally:
            transport.close()


@contextmanager
def _told(server: Server, line: Line) -> Iterator[None]:
    """What the library raises when a connection ends, as a sentence. DestinationFault."""
    try:
        yield
    except (SSHException, EOFError, OSError) as error:
        # The library's own have no number; one with a number is of this machine's disk.
        ours = isinstance(error, OSError) and error.errno is not None
        if ours and not isinstance(error, TimeoutError | ConnectionError) and not line.silent:
            raise
        if line.silent:
            words = f"{server.place} did not go on for {server.timeout:g} seconds"
        else:
            words = f"the connection to {server.place} broke off"
            words += f": {error}" if str(error) else ""
        raise DestinationFault(words) from error


def _key_line(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"
