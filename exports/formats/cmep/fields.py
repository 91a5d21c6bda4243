"""Kinds of fields that only CMEP has, and its quoting (section 1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from exports.formats.issues import FormatError
from exports.formats.kinds import Kind, Number, Text

# Needs no quotes: printable, no comma, no quote, no outer blank.
_BARE = re.compile(r"(?:[!#-+\--~](?:[ !#-+\--~]*[!#-+\--~])?)?")
_TEXT = Text(forbidden='"')


@dataclass(frozen=True, slots=True)
class Identifier(Kind):
    """Text in quotes when it holds a comma or outer blanks; no quote, CR or LF inside (FMT11).

    CME03 when it is longer than the protocol's 255 characters, quotes included.
    """

    @property
    def phrase(self) -> str:
        return "text"

    def put(self, value: str, name: str, size: int) -> bytes:
        bare = bool(_BARE.fullmatch(value))
        width = size if bare else size - 2
        if len(value) > width:
            text = f"{name}: {len(value)} characters, at most {width} without the delimiter"
            raise FormatError("CME03", text)
        data = value.encode("ascii") if bare else _TEXT.put(value, name, width)
        return data if bare else b'"%s"' % data

    def get(self, raw: bytes) -> str:
        return raw.decode("ascii")


@dataclass(frozen=True, slots=True)
class Constant(Number):
    """A number that is never rounded; the sensus feeds' one is `1.0`, a Decimal("1.0")."""

    def put(self, value: Decimal, name: str, size: int) -> bytes:
        if value == 1:
            return b"1.0" if value.as_tuple().exponent == -1 else b"1"
        return Number.put(self, value, name, size)


def split_fields(line: bytes) -> list[bytes]:
    """The fields of a line: blanks outside quotes stripped, `""` inside is one quote.

    ValueError when quotes are not closed or stand in the middle of a field.
    """
    if b'"' not in line:
        return [field.strip(b" ") for field in line.split(b",")]
    fields, position = [], 0
    while True:
        match = _FIELD.match(line, position)
        if match is None:
            raise ValueError("quotes not closed, or text beside quotes")
        quoted = match[1]
        fields.append(match[2].strip(b" ") if quoted is None else quoted.replace(b'""', b'"'))
        position = match.end()
        if position == len(line):
            return fields
        position += 1


_FIELD = re.compile(rb' *(?:"((?:[^"]|"")*)" *|([^",]*))(?=,|$)')
