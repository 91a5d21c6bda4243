"""What is delivered, under which names, and the two ways in which it may fail."""

import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 20
_MACRO = re.compile(r"\{(name|stem)\}")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9._-]")


class DeliveryRefused(Exception):
    """This file cannot be delivered here; trying again as it is would not help."""


class DestinationFault(Exception):
    """The destination takes nothing as things are; what waits for it is tried again later."""


class HostKeyFault(DestinationFault):
    """A server shows another host key than the accepted one, or none was accepted yet.

    `offered`: its key as a line of a known-hosts file has it, type and base64.
    """

    def __init__(self, message: str, offered: str) -> None:
        super().__init__(message)
        self.offered = offered


@dataclass(frozen=True, slots=True)
class Parcel:
    """A file to be delivered: where its bytes are, what it is called, what they must be.

    `trigger`: the name of the file that tells the receiver of it; empty: none.
    """

    source: Path
    name: str
    bytes: int
    sha256: str
    trigger: str = ""

    @property
    def trigger_line(self) -> bytes:
        """What a trigger file says: size and hash."""
        return f"{self.bytes} {self.sha256}\n".encode()


def draft_name(name: str) -> str:
    """A temporary name beside a name: hidden, and of one attempt only.

    An attempt that was taken for dead and wakes up again writes to a file of its own, never to one
    that another attempt is about to give its name.
    """
    return f".{name}.{secrets.token_hex(4)}.tmp"


@dataclass(frozen=True, slots=True)
class Draft:
    """The temporary name of an attempt, and those that earlier attempts may have left behind.

    `check` is called before the file gets its name: it raises when the attempt is void.
    """

    name: str
    stale: tuple[str, ...] = ()
    check: Callable[[], None] = lambda: None


def sha256_of(path: Path) -> str:
    """The hash of a file's bytes. OSError."""
    with path.open("rb") as raw:
        return hashlib.file_digest(raw, "sha256").hexdigest()


def trigger_name(name: str, pattern: str) -> str:
    """The trigger file of a file, by a pattern with {name} and {stem}; an empty one is {name}.ok.

    ValueError when the pattern makes no file name, or that of the file itself.
    """
    stem = name.rpartition(".")[0] or name
    found = _MACRO.sub(lambda m: name if m[1] == "name" else stem, pattern or "{name}.ok")
    if _FORBIDDEN.search(found) or not found.strip("._") or ".." in found:
        raise ValueError(f"“{pattern}”: use A-Z a-z 0-9 . _ -, {{name}} and {{stem}} only")
    if found == name:
        raise ValueError(f"“{pattern}” is the name of the file itself")
    return found
