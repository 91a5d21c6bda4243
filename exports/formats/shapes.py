"""Lines of register reads, compiled from the declaration of a layout.

Reads that say the same of their registers, but for values and peak times, make the same lines. Such
a *shape* is compiled once: a `%` template of all lines of a read, and which texts fill it, out of
the pieces that depend on the meter and the read and the cells of values and peak times. A value
then costs a look-up and a number. A test compares the lines with the layout's own `put`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from devices.readings import RegisterValue, Status, status_conflict, status_letter
from exports.formats.issues import refusal
from exports.formats.layout import Column, Field
from exports.formats.registers import PEAKED

OTHER, ENERGY, DEMAND = 0, 1, 2  # what a value adds to
_TOTALS = {"SUM": ENERGY, "MAX": DEMAND}
OWN = "own"
SCOPES = ("device", "read", OWN)
# Marks of pieces and slots while a template is made: the cells of lines are ASCII.
_PIECE, _SLOT = 0x80, 0xC0
_MARK = re.compile("[\x80-\xff]")


class Slot(NamedTuple):
    """A value's place in a shape: its place in the read, what it adds to, how it is written.

    `peaked`: its peak time follows. `missing`: the template has the text of a null already.
    """

    place: int
    total: int
    peaked: bool
    signed: bool
    missing: bool
    divisor: Decimal | None


class Quick(NamedTuple):
    """A shape whose values can be written together, see `FrameWriter`.

    `places` of the values; `peaked`: those whose peak time is written; `unpeaked`: those that must
    have none; `energy` and `demand`: which of the values are summed.
    """

    places: tuple[int, ...]
    peaked: tuple[int, ...]
    unpeaked: tuple[int, ...]
    energy: tuple[int, ...]
    demand: tuple[int, ...]


class Shape(NamedTuple):
    """The lines of all reads that are alike.

    `fill` picks what the template takes out of the pieces, the cells of values and those of peak
    times, in that order, by the places `filled`. `keys` are what no two rows of a file may share.
    """

    template: str
    fill: Callable[[list[str]], tuple[str, ...]]
    slots: tuple[Slot, ...]
    rows: int
    estimated: int
    keys: frozenset[tuple[object, ...]]
    warnings: tuple[tuple[str, str], ...] = ()
    quick: Quick | None = None
    filled: tuple[int, ...] = ()


def slot_of(values: Sequence[RegisterValue], place: int, divisor: Decimal | None) -> Slot:
    """The slot of a value; FMT12 for a mask that contradicts itself."""
    value = values[place]
    missing = bool(value.status & Status.MISSING)
    if why := status_conflict(value.status, missing):
        raise refusal("FMT12", why=why)
    return Slot(
        place,
        _TOTALS.get(value.register_class, OTHER),
        value.register_class in PEAKED,
        value.flow == "NET" or value.unit == "PF",
        missing,
        divisor,
    )


def estimated_of(values: Iterable[RegisterValue]) -> int:
    """How many have quality E or V."""
    return sum(status_letter(value.status) in "EV" for value in values)


class Plan:
    """The fields of a line in the order written, by what their cells depend on.

    `device` and `read` name the fields that depend on these alone, `own` those that differ from
    read to read; `slots` are those of a value and its peak time; the others depend on the register.
    Neighbours that do not depend on the register make one piece. `first`: the number of the first
    piece, for plans that share a template.
    """

    def __init__(
        self,
        fields: Sequence[Column | Field],
        *,
        device: Collection[str],
        read: Collection[str],
        slots: Sequence[str] = (),
        own: Collection[str] = (),
        delimiter: str = "",
        first: int = 0,
    ) -> None:
        self.slots = slots
        self.delimiter = delimiter
        names = {"device": device, "read": read, "own": own}

        def scope_of(field: Column | Field) -> str:
            return next((scope for scope in SCOPES if field.name in names[scope]), "register")

        # Runs of one scope, by scope; what of them makes a piece; the line as pieces and fields.
        self.runs: dict[str, list[list[Column | Field]]] = {scope: [] for scope in SCOPES}
        self.joined: list[list[tuple[str, int]]] = []
        self.line: list[str | Column | Field] = []
        for of_register, group in groupby(fields, key=lambda f: scope_of(f) == "register"):
            if of_register:
                self.line += group
                continue
            self.line.append(chr(_PIECE + first + len(self.joined)))
            piece = []
            for scope, run in groupby(group, key=scope_of):
                piece.append((scope, len(self.runs[scope])))
                self.runs[scope].append(list(run))
            self.joined.append(piece)
        self.last = first + len(self.joined)

    def template(self, values: Mapping[str, Any], slotted: Collection[str]) -> str:
        """The line with marks. `slotted` are those of the slots that will be filled in; the
        others are put from `values` as they are."""
        return self.delimiter.join(
            field
            if isinstance(field, str)
            else chr(_SLOT + self.slots.index(field.name))
            if field.name in slotted
            else _text(field, values)
            for field in self.line
        )

    def parts(self, scope: str, values: Mapping[str, Any]) -> list[str]:
        """The texts of a scope's runs."""
        return [
            self.delimiter.join([_text(field, values) for field in run]) for run in self.runs[scope]
        ]

    def pieces(self, parts: Mapping[str, Sequence[str]]) -> list[str]:
        """The pieces, of the parts of each scope."""
        return [
            self.delimiter.join([parts[scope][place] for scope, place in piece])
            for piece in self.joined
        ]


