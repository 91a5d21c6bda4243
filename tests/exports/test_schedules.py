"""Schedules: P7 over all zones against a clock watched minute by minute; odd changes one by one."""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings, strategies as st

from exports.schedules import Schedule, ScheduleRefused

ZONES = sorted(available_timezones())
BEGIN, FINISH = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (2000, 2041))
DAY = 86400


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def at(seconds):
    return datetime.fromtimestamp(seconds, UTC)


def runs(expression, zone, after, count):
    """Local times and notes of the next runs after a local time."""
    schedule = Schedule(expression, zone)
    start = datetime.fromisoformat(after).replace(tzinfo=ZoneInfo(zone))
    return [(run.text, *run.notes) for run in schedule.next_runs(start, count)]


# --- a clock watched minute by minute -----------------------------------------------------------


def local(zone, seconds):
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).replace(tzinfo=None)


def offset(zone, seconds):
    return datetime.fromtimestamp(seconds, ZoneInfo(zone)).utcoffset()


@cache
def changes(zone) -> tuple[int, ...]:
    """Instants from 2000 to 2040 at which a zone's offset changes."""
    found = []
    for begin in range(BEGIN, FINISH, 14 * DAY):
        span, old = range(begin, begin + 14 * DAY + 1), offset(zone, begin)
        if offset(zone, span[-1]) != old:
            after = bisect_left(span, True, key=lambda second, old=old: offset(zone, second) != old)
            found.append(begin + after)
    return tuple(found)


def watched(zone, start, days) -> Iterator[tuple[int, datetime]]:
    """Every minute of some days, with what the local clock shows."""
    for seconds in range(start - start % 60, start + days * DAY, 60):
        yield seconds, local(zone, seconds)


@st.composite
def zones_and_times(draw):
    """A zone, and a day or two before a change of its clock or before any other time."""
    zone = draw(st.sampled_from(ZONES))
    times = st.integers(BEGIN, FINISH)
    if changes(zone):
        times = st.sampled_from(changes(zone)) | times
    return zone, draw(times) - DAY - draw(st.integers(0, DAY))


minutes = st.sets(st.integers(0, 59), min_size=1, max_size=4)
hours = st.sets(st.integers(0, 23) | st.integers(0, 3), min_size=1, max_size=4)


def field(numbers):
    return ",".join(map(str, sorted(numbers)))


def within(schedule, start, end):
    """Runs in (start, end), each asked for after the one before."""
    found = []
    while (run := schedule.next_after(at(found[-1] if found else start))) < at(end):
        found.append(int(run.timestamp()))
    return found


