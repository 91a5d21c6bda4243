"""Lines of intervals, read on arrays: those of the form that the writer makes, many at once.

A value is read as words of eight digits; a line with a quality, or with a value of another form,
is looked at by itself, a column of times once. What is odd makes its whole run odd: the parser
reads it then, and tells what there is to tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints, Masks, Status
from exports.formats.sxml.channels import amount_read, grid_wrong
from exports.formats.sxml.parse import Counts, Place, Wrong, mask_read, seconds_read, value_read
from exports.formats.sxml.tables import DECIMALS, I

INDENT = b'          <I t="'
VALUE = b'" v="'
LINE_END = {True: b'"/>\r\n', False: b'"/>\n'}
ZULU, WIDE = 20, 25  # bytes of an instant with Z, and with an offset
WHOLE = 8  # digits before the point at most: sums of a run stay within 64 bits
LONGEST = 90_000  # lines of a run at most, for the same reason
KEPT = 1 << 16  # instants, also those of columns, that are remembered; a quarter as many ends
PAD = 64
_CODE = rb"[0-9]{1,2}(?:\.[0-9]{1,4}){2}"
_TAIL = re.compile(
    rb'"(?: v="(-?[0-9]{1,8}(?:\.[0-9]{1,6})?)")?(?: q="([AEVQM])")?'
    rb'(?: c="(' + _CODE + rb"(?: " + _CODE + rb')*)")?/>\r?\n'
)
_INSTANT = re.compile(
    rb"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
    rb"(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])"
)
_MISSING, _SPOILT = int(Status.MISSING), int(Status.ESTIMATED | Status.EDITED)

# Words of eight characters, the first one lowest.
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
_ZEROS = int.from_bytes(b"0" * 8, "little")
_TOP = np.array([(1 << 64) - (1 << 8 * (8 - n)) for n in range(9)], np.uint64)  # last n bytes
_FILL = np.array([_ZEROS & ((1 << 8 * (8 - n)) - 1) for n in range(9)], np.uint64)
_TENS = 10 ** np.arange(DECIMALS + 1, dtype=np.int64)


class Odd(Exception):
    """Something that the parser has to look at."""


def strictly(zone: str) -> Place:
    """A place where every warning is odd."""

    def warn(*_: object, **__: object) -> None:
        raise Odd

    return Place(warn, False, zone, Counts())


@dataclass(slots=True, eq=False)
class Column:
    """A run's times: texts and epoch seconds, and with what they have been found to agree."""

    texts: list[bytes]
    ends: Ints
    known: dict[tuple[int, bytes, bytes], bool] = field(default_factory=dict)

    def fits(self, seconds: int, start: bytes, end: bytes, times: Times) -> bool:
        """Whether the intervals are contiguous from @start to @end (SXM04)."""
        key = (seconds, start, end)
        if key not in self.known:
            if len(self.known) > PAD:
                self.known.clear()
            try:
                at, last = times[start], times[end]
            except Odd:
                return False
            texts = [text.decode() for text in (start, *self.texts)]
            wrong = grid_wrong(texts, [at, *self.ends.tolist()], seconds, times.place.zone)
            self.known[key] = wrong is None and last == int(self.ends[-1])
        return self.known[key]


class Times(dict[bytes, int]):
    """Epoch seconds of instants that are as schema and zone want them; Odd for any other."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.columns: dict[bytes, Column] = {}
        self.remembered = 0

    def __missing__(self, text: bytes) -> int:
        if not _INSTANT.fullmatch(text):
            raise Odd
        try:
            found = seconds_read(None, text.decode(), self.place)
        except ValueError as error:
            raise Odd from error
        if len(self) > KEPT:
            self.clear()
        self[text] = found
        return found

    def column(self, texts: npt.NDArray[np.bytes_]) -> Column | None:
        """A column of such instants; None if there is an odd one."""
        key = texts.tobytes()
        found = self.columns.get(key)
        if found is None:
            every = texts.tolist()
            try:
                ends = np.fromiter(map(self.__getitem__, every), np.int64, len(every))
            except Odd:
                return None
            ends.flags.writeable = False
            if self.remembered > KEPT:
                self.columns.clear()
                self.remembered = 0
            self.remembered += len(every)
            found = self.columns[key] = Column(every, ends)
        return found


class Tails(dict[bytes, tuple[int, int, int] | None]):
    """Units, decimals and mask of lines by what follows the time; None for odd ones."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place

    def __missing__(self, text: bytes) -> tuple[int, int, int] | None:
        if len(self) > KEPT // 4:
            self.clear()
        match = _TAIL.fullmatch(text)
        try:
            found = None if match is None else self._read(*match.groups())
        except (Odd, Wrong):
            found = None
        self[text] = found
        return found

    def _read(
        self, value: bytes | None, letter: bytes | None, codes: bytes | None
    ) -> tuple[int, int, int]:
        null, mask = value is None, 0
        amount = amount_read((value or b"0").decode(), 0)
        if null or letter is not None or codes is not None:
            if letter is not None:
                value_read(None, I.attributes[2], letter.decode(), self.place)
            said = ((letter or b"A").decode(), (codes or b"").decode())
            mask = mask_read(None, *said, null, self.place)
        return (*amount, mask)


