"""Pure: JSON arrays of decimal numbers, as posted, to exact integers, a whole batch at once.

`columns_read` reads many arrays in one go, with numpy, where they are written as senders usually
write them: all numbers plain, either all in quotes or none. It gives None for anything else; then
`array_read` reads them one by one and says what is wrong. Both give the same numbers, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import msgspec
import numpy as np
import numpy.typing as npt

from devices.readings import Ints

# Beyond this a count is refused; leaves room in int64 for sums.
LARGEST = 10**18
DIGITS = 18  # of a number that is read the fast way
POWERS = 10 ** np.arange(DIGITS + 1, dtype=np.int64)
Flags = npt.NDArray[np.bool_]

_NUMBER = re.compile(rb"(-?)(\d{1,100})(?:\.(\d{1,100}))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_array = msgspec.json.Decoder(list[msgspec.Raw])
_BLANK, _QUOTE, _POINT, _MINUS, _ZERO, _NULL = 0, *b'".-0n'


class ValueFault(ValueError):
    """A number that cannot be taken; `code` as in the table of problems."""

    def __init__(self, code: str, message: str, place: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.place = place  # of the number in its array


@dataclass(frozen=True, slots=True)
class Columns:
    """Numbers of m arrays, one after the other, (n,): integer / 10**decimals, 0 where null.

    `sizes` (m,): how many numbers each array has.
    """

    integers: Ints
    decimals: npt.NDArray[np.int8]
    null: Flags
    sizes: Ints


@lru_cache(maxsize=4096)
def ratio(resolution: Decimal) -> tuple[int, int]:
    """(mantissa, decimals) of a resolution: mantissa / 10**decimals, the mantissa no power of 10.

    0.001 is (1, 3), 0.25 is (25, 2), 10 is (1, -1).
    """
    _, digits, exponent = resolution.normalize().as_tuple()
    return int("".join(map(str, digits))), -int(exponent)


# --- many at once ------------------------------------------------------------------------------


def columns_read(arrays: Sequence[bytes]) -> Columns | None:
    """The numbers of JSON arrays; None when they are not all written in the usual way."""
    text = b"\n".join(arrays).replace(b", ", b",")
    count = len(arrays)
    # Each array begins with its line's only bracket, or it is not one array of plain things.
    if not (
        text.count(b"\n") == count - 1
        and text.count(b"[") == text.count(b"]") == count
        and text.count(b"\n[") == count - 1
        and text[:1] == b"["
        and b"[]" not in text
    ):
        return None
    quotes = text.count(b'"')
    if quotes:
        # With null in quotes too, every comma must stand between quotes and no quote elsewhere:
        # then no string holds a comma, a bracket or a quote.
        if b'"n"' in text:
            return None
        text = text.replace(b"null", b'"n"')
        commas = text.count(b",")
        if not (
            text.count(b'","') == commas
            and text.count(b'["') == text.count(b'"]') == count
            and text.count(b'"') == 2 * (commas + count)
        ):
            return None
    else:
        text = text.replace(b"null", b"n")
    sizes = np.array([line.count(b",") + 1 for line in text.split(b"\n")], np.int64)
    tokens = text.translate(None, b'"[]').replace(b"\n", b",").split(b",")
    read = _tokens_read(tokens)
    return None if read is None else Columns(*read, sizes)


def _tokens_read(
    tokens: Sequence[bytes],
) -> tuple[Ints, npt.NDArray[np.int8], Flags] | None:
    """Integers, decimals and null of plain numbers, column of digits by column of digits."""
    texts = np.array(tokens, np.bytes_)
    width = texts.dtype.itemsize
    if not width or width > DIGITS + 2:
        return None
    chars = np.ascontiguousarray(texts.view(np.uint8).reshape(-1, width).T)
    null, negative = chars[0] == _NULL, chars[0] == _MINUS
    integers = np.zeros(len(texts), np.int64)
    digits, decimals = np.zeros(len(texts), np.int8), np.zeros(len(texts), np.int8)
    behind = np.zeros(len(texts), np.bool_)  # the point
    odd = np.zeros(len(texts), np.bool_)
    for place, column in enumerate(chars):
        value = column - _ZERO
        digit, point = value < 10, column == _POINT
        integers = np.where(digit, integers * 10 + value, integers)
        digits += digit
        decimals += digit & behind
        known = digit | point | (column == _BLANK)
        odd |= (point & behind) | ~(known if place else known | null | negative)
        behind |= point
    lengths = digits + behind + negative + null
    odd |= behind & ((decimals == 0) | (decimals == digits))  # nothing on one side of the point
    plain = np.where(null, lengths == 1, (digits > 0) & (digits <= DIGITS))
    if odd.any() or not plain.all() or (lengths != np.char.str_len(texts)).any():
        return None
    np.negative(integers, out=integers, where=negative)
    return integers, decimals, null


def counts_of(columns: Columns, mantissa: Ints, decimals: Ints) -> tuple[Ints, Flags]:
    """Counts of each number's resolution mantissa / 10**decimals, (n,), and which are exact.

    `mantissa`, `decimals` (n,) or (1,). What is not exact, or too large, is flagged.
    """
    shift = decimals - columns.decimals
    up, down = POWERS[np.clip(shift, 0, DIGITS)], POWERS[np.clip(-shift, 0, DIGITS)]
    fits = np.abs(columns.integers) <= LARGEST // up
    scaled = np.where(fits, columns.integers, 0) * up
    divisor = down * mantissa
    exact = fits & (np.abs(shift) <= DIGITS) & (mantissa <= LARGEST // down)
    divisor = np.where(exact, divisor, 1)
    counts = scaled // divisor
    return counts, (exact & (counts * divisor == scaled)) | (columns.integers == 0)


# --- one by one --------------------------------------------------------------------------------


def array_read(array: bytes, resolution: Decimal) -> list[int | None]:
    """Counts of the numbers of one JSON array. ValueFault names the number's place."""
    try:
        numbers = _array.decode(array)
    except msgspec.ValidationError as error:
        raise ValueFault("BAD_TYPE", "an array of numbers must stand here") from error
    return [number_read(bytes(text), place, resolution) for place, text in enumerate(numbers)]


