"""Files of MV-90: several meters or one, parts of a run, and the second look at them."""

import io
from datetime import timedelta, timezone

import pytest

from devices.readings import DeviceInfo, Frame
from exports.formats import get
from tests.exports.formats.records216_tools import (
    METER as DEVICE,
    at,
    both,
    codes,
    context,
    frame,
    patch,
    read,
    sheet,
    write,
)

DAY = [100] * 96
MV90 = get("mv90")


def fleet(*zones: str) -> Frame:
    devices = [DeviceInfo(f"D{n}", f"M{n}", f"S{n}", time_zone=z) for n, z in enumerate(zones)]
    rows = [sheet(DAY, device=n, grid_offset=None) for n in range(len(zones))]
    return Frame(devices, rows)


def test_several_meters_share_a_file_where_the_option_says_so() -> None:
    data, tally = both("mv90", fleet("America/New_York", "America/Bogota"), multi_meter="yes")
    assert codes(data) == [*[1, 10, 1001, 1002, 1003, 1004] * 2, 9999]
    assert tally.meters == 2
    assert [meter.device.device_id for meter in read("mv90", data)[0]] == ["D0", "D1"]


def test_parts_of_a_run_give_the_same_file_as_one_frame() -> None:
    whole = fleet("America/New_York", "America/New_York")
    parts = [Frame([whole.devices[n]], [sheet(DAY, grid_offset=None)]) for n in (0, 1)]
    assert write("mv90", parts, multi_meter="yes")[0] == write("mv90", whole, multi_meter="yes")[0]


def test_without_the_option_a_second_meter_is_the_callers_mistake() -> None:
    with pytest.raises(ValueError, match="multi_meter"):
        write("mv90", fleet("America/New_York", "America/New_York"))


def test_files_of_a_run_are_told_apart_by_the_meter() -> None:
    ctx = context("mv90", custid="MeterNumber")
    assert MV90.splits(ctx.options)
    assert MV90.file_key(DEVICE, ctx) == "M000123"
    assert MV90.order(ctx.options) == "meter_number"
    assert MV90.name_pattern(ctx.options) == "MDEF_{meter}_{batch}.MDE"
    assert MV90.register_margin(ctx.options) == 3600
    several = context("mv90", multi_meter="yes")
    assert not MV90.splits(several.options)
    assert MV90.file_key(DEVICE, several) == ""
    assert MV90.name_pattern(several.options) == "MDEF_{export}_{batch}.MDE"


def test_devices_out_of_order_are_the_callers_mistake() -> None:
    mixed = fleet("UTC", "UTC")
    with pytest.raises(ValueError, match="sorted by device_id"):
        write("mv90", Frame(mixed.devices[::-1], mixed.sheets), multi_meter="yes")


def test_no_meter_makes_no_file() -> None:
    assert both("mv90", Frame([]))[0] == b""


def test_a_whole_write_goes_through_the_format_itself() -> None:
    out, one = io.BytesIO(), frame(sheet(DAY))
    tally = MV90.write([one], context("mv90"), out)
    assert out.getvalue() == both("mv90", one)[0]
    assert tally.records == 7


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ((0, 0, b"\xd9"), "length word"),
        ((0, 2, b"\x0a"), "first record has code 10"),
        ((3, 2, b"\xee"), "out of sequence"),
        ((3, 5, b"?"), "another key"),
        ((6, 43, b"8"), "counts 8 records, there are 7"),
        ((6, 2, b"\x10"), "no trailer"),
    ],
)
def test_the_second_look_finds_what_is_wrong(change: tuple[int, int, bytes], text: str) -> None:
    data, _ = write("mv90", frame(sheet(DAY)))
    found = MV90.verify(io.BytesIO(patch(data, *change)), context("mv90"))
    assert any(text in one for one in found), found


def test_the_second_look_finds_a_file_cut_short() -> None:
    data, _ = write("mv90", frame(sheet(DAY)))
    [found] = MV90.verify(io.BytesIO(data[:-1]), context("mv90"))
    assert "no multiple of 216" in found


def test_a_period_in_utc_is_the_same_instants() -> None:
    """The context's zone is nothing to MV-90: standard time of the device is."""
    utc = {"start": at("202403010500", timezone(timedelta(0))), "end": at("202403020000")}
    assert both("mv90", frame(sheet(DAY)), **utc)[0] == both("mv90", frame(sheet(DAY)))[0]
