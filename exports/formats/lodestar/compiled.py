"""The compiled writer: many rows of a sheet at a time, by ready-made tables instead of values.

A triplet is the words of its value and of its status; deleting their NULs leaves the text of all
slots, from which records are cut. Every text comes from the declared kinds (tables.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, PUBLIC, Channel, Ints, Masks, Status
from exports.formats.clocks import Clock
from exports.formats.fast import BLOCK, Texts, texts_of, value_texts
from exports.formats.lodestar.cuts import Span
from exports.formats.lodestar.dials import Dials
from exports.formats.lodestar.records import CODE, START, STATUS, VALUE, headers
from exports.formats.lodestar.run import DOUBT, MADE, MASKS, Run, Target, status_of
from exports.formats.lodestar.tables import (
    FIRST_RECORD,
    HEADER_1,
    HEADER_2,
    HEADER_3,
    HEADER_4,
    LINE_END,
    READING,
    VALUE_DECIMALS,
)
from exports.formats.text import product

CODE_SIZE = len(str(FIRST_RECORD))


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one sheet that share target, clock and cuts.

    Shapes: `counts`, `status` (k, n), status None when all zero; `ranks` (k,) place of the
    recorder in the frame; `recorders`, `dials` k long, dials None where there are no readings.
    `heads`: the header records of each cut, with `%s` for recorder, flag and readings.
    """

    channel: Channel
    target: Target
    spans: Sequence[Span]
    heads: Sequence[bytes]
    counts: npt.NDArray[np.integer]
    status: Masks | None
    ranks: Sequence[int]
    recorders: Sequence[bytes]
    dials: Sequence[Dials | None]


class Entry(NamedTuple):
    """Finished cuts of one channel, or of a whole recorder, with their place in the file."""

    rank: int
    number: int
    data: bytes
    records: int
    intervals: int
    missing: int


class Facts(NamedTuple):
    """Of each row's cuts, (k, s): bytes of their triplets; whether written, invalid; missing."""

    sizes: list[list[int]]
    written: list[list[bool]]
    invalid: list[list[bool]]
    missing: list[list[int]]


def head_of(
    channel: Channel, target: Target, zone: str, clock: Clock, span: Span, run: Run
) -> bytes:
    """A cut's header records as a template; LSE02."""
    one, two, three, four = headers(channel, target, zone, clock, span, run)
    lines = (
        HEADER_1.template(one, "invalid"),
        HEADER_2.template(two, "zone_name"),
        HEADER_3.put(three).replace(b"%", b"%%"),
        HEADER_4.put(four),
    )
    return b"".join([line + LINE_END for line in lines])


