"""What the register formats share: which registers a file takes, their order, their numbers.

Selection and options; order: README 2.12; widths and rounding: 2.11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from devices.readings import (
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    RegisterRead,
    RegisterValue,
    Status,
)
from devices.storedreads import StoredRead
from exports.formats.issues import refusal
from exports.formats.options import Option, OptionError
from exports.formats.text import plain
from exports.formats.values import ONE, register_divisor

DECIMALS = 4
VALUE_WIDTH = 16
PEAKED = ("MAX", "COIN")  # classes whose peak time is written
_TYPE_ORDER = {read_type: place for place, read_type in enumerate(READ_TYPES)}
_CLASS_ORDER = {name: place for place, name in enumerate(REGISTER_CLASSES)}
_RATE_ORDER = {rate: place for place, rate in enumerate(RATES)}


# --- options --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words(Option):
    """Several of a list of words; kept in the list's order, with commas between."""

    def clean(self, value: object) -> Any:
        if value is None or not str(value).strip():
            return self.default
        given = {word.upper() for word in str(value).replace(";", ",").replace(" ", ",").split(",")}
        if unknown := given - {"", *self.choices}:
            raise OptionError(
                self.name,
                f"option {self.name}: {', '.join(sorted(unknown))} is not allowed; {self.allowed}",
            )
        return ",".join(word for word in self.choices if word in given)

    @property
    def allowed(self) -> str:
        return "some of " + ", ".join(self.choices) + ", with commas between"


def words_option(name: str, choices: Iterable[str], help: str, default: str = "") -> Words:
    """An option of which an empty text means every word."""
    return Words(name, "text", default, help, choices=tuple(choices))


def split_words(text: str, every: Iterable[str]) -> tuple[str, ...]:
    """The words of a `Words` option; all when it is empty."""
    return tuple(text.split(",")) if text else tuple(every)


# fmt: off
READ_TYPES_OPTION = words_option("read_types", READ_TYPES, "reads written; default all")
CLASSES_OPTION = words_option("classes", REGISTER_CLASSES, "register classes written; default all")
RATES_OPTION = words_option("rates", RATES, "rates written; default all")
NULLS_OPTION = Option("null_registers", "choice", "line",
                      "a register without a value: a line with letter M, or left out",
                      choices=("line", "omit"))
MULTIPLIER_OPTION = Option("remove_multiplier", "yes_no", False,
                           "values are divided by the multiplier that was applied to them")
LINE_END_OPTION = Option("line_end", "choice", "CRLF", "line ends", choices=("CRLF", "LF"))
BILL_OPTIONS = (
    Option("reads", "choice", "all",
           "bill: of each meter the read that closes the period, as billing prefers it, and the "
           "first one of a meter that came in it", choices=("all", "bill")),
    Option("days_before", "integer", 3, "with reads=bill, how early a closing read may be",
           minimum=0, maximum=31),
    Option("days_after", "integer", 3, "with reads=bill, how late it may be",
           minimum=0, maximum=31),
)
STRICT_OPTION = Option("strict", "yes_no", True,
                       "counts, totals, checksums that are wrong are errors, not warnings",
                       use="read")
ZONE_OPTION = Option("zone", "zone", None, "zone of times read that have no offset", use="read")
# fmt: on
LINE_ENDS = {"CRLF": "\r\n", "LF": "\n"}


def codes_table(texts: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Codes with their texts, for the documentation."""
    return [("Code", "Text"), *((f"`{code}`", text) for code, text in texts.items())]


# --- which registers, in which order --------------------------------------------------------------


class Picks(NamedTuple):
    """Which registers of a read are written. `peaks`: occurrences up to this one."""

    classes: tuple[str, ...]
    rates: tuple[str, ...]
    peaks: int
    nulls: bool

    def of(self, values: Sequence[RegisterValue]) -> list[int]:
        """Places of the values that are written, in the file's order."""
        found = [
            place
            for place, value in enumerate(values)
            if value.register_class in self.classes
            and value.rate in self.rates
            and value.occurrence <= self.peaks
            and (self.nulls or not value.status & Status.MISSING)
        ]
        return sorted(found, key=lambda place: values_order(values[place]))


def values_order(value: RegisterValue) -> tuple[int, int, int, int, str, str]:
    """Register number, rate, class, occurrence; what has no number first, by unit and flow."""
    return (
        *(value.number or 0, _RATE_ORDER[value.rate], _CLASS_ORDER[value.register_class]),
        *(value.occurrence, value.unit, value.flow),
    )


def reads_order(read: RegisterRead) -> tuple[object, ...]:
    """Read time, type, read id: shorter numbers first."""
    return (read.time, _TYPE_ORDER[read.read_type], len(read.read_id), read.read_id)


def stored_order(stored: StoredRead) -> tuple[object, ...]:
    """The same of a read as the store has it."""
    return reads_order(stored.bare())


def register_name(value: RegisterValue) -> str:
    """A register in a message."""
    number = "" if value.number is None else f"{value.number} "
    return f"{number}{value.register_class} {value.unit} {value.flow} {value.rate}"


def number_key(value: RegisterValue) -> tuple[object, ...]:
    """What stands for the register number in a key: one without is told by its meaning."""
    return (value.number,) if value.number is not None else (value.unit, value.flow)


# --- numbers --------------------------------------------------------------------------------------


def number_text(value: Decimal, width: int = VALUE_WIDTH) -> str:
    """A value as written: at most 4 decimals, rounded half-even; FMT07, FMT10."""
    text = plain(value, DECIMALS)
    if len(text) > width:
        raise refusal("FMT07", field="value", value=value, width=width)
    return text


def is_plain(text: str) -> bool:
    """Whether `str` of a Decimal is what `number_text` makes of it; no for a negative one."""
    whole, point, part = text.partition(".")
    if not whole.isdigit() or len(text) > VALUE_WIDTH:
        return False
    return not point or (len(part) <= DECIMALS and part[-1] != "0" and part.isdigit())


def multiplier_of(value: RegisterValue, remove: bool) -> tuple[Decimal, bool, Decimal | None]:
    """Multiplier and applied mark as written, and what the value is to be divided by.

    One that is not stated is 1; one that does not say so is applied (README 2.11).
    """
    multiplier = ONE if value.multiplier is None else value.multiplier
    divisor = register_divisor(value, remove)
    if divisor == ONE:
        return multiplier, value.multiplier_applied is not False, None
    return multiplier, False, divisor
