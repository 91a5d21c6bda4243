"""Text as it stands in files: plain numbers, delimited fields, lines of a stream with limits."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Context, Decimal, Inexact
from typing import Any, BinaryIO, NamedTuple

from exports.formats.issues import ReadReport, refusal

# Wide enough that count × resolution × multiplier is exact; an inexact product raises.
WIDE = Context(prec=120, rounding=ROUND_HALF_EVEN, Emin=-999, Emax=999, traps=[Inexact])
ROUNDING = Context(prec=120, rounding=ROUND_HALF_EVEN, Emin=-999, Emax=999)
LARGEST = 100  # integer digits beyond which nothing is rendered

FILE_LIMIT = 2 << 30
LINE_LIMIT = 1 << 20
CHUNK = 1 << 20


def plain(value: Decimal, decimals: int) -> str:
    """`value` rounded once, half-even: no exponent, no `+`, no `-0`, no trailing zeros.

    FMT10 if it is not finite, FMT07 if it has more than a hundred digits (README 2.11).
    """
    if not value.is_finite():
        raise refusal("FMT10")
    if value and value.adjusted() > LARGEST:
        raise refusal("FMT07", field="value", value=value, width=LARGEST)
    rounded = value.quantize(Decimal(1).scaleb(-decimals), context=ROUNDING)
    text = f"{rounded:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def product(*factors: Decimal) -> Decimal:
    """The exact product; decimal.Inexact beyond 120 digits."""
    result = Decimal(1)
    for factor in factors:
        result = WIDE.multiply(result, factor)
    return result


def whole(value: Decimal, scale: int) -> int | None:
    """How many of 10**-scale the value is; None if not a whole number below 2**62."""
    shifted = value.scaleb(scale, context=WIDE)
    count = int(shifted)
    return count if count == shifted and abs(count) < 1 << 62 else None


class TextLine(NamedTuple):
    """A line without its end; `number` counts from 1, `offset` is its first byte.

    `plain`: what a format has made of it already, see its reader.
    """

    number: int
    offset: int
    text: bytes
    plain: Any = None


class TextBlock(NamedTuple):
    """Whole lines with their ends; `number` and `offset` are those of the first."""

    number: int
    offset: int
    lines: list[bytes]


def text_lines(stream: BinaryIO, report: ReadReport) -> Iterator[TextLine]:
    """The lines of a text file, see `text_blocks`."""
    for block in text_blocks(stream, report):
        number, offset, lines = block
        for line in lines:
            yield TextLine(number, offset, line.rstrip(b"\r\n"))
            number, offset = number + 1, offset + len(line)


def text_blocks(stream: BinaryIO, report: ReadReport) -> Iterator[TextBlock]:
    """The lines of a text file (README 2.18): CR LF, LF or CR; last end optional; BOM warned.

    A file or line over its limit is an error that ends the reading.
    """
    number = 1
    for offset, data, fault in text_pieces(stream, report):
        if fault:
            report.error("RD02", fault, record=number, offset=offset)
            return
        lines = data.splitlines(keepends=True)
        yield TextBlock(number, offset, lines)
        number += len(lines)


class TextPiece(NamedTuple):
    """Whole lines with their ends as they stand; `fault`: the reading ends here."""

    offset: int
    data: bytes
    fault: str = ""


def text_pieces(stream: BinaryIO, report: ReadReport) -> Iterator[TextPiece]:
    """A text file in pieces of whole lines, see `text_blocks`."""
    offset, rest, first = 0, b"", True
    while True:
        chunk = stream.read(CHUNK)
        if first and chunk.startswith(b"\xef\xbb\xbf"):
            report.warn("RD01", "byte-order mark", record=1, offset=0)
            chunk, offset = chunk[3:], 3
        first = False
        data = rest + chunk
        cut = len(data)
        if chunk:
            # A CR at the end may be half of a CR LF: it waits for the next chunk.
            whole = cut - data.endswith(b"\r")
            cut = max(data.rfind(b"\n", 0, whole), data.rfind(b"\r", 0, whole)) + 1
        rest = data[cut:]
        if cut:
            yield TextPiece(offset, data[:cut])
            offset += cut
        if len(rest) > LINE_LIMIT or offset > FILE_LIMIT:
            over = "line over 1 MiB" if len(rest) > LINE_LIMIT else "file over 2 GiB"
            yield TextPiece(offset, b"", over)
            return
        if not chunk:
            return
