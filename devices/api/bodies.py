"""Taking in a posted body: plain or gzip, whole or not at all, never more than the limit.

Nothing here trusts a length that the client gives: what is read and what is unpacked is counted.
"""

import hashlib
import zlib
from collections.abc import Iterator
from typing import Protocol

from django.http import HttpRequest, UnreadablePostError

CHUNK = 256 * 1024
GZIP = 16 + zlib.MAX_WBITS
CODINGS = {"": False, "identity": False, "gzip": True, "x-gzip": True}


class BodyFault(Exception):
    """A body that is not taken. `status` is the HTTP status of the refusal."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class BadGzip(Exception):
    """A gzip body that is cut off or damaged."""


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def body_read(request: HttpRequest, limit: int) -> tuple[bytes, bytes]:
    """The unpacked body and its SHA-256. BodyFault, BadGzip when it cannot be taken."""
    coding = request.headers.get("Content-Encoding", "").strip().lower()
    if coding not in CODINGS:
        raise BodyFault(415, f"Content-Encoding {coding} is not supported; send plain or gzip.")
    source, length = _source(request)
    if length is not None and length > limit:
        _discard(source, length, limit)
        raise _too_large(limit)
    chunks = _chunks(source, length, limit)
    body = b"".join(_unpacked(chunks, limit) if CODINGS[coding] else chunks)
    return body, hashlib.sha256(body).digest()


def _source(request: HttpRequest) -> tuple[Readable, int | None]:
    """Where the body is read from, and its length where it is told beforehand."""
    if "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        # Django reads no further than Content-Length, and nothing when it is absent or no number.
        length = request.headers.get("Content-Length", "")
        return request, int(length) if length.isascii() and length.isdigit() else 0
    # Django takes a body without a length to be empty; the server knows where it ends.
    if not request.META.get("wsgi.input_terminated"):
        raise BodyFault(411, "This server needs a Content-Length.")
    return request.META["wsgi.input"], None


def _chunks(source: Readable, length: int | None, limit: int) -> Iterator[bytes]:
    """The body as sent; BodyFault when it ends early or goes beyond the limit."""
    taken = 0
    while length is None or taken < length:
        try:
            chunk = source.read(CHUNK)
        except (UnreadablePostError, OSError) as error:
            raise BodyFault(400, "The body could not be read to its end.") from error
        if not chunk:
            break
        taken += len(chunk)
        if taken > limit:
            _discard(source, limit, limit)
            raise _too_large(limit)
        yield chunk
    if length is not None and taken < length:
        raise BodyFault(400, f"The body ended after {taken} of {length} bytes.")


def _unpacked(chunks: Iterator[bytes], limit: int) -> Iterator[bytes]:
    """Gzip members unpacked one after the other, at most `limit` bytes of them."""
    member = zlib.decompressobj(GZIP)
    total = 0
    for packed in chunks:
        held = False  # whether the member has more to give than it was asked for
        while packed or held:
            if member.eof:
                member = zlib.decompressobj(GZIP)
            try:
                plain = member.decompress(packed, CHUNK)
            except zlib.error as error:
                raise BadGzip(f"The gzip body is damaged: {error}.") from error
            total += len(plain)
            if total > limit:
                for _ in chunks:  # bounded by the limit; many clients read no answer before
                    pass
                raise _too_large(limit)
            yield plain
            packed = member.unused_data if member.eof else member.unconsumed_tail
            held = not member.eof and len(plain) == CHUNK
    if not member.eof:
        raise BadGzip("The gzip body is cut off.")


def _too_large(limit: int) -> BodyFault:
    return BodyFault(413, f"The body is larger than {limit} bytes, unpacked.")


def _discard(source: Readable, length: int, limit: int) -> None:
    """Read away what is still coming, within reason: many clients read no answer before."""
    left = min(length, 2 * limit)
    try:
        while left > 0 and (chunk := source.read(min(CHUNK, left))):
            left -= len(chunk)
    except (UnreadablePostError, OSError):
        pass
