"""Quality letters and IEC 61968-9 quality codes of the mask, out and in (README 2.6)."""

from __future__ import annotations

import re
from functools import lru_cache

from devices.readings import Status, status_letter

LETTER_MASKS = {
    "A": 0,
    "E": int(Status.ESTIMATED),
    "V": int(Status.EDITED),
    "Q": int(Status.QUESTIONABLE),
    "M": int(Status.MISSING),
}
WORST_LAST = "AVEQM"
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
    ("0.0",    Status(0)),
    ("0.1",    Status(0)),
    ("2.3",    Status(0)),
    ("4.6",    Status(0)),
)
# fmt: on
_BY_VALUE = "4.4"  # MISSING without a value, else QUESTIONABLE
_IN = dict(CODES_IN)
_CODE = re.compile(r"\d{1,5}\.(\d{1,5})\.(\d{1,5})")


@lru_cache(maxsize=1 << 13)
def codes_text(mask: int, joint: str = ";") -> str:
    """The code of every set bit, letter bits first, ascending; empty when there is none."""
    return joint.join(code for bit, code in CODES_OUT if mask & bit)


@lru_cache(maxsize=1 << 13)
def codes_mask(text: str, null: bool, joint: str | None = ";") -> tuple[int, tuple[str, ...]]:
    """The mask of codes read, and those that nobody knows. `null`: there is no value."""
    mask, unknown = 0, []
    for code in text.split(joint):
        match = _CODE.fullmatch(code.strip())
        if match is None:
            unknown.append(code)
            continue
        last = f"{int(match[1])}.{int(match[2])}"
        if last == _BY_VALUE:
            mask |= Status.MISSING if null else Status.QUESTIONABLE
        elif (bits := _IN.get(last, _IN.get(f"{int(match[1])}.n"))) is not None:
            mask |= bits
        else:
            unknown.append(code)
    return int(mask), tuple(unknown)


def worst(masks: list[int]) -> str:
    """The one letter that stands for several values; empty for none."""
    return max(map(status_letter, masks), key=WORST_LAST.index, default="")


def settled(mask: int, null: bool) -> int:
    """A read mask made to agree with its value: null is MISSING, and nothing else of the value."""
    if null or mask & Status.MISSING:
        return (mask & ~VALUE_MARKS) | Status.MISSING
    return mask