def number_read(text: bytes, place: int, resolution: Decimal) -> int | None:
    """The count of one JSON number or string; None for null."""
    if text == b"null":
        return None
    shown = f"[{place}]: {text[:40].decode('utf-8', 'replace')}"
    found = _NUMBER.fullmatch(text[1:-1] if text[:1] == b'"' else text)
    if found is None:
        raise _no_number(text, shown, place)
    sign, whole, part, power = found.groups(b"")
    exponent = int(power or 0) - len(part)
    integer: int = int(whole + part)
    if not integer:
        return 0
    mantissa, decimals = ratio(resolution)
    shift = exponent + decimals
    if shift + len((whole + part).lstrip(b"0")) > DIGITS + 20:
        raise ValueFault("OVERFLOW", f"{shown} is too large", place)
    # Exact in whole numbers: integer * 10**shift / mantissa.
    over, under = integer * 10 ** max(shift, 0), mantissa * 10 ** max(-shift, 0)
    count, rest = divmod(int(over), int(under))
    if rest:
        raise ValueFault(
            "NOT_A_MULTIPLE",
            f"{shown} is not a multiple of the channel's resolution {resolution.normalize():f}; "
            "send what the meter counted, or change the channel",
            place,
        )
    if count > LARGEST:
        raise ValueFault("OVERFLOW", f"{shown} is too large: {count} counts", place)
    return -count if sign else count


def _no_number(text: bytes, shown: str, place: int) -> ValueFault:
    if text.strip(b'"').lstrip(b"+-").lower() in (b"nan", b"snan", b"inf", b"infinity"):
        message = f"{shown} is not a finite number; send null where missing"
        return ValueFault("NOT_FINITE", message, place)
    message = f"{shown} is no plain decimal number, such as 0.312"
    return ValueFault("BAD_NUMBER", message, place)
