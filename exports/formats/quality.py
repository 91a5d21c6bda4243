"""Quality letters and IEC 61968-9 quality codes of the mask, out and in (README 2.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from devices.readings import Status, status_letter, worst_letter
from exports.formats.kinds import Word

LETTER_MASKS = {
    "A": 0,
    "E": int(Status.ESTIMATED),
    "V": int(Status.EDITED),
    "Q": int(Status.QUESTIONABLE),
    "M": int(Status.MISSING),
}
LETTER = Word(tuple(LETTER_MASKS))
VALUE_MARKS = int(Status.ESTIMATED | Status.EDITED)
# fmt: off
CODES_OUT = (
    (Status.MISSING,       "2.5.259"),
    (Status.ESTIMATED,     "2.8.0"),
    (Status.EDITED,        "2.7.0"),
    (Status.QUESTIONABLE,  "2.10.0"),
    (Status.RAW,           "2.0.256"),
    (Status.POWER_OUTAGE,  "1.2.32"),
    (Status.SHORT,         "1.4.2"),
    (Status.LONG,          "1.4.3"),
    (Status.TIME_CHANGED,  "1.4.9"),
    (Status.TEST_MODE,     "1.4.5"),
    (Status.OVERFLOW,      "1.4.1"),
    (Status.RESET,         "1.4.256"),
    (Status.DST,           "1.4.16"),
)
# Last two numbers of a code read; `n` is any number. The first row that fits counts.
CODES_IN = (
    ("5.259",  Status.MISSING),
    ("8.n",    Status.ESTIMATED),
    ("7.n",    Status.EDITED),
    ("10.n",   Status.QUESTIONABLE),
    ("6.n",    Status.QUESTIONABLE),
    ("3.0",    Status.QUESTIONABLE),
    ("5.n",    Status.QUESTIONABLE),
    ("0.256",  Status.RAW),
    ("2.32",   Status.POWER_OUTAGE),
    ("2.0",    Status.POWER_OUTAGE),
    ("4.9",    Status.TIME_CHANGED),
    ("4.64",   Status.TIME_CHANGED),
    ("4.128",  Status.TIME_CHANGED),
    ("4.63",   Status.TIME_CHANGED | Status.QUESTIONABLE),
    ("1.9",    Status.TIME_CHANGED | Status.QUESTIONABLE),
    ("4.5",    Status.TEST_MODE),
    ("4.1",    Status.OVERFLOW),
    ("4.256",  Status.RESET),
    ("4.16",   Status.DST),
    ("4.2",    Status.SHORT),
    ("4.3",    Status.LONG),
    ("0.1",    Status(0)),
)
# fmt: on
_NONE = "1.0.0"
_BY_VALUE = "4.4"  # MISSING without a value, else QUESTIONABLE
_IN = dict(CODES_IN)
_CODE = re.compile(r"([0-9]{1,5})\.([0-9]{1,5})\.([0-9]{1,5})")
CODES: dict[Status, str] = dict(CODES_OUT)


class Quality(NamedTuple):
    """What letter and codes said: the mask; codes of no meaning here; whether they disagreed."""

    mask: int
    unknown: tuple[str, ...] = ()
    conflict: bool = False


@lru_cache(maxsize=1 << 13)
def codes_text(mask: int, joint: str = ";") -> str:
    """The code of every set bit, letter bits first, ascending; empty when there is none."""
    return joint.join(quality_codes(mask))


@lru_cache(maxsize=1 << 13)
def codes_mask(text: str, null: bool, joint: str | None = ";") -> tuple[int, tuple[str, ...]]:
    """The mask of codes read, and those that nobody knows. `null`: there is no value."""
    mask, unknown = 0, []
    for code in text.split(joint):
        bits = code_bits(code.strip(), null)
        if bits is None:
            unknown.append(code)
        else:
            mask |= bits
    return mask, tuple(unknown)


def code_bits(code: str, null: bool) -> int | None:
    """The bits of a code read; None for one that nobody knows. `null`: there is no value."""
    match = _CODE.fullmatch(code)
    if match is None:
        return None
    if code == _NONE:
        return 0
    last = f"{int(match[2])}.{int(match[3])}"
    if last == _BY_VALUE:
        return int(Status.MISSING if null else Status.QUESTIONABLE)
    bits = _IN.get(last, _IN.get(f"{int(match[2])}.n"))
    return None if bits is None else int(bits)


@lru_cache(maxsize=1 << 13)
def quality_codes(mask: int) -> tuple[str, ...]:
    """The codes of every set bit, in their order; none for mask 0."""
    return tuple(code for bit, code in CODES_OUT if mask & bit)


@lru_cache(maxsize=1 << 12)
def quality_read(letter: str, codes: Sequence[str], null: bool) -> Quality:
    """Letter ("" if absent) and codes (a tuple) as a mask; the codes win where they disagree.

    ValueError for a letter that is none. Codes that are all unknown say nothing, so that the
    letter stands.
    """
    if letter and letter not in LETTER_MASKS:
        raise ValueError(f"quality {letter!r} is none of {', '.join(LETTER_MASKS)}")
    bits = [(code, code_bits(code, null)) for code in codes]
    unknown = tuple(code for code, found in bits if found is None)
    known = [found for _, found in bits if found is not None]
    if not known:
        return Quality(LETTER_MASKS[letter or "A"], unknown)
    mask = 0
    for found in known:
        mask |= found
    if mask & Status.MISSING:
        mask &= ~VALUE_MARKS
    return Quality(mask, unknown, bool(letter) and status_letter(mask) != letter)


def worst(masks: list[int]) -> str:
    """The one letter that stands for several values; empty for none."""
    return worst_letter(masks, default="")


def settled(mask: int, null: bool) -> int:
    """A read mask made to agree with its value: null is MISSING, and nothing else of the value."""
    if null or mask & Status.MISSING:
        return (mask & ~VALUE_MARKS) | Status.MISSING
    return mask
