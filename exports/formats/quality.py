"""Quality letters and codes of the formats that carry the whole mask (README 2.6)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from devices.readings import PUBLIC, Status, status_letter

# The code of every bit, in the order in which they are written: letter bits, then the rest.
CODES: dict[Status, str] = {
    Status.MISSING: "2.5.259",
    Status.ESTIMATED: "2.8.0",
    Status.EDITED: "2.7.0",
    Status.QUESTIONABLE: "2.10.0",
    Status.RAW: "2.0.256",
    Status.POWER_OUTAGE: "1.2.32",
    Status.SHORT: "1.4.2",
    Status.LONG: "1.4.3",
    Status.TIME_CHANGED: "1.4.9",
    Status.TEST_MODE: "1.4.5",
    Status.OVERFLOW: "1.4.1",
    Status.RESET: "1.4.256",
    Status.DST: "1.4.16",
}
LETTERS: dict[str, Status] = {
    "A": Status(0),
    "E": Status.ESTIMATED,
    "V": Status.EDITED,
    "Q": Status.QUESTIONABLE,
    "M": Status.MISSING,
}
NOTHING = Status(0)
# Read back: the last two numbers of a code, the first (the system) being anything.
_READ: dict[tuple[int, int], Status] = {
    (5, 259): Status.MISSING,
    (0, 256): Status.RAW,
    (2, 32): Status.POWER_OUTAGE,
    (2, 0): Status.POWER_OUTAGE,
    (4, 9): Status.TIME_CHANGED,
    (4, 64): Status.TIME_CHANGED,
    (4, 128): Status.TIME_CHANGED,
    (4, 63): Status.TIME_CHANGED | Status.QUESTIONABLE,
    (1, 9): Status.TIME_CHANGED | Status.QUESTIONABLE,
    (4, 5): Status.TEST_MODE,
    (4, 1): Status.OVERFLOW,
    (4, 256): Status.RESET,
    (4, 16): Status.DST,
    (4, 2): Status.SHORT,
    (4, 3): Status.LONG,
    (3, 0): Status.QUESTIONABLE,
    (0, 1): NOTHING,
}
# Whole groups: 8.n estimated, 7.n edited, 10.n and 6.n questionable, and what 5.259 leaves of 5.n.
_GROUPS = {
    8: Status.ESTIMATED,
    7: Status.EDITED,
    10: Status.QUESTIONABLE,
    6: Status.QUESTIONABLE,
    5: Status.QUESTIONABLE,
}
_CODE = re.compile(r"([0-9]{1,2})\.([0-9]{1,4})\.([0-9]{1,4})")


class Quality(NamedTuple):
    """What letter and codes said: the mask; codes of no meaning here; whether they disagreed."""

    mask: int
    unknown: tuple[str, ...] = ()
    conflict: bool = False


def quality_codes(mask: int) -> list[str]:
    """The codes of every set bit, in their order; none for mask 0."""
    return [code for bit, code in CODES.items() if mask & bit]


@lru_cache(maxsize=4096)
def quality_read(letter: str, codes: Sequence[str], null: bool) -> Quality:
    """Letter ("" if absent) and codes (a tuple) as a mask; the codes win where they disagree.

    `null`: there is no value beside it, which 4.4 needs to know. ValueError for a letter that is
    none. Codes that are all unknown say nothing, so that the letter stands.
    """
    if letter and letter not in LETTERS:
        raise ValueError(f"quality {letter!r} is none of {', '.join(LETTERS)}")
    bits = [(code, _bits(code, null)) for code in codes]
    unknown = tuple(code for code, found in bits if found is None)
    known = [found for _, found in bits if found is not None]
    if not known:
        return Quality(int(LETTERS[letter or "A"]), unknown)
    mask = 0
    for found in known:
        mask |= int(found)
    if mask & Status.MISSING:
        mask &= ~int(Status.ESTIMATED | Status.EDITED)
    return Quality(mask & PUBLIC, unknown, bool(letter) and status_letter(mask) != letter)


def _bits(code: str, null: bool) -> Status | None:
    match = _CODE.fullmatch(code)
    if match is None:
        return None
    system, group, number = map(int, match.groups())
    if (system, group, number) == (1, 0, 0):
        return NOTHING
    if (group, number) == (4, 4):
        return Status.MISSING if null else Status.QUESTIONABLE
    return _READ.get((group, number), _GROUPS.get(group))
