"""Where a list goes on: the key of the last row, packed so that nobody builds it by hand."""

import base64
import binascii
from typing import Any

import msgspec

from devices.api.errors import query_fault

ALPHABET = b"-_"
LAST_INSTANT = 2**33  # the year 2242


def cursor_pack(*key: int | str) -> str:
    """A cursor for the rows after `key`."""
    return base64.b64encode(msgspec.json.encode(key), ALPHABET).rstrip(b"=").decode()


def cursor_unpack(cursor: str, kind: Any) -> Any:
    """The key in a cursor, a tuple of type `kind`; ValidationError when it is not one of ours."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        packed = base64.b64decode(padded.encode("ascii"), ALPHABET, validate=True)
        key = msgspec.json.decode(packed, type=kind)
    except (UnicodeError, binascii.Error, msgspec.DecodeError):
        raise _fault() from None
    if any("\0" in part for part in key if isinstance(part, str)):
        raise _fault()  # PostgreSQL refuses to look for it
    return key


def cursor_after(cursor: str, kind: Any) -> Any:
    """The same of a key that begins with an instant, epoch seconds."""
    key = cursor_unpack(cursor, kind)
    if not 0 < key[0] < LAST_INSTANT:
        raise _fault()
    return key


def _fault() -> Exception:
    return query_fault("cursor", "CURSOR", "This is no cursor of this list.")
