"""The compiled writer of intervals: many rows of a sheet at a time, from tables of ready-made text.

An I element is a record of three byte strings (time; value; quality and end), filled up with NUL;
deleting the NULs leaves the lines. Where each run begins and ends in them is counted beforehand.
Every text comes from the declared kinds (tables.py), made once for each thing that slots share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import (
    ABSENT,
    DAY,
    INTERVAL_SECONDS,
    PUBLIC,
    Arrival,
    Channel,
    Ints,
    Masks,
    Status,
    status_letter,
)
from exports.formats.iso import stamp
from exports.formats.quality import quality_codes
from exports.formats.sxml.declared import INDENT, latest
from exports.formats.sxml.markup import escape
from exports.formats.sxml.run import Run, Stretch
from exports.formats.sxml.tables import DECIMALS, I
from exports.formats.values import ONE, Scale, decimal_text, value_of

Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.bytes_]
MISSING = int(Status.MISSING)
SPOILT = int(Status.ESTIMATED | Status.EDITED)
BLOCK = 1 << 15  # slots laid out at once: the working set stays in the cache
TABLE = 1 << 17  # counts below this have a ready-made text
SURE = 10**15  # counts below this fit the type
MOST = 1 << 50  # of 10**-6: sums of a run of such values stay within 64 bits
_, V, Q, C = I.attributes


class Block(NamedTuple):
    """Rows of one sheet that share grid, length, scale and zone.

    Shapes: `counts`, `status`, `numbers` (k, n); status None when all 0, numbers None if unknown.
    """

    channels: Sequence[Channel]
    zone: str
    scale: Scale
    ends: Ints
    counts: npt.NDArray[np.integer]
    status: Masks | None
    numbers: Ints | None


class Values(NamedTuple):
    """Texts of values, their lengths, and the values as whole numbers of 10**-6, (u,)."""

    texts: Bytes
    lengths: Ints
    micros: Ints


def compilable(channel: Channel, ends: Ints) -> bool:
    """Whether rows of this channel on this grid need no second look: a whole, unbroken grid."""
    seconds = channel.seconds
    if seconds == DAY or seconds not in INTERVAL_SECONDS or channel.number is None:
        return False
    if len(ends) > 1 and bool((np.diff(ends) != seconds).any()):
        return False
    return channel.grid_offset is None or (int(ends[0]) + channel.grid_offset) % seconds == 0


def compile_block(
    block: Block, run: Run, arrivals: Mapping[int, Arrival]
) -> list[list[Stretch] | None]:
    """The runs of each row; None for a row that the declared writer has to look at."""
    if block.status is not None:
        there = np.flatnonzero((block.status & ABSENT == 0).any(axis=1))
        if len(there) < len(block.channels):
            some: list[list[Stretch] | None] = [[] for _ in block.channels]
            made = compile_block(_part(block, there.tolist()), run, arrivals) if len(there) else []
            for row, stretches in zip(there.tolist(), made, strict=True):
                some[row] = stretches
            return some
    size = max(1, BLOCK // max(1, len(block.ends)))
    found: list[list[Stretch] | None] = []
    for first in range(0, len(block.channels), size):
        rows = list(range(first, min(first + size, len(block.channels))))
        found += _Lines(_part(block, rows), run).stretches(arrivals)
    return found


def _part(block: Block, rows: Sequence[int]) -> Block:
    """Some rows of a block."""
    return block._replace(
        channels=[block.channels[row] for row in rows],
        counts=block.counts[rows],
        status=None if block.status is None else block.status[rows],
        numbers=None if block.numbers is None else block.numbers[rows],
    )


@dataclass(slots=True)
class _Lines:
    """A few rows as text."""

    block: Block
    run: Run

    def stretches(self, arrivals: Mapping[int, Arrival]) -> list[list[Stretch] | None]:
        block = self.block
        rows, slots = block.counts.shape
        missing, never = self._marks()
        counts = block.counts if missing is None else np.where(missing, 0, block.counts)
        values, index = _values(counts, block.scale)
        spoilt = np.asarray((values.lengths == 0)[index].any(axis=1))
        masks = np.zeros((rows, slots), np.intp)
        if block.status is not None and missing is not None:
            spoilt |= (missing & ~never & (block.status & SPOILT != 0)).any(axis=1)
            masks = (block.status & PUBLIC).astype(np.intp)
            index = np.where(missing, len(values.texts) - 1, index)
        first, last = self._spans(never)
        begins = self._begins(never, first, last)
        written = self._written(never, first, last)
        data, places = self._text(values, index, masks, written)
        return self._cut(begins, written, data, places, values, index, masks, spoilt, arrivals)

    def _marks(self) -> tuple[Flags | None, Flags]:
        """Slots without a value, and slots that never arrived, (k, n)."""
        if self.block.status is None:
            return None, np.zeros(self.block.counts.shape, np.bool_)
        missing: Flags = self.block.status & MISSING != 0
        never: Flags = self.block.status & ABSENT != 0
        return missing, never

    def _spans(self, never: Flags) -> tuple[Ints, Ints]:
        """First and last arrived slot of each row; of a row without any: n and −1."""
        slots = never.shape[1]
        there = ~never
        any_ = there.any(axis=1)
        first = np.where(any_, there.argmax(axis=1), slots)
        last = np.where(any_, slots - 1 - there[:, ::-1].argmax(axis=1), -1)
        return first, last

    def _written(self, never: Flags, first: Ints, last: Ints) -> Flags:
        if not self.run.ctx.gaps_are_missing:
            return ~never
        place = np.arange(never.shape[1])
        inside: Flags = (place >= first[:, None]) & (place <= last[:, None])
        return inside

    def _begins(self, never: Flags, first: Ints, last: Ints) -> list[list[tuple[int, int]]]:
        """The runs of each row as (first slot, slot after the last)."""
        if self.run.ctx.gaps_are_missing:
            return [
                [(low, high + 1)] if low <= high else []
                for low, high in zip(first.tolist(), last.tolist(), strict=True)
            ]
        found: list[list[tuple[int, int]]] = []
        for row in never:
            edges = np.flatnonzero(np.diff(np.concatenate(([1], row.view(np.int8), [1]))))
            found.append(list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)))
        return found

    def _text(self, values: Values, index: Ints, masks: Ints, written: Flags) -> tuple[bytes, Ints]:
        """All lines, and where each slot's begins, (k·n + 1,)."""
        times = _times(self.block.ends.tobytes(), self.block.zone)
        tails, sizes, masks = _tails(self.run.codes, masks)
        rows, slots = index.shape
        columns = {"t": times, "v": values.texts, "q": tails}
        layout = np.dtype([(name, column.dtype) for name, column in columns.items()])
        records = np.empty((rows, slots), layout)
        records["t"] = times
        records["v"] = values.texts[index]
        records["q"] = tails[masks]
        lengths = len(times[0]) + values.lengths[index] + sizes[masks]
        if not written.all():
            records[~written] = np.zeros((), layout)
            lengths = np.where(written, lengths, 0)
        places = np.concatenate(([0], np.cumsum(lengths.ravel())))
        return records.tobytes().translate(None, b"\0"), places

    def _cut(
        self, begins: list[list[tuple[int, int]]], written: Flags, data: bytes, places: Ints,
        values: Values, index: Ints, masks: Ints, spoilt: Flags, arrivals: Mapping[int, Arrival],
    ) -> list[list[Stretch] | None]:  # fmt: skip
        """The text and the counts of each run."""
        block, slots = self.block, written.shape[1]
        sums = _running(np.where(written, values.micros[index], 0))
        counted: list[npt.NDArray[Any]] = [np.zeros((), np.bool_)] * 3
        if masks.any():
            letters = _letters()[masks]
            counted[:2] = [written & (letters == kind) for kind in (1, 2)]
        if (values.micros < 0).any():
            counted[2] = written & (values.micros < 0)[index]
        owners = [row for row, spans in enumerate(begins) for _ in spans]
        spans = np.array([span for row in begins for span in row], np.int64).reshape(-1, 2)
        low, high = spans.T + np.array(owners, np.int64) * slots
        columns = [_between(flags, low, high) for flags in counted]
        columns.append(sums[high] - sums[low])
        batches = _batches(block.numbers, owners, spans, arrivals)
        found: list[list[Stretch] | None] = [None if bad else [] for bad in spoilt.tolist()]
        ends, seconds = block.ends.tolist(), block.channels[0].seconds if owners else 0
        for row, (first, after), begin, end, batch, some, none, below, total in zip(
            *(owners, spans.tolist(), places[low].tolist(), places[high].tolist(), batches),
            *(column.tolist() for column in columns),
            strict=True,
        ):
            runs = found[row]
            if runs is not None:
                channel, start = block.channels[row], ends[first] - seconds
                amounts = (ends[after - 1], after - first, some, none, below, total)
                runs.append(
                    Stretch(
                        *(channel, start, *amounts, data[begin:end], batch, arrivals.get(batch))
                    )
                )
        return found


