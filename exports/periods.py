"""Pure: which period a run covers: a kind, in words of local days, as instants [start, end).

Local days begin at their first instant and end at that of the next date, so they have 23, 24 or
25 hours (formats/README 2.3). For "device zone" the caller asks once for each zone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from devices.blocks import local_midnight

MAX_DAYS = 400  # as long as readings can be had again
When = date | datetime  # a date is its first instant; a datetime is aware
Period = tuple[datetime, datetime]


class PeriodRefused(ValueError):
    """No period; the message says what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A way to name a period, as forms show it; `needs` are the parameters of period_for."""

    code: str
    label: str
    help: str
    needs: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind(
            "since_last",
            "Since the last export",
            "What arrived or changed since the last run, whatever day it is of.",
        ),
        Kind(
            "yesterday",
            "Yesterday",
            "The whole local day before the run: 23 or 25 hours after a clock change.",
        ),
        Kind("today", "Today so far", "From the start of the local day to the time of the run."),
        Kind(
            "last_n_days",
            "Last N days",
            "The N whole local days before the run; today is not among them.",
            ("days",),
        ),
        Kind(
            "month_to_date",
            "Month to date",
            "From the start of the month to the time of the run.",
        ),
        Kind("previous_month", "Previous month", "The whole calendar month before the run."),
        Kind(
            "bill_period",
            "Previous bill period",
            "From the last bill date but one to the last bill date of the cycle.",
            ("bills",),
        ),
        Kind(
            "fixed",
            "Fixed dates",
            "From the first date or time up to, and without, the second.",
            ("start", "end"),
        ),
    )
}


def period_for(
    kind: str,
    now: datetime,
    zone: str,
    *,
    start: When | None = None,
    end: When | None = None,
    days: int | None = None,
    bills: tuple[date, date] | None = None,
) -> Period | None:
    """The period [start, end) in UTC; None for `since_last`, which a cursor bounds, not a clock.

    `now`: when the run was due, so that a late run covers what it would have covered in time.
    PeriodRefused: unknown kind, a parameter that is missing or not of this kind, an empty period.
    """
    given = {"start": start, "end": end, "days": days, "bills": bills}
    _check_parameters(kind, {name for name, value in given.items() if value is not None})
    if now.tzinfo is None:
        raise PeriodRefused(f"{now}: a time without zone is no instant")
    if kind == "since_last":
        return None
    if start is not None and end is not None:
        period = _instant(start, zone), _instant(end, zone)
    elif bills is not None:
        period = _instant(bills[0], zone), _instant(bills[1], zone)
    else:
        period = _relative(kind, now, zone, days or 0)
    if period[0] >= period[1]:
        raise PeriodRefused(
            f"{KINDS[kind].label}: nothing lies between {period[0].isoformat()} and "
            f"{period[1].isoformat()}; the end must come after the start"
        )
    return period


def _check_parameters(kind: str, given: set[str]) -> None:
    if kind not in KINDS:
        raise PeriodRefused(f"period {kind!r}: choose one of {', '.join(KINDS)}")
    needs = set(KINDS[kind].needs)
    if missing := needs - given:
        raise PeriodRefused(f"{KINDS[kind].label}: give {' and '.join(sorted(missing))}")
    if extra := given - needs:
        raise PeriodRefused(f"{KINDS[kind].label}: takes no {' or '.join(sorted(extra))}")


def _relative(kind: str, now: datetime, zone: str, days: int) -> Period:
    """A period counted back from the local date of `now`."""
    today = now.astimezone(ZoneInfo(zone)).date()
    month = today.replace(day=1)
    moment = now.astimezone(UTC).replace(microsecond=0)  # files show whole seconds
    if kind == "today":
        return _instant(today, zone), moment
    if kind == "month_to_date":
        return _instant(month, zone), moment
    if kind == "previous_month":
        return _instant((month - timedelta(days=1)).replace(day=1), zone), _instant(month, zone)
    count = 1 if kind == "yesterday" else days
    if not 1 <= count <= MAX_DAYS:
        raise PeriodRefused(f"{KINDS[kind].label}: {days} days; write 1 to {MAX_DAYS}")
    return _instant(_days_before(today, count, zone), zone), _instant(today, zone)


def _days_before(day: date, count: int, zone: str) -> date:
    """The date `count` local days before one; a date that a zone has left out is no day."""
    for _ in range(count):
        last = _instant(day, zone) - timedelta(seconds=1)
        day = last.astimezone(ZoneInfo(zone)).date()
    return day


def _instant(when: When, zone: str) -> datetime:
    """An aware instant as UTC; a date as its first instant in the zone."""
    if not isinstance(when, datetime):
        return datetime.fromtimestamp(local_midnight(zone, when), UTC)
    if when.tzinfo is None:
        raise PeriodRefused(f"{when}: a time without zone is no instant")
    return when.astimezone(UTC)
