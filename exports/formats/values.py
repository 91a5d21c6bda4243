"""Counts as values of a file: resolution, and the multiplier as it is stated (README 2.11)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from devices.readings import Channel, RegisterValue
from exports.formats.issues import refusal
from exports.formats.text import ROUNDING, product

ONE = Decimal(1)


class Scale(NamedTuple):
    """Count × resolution ÷ divisor is the value."""

    resolution: Decimal
    divisor: Decimal


def scale_of(channel: Channel, remove: bool) -> Scale:
    """What a count of the channel stands for; `remove`: an applied multiplier is divided out."""
    return Scale(channel.resolution.normalize(), _divisor(channel, remove))


def value_of(count: int, scale: Scale) -> Decimal:
    """A count as the file's value; rounded only where it is divided, far below its digits."""
    value = product(Decimal(count), scale.resolution)
    return value if scale.divisor == ONE else ROUNDING.divide(value, scale.divisor)


def register_value(register: RegisterValue, value: Decimal, remove: bool) -> Decimal:
    """A register's value as the file has it."""
    divisor = register_divisor(register, remove)
    return value if divisor == ONE else ROUNDING.divide(value, divisor)


def is_applied(source: Channel | RegisterValue, remove: bool) -> bool:
    """Whether the multiplier is in the values written; one that is not stated counts as applied."""
    return source.multiplier_applied is not False and not remove


def register_divisor(register: RegisterValue, remove: bool) -> Decimal:
    """What a register's value is divided by; FMT10 for a multiplier of nothing."""
    divisor = _divisor(register, remove)
    if not divisor:
        raise refusal("FMT10")
    return divisor


def _divisor(source: Channel | RegisterValue, remove: bool) -> Decimal:
    """The multiplier if it is in the value and is to be removed."""
    removed = remove and source.multiplier_applied is not False
    return source.multiplier if removed and source.multiplier is not None else ONE


def decimal_text(count: int, decimals: int) -> bytes:
    """A count of that many decimals, without zeros at the end; quicker than by Decimal."""
    sign, digits = (b"-", b"%d" % -count) if count < 0 else (b"", b"%d" % count)
    digits = digits.zfill(decimals + 1)
    part = digits[-decimals:].rstrip(b"0")
    whole = sign + digits[:-decimals]
    return b"%s.%s" % (whole, part) if part else (whole if count else b"0")
