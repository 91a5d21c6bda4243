"""Values and statuses read: each text looked at once (sections 4 and 6, README 2.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from devices.readings import Ints, Masks, Status
from exports.formats.lodestar.tables import INTERVALS as RECORD, LSR_ERRORS, LSR_WARNINGS
from exports.formats.text import whole

KEPT = 1 << 18  # texts remembered at most
LARGEST = 18  # digits on either side of the point beyond which a number is refused
WRITTEN = 3  # decimals that are written at least
VALUE = RECORD.group[0]


class CutError(Exception):
    """The cut is refused; `line` is the record's place in it, `field` the column's name.

    Of a value `line` is the interval's place until the parser knows its record.
    """

    def __init__(self, code: str, field: str = "", line: int = 0, **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.line = line
        self.message = LSR_ERRORS[code].format(**words)


class Remark(NamedTuple):
    """Something odd that was accepted: a code of LSR_WARNINGS; `line` as with CutError."""

    code: str
    field: str
    line: int
    message: str

    @classmethod
    def of(cls, code: str, field: str = "", line: int = 0, **words: object) -> Remark:
        return cls(code, field, line, LSR_WARNINGS[code].format(**words))


class Counts(dict[bytes, int | None]):
    """Numbers read as whole counts of 10**-scale; None where they are none; 0 where empty."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def __missing__(self, text: bytes) -> int | None:
        count = 0 if not text else whole(number(text), self.scale)
        if len(self) < KEPT:
            self[text] = count
        return count


def number(text: bytes) -> Decimal:
    """A number that can be kept; LSR05, LSR15."""
    try:
        value: Decimal = VALUE.get(text)
    except ValueError as error:
        raise CutError("LSR05", "value", why=str(error)) from error
    if (value and value.adjusted() > LARGEST) or int(value.as_tuple().exponent) < -LARGEST:
        raise CutError("LSR15", "value", value=text.decode())
    return value


class Statuses(dict[bytes, int]):
    """Status characters read, beside a value; the reader's own settings come first."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__()
        own = (
            ("status_questionable", Status.QUESTIONABLE),
            ("status_edited", Status.EDITED),
            ("status_estimated", Status.ESTIMATED),
        )
        self.update({b"E": int(Status.ESTIMATED)})
        self.update({options[name].encode(): int(mask) for name, mask in own})
        if options["status_questionable"] == " ":
            self[b" "] = 0
        for text in (b" ", b"A", b""):
            self.setdefault(text, 0)


NINE = b"9"
MISSING, DOUBTFUL = int(Status.MISSING), int(Status.QUESTIONABLE)


class Values(NamedTuple):
    """A cut's intervals, (n,): counts of 10**-scale, masks; what there is to warn of."""

    counts: Ints
    masks: Masks
    scale: int
    remarks: tuple[Remark, ...]


def values_of(
    texts: Sequence[bytes], marks: Sequence[bytes], known: Sequence[Counts], statuses: Statuses
) -> Values:
    """Values and statuses as arrays, by the first scale that is fine enough; CutError for what
    is no number, LSR15."""
    found, scale = _counts(texts, known)
    counts = np.array(found, np.int64)
    remarks: list[Remark] = []
    kinds = set(marks)
    if kinds <= statuses.keys() and b"" not in texts and NINE not in kinds:
        if len(kinds) == 1:
            masks = np.full(len(texts), statuses[kinds.pop()], np.uint16)
        else:
            masks = np.array([statuses[mark] for mark in marks], np.uint16)
    else:
        masks = _masks(marks, texts, counts, statuses, remarks)
    if len(counts) and counts.min() < 0:
        below = counts < 0
        first = int(below.argmax())
        remarks.append(Remark.of("LSR61", "value", first, count=int(below.sum())))
    return Values(counts, masks, scale, tuple(remarks))


def _counts(texts: Sequence[bytes], known: Sequence[Counts]) -> tuple[Sequence[int | None], int]:
    """Whole counts of 10**-scale, and the scale."""
    for counts in known:
        try:
            found = list(map(counts.__getitem__, texts))
        except CutError:
            break  # which of them it is, is looked for in _wide
        if None not in found:
            return found, counts.scale
    return _wide(texts)


def _wide(texts: Sequence[bytes]) -> tuple[list[int | None], int]:
    """Counts of 10**-scale, and the scale, where some value has many decimals or is no number."""
    numbers = []
    for place, text in enumerate(texts):
        try:
            numbers.append(number(text) if text else Decimal(0))
        except CutError as error:
            error.line = place
            raise
    scale = max(-int(n.as_tuple().exponent) for n in numbers)
    counts = [whole(n, scale) for n in numbers]
    if None in counts:
        place = counts.index(None)
        raise CutError("LSR15", "value", place, value=texts[place].decode())
    return counts, scale


def _masks(
    marks: Sequence[bytes],
    texts: Sequence[bytes],
    counts: Ints,
    statuses: Statuses,
    remarks: list[Remark],
) -> Masks:
    """Masks where some status is not plain or some value is empty; counts may be corrected."""
    odd: dict[tuple[str, bytes], list[int]] = {}  # where

    def note(code: str, mark: bytes) -> None:
        odd.setdefault((code, mark), []).append(len(masks))

    masks: list[int] = []
    for place, (mark, text) in enumerate(zip(marks, texts, strict=True)):
        first = mark[:1]
        if len(mark) > 1:
            note("LSR56", mark)
        if not text:
            if first not in (b"", NINE):
                note("LSR66", b"")
            masks.append(MISSING)
        elif first in statuses:
            masks.append(statuses[first])
        elif first != NINE:
            note("LSR64", first)
            masks.append(DOUBTFUL)
        elif counts[place] == 0:
            masks.append(MISSING)
        else:
            note("LSR65", b"")
            masks.append(DOUBTFUL)
    for (code, mark), places in odd.items():
        words = {"found": mark.decode(), "count": len(places)}
        remarks.append(Remark.of(code, "status", places[0], **words))
    return np.array(masks, np.uint16)
