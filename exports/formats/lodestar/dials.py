"""Start and stop readings of a cut (section 2.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from devices.readings import READ_TYPES, Channel, RegisterRead, RegisterValue
from exports.formats.issues import refusal
from exports.formats.lodestar.cuts import Span
from exports.formats.lodestar.fields import quotient, rounded
from exports.formats.lodestar.run import Run, Target
from exports.formats.text import LARGEST, WIDE, product

READ_ORDER = {read_type: place for place, read_type in enumerate(READ_TYPES)}
NONE = (None, None)
TOLERANCE = Decimal("0.01")  # times the multiplier
DECIMALS = 3
Readings = tuple[Decimal | None, Decimal | None]


@dataclass(frozen=True, slots=True)
class Dials:
    """A device's totals (class SUM, rate T) by unit, flow and whole second."""

    values: dict[tuple[str, str, int], RegisterValue]

    def readings(
        self,
        channel: Channel,
        target: Target,
        span: Span,
        total: Callable[[], Decimal],
        run: Run,
    ) -> Readings:
        """Both readings of a cut without missing slots, if both are known and agree with
        `total`, the sum of the cut's values as they are written; else neither."""
        both = [self.values.get((channel.unit, channel.flow, at)) for at in (span.start, span.end)]
        if None in both:
            return NONE
        start, stop = (_dial(value, target) for value in both if value is not None)
        if start is None or stop is None or start < 0 or stop < 0:
            return NONE
        tolerance = run.ctx.options["reading_tolerance"]
        if tolerance is None:
            tolerance = product(TOLERANCE, target.multiplier)
        used = product(WIDE.subtract(stop, start), target.multiplier)
        fits = abs(WIDE.subtract(used, total())) <= tolerance
        return (start, stop) if fits else NONE


def dials_of(reads: Sequence[RegisterRead]) -> Dials:
    """The totals of reads; of several at one instant the first ReadType's. FMT01."""
    values: dict[tuple[str, str, int], RegisterValue] = {}
    for read in sorted(reads, key=lambda read: READ_ORDER.get(read.read_type, len(READ_ORDER))):
        if read.time.tzinfo is None:
            raise refusal("FMT01", time=read.time)
        if read.time.microsecond:
            continue
        at = int(read.time.timestamp())
        for value in read.values:
            if value.register_class == "SUM" and value.rate == "T" and value.value is not None:
                values.setdefault((value.unit, value.flow, at), value)
    return Dials(values)


def _dial(value: RegisterValue, target: Target) -> Decimal | None:
    """What the dials show, as it is written; None if that cannot be told."""
    multiplier = target.multiplier if value.multiplier is None else value.multiplier
    shown = value.value
    if shown is None or not shown.is_finite() or not multiplier:
        return None
    if shown and shown.adjusted() > LARGEST // 2:
        return None
    if value.multiplier_applied is not False:
        shown = quotient(shown, multiplier)
    return rounded(shown, DECIMALS)