def _batches(
    numbers: Ints | None,
    owners: Sequence[int],
    spans: Ints,
    arrivals: Mapping[int, Arrival],
) -> list[int]:
    """The latest-received batch of each run; most rows are of one."""
    if numbers is None:
        return [0] * len(owners)
    firsts = numbers[:, 0].tolist()
    whole = (numbers == numbers[:, :1]).all(axis=1).tolist()
    return [
        firsts[row] * (firsts[row] in arrivals)
        if whole[row]
        else latest(numbers[row, low:high].tolist(), arrivals)
        for row, (low, high) in zip(owners, spans.tolist(), strict=True)
    ]


def _between(flags: npt.NDArray[Any], low: Ints, high: Ints) -> Ints:
    """How many flags are set in each span; none is if there is one for all."""
    if not flags.ndim:
        return np.zeros(len(low), np.int64)
    running = _running(flags)
    return running[high] - running[low]


def _running(amounts: npt.NDArray[Any]) -> Ints:
    """Running sums before each slot, (k·n + 1,)."""
    return np.concatenate(([0], np.cumsum(amounts.ravel(), dtype=np.int64)))


# --- texts --------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _times(ends: bytes, zone: str) -> Bytes:
    """The beginnings of a grid's elements."""
    texts = [
        b'%s<I t="%s"' % (INDENT, stamp(end, zone).encode())
        for end in np.frombuffer(ends, np.int64).tolist()
    ]
    # In a zone's own instants Z and offsets do not mix: all are of one length.
    return np.array(texts, dtype=f"S{len(texts[0])}")


