"""The reader, row by row of the specification's section 10."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.readings import Channel, MeterData, Status, epoch
from exports.formats.base import Inventory
from tests.exports.formats.cmep_cases import CASES, FIRST, minute
from tests.exports.formats.cmep_tools import read, values_of
from tests.exports.formats.golden import GOLDEN

A = (GOLDEN / "cmep/a_validated.txt").read_bytes()
HEAD = b"MEPMD01,19970819,1,2,3,4,202603150610,E1,OK,E,KWH,1,00000015,"
MISSING, RAW, QUESTIONABLE = int(Status.MISSING), int(Status.RAW), int(Status.QUESTIONABLE)


def record(*triplets: str, **fields: str) -> bytes:
    """A line with these triplets `MMDDHHMM flag value` of 2026 and these header fields."""
    cells = {
        "type": "MEPMD01",
        "version": "19970819",
        "sender": "1",
        "sender_customer": "2",
        "receiver": "3",
        "receiver_customer": "4",
        "stamp": "202603150610",
        "meter": "E1",
        "purpose": "OK",
        "commodity": "E",
        "units": "KWH",
        "constant": "1",
        "interval": "00000015",
        "count": str(len(triplets)),
    }
    parts = [f"2026{text.lstrip()}" if text.lstrip()[:1].isdigit() else text for text in triplets]
    return (",".join([*(cells | fields).values(), *parts]) + "\r\n").encode()


def masks(meter: MeterData) -> list[int]:
    return [mask for _, mask in values_of(meter).values()]


def values(meter: MeterData) -> list[object]:
    return [value for value, _ in values_of(meter).values()]


def one(data: bytes, *codes: str, **options: str) -> MeterData:
    """The only meter; the report holds these warnings and no error."""
    [meter], report = read(data, **options)
    assert report.errors == 0, report.issues
    assert sorted(report.codes.elements()) == sorted(codes)
    return meter


def refused(data: bytes, code: str, field: str = "", **options: str) -> str:
    """The record is refused with this code; a good one after it is read. Gives the message."""
    meters, report = read(data + A, **options)
    assert [meter.device.meter_number for meter in meters] == ["E10293847"]
    [issue] = [issue for issue in report.issues if issue.level == "error"]
    assert (issue.code, issue.record, issue.offset) == (code, 1, 0)
    assert not field or issue.field == field
    return issue.message


EXAMPLE_A = {epoch(minute(FIRST)) + 900 * k: v for k, v in enumerate(values(CASES[0].meter))}


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
    assert (meters, report.errors, report.codes) == ([], 0, {"CMR51": 2})
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


def known(*channels: tuple[str, str, int], offset: int | None = 0, zone: str = "") -> Inventory:
    """An inventory whose every device has these channels."""
    return lambda meter: [
        Channel(number, unit, flow, seconds, "U", Decimal(1), grid_offset=offset, zone=zone)
        for number, (unit, flow, seconds) in enumerate(channels, start=1)
    ]


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


# --- triplets -----------------------------------------------------------------------------------


def test_crc_slot_is_ignored() -> None:
    for slot in (b",", b",H12aF"):
        assert len(values(one(A.rstrip() + slot))) == 8
    for slot in (b",x", b",H12", b",H12G4", b",,"):
        refused(A.rstrip() + slot + b"\r\n", "CMR07")


def test_an_empty_last_value_is_no_crc_slot() -> None:
    assert masks(one(record("03140715,N,"))) == [MISSING]


@pytest.mark.parametrize("cut", [b"", b","])
def test_a_record_cut_short_by_one_or_two_fields(cut: bytes) -> None:
    meter = one(A[: A.index(b",,0.289")] + cut, "CMR57", "CMR61")
    assert len(values(meter)) == 8
    assert masks(meter)[-1] == MISSING


def test_a_record_cut_shorter_looks_like_a_broken_transfer() -> None:
    line = A[: A.index(b",202603140900")] + b"\r\n"
    assert "cut short" in refused(line, "CMR06")


def test_counts() -> None:
    for count in ("0", "", "x", "-1"):
        refused(record("03140715,,1", count=count), "CMR04", "count")
    many = [f"0314{k // 4 + 7:02}{k % 4 * 15:02},,1" for k in range(60)]
    assert len(values(one(record(*many), "CMR56"))) == 60
    refused(record(*many, count="59"), "CMR07")


def test_numbers() -> None:
    texts = ["+1.5", "-.5", "2.", "1e2", "12D-1", "1.5E+1", "H1F", "-HA", "007"]
    line = record(*(f"0314{k + 8:02}00,,{text}" for k, text in enumerate(texts)))
    found = values(one(line, *["CMR58"] * 8))
    assert found == [Decimal(v) for v in ("1.5", "-0.5", "2", "100", "1.2", "15", "31", "-10", "7")]


@pytest.mark.parametrize("text", ["x", "1,5", ".", "-", "1.2.3", "1e", "NaN", "H", "--1", "1e9999"])
def test_numbers_that_are_none(text: str) -> None:
    code = "CMR07" if "," in text else "CMR04"
    refused(record(f"03140715,,{text}"), code)


def test_numbers_that_cannot_be_kept() -> None:
    for text in ("1e30", "1e-30", "9999999999999999"):
        refused(record(f"03140715,,{text}"), "CMR12", "value")
    assert values(one(record("03140715,,0.12345678901"))) == [Decimal("0.12345678901")]


def test_an_empty_value_is_missing_or_zero() -> None:
    assert masks(one(record("03140715,E,"), "CMR61")) == [MISSING]
    zero = one(record("03140715,E,"), "CMR61", empty_value="zero")
    assert (values(zero), masks(zero)) == ([0], [int(Status.ESTIMATED)])


def test_a_value_beside_n_is_ignored() -> None:
    assert values(one(record("03140715,N,12"))) == [None]


@pytest.mark.parametrize(
    ("flag", "mask", "codes"),
    [
        ("", 0, []),
        ("R", RAW, []),
        ("E", int(Status.ESTIMATED), []),
        ("A", int(Status.EDITED), []),
        ("R 00 00", RAW, ["CMR59"]),
        ("E5", int(Status.ESTIMATED), ["CMR59"]),
        ("X", QUESTIONABLE, ["CMR60"]),
        ("7", QUESTIONABLE, ["CMR60"]),
    ],
)
def test_base_flags(flag: str, mask: int, codes: list[str]) -> None:
    assert masks(one(record(f"03140715,{flag},1"), *codes)) == [mask]


def test_flag_a_may_mean_actual() -> None:
    assert masks(one(record("03140715,A,1"), a_means="actual")) == [0]


@pytest.mark.parametrize(
    ("flag", "mask", "codes"),
    [
        ("R0", RAW, []),
        ("R", RAW, []),
        ("E1", int(Status.ESTIMATED) | QUESTIONABLE, []),
        ("N33", MISSING, []),
        ("N34", MISSING | 0x20, []),
        ("R32", RAW | QUESTIONABLE, ["CMR62"]),
        ("R4", RAW | 0x20, []),
        ("R64", RAW | 0x1000, []),
        ("R128", RAW | QUESTIONABLE, []),
        ("R32768", RAW | QUESTIONABLE, []),
        ("R256", RAW | 0x100, []),
        ("R512", RAW | 0x400, []),
        ("R8192", RAW | 0x400, []),
        ("R1024", RAW | 0x80, []),
        ("R2048", RAW | 0x40, []),
        ("R4096", RAW | 0x200, []),
        ("R16384", RAW | 0x800, []),
        ("R8", RAW, ["CMR63"]),
        ("R65536", RAW, ["CMR63"]),
        ("R524288", RAW, ["CMR63"]),
        ("R 00 00", RAW, ["CMR59"]),
        ("R-1", RAW, ["CMR59"]),
        ("9", QUESTIONABLE, ["CMR60"]),
    ],
)
def test_sensus_flags(flag: str, mask: int, codes: list[str]) -> None:
    assert masks(one(record(f"03140715,{flag},1", version="20080501"), *codes)) == [mask]


def test_series_differ_by_length_and_constant() -> None:
    lines = record("03140715,,1") + record("03140800,,2", interval="00000100")
    lines += record("03140730,,3", constant="2")
    meter = one(lines)
    assert [(s.channel.seconds, s.channel.multiplier) for s in meter.series] == [
        (900, None),
        (3600, None),
        (900, 2),
    ]


def test_resolution_is_the_coarsest_that_holds_the_values() -> None:
    assert one(A).series[0].channel.resolution == Decimal("0.001")
    assert one(record("03140715,,40")).series[0].channel.resolution == 1


# --- whatever comes -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([case.name for case in CASES]),
    st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=3)), max_size=4),
    st.sampled_from(["UTC", "America/Los_Angeles"]),
)
def test_corrupted_files_never_crash_the_reader(
    name: str, changes: list[tuple[int, bytes]], times: str
) -> None:
    data = bytearray((GOLDEN / f"cmep/{name}.txt").read_bytes())
    for place, junk in changes:
        data[place : place + len(junk)] = junk
    inventory = known(("KWH", "DEL", 900), ("KVARH", "Q1", 86400), zone="Asia/Tokyo")
    meters, report = read(bytes(data), inventory, times=times)
    assert report.records or not meters
    for meter in meters:
        values_of(meter)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet='MEPD0123,KWH\r\n"OK.-NRE ', max_size=200))
def test_junk_never_crashes_the_reader(junk: str) -> None:
    read(HEAD + junk.encode())
    read(junk.encode())
