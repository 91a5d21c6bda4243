"""The read that closes a bill: which of a meter's reads is taken for a date, and why.

Candidates lie in a window round the due time. By type self-reads come first, then previous reset,
current, on demand; then the letter decides (actual, edited, estimated, questionable), then how near
the read is to the due time, then the later version. A read at the midnight between two cycles
closes the old one: it is due for that, and for the next cycle it lies at the opening, not after it.

A meter that came or went within the cycle is billed from or to then: the nearest read on its side
of that instant opens or closes its part, whatever its type.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from devices.readings import LETTERS, READ_TYPES, RegisterRead, worst_letter

PREFERENCE = ("SR", "PDR", "CUR", "OD")  # others close no bill
WORDS = {
    "A": "actual",
    "V": "edited",
    "E": "estimated",
    "Q": "questionable",
    "M": "a value is missing",
}
BILLED = ("SUM", "MAX")  # classes whose letters count


class Window(NamedTuple):
    """How far from the due time a read may lie; both ends belong to it."""

    before: timedelta = timedelta(days=3)
    after: timedelta = timedelta(days=3)


WINDOW = Window()


class Verdict(NamedTuple):
    """What was made of a read; `why`: a sentence for the screen. `near`: it lies in the window."""

    read: RegisterRead
    taken: bool
    why: str
    near: bool = True


class Choice(NamedTuple):
    """The read taken, if any, and a verdict on each read that was looked at, in time order."""

    read: RegisterRead | None
    verdicts: tuple[Verdict, ...]


def read_choose(
    reads: Sequence[RegisterRead],
    due: datetime,
    *,
    window: Window = WINDOW,
    opened: datetime | None = None,
    nearest: bool = False,
) -> Choice:
    """The best read to close a cycle that is due at `due` and was opened by the read at `opened`.

    Times are aware. What is not later than `opened` closed the cycle before. `nearest`: how near a
    read is goes before its type and letter.
    """
    ordered = sorted(reads, key=lambda read: (read.time, list(READ_TYPES).index(read.read_type)))
    faults = [_fault(read, due, window, opened) for read in ordered]
    fitting = [read for read, fault in zip(ordered, faults, strict=True) if not fault]
    best = min(fitting, key=lambda read: _rank(read, due, nearest), default=None)
    verdicts = []
    for read, fault in zip(ordered, faults, strict=True):
        if fault or best is None:
            near = due - window.before <= read.time <= due + window.after
            verdicts.append(Verdict(read, False, fault, near))
        elif read is best:
            verdicts.append(Verdict(read, True, _praise(read, due)))
        else:
            verdicts.append(Verdict(read, False, _comparison(read, best, due, nearest)))
    return Choice(best, tuple(verdicts))


class Bill(NamedTuple):
    """The reads between which a meter is billed in a cycle."""

    opening: Choice
    closing: Choice


def bill_choose(
    reads: Sequence[RegisterRead],
    opens: datetime,
    closes: datetime,
    *,
    window: Window = WINDOW,
    came: bool = False,
    went: bool = False,
) -> Bill:
    """The reads that open and close a meter's part of a cycle, which lasts from opens to closes.

    `came`, `went`: it was not there before, or after; reads from beyond are then none of its.
    """
    first = Window(timedelta(0), window.after) if came else window
    last = Window(window.before, timedelta(0)) if went else window
    opening = read_choose(reads, opens, window=first, nearest=came)
    # Without an opening read, what was there when the cycle began closed the one before.
    opened = opens if opening.read is None else opening.read.time
    closing = read_choose(reads, closes, window=last, opened=opened, nearest=went)
    return Bill(opening, closing)


def bill_reads(bill: Bill, came: bool) -> list[RegisterRead]:
    """What a bill needs to be told: the closing read, and of a meter that came the opening one.

    The opening read of the others was the closing one of the cycle before.
    """
    found = [bill.opening.read if came else None, bill.closing.read]
    return [read for read in found if read is not None]


def read_letter(read: RegisterRead) -> str:
    """The worst letter of the registers that are billed; M when there is none."""
    masks = (v.status for v in read.values if v.register_class in BILLED)
    return worst_letter(masks, default="M")


def _fault(read: RegisterRead, due: datetime, window: Window, opened: datetime | None) -> str:
    """Why a read is no candidate, or an empty text."""
    if read.read_type not in PREFERENCE:
        return f"a read of type {READ_TYPES[read.read_type]} closes no bill"
    if opened is not None and read.time <= opened:
        return "it closed the cycle before" if read.time == opened else "it is of a cycle before"
    if read.time < due - window.before:
        return f"more than {_span(window.before)} before the due time"
    if read.time > due + window.after:
        return f"more than {_span(window.after)} after the due time"
    return WORDS["M"] if read_letter(read) == "M" else ""


def _rank(read: RegisterRead, due: datetime, nearest: bool) -> tuple[timedelta | int, ...]:
    """The lower the better; of two reads as near to the due time the first one stays."""
    distance = abs(read.time - due)
    kind = PREFERENCE.index(read.read_type), LETTERS.index(read_letter(read))
    return (distance, *kind, -read.revision) if nearest else (*kind, distance, -read.revision)


def _praise(read: RegisterRead, due: datetime) -> str:
    return f"taken: {READ_TYPES[read.read_type]}, {WORDS[read_letter(read)]}, {_place(read, due)}"


def _comparison(read: RegisterRead, best: RegisterRead, due: datetime, nearest: bool) -> str:
    """What the best read has over this one."""
    names = READ_TYPES
    if nearest and abs(read.time - due) != abs(best.time - due):
        return f"{_place(read, due)}, the one taken is nearer"
    if read.read_type != best.read_type:
        return f"{names[read.read_type]} comes after {names[best.read_type]}"
    letter, better = read_letter(read), read_letter(best)
    if letter != better:
        return f"{WORDS[letter]} comes after {WORDS[better]}"
    if abs(read.time - due) != abs(best.time - due):
        return f"{_place(read, due)}, the one taken is nearer"
    return "another read as near to the due time is taken"


def _place(read: RegisterRead, due: datetime) -> str:
    """Where a read lies from the due time."""
    if read.time == due:
        return "at the due time"
    side = "before" if read.time < due else "after"
    return f"{_span(abs(read.time - due))} {side} the due time"


def _span(span: timedelta) -> str:
    """A length of time in words, the two largest units."""
    minutes, seconds = divmod(int(span.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count
    ]
    return " ".join(parts[:2]) or f"{seconds} s"
