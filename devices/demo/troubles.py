"""What goes wrong in a day: outages, gaps, estimates, silent meters, and events of all sorts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.demo.chance import Draw, Floats, generator
from devices.demo.fleet import Meter
from devices.demo.load import HOUR_SLOTS, SLOT, Shape
from devices.readings import Masks, Status

# Chances a day: of an outage for a transformer, of the others for a meter.
OUTAGE, ESTIMATE, GAP, SILENCE = 0.015, 0.03, 0.03, 0.006
OUTAGE_SECONDS = (300, 9000)
RUN_SLOTS = 12  # the longest estimate or gap
ESTIMATED, MISSING = int(Status.ESTIMATED), int(Status.MISSING)
Flags = npt.NDArray[np.bool_]


class Outage(NamedTuple):
    """A transformer without power, epoch seconds."""

    transformer: int
    start: int
    end: int


class Report(NamedTuple):
    """An event of the meter at a place in the fleet. `live`: sent at once, not read from a log."""

    place: int
    code: str
    time: int
    live: bool = False


# (chance a day and meter, events: code and seconds after the first)
INCIDENTS: tuple[tuple[float, tuple[tuple[str, int], ...]], ...] = (
    (0.0015, (("COVER_REMOVED", 0), ("TAMPER", 2))),
    (0.0010, (("REV_ROTATION", 0),)),
    (0.0015, (("BATT_LOW", 0),)),
    (0.0060, (("V_SAG_START", 0), ("V_SAG_END", 14))),
    (0.0020, (("V_SWELL_START", 0), ("V_SWELL_END", 6))),
    (0.0010, (("CLOCK_ERR", 0), ("TIME_CHANGED", 40))),
)


def outages(meters: Sequence[Meter], seed: int, shape: Shape) -> list[Outage]:
    """The day's outages, each within the day."""
    count = max(meter.transformer for meter in meters) + 1
    drawn = generator(seed, Draw.OUTAGE, shape.day).random((count, 3))
    shortest, longest = OUTAGE_SECONDS
    found = []
    for transformer in np.flatnonzero(drawn[:, 0] < OUTAGE).tolist():
        seconds = int(shortest + (longest - shortest) * drawn[transformer, 1] ** 2)
        latest = shape.end - shape.start - seconds - SLOT
        start = shape.start + int(latest * drawn[transformer, 2])
        found.append(Outage(transformer, start, start + seconds))
    return found


def supply(meters: Sequence[Meter], shape: Shape, dark: Sequence[Outage]) -> Floats:
    """The part of each slot with power, (n, s)."""
    powered = np.ones((len(meters), len(shape.ends)))
    behind = np.array([meter.transformer for meter in meters])
    for outage in dark:
        until = np.minimum(shape.ends, outage.end)
        since = np.maximum(shape.ends - SLOT, outage.start)
        powered[behind == outage.transformer] = 1 - np.maximum(0, until - since) / SLOT
    return powered


def masks(seed: int, shape: Shape, powered: Floats) -> Masks:
    """The status of each slot, (n, s): outages, and runs of estimated or missing slots."""
    size, slots = powered.shape
    status = np.where(powered < 1, int(Status.POWER_OUTAGE), 0).astype(np.uint16)
    drawn = generator(seed, Draw.GAP, shape.day).random((size, 4))
    for place in np.flatnonzero(drawn[:, 0] < ESTIMATE + GAP).tolist():
        what, first, length = drawn[place, :3].tolist()
        begin = int(first * slots)
        run = slice(begin, begin + 1 + int(length * RUN_SLOTS))
        status[place, run] |= ESTIMATED if what < ESTIMATE else MISSING
    return status


def silent(seed: int, shape: Shape, size: int) -> Flags:
    """The meters from which nothing comes that day, (n,)."""
    quiet: Flags = generator(seed, Draw.GAP, shape.day).random((size, 4))[:, 3] < SILENCE
    return quiet


def hour_masks(status: Masks) -> Masks:
    """The status of hours from that of their quarters; a missing one is nothing else."""
    quarters = status.reshape(len(status), -1, HOUR_SLOTS)
    hours: Masks = np.bitwise_or.reduce(quarters, axis=2)
    hours[(hours & MISSING) != 0] &= np.uint16(0xFFFF ^ ESTIMATED)
    return hours


def reports(
    meters: Sequence[Meter], seed: int, shape: Shape, dark: Sequence[Outage]
) -> list[Report]:
    """The day's events, without those of billing."""
    found = [
        Report(place, code, time, live=True)
        for outage in dark
        for place, meter in enumerate(meters)
        if meter.transformer == outage.transformer
        for code, time in (("PWR_OUTAGE", outage.start), ("PWR_RESTORE", outage.end))
    ]
    drawn = generator(seed, Draw.EVENT, shape.day).random((len(meters), len(INCIDENTS), 2))
    for kind, (chance, steps) in enumerate(INCIDENTS):
        for place in np.flatnonzero(drawn[:, kind, 0] < chance).tolist():
            first = shape.start + int(drawn[place, kind, 1] * (shape.end - shape.start - 60))
            found.extend(Report(place, code, first + later) for code, later in steps)
    return found
