"""The reader: lines, header fields, intervals and times (section 10 of the specification)."""

from decimal import Decimal

import pytest

from devices.readings import (
    epoch,
)
from tests.exports.formats.cmep_cases import (
    minute,
)
from tests.exports.formats.cmep_lines import (
    EXAMPLE_A,
    RAW,
    A,
    known,
    masks,
    one,
    record,
    refused,
    values,
)
from tests.exports.formats.cmep_tools import read, values_of

# --- lines and fields ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b""])
def test_any_line_end_and_none(end: bytes) -> None:
    meter = one(A.replace(b"\r\n", end))
    assert dict(zip(meter.series[0].ends.tolist(), values(meter), strict=True)) == EXAMPLE_A


def test_blank_lines_and_byte_order_mark_are_warned_of() -> None:
    meter = one(b"\xef\xbb\xbf" + A + b"\r\n\r\n", "RD01", "CMR50", "CMR50")
    assert len(values(meter)) == 8


def test_blanks_outside_quotes_are_stripped_those_inside_kept() -> None:
    line = record(" 03140715 , , 0.5 ", meter=' "E,1" ', purpose=" OK ", sender='"a ""b"""')
    assert one(line).device.meter_number == "E,1"
    assert "blank" in refused(record("03140715,,1", meter='" E1"'), "CMR04", "meter_id")


@pytest.mark.parametrize("text", ['"E1', 'E"1"', '"E1"x', '"'])
def test_quotes_out_of_place(text: str) -> None:
    assert "quotes" in refused(record("03140715,,1", meter=text), "CMR04")


def test_characters_outside_ascii() -> None:
    refused(record("03140715,,1", sender="Ä"), "CMR11")
    refused(record("03140715,,1", sender="\x01"), "CMR11")


def test_record_types() -> None:
    example_s = (
        b"MEPMD02,19970819,123456789,SA0001234567,987654321,4400871,202604010710,E10293847,OK,E,"
        b"KWH,W,1,202603010800,202604010700,3,ON-PEAK,,112.4,OFF-PEAK,,388.05,TOTAL,,500.45\r\n"
    )
    meters, report = read(example_s + b"MLA01,1\r\n")
    assert (meters, report.errors, report.codes) == ([], 0, {"CMR51": 1, "CMR68": 1})
    assert "MEPXX" in refused(record("03140715,,1", type="MEPXX"), "CMR01", "record_type")
    refused(b"MEPMD01,19970819\r\n", "CMR02")


def test_stopping_at_the_first_error() -> None:
    bad = record("03140715,,1", type="X")
    meters, report = read(A + bad + bad + A, on_error="file")
    assert (meters, report.errors) == ([], 1)


# --- header -------------------------------------------------------------------------------------


def test_version_tells_the_dialect() -> None:
    assert masks(one(record("03140715,R2,1", version="20080501"))) == [0x30]
    assert masks(one(record("03140715,R2,1"), "CMR59")) == [RAW]
    assert masks(one(record("03140715,R2,1", version="20000307"), "CMR52", "CMR59")) == [RAW]


def test_meter_id_of_sensus_feeds_stands_in_field_6() -> None:
    line = (
        b"MEPMD01,20080501,SENSUS,ACME:130000,15175228,W771002,202603151458,,OK,W,GALREG,1.0,"
        b"00000100,1,202603140701,R0,3330"
    )
    meter = one(line, "CMR53")
    assert meter.device.meter_number == "W771002"
    assert values_of(meter) == {
        ("register", "GAL", "DEL", minute("202603140701")): (Decimal(3330), RAW)
    }
    refused(record("03140715,,1", meter=""), "CMR03", "meter_id")
    both = {"meter": "", "receiver_customer": "", "version": "20080501"}
    refused(record("03140715,R0,1", **both), "CMR03", "meter_id")


def test_meter_id_is_what_the_setting_says() -> None:
    assert one(record("03140715,,1"), meter_id="DeviceID").device.device_id == "E1"
    assert one(record("03140715,,1"), meter_id="SerialNumber").device.serial_number == "E1"
    assert "20" in refused(record("03140715,,1", meter="E" * 21), "CMR04", "meter_id")


@pytest.mark.parametrize(
    ("field", "column", "value"),
    [("purpose", "purpose", "REREAD"), ("commodity", "commodity", "X"), ("units", "units", "KWX")],
)
def test_words_not_in_the_lists(field: str, column: str, value: str) -> None:
    assert value in refused(record("03140715,,1", **{field: value}), "CMR05", column)


def test_purpose_reject_is_listed_only() -> None:
    meters, report = read(record("03140715,,1", purpose="REJECT"))
    assert (meters, report.codes) == ([], {"CMR65": 1})


def test_commodity_that_does_not_suit_is_warned_of() -> None:
    one(record("03140715,,1", commodity="W"), "CMR67")


