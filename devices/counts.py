"""Pure: the counts of channel-days, packed.

Shapes: m channel-days of one slot count s are counts (m, s). Each day is kept in the narrowest form
that holds all its counts, signed and little endian, of 12, 16, 32 or 64 bits a count; its length
tells which. Two counts of 12 bits share three bytes, the earlier in the lower bits; a day of an odd
number of slots has no such form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from devices.winners import PackError

Counts = npt.NDArray[np.signedinteger[Any]]
TWELVE = 12
WIDTHS = (TWELVE, 16, 32, 64)  # bits a count


def counts_pack(counts: Ints) -> list[bytes]:
    """The packed counts of each day."""
    m, slots = counts.shape
    packed = [b""] * m
    low, high = counts.min(axis=1, initial=0), counts.max(axis=1, initial=0)
    left = np.ones(m, np.bool_)
    for width in WIDTHS:
        if width == TWELVE and slots % 2:
            continue
        bound = (1 << (width - 1)) - 1
        fits = left & (low >= -bound - 1) & (high <= bound)
        rows = np.flatnonzero(fits)
        if len(rows):
            raw = _raw(counts if len(rows) == m else counts[rows], width)
            step = len(raw) // len(rows)
            for place, row in enumerate(rows.tolist()):
                packed[row] = raw[place * step : (place + 1) * step]
        left &= ~fits
    return packed


def counts_unpack(packed: bytes, sizes: Ints, slots: int) -> Counts:
    """Counts (m, s) of days whose bytes stand end to end, `sizes` (m,) of them each: int32, or
    int64 when any day needs it. PackError where a size is that of no form."""
    sizes = np.asarray(sizes, np.int64)
    bits = 8 * sizes
    known = {width: bits == width * slots for width in WIDTHS if not (width * slots) % 8}
    wrong = ~np.logical_or.reduce(list(known.values()))
    if wrong.any():
        raise PackError(f"{sizes[wrong][0]} bytes are no block of {slots} slots")
    found = {width: rows for width, rows in known.items() if rows.any()}
    if len(found) == 1:
        return _counts(packed, next(iter(found)), slots)
    raw = np.frombuffer(packed, np.uint8)
    made = np.empty((len(sizes), slots), np.int64 if 64 in found else np.int32)
    for width, rows in found.items():
        made[rows] = _counts(raw[np.repeat(rows, sizes)].tobytes(), width, slots)
    return made


def counts_of(packed: Sequence[bytes], slots: int) -> Counts:
    """The same of days given one by one."""
    return counts_unpack(b"".join(packed), np.fromiter(map(len, packed), np.int64), slots)


def _raw(counts: Ints, width: int) -> bytes:
    if width != TWELVE:
        return counts.astype(f"<i{width // 8}").tobytes()
    bits = (counts & 0xFFF).astype(np.uint16)
    first, second = bits[:, 0::2], bits[:, 1::2]
    made = np.empty((*first.shape, 3), np.uint8)
    made[..., 0] = first & 0xFF
    made[..., 1] = first >> 8 | (second & 0xF) << 4
    made[..., 2] = second >> 4
    return made.tobytes()


def _counts(raw: bytes, width: int, slots: int) -> Counts:
    if width != TWELVE:
        counts = np.frombuffer(raw, f"<i{width // 8}").reshape(-1, slots)
        return counts if width >= 32 else counts.astype(np.int32)
    three = np.frombuffer(raw, np.uint8).reshape(-1, slots // 2, 3).astype(np.int32)
    made = np.empty((len(three), slots // 2, 2), np.int32)
    # Moved up to the sign and down again.
    made[..., 0] = (three[..., 0] | three[..., 1] << 8) << 20 >> 20
    made[..., 1] = (three[..., 1] >> 4 | three[..., 2] << 4) << 20 >> 20
    return made.reshape(-1, slots)
