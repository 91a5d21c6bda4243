"""Plots from made-up arrays: what is drawn, marked and said in words."""

import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime

import numpy as np
import pytest

from devices import charts, plots
from devices.readings import NEVER, Status

SVG = "{http://www.w3.org/2000/svg}"
DAY = 86400


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def curve_of(values, status=None, start="2026-03-10", seconds=900, **fields) -> plots.Curve:
    values = np.asarray(values, float)
    ends = at(start) + seconds * np.arange(1, len(values) + 1)
    status = np.zeros(len(values), np.uint16) if status is None else np.asarray(status, np.uint16)
    return plots.Curve("Channel 1", "KWH per 15 min", seconds, ends, values, status, **fields)


def drawn(curve: plots.Curve, start: int, end: int, zone: str = "UTC") -> ET.Element:
    return ET.fromstring(plots.load_curve(curve, start, end, zone))  # noqa: S314


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [node for node in root.iter() if name in node.get("class", "").split()]


def texts(root: ET.Element) -> list[str]:
    return [node.text or "" for node in root.iter("text")]


def one_day(**changed) -> tuple[plots.Curve, int, int]:
    status = np.zeros(96, np.uint16)
    for slots, mask in changed.get("marks", ()):
        status[slots] = mask
    return curve_of(np.arange(96) / 10, status), at("2026-03-10"), at("2026-03-11")


def test_runs_are_the_stretches_of_true():
    marked = np.array([1, 1, 0, 0, 1, 0, 1], bool)
    assert plots.runs(marked) == [(0, 1), (4, 4), (6, 6)]
    assert plots.runs(np.zeros(4, bool)) == []
    assert plots.runs(np.ones(3, bool)) == [(0, 2)]


@pytest.mark.parametrize(
    ("zone", "day", "instant", "label"),
    [
        ("Europe/London", date(2026, 3, 29), "2026-03-29T01:00", "23 h day"),
        ("America/Chicago", date(2026, 11, 1), "2026-11-01T07:00", "25 h day"),
        ("Australia/Lord_Howe", date(2026, 4, 5), "2026-04-04T15:00", "24.5 h day"),
        ("America/Santiago", date(2026, 9, 6), "2026-09-06T04:00", "23 h day"),
    ],
)
def test_a_clock_change_is_found_at_its_instant(zone, day, instant, label):
    (change,) = plots.clock_changes(at(instant) - 2 * DAY, at(instant) + 2 * DAY, zone)
    assert (change.day, change.at, change.label) == (day, at(instant), label)


def test_a_zone_without_changes_has_none():
    assert plots.clock_changes(at("2026-01-01"), at("2027-01-01"), "UTC") == []


def test_the_curve_says_what_it_shows_in_title_and_description():
    curve, start, end = one_day(marks=[(slice(10, 14), NEVER), (slice(20, 22), Status.ESTIMATED)])
    root = ET.fromstring(plots.load_curve(curve, start, end, "UTC", key="c7"))  # noqa: S314
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == "c7-t c7-d"
    assert root.find("title").text == "Channel 1, KWH per 15 min"
    described = root.find("desc").text
    assert "92 of 96 intervals have a value." in described
    assert "Highest 9.5 KWH per 15 min, interval ending 11 Mar 2026 00:00." in described
    assert "2 estimated." in described


def test_a_gap_breaks_the_line_and_is_shaded_and_named():
    curve, start, end = one_day(marks=[(slice(40, 60), NEVER)])
    root = drawn(curve, start, end)
    assert len([n for n in of_class(root, "line") if n.tag == "path"]) == 2
    (gap,) = of_class(root, "gap")
    assert gap.find("title").text == "no data: 10 Mar 2026 10:00 to 10 Mar 2026 15:00"
    assert gap.find("text").text == "no data"


def test_what_was_reported_missing_is_called_so_and_a_short_gap_is_not_labelled():
    curve, start, end = one_day(marks=[(slice(4, 5), Status.MISSING)])
    (gap,) = of_class(drawn(curve, start, end), "gap")
    assert gap.find("title").text.startswith("missing: ")
    assert gap.find("text") is None


def test_estimated_edited_and_outage_stretches_are_marked():
    marks = [
        (slice(8, 12), Status.ESTIMATED),
        (slice(20, 24), Status.EDITED | Status.ESTIMATED),
        (slice(30, 34), Status.MISSING | Status.POWER_OUTAGE),
    ]
    root = drawn(*one_day(marks=marks))
    assert [n.find("title").text for n in of_class(root, "estimated")] == [
        "estimated: 10 Mar 2026 02:00 to 10 Mar 2026 03:00"
    ]
    assert len(of_class(root, "edited")) == 1
    assert len(of_class(root, "outage")) == 1


