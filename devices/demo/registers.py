"""What the meters' registers show: totals, demand peaks since the last reset, rates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from devices.batchform import Registers, RegisterValue
from devices.blocks import day_date, local_midnight
from devices.demo.fleet import REACTIVE, RECEIVED, Meter
from devices.demo.load import HOUR_SLOTS, RATES, SLOT, Load, Shape, hours_of
from devices.readings import Ints, instant

SUMMER = range(6, 10)  # months of season 1
FIRST_RESET = 2019  # year
PER_HOUR = 3600 // SLOT
WATTS = Decimal("0.001")


class Register(NamedTuple):
    """A register of the device classes, under their number."""

    number: int
    register_class: str
    unit: str
    flow: str
    rate: str


# fmt: off
TOTAL    = Register( 1, "SUM", "KWH",   "DEL", "T")
DEMAND   = Register( 2, "MAX", "KW",    "DEL", "T")
INFEED   = Register( 4, "SUM", "KWH",   "REC", "T")
VARH     = Register( 5, "SUM", "KVARH", "DEL", "T")
RATED    = tuple(Register(11 + n, "SUM", "KWH", "DEL", rate) for n, rate in enumerate(RATES))
RATED_KW = tuple(Register(21 + n, "MAX", "KW",  "DEL", rate) for n, rate in enumerate(RATES))
# fmt: on


class Peaks:
    """The highest demand by rate since the last reset: watts (n, 3), and when its slot ended."""

    def __init__(self, meters: Sequence[Meter]) -> None:
        self.hourly = np.array([meter.hourly for meter in meters])
        self.reset()

    def reset(self) -> None:
        self.watts = np.zeros((len(self.hourly), len(RATES)), np.int64)
        self.times = np.zeros_like(self.watts)

    def see(self, shape: Shape, delivered: Ints) -> None:
        """A day's delivered counts (n, s). An hourly meter's demand is that of its hours."""
        watts = delivered * PER_HOUR
        watts[self.hourly] = 0
        watts[self.hourly, HOUR_SLOTS - 1 :: HOUR_SLOTS] = hours_of(delivered[self.hourly])
        for rate in range(len(RATES)):
            slots = np.flatnonzero(shape.rates == rate)
            best = slots[watts[:, slots].argmax(axis=1)]
            highest = watts[np.arange(len(watts)), best]
            higher = highest > self.watts[:, rate]
            self.watts[higher, rate] = highest[higher]
            self.times[higher, rate] = shape.ends[best[higher]]


class Reader:
    """Reads of all meters at the end of a day."""

    def __init__(self, meters: Sequence[Meter], zone: str, shape: Shape, load: Load) -> None:
        self.meters = meters
        self.totals = load.totals
        day = day_date(shape.day)
        self.time = instant(shape.end)
        self.season = int(day.month in SUMMER)
        self.reset_count = (day.year - FIRST_RESET) * 12 + day.month
        self.reset_time = instant(local_midnight(zone, day.replace(day=1)))

    def reads(self, place: int, peaks: Peaks, types: Sequence[str]) -> list[Registers]:
        """A meter's reads, alike but for their type."""
        values = self._values(place, peaks)
        return [
            Registers(
                time=self.time,
                type=read_type,
                season=self.season,
                reset_count=self.reset_count,
                reset_time=self.reset_time,
                values=values,
            )
            for read_type in types
        ]

    def _values(self, place: int, peaks: Peaks) -> list[RegisterValue]:
        meter, totals = self.meters[place], self.totals
        energy: list[int] = totals.delivered[place].tolist()
        watts: list[int] = peaks.watts[place].tolist()
        times: list[int] = peaks.times[place].tolist()
        best = watts.index(max(watts))
        found = [_value(TOTAL, sum(energy)), _value(DEMAND, watts[best], times[best])]
        if meter.measures(RECEIVED):
            found.append(_value(INFEED, int(totals.received[place])))
        if meter.measures(REACTIVE):
            found.append(_value(VARH, int(totals.reactive[place])))
        if not meter.hourly:
            found.extend(map(_value, RATED, energy))
            found.extend(map(_value, RATED_KW, watts, times))
        return found


def read_types(day: date) -> tuple[str, ...]:
    """The types of the reads at the end of a day: on a month's last day it is also frozen."""
    return ("CUR", "SR", "PDR") if is_month_end(day) else ("CUR",)


def is_month_end(day: date) -> bool:
    """Demand is reset when this day ends."""
    return date.fromordinal(day.toordinal() + 1).day == 1


def _value(register: Register, thousandths: int, peak: int = 0) -> RegisterValue:
    return RegisterValue(
        no=register.number,
        register_class=register.register_class,
        uom=register.unit,
        flow=register.flow,
        rate=register.rate,
        value=thousandths * WATTS,
        peak_time=instant(peak) if peak else None,
    )
