"""Texts of reads that are alike, taken apart all at once: where their values and peak times stand.

One slot after the other, in all texts: what stands before it has to be what this kind of text has
there; a value ends at its quote, a peak time is in UTC or has an offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from devices.readings import Ints
from devices.storedreads import Alike
from exports.formats.amounts import WIDTH, Amounts
from exports.formats.eights import Bytes, Flags, byte_first, rows_at, words_at
from exports.formats.storedstamps import SHORT, STAMP

QUOTE = ord('"')
ROOM = 24  # bytes read beyond a place
BEHIND = "\0" * 8192  # enough for what most kinds of texts run on


class Spans(NamedTuple):
    """Where the values and peak times of texts of a kind stand in `data`, and how long they are, by
    place, (n,)."""

    data: Bytes
    values: dict[int, tuple[Ints, Ints]]
    peaks: dict[int, tuple[Ints, Ints]]

    def amounts(self, places: Sequence[int], rows: Ints) -> Amounts:
        """The values of these places, of some of the texts."""
        return Amounts.read(self.data, *_picked(self.values, places, rows))

    def stamps(self, places: Sequence[int], rows: Ints) -> Bytes:
        """The peak times of these places, (k, n, 25), filled up with NUL."""
        starts, sizes = _picked(self.peaks, places, rows)
        found = rows_at(self.data, starts, STAMP)
        found[..., SHORT:][sizes == SHORT] = 0
        return found


def _picked(
    spans: dict[int, tuple[Ints, Ints]], places: Sequence[int], rows: Ints
) -> tuple[Ints, Ints]:
    """Starts and sizes of these places, of some of the texts."""
    starts, sizes = zip(*map(spans.__getitem__, places), strict=True)
    return np.array(starts)[:, rows], np.array(sizes)[:, rows]


class Texts:
    """Some texts as bytes."""

    def __init__(self, texts: Sequence[str]) -> None:
        joined = "".join([*texts, BEHIND])
        self.sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self.ends = np.cumsum(self.sizes)
        self.data = np.frombuffer(joined.encode() if joined.isascii() else b"", np.uint8)

    def apart(self, kind: Alike, rows: Ints) -> tuple[Spans, Ints]:
        """Those of these rows that are of this kind, and which of the rows they are."""
        most = len(kind.after) + sum(
            len(slot.before) + (WIDTH if slot.is_value else STAMP) for slot in kind.slots
        )
        # Where a text is not of the kind, the places run on into what follows it.
        missing = int(self.ends[-1]) + most + ROOM - len(self.data)
        plain = len(self.data) > 0
        if plain and missing > 0:
            self.data = np.append(self.data, np.zeros(missing, np.uint8))
        found = np.arange(len(rows) if plain else 0)
        while True:
            spans = Spans(self.data, {}, {})
            same = self._walked(kind, rows[found], spans)
            if same is None:
                return spans, found
            found = found[same]

    def _walked(self, kind: Alike, rows: Ints, spans: Spans) -> Flags | None:
        """Fill the spans of some texts; None, or which go on like the kind where not all do."""
        data, at = self.data, (self.ends - self.sizes)[rows]
        for slot in kind.slots:
            if (same := _all_have(data, at, slot.before)) is not None:
                return same
            at = at + len(slot.before)
            if slot.is_value:
                first = byte_first(words_at(data, at), QUOTE)
                more = byte_first(words_at(data, at + 8), QUOTE)
                size = first + np.where(first == 8, more, 0)
                spans.values[slot.place] = (at, size)
            else:
                size = np.where(data[at + SHORT] == QUOTE, SHORT, STAMP)
                spans.peaks[slot.place] = (at, size)
            at = at + size
        if (same := _all_have(data, at, kind.after)) is not None:
            return same
        same = at + len(kind.after) == self.ends[rows]
        return None if same.all() else same


def _all_have(data: Bytes, at: Ints, text: bytes) -> Flags | None:
    """None where this text stands at all of these places, else at which it does."""
    found = rows_at(data, at, len(text))
    if found.tobytes() == text * len(at):
        return None
    return (found == np.frombuffer(text, np.uint8)).all(axis=1)  # type: ignore[no-any-return]