@settings(deadline=None)
@given(zones_and_times(), minutes, hours)
def test_fixed_times_run_once_each_when_the_clock_first_shows_them_or_later(where, minutes, hours):
    zone, start = where
    latest, expected = local(zone, start), []
    for seconds, shown in watched(zone, start, 3):
        if seconds > start and shown > latest:
            span = int((shown - latest).total_seconds() // 60)
            meant = (shown - timedelta(minutes=n) for n in range(span + 1))
            if any(w > latest and w.minute in minutes and w.hour in hours for w in meant):
                expected.append(seconds)
        latest = max(latest, shown)
    found = within(Schedule(f"{field(minutes)} {field(hours)} * * *", zone), start, start + 3 * DAY)
    assert found == expected


@settings(deadline=None)
@given(zones_and_times(), minutes, st.integers(1, 23))
def test_hours_that_elapse_are_counted_from_the_first_instant_of_the_day(where, minutes, step):
    zone, start = where
    day, first, expected = date.min, start, []
    for seconds, shown in watched(zone, start - 2 * DAY, 5):
        if shown.date() > day:
            day, first = shown.date(), seconds
        if (seconds - first) // 3600 % step == 0 and shown.minute in minutes and seconds > start:
            expected.append(seconds)
    hour = f"*/{step}" if step > 1 else "*"
    found = within(Schedule(f"{field(minutes)} {hour} * * *", zone), start, start + 3 * DAY)
    assert found == expected


@settings(deadline=None)
@given(zones_and_times(), st.sampled_from(["0 * * * *", "30 2 * * *", "0 0 1 * *", "5 */7 * * 1"]))
def test_the_missed_run_is_the_last_of_them_all(where, expression):
    zone, start = where
    schedule, end = Schedule(expression, zone), start + 3 * DAY
    due = within(schedule, start, end + 1)
    found = schedule.missed(at(start), at(end))
    assert (int(found.instant.timestamp()) if found else None) == (due[-1] if due else None)


def test_a_time_in_the_middle_of_every_change_of_every_zone_runs_once():
    schedule = cache(Schedule)
    for zone in {changes(zone): zone for zone in ZONES}.values():
        for change in changes(zone):
            old, new = offset(zone, change - 1), offset(zone, change)
            middle = at(change).replace(tzinfo=None) + (old + new) / 2
            gap = new > old
            expected = change if gap else change - int((old - new).total_seconds()) // 2
            daily = schedule(f"{middle.minute} {middle.hour} * * *", zone)
            (run, after) = daily.next_runs(at(expected - 1), 2)
            assert run.instant == at(expected), (zone, middle)
            assert (run.skipped, run.occurrence) == ((middle, 0) if gap else (None, 1))
            assert after.local.replace(tzinfo=None) > middle + timedelta(hours=1)


# --- one by one ---------------------------------------------------------------------------------

SHORT, LONG = "day of 23 hours", "day of 25 hours"


def skipped(text):
    return f"{text} is skipped, runs at the first time after"


@pytest.mark.parametrize(
    ("zone", "expression", "after", "expected"),
    [
        (
            "America/New_York",
            "30 2 * * *",
            "2026-03-07T12:00",
            [
                ("2026-03-08 03:00-04:00", SHORT, skipped("2026-03-08 02:30")),
                ("2026-03-09 02:30-04:00",),
            ],
        ),
        (
            "America/New_York",
            "30 1 * * *",
            "2026-11-01T00:00",
            [
                ("2026-11-01 01:30-04:00", LONG, "first pass of a repeated time"),
                ("2026-11-02 01:30-05:00",),
            ],
        ),
        (  # three times that coincide at the end of the gap are one run
            "Europe/Berlin",
            "15,45 2,3 * * *",
            "2026-03-29T00:00",
            [
                ("2026-03-29 03:00+02:00", SHORT, skipped("2026-03-29 02:15")),
                ("2026-03-29 03:15+02:00", SHORT),
            ],
        ),
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-04T00:00",
            [("2026-10-04 02:30+11:00", "day of 23.5 hours", skipped("2026-10-04 02:15"))],
        ),
        (
            "Australia/Lord_Howe",
            "45 1 * * *",
            "2026-04-05T00:00",
            [
                ("2026-04-05 01:45+11:00", "day of 24.5 hours", "first pass of a repeated time"),
                ("2026-04-06 01:45+10:30",),
            ],
        ),
        (  # the skipped Friday's run, and Saturday's own
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T12:00",
            [
                ("2011-12-31 00:00+14:00", skipped("2011-12-30 09:00")),
                ("2011-12-31 09:00+14:00",),
            ],
        ),
        (
            "America/Havana",
            "0 0 * * *",
            "2026-03-07T12:00",
            [("2026-03-08 01:00-04:00", SHORT, skipped("2026-03-08 00:00"))],
        ),
        (
            "Asia/Beirut",
            "0 0 * * *",
            "2026-03-28T12:00",
            [("2026-03-29 01:00+03:00", SHORT, skipped("2026-03-29 00:00"))],
        ),
        (
            "Africa/Cairo",
            "30 0 * * FRI",
            "2026-04-23T12:00",
            [("2026-04-24 01:00+03:00", SHORT, skipped("2026-04-24 00:30"))],
        ),
        (
            "Africa/Casablanca",
            "30 2 * * *",
            "2025-02-23T00:00",
            [("2025-02-23 02:30+01:00", LONG, "first pass of a repeated time")],
        ),
        (
            "Europe/Dublin",
            "30 1 * * *",
            "2026-03-29T00:00",
            [("2026-03-29 02:00+01:00", SHORT, skipped("2026-03-29 01:30"))],
        ),
        (
            "Antarctica/Troll",
            "0 2 * * *",
            "2026-03-29T00:00",
            [("2026-03-29 03:00+02:00", "day of 22 hours", skipped("2026-03-29 02:00"))],
        ),
        (  # at 00:01 the clock went back over midnight: the date began twice, its first run once
            "America/St_Johns",
            "0 0 * * *",
            "2010-11-06T12:00",
            [
                ("2010-11-07 00:00-02:30", "day of 25 hours", "first pass of a repeated time"),
                ("2010-11-08 00:00-03:30",),
            ],
        ),
    ],
)
def test_fixed_times_at_odd_changes(zone, expression, after, expected):
    assert runs(expression, zone, after, len(expected)) == expected


@pytest.mark.parametrize(
    ("zone", "hour", "day", "expected"),
    [
        ("America/New_York", "*/6", "2026-03-08", ["00:00", "07:00", "13:00", "19:00"]),
        ("America/New_York", "*/6", "2026-11-01", ["00:00", "05:00", "11:00", "17:00", "23:00"]),
        ("America/Havana", "*/12", "2026-03-08", ["01:00", "13:00"]),
        ("Australia/Lord_Howe", "*/8", "2026-10-04", ["00:00", "09:00", "17:00"]),
    ],
)
def test_every_nth_hour_on_a_day_of_another_length(zone, hour, day, expected):
    evening = datetime.fromisoformat(f"{day}T23:30") - timedelta(days=1)
    texts = [text for text, *_ in runs(f"0 {hour} * * *", zone, evening.isoformat(), 6)]
    assert [text[11:16] for text in texts if text.startswith(day)] == expected


