"""Kinds of CSV files (README 2.2): text quoted only where it must be, fields that may be empty."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from exports.formats.issues import refusal
from exports.formats.kinds import Kind

_MUST_QUOTE = re.compile(r'[",\r\n]')
_FIELD = re.compile(rb'"((?:[^"]|"")*)"(?=,|$)|([^",]*)(?=,|$)')


@dataclass(frozen=True, slots=True)
class CsvText(Kind):
    """Text in quotes when it holds comma, quote, CR or LF. `ascii`: printable ASCII only."""

    ascii: bool = True

    @property
    def phrase(self) -> str:
        return "text" if self.ascii else "text, UTF-8"

    def put(self, value: str, name: str, size: int) -> bytes:
        for char in value:
            if char < " " or char == "\x7f":
                raise refusal("FMT11", field=name, char=repr(char))
            if (self.ascii and char > "~") or "\ud800" <= char <= "\udfff":
                raise refusal("FMT05", field=name, char=f"{ord(char):04X}")
        if len(value) > size:
            raise refusal("FMT06", field=name, length=len(value), width=size)
        text = value
        if _MUST_QUOTE.search(value):
            text = '"' + value.replace('"', '""') + '"'
        return text.encode()

    def get(self, raw: bytes) -> str:
        return raw.decode()


@dataclass(frozen=True, slots=True)
class Maybe(Kind):
    """A kind whose value may be None, written as nothing."""

    kind: Kind

    @property
    def phrase(self) -> str:
        return f"{self.kind.phrase}, or empty"

    def put(self, value: Any, name: str, size: int) -> bytes:
        return b"" if value is None else self.kind.put(value, name, size)

    def get(self, raw: bytes) -> Any:
        return self.kind.get(raw) if raw else None


def csv_fields(line: bytes) -> list[bytes]:
    """The fields of a CSV line, quotes taken off; ValueError when quotes are out of place."""
    if b'"' not in line:
        return line.split(b",")
    fields, position = [], 0
    while True:
        match = _FIELD.match(line, position)
        if match is None:
            raise ValueError("quotes not closed, or text beside quotes")
        quoted = match[1]
        fields.append(match[2] if quoted is None else quoted.replace(b'""', b'"'))
        position = match.end()
        if position == len(line):
            return fields
        position += 1