@pytest.mark.parametrize("code", ["BTU", "MCF", "ACFT", "LBS", "$", "GASREG"])
def test_units_without_a_canonical_name_are_listed_only(code: str) -> None:
    meters, report = read(record("03140715,,1", units=code))
    assert (meters, report.errors) == ([], 0)
    assert report.codes["CMR66"] == 1


@pytest.mark.parametrize(
    ("code", "unit", "flow", "kind"),
    [
        ("GAL", "GAL", "DEL", "U"),
        ("GKWH", "KWH", "REC", "U"),
        ("NKWH", "KWH", "NET", "U"),
        ("SKVARH", "KVARH", "TOT", "U"),
        ("GKVAR", "KVAR", "REC", "D"),
        ("KW", "KW", "DEL", "D"),
        ("VOLTS", "V", "DEL", "V"),
        ("PULSE", "PULSE", "DEL", "U"),
    ],
)
def test_channel_from_the_unit(code: str, unit: str, flow: str, kind: str) -> None:
    [meter], _ = read(record("03140715,,1", units=code))
    channel = meter.series[0].channel
    assert (channel.unit, channel.flow, channel.value_type) == (unit, flow, kind)


def test_gasreg_with_its_setting() -> None:
    line = record("03140715,,1", units="GASREG", commodity="G", interval="")
    assert one(line, gasreg_unit="CCF").reads[0].values[0].unit == "CCF"


@pytest.mark.parametrize(
    ("code", "sign", "flow", "value"),
    [
        ("KVARH", "cmep120", "DEL", "-2"),
        ("GKVARH", "cmep120", "REC", "2"),
        ("KVARH", "delivered_positive", "DEL", "2"),
        ("KVARHREG", "cmep120", "DEL", "2"),
        ("NKVARH", "cmep120", "NET", "2"),
    ],
)
def test_reactive_sign(code: str, sign: str, flow: str, value: str) -> None:
    meter = one(record("03140715,,2", units=code), kvarh_sign=sign)
    [(key, (found, _))] = values_of(meter).items()
    assert (key[1] if key[0] != "register" else key[2]) == flow
    assert found == Decimal(value)


def test_reactive_energy_of_a_device_with_one_fitting_quadrant() -> None:
    line = record("03140715,,2", units="KVARH")
    for channels, flow, value in (
        ([("KVARH", "Q1", 900)], "Q1", -2),
        ([("KVARH", "Q4", 900)], "Q4", 2),
        ([("KVARH", "Q1", 900), ("KVARH", "Q4", 900)], "DEL", -2),
        ([("KVARH", "Q4", 900), ("KVARH", "REC", 900)], "DEL", -2),
        ([("KVARH", "Q2", 900)], "DEL", -2),
    ):
        [meter], _ = read(line, known(*channels), kvarh_sign="cmep120")
        assert meter.series[0].channel.flow == flow
        assert values(meter) == [value]


def test_constants() -> None:
    assert values(one(record("03140715,,2", constant=""), "CMR54")) == [2]
    scaled = one(record("03140715,,2", constant="40"))
    assert values(scaled) == [80]
    channel = scaled.series[0].channel
    assert (channel.multiplier, channel.multiplier_applied) == (40, True)
    pulses = one(record("03140715,,26", units="PULSE", constant="0.012"))
    channel = pulses.series[0].channel
    assert values(pulses) == [26]
    assert (channel.multiplier, channel.multiplier_applied) == (Decimal("0.012"), False)
    dial = one(record("03140715,,2", units="KWHREG", constant="40")).reads[0].values[0]
    assert (dial.value, dial.multiplier, dial.multiplier_applied) == (80, 40, True)
    refused(record("03140715,,2", constant="x"), "CMR04", "calculation_constant")
    refused(record("03140715,,2", constant="0"), "CMR12", "calculation_constant")


@pytest.mark.parametrize("stamp", ["", "202603152400", "2026", "209913010000", "196912310000"])
def test_time_stamps_that_are_none(stamp: str) -> None:
    refused(record("03140715,,2", stamp=stamp), "CMR04", "time_stamp")


# --- interval -----------------------------------------------------------------------------------


def test_interval_lengths() -> None:
    assert one(record("03140715,,2", interval="00000200")).series[0].channel.seconds == 7200
    assert one(record("03140715,,2", interval="00010000")).series[0].channel.seconds == 86400
    assert one(record("03140715,,2", interval="000015"), "CMR55").series[0].channel.seconds == 900


@pytest.mark.parametrize("interval", ["01000000", "00000007", "00020000", "99999999"])
def test_interval_lengths_that_do_not_exist(interval: str) -> None:
    code = "CMR04" if interval.startswith("99") else "FMT17"
    refused(record("03140715,,2", interval=interval), code, "interval")


