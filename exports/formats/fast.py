"""What compiled writers share: ready-made texts as words, and plain meters out of a frame.

A text is a row of 64-bit words, filled up with NUL; deleting the NULs of many rows leaves the
text. Texts come from a format's declared kinds, rendered once: a value per count, a flag per mask.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from devices.readings import Channel, Frame, IntervalSeries, Ints, Masks, MeterData, Sheet
from exports.formats.text import product

Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Put = Callable[[Any], bytes]
Target = TypeVar("Target")

TABLE = 1 << 17  # counts below this have a ready-made text
BLOCK = 1 << 16  # values rendered at once: enough to make little of each call, still in the cache


class Texts(NamedTuple):
    """Texts as words (size, w); the bytes of each (size,) and of the longest."""

    words: Words
    sizes: Ints
    longest: int


def texts_of(texts: Sequence[bytes]) -> Texts:
    """Texts, none of which ends in NUL, as words."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    longest = int(sizes.max())
    width = max(1, -(-longest // 8))
    table = np.array(texts, dtype=f"S{8 * width}").view(np.uint64)
    return Texts(table.reshape(len(texts), width), sizes, longest)


def bytes_column(texts: Sequence[str], rows: int) -> npt.NDArray[np.bytes_]:
    """Texts of ASCII as a column of bytes (rows,); one text may stand for all."""
    if len(texts) < rows:
        return np.repeat(np.array(texts, np.bytes_), rows)
    size = len(texts[0]) if texts else 0
    if size and set(map(len, texts)) == {size}:  # quicker than text by text
        return np.frombuffer("".join(texts).encode("ascii"), f"S{size}")
    return np.array(texts, np.bytes_)


def template_texts(template: bytes, columns: Sequence[npt.NDArray[np.bytes_]]) -> Texts:
    """A template's texts for rows of values: columns (size,), one for each of its `%s`.

    NULs stand within these texts, too, where a value is shorter than its column.
    """
    fixed = (template % ((b"\0",) * len(columns))).split(b"\0")
    rows = len(columns[0])
    sizes = np.full(rows, sum(map(len, fixed)), np.int64)
    pieces: list[npt.NDArray[np.uint8]] = []
    for text, column in zip_longest(fixed, columns):
        pieces.append(np.broadcast_to(np.frombuffer(text, np.uint8), (rows, len(text))))
        if column is not None:
            sizes += np.char.str_len(column)
            pieces.append(np.ascontiguousarray(column).view(np.uint8).reshape(rows, -1))
    width = sum(piece.shape[1] for piece in pieces)
    pieces.append(np.zeros((rows, -width % 8), np.uint8))
    return Texts(np.concatenate(pieces, axis=1).view(np.uint64), sizes, int(sizes.max()))


def value_texts(
    counts: npt.NDArray[np.integer], missing: Flags | None, scale: Decimal, put: Put, gap: bytes
) -> tuple[Texts, Ints]:
    """The table of `,value` texts and each slot's place in it, (k, n); missing slots come last.

    `put` renders count times `scale`, `gap` stands where nothing is. Counts past the table,
    negative ones and few of them get a table of their own distinct values. ValueError of `put`.
    """
    low, high = int(counts.min()), int(counts.max())
    if low >= 0 and high < TABLE and high <= 4 * counts.size:
        size = min(TABLE, 1 << max(10, high.bit_length()))
        texts, index = _ready(put, scale, size, gap), counts.astype(np.intp)
    else:
        distinct, index = np.unique(counts, return_inverse=True)
        texts = _render(put, distinct.tolist(), scale, gap)
        index = index.reshape(counts.shape)
    if missing is not None:
        index = np.where(missing, len(texts.words) - 1, index)
    return texts, index


@lru_cache(maxsize=32)
def _ready(put: Put, scale: Decimal, size: int, gap: bytes) -> Texts:
    return _render(put, range(size), scale, gap)


def _render(put: Put, counts: Sequence[int], scale: Decimal, gap: bytes) -> Texts:
    texts = [b",%s" % put(product(Decimal(count), scale)) for count in counts]
    return texts_of([*texts, b",%s" % gap])


class Wanted(NamedTuple, Generic[Target]):
    """A sheet's rows for a compiled writer: those of one target, grid and zone."""

    target: Target
    channel: Channel
    zone: str
    rows: list[int]


def clashing(
    sheets: Sequence[Sheet],
    wanted: Sequence[Sequence[Wanted[Target]]],
    ranks: Ints,
    key: Callable[[Target], object],
) -> set[int]:
    """The ranks that have more than one row of a key (a clash, an era, a move): they are written
    plainly. `wanted` by sheet, `ranks` by device."""
    found: dict[object, list[Ints]] = defaultdict(list)
    for sheet, groups in zip(sheets, wanted, strict=True):
        for group in groups:
            found[key(group.target)].append(ranks[sheet.devices[group.rows]])
    twice: set[int] = set()
    for parts in found.values():
        names, rows = np.unique(np.concatenate(parts), return_counts=True)
        twice.update(names[rows > 1].tolist())
    return twice


def rows_of(sheet: Sheet, rows: Any) -> tuple[npt.NDArray[np.integer], Masks | None]:
    """Counts and status of some of a sheet's rows; of all of them as they are."""
    if len(rows) == len(sheet.devices):
        return sheet.counts, sheet.status
    return sheet.counts[rows], None if sheet.status is None else sheet.status[rows]


def series_of(sheet: Sheet, row: int) -> IntervalSeries:
    """A sheet's row as a series."""
    status = np.zeros(len(sheet.ends), np.uint16) if sheet.status is None else sheet.status[row]
    numbers = None if sheet.numbers is None else sheet.numbers[row]
    counts = sheet.counts[row].astype(np.int64)
    return IntervalSeries(sheet.channels[row], sheet.ends, counts, status, numbers=numbers)


def meters_of(
    frame: Frame, ranks: Ints, chosen: Collection[int]
) -> Iterator[tuple[int, list[MeterData]]]:
    """The intervals and reads of the devices of some ranks, as plain values; ascending."""
    found: dict[int, list[MeterData]] = defaultdict(list)
    devices = np.flatnonzero(np.isin(ranks, list(chosen))).tolist()
    for device, meter in _meters(frame, devices):
        found[int(ranks[device])].append(meter)
    yield from sorted(found.items())


def _meters(frame: Frame, chosen: list[int]) -> Iterator[tuple[int, MeterData]]:
    series: dict[int, list[IntervalSeries]] = defaultdict(list)
    for sheet in frame.sheets:
        rows = np.flatnonzero(np.isin(sheet.devices, chosen))
        for row in rows.tolist():
            series[int(sheet.devices[row])].append(series_of(sheet, row))
    for device in chosen:
        own = sorted(series[device], key=lambda one: one.channel.number or 0)
        reads = tuple(frame.reads.get(device, ()))
        yield device, MeterData(frame.devices[device], tuple(own), reads)
