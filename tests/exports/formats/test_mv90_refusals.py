"""What MV-90 refuses, or leaves out with a warning: section 6 of its page."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from devices.readings import NEVER, DeviceInfo, Frame, RegisterRead, RegisterValue, Sheet, Status
from exports.formats import get
from exports.formats.base import FormatError, OptionError
from tests.exports.formats.records216_tools import (
    METER,
    at,
    both,
    codes,
    context,
    frame,
    reads,
    refusal,
    sheet,
    write,
)

DAY = [100] * 96
MV90 = get("mv90")


def gap() -> Sheet:
    """A sheet whose ends are no grid: one stands five minutes late."""
    one = sheet(DAY)
    ends = one.ends.copy()
    ends[50] += 300
    return Sheet(one.devices, one.channels, ends, one.counts, None)


def register(value: str, **words: Any) -> list[RegisterRead]:
    own = RegisterValue("SUM", "KWH", "DEL", value=Decimal(value), **words)
    return [RegisterRead(at("202403010000"), "CUR", (own,))]


@pytest.mark.parametrize(
    ("data", "words", "text"),
    [
        (frame(gap()), {}, "FMT03 MV90 UTIL000123/1 2024-03-01T17:50:00Z: interval end"),
        (frame(sheet(DAY), sheet([1], number=1)), {}, "FMT04 MV90 UTIL000123/1 2024-03-01T05:15"),
        (
            frame(sheet(DAY), device=METER._replace(device_id="MÜNCHEN")),
            {},
            "FMT05 MV90 MÜNCHEN: CM_CUSTID: character U+00DC",
        ),
        (
            frame(sheet(DAY), device=METER._replace(device_id="A\tB")),
            {},
            "FMT11 MV90 A\tB: CM_CUSTID: forbidden character",
        ),
        (
            frame(sheet(DAY, multiplier=Decimal("0.0005"))),
            {},
            "FMT07 MV90 UTIL000123/1: DC_MMULT: number 0.0005 does not fit 10",
        ),
        (frame(sheet(DAY), reads=register("1E12")), {}, "FMT07 MV90 UTIL000123/1: STRTMTR"),
        (frame(sheet(DAY, unit="KW")), {"on_unsupported": "stop"}, "FMT08 MV90 UTIL000123/1: unit"),
        (frame(sheet([5, -1, *DAY[2:]])), {}, "FMT09 MV90 UTIL000123/1 2024-03-01T05:30:00Z: neg"),
        (frame(sheet(DAY), reads=register("-1")), {}, "FMT09 MV90 UTIL000123/1: negative"),
        (frame(sheet(DAY), reads=register("NaN")), {}, "FMT10 MV90 UTIL000123/1: value is not"),
        (
            frame(sheet(DAY, {3: int(Status.MISSING | Status.EDITED)})),
            {},
            "FMT12 MV90 UTIL000123/1 2024-03-01T06:00:00Z: value and missing mark",
        ),
        (
            frame(sheet(DAY, flow="NET")),
            {"on_unsupported": "stop"},
            "FMT13 MV90 UTIL000123/1: flow NET",
        ),
        (
            frame(sheet(DAY), device=METER._replace(time_zone="Nowhere/Town")),
            {},
            "FMT15 MV90 UTIL000123: time zone unknown",
        ),
        (
            frame(sheet([1, 1], seconds=7200)),
            {"on_unsupported": "stop"},
            "FMT17 MV90 UTIL000123/1: interval length 7200 s",
        ),
        (
            frame(sheet(DAY)),
            {"end": at("202403020007")},
            "FMT18 MV90 UTIL000123/1: period is not a whole number",
        ),
        (frame(sheet(DAY, number=100)), {}, "MDE06 MV90 UTIL000123: channel number 100 is not"),
        (frame(sheet(DAY, number=None)), {}, "MDE06 MV90 UTIL000123: channel number 0 is not"),
        (
            frame(sheet(DAY), device=METER._replace(serial_number="S" * 13)),
            {},
            "MDE02 MV90 UTIL000123: DC_METERID: 13 characters, at most 12",
        ),
        (
            frame(sheet(DAY), device=METER._replace(account_id="A" * 21)),
            {},
            "MDE02 MV90 UTIL000123: CM_ACCOUNT: 21 characters, at most 20",
        ),
        (
            frame(sheet(DAY), sheet([1] * 24, number=2, unit="KVAH", seconds=3600)),
            {},
            "MDE04 MV90 UTIL000123: channels of different lengths (900, 3600 s)",
        ),
        (
            frame(sheet(DAY[:48]), sheet([1] * 12, start="202403011200", seconds=3600)),
            {},
            "MDE04 MV90 UTIL000123/1: channels of different lengths (900, 3600 s)",
        ),
        (
            frame(sheet([5, *DAY[1:]], resolution=Decimal("1E38"))),
            {},
            "MDE07 MV90 UTIL000123/1 2024-03-01T05:15:00Z: value 5E+38 is outside float32",
        ),
        (
            frame(sheet(DAY[:48]), sheet(DAY[48:], start="202403011200", unit="KVARH")),
            {},
            "MDE08 MV90 UTIL000123: channel 1 changes its unit",
        ),
        (frame(sheet(DAY, flow="NET")), {}, "MDE01 MV90 UTIL000123: meter without"),
        (frame(sheet(DAY, dict.fromkeys(range(96), NEVER))), {}, "MDE01 MV90 UTIL000123: meter"),
        (
            frame(sheet(DAY, dict.fromkeys(range(96), int(Status.MISSING)))),
            {"trim": "yes"},
            "MDE01 MV90 UTIL000123: meter",
        ),
        (Frame([METER]), {}, "MDE01 MV90 UTIL000123: meter"),
    ],
    ids=lambda value: value[:8] if isinstance(value, str) else "",
)
def test_a_refusal_says_where_and_why(data: Frame, words: dict[str, Any], text: str) -> None:
    assert refusal("mv90", data, **words).startswith(text)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(FormatError, match="FMT01"):
        context("mv90", start=at("202403010000").replace(tzinfo=None))


def test_a_period_must_begin_on_a_second() -> None:
    with pytest.raises(ValueError, match="whole seconds"):
        both("mv90", frame(sheet(DAY)), start=at("202403010000").replace(microsecond=5))


def test_a_channel_holds_no_more_than_its_codes() -> None:
    one, most = frame(sheet([1], seconds=60)), timedelta(minutes=8998 * 24)
    start = at("202403010000")
    data, tally = write("mv90", one, end=start + most)
    assert (tally.intervals, codes(data)[-2]) == (215_952, 9998)
    text = refusal("mv90", one, end=start + most + timedelta(minutes=1))
    assert text == "MDE05 MV90 UTIL000123: 8999 interval records, at most 8998"


def test_a_period_over_a_change_of_standard_time_is_refused() -> None:
    """Caracas went from -04:30 to -04:00 in 2016."""
    device = METER._replace(time_zone="America/Caracas")
    one = sheet([1] * 8, start="201501010000", grid_offset=-16200)
    words = {"start": at("201412312330"), "end": at("201701010030")}
    assert "FMT15" in refusal("mv90", frame(one, device=device), **words)


def test_channels_that_cannot_be_carried_are_left_out_with_a_warning() -> None:
    rows = [sheet(DAY), sheet(DAY, number=2, unit="KW"), sheet(DAY, number=3, flow="TOT")]
    rows.append(sheet([1], number=4, seconds=86400, zone=UTC_MINUS_5))
    data, tally = both("mv90", frame(*rows))
    assert tally.intervals == 96
    assert tally.warnings.counts == {"FMT08": 1, "FMT13": 1, "FMT17": 1}
    assert [(item.channel.number, item.code) for item in tally.left_out if item.channel] == [
        *((2, "FMT08"), (3, "FMT13"), (4, "FMT17"))
    ]
    assert len(data) == 7 * 216


UTC_MINUS_5 = at("202403010000").tzinfo


def pair(**second: str) -> Frame:
    devices = [METER._replace(device_id=f"D{n}", serial_number=f"S{n}") for n in (0, 1)]
    devices[1] = devices[1]._replace(**second)
    return Frame(devices, [sheet(DAY, device=n) for n in (0, 1)])


def test_a_bad_meter_is_left_out_where_the_run_says_so() -> None:
    bad = pair(serial_number="S" * 20)
    data, tally = both("mv90", bad, multi_meter="yes", on_error="skip_meter")
    assert [(item.device.device_id, item.code) for item in tally.left_out] == [("D1", "MDE02")]
    assert tally.warnings.examples["MDE02"] == [
        "left out: MDE02 MV90 D1: DC_METERID: 20 characters, at most 12"
    ]
    assert data == both("mv90", Frame(bad.devices[:1], bad.sheets[:1]))[0]


def test_a_bad_value_leaves_its_meter_out_and_the_others_in() -> None:
    devices = [DeviceInfo(f"D{n}", serial_number=f"S{n}", time_zone="EST") for n in range(3)]
    rows = [sheet(DAY, device=n) for n in (0, 2)]
    rows.append(sheet([-1, *DAY[1:]], device=1))
    words = {"multi_meter": "yes", "on_error": "skip_meter"}
    data, tally = both("mv90", Frame(devices, rows), **words)
    assert [item.device.device_id for item in tally.left_out] == ["D1"]
    assert tally.meters == 2
    assert b"D1" not in data


def test_a_meter_without_intervals_is_left_out_where_the_file_holds_others() -> None:
    two = pair()
    data, tally = both("mv90", Frame(two.devices, two.sheets[:1]), multi_meter="yes")
    assert tally.warnings.counts == {"MDE01": 1}
    assert [item.device.device_id for item in tally.left_out] == ["D1"]
    assert tally.meters == 1
    assert len(data) == 7 * 216


def test_meters_of_different_standard_offsets_do_not_share_a_file() -> None:
    text = refusal("mv90", pair(time_zone="America/Denver"), multi_meter="yes")
    assert text.startswith("FMT15 MV90: ")
    assert "-420 min, -300 min" in text


def test_long_identifiers_may_keep_their_end() -> None:
    device = METER._replace(device_id="A" * 6 + "0123456789ABCD", serial_number="X" + "S" * 12)
    data, _ = both("mv90", frame(sheet(DAY), device=device), overflow_ids="keep_last")
    assert data[216 + 24 : 216 + 38] == b"0123456789ABCD"
    assert data[216 + 44 : 216 + 56] == b"S" * 12


@pytest.mark.parametrize("other", ["Y" + "S" * 12, "S" * 12])
def test_shortened_identifiers_must_not_become_the_same(other: str) -> None:
    two = pair(serial_number=other)
    two = Frame([two.devices[0]._replace(serial_number="X" + "S" * 12), two.devices[1]], two.sheets)
    words = {"multi_meter": "yes", "overflow_ids": "keep_last"}
    assert refusal("mv90", two, **words).startswith("MDE03 MV90: DC_METERID SSSSSSSSSSSS: two")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("unit_codes", "KWH=1"),
        ("unit_codes", "KWH=AB"),
        ("unit_codes", "PULSE=40"),
        ("unit_codes", "KWH NET=40"),
        ("unit_codes", "V REC=40"),
        ("unit_codes", "MILES=40"),
        ("unit_codes", "KW=21;KVA=21"),
        ("physical", "1=100"),
        ("physical", "x=1"),
        ("byte92", "V"),
    ],
)
def test_options_that_make_no_sense_are_refused(option: str, value: str) -> None:
    with pytest.raises(OptionError, match=option):
        MV90.options_clean({option: value}, "write")


@pytest.mark.parametrize("value", ["KWH=0", "KWH=x", "*=-1", "KWH=1E-10", "FEET=1"])
def test_resolutions_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(OptionError, match="resolutions"):
        MV90.options_clean({"resolutions": value}, "read")


def test_byte_92_is_one_printable_character() -> None:
    with pytest.raises(OptionError, match="byte92"):
        MV90.options_clean({"profile": "mainframe", "byte92": "é"}, "write")


def test_a_code_taken_by_another_unit_is_no_longer_the_first_ones() -> None:
    data = frame(sheet(DAY, unit="KVAH", flow="REC"), sheet(DAY, number=2, flow="REC"))
    made, tally = both("mv90", data, unit_codes="KVAH REC=02")
    assert tally.warnings.counts == {"FMT08": 1}
    assert made[216 + 97 : 216 + 99] == b"02"


def test_a_reading_is_rounded_to_what_fits() -> None:
    made, _ = both("mv90", frame(sheet(DAY), reads=reads(("202403010000", "102885508.005"))))
    assert made[216 + 101 : 216 + 113] == b"102885508.00"
