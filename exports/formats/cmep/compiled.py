"""The compiled writer: many rows of a sheet at a time, by ready-made tables instead of values.

A record is a row of bytes: its head, then for each triplet its time, its flag and its value, each
filled up with NUL; deleting the NULs leaves the line (lines.py). Every text comes from
the declared kinds (tables.py), rendered once: a time per grid, a flag per mask, a value per count.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, PUBLIC, Ints, Masks, Status
from exports.formats.cmep.grid import Grid
from exports.formats.cmep.plan import Target
from exports.formats.cmep.records import LINE_END
from exports.formats.cmep.run import Run, flag_text
from exports.formats.cmep.tables import MAX_LINE, MEPMD01
from exports.formats.fast import BLOCK, Flags, Texts, texts_of, value_texts
from exports.formats.lines import Layer, Shared, bytes_of, heads_of, lines_join

Cells = npt.NDArray[Any]
TIME, FLAG, VALUE = MEPMD01.group

SPOILT = int(Status.ESTIMATED | Status.EDITED)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one sheet that share target and grid.

    Shapes: `counts`, `status` (k, n), status None when all zero; `ranks` (k,) place of the meter
    in the frame; `heads` texts (k,) of fields 1 to 12, with the comma after them.
    """

    target: Target
    grid: Grid
    seconds: int
    ends: Ints
    counts: npt.NDArray[np.integer]
    status: Masks | None
    ranks: Ints
    heads: Texts


class Batch(NamedTuple):
    """Finished lines, joined. Shapes (r,): meter's rank, first end, triplets, missing ones, bytes
    of the line."""

    unit: str
    ranks: Ints
    firsts: Ints
    triplets: Ints
    missing: Ints
    sizes: Ints
    data: bytes | bytearray
    register: bool = False


class Spans(NamedTuple):
    """Where records lie in a block: row, first slot, number of slots, (r,)."""

    row: Ints
    start: Ints
    size: Ints


