"""Dates and instants as spreadsheets and people write them; what is not clear is refused."""

from __future__ import annotations

import re
from datetime import date, datetime

_ISO = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_THREE = re.compile(r"([0-9]{1,4})([/.\-])([0-9]{1,2})\2([0-9]{1,4})")
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)
ORDERS = ("MDY", "DMY", "YMD")
FIRST_YEAR, LAST_YEAR = 1970, 2099


class NotClear(ValueError):
    """A text that is no date, or could be more than one."""


def date_read(text: str, order: str = "") -> date:
    """A date: `YYYY-MM-DD`, or three numbers of which one is a year of four digits. NotClear.

    `order`: how three numbers are meant; empty: accepted when all readings that exist agree.
    """
    if iso := _ISO.fullmatch(text):
        found = [_date(*map(int, iso.groups()))]
    else:
        match = _THREE.fullmatch(text)
        if match is None:
            raise NotClear(text)
        parts = match[1], match[3], match[4]
        found = [_reading(parts, one) for one in ([order] if order else ORDERS)]
    days = {day for day in found if day is not None}
    if len(days) != 1:
        raise NotClear(text)
    return days.pop()


def _reading(parts: tuple[str, ...], order: str) -> date | None:
    named = dict(zip(order, parts, strict=True))
    if len(named["Y"]) != 4 or len(named["M"]) > 2 or len(named["D"]) > 2:
        return None
    return _date(int(named["Y"]), int(named["M"]), int(named["D"]))


def _date(year: int, month: int, day: int) -> date | None:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def moment_read(text: str, order: str = "") -> date | int:
    """A date, or the epoch seconds of an instant with offset. NotClear."""
    if not _MOMENT.fullmatch(text):
        return date_read(text, order)
    try:
        when = datetime.fromisoformat(text)
        seconds = int(when.timestamp())
    except (ValueError, OverflowError):
        raise NotClear(text) from None
    if not FIRST_YEAR <= when.year <= LAST_YEAR:
        raise NotClear(text)
    return seconds
