"""Pure: when a schedule runs, through every change of the local clock (promise P7).

An expression has cron's five fields and is read on the clock of one zone. cronsim reads the fields
and counts local times as if no clock were ever changed; what a change does is decided here:

- Hours written as numbers are *fixed*. Each local time they name runs once: at the first instant
  at which the local clock shows that time or a later one. So a skipped time runs at the end of
  the gap (in one run with whatever else falls on that instant), a repeated one at its first pass.
- Hours written `*` or `*/n` *elapse*. The hours of a local day are counted from its first instant
  as they pass; hours 0, n, 2n … run at the minutes which the local clock shows meanwhile. So no
  two hours that run are more than n apart, and a day of 23 or 25 hours has 23 or 25 runs of `*`.

A local day lasts from its first instant to that of the next date, as in periods. Why so, and what
it costs: docs/decisions/0010-schedules.md.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from devices.blocks import local_midnight

MAX_LENGTH = 100
MINUTE, HOUR, DAY = 60, 3600, 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = datetime(2000, 1, 1)  # noqa: DTZ001 — a local time of no zone, as cronsim counts them
_ELAPSING = re.compile(r"\*(?:/(\d+))?")
_FIELDS = (
    ("minute", "0–59"),
    ("hour", "0–23"),
    ("day of month", "1–31, L (the last day) or LW (the last weekday)"),
    ("month", "1–12 or JAN–DEC"),
    ("day of week", "0–7 or SUN–SAT, MON#1 (the first Monday) or 5L (the last Friday)"),
)


class ScheduleRefused(ValueError):
    """No schedule; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Firing:
    """One run of a schedule, and what is unusual about its time."""

    instant: datetime  # UTC
    local: datetime  # the same on the schedule's clock
    skipped: datetime | None  # the local time that was meant, without zone, if it does not exist
    occurrence: int  # 0: this local time occurs once; 1 or 2: first or second pass
    day_seconds: int  # length of its local date

    @property
    def text(self) -> str:
        """Local time and offset, as people read it: 2026-03-08 03:00-05:00."""
        return self.local.isoformat(sep=" ", timespec="minutes")

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the list of next runs should know; mostly nothing."""
        notes = []
        if self.day_seconds != DAY:
            notes.append(f"day of {self.day_seconds / HOUR:g} hours")
        if self.skipped:
            notes.append(f"{self.skipped:%Y-%m-%d %H:%M} is skipped, runs at the first time after")
        if self.occurrence:
            which = "first" if self.occurrence == 1 else "second"
            notes.append(f"{which} pass of a repeated time")
        return tuple(notes)


class Schedule:
    """A cron expression on the clock of a zone. ScheduleRefused when either is none."""

    def __init__(self, expression: str, zone: str) -> None:
        self.expression = " ".join(expression.split())
        self.zone = zone
        _check(self.expression)
        self._info = _zone_info(zone)
        elapsing = _ELAPSING.fullmatch(self.expression.split()[1])
        self._step = HOUR * int(elapsing[1] or 1) if elapsing else None
        self._minutes = CronSim(self.expression, _FIRST).minutes

    def next_after(self, instant: datetime) -> datetime:
        """The first run later than an instant, in UTC."""
        return _instant(self._run_after(_seconds(instant))[0])

    def next_runs(self, after: datetime, count: int) -> list[Firing]:
        """The first `count` runs later than an instant."""
        return [self._firing(*run) for run in islice(self._runs(_seconds(after)), count)]

    def missed(self, since: datetime, now: datetime) -> Firing | None:
        """The last run in (since, now]: the one to make up for when nothing ran after `since`.

        However many were missed there is one, or None; whether it is run late or left out is the
        definition's choice. Quick over any length of time.
        """
        low, high = _seconds(since), _seconds(now)
        # The last run is the first second from which the next one lies beyond `now`.
        waited = bisect_left(
            range(low, high), True, key=lambda second: self._run_after(second)[0] > high
        )
        return self._firing(*self._run_after(low + waited - 1)) if waited else None

    # Below, an instant is a whole epoch second and a local time a datetime without a zone.

    def _run_after(self, after: int) -> tuple[int, datetime]:
        """The first run later than `after`, and the local time that was meant."""
        return next(self._runs(after))

    def _firing(self, instant: int, meant: datetime) -> Firing:
        """A run, with what is unusual about it."""
        local = datetime.fromtimestamp(instant, self._info)
        twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
        day = local.date()
        return Firing(
            instant=_instant(instant),
            local=local,
            skipped=None if self._local(instant) == meant else meant,
            occurrence=1 + local.fold if twice else 0,
            day_seconds=local_midnight(self.zone, day + timedelta(days=1))
            - local_midnight(self.zone, day),
        )

    def _runs(self, after: int) -> Iterator[tuple[int, datetime]]:
        """Runs later than `after`, in order."""
        return self._fixed(after) if self._step is None else self._elapsed(after, self._step)

    def _fixed(self, after: int) -> Iterator[tuple[int, datetime]]:
        last = after
        for local in CronSim(self.expression, self._local(after)):
            instant = self._reached(local)
            if instant > last:  # not in a pass that was served, nor a second one at a gap's end
                last = instant
                yield instant, local

    def _elapsed(self, after: int, step: int) -> Iterator[tuple[int, datetime]]:
        for day in self._days(self._local(after).date() - timedelta(days=1)):
            first = local_midnight(self.zone, day)
            end = local_midnight(self.zone, day + timedelta(days=1))
            passed = max(0, (after - first) // step) * step
            for hour in range(first + passed, end, step):
                for instant in range(hour, min(hour + HOUR, end), MINUTE):
                    local = self._local(instant)
                    if instant > after and local.minute in self._minutes:
                        yield instant, local

    def _days(self, start: date) -> Iterator[date]:
        """Dates from `start` on that the last three fields name."""
        days = " ".join(("0 0", *self.expression.split()[2:]))
        for midnight in CronSim(days, datetime.combine(start, time()) - timedelta(seconds=1)):
            yield midnight.date()

    def _local(self, instant: int) -> datetime:
        return datetime.fromtimestamp(instant, self._info).replace(tzinfo=None, fold=0)

    def _reached(self, local: datetime) -> int:
        """The first instant at which the local clock shows this time or a later one."""
        known = local.replace(tzinfo=self._info)
        first_pass = int(known.timestamp())
        if self._local(first_pass) == local:
            return first_pass
        # Skipped: by the offset after the gap it lies before the gap, by the one before it after.
        early = int(known.replace(fold=1).timestamp())
        return early + bisect_left(range(early, first_pass), local, key=self._local)


def _check(expression: str) -> None:
    """ScheduleRefused, with a sentence that says how to mend it, unless it can ever run."""
    if len(expression) > MAX_LENGTH:
        raise ScheduleRefused(
            f"the schedule has {len(expression)} characters: write {MAX_LENGTH} at most"
        )
    fields = expression.split()
    if len(fields) != len(_FIELDS):
        raise ScheduleRefused(
            f"schedule {expression!r} has {len(fields)} fields: write five (minute, hour, day of "
            "month, month, day of week), for example 30 2 * * * for 02:30 every day"
        )
    for place, (name, values) in enumerate(_FIELDS):
        alone = ["*"] * len(_FIELDS)
        alone[place] = fields[place]
        if not _runs_ever(" ".join(alone)):
            raise ScheduleRefused(
                f"{name} {fields[place]!r}: write {values}, a list 1,5, a range 1-5, "
                "a step 1-20/5 or */5, or * for every one"
            )
    _check_hour(fields[1])
    if not _runs_ever(expression):
        raise ScheduleRefused(
            f"schedule {expression!r} never runs: no month named in it has such a day"
        )


def _check_hour(hour: str) -> None:
    elapsing = _ELAPSING.fullmatch(hour)
    if "*" in hour and not elapsing:
        raise ScheduleRefused(f"hour {hour!r}: write either numbers or * or */n, not both")
    if elapsing and elapsing[1] and int(elapsing[1]) > 23:
        raise ScheduleRefused(f"hour {hour!r}: write 0 for once a day, or a step of at most 23")


def _runs_ever(expression: str) -> bool:
    """Whether cronsim can read an expression and finds a time for it within 50 years."""
    try:
        return next(CronSim(expression, _FIRST), None) is not None
    except CronSimError:
        return False


def _zone_info(zone: str) -> ZoneInfo:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ScheduleRefused(
            f"time zone {zone!r}: write an IANA name, for example America/Chicago"
        ) from error


def _seconds(instant: datetime) -> int:
    """Whole epoch seconds of an aware instant, rounded down."""
    if instant.tzinfo is None:
        raise ValueError(f"{instant}: a time without zone is no instant")
    return (instant - _EPOCH) // timedelta(seconds=1)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def local_text(when: datetime, zone: str) -> str:
    """An instant on the clock of a zone, as people read it: 2026-03-08 03:00-05:00."""
    return when.astimezone(ZoneInfo(zone)).isoformat(sep=" ", timespec="minutes")