@lru_cache(maxsize=2)
def _qualities(codes: bool) -> tuple[Bytes, Ints]:
    """The ends of elements by mask, and their lengths."""
    texts = []
    for mask in range(PUBLIC + 1):
        text, letter = b"", status_letter(mask)
        if letter != "A":
            text += b' q="%s"' % Q.put(letter)
        if codes and mask:
            text += b' c="%s"' % C.put(" ".join(quality_codes(mask)))
        texts.append(text + b"/>\r\n")
    return _strings(texts)


def _tails(codes: bool, masks: Ints) -> tuple[Bytes, Ints, Ints]:
    """The ends of elements of these masks alone, which are few and short; their lengths; which of
    them each slot has."""
    tails, sizes = _qualities(codes)
    used = np.flatnonzero(np.bincount(masks.ravel(), minlength=1))
    places = np.zeros(PUBLIC + 1, np.intp)
    places[used] = np.arange(len(used))
    longest = int(sizes[used].max(initial=1))
    return tails[used].astype(f"S{longest}"), sizes[used], places[masks]


@lru_cache(maxsize=1)
def _letters() -> npt.NDArray[np.int8]:
    """By mask: 1 estimated or edited, 2 missing, 0 the others."""
    kinds = {"E": 1, "V": 1, "M": 2}
    return np.array([kinds.get(status_letter(mask), 0) for mask in range(PUBLIC + 1)], np.int8)


def _values(counts: npt.NDArray[np.integer], scale: Scale) -> tuple[Values, Ints]:
    """The table of values and each slot's place in it; the last is that of no value."""
    low, high = int(counts.min(initial=0)), int(counts.max(initial=0))
    if low >= 0 and high < TABLE and high <= 4 * counts.size:
        return _ready(scale, min(TABLE, 1 << max(10, high.bit_length()))), counts.astype(np.intp)
    distinct, index = np.unique(counts, return_inverse=True)
    return _render(distinct.tolist(), scale), index.reshape(counts.shape)


@lru_cache(maxsize=32)
def _ready(scale: Scale, size: int) -> Values:
    return _render(range(size), scale)


def _render(counts: Sequence[int], scale: Scale) -> Values:
    texts = [_tried(_value_text, count, scale) for count in counts]
    micros = [0 if text is None else int(Decimal(text.decode()).scaleb(DECIMALS)) for text in texts]
    kept = [
        b"" if text is None or abs(micro) >= MOST else b' v="%s"' % text
        for text, micro in zip(texts, micros, strict=True)
    ]
    strings, lengths = _strings([*kept, b""])
    sure = [micro if abs(micro) < MOST else 0 for micro in micros]
    # No value is an empty text, but none that a good slot may point to.
    return Values(strings, lengths, np.array([*sure, 0], np.int64))


def _value_text(count: int, scale: Scale) -> bytes:
    _, digits, exponent = scale.resolution.as_tuple()
    plain = digits == (1,) and scale.divisor == ONE and -DECIMALS <= int(exponent) <= 0
    if plain and abs(count) < SURE:
        return decimal_text(count, -int(exponent)) if exponent else b"%d" % count
    return escape(V.kind.put(value_of(count, scale), "v", 80).decode(), "v", quotes=True)


def _tried(made: Callable[..., bytes], *arguments: Any) -> bytes | None:
    try:
        return made(*arguments)
    except ValueError:
        return None


def _strings(texts: Sequence[bytes]) -> tuple[Bytes, Ints]:
    return (
        np.array(texts, dtype=f"S{max(1, *map(len, texts))}"),
        np.array([len(text) for text in texts], np.int64),
    )
