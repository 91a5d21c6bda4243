"""What the meters measure in a day: registers that only rise, and the intervals between them.

A register's total is a smooth function of the date, with some wobble, so that it can be told for
any day without going through those before. A day's intervals share out what its registers moved,
to the last count. Counts are thousandths: Wh, varh; volts are tenths.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import numpy.typing as npt

from devices.blocks import day_date, day_number, local_midnight
from devices.demo.chance import Draw, Floats, generator
from devices.demo.fleet import Meter
from devices.readings import Ints

SLOT = 900
HOUR_SLOTS = 3600 // SLOT
ORIGIN = day_number(date(2000, 1, 1))
YEAR = 365.25
PEAK_DAY = 200  # days after ORIGIN's new year: mid July
RATES = "ABC"
# (first local hour, rate) until the next; A is the peak, C the night.
RATE_HOURS = ((0, 2), (7, 1), (14, 0), (20, 1), (22, 2))
SEASON, WOBBLE = 0.25, 0.3  # parts of the mean
SUN_SEASON, SUN_WOBBLE = 0.4, 0.4
SUN_HOURS = (0,) * 6 + (1, 3, 6, 8, 9, 10, 10, 10, 9, 8, 6, 3, 1) + (0,) * 5
SUN_SHARE, REACTIVE_SHARE = 0.3, 0.35  # of the delivered energy
NOMINAL_VOLTS = 2400


@dataclass(frozen=True, slots=True)
class Shape:
    """A local day's slots. Shapes (s,): `ends` epoch seconds; local hours; rate of each."""

    day: int
    start: int
    ends: Ints
    hours: Floats
    rates: Ints

    @classmethod
    def of(cls, day: int, zone: str) -> Shape:
        """The slots of a local date (days since 1970): 92, 96 or 100 of them, as clocks go."""
        start = local_midnight(zone, day_date(day))
        starts = np.arange(start, local_midnight(zone, day_date(day + 1)), SLOT, dtype=np.int64)
        info = zoneinfo.ZoneInfo(zone)
        clocks = [datetime.fromtimestamp(second, info) for second in starts.tolist()]
        hours = np.array([clock.hour + clock.minute / 60 for clock in clocks])
        first, rates = zip(*RATE_HOURS, strict=True)
        rate = np.array(rates)[np.searchsorted(first, hours, side="right") - 1]
        return cls(day, start, starts + SLOT, hours, rate)

    @property
    def end(self) -> int:
        """The day's end, epoch seconds."""
        return int(self.ends[-1])

    @property
    def weekend(self) -> bool:
        return day_date(self.day).weekday() >= 5


@dataclass(frozen=True, slots=True)
class Totals:
    """Registers at the beginning of a local day: delivered by rate (n, 3), the others (n,)."""

    delivered: Ints
    received: Ints
    reactive: Ints


@dataclass(frozen=True, slots=True)
class Load:
    """A day's counts (n, s), and the registers at its end."""

    delivered: Ints
    received: Ints
    reactive: Ints
    volts: Ints
    totals: Totals


class Fleet:
    """The meters' means and shapes as arrays."""

    def __init__(self, meters: Sequence[Meter], seed: int) -> None:
        self.seed = seed
        self.size = len(meters)
        self.means = np.array([meter.day_kwh * 1000 for meter in meters])
        self.unrest = np.array([meter.kind.customer.unrest for meter in meters])
        hourly = np.array([meter.kind.customer.hours for meter in meters], float)
        self.hours = hourly / hourly.sum(axis=1, keepdims=True)
        first, rates = zip(*RATE_HOURS, strict=True)
        of_hour = np.array(rates)[np.searchsorted(first, np.arange(24), side="right") - 1]
        shares = [self.hours[:, of_hour == rate].sum(axis=1) for rate in range(len(RATES))]
        self.shares = np.stack(shares, axis=1)

    def totals(self, day: int) -> Totals:
        """Registers when a local date begins."""
        wobble = generator(self.seed, Draw.WOBBLE, day).random(self.size)
        sun = float(generator(self.seed, Draw.SUN, day).random())  # one sky for all
        use = self.means * (_elapsed(day, SEASON) + WOBBLE * wobble)
        light = self.means * (_elapsed(day, SUN_SEASON) + SUN_WOBBLE * sun)
        return Totals(
            _whole(use[:, None] * self.shares),
            _whole(light * SUN_SHARE),
            _whole(use * REACTIVE_SHARE),
        )

    def load(self, shape: Shape, supply: Floats) -> Load:
        """A day's load. `supply` (n, s): the part of each slot with power."""
        noise = generator(self.seed, Draw.LOAD, shape.day).gamma(3, 1 / 3, supply.shape)
        wanted = self._at(self.hours, shape.hours) ** (0.5 if shape.weekend else 1)
        weights = wanted * noise ** self.unrest[:, None] * supply
        before, after = self.totals(shape.day), self.totals(shape.day + 1)
        delivered = np.zeros(supply.shape, np.int64)
        for rate in range(len(RATES)):
            slots = np.flatnonzero(shape.rates == rate)
            delivered[:, slots] = spread(
                before.delivered[:, rate], after.delivered[:, rate], weights[:, slots]
            )
        light = self._at(np.array([SUN_HOURS], float), shape.hours) * supply
        volts = generator(self.seed, Draw.VOLTS, shape.day).normal(NOMINAL_VOLTS, 12, supply.shape)
        return Load(
            delivered,
            spread(before.received, after.received, light),
            spread(before.reactive, after.reactive, weights),
            np.where(supply > 0, _whole(volts), 0),
            after,
        )

    @staticmethod
    def _at(hours: Floats, when: Floats) -> Floats:
        """Hourly weights at local hours, in between by line: (n, 24) to (n, s)."""
        low = when.astype(np.int64)
        part = when - low
        return hours[:, low] * (1 - part) + hours[:, (low + 1) % 24] * part


def spread(first: Ints, last: Ints, weights: Floats) -> Ints:
    """Counts (n, s) that move registers from `first` to `last`, (n,), as the weights say."""
    reached = np.cumsum(weights, axis=1)
    moved = (last - first)[:, None] * (reached / reached[:, -1:])
    counts: Ints = np.diff(_whole(moved), axis=1, prepend=0)
    return counts


def hours_of(counts: Ints) -> Ints:
    """Quarter-hours (n, s) as hours (n, s / 4)."""
    hours: Ints = counts.reshape(len(counts), counts.shape[1] // HOUR_SLOTS, HOUR_SLOTS).sum(2)
    return hours


def _elapsed(day: int, season: float) -> float:
    """Mean days' worth of energy from the origin to a day: more in summer."""
    days = day - ORIGIN
    turn = 2 * math.pi / YEAR
    return days + season / turn * math.sin(turn * (days - PEAK_DAY))


def _whole(values: npt.NDArray[np.floating]) -> Ints:
    whole: Ints = np.rint(values).astype(np.int64)
    return whole
