"""IDF alone: its profile, its refusals, and what its reader takes and refuses."""

import io

import numpy as np
import pytest

from devices.readings import Channel, DeviceInfo, Frame, Sheet
from exports.formats import get, idf
from exports.formats.base import FormatError, OptionError, Tally
from exports.formats.idf.tables import fields_order
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.register_cases import PEAK, TOTAL, Decimal, april, at
from tests.exports.formats.register_tools import context, lines, read, refusal

FORM = get("idf")
FIRST = (GOLDEN / "idf/1_self_read.idf").read_bytes()
SECOND = (GOLDEN / "idf/2_estimate.idf").read_bytes()
HEAD, TOTAL_LINE, PEAK_LINE, TIER_LINE = FIRST.split(b"\r\n")[:4]
FIELDS = TOTAL_LINE.split(b",")


def line(**changed: bytes) -> bytes:
    """The first line of the example with some fields changed, by their numbers."""
    fields = list(FIELDS)
    for name, value in changed.items():
        fields[int(name[1:]) - 1] = value
    return b",".join(fields)


def one(data: bytes, **options):
    """The only value of a file, its read, its device and what was said."""
    [meter], report = read("idf", data, **options)
    [found] = meter.reads
    return found.values[0], found, meter.device, sorted(report.codes)


def taken(**changed: bytes):
    return one(HEAD.replace(b",3,", b",1,") + b"\r\n" + line(**changed) + b"\r\n\r\n")


def refused(**changed: bytes) -> str:
    meters, report = read("idf", HEAD.replace(b",3,", b",1,") + b"\r\n" + line(**changed) + b"\r\n")
    assert (meters, report.errors) == ([], 1)
    return str(report.issues[0])


# --- writing --------------------------------------------------------------------------------------


def test_the_profile_changes_order_header_word_and_interface():
    words = {"fields": "Reading, peak_gmt_offset,PeakTimestamp", "header_word": "#HEAD"}
    found = lines("idf", april(TOTAL, PEAK), **words, interface="BILLING,2")
    assert found[0].startswith('#HEAD,20240401061500,"BILLING,2",2,')
    assert found[1].startswith("45812.347,,,REG,00123456,")
    assert found[2].startswith("12.48,-0500,20240318164500,REG,00123456,")
    data = "\r\n".join(found).encode()
    [meter], report = read("idf", data, **words)
    assert (report.errors, report.warnings) == (0, 0)
    assert [value.value for value in meter.reads[0].values] == [TOTAL.value, PEAK.value]


@pytest.mark.parametrize(
    ("text", "why"), [("Reeding", "no field reeding"), ("Dials,dials", "named twice")]
)
def test_an_order_of_fields_that_is_none(text, why):
    with pytest.raises(OptionError, match=why):
        FORM.options_clean({"fields": text})
    with pytest.raises(ValueError, match=why):
        fields_order(text)


def test_register_types_are_chosen():
    assert len(lines("idf", april(TOTAL, PEAK), register_types="MAX")) == 3


def test_a_meter_number_with_a_comma_is_quoted_in_both_fields():
    device = DeviceInfo("D", meter_number='1,"2', time_zone="UTC")
    found = lines("idf", april(TOTAL), device=device)
    assert found[1].startswith('REG,"1,""2","1,""2:01",')


def test_process_flag_tells_what_replaces_an_earlier_line():
    for words, flag in (({}, "I"), ({"mode": "RE"}, "U"), ({"mode": "CO"}, "U")):
        assert lines("idf", april(TOTAL), **words)[1].endswith(f",{flag}")
    assert lines("idf", april(TOTAL, revision=1))[1].endswith(",U")


@pytest.mark.parametrize(
    ("source", "letters"),
    [("SC", "R"), ("PU", "R"), ("NT", "R"), ("GF", "R"), ("OD", "O"), ("SR", "S"), ("MN", "M"),
     ("IM", "M"), ("", "S")],
)  # fmt: skip
def test_read_method_is_that_of_the_source(source, letters):
    assert f",Passed,{letters},SR," in lines("idf", april(TOTAL, source=source))[1]


