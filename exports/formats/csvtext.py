"""Cells of comma-separated files and lines made of them (README 2.2)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exports.formats.issues import refusal
from exports.formats.kinds import Kind, all_match

_BARE = re.compile(r"[ !#-+\--~]*")  # printable ASCII without comma and quote
_BARE_LINES = re.compile(r"[ !#-+\--~\n]*")
_FIELD = re.compile(rb'(?:"((?:[^"]|"")*)"|([^",]*))(?=,|$)')
GUARDED = ("=", "+", "-", "@")
_PLAIN = re.compile(r"-?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Cell(Kind):
    """Text, in quotes when it holds a comma or a quote; ASCII unless `unicode`.

    Control characters are refused (FMT11): our readers take a line for a line.
    """

    unicode: bool = False

    @property
    def phrase(self) -> str:
        return "text, UTF-8" if self.unicode else "text"

    def put(self, value: str, name: str, size: int) -> bytes:
        if len(value) > size:
            raise refusal("FMT06", field=name, length=len(value), width=size)
        if _BARE.fullmatch(value):
            return value.encode("ascii")
        for char in value:
            if char < " " or "\x7f" <= char < "\xa0":
                raise refusal("FMT11", field=name, char=repr(char))
            if (char > "~" and not self.unicode) or "\ud800" <= char <= "\udfff":
                raise refusal("FMT05", field=name, char=f"{ord(char):04X}")
        return quoted(value).encode()

    def stands(self, values: Sequence[str], size: int) -> bool:
        return all_match(_BARE_LINES, values, size)

    def get(self, raw: bytes) -> str:
        return raw.decode("utf-8" if self.unicode else "ascii")


@dataclass(frozen=True, slots=True)
class Maybe(Kind):
    """What `kind` puts, or an empty cell for None."""

    kind: Kind

    @property
    def phrase(self) -> str:
        return f"{self.kind.phrase}, or empty"

    def put(self, value: Any, name: str, size: int) -> bytes:
        return b"" if value is None else self.kind.put(value, name, size)

    def get(self, raw: bytes) -> Any:
        return self.kind.get(raw) if raw else None


def quoted(text: str) -> str:
    """The cell of a text: quotes only where a comma or a quote asks for them."""
    if "," in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def guarded(text: str) -> str:
    """A spreadsheet would take this for a formula: a `'` in front, unless it is a plain number."""
    return f"'{text}" if text.startswith(GUARDED) and not _PLAIN.fullmatch(text) else text


def unguarded(text: str) -> str:
    """`guarded` taken back, once."""
    return text[1:] if text.startswith("'") and text[1:].startswith(GUARDED) else text


def csv_split(line: bytes) -> list[bytes]:
    """The cells of a line. ValueError: quotes not closed, or text beside quotes."""
    if b'"' not in line:
        return line.split(b",")
    cells, position = [], 0
    while True:
        match = _FIELD.match(line, position)
        if match is None:
            raise ValueError("quotes not closed, or text beside quotes")
        inner = match[1]
        cells.append(match[2] if inner is None else inner.replace(b'""', b'"'))
        position = match.end()
        if position == len(line):
            return cells
        position += 1
