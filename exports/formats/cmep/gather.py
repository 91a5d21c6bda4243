"""Records of one unit brought together: one value an end, whole counts, one resolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from devices.readings import Channel, IntervalSeries, Ints, Masks
from exports.formats.cmep.parse import SCALE, Parsed, RecordError
from exports.formats.cmep.plain import Plain
from exports.formats.text import WIDE, product, whole


class Piece(NamedTuple):
    """One record's intervals, (n,), or some plain ones': counts of 10**-scale, the channel's
    resolution is open. `cut`: how many decimals fewer the counts have, so that no coarser scale
    keeps them; None where that is not known."""

    channel: Channel
    stamp: int
    ends: Ints
    masks: Masks
    counts: Ints
    scale: int
    cut: int | None = None

    @classmethod
    def of(cls, channel: Channel, parsed: Parsed, factor: Decimal) -> Piece:
        """Values times `factor`; RecordError if they are no 64-bit counts at any one scale."""
        scale = SCALE
        counts = [0 if amount is None else amount.units for amount in parsed.values]
        if factor == -1:
            counts = [None if count is None else -count for count in counts]
        elif factor != 1 or None in counts:
            values = [Decimal(0) if a is None else product(a.value, factor) for a in parsed.values]
            scale = max(SCALE, *map(_decimals, values))
            counts = [whole(value, scale) for value in values]
        if None in counts:
            raise RecordError("CMR12", "value", value="too large for its decimals")
        ends, masks = np.array(parsed.ends, np.int64), np.array(parsed.masks, np.uint16)
        return cls(channel, parsed.stamp, ends, masks, np.array(counts, np.int64), scale)

    @classmethod
    def plain(cls, channel: Channel, parsed: Parsed, factor: Decimal, plain: Plain) -> Piece:
        """The same of a plain record."""
        if factor in (1, -1):
            return cls.quick(channel, factor, plain).wide()
        ends, masks = plain.ends.tolist(), plain.masks.tolist()
        return cls.of(
            channel, replace(parsed, ends=ends, masks=masks, values=plain.amounts()), factor
        )

    @classmethod
    def quick(cls, channel: Channel, factor: Decimal, plain: Plain) -> Piece:
        """The same of plain records times 1 or -1."""
        counts = plain.counts if factor == 1 else -plain.counts
        arrays = plain.ends, plain.masks, counts
        return cls(channel, plain.head.stamp, *arrays, SCALE, SCALE - plain.scale)

    def wide(self) -> Piece:
        """With all its decimals."""
        if not self.cut:
            return self
        return self._replace(counts=self.counts * 10**self.cut, cut=None)


def _decimals(value: Decimal) -> int:
    return max(0, -int(value.normalize(WIDE).as_tuple().exponent))


def pieces_series(pieces: Sequence[Piece]) -> Iterator[IntervalSeries]:
    """The series of one meter, unit and flow: one for each length, multiplier and scale.

    Of two values of one end that of the newest record stands; of equal stamps the later line's.
    """
    first = pieces[0]
    if len(pieces) == 1 and first.cut is not None:
        channel = _resolved(first.channel, first.scale - first.cut)
        yield IntervalSeries(channel, first.ends, first.counts, first.masks)
        return
    pieces = [piece.wide() for piece in pieces]
    if all(p.channel is first.channel and p.scale == first.scale for p in pieces):
        ends = np.concatenate([piece.ends for piece in pieces])
        if (ends[1:] > ends[:-1]).all():
            masks = np.concatenate([piece.masks for piece in pieces])
            counts = np.concatenate([piece.counts for piece in pieces])
            found, decimals = _coarsest(counts, first.scale)
            yield IntervalSeries(_resolved(first.channel, decimals), ends, found, masks)
            return
    sizes = [len(piece.ends) for piece in pieces]
    ends = np.concatenate([piece.ends for piece in pieces])
    masks = np.concatenate([piece.masks for piece in pieces])
    counts = np.concatenate([piece.counts for piece in pieces])
    owners = np.repeat(np.arange(len(pieces)), sizes)
    stamps = np.repeat([piece.stamp for piece in pieces], sizes)
    order = np.arange(len(ends))
    if (ends[1:] <= ends[:-1]).any():
        order = np.lexsort((order, stamps, ends))
    last = np.append(ends[order][1:] != ends[order][:-1], True)
    chosen = order[last]
    keys = [(piece.channel, piece.scale) for piece in pieces]
    kinds = list(dict.fromkeys(keys))
    for channel, scale in kinds:
        picked = chosen
        if len(kinds) > 1:
            mine = np.array([key == (channel, scale) for key in keys])
            picked = chosen[mine[owners[chosen]]]
        if len(picked):
            found, decimals = _coarsest(counts[picked], scale)
            yield IntervalSeries(_resolved(channel, decimals), ends[picked], found, masks[picked])


@lru_cache(maxsize=1024)
def _resolved(channel: Channel, decimals: int) -> Channel:
    return channel._replace(resolution=Decimal(1).scaleb(-decimals))


def _coarsest(counts: Ints, scale: int) -> tuple[Ints, int]:
    """The counts at the coarsest power of ten, at most 1, that keeps them all."""
    common, shift = int(np.gcd.reduce(counts)), 0
    while shift < scale and common % 10 == 0:
        common, shift = common // 10 or 0, shift + 1
    return (counts // 10**shift if shift else counts), scale - shift
