"""Reading: cells of many channels to series of counts, each at its channel's resolution."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from devices.readings import Channel, IntervalSeries, Ints, Masks
from exports.formats.records216.cells import (
    Flags,
    Floats,
    cells_to_counts,
    coarsest,
    counts_to_cells,
)
from exports.formats.records216.scan import Records, Wanted, cells_read


class Note(Protocol):
    """Notes an error or a warning, by what it is about, at a record."""

    def __call__(self, about: str, **words: object) -> None: ...


class Draft(NamedTuple):
    """A channel of a file before its cells are looked at.

    `resolved`: the channel's resolution holds; else the cells tell it. `start`: of the first
    interval. `pulse`: units per pulse, None where cells are singles.
    """

    channel: Channel
    resolved: bool
    wanted: Wanted
    start: int
    registers: tuple[Decimal | None, Decimal | None]
    pulse: Decimal | None
    warn: Note
    error: Note


@dataclass(slots=True)
class Gatherer:
    """Channels of a batch of meters on their way to series."""

    records: Records
    drafts: Sequence[Draft]
    round_cells: bool
    made: list[IntervalSeries | None] = field(init=False)
    ends: dict[tuple[int, int, int], Ints] = field(default_factory=dict)

    def series(self) -> list[IntervalSeries | None]:
        """By draft; None for a channel that is refused."""
        self.made = [None] * len(self.drafts)
        for found in cells_read(self.records, [draft.wanted for draft in self.drafts]):
            rows_of: dict[tuple[object, ...], list[int]] = defaultdict(list)
            for row, place in enumerate(found.places):
                draft = self.drafts[place]
                for about, count in found.odd.of(row).items():
                    draft.warn(about, count=count)
                scale = draft.channel.resolution if draft.resolved else None
                rows_of[scale, draft.pulse].append(row)
            for rows in rows_of.values():
                places = [found.places[row] for row in rows]
                if len(rows) == len(found.places):
                    self._gather(places, found.values, found.masks)
                else:
                    self._gather(places, found.values[rows], found.masks[rows])
        return self.made

    def _gather(self, places: list[int], values: npt.NDArray[Any], masks: Masks) -> None:
        """Channels of one shape and one known resolution, or none."""
        first = self.drafts[places[0]]
        if first.pulse is not None:
            self._pulses(places, values, masks, first)
        elif first.resolved:
            self._count(places, values, masks, first.channel.resolution)
        else:
            decimals = coarsest(values)
            for some in np.unique(decimals).tolist():
                scale = Decimal(1).scaleb(-some)
                rows = np.flatnonzero(decimals == some)
                if len(rows) == len(places):
                    self._count(places, values, masks, scale)
                else:
                    few = [places[row] for row in rows.tolist()]
                    self._count(few, values[rows], masks[rows], scale)

    def _count(self, places: list[int], cells: Floats, masks: Masks, scale: Decimal) -> None:
        counts, huge = cells_to_counts(cells, scale)
        other = (counts_to_cells(counts, scale) != cells) & ~huge
        self._make(places, counts, masks, scale, huge, other)

    def _pulses(
        self, places: list[int], pulses: npt.NDArray[np.uint32], masks: Masks, first: Draft
    ) -> None:
        """Pulses are counts of their own weight, or exact multiples of the known resolution."""
        pulse = first.pulse or Decimal(1)
        scale = first.channel.resolution if first.resolved else pulse
        ratio = Fraction(pulse) / Fraction(scale)
        over, under = ratio.numerator, ratio.denominator
        exact = max(over, under) < 1 << 30  # then products stay within 62 bits
        numbers = pulses.astype(np.int64 if exact else object) * over
        counts = numbers // under
        other = (numbers % under != 0).astype(np.bool_)
        huge = (counts >= 1 << 62).astype(np.bool_)
        whole = np.where(huge, 0, counts).astype(np.int64)
        self._make(places, whole, masks, scale, huge, other)

    def _make(
        self,
        places: list[int],
        counts: Ints,
        masks: Masks,
        scale: Decimal,
        huge: Flags,
        other: Flags,
    ) -> None:
        too_large: list[bool] = np.any(huge, axis=1).tolist()
        inexact: list[int] = np.sum(other, axis=1).tolist()
        for row, place in enumerate(places):
            draft = self.drafts[place]
            if too_large[row]:
                draft.error("huge", resolution=scale)
                continue
            if inexact[row]:
                note = draft.warn if self.round_cells else draft.error
                note("rounded", count=inexact[row], resolution=scale)
                if not self.round_cells:
                    continue
            channel = draft.channel._replace(resolution=scale)
            ends = self._ends(draft)
            self.made[place] = IntervalSeries(
                channel, ends, counts[row], masks[row], *draft.registers
            )

    def _ends(self, draft: Draft) -> Ints:
        key = (draft.start, draft.channel.seconds, draft.wanted.cells)
        if key not in self.ends:
            start, seconds, cells = key
            self.ends[key] = start + seconds * np.arange(1, cells + 1, dtype=np.int64)
        return self.ends[key]
