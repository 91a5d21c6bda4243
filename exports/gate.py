"""Pure: the quality gate: how many of a meter's readings are missing, estimated or questionable,
and whether that is more than an export lets pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from devices.readings import ABSENT, Frame, Status
from devices.rosters import column_of

OFF, HOLD_METER, HOLD_RUN = "off", "meter", "run"
PERCENT, COUNT = "percent", "count"
KINDS = ("missing", "estimated", "questionable")
BITS = tuple(int(getattr(Status, kind.upper())) for kind in KINDS)


class Figures(NamedTuple):
    """What a meter has in a run: intervals and register values, and how many of them are what."""

    readings: int
    missing: int = 0
    estimated: int = 0
    questionable: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many of a meter's readings, in percent or as a count; None: any number.

    A meter without any reading has all of one missing.
    """

    unit: str = PERCENT
    missing: int | None = None
    estimated: int | None = None
    questionable: int | None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Limits:
        """The limits that a run has frozen."""
        return cls(stored["unit"], *(stored[kind] for kind in KINDS))

    def reasons(self, figures: Figures) -> list[str]:
        """Why a meter falls short, as people read it; nothing when it passes."""
        if not figures.readings:
            return ["no reading at all"] if self.missing is not None else []
        found = []
        for kind in KINDS:
            limit, count = getattr(self, kind), getattr(figures, kind)
            if limit is None:
                continue
            if self.unit == COUNT and count > limit:
                found.append(f"{count:,} {kind}, at most {limit:,} may be")
            elif self.unit == PERCENT and count * 100 > limit * figures.readings:
                share = 100 * count / figures.readings
                found.append(f"{share:.3g} % {kind}, at most {limit} % may be")
        return found


def figures_of(frame: Frame, *, whole: bool) -> dict[str, Figures]:
    """The figures of a frame's devices, by device id. `whole`: what never arrived is missing; else
    only what is there counts."""
    sums = np.zeros((len(frame.devices), 1 + len(KINDS)), np.int64)
    for sheet in frame.sheets:
        rows, slots = sheet.counts.shape
        counted = np.zeros((rows, 1 + len(KINDS)), np.int64)
        if sheet.status is None:
            counted[:, 0] = slots
        else:
            there = sheet.status & ABSENT == 0
            counted[:, 0] = slots if whole else there.sum(axis=1)
            for place, bit in enumerate(BITS, 1):
                marked = sheet.status & bit != 0
                counted[:, place] = (marked if whole else marked & there).sum(axis=1)
        np.add.at(sums, sheet.devices, counted)
    for place, reads in frame.reads.items():
        for read in reads:
            for value in read.values:
                sums[place, 0] += 1
                sums[place, 1:] += [bool(value.status & bit) for bit in BITS]
                sums[place, 1] += value.value is None and not value.status & BITS[0]
    found: dict[str, Figures] = {}
    names = column_of(frame.devices, "device_id")
    for name, own in zip(names, sums.tolist(), strict=True):
        known = found.get(name, (0,) * len(own))
        found[name] = Figures(*(a + b for a, b in zip(known, own, strict=True)))
    return found


def devices_with(frame: Frame) -> set[str]:
    """The devices, by device id, that a frame holds anything of."""
    used = np.zeros(len(frame.devices), bool)
    for sheet in frame.sheets:
        if sheet.status is None:
            used[sheet.devices] = True
        else:
            used[sheet.devices[(sheet.status & ABSENT == 0).any(axis=1)]] = True
    used[[*frame.reads, *frame.events]] = True
    names = column_of(frame.devices, "device_id")
    return {names[place] for place in np.flatnonzero(used).tolist()}
