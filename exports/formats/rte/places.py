"""Arrays of places and bytes for the compiled writer: numbering, blocks, Seq, room."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

Bytes = npt.NDArray[np.bytes_]
T = TypeVar("T", bound=Hashable)
BLOCK = 1 << 14  # rows laid out at once: the working set stays in the cache
TAIL = 4  # digits of Seq that change from row to row
_TAILS: npt.NDArray[np.uint8] = np.array([list(b"%04d" % n) for n in range(10**TAIL)], np.uint8)
FEW = 6  # NULs a row at most that are cheaper taken out one by one


def blocks_of(rows: int, first: int | None) -> Iterator[tuple[int, int]]:
    """Blocks of rows (start, size); none has numbers of different length."""
    start = 0
    while start < rows:
        size = min(BLOCK, rows - start)
        if first is not None:
            size = seq_block(first + start, size)
        yield start, size
        start += size


def seq_block(first: int, rows: int) -> int:
    """How many of the next rows have numbers as long as the first one's."""
    longer: int = 10 ** len(str(first))
    return min(BLOCK, rows, longer - first)


def seq_digits(first: int, size: int) -> npt.NDArray[np.uint8]:
    """The digits of `size` numbers of one length, (size, length)."""
    length = len(str(first))
    numbers = np.arange(first, first + size)
    digits = np.empty((size, max(length, TAIL)), np.uint8)
    digits[:, -TAIL:] = _TAILS[numbers % 10**TAIL]
    high = numbers // 10**TAIL
    for place in range(length - TAIL):
        digits[:, place] = 48 + high // 10 ** (length - TAIL - 1 - place) % 10
    return np.ascontiguousarray(digits[:, -length:])


def dense(block: bytes, loose: int) -> bytes:
    """Without NULs; `loose` is how many a row may have."""
    return block.replace(b"\0", b"") if loose <= FEW else block.translate(None, b"\0")


def compact(codes: Ints, space: int) -> tuple[Ints, Ints]:
    """Codes below `space` as places among those that occur, (n,); and these, ascending."""
    if space <= 8 * len(codes) + 4096:
        used = np.zeros(space, np.bool_)
        used[codes] = True
        return (np.cumsum(used) - 1)[codes], np.flatnonzero(used)
    found, index = np.unique(codes, return_inverse=True)
    return index, found


def distinct(keys: Ints, space: int) -> bool:
    """Whether no key occurs twice."""
    if space <= 8 * len(keys) + 4096:
        used = np.zeros(space, np.bool_)
        used[keys] = True
        return int(np.count_nonzero(used)) == len(keys)
    ordered = np.sort(keys)
    return not bool((ordered[1:] == ordered[:-1]).any())


def numbered(things: Sequence[T]) -> tuple[Ints, list[T]]:
    """Equal things as one: the place of each among the different ones, and those."""
    places: dict[T, int] = {}
    index = [places.setdefault(thing, len(places)) for thing in things]
    return np.array(index, np.int64), list(places)


def strings(texts: Sequence[bytes]) -> Bytes:
    """Texts as a table of the longest one's width."""
    return np.array(texts, dtype=f"S{max(map(len, texts), default=0) or 1}")
