"""Files of HHF-X1: meters without channels, counts in front, the second look."""

import io

import pytest

from devices.readings import CHANGED, DeviceInfo, Event, Frame
from exports.formats import get
from exports.formats.hhf.tables import CHANNEL_HEADER, FILE, METER_HEADER
from tests.exports.formats.records216_tools import (
    METER,
    at,
    both,
    codes,
    context,
    frame,
    patch,
    records,
    sheet,
    write,
)
from tests.exports.formats.test_hhf_write import read_at, register

DAY = [100] * 96
HHF = get("hhf")


def test_a_meter_with_registers_or_events_alone_has_no_channels() -> None:
    devices = [METER._replace(device_id=f"D{n}") for n in range(4)]
    reads = {0: [read_at("202403012000", register(number=1))]}
    events = {1: [Event("PWR_UP", at("202403010100"))], 2: [Event("OTHER", at("202403010100"))]}
    data, tally = both("hhf", Frame(devices, [], reads, events))
    assert codes(data) == [1, 2, 20, 2, 30, 9999]
    meter = METER_HEADER.get(records(data)[1])
    assert (meter["channels"], meter["per_hour"]) == (0, 0)
    assert data[216 + 108 : 216 + 132] == b"202403010001202403012400"
    assert (tally.meters, tally.warnings.counts) == (2, {})


def test_no_meter_makes_no_file() -> None:
    assert both("hhf", Frame([METER]))[0] == b""
    out = io.BytesIO()
    assert HHF.write([Frame([])], context("hhf"), out).records == 0
    assert out.getvalue() == b""


def test_a_whole_write_counts_before_it_writes() -> None:
    out = io.BytesIO()
    devices = [METER._replace(device_id=f"D{n}") for n in (0, 1)]
    parts = [Frame([device], [sheet(DAY)]) for device in devices]
    tally = HHF.write(parts, context("hhf"), out)
    assert out.getvalue() == write("hhf", parts)[0]
    assert (tally.meters, FILE.get(out.getvalue()[:216])["meters"]) == (2, 2)


def test_files_of_a_run_are_told_apart_by_the_standard_offset() -> None:
    ctx = context("hhf")
    zones = ("America/New_York", "America/Bogota", "Asia/Kolkata", "UTC")
    keys = [HHF.file_key(DeviceInfo("D", time_zone=zone), ctx) for zone in zones]
    assert keys == ["-0300", "-0300", "+0330", "+0000"]
    assert HHF.splits(ctx.options)
    assert HHF.meters_a_file(ctx.options) == 65535
    assert HHF.wants_arrivals(ctx.options)
    assert HHF.wants_registers(ctx.options)
    assert HHF.register_margin(ctx.options) == 3600
    assert HHF.order(ctx.options) == "device_id"


def test_mode_in_writes_from_the_first_to_the_last_news() -> None:
    data, _ = both("hhf", frame(sheet(DAY, {10: CHANGED, 20: CHANGED})), mode="IN")
    assert CHANNEL_HEADER.get(records(data)[2])["intervals"] == 11


@pytest.mark.parametrize(
    ("change", "text"),
    [((0, 2, b"\x02"), "first record has code 2"), ((4, 5, b"?"), "another key")],
)
def test_the_second_look_finds_what_is_wrong(change: tuple[int, int, bytes], text: str) -> None:
    data, _ = write("hhf", frame(sheet(DAY)))
    found = HHF.verify(io.BytesIO(patch(data, *change)), context("hhf"))
    assert any(text in one for one in found), found
