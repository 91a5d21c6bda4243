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
_PAIRS = np.uint64(0x000000FF000000FF)
_HIGH, _LOW = np.uint64(1000000 << 32 | 100), np.uint64(10000 << 32 | 1)
_FOUR, _EIGHT, _SIXTEEN, _HALF = map(np.uint64, (4, 8, 16, 32))
_TEN = np.uint64(10)


def _view(data: Bytes, kind: Any) -> npt.NDArray[Any]:
    """An item of this kind at each byte of a text that may hold it."""
    dtype = np.dtype(kind)
    return np.ndarray((max(0, len(data) - dtype.itemsize + 1),), dtype, data, 0, (1,))


def words_of(data: Bytes) -> Words:
    """The word that begins at each byte of a text; not a copy."""
    return _view(data, WORD)


def words_at(data: Bytes, at: Ints) -> Words:
    """The eight bytes from each of these places on."""
    return words_of(data)[at]


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
    return digits_joined(words - ZEROS).view(np.int64)


def digits_joined(digits: Words) -> Words:
    """The number that eight bytes of 0 to 9 are: pairs of them, then fours, then all."""
    pairs = digits * _TEN + (digits >> _EIGHT)
    return ((pairs & _PAIRS) * _HIGH + (pairs >> _SIXTEEN & _PAIRS) * _LOW) >> _HALF