def compile_rows(
    rows: Rows, run: Run, unfit: set[int], negative: dict[int, int]
) -> Iterator[Batch]:
    """The lines of the rows, block by block.

    `unfit` receives the ranks of meters that need the declared writer (which then names what is
    wrong); lines already made for them have to be dropped. `negative` counts negative values by
    rank.
    """
    size = max(1, BLOCK // max(1, len(rows.ends)))
    for part in _parts(rows):
        for first in range(0, len(part.ranks), size):
            yield from _block(_slice(part, slice(first, first + size)), run, unfit, negative)


def _parts(rows: Rows) -> Iterator[Rows]:
    """Rows without any status apart from the others: their triplets need no flag word."""
    if rows.status is None:
        yield rows
        return
    flagged: Flags = (rows.status != 0).any(axis=1)
    if not flagged.all():
        yield replace(_slice(rows, ~flagged), status=None)
    if flagged.any():
        yield _slice(rows, flagged)


def _slice(rows: Rows, which: slice | Flags) -> Rows:
    status = None if rows.status is None else rows.status[which]
    heads = Texts(rows.heads.words[which], rows.heads.sizes[which], rows.heads.longest)
    fixed = (rows.target, rows.grid, rows.seconds, rows.ends)
    return Rows(*fixed, rows.counts[which], status, rows.ranks[which], heads)


def _block(rows: Rows, run: Run, unfit: set[int], negative: dict[int, int]) -> Iterator[Batch]:
    """One block's records, grouped by their number of triplets."""
    counts, missing, wanted = rows.counts, None, None
    if rows.status is not None:
        never = rows.status & ABSENT != 0
        missing = rows.status & int(Status.MISSING) != 0
        spoilt: Flags = np.any(missing & ~never & (rows.status & SPOILT != 0), axis=1)
        unfit.update(rows.ranks[spoilt].tolist())
        wanted = _wanted(never, missing, run) & ~spoilt[:, None]
        wanted = None if wanted.all() else wanted
        counts = np.where(missing, 0, counts)
    _note_negative(rows, counts, negative)
    spans = _spans(wanted, rows.grid.fresh, len(rows.ranks), run.ctx.options["max_triplets"])
    if not len(spans.row):
        return
    try:
        texts, index = value_texts(counts, missing, rows.target.scale, VALUE.put, run.missing_value)
    except ValueError:
        unfit.update(rows.ranks.tolist())
        return
    for size in np.unique(spans.size).tolist():
        chosen = spans.size == size
        picked = Spans(*(column[chosen] for column in spans))
        batch = _lines(rows, picked, texts, index, run)
        if batch is None:
            unfit.update(rows.ranks.tolist())
            return
        yield batch


def _wanted(never: Flags, missing: Flags, run: Run) -> Flags:
    """The slots that are written, (k, n); nothing of a row without any arrived slot."""
    if run.ctx.options["missing"] == "split":
        return ~missing
    if not run.ctx.gaps_are_missing:
        return ~never
    arrived: Flags = np.any(~never, axis=1)
    return np.broadcast_to(arrived[:, None], never.shape)


def _note_negative(rows: Rows, counts: npt.NDArray[np.integer], negative: dict[int, int]) -> None:
    if rows.target.may_be_negative or not counts.size or counts.min() >= 0:
        return
    below = (counts < 0).sum(axis=1)
    for row in np.flatnonzero(below).tolist():
        rank = int(rows.ranks[row])
        negative[rank] = negative.get(rank, 0) + int(below[row])


def _spans(wanted: Flags | None, fresh: Flags, rows: int, most: int) -> Spans:
    """Records: unbroken stretches of wanted slots, cut after `most` slots; row by row."""
    slots = len(fresh)
    if wanted is None:  # one row like the other
        row, start, size = _spans(np.ones((1, slots), np.bool_), fresh, 1, most)
        row = np.repeat(np.arange(rows), len(start))
        return Spans(row, np.tile(start, rows), np.tile(size, rows))
    follows = np.zeros_like(wanted)
    follows[:, 1:] = wanted[:, :-1]
    begin = wanted & (fresh | ~follows)
    before: Ints = np.cumsum(wanted.ravel()) - wanted.ravel()
    flat = np.flatnonzero(begin)
    length: Ints = np.diff(before[flat], append=int(wanted.sum()))
    pieces = -(-length // most)
    owner = np.repeat(np.arange(len(flat)), pieces)
    skipped = (np.arange(len(owner)) - (np.cumsum(pieces) - pieces)[owner]) * most
    row, start = np.divmod(flat, slots)
    count = np.minimum(length[owner] - skipped, most)
    return Spans(row[owner], start[owner] + skipped, count)


def _lines(rows: Rows, spans: Spans, texts: Texts, index: Ints, run: Run) -> Batch | None:
    """The lines of records of one size; None if one could be over 2048 bytes."""
    count, slots, clean = int(spans.size[0]), len(rows.ends), rows.status is None
    times = _times(rows.ends.tobytes(), flag_text(0, run.sensus, False) if clean else "")
    # Where every slot is in a record of this size, the rows need only another shape.
    flat = None
    if len(spans.row) * count != index.size:
        flat = (spans.row * slots + spans.start)[:, None] + np.arange(count)
    layers = [Layer(texts, _picked(index, flat, count))]
    missing = np.zeros(len(spans.row), np.int64)
    if rows.status is not None:
        status = _picked(rows.status, flat, count)
        layers.insert(0, Layer(_flags(run.sensus), status & PUBLIC))
        missing = np.count_nonzero(status & int(Status.MISSING), axis=1)
    starts, kinds = np.unique(spans.start, return_inverse=True)
    chosen = starts[:, None] + np.arange(count)
    fixed = texts_of([text + b",%d" % count for text in _intervals(rows, chosen)])
    shared = Shared(bytes_of(fixed), times, chosen, run.crc + LINE_END, kinds)
    sizes = rows.heads.sizes[spans.row] + fixed.sizes[kinds] + len(shared.ending)
    sizes += count * times.longest
    for layer in layers:
        sizes += layer.sizes()
    if sizes.max() > MAX_LINE:
        return None
    heads = heads_of(rows.heads).take(spans.row, axis=0)
    data = lines_join(heads, shared, layers, int(sizes.sum()))
    firsts, ranks = rows.ends[spans.start], rows.ranks[spans.row]
    return Batch(rows.target.unit, ranks, firsts, spans.size, missing, sizes, data)


def _picked(slots: Cells, flat: Ints | None, count: int) -> Cells:
    """Slots of a block, (k, n), as those of its records, (r, count)."""
    return slots.reshape(-1, count) if flat is None else slots.ravel()[flat]


def _intervals(rows: Rows, slots: Ints) -> list[bytes]:
    """Field 13 of records of these slots, (d, n): empty where one of the days is not 24 h long."""
    column = MEPMD01.column("interval")
    odd: Flags = np.any(rows.grid.odd[slots], axis=1)
    return [column.put(None if is_odd else rows.seconds) for is_odd in odd.tolist()]


@lru_cache(maxsize=64)
def _times(ends: bytes, flag: str) -> Texts:
    """The times of a grid with their commas, and the flag where it is the same for all."""
    texts = [
        b",%s,%s" % (TIME.put(end), FLAG.put(flag))
        for end in np.frombuffer(ends, np.int64).tolist()
    ]
    return texts_of(texts)


@lru_cache(maxsize=2)
def _flags(sensus: bool) -> Texts:
    """The flag of every mask."""
    return texts_of([FLAG.put(flag_text(mask, sensus, False)) for mask in range(PUBLIC + 1)])