@pytest.mark.parametrize("interval", ["15", "xxxxxxxx", "00000000", "01000015"])
def test_intervals_that_are_none(interval: str) -> None:
    refused(record("03140715,,2", interval=interval), "CMR04", "interval")


def test_empty_interval_takes_the_length_of_the_channel_or_of_the_steps() -> None:
    [meter], _ = read(record("03140715,,2", interval=""), known(("KWH", "DEL", 1800), offset=None))
    assert meter.series[0].channel.seconds == 1800
    daily = record("03080800,,1", "03090700,,2", "03100700,,3", interval="")
    assert one(daily).series[0].channel.seconds == 86400
    hourly = record("03080800,,1", "03080900,,2", "03081000,,3", interval="")
    assert one(hourly).series[0].channel.seconds == 3600
    refused(record("03140715,,2", interval=""), "CMR10", "interval")
    refused(record("03140715,,2", "03140715,,2", interval=""), "CMR10", "interval")
    refused(record("03140715,,2", "03140730,,2", "03140800,,2", interval=""), "CMR10")


# --- times --------------------------------------------------------------------------------------


def test_blank_times_are_filled() -> None:
    fields = A.rstrip().split(b",")
    fields[17::3] = [b""] * 7
    meter = one(b",".join(fields))
    assert dict(zip(meter.series[0].ends.tolist(), values(meter), strict=True)) == EXAMPLE_A


def test_blank_months_follow_the_calendar() -> None:
    line = record(
        "01310700,,1", ",,2", ",,3", "04010700,,4", ",,5", units="KWHREG", interval="01000000"
    )
    days = [read.time.strftime("%m%d") for read in one(line).reads]
    assert days == ["0131", "0228", "0331", "0401", "0501"]


def test_blank_times_that_cannot_be_filled() -> None:
    refused(record(",,2"), "CMR08", "time")
    refused(record("03140715,,2", ",,3", units="KWHREG", interval=""), "CMR09", "time")
    huge = ["12310000,,1", *[",,1"] * 400]
    line = record(*huge, units="KWHREG", interval="99000000").replace(b",2026", b",2999")
    refused(line, "CMR04", "time")
    line = record(*huge, units="KWHREG", interval="00990000").replace(b",2026", b",2999")
    refused(line, "CMR04", "time")


@pytest.mark.parametrize("time", ["03142400", "02300000", "0314071", "x"])
def test_times_that_are_none(time: str) -> None:
    refused(record("03140715,,2", f"2026{time},,3"), "CMR04", "time")


def test_a_time_that_does_not_follow_wins() -> None:
    meter = one(record("03140715,,1", "03140745,,2"), "CMR58")
    assert (meter.series[0].ends[1] - meter.series[0].ends[0]) == 1800
    one(record("03140715,,1", "03140745,,2", units="KWHREG"))


def test_local_times() -> None:
    zone = {"times": "America/Los_Angeles"}
    line = record("03140015,,1", "03140030,,2")
    assert one(line, **zone).series[0].ends[0] == epoch(minute("202603140715"))
    autumn = record("11010145,,1", "11010100,,2", "11010115,,3", "11010200,,4")
    ends = one(autumn, "CMR58", **zone).series[0].ends
    assert [epoch(minute(f"20261101{t}")) for t in ("0845", "0900", "0915", "1000")] == list(ends)
    refused(record("03080230,,1"), "FMT15", "time", **zone)


def test_duplicates_newest_stamp_then_later_line() -> None:
    older = record("03140715,,1", "03140730,,1", stamp="202603150600")
    newer = record("03140715,,2", stamp="202603150700")
    assert values(one(newer + older)) == [2, 1]
    assert values(one(record("03140715,,1") + record("03140715,,2"))) == [2]
    dial = {"units": "KWHREG", "interval": ""}
    lines = record("03140715,,2", stamp="202603150700", **dial) + record("03140715,,1", **dial)
    assert values(one(lines)) == [2]


def test_stamps_off_the_grid_of_a_known_device() -> None:
    inventory = known(("KWH", "DEL", 900))
    [_], report = read(record("03140716,,1"), inventory)
    assert report.codes == {"CMR64": 1}
    [_], report = read(record("03140714,,1"), inventory)
    assert report.codes == {"CMR64": 1}
    meters, report = read(record("03140717,,1"), inventory)
    assert (meters, report.codes) == ([], {"FMT03": 1})
    [_], report = read(record("03140717,,1", units="KWHREG"), inventory)
    assert not report.codes
    one(record("03140717,,1"))


def test_days_off_midnight_of_a_known_device() -> None:
    inventory = known(("KWH", "DEL", 86400), zone="America/Los_Angeles")
    for time, codes in (
        ("03140700", {}),
        ("03140701", {"CMR64": 1}),
        ("03140659", {"CMR64": 1}),
        ("03140800", {"FMT03": 1}),
    ):
        _, report = read(record(f"{time},,1", interval="00010000"), inventory)
        assert report.codes == codes
