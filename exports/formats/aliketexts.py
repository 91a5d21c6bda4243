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


class Spans(NamedTuple):
    """Texts of a kind, one after the other in `data`. Where the values and peak times of its places
    stand and how long they are, by place, (n,); which of the texts are of the kind."""

    data: Bytes
    values: dict[int, tuple[Ints, Ints]]
    peaks: dict[int, tuple[Ints, Ints]]
    fine: Flags

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
        joined = "".join(texts)
        self.sizes = np.fromiter(map(len, texts), np.int64, len(texts))
        self.ends = np.cumsum(self.sizes)
        self.bytes = joined.encode() if joined.isascii() else b""

    def apart(self, kind: Alike, rows: Ints) -> Spans:
        """Those of these rows, as of this kind."""
        most = len(kind.after) + sum(
            len(slot.before) + (WIDTH if slot.is_value else STAMP) for slot in kind.slots
        )
        # Where a text is not of the kind, the places run on into what follows it.
        data = np.frombuffer(self.bytes + bytes(most + ROOM), np.uint8)
        spans = Spans(data, {}, {}, np.full(len(rows), bool(self.bytes)))
        if not self.bytes:
            return spans
        at = (self.ends - self.sizes)[rows]
        for slot in kind.slots:
            at = _passed(spans, at, slot.before)
            if slot.is_value:
                first = byte_first(words_at(data, at), QUOTE)
                more = byte_first(words_at(data, at + 8), QUOTE)
                size = first + np.where(first == 8, more, 0)
                spans.values[slot.place] = (at, size)
                at = at + size
            else:
                size = np.where(data[at + SHORT] == QUOTE, SHORT, STAMP)
                spans.peaks[slot.place] = (at, size)
                at = at + size
            if not spans.fine.any():
                return spans
        at = _passed(spans, at, kind.after)
        np.logical_and(spans.fine, at == self.ends[rows], out=spans.fine)
        return spans


def _passed(spans: Spans, at: Ints, text: bytes) -> Ints:
    """Behind a text that has to stand there."""
    found = rows_at(spans.data, at, len(text))
    if found.tobytes() != text * len(at):
        same = (found == np.frombuffer(text, np.uint8)).all(axis=1)
        np.logical_and(spans.fine, same, out=spans.fine)
    return at + len(text)
