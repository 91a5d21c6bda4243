"""The bytes of a document on their way in: unpacked, counted, looked at before they are parsed."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from lxml import etree

from exports.formats.sxml.tables import SXR_ERRORS
from exports.formats.text import CHUNK, FILE_LIMIT

GZIP = b"\x1f\x8b"
PIECE = 1 << 16
_ENCODING = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
BOM = b"\xef\xbb\xbf"


class Refused(Exception):
    """The file is not read on: code, message, line and column."""

    def __init__(self, code: str, line: int = 1, column: int = 1, **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.line = line
        self.column = column
        self.message = SXR_ERRORS[code].format(**words)


@dataclass(slots=True)
class Source:
    """A stream as pieces; remembers where each began, so that a line can be found again."""

    stream: BinaryIO
    packed: bool = False
    total: int = 0
    _begun: list[tuple[int, int]] = field(default_factory=list)  # lines and bytes before a piece
    _lines: int = 0

    def pieces(self) -> Iterator[bytes]:
        """The document's bytes; Refused when it is too large or cannot be unpacked."""
        first = self.stream.read(PIECE)
        self.packed = first.startswith(GZIP)
        for piece in self._unpacked(first) if self.packed else self._plain(first):
            self._begun.append((self._lines, self.total))
            self._lines += piece.count(b"\n")
            self.total += len(piece)
            if self.total > FILE_LIMIT:
                raise Refused("SXR08", self._lines + 1, why="it is over 2 GiB")
            yield piece

    def _plain(self, first: bytes) -> Iterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = self.stream.read(PIECE)

    def _unpacked(self, first: bytes) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            for packed in self._plain(first):
                data = packed
                while data:
                    if piece := unpacker.decompress(data, CHUNK):
                        yield piece
                    data = unpacker.unconsumed_tail
        except zlib.error as error:
            raise Refused("SXR08", self._lines + 1, why=str(error)) from error
        if not unpacker.eof:
            raise Refused("SXR08", self._lines + 1, why="it is cut short")

    def find(self, line: int, name: str) -> tuple[int, int]:
        """Byte offset and column of an element on a line; (0, 1) where they cannot be had."""
        if self.packed or not self.stream.seekable():
            return 0, 1
        begun = [place for place in self._begun if place[0] < line]
        lines, offset = begun[-1] if begun else (0, 0)
        here = self.stream.tell()
        self.stream.seek(offset)
        for _ in range(line - 1 - lines):
            offset += len(self.stream.readline(CHUNK))
        text = self.stream.readline(CHUNK)
        self.stream.seek(here)
        at = max(0, text.find(b"<" + name.encode()))
        return offset + at, at + 1


class _Root(Exception):
    """The root element begins."""


class _Prolog:
    """What may stand before the root."""

    root = ""

    def start(self, tag: str, attributes: Any, namespaces: Any = None) -> None:
        self.root = tag
        raise _Root

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise Refused("SXR03")

    def close(self) -> None:
        """Nothing was built."""


def prolog_check(pieces: Iterator[bytes], lenient: bool) -> tuple[list[bytes], str]:
    """Read up to the root: the pieces taken, and the root's name. Refused for a document type,
    before anything in it is looked at, and for an encoding that is not read."""
    prolog: Any = _Prolog()
    parser = etree.XMLParser(
        target=prolog, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    taken: list[bytes] = []
    for piece in pieces:
        if not taken:
            _check_encoding(piece, lenient)
        taken.append(piece)
        try:
            parser.feed(piece)
        except _Root:
            return taken, prolog.root
        except etree.XMLSyntaxError as error:
            raise not_well_formed(error) from error
    raise Refused("SXR01", why="there is no root element")


def not_well_formed(error: etree.XMLSyntaxError, log: Any = ()) -> Refused:
    """What the parser says first, with its line and column; `log` is its log."""
    for entry in log:
        return Refused("SXR01", entry.line, entry.column, why=entry.message)
    line, column = error.position
    return Refused("SXR01", line or 1, column or 1, why=error.msg or "")


def _check_encoding(head: bytes, lenient: bool) -> None:
    if head[:2] in _UTF16:
        if not lenient:
            raise Refused("SXR07", name="UTF-16")
        return
    match = _ENCODING.search(head[:256])
    name = match[1].decode() if match else "UTF-8"
    if name.upper() not in ("UTF-8", "UTF8"):
        raise Refused("SXR07", name=name)