def compile_rows(rows: Rows, run: Run, unfit: set[int]) -> Iterator[Entry]:
    """The cuts of the rows, an entry a row.

    `unfit` receives the ranks of recorders that need the declared writer (which then names what
    is wrong); entries already made for them have to be dropped.
    """
    size = max(1, BLOCK // max(1, rows.counts.shape[1]))
    for first in range(0, len(rows.ranks), size):
        yield from _block(rows, slice(first, first + size), run, unfit)


def _block(rows: Rows, part: slice, run: Run, unfit: set[int]) -> Iterator[Entry]:
    counts, ranks = rows.counts[part], rows.ranks[part]
    status = None if rows.status is None else rows.status[part]
    missing = None
    if status is not None:
        missing = status & int(Status.MISSING) != 0
        spoilt = missing & (status & ABSENT == 0) & (status & MADE != 0)
        if run.refuses_doubt:
            spoilt |= ~missing & (status & DOUBT != 0)
        unfit.update(np.array(ranks)[spoilt.any(axis=1)].tolist())
        counts = np.where(missing, 0, counts)
    if not rows.target.may_be_negative and counts.min() < 0:
        unfit.update(np.array(ranks)[(counts < 0).any(axis=1)].tolist())
    try:
        values, index = value_texts(counts, missing, rows.target.scale, VALUE.put, run.gap)
    except ValueError:
        unfit.update(ranks)
        return
    data, sizes = _triplets(values, index, status, run)
    facts = _facts(rows, sizes, status, run)
    offset = 0
    for row, rank in enumerate(ranks):
        lengths = facts.sizes[row]
        if rank not in unfit:
            place = part.start + row
            yield _entry(rows, place, facts, row, _Text(data, sizes[row], offset), run)
        offset += sum(lengths)


class _Text(NamedTuple):
    """A row's triplets: where they begin in the data, and the bytes of each, (n,)."""

    data: bytes
    sizes: Ints
    offset: int


def _triplets(values: Texts, index: Ints, status: Masks | None, run: Run) -> tuple[bytes, Ints]:
    """All slots' triplets on end, and the bytes of each, (k, n)."""
    marks = _statuses(run.gap, run.ercot, run.characters)
    chosen = 0 if status is None else status & PUBLIC
    width = values.words.shape[1]
    out = np.empty((*index.shape, width + 1), np.uint64)
    for word in range(width):
        out[:, :, word] = values.words[:, word][index]
    out[:, :, width] = marks.words[:, 0][chosen]
    return out.tobytes().translate(None, b"\0"), values.sizes[index] + marks.sizes[chosen]


@lru_cache(maxsize=16)
def _statuses(gap: bytes, ercot: bool, characters: tuple[str, str, str]) -> Texts:
    """Status and start of every mask, with their commas."""
    status = partial(status_of, gap, ercot, characters)
    return texts_of([b",%s,%s" % (STATUS.put(status(mask)), START.put(None)) for mask in MASKS])


def _facts(rows: Rows, sizes: Ints, status: Masks | None, run: Run) -> Facts:
    firsts = [span.first for span in rows.spans]
    lengths = np.add.reduceat(sizes, firsts, axis=1)
    shape = lengths.shape
    if status is None:
        every, none = np.ones(shape, np.bool_), np.zeros(shape, np.bool_)
        nothing: Ints = np.zeros(shape, np.int64)
        return Facts(lengths.tolist(), every.tolist(), none.tolist(), nothing.tolist())
    gone = status & int(Status.MISSING) != 0
    doubt = ~gone & (status & DOUBT != 0)
    written = np.logical_or.reduceat(status & ABSENT == 0, firsts, axis=1) | run.makes_days
    invalid = np.logical_or.reduceat(doubt, firsts, axis=1) & run.flags_doubt
    missing = np.add.reduceat(gone.astype(np.int64), firsts, axis=1)
    return Facts(lengths.tolist(), written.tolist(), invalid.tolist(), missing.tolist())


def _entry(rows: Rows, place: int, facts: Facts, row: int, text: _Text, run: Run) -> Entry:
    """A row's cuts."""
    recorder, dials, offset = rows.recorders[place], rows.dials[place], text.offset
    room = run.ctx.options["record_limit"] - CODE_SIZE
    pieces: list[bytes] = []
    records = intervals = missing = 0
    cuts = (rows.spans, rows.heads, *(column[row] for column in facts))
    for span, head, size, written, invalid, gone in zip(*cuts, strict=True):
        end = offset + size
        if written:
            readings = (b"", b"")
            if dials is not None and not gone:
                readings = _readings(dials, rows, place, span, run)
            pieces.append(head % (recorder, b"Y" if invalid else b"N", *readings))
            if size <= room:
                pieces += (_FIRST, text.data[offset:end], LINE_END)
                records += 5
            else:
                bodies = _bodies(text, span, offset, room)
                for number, body in enumerate(bodies, FIRST_RECORD):
                    pieces += (CODE.put(number), body, LINE_END)
                records += 4 + len(bodies)
            intervals += span.size
            missing += gone
        offset = end
    data = b"".join(pieces)
    return Entry(rows.ranks[place], rows.target.number, data, records, intervals, missing)


_FIRST = CODE.put(FIRST_RECORD)


def _readings(dials: Dials, rows: Rows, place: int, span: Span, run: Run) -> tuple[bytes, bytes]:
    def total() -> Decimal:
        counts = rows.counts[place, span.first : span.last].tolist()
        return product(Decimal(sum(counts)), rows.target.scale)

    start, stop = dials.readings(rows.channel, rows.target, span, total, run)
    return READING.put(start, "start_reading", 0), READING.put(stop, "stop_reading", 0)


def _bodies(text: _Text, span: Span, offset: int, room: int) -> list[bytes]:
    """The triplets of a cut by record, none of them over `room` bytes."""
    ends = np.cumsum(text.sizes[span.first : span.last])
    bodies, begun, last = [], 0, int(ends[-1])
    while begun < last:
        end = int(ends[np.searchsorted(ends, begun + room, side="right") - 1])
        bodies.append(text.data[offset + begun : offset + end])
        begun = end
    return bodies


def exact(target: Target) -> bool:
    """Values are written without rounding, so that their counts tell their sum."""
    return -int(target.scale.normalize().as_tuple().exponent) <= VALUE_DECIMALS