def test_hours_label_a_day_and_dates_a_week_in_local_time():
    curve, start, end = one_day()
    assert "03:00" in texts(drawn(curve, start, end))
    week = drawn(curve_of(np.ones(7 * 96)), at("2026-03-10T05:00"), at("2026-03-17T05:00"))
    assert "Wed 11 Mar" in texts(week)
    offset = 5 * 3600  # Chicago's midnight in summer time
    local = drawn(curve, start + offset, end + offset, "America/Chicago")
    assert "10 Mar" in texts(local)


def test_a_clock_change_is_drawn_with_its_label():
    curve = curve_of(np.ones(3 * 96), start="2026-03-28")
    root = drawn(curve, at("2026-03-28"), at("2026-03-31"), "Europe/London")
    assert "23 h day" in texts(root)
    assert "29 Mar 2026 is a 23 h day." in root.find("desc").text


def test_many_points_become_an_envelope_that_keeps_every_peak():
    values = np.ones(96 * 60)
    values[3333] = 40.0
    curve = curve_of(values)
    root = drawn(curve, at("2026-03-10"), at("2026-03-10") + 60 * DAY)
    (envelope,) = of_class(root, "envelope")
    heights = [float(y) for y in re.findall(r"[ML]?[\d.]+ ([\d.]+)", envelope.get("d"))]
    assert min(heights) == pytest.approx(
        float(plots._scale(values, 0, 1, plots.WIDTH, plots.HEIGHT).y(40.0)), abs=0.2
    )
    assert len(envelope.get("d")) < 40_000


def test_the_envelope_has_least_and_greatest_of_each_stretch():
    at_, values = np.arange(8.0), np.array([1, 5, 2, 2, 9, 0, 3, 4.0])
    middles, least, greatest = plots.envelope(at_, values, 4)
    assert len(middles) == len(least) == len(greatest) == 4
    assert least.min() == 0
    assert greatest.max() == 9


def test_a_voltage_is_not_drawn_from_zero_and_has_no_area():
    root = drawn(
        curve_of(np.full(96, 240.0) + np.arange(96) % 3), at("2026-03-10"), at("2026-03-11")
    )
    assert not of_class(root, "area")
    assert "0" not in texts(root)


def test_nothing_at_all_still_makes_a_plot():
    curve = curve_of([], [])
    root = drawn(curve, at("2026-03-10"), at("2026-03-11"))
    assert "0 of 0 intervals have a value." in root.find("desc").text


def test_names_are_escaped():
    curve = plots.Curve("<b>&", "KWH", 900, *(np.zeros(0, np.int64),) * 3)
    assert "&lt;b&gt;&amp;" in plots.load_curve(curve, 0, DAY, "UTC")


def test_no_style_or_script_is_in_a_plot():
    curve, start, end = one_day(marks=[(slice(4, 20), NEVER)])
    svg = plots.load_curve(curve, start, end, "UTC")
    assert " style=" not in svg
    assert "<script" not in svg


def test_ticks_are_round_numbers_inside_the_range():
    assert charts.ticks(0, 0.9) == [0, 0.2, 0.4, 0.6, 0.8]
    assert charts.ticks(235.1, 244.9) == [236, 238, 240, 242, 244]
    assert charts.ticks(-3, 10, 4) == [0, 5, 10]


def test_bars_have_a_bar_a_day_and_say_each_total():
    days = [(date(2026, 3, n), n * 1000) for n in range(1, 15)]
    root = ET.fromstring(charts.day_bars(days, "Intervals arrived per day"))  # noqa: S314
    bars = of_class(root, "bar")
    assert len(bars) == 14
    assert bars[-1].find("title").text == "Sat 14 Mar: 14,000"
    assert "14 Mar: 14,000" in root.find("desc").text


def test_bars_of_nothing_have_no_height():
    root = ET.fromstring(charts.day_bars([(date(2026, 3, 1), 0)], "Nothing"))  # noqa: S314
    assert [node.get("height") for node in of_class(root, "fill")] == ["0.0"]


def test_large_numbers_are_short():
    assert [charts.short(n) for n in (999, 1200, 4e6, 2.5e9)] == ["999", "1.2k", "4M", "2.5G"]
