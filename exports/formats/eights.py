"""Texts by eight bytes at once: words of them on arrays, the first byte the lowest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from devices.readings import Ints

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
WORD = np.dtype("<u8")


def word(text: bytes) -> np.uint64:
    """Eight bytes as a word."""
    return np.uint64(int.from_bytes(text, "little"))


ZEROS, ONES, TOPS, NIBBLES = (word(bytes([byte]) * 8) for byte in (0x30, 0x01, 0x80, 0xF0))
_SIX, _THREES = word(b"\6" * 8), word(b"3" * 8)
_LANES = tuple(map(np.uint64, (0x00FF00FF00FF00FF, 0x0000FFFF0000FFFF, 0xFFFFFFFF)))
_FOUR, _EIGHT = np.uint64(4), np.uint64(8)


def _view(data: Bytes, kind: Any) -> npt.NDArray[Any]:
    """An item of this kind at each byte of a text that may hold it."""
    dtype = np.dtype(kind)
    return np.ndarray((max(0, len(data) - dtype.itemsize + 1),), dtype, data, 0, (1,))


def words_at(data: Bytes, at: Ints) -> Words:
    """The eight bytes from each of these places on."""
    return _view(data, WORD)[at]


def rows_at(data: Bytes, at: Ints, width: int) -> Bytes:
    """So many bytes from each of these places on: (…,) as (…, width)."""
    if not width:
        return np.zeros((*at.shape, 0), np.uint8)
    found = np.ascontiguousarray(_view(data, f"V{width}")[at])
    return found.view(np.uint8).reshape(*at.shape, width)


def rows_put(data: Bytes, at: Ints, rows: Bytes) -> None:
    """Put rows of bytes, (n, w), or one for all, to these places (n,)."""
    if width := rows.shape[1]:
        kind = f"V{width}"
        _view(data, kind)[at] = np.ascontiguousarray(rows).view(kind)[:, 0]


def byte_first(words: Words, byte: int) -> Ints:
    """Which byte of each word is the first of this value; 8 if none is."""
    other = words ^ word(bytes([byte]) * 8)
    found = (other - ONES) & ~other & TOPS
    lowest = found & (~found + np.uint64(1))
    return (np.bitwise_count(lowest - np.uint64(1)) >> 3).astype(np.int64)


def all_digits(words: Words) -> Flags:
    """Whether all bytes of each word are digits."""
    return (words & NIBBLES) | (((words + _SIX) & NIBBLES) >> _FOUR) == _THREES  # type: ignore[no-any-return]


def digits_number(words: Words) -> Ints:
    """The number that each word's eight digits are."""
    found = words - ZEROS
    for lane, (power, shift) in zip(_LANES, ((10, 8), (100, 16), (10000, 32)), strict=True):
        found = (found * np.uint64(power) + (found >> np.uint64(shift))) & lane
    return found.view(np.int64)