@pytest.mark.parametrize(
    ("zone", "day", "count"),
    [
        ("Europe/London", "2026-03-29", 23),
        ("Europe/London", "2026-10-25", 25),
        ("Europe/London", "2026-06-01", 24),
        ("Antarctica/Troll", "2026-03-29", 22),
        ("Australia/Lord_Howe", "2026-10-04", 23),  # 02:00 is skipped, and 23.5 hours have 23
        ("Australia/Lord_Howe", "2026-04-05", 24),
        ("Pacific/Apia", "2011-12-30", 0),
    ],
)
def test_an_hourly_schedule_runs_in_every_hour_that_passes(zone, day, count):
    noon = datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=ZoneInfo(zone))
    found = Schedule("0 * * * *", zone).next_runs(noon - timedelta(days=2), 100)
    assert sum(run.text.startswith(day) for run in found) == count
    assert {run.local.minute for run in found} == {0}


def test_the_second_pass_of_an_hourly_schedule_is_marked():
    assert runs("0 * * * *", "Europe/London", "2026-10-25T00:30", 2) == [
        ("2026-10-25 01:00+01:00", LONG, "first pass of a repeated time"),
        ("2026-10-25 01:00+00:00", LONG, "second pass of a repeated time"),
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 6 1 * *", ["2026-02-01 06:00", "2026-03-01 06:00"]),
        ("0 6 L * *", ["2026-01-31 06:00", "2026-02-28 06:00"]),
        ("0 6 LW * *", ["2026-01-30 06:00", "2026-02-27 06:00"]),
        ("0 6 * * mon#1", ["2026-01-05 06:00", "2026-02-02 06:00"]),
        ("0 6 * * 5L", ["2026-01-30 06:00", "2026-02-27 06:00"]),
        ("0 6 13 * FRI", ["2026-01-02 06:00", "2026-01-09 06:00", "2026-01-13 06:00"]),
        ("*/30  6-7 * JUN 7", ["2026-06-07 06:00", "2026-06-07 06:30", "2026-06-07 07:00"]),
        ("0 */12 * * MON", ["2026-01-05 00:00", "2026-01-05 12:00", "2026-01-12 00:00"]),
        ("0 6 29 2 *", ["2028-02-29 06:00", "2032-02-29 06:00"]),
    ],
)
def test_what_the_fields_mean(expression, expected):
    found = runs(expression, "UTC", "2026-01-01T12:00", len(expected))
    assert [text.removesuffix("+00:00") for text, *_ in found] == expected


def test_a_run_is_later_than_the_instant_asked_about():
    schedule = Schedule("30 2 * * *", "UTC")
    assert schedule.next_after(utc("2026-01-01T02:29:59.999999")) == utc("2026-01-01T02:30")
    assert schedule.next_after(utc("2026-01-01T02:30")) == utc("2026-01-02T02:30")


def test_what_was_missed_in_a_year_is_found_at_once():
    schedule = Schedule("* * * * *", "America/Chicago")
    now = utc("2026-06-01T12:00:30")
    assert schedule.missed(utc("2025-06-01"), now).instant == utc("2026-06-01T12:00")
    assert schedule.missed(utc("2026-06-01T12:00"), now) is None
    assert schedule.missed(now, utc("2026-01-01")) is None


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "has 0 fields: write five"),
        ("@daily", "has 1 fields: write five .* 30 2 "),
        ("0 30 2 * * *", "has 6 fields"),
        ("60 2 * * *", "minute '60': write 0–59"),
        ("0 24 * * *", "hour '24': write 0–23"),
        ("0 5-3 * * *", "hour '5-3': write"),
        ("0 2 32 * *", "day of month '32': write 1–31, L"),
        ("0 2 * MAI *", "month 'MAI': write 1–12 or JAN–DEC"),
        ("0 2 * * 8", "day of week '8': write 0–7 or SUN–SAT"),
        ("0 */0 * * *", r"hour '\*/0': write"),
        ("0 */6,3 * * *", "write either numbers or"),
        ("0 */24 * * *", "write 0 for once a day"),
        ("0 0 31 2,4 *", "never runs"),
        ("0 0 */10 2 MON#5", "never runs"),
        ("1," * 50 + "1 2 * * *", "characters: write 100 at most"),
    ],
)
def test_an_expression_that_is_none_is_refused_with_what_to_write(expression, sentence):
    with pytest.raises(ScheduleRefused, match=sentence):
        Schedule(expression, "UTC")


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "America", "x\0"])
def test_a_zone_that_is_none_is_refused(zone):
    with pytest.raises(ScheduleRefused, match="write an IANA name, for example"):
        Schedule("0 2 * * *", zone)


def test_a_time_without_zone_is_no_instant():
    with pytest.raises(ValueError, match="a time without zone"):
        Schedule("0 2 * * *", "UTC").next_after(datetime(2026, 1, 1))  # noqa: DTZ001


@given(st.lists(st.text("0123456789*/,-#LWlMONJAFR²?", max_size=8), min_size=5, max_size=5))
def test_any_text_is_a_schedule_or_is_refused(fields):
    try:
        schedule = Schedule(" ".join(fields), "Europe/London")
    except ScheduleRefused:
        return
    assert schedule.next_after(utc("2026-01-01")) > utc("2026-01-01")
