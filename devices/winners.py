"""Pure: the batch numbers that won the slots of blocks, packed; many blocks at once.

Two packed forms, little endian, of which the shorter is taken. *Runs* of (uint16 length, int64
number): ten bytes for a day that one batch brought. *Offsets*, where nearly each slot has a number
of its own: uint16 0, an int64 base, the uint8 width of an offset (1, 2, 4), then an unsigned
offset from the base a slot; offset 0 is a slot where nothing arrived.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

RUN = np.dtype([("length", "<u2"), ("number", "<i8")])
HEAD = np.dtype([("mark", "<u2"), ("base", "<i8"), ("width", "u1")])
WIDTHS = (1, 2, 4)  # bytes an offset
_HIGHEST = np.iinfo(np.int64).max


class PackError(ValueError):
    """Packed bytes of impossible length."""


@lru_cache(maxsize=256)
def _offsets(width: int, slots: int) -> np.dtype[np.void]:
    """The record of a block packed as offsets."""
    return np.dtype([*HEAD.descr, ("offsets", f"<u{width}", (slots,))])


def winners_pack(numbers: Ints) -> list[bytes]:
    """The packed numbers of m blocks, (m, s), s > 0."""
    slots = numbers.shape[1]
    changes = numbers[:, 1:] != numbers[:, :-1]
    runs = np.count_nonzero(changes, axis=1) + 1
    base = np.where(numbers > 0, numbers, _HIGHEST).min(axis=1, initial=_HIGHEST) - 1
    span = numbers.max(axis=1, initial=0) - base
    width = np.full(len(numbers), RUN.itemsize, np.int64)  # too wide to be chosen
    for size in reversed(WIDTHS):
        width[span < 1 << (8 * size)] = size
    dense = RUN.itemsize * runs > HEAD.itemsize + slots * width
    packed = _runs_pack(numbers, changes, runs)
    for size in np.unique(width[dense]).tolist():
        rows = np.flatnonzero(dense & (width == size))
        made = np.zeros(len(rows), _offsets(size, slots))
        made["base"], made["width"] = base[rows], size
        made["offsets"] = np.maximum(numbers[rows] - base[rows, None], 0)
        raw, step = made.tobytes(), made.dtype.itemsize
        for place, row in enumerate(rows.tolist()):
            packed[row] = raw[place * step : (place + 1) * step]
    return packed


def _runs_pack(numbers: Ints, changes: npt.NDArray[np.bool_], runs: Ints) -> list[bytes]:
    begins = np.ones(numbers.shape, np.bool_)
    begins[:, 1:] = changes
    starts = np.flatnonzero(begins)
    made = np.empty(len(starts), RUN)
    made["length"] = np.diff(starts, append=numbers.size)
    made["number"] = numbers.reshape(-1)[starts]
    raw = made.tobytes()
    ends = (RUN.itemsize * np.cumsum(runs)).tolist()
    return [raw[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def winners_unpack(packed: Sequence[bytes], slots: int) -> Ints:
    """The numbers of m blocks of `slots` slots, (m, s); 0 where nothing arrived."""
    numbers = np.empty((len(packed), slots), np.int64)
    sizes = np.fromiter(map(len, packed), np.int64, len(packed))
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        raw = b"".join([packed[row] for row in rows.tolist()])
        table = np.frombuffer(raw, np.uint8).reshape(len(rows), size)
        dense = (table[:, :2] == 0).all(axis=1)
        if dense.any():
            numbers[rows[dense]] = _offsets_unpack(table[dense], slots)
        if not dense.all():
            numbers[rows[~dense]] = _runs_unpack(table[~dense], slots)
    return numbers


def _offsets_unpack(table: npt.NDArray[np.uint8], slots: int) -> Ints:
    width, rest = divmod(max(table.shape[1] - HEAD.itemsize, 0), slots)
    if rest or width not in WIDTHS:
        raise PackError(f"{table.shape[1]} bytes are not the numbers of {slots} slots")
    read = np.frombuffer(table.tobytes(), _offsets(width, slots))
    offsets = read["offsets"].astype(np.int64)
    return np.where(offsets > 0, offsets + read["base"][:, None], 0)


def _runs_unpack(table: npt.NDArray[np.uint8], slots: int) -> Ints:
    if table.shape[1] % RUN.itemsize:
        raise PackError(f"{table.shape[1]} bytes are not the numbers of {slots} slots")
    runs = np.frombuffer(table.tobytes(), RUN).reshape(len(table), -1)
    lengths = runs["length"].astype(np.int64)
    for given in lengths.sum(axis=1).tolist():
        if given != slots:
            raise PackError(f"runs of {given} slots in a block of {slots}")
    flat = np.repeat(runs["number"].reshape(-1), lengths.reshape(-1))
    return flat.astype(np.int64).reshape(-1, slots)


def newest_number(packed: bytes) -> int:
    """The highest winning batch number of a block."""
    if packed[:2] != b"\0\0":
        return int(np.frombuffer(packed, RUN)["number"].max(initial=0))
    head = np.frombuffer(packed, HEAD, 1)[0]
    offsets = np.frombuffer(packed, f"<u{head['width']}", offset=HEAD.itemsize)
    return int(head["base"]) + int(offsets.max())