class Lines(NamedTuple):
    """Runs read. `firsts` (r + 1,): where the lines of each begin; `columns`: None for an odd one.

    `counts`, `masks` (n,): of all lines, counts of `decimals` (r,) of their run. `totals`: Σ values
    in 10**-6, `estimated` and `missing` intervals, of each run.
    """

    firsts: list[int]
    columns: list[Column | None]
    counts: Ints
    masks: Masks
    decimals: list[int]
    totals: list[int]
    estimated: list[int]
    missing: list[int]


def lines_read(
    block: bytes, spans: Sequence[tuple[int, int]], times: Times, tails: Tails, returns: bool
) -> Lines:
    """The runs that stand at these places of a block, each of whole lines; `returns`: lines end in
    CR LF. A line stands before each."""
    if not spans:
        nothing = np.zeros(0, np.int64)
        return Lines([0], [], nothing, nothing.astype(np.uint16), [], [], [], [])
    text = block + bytes(PAD)
    newlines = np.flatnonzero(np.frombuffer(block, np.uint8) == 10)
    begins, stops = np.array(spans, np.int64).reshape(-1, 2).T
    low, high = np.searchsorted(newlines, begins), np.searchsorted(newlines, stops)
    odd = (high <= low) | (high - low > LONGEST)
    odd |= (newlines[np.maximum(low, 1) - 1] != begins - 1) | (newlines[high - 1] != stops - 1)
    # An odd run stands for one line, so that every run has some.
    sizes = np.where(odd, 1, high - low)
    firsts = np.concatenate(([0], np.cumsum(sizes)))
    at = np.arange(firsts[-1]) + np.repeat(low - firsts[:-1], sizes)
    ends = newlines[at]
    found = _Read(text, newlines[at - 1] + 1, ends, LINE_END[returns])
    owners = np.repeat(np.arange(len(spans)), sizes)
    odd[owners[~found.marked]] = True
    masks = np.zeros(len(ends), np.uint16)
    for n in np.flatnonzero(found.marked & ~found.plain).tolist():
        tail = tails[text[found.behind[n] : ends[n] + 1]]
        if tail is None:
            odd[owners[n]] = True
        else:
            found.units[n], found.decimals[n], masks[n] = tail
    decimals = np.maximum.reduceat(found.decimals, firsts[:-1])
    bounds = firsts.tolist()
    return Lines(
        bounds,
        [
            None if bad else times.column(found.times[first:after])
            for bad, first, after in zip(odd.tolist(), bounds, bounds[1:], strict=False)
        ],
        found.units * _TENS[np.repeat(decimals, sizes) - found.decimals],
        masks,
        decimals.tolist(),
        np.add.reduceat(found.units * _TENS[DECIMALS - found.decimals], firsts[:-1]).tolist(),
        *_qualities(masks, firsts[:-1]),
    )


def _qualities(masks: Masks, firsts: Ints) -> tuple[list[int], list[int]]:
    """Estimated and missing intervals of each run."""
    if not masks.any():
        return [0] * len(firsts), [0] * len(firsts)
    missing = masks & _MISSING != 0
    estimated = (masks & _SPOILT != 0) & ~missing
    counted = [np.add.reduceat(flags.astype(np.int64), firsts) for flags in (estimated, missing)]
    return counted[0].tolist(), counted[1].tolist()


