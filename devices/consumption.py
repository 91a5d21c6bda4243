"""Consumption between register reads: differences, rollovers told by the dials, meter exchanges.

A bill over a period takes the readings of one register at one place: of one meter, or of one after
another. The differences of each meter are added; between two meters nothing was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

from devices.readings import EXACT, RegisterValue, status_letter

ZERO, ONE, TEN = Decimal(0), Decimal(1), Decimal(10)
# Marks of a step, for the screen and the bill.
ROLLOVER = "rollover"  # the register went past its last digit
EXCHANGE = "exchange"  # another meter from here on
UNMEASURED = "unmeasured"  # time passed between the two meters' reads
BACKWARDS = "backwards"  # the register went back, and no rollover explains it
ESTIMATED = "estimated"  # a reading at an end is estimated or edited


class Reading(NamedTuple):
    """One register of a meter at an instant (aware)."""

    device_id: str
    time: datetime
    value: RegisterValue


class Step(NamedTuple):
    """What was used between two neighbouring readings, in engineering units.

    `amount` None: it cannot be told, the marks say why.
    """

    start: Reading
    end: Reading
    amount: Decimal | None
    marks: tuple[str, ...]


class Usage(NamedTuple):
    """The steps of a period together; None when one of them cannot be told."""

    amount: Decimal | None
    marks: tuple[str, ...]
    steps: tuple[Step, ...]


def usage(readings: Iterable[Reading]) -> Usage:
    """What was used from the first reading to the last. Readings without a value are passed over.

    ValueError when they are of different registers, or those of one meter not in one piece.
    """
    there = sorted((r for r in readings if r.value.value is not None), key=lambda r: r.time)
    _check(there)
    steps = tuple(_step(start, end) for start, end in pairwise(there))
    marks = tuple(dict.fromkeys(mark for step in steps for mark in step.marks))
    amounts = [step.amount for step in steps if step.amount is not None]
    total = None if not steps or len(amounts) < len(steps) else _sum(amounts)
    return Usage(total, marks, steps)


def _check(readings: Sequence[Reading]) -> None:
    kinds = {(*r.value.key[1:4], r.value.register_class) for r in readings}
    if len(kinds) > 1:
        raise ValueError(f"readings of different registers: {sorted(kinds)}")
    meters = [r.device_id for r in readings]
    blocks = 1 + sum(one != other for one, other in pairwise(meters))
    if meters and blocks != len(set(meters)):
        raise ValueError("readings of one meter lie on both sides of another's")


def _step(start: Reading, end: Reading) -> Step:
    marks = []
    if any(status_letter(r.value.status) in "EV" for r in (start, end)):
        marks.append(ESTIMATED)
    if start.device_id != end.device_id:
        marks.append(EXCHANGE)
        if start.time != end.time:
            marks.append(UNMEASURED)
        return Step(start, end, ZERO, tuple(marks))
    before, after = _engineering(start.value), _engineering(end.value)
    amount: Decimal | None = EXACT.subtract(after, before)
    if after < before and start.value.flow != "NET":
        span = _span(end.value)
        turned = None if span is None else EXACT.add(EXACT.subtract(after, before), span)
        # A register that turned over has used little of its range since; one that was set back,
        # or whose reading was wrong, seems to have used most of it.
        plausible = turned is not None and span is not None and ZERO <= turned <= span / 2
        amount = turned if plausible else None
        marks.append(ROLLOVER if plausible else BACKWARDS)
    return Step(start, end, amount, tuple(marks))


def _multiplier(value: RegisterValue) -> Decimal:
    return ONE if value.multiplier is None else value.multiplier


def _engineering(value: RegisterValue) -> Decimal:
    """The reading with its multiplier applied; there is one, see `usage`."""
    shown = value.value or ZERO
    return EXACT.multiply(shown, _multiplier(value)) if value.multiplier_applied is False else shown


def _span(value: RegisterValue) -> Decimal | None:
    """How much a full turn of the register is, in engineering units; None without its dials.

    The dials are those of the display: what is shown times the multiplier is the value.
    """
    if not value.dials:
        return None
    return EXACT.multiply(EXACT.power(TEN, value.dials), _multiplier(value))


def _sum(amounts: Sequence[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total
