"""Bodies are taken in whole or not at all, and never beyond the limit."""

import gzip
import hashlib
import io
import zlib

import pytest
from django.http import UnreadablePostError
from django.test import RequestFactory
from hypothesis import given, strategies as st

from devices.api.bodies import CHUNK, BadGzip, BodyFault, body_read

MEGA = 1024 * 1024


class Stream(io.BytesIO):
    """A stream that remembers how much was read from it."""

    taken = 0

    def read(self, size=-1):
        chunk = super().read(size)
        self.taken += len(chunk)
        return chunk


def request_of(body: bytes, **headers):
    """A request with a body; `CONTENT_LENGTH=None` sends it chunked."""
    length = headers.pop("CONTENT_LENGTH", len(body))
    request = RequestFactory().generic("POST", "/", b"", **headers)
    stream = Stream(body)
    request.META["wsgi.input"] = request._stream = stream
    if length is None:
        request.META["HTTP_TRANSFER_ENCODING"] = "chunked"
        request.META["wsgi.input_terminated"] = True
    else:
        request.META["CONTENT_LENGTH"] = str(length)
    return request, stream


def take(body: bytes, limit: int = MEGA, **headers) -> bytes:
    request, _ = request_of(body, **headers)
    taken, digest = body_read(request, limit)
    assert digest == hashlib.sha256(taken).digest()
    return taken


def refused(body: bytes, limit: int = MEGA, **headers) -> int:
    with pytest.raises(BodyFault) as fault:
        take(body, limit, **headers)
    return fault.value.status


@given(st.binary(max_size=2000), st.integers(1, 5))
def test_a_body_comes_out_as_it_went_in_however_it_is_sent(body, cuts):
    step = len(body) // cuts + 1
    members = b"".join(gzip.compress(body[n : n + step]) for n in range(0, max(1, len(body)), step))
    assert take(body) == body
    assert take(body, CONTENT_LENGTH=None) == body
    assert take(members, HTTP_CONTENT_ENCODING="gzip") == body
    assert take(members, HTTP_CONTENT_ENCODING="X-GZip", CONTENT_LENGTH=None) == body


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_a_body_of_several_chunks_is_whole(size):
    body = bytes(n % 251 for n in range(size))
    assert take(body) == body
    assert take(gzip.compress(body), HTTP_CONTENT_ENCODING="gzip") == body
    assert take(bytes(size), size) == bytes(size)
    assert take(gzip.compress(bytes(size)), size, HTTP_CONTENT_ENCODING="gzip") == bytes(size)


def test_one_byte_over_the_limit_is_413():
    assert take(b"x" * 100, 100)
    assert refused(b"x" * 101, 100) == 413
    assert refused(b"x" * 101, 100, CONTENT_LENGTH=None) == 413
    packed = gzip.compress(b"x" * 101)
    assert refused(packed, 100, HTTP_CONTENT_ENCODING="gzip") == 413


def test_a_length_over_the_limit_is_refused_without_keeping_the_body():
    request, stream = request_of(b"x" * 5000, CONTENT_LENGTH=10**12)
    with pytest.raises(BodyFault):
        body_read(request, 1000)
    assert stream.taken <= 2000  # thrown away as it comes, and no more than that


def test_a_gzip_bomb_is_unpacked_no_further_than_the_limit(monkeypatch):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(MEGA)) for _ in range(300)) + packer.flush()
    unpacked = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *args):
            self.real = real(*args)

        def __getattr__(self, name):
            return getattr(self.real, name)

        def decompress(self, *args):
            plain = self.real.decompress(*args)
            unpacked.append(len(plain))
            return plain

    monkeypatch.setattr("devices.api.bodies.zlib.decompressobj", Counting)
    assert refused(bomb, MEGA, HTTP_CONTENT_ENCODING="gzip") == 413
    assert sum(unpacked) <= MEGA + CHUNK


@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[:-9],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:5],
        lambda packed: b"",
        lambda packed: packed + b"garbage",
        lambda packed: b"\0" + packed,
        lambda packed: packed[:-8] + bytes(8),
        lambda packed: b"plain text",
    ],
)
def test_a_damaged_gzip_body_is_bad(spoil):
    packed = gzip.compress(b"some text that is long enough to be cut in two" * 20)
    with pytest.raises(BadGzip):
        take(spoil(packed), HTTP_CONTENT_ENCODING="gzip")


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "é"])
def test_another_coding_is_415(coding):
    assert refused(b"{}", HTTP_CONTENT_ENCODING=coding) == 415


def test_a_body_that_ends_early_is_400():
    assert refused(b"half", CONTENT_LENGTH=8) == 400
    assert refused(b"", CONTENT_LENGTH=8) == 400


@pytest.mark.parametrize(("length", "status"), [(10, 400), (None, 400), (1000, 413)])
def test_a_body_that_cannot_be_read_is_refused(length, status):
    request, stream = request_of(b"x" * 10, CONTENT_LENGTH=length)

    def read(size=-1):
        raise UnreadablePostError("gone")

    stream.read = read
    with pytest.raises(BodyFault) as fault:
        body_read(request, 100)
    assert fault.value.status == status


def test_chunks_that_the_server_does_not_end_need_a_length():
    request, _ = request_of(b"{}", CONTENT_LENGTH=None)
    del request.META["wsgi.input_terminated"]
    with pytest.raises(BodyFault) as fault:
        body_read(request, 100)
    assert fault.value.status == 411


@pytest.mark.parametrize("length", ["", "x", "-5", "１"])
def test_a_length_that_is_none_is_an_empty_body(length):
    assert take(b"", CONTENT_LENGTH=length) == b""
