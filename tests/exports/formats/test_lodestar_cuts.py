"""Zones, days and gaps of the writer: where cuts begin and end; both writers alike."""

import io
from datetime import UTC, datetime

import pytest

from devices.readings import (
    Frame,
    IntervalSeries,
)
from exports.formats.base import Tally
from tests.exports.formats.lodestar_cases import CHICAGO, at, series
from tests.exports.formats.lodestar_tools import (
    DAY,
    LODESTAR,
    absent,
    both,
    context,
    hours,
    of,
    read,
    record,
    spans,
    write,
)

# --- zones --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "code", "name"),
    [
        ("America/New_York", "10", "EST5EDT"),
        (CHICAGO, "12", "CST6CDT"),
        ("America/Denver", "14", "MST7MDT"),
        ("America/Los_Angeles", "16", "PST8PDT"),
        ("Europe/London", "0", "GMT0BST"),
        ("America/St_Johns", "7", "NST"),
        ("Asia/Kolkata", "", "IST"),
    ],
)
def test_zone_code_and_name(zone: str, code: str, name: str) -> None:
    names = "Europe/London=GMT0BST;America/St_Johns=NST;Asia/Kolkata=IST"
    meter = of(series(DAY, ["1"], zone=zone), time_zone=zone)
    fields = record(both(meter, zone_name=names), 2)
    assert len(fields) == 14
    assert (fields[10], fields[13]) == (code, name)
    assert record(both(meter, zone_name=names, zone_offset="no"), 2)[10] == ""


def test_a_setting_may_name_a_zone_anew() -> None:
    text = both(of(series(DAY, ["1"])), zone_name=f"{CHICAGO}=CPT")
    assert record(text, 2)[13] == "CPT"


# --- cuts ---------------------------------------------------------------------------------------


def test_a_cut_a_day_and_shorter_ones_at_the_ends() -> None:
    assert spans(both(of(hours(30, "20240114220000")))) == [
        ("20240114220000", "20240114235959"),
        ("20240115000000", "20240115235959"),
        ("20240116000000", "20240116035959"),
    ]


def test_days_of_a_cut_are_counted_from_the_period() -> None:
    text = both(of(hours(96, "20240114000000")), cut_days="3", start=at("20240113000000"))
    assert spans(text) == [
        ("20240114000000", "20240115235959"),
        ("20240116000000", "20240117235959"),
    ]


@pytest.mark.parametrize(
    ("zone", "seconds", "first", "count", "cut"),
    [
        # Midnight off the grid: cuts keep the grid.
        ("Australia/Lord_Howe", 3600, "20240104233000", 24, ("20240104233000", "20240105232959")),
        (CHICAGO, 7200, "20240614230000", 12, ("20240614230000", "20240615225959")),
        # Midnight comes twice, is skipped, or the hour before it comes twice.
        ("America/Havana", 3600, "20241103000000", 25, ("20241103000000", "20241103235959")),
        ("America/Santiago", 3600, "20240908010000", 23, ("20240908010000", "20240908235959")),
        ("America/Santiago", 3600, "20240406000000", 25, ("20240406000000", "20240406235959")),
    ],
)
def test_days_where_midnight_is_strange(
    zone: str, seconds: int, first: str, count: int, cut: tuple[str, str]
) -> None:
    one = series(first, ["1"] * count, seconds=seconds, zone=zone)
    text = both(of(one, time_zone=zone), zone_name=f"{zone}=X" if zone != CHICAGO else None)
    assert spans(text) == [cut]
    meters, report = read(text, zone_name=f"{zone}=X", channel_map="DEL=1")
    assert (report.errors, report.warnings) == (0, 0)
    assert meters[0].series[0].ends.tolist() == one.ends.tolist()


def test_a_day_in_standard_time_is_of_24_hours() -> None:
    text = both(of(hours(48, "20240310000000")), dst="N", created="20240312000000")
    assert spans(text)[0] == ("20240310000000", "20240310235959")
    assert spans(text)[1] == ("20240311000000", "20240311235959")
    assert record(text, 1)[5] == "N"
    assert record(text, 4)[1] == "20240311230000"  # standard time, too


def test_the_time_stamp_loses_its_fraction() -> None:
    ctx = context()
    out, tally = io.BytesIO(), Tally()
    created = datetime(2024, 7, 1, 12, 30, 15, 999999, tzinfo=UTC)
    ctx = type(ctx)(created, ctx.batch_id, ctx.start, ctx.end, ctx.options)
    LODESTAR.write_frame(Frame.of([of(series(DAY, ["1"]))]), ctx, out, tally)
    assert record(out.getvalue().decode(), 4) == ["00000004", "20240701073015", "M"]


# --- gaps ---------------------------------------------------------------------------------------


def test_slots_that_never_arrived_are_missing_and_empty_days_no_cut() -> None:
    one = absent(hours(72), slice(1, 3), slice(24, 48))
    text = both(of(one))
    assert spans(text) == [
        ("20240115000000", "20240115235959"),
        ("20240117000000", "20240117235959"),
    ]
    assert text.split("\r\n")[4].startswith("10000000,1.000, ,,0,9,,0,9,,1.000, ,")
    assert both(of(one), missing="empty").split("\r\n")[4].startswith("10000000,1.000, ,,,,,,,,1.0")
    every = both(of(one), empty_days="yes")
    assert len(spans(every)) == 3
    assert every.count(",0,9,") == 26


def test_empty_days_are_written_of_a_channel_without_any_interval() -> None:
    one = absent(hours(24), slice(None))
    assert both(of(one)) == ""
    assert both(of(one), empty_days="yes").count(",0,9,") == 24
    assert both(of(one), empty_days="yes", mode="IN") == ""


def test_a_hole_in_the_grid_is_missing() -> None:
    one = hours(24)
    keep = [place for place in range(24) if place not in (5, 6)]
    holed = IntervalSeries(one.channel, one.ends[keep], one.counts[keep], one.status[keep])
    text = both(of(holed))
    assert text == both(of(absent(one, slice(5, 7))))
    assert write([of(holed)])[1].missing == 2


def test_new_readings_bring_their_days_whole_and_no_others() -> None:
    """Modes IN and CO: a day that was not handed over ends the cut, whatever its length."""
    one = absent(hours(96), slice(2, 4), slice(24, 48))
    text = both(of(one), mode="IN", cut_days="4", start=at(DAY))
    assert spans(text) == [
        ("20240115000000", "20240115235959"),
        ("20240117000000", "20240118235959"),
    ]
    assert text.count(",0,9,") == 2
    keep = [place for place in range(96) if not 24 <= place < 48]
    holed = IntervalSeries(one.channel, one.ends[keep], one.counts[keep], one.status[keep])
    assert both(of(holed), mode="IN", cut_days="4", start=at(DAY)) == text
    whole = both(of(one), cut_days="4", start=at(DAY))
    assert spans(whole) == [("20240115000000", "20240118235959")]
