"""Bytes into records of cells: encodings, delimiters and quotes as spreadsheets write them."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

PIECE = 1 << 20  # bytes looked at together
LINE_LIMIT = 1 << 20  # characters of one line
MAX_ROWS, MAX_BYTES = 1_048_575, 256 << 20
DELIMITERS = (",", ";", "\t")
# Bytes that Windows-1252 does not have.
_NOT_WINDOWS = bytes((0x81, 0x8D, 0x8F, 0x90, 0x9D))
_UTF16 = "utf-16"
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: _UTF16, codecs.BOM_UTF16_BE: _UTF16}
_END = "\x1e\x1eend"  # a record of our own after the last: a quote left open swallows it

Record = tuple[int, list[str]]


class FileRefused(Exception):
    """A file that cannot be taken at all: the symbol of its message and the values in it."""

    def __init__(self, symbol: str, **values: Any) -> None:
        super().__init__(symbol)
        self.symbol, self.values = symbol, values


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be."""

    bytes: int = MAX_BYTES
    rows: int = MAX_ROWS


def encoding_find(stream: BinaryIO) -> str:
    """The encoding of a whole file: utf-8-sig, utf-16 or cp1252. FileRefused when it is no text.

    Reads the stream from its beginning to its end, and rewinds it.
    """
    stream.seek(0)
    start = stream.read(4)
    marked = next((name for bom, name in _BOMS.items() if start.startswith(bom)), "")
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(marked or "utf-8")()
    unicode, windows = True, True
    while piece := stream.read(PIECE):
        text = ""
        if marked != _UTF16 and b"\0" in piece:
            raise FileRefused("not_text")
        windows = windows and len(piece.translate(None, _NOT_WINDOWS)) == len(piece)
        unicode, text = _decoded(decoder, piece, False) if unicode else (False, "")
        if "\0" in text or not (unicode or (windows and not marked)):
            raise FileRefused("not_text")
    if unicode and not _decoded(decoder, b"", True)[0]:
        unicode = False
        if marked or not windows:
            raise FileRefused("not_text")
    stream.seek(0)
    return (marked or "utf-8-sig") if unicode else "cp1252"


def _decoded(decoder: codecs.IncrementalDecoder, data: bytes, final: bool) -> tuple[bool, str]:
    try:
        return True, decoder.decode(data, final)
    except UnicodeDecodeError:
        return False, ""


class TextTable:
    """A delimited text file: its delimiter, and its records with their numbers (the first is 1).

    FileRefused while reading: a quote that is not closed, too many records, a line too long.
    """

    def __init__(self, stream: BinaryIO, limits: Limits) -> None:
        self.encoding = encoding_find(stream)
        self.limits = limits
        self._stream = stream
        self._text = io.TextIOWrapper(stream, encoding=self.encoding, newline="")
        first = self._line()
        chosen = first.rstrip("\r\n").strip('"')
        if chosen[:4].lower() == "sep=" and chosen[4:] in DELIMITERS:
            self.delimiter, self._begun = chosen[4:], [""]
        else:
            self._begun = [first]
            while self._begun[-1] and "".join(self._begun).count('"') % 2:
                self._begun.append(self._line())
                if sum(map(len, self._begun)) > LINE_LIMIT:
                    break
            self.delimiter = delimiter_find("".join(self._begun))

    @property
    def comma_numbers(self) -> bool:
        """Whether a comma may be the decimal mark."""
        return self.delimiter != ","

    @property
    def position(self) -> int:
        """Bytes read so far, about."""
        return self._stream.tell()

    def __iter__(self) -> Iterator[Record]:
        self._fed = 0
        reader = csv.reader(self._lines(), delimiter=self.delimiter)
        number, fed = 0, 0
        while True:
            try:
                cells = next(reader)
            except csv.Error:
                # A cell of more than csv's limit; over many lines only a quote makes that.
                if self._fed - fed > 1:
                    raise FileRefused("quote", n=number + 1) from None
                raise FileRefused("too_large", n=self.limits.bytes) from None
            fed = self._fed
            if cells == [_END]:
                return
            number += 1
            if cells and cells[-1].endswith(_END + "\n"):
                raise FileRefused("quote", n=number)
            if number > self.limits.rows + 1:
                raise FileRefused("too_large", n=self.limits.rows)
            yield number, cells

    def close(self) -> None:
        """Let go of the text layer; the stream stays open."""
        self._text.detach()

    def _line(self) -> str:
        line = self._text.readline(LINE_LIMIT + 1)
        if len(line) > LINE_LIMIT:
            raise FileRefused("too_large", n=LINE_LIMIT)
        return line

    def _lines(self) -> Iterator[str]:
        for line in chain(self._begun, iter(self._line, "")):
            if line:
                self._fed += 1
                yield line if line[-1] in "\r\n" else line + "\n"
        yield _END + "\n"


def delimiter_find(line: str) -> str:
    """The delimiter that is most frequent outside quotes; at equal count the first of the three."""
    outside = "".join(line.split('"')[::2])
    return max(DELIMITERS, key=outside.count)