class _Read:
    """Lines that begin and end at these places (n,): their parts, as far as they are plain.

    `marked`: the line begins as it should, its time is in `times`, and what is behind it begins at
    `behind`. `plain`: that is a value without a quality, in `units` and `decimals`.
    """

    def __init__(self, text: bytes, starts: Ints, ends: Ints, line_end: bytes) -> None:
        heads = _gathered(text, starts, 16)
        self.marked: Flags = (heads[:, 0] == _word(INDENT[:8])) & (heads[:, 1] == _word(INDENT[8:]))
        data = np.frombuffer(text, np.uint8)
        times = starts + len(INDENT)
        zulu = data[times + ZULU - 1] == ord("Z")
        letters = np.ndarray((len(text) - WIDE,), f"V{WIDE}", text, strides=(1,))[times]
        if zulu.any():
            letters.view(np.uint8).reshape(-1, WIDE)[zulu, ZULU:] = 0
        self.times: npt.NDArray[np.bytes_] = letters.view(f"S{WIDE}")
        self.behind: Ints = times + np.where(zulu, ZULU, WIDE)
        first = self.behind + len(VALUE)
        last = ends + 1 - len(line_end)
        marks = _gathered(text, self.behind, 8)[:, 0]
        low, high, tails = np.ascontiguousarray(_gathered(text, last - 16, 24).T)
        self.plain: Flags = self.marked & (marks & _TOP_LOW[len(VALUE)] == _word(VALUE))
        self.plain &= tails & _TOP_LOW[len(line_end)] == _word(line_end)
        below = data[first] == ord("-")
        units, self.decimals = self._numbers(low, high, last - first - below)
        self.units: Ints = np.where(below, -units, units)

    def _numbers(self, low: Words, high: Words, sizes: Ints) -> tuple[Ints, Ints]:
        """Units and decimals of numbers of so many characters at the end of two words."""
        self.plain &= (sizes >= 1) & (sizes <= 15)
        sizes = np.clip(sizes, 1, 15)
        short = np.minimum(sizes, 8)
        high = (high & _TOP[short]) | _FILL[short]
        long = int(sizes.max(initial=0)) > 8
        if long:
            low = (low & _TOP[sizes - short]) | _FILL[sizes - short]
        places = np.zeros(len(sizes), np.int64)
        for place in range(1, DECIMALS + 1):
            there = (high >> np.uint64(8 * (7 - place))) & np.uint64(255) == ord(".")
            places += place * there
        self.plain &= places <= DECIMALS
        places = np.minimum(places, DECIMALS)
        pointed = places > 0
        closed = (high & _TOP[places]) | ((high & ~_TOP[places + 1]) << np.uint64(8))
        if long:
            closed |= low >> np.uint64(56)
            low = np.where(pointed, (low << np.uint64(8)) | np.uint64(ord("0")), low)
        else:
            closed |= np.uint64(ord("0"))
        high = np.where(pointed, closed, high)
        whole = sizes - places - pointed
        self.plain &= (whole >= 1) & (whole <= WHOLE)
        self.plain &= ~(pointed & (high >> np.uint64(56) == ord("0")))  # a zero at the end
        self.plain &= _digits(high)
        units = _eight(high)
        if long:
            self.plain &= _digits(low)
            units += 10**8 * _eight(low)
        return np.where(self.plain, units, 0), np.where(self.plain, places, 0)


def _word(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text, "little"))


_TOP_LOW = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)  # first n bytes


def _gathered(text: bytes, places: Ints, size: int) -> Words:
    """So many bytes from each place on, as words, (n, size / 8)."""
    every = np.ndarray((len(text) - size + 1,), f"V{size}", text, strides=(1,))
    return every[places].view(np.uint64).reshape(-1, size // 8)


def _digits(words: Words) -> Flags:
    """Whether all eight characters are digits."""
    high, zeros = np.uint64(0xF0F0F0F0F0F0F0F0), np.uint64(_ZEROS)
    sixes = np.uint64(0x0606060606060606)
    fine: Flags = (words & high == zeros) & ((words + sixes) & high == zeros)
    return fine


def _eight(words: Words) -> Ints:
    """The number that eight digits are."""
    v = words - np.uint64(_ZEROS)
    v = (v * np.uint64(10) + (v >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    v = (v * np.uint64(100) + (v >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    v = (v * np.uint64(10000) + (v >> np.uint64(32))) & np.uint64(0x00000000FFFFFFFF)
    return v.astype(np.int64)
