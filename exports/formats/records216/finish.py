"""The end of a file: one standard offset for all its meters, the trailer, and a second look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from exports.formats.context import Tally, WriteContext
from exports.formats.kinds import MINUTE
from exports.formats.records216.book import Book
from exports.formats.records216.layouts import (
    FIRST_INTERVALS,
    INTERVALS,
    LAST_INTERVALS,
    LENGTH,
    TRAILER,
    TRAILER_CODE,
)

KEY = INTERVALS.field("device")
CHUNK = 1 << 16  # records looked at at once


def offset_of(book: Book, tally: Tally) -> int:
    """The standard offset of the file's meters; a refusal where they differ."""
    found = sorted(int(name.split()[1]) for name in tally.totals if name.startswith("offset "))
    if len(found) > 1:
        raise book.offsets_refusal(found).at(format=book.format)
    return found[0]


def empty_check(book: Book, tally: Tally) -> None:
    """A file that holds nothing because its meters have nothing is a refusal, unless allowed."""
    stops = book.ctx.on_error == "stop"
    if stops and tally.left_out and tally.left_out[0].code == book.empty:
        device = tally.left_out[0].device
        error = book.refusal("empty", why="without any interval in the period")
        raise error.at(format=book.format, meter=book.name(device))


def clash_check(book: Book, tally: Tally) -> None:
    """Two identifiers of the file that became the same when they were shortened."""
    for name in tally.totals:
        if name.startswith("cut ") and tally.total(f"has {name[4:]}") > 1:
            raise book.refusal("clash", what=name[4:]).at(format=book.format)


def trailer_write(out: BinaryIO, ctx: WriteContext, offset: int, tally: Tally) -> None:
    """The last record; `offset`: of the standard time that it is stamped in."""
    tally.records += 1
    created = int(ctx.created.timestamp()) // MINUTE * MINUTE + offset
    out.write(TRAILER.put({"records": tally.records, "created": created}))


def records_verify(stream: BinaryIO, first: int, heads: tuple[int, ...]) -> list[str]:
    """What is wrong with a finished file. `first`: the code that it begins with; `heads`: codes
    of records whose key is not that of the record before."""
    wrong: list[str] = []
    total, before, key = 0, 0, b""
    last = b""
    for data in _chunks(stream):
        if len(data) % LENGTH:
            return [*wrong, f"{total * LENGTH + len(data)} bytes are no multiple of {LENGTH}"]
        table = np.frombuffer(data, np.uint8).reshape(-1, LENGTH)
        words = np.ascontiguousarray(table[:, :4]).view("<u2").astype(np.int64)
        codes = words[:, 1]
        if (words[:, 0] != LENGTH).any():
            wrong.append("a length word is not 216")
        if not total and codes[0] != first:
            wrong.append(f"the first record has code {codes[0]}, not {first}")
        past = np.concatenate(([before], codes[:-1]))
        intervals = (codes >= FIRST_INTERVALS) & (codes <= LAST_INTERVALS)
        if (intervals & (codes != FIRST_INTERVALS) & (codes != past + 1)).any():
            wrong.append("interval codes are out of sequence")
        keys = np.ascontiguousarray(table[:, KEY.start : KEY.start + KEY.size])
        names = keys.view(f"V{KEY.size}")[:, 0]
        other = names[1:] != names[:-1]
        begins = bool(key) and names[0].tobytes() != key
        if (np.concatenate(([begins], other)) & ~np.isin(codes, (*heads, TRAILER_CODE))).any():
            wrong.append("a record has another key than the one before")
        total += len(table)
        before, key, last = int(codes[-1]), names[-1].tobytes(), data[-LENGTH:]
    if before != TRAILER_CODE:
        return [*wrong, "the last record is no trailer"]
    stated = TRAILER.get(last)["records"]
    if stated != total:
        wrong.append(f"the trailer counts {stated} records, there are {total}")
    return wrong


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    while data := stream.read(CHUNK * LENGTH):
        yield data
