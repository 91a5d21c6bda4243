"""Start and stop readings of a channel: register readings at the borders of its span."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from devices.readings import Frame, RegisterRead, RegisterValue
from exports.formats.records216.plan import Lane, Meter
from exports.formats.records216.units import open_multiplier
from exports.formats.text import product

# Reads whose values are those of the read instant; frozen ones are of an earlier one.
CURRENT = ("CUR", "OD", "SR")


class Reading(NamedTuple):
    """A register's reading, multiplier applied, and the second it is of."""

    value: Decimal
    time: int
    register: RegisterValue


def border_readings(
    frame: Frame, meter: Meter, lane: Lane
) -> tuple[Reading | None, Reading | None]:
    """The total register of the channel's unit and flow at the start and at the end.

    The nearest one within an interval length, of equal ones the earlier. None where two channels
    measure the same: the register is then of either.
    """
    if not frame.reads:
        return None, None
    reads = [read for device in meter.devices for read in frame.reads.get(device, ())]
    target = lane.target
    quantities = [one.target[:2] for one in meter.lanes]
    if not reads or quantities.count(target[:2]) > 1:
        return None, None
    found = list(_readings(reads, target.unit, target.flow))
    span = meter.span
    return _near(found, span.start, span.seconds), _near(found, span.stop, span.seconds)


def total_register(frame: Frame, meter: Meter, lane: Lane) -> RegisterValue | None:
    """The total register of the channel's unit and flow, from the last read that has it."""
    if not frame.reads:
        return None
    key = ("SUM", *lane.target[:2], "T", 1)
    for device in reversed(meter.devices):
        for read in reversed(frame.reads.get(device, ())):
            for value in read.values:
                if value.key == key:
                    return value
    return None


def _readings(reads: Iterable[RegisterRead], unit: str, flow: str) -> Iterable[Reading]:
    for read in reads:
        if read.read_type in CURRENT:
            for value in read.values:
                fits = (value.register_class, value.unit, value.flow, value.rate)
                if fits == ("SUM", unit, flow, "T") and value.value is not None:
                    amount = product(value.value, open_multiplier(value))
                    yield Reading(amount, int(read.time.timestamp()), value)


def _near(found: list[Reading], border: int, seconds: int) -> Reading | None:
    near = [one for one in found if abs(one.time - border) <= seconds]
    return min(near, key=lambda one: (abs(one.time - border), one.time), default=None)