def _text(field: Column | Field, values: Mapping[str, Any]) -> str:
    return field.put(values.get(field.name)).decode()


class Shaper:
    """Puts a shape together, line by line. `pieces`: how many there are before the cells."""

    def __init__(self, pieces: int, line_end: str) -> None:
        self.pieces = pieces
        self.line_end = line_end
        self.texts: list[str] = []
        self.filled: list[tuple[int, int]] = []  # of pieces, values or peaks: which
        self.slots: list[Slot] = []
        self.values = 0
        self.peaks = 0
        self.keys: list[tuple[object, ...]] = []

    def add(
        self,
        plan: Plan,
        values: Mapping[str, Any],
        slots: Iterable[tuple[Slot, Sequence[str]]] = (),
    ) -> None:
        """A line, with its slots and the fields of each: of the value, then of the peak time."""
        places: dict[str, tuple[int, int]] = {}
        for slot, (value, *peak) in slots:
            self.slots.append(slot)
            if not slot.missing:
                places[value] = (1, self.values)
                self.values += 1
            for name in peak if slot.peaked else ():
                places[name] = (2, self.peaks)
                self.peaks += 1
        text = plan.template(values, places)
        for match in _MARK.finditer(text):
            mark = ord(match[0])
            self.filled.append(
                (0, mark - _PIECE) if mark < _SLOT else places[plan.slots[mark - _SLOT]]
            )
        self.texts.append(_MARK.sub("%s", text.replace("%", "%%")) + self.line_end)

    def shape(self, estimated: int, warnings: Sequence[tuple[str, str]] = ()) -> Shape:
        """What was put together. Each line has two fillings at least, so `fill` gives a tuple."""
        slots = tuple(self.slots)
        first = (0, self.pieces, self.pieces + self.values)
        filled = [first[pool] + place for pool, place in self.filled]
        fill: Any = itemgetter(*filled) if filled else None
        return Shape(
            "".join(self.texts),
            fill,
            slots,
            len(self.texts),
            estimated,
            frozenset(self.keys),
            tuple(warnings),
            _quick(slots),
            tuple(filled),
        )


def _quick(slots: Sequence[Slot]) -> Quick | None:
    """None where there are nulls, or values to be divided."""
    if any(slot.missing or slot.divisor is not None for slot in slots):
        return None
    unpeaked = tuple(slot.place for slot in slots if not slot.peaked)
    return Quick(
        tuple(slot.place for slot in slots),
        tuple(slot.place for slot in slots if slot.peaked),
        unpeaked,
        tuple(place for place, slot in enumerate(slots) if slot.total == ENERGY),
        tuple(place for place, slot in enumerate(slots) if slot.total == DEMAND),
    )


NOTHING = Shaper(0, "").shape(0)


def extra_piece(number: int) -> str:
    """The mark of a piece that a field of the register takes in, see IDF's field 3."""
    return chr(_PIECE + number)