def test_refusals_of_its_own(monkeypatch):
    assert refusal("idf", april(TOTAL), after_run="20240401061500").startswith("IDF02 IDF: run num")
    assert len(lines("idf", april(TOTAL), after_run="20240401061459")) == 3
    channel = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"))
    sheet = Sheet(np.array([0]), [channel], np.array([900]), np.array([[1]]), None)
    with pytest.raises(FormatError, match="IDF03"):
        FORM.write([Frame([DeviceInfo("D")], [sheet])], context("idf"), io.BytesIO())
    tally = Tally(records=1_000_000_000)
    with pytest.raises(FormatError, match="IDF04"):
        FORM.begin(context("idf"), io.BytesIO(), tally)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b",3,2", b",4,2", "header counts 4 lines, there are 3"),
        (b",S,SR", b",S,,SR", "line 2: 28 fields"),
        (b"\r\n\r\n", b"\r\n", "no blank line"),
    ],
)
def test_a_second_look_finds_what_is_wrong(old, new, why):
    found = FORM.verify(io.BytesIO(FIRST.replace(old, new, 1)), context("idf"))
    assert any(why in text for text in found), found


# --- reading --------------------------------------------------------------------------------------


def test_a_value_with_all_that_is_said_of_it():
    value, found, device, codes = taken()
    assert (value.value, value.number, value.source, codes) == (TOTAL.value, 1, "", [])
    assert (found.time, found.source, found.reset_count) == (april().time, "SR", 17)
    assert found.reset_time == april().reset_time
    assert device == DeviceInfo(
        "", "00123456", service_point_id="SP-998877", account_id="4400123",
        time_zone="America/Chicago", bill_cycle="CYCLE05",
    )  # fmt: skip


def test_a_device_that_is_known_keeps_its_own_zone():
    [meter], _ = read("idf", FIRST, inventory=lambda meter: [])
    assert meter.device.time_zone == ""
    [meter], _ = read("idf", FIRST, inventory=lambda meter: None)
    assert meter.device.time_zone == "America/Chicago"


@pytest.mark.parametrize(
    "data",
    [
        FIRST.replace(b"\r\n", b"\n"),
        FIRST.replace(b"\r\n", b"\r"),
        FIRST[:-2],
        FIRST + b"\r\n\r\n",
        FIRST + b"\x1a",
        FIRST.replace(b",SP-998877,", b',"SP-998877",'),
        FIRST.replace(b",KWH,DEL,TOT,", b",kwh,del,tot,"),
        FIRST.replace(b",TOT,", b",SUM,"),
        FIRST.replace(b",-0500,", b",-05:00,"),
        FIRST.replace(b",I\r\n", b",\r\n"),
    ],
)
def test_what_is_taken_without_a_word(data):
    [meter], report = read("idf", data)
    assert (report.errors, report.warnings) == (0, 0), report.issues
    assert [value.value for value in meter.reads[0].values] == [
        Decimal("45812.347"), Decimal("12.48"), Decimal("15201.101"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "codes"),
    [
        ({"f8": b""}, ["IDF54"]),
        ({"f13": b""}, []),
        ({"f13": b"-0600"}, ["REG53"]),
        ({"f11": b""}, ["REG50"]),
        ({"f20": b"M"}, ["REG51"]),
        ({"f20": b"", "f21": b"Failed"}, []),
        ({"f12": b"20241103013000", "f13": b""}, ["REG54"]),
    ],
)
def test_what_is_odd_is_warned_of(changed, codes):
    assert taken(**changed)[3] == codes


def test_quality_by_letter_by_word_or_by_the_reading():
    assert taken(f20=b"", f21=b"Failed")[0].status == 8
    assert taken(f20=b"", f21=b"")[0].status == 0
    assert taken(f20=b"", f21=b"", f11=b"")[0].status == 1
    assert taken(f20=b"M")[0].value is None


def test_a_source_comes_back_as_one_of_four_or_edited():
    for method, letter, source in (
        *((b"R", b"A", "SC"), (b"O", b"A", "OD"), (b"S", b"A", "SR"), (b"M", b"A", "MN")),
        *((b"M", b"E", "ED"), (b"M", b"V", "ED"), (b"M", b"Q", "MN"), (b"", b"A", "SC")),
    ):
        assert taken(f22=method, f20=letter)[1].source == source


def test_a_peak_of_no_time_is_none():
    for time in (b"00000000000000", b"19700101000000", b"19691231180000", b""):
        data = HEAD.replace(b",3,", b",1,") + b"\r\n" + PEAK_LINE.replace(b"20240318164500", time)
        assert one(data)[0].peak_time is None
    assert one(HEAD.replace(b",3,", b",1,") + b"\r\n" + PEAK_LINE)[0].peak_time == PEAK.peak_time


