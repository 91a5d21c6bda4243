"""Pure: a register read as a bill shows it: a row a quantity, a column a rate, peaks with times."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from devices.bestread import WORDS
from devices.readings import (
    FLOWS,
    RATES,
    REGISTER_CLASSES,
    UNITS,
    RegisterValue,
    status_letter,
    status_names,
)

LETTER_WORDS = {**WORDS, "M": "missing"}


class Cell(NamedTuple):
    """One register: its value as text, when a peak was, its quality, what else its status says."""

    value: str
    peak_time: datetime | None
    letter: str
    status: str
    number: int | None


class Row(NamedTuple):
    """A quantity by rate; a cell None where there is no such register. `peaks`: it has times."""

    name: str
    unit: str
    cells: tuple[Cell | None, ...]
    peaks: bool


class Table(NamedTuple):
    """`rates`: the columns, T first; only those that occur."""

    rates: tuple[str, ...]
    rows: tuple[Row, ...]


Kind = tuple[str, str, str, int]  # class, unit, flow, occurrence


def table(values: Iterable[RegisterValue]) -> Table:
    """The table of a read's values."""
    found: dict[Kind, dict[str, Cell]] = {}
    for value in values:
        found.setdefault(_kind(value), {})[value.rate] = cell(value)
    used = {rate for cells in found.values() for rate in cells} | {"T"}
    rates = tuple(rate for rate in RATES if rate in used)
    rows = []
    for kind in sorted(found, key=_place):
        cells = tuple(found[kind].get(rate) for rate in rates)
        rows.append(Row(kind_name(kind), kind[1], cells, kind[0] in ("MAX", "COIN")))
    return Table(rates, tuple(rows))


def cell(value: RegisterValue) -> Cell:
    """What is shown of a value."""
    return Cell(
        number_text(value.value),
        value.peak_time,
        status_letter(value.status),
        ", ".join(status_names(value.status)).replace("_", " "),
        value.number,
    )


def number_text(value: Decimal | None) -> str:
    """A value as read, its trailing zeros kept; a dash for none."""
    return "–" if value is None else f"{value:f}"


def value_name(value: RegisterValue) -> str:
    """`maximum demand, active power, delivered, rate A`: a register in a sentence."""
    rate = "" if value.rate == "T" else f", rate {value.rate}"
    return kind_name(_kind(value)) + rate


def kind_name(kind: Kind) -> str:
    """A row's name: class, quantity and flow in words."""
    register_class, unit, flow, occurrence = kind
    known = UNITS.get(unit)
    said = [REGISTER_CLASSES.get(register_class, register_class)]
    if occurrence > 1:
        said[0] += f" ({occurrence})"
    if known:
        said.append(known.quantity)
    if known is None or known.directed:
        said.append(flow_words(flow))
    return ", ".join(said)


def flow_words(flow: str) -> str:
    """`delivered`, `received`: a flow without whom it went to."""
    return FLOWS.get(flow, flow).removesuffix(" to the customer").removesuffix(" from the customer")


class Change(NamedTuple):
    """What a version changed of a register; `was` None: there was none before."""

    name: str
    was: Cell | None
    now: Cell


def changes(before: Sequence[RegisterValue], after: Sequence[RegisterValue]) -> list[Change]:
    """What differs between two versions of a read, in the order of the table."""
    old = {value.key: value for value in before}
    found = []
    for value in sorted(after, key=lambda v: (*_place(_kind(v)), RATES.index(v.rate))):
        was = old.get(value.key)
        if was is None or was.said != value.said:
            found.append(Change(value_name(value), was and cell(was), cell(value)))
    return found


def _kind(value: RegisterValue) -> Kind:
    return value.register_class, value.unit, value.flow, value.occurrence


def _place(kind: Kind) -> tuple[int, int, int, int]:
    """Totals first, then as the terms are listed."""
    classes, units, flows = (list(words) for words in (REGISTER_CLASSES, UNITS, FLOWS))
    places = (
        words.index(word) if word in words else len(words)
        for words, word in ((units, kind[1]), (flows, kind[2]))
    )
    unit, flow = places
    return classes.index(kind[0]), unit, flow, kind[3]
