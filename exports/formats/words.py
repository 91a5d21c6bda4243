"""Spans of a text as words of eight bytes, by the thousand: compared, looked up, read as digits.

A text has room before and behind it, so that a word can be taken wherever a span of it begins or
ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from devices.readings import Ints
from exports.formats.eights import (
    ONES,
    TOPS,
    ZEROS,
    Bytes,
    Flags,
    Words,
    digits_joined,
    word,
)

SIZE = 8
POINT = 46
POWERS = 10 ** np.arange(19, dtype=np.int64)
BITS = 18  # of the place of a slot
KEPT = 1 << 17  # texts of a table
ROOM = bytes(2 * SIZE)
FIRST = len(ROOM)  # where a text begins


# By size: the bits of the last so many bytes of a word.
_LAST = np.array([(1 << 64) - (1 << 8 * (SIZE - n)) for n in range(SIZE + 1)], np.uint64)
_OVER_NINE = word(bytes([0x80 - 10]) * SIZE)
_ODD, _BITS = np.uint64(0x9E3779B97F4A7C15), (np.uint64(64 - BITS), np.uint64((1 << BITS) - 1))
_POINTS = word(bytes([POINT]) * SIZE)
_ONE, _SEVEN = np.uint64(1), np.uint64(7)
_EIGHT, _HALF = np.uint64(8), np.uint64(32)


def digits_read(words: Words, ends: Ints, sizes: Ints) -> tuple[Ints, Flags]:
    """The numbers of so many digits that end before `ends`; and which of them are such numbers.

    Of none or more than 16 digits none is.
    """
    fine = (sizes > 0) & (sizes <= 2 * SIZE)
    found, good = _eight(words[ends - SIZE], np.clip(sizes, 0, SIZE))
    fine &= good
    if len(sizes) and int(sizes.max()) > SIZE:
        high, good = _eight(words[ends - 2 * SIZE], np.clip(sizes - SIZE, 0, SIZE))
        found = found + high * np.uint64(10**SIZE)
        fine &= good
    return found.astype(np.int64), fine


def _eight(found: Words, sizes: Ints) -> tuple[Words, Flags]:
    """The numbers at the end of words."""
    digits = (found ^ ZEROS) & _LAST[sizes]
    good = ((digits + _OVER_NINE) | digits) & TOPS == 0
    return digits_joined(digits), good


class Numbers(NamedTuple):
    """Plain decimal numbers, (n,): counts of 10**-decimals; and which are such numbers: digits,
    below 10**18 together, and some more behind a point if there is one."""

    counts: Ints
    decimals: Ints
    fine: Flags

    def counts_of(self, scale: int) -> tuple[Ints, Flags]:
        """Counts of 10**-scale below 10**18, and which of them these are."""
        steps = np.clip(scale - self.decimals, 0, scale)
        fine = self.fine & (self.decimals <= scale) & (self.counts < POWERS[18 - steps])
        return self.counts * POWERS[steps], fine


def numbers_read(data: Bytes, words: Words, starts: Ints, ends: Ints) -> Numbers:
    """The numbers at [start, end) of a text."""
    sizes = ends - starts
    found = words[ends - SIZE] & _LAST[np.minimum(sizes, SIZE)]
    # The byte of the first point is marked by its highest bit; what stands before moves over it.
    marks = found ^ _POINTS
    marks = (marks - ONES) & ~marks & TOPS
    point = marks & (~marks + _ONE)
    pointed = point > 0
    below = (point >> _SEVEN) - _ONE
    closed = found & ~(point | (point - _ONE)) | (found & below) << _EIGHT
    counts, fine = _eight(np.where(pointed, closed, found), np.minimum(sizes, SIZE) - pointed)
    decimals = np.where(pointed, SIZE - 1 - (np.bitwise_count(point - _ONE) >> 3), 0)
    fine &= (sizes > decimals + pointed) & ((decimals > 0) | ~pointed) & (sizes <= SIZE)
    made = Numbers(counts.astype(np.int64), decimals, fine)
    if len(long := np.flatnonzero(sizes > SIZE)):
        for mine, one in zip(made, _long(data, words, starts[long], ends[long]), strict=True):
            mine[long] = one
    return made


def _long(data: Bytes, words: Words, starts: Ints, ends: Ints) -> Numbers:
    """The same of numbers that are longer than a word: what is on each side of the point."""
    points = np.append(np.flatnonzero(data == POINT), len(data))
    middles = np.minimum(points[np.searchsorted(points, starts)], ends)
    part = ends - middles - 1
    counts, fine = digits_read(words, middles, middles - starts)
    behind, good = digits_read(words, ends, part)
    pointed, decimals = part >= 0, np.clip(part, 0, 16)
    fine &= (counts < POWERS[18 - decimals]) & (good | ~pointed)
    counts = np.where(fine, counts, 0) * POWERS[decimals] + np.where(fine & pointed, behind, 0)
    return Numbers(counts, decimals, fine)


def span_words(words: Words, starts: Ints, ends: Ints, most: int) -> list[Words]:
    """Spans as their sizes and so many words: columns that are equal where the spans are, and only
    there if none has more bytes."""
    sizes = ends - starts
    last = ends - SIZE
    count = min(most, max(1, -(-int(sizes.max(initial=0)) // SIZE)))
    found = [words[np.minimum(starts + SIZE * place, last)] for place in range(count)]
    if int(sizes.min(initial=SIZE)) < SIZE:
        kept = _LAST[np.minimum(sizes, SIZE)]
        found = [one & kept for one in found]
    return [sizes.astype(np.uint64), *found, *found[-1:] * (most - count)]


def changes(columns: Sequence[Words]) -> Flags:
    """Whether texts differ from those before them, (n,); the first does."""
    found = np.zeros(len(columns[0]), np.bool_)
    found[:1] = True
    for one in {id(one): one for one in columns}.values():
        found[1:] |= one[1:] != one[:-1]
    return found


class Found(NamedTuple):
    """Texts looked up: the value of each, -1 where it is not known; the words and hash by which."""

    values: Ints
    words: Sequence[Words]
    mixed: Words


class WordTable:
    """Values from 0 by texts of so many words. Most are kept: a text has two slots it may be in."""

    def __init__(self, count: int) -> None:
        self.slots = np.full(1 << BITS, -1, np.int32)
        self.texts = np.zeros((count, 16), np.uint64)
        self.values = np.zeros(16, np.int64)
        self.size = 0

    def find(self, words: Sequence[Words]) -> Found:
        """The values of some texts: the first word of each, the second, and so on."""
        mixed = np.zeros(len(words[0]), np.uint64)
        for one in words:
            mixed = (mixed ^ one) * _ODD
            mixed ^= mixed >> _HALF
        found, same = self._look(words, _upper(mixed))
        values = np.where(same, self.values[found], -1)
        rest = np.flatnonzero(~same & (found >= 0))
        if len(rest):
            found, same = self._look([one[rest] for one in words], _lower(mixed[rest]))
            values[rest[same]] = self.values[found[same]]
        return Found(values, words, mixed)

    def _look(self, words: Sequence[Words], slots: Ints) -> tuple[Ints, Flags]:
        """What is in some slots, and whether it is these texts."""
        found = self.slots[slots].astype(np.int64)
        same: Flags = found >= 0
        for mine, one in zip(self.texts, words, strict=True):
            same &= mine[found] == one
        return found, same

    def keep(self, found: Found, places: Sequence[int], values: Sequence[int]) -> None:
        """The values of some texts that were looked up and not found, as far as there is room."""
        _, once = np.unique(found.mixed[places], return_index=True)
        left, given = np.array(places)[once], np.array(values)[once]
        for of in (_upper, _lower):
            slots, one = np.unique(of(found.mixed[left]), return_index=True)
            free = one[self.slots[slots] < 0][: KEPT - self.size]
            self._put(
                of(found.mixed[left[free]]), [w[left[free]] for w in found.words], given[free]
            )
            left, given = np.delete(left, free), np.delete(given, free)

    def _put(self, slots: Ints, words: Sequence[Words], values: Ints) -> None:
        last = self.size + len(slots)
        while last > len(self.values):
            self.texts = np.concatenate([self.texts, self.texts], axis=1)
            self.values = np.concatenate([self.values, self.values])
        self.texts[:, self.size : last] = words
        self.values[self.size : last] = values
        self.slots[slots] = np.arange(self.size, last)
        self.size = last


def _upper(mixed: Words) -> Ints:
    return (mixed >> _BITS[0]).astype(np.int64)


def _lower(mixed: Words) -> Ints:
    return (mixed & _BITS[1]).astype(np.int64)


def alike(words: Sequence[Words], places: Ints) -> list[Ints]:
    """Some texts by what they say: the places of each text, rising."""
    if not len(places):
        return []
    keys = [one[places] for one in words]
    order = np.lexsort(keys)
    cut = np.zeros(len(places) - 1, np.bool_)
    for key in keys:
        cut |= key[order][1:] != key[order][:-1]
    return np.split(places[order], np.flatnonzero(cut) + 1)