def test_a_reset_in_the_repeated_hour_is_of_the_first_pass():
    _, found, _, codes = taken(f25=b"20241103013000")
    assert (found.reset_time, codes) == (at("2024-11-03T01:30:00-05:00"), [])


def test_fewer_fields_and_more_are_warned_of():
    short = b",".join(FIELDS[:23])
    assert one(HEAD.replace(b",3,", b",1,") + b"\r\n" + short + b"\r\n", zone="UTC")[3] == ["IDF51"]
    assert taken(f27=b"I,more")[3] == ["IDF52"]
    _, report = read("idf", HEAD + b"\r\n" + b",".join(FIELDS[:22]))
    assert "22 fields instead of 27" in str(report.issues[0])


def test_a_file_within_a_file():
    again = FIRST.replace(b"00123456", b"00123457")
    meters, report = read("idf", FIRST + again)
    assert len(meters) == 2
    assert report.warnings == 0


def test_the_count_of_the_header():
    assert read("idf", FIRST.replace(b",3,2", b",4,2"))[1].codes == {"IDF50": 1}
    assert read("idf", FIRST.replace(b",3,2", b",x,2"))[1].codes == {"IDF55": 1}
    assert read("idf", b"%HEADER%\r\n" + TOTAL_LINE)[1].codes == {"IDF55": 1}


def test_a_missing_header_is_an_error_unless_it_is_expected():
    bare = FIRST.partition(b"\r\n")[2]
    meters, report = read("idf", bare)
    assert report.codes == {"IDF10": 1}
    assert len(read("idf", bare, headerless=True)[0]) == 1
    meters, report = read("idf", bare, on_error="file")
    assert (meters, report.errors) == ([], 1)


def test_other_record_types_are_skipped():
    data = FIRST.replace(b"REG,", b"INT,", 1)
    meters, report = read("idf", data)
    assert report.codes == {"IDF53": 1}
    assert len(meters[0].reads[0].values) == 2


@pytest.mark.parametrize(
    ("changed", "code", "place"),
    [
        ({"f2": b""}, "REG14", "meter_id"),
        ({"f2": b" 1"}, "REG10", "meter_id"),
        ({"f4": b"\xff"}, "REG10", "service_point_id"),
        ({"f7": b"BTU"}, "REG12", "text_prompt"),
        ({"f8": b"OUT"}, "REG12", "energy_flow"),
        ({"f9": b"AVG"}, "REG12", "register_type"),
        ({"f10": b"I"}, "REG12", "tou_rate"),
        ({"f10": b""}, "REG14", "tou_rate"),
        ({"f11": b"1e3"}, "REG13", "reading"),
        ({"f11": b"+1"}, "REG13", "reading"),
        ({"f11": b"1" * 30}, "REG13", "reading"),
        ({"f12": b"20240230000000"}, "REG10", "read_timestamp"),
        ({"f12": b""}, "REG14", "read_timestamp"),
        ({"f12": b"20240310023000", "f13": b""}, "FMT15", "read_timestamp"),
        ({"f13": b"-5"}, "REG10", "gmt_offset"),
        ({"f13": b"", "f26": b""}, "REG15", "read_timestamp"),
        ({"f26": b"Mars/Olympus"}, "REG12", "time_zone"),
        ({"f18": b"100"}, "REG13", "dials"),
        ({"f20": b"X"}, "REG12", "read_code"),
        ({"f22": b"X"}, "REG12", "read_method"),
        ({"f23": b"XX"}, "REG12", "read_reason"),
    ],
)
def test_a_line_is_refused_by_record_field_and_value(changed, code, place):
    assert refused(**changed).startswith(f"error {code}, record 2, byte 54, {place}: ")


def test_quotes_that_do_not_close_and_rows_twice_are_refused():
    assert refused(f4=b'"SP').startswith("error REG10, record 2")
    _, report = read("idf", FIRST.replace(TIER_LINE, TOTAL_LINE))
    assert report.codes == {"REG16": 1}


def test_the_module_says_what_it_writes():
    assert idf.Idf.empty == "write"
    assert FORM.wants_registers({})
    assert not FORM.wants_intervals({})
