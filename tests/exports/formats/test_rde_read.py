"""RDE on its way in: what the reader of either profile takes and refuses."""

import hashlib
from decimal import Decimal

import pytest

from devices.readings import DeviceInfo, MeterData, Status
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.register_cases import (
    GAP,
    LATE,
    PEAK,
    TIER,
    TOTAL,
    april,
    at,
)
from tests.exports.formats.register_tools import (
    device_of,
    read,
    write,
)

FIRST = (GOLDEN / "rde/1_self_read.csv").read_bytes()
SECOND_FILE = (GOLDEN / "rde/2_estimate.csv").read_bytes()
WIDE = (GOLDEN / "rde/3_wide.csv").read_bytes()
ROW = FIRST.split(b"\r\n")[2]


def signed(data: bytes) -> bytes:
    """The file with its hash put right."""
    body, _, _ = data.rpartition(b"RDET")
    trailer = data[len(body) :].rpartition(b",")[0]
    return body + trailer + b"," + hashlib.sha256(body).hexdigest().encode() + b"\r\n"


def codes(data: bytes, **options) -> dict[str, int]:
    return dict(read("rde", data, **options)[1].codes)


# --- reading long ---------------------------------------------------------------------------------


def test_a_value_with_all_that_is_said_of_it():
    [meter], _ = read("rde", SECOND_FILE)
    [found] = meter.reads
    assert (found.read_id, found.season, found.source) == ("561377", 1, "SR")
    assert found.received == at("2024-12-01T00:06:10-06:00")
    assert [value.value for value in found.values] == [
        Decimal("49120.5"), Decimal("9.84"), None, Decimal(0),
    ]  # fmt: skip
    assert [value.source for value in found.values] == ["ED", "", "", ""]
    assert found.values[1].peak_time == LATE.peak_time
    assert found.values[3].peak_time is None
    assert meter.device == device_of(device_class="", time_zone="")


@pytest.mark.parametrize(
    "data",
    [
        signed(FIRST.replace(b"\r\n", b"\n")).replace(b"\r\n", b"\n"),
        signed(FIRST.replace(b"KWH,DEL,T", b"kwh,del,t")),
        signed(FIRST.replace(b"T00:00:00-05:00,551902", b"t00:00:00-0500,551902")),
        signed(FIRST.replace(b",A,,SR", b",,,")),
        signed(FIRST.replace(b"America/Chicago", b"DEVICE")) + b"\r\n",
        signed(FIRST.replace(b",T,1,45812", b",T,,45812").replace(b":41-05:00,0", b":41-05:00,")),
        signed(FIRST.replace(b"2024-03-18T16:45:00-05:00", b"1969-12-31T18:00:00-06:00")),
    ],
)  # fmt: skip
def test_what_is_taken_without_a_word(data):
    [meter], report = read("rde", data)
    assert report.issues == []
    assert meter.reads[0].values[0].value == Decimal("45812.347")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b",45812.347,", b",,", "REG50"),
        (b",A,,SR,", b",M,,SR,", "REG51"),
        (b"00:00:00-05:00,551902", b"00:00:00.5-05:00,551902", "REG52"),
        (b"2024-04-01T00:00:00-05:00,551902", b"2024-04-01T00:00:00-06:00,551902", "REG53"),
        (b",A,,SR,", b",A,9.9.9,SR,", "RDE61"),
        (b",A,,SR,", b",A,2.8.0,SR,", "RDE62"),
    ],
)
def test_what_is_odd_is_warned_of(old, new, code):
    assert code in codes(FIRST.replace(old, new, 1), strict=False)


def test_codes_decide():
    data = FIRST.replace(b",A,,SR,", b",E,2.7.0;1.4.9,SR,", 1)
    [meter], _ = read("rde", data, strict=False)
    assert meter.reads[0].values[0].status == Status.EDITED | Status.TIME_CHANGED
    data = FIRST.replace(b",45812.347,,1,Y,6,3,A,,", b",,,1,Y,6,3,,1.4.4,", 1)
    assert read("rde", data, strict=False)[0][0].reads[0].values[0].status == Status.MISSING


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (b",1,5,70133", b",2,5,70133", "Reads: the file says 2, counted 1"),
        (b",1,5,70133", b",1,6,70133", "Rows: the file says 6, counted 5"),
        (b"70133.948", b"70133.949", "EnergyTotal: the file says 70133.949, counted 70133.948"),
        (b",24.4,", b",24.5,", "DemandTotal: the file says 24.5, counted 24.4"),
        (b",24.4,0,", b",24.4,1,", "Estimated: the file says 1, counted 0"),
        (b",24.4,0,0,", b",24.4,0,1,", "Missing: the file says 1, counted 0"),
    ],
)
def test_counts_and_totals_that_are_off_by_one(old, new, what):
    _, report = read("rde", FIRST.replace(old, new))
    assert [str(issue) for issue in report.issues] == [f"error REG18, record 8, byte 1501: {what}"]
    _, report = read("rde", FIRST.replace(old, new), strict=False)
    assert (report.errors, report.warnings) == (0, 1)


def test_a_changed_byte_breaks_the_hash():
    assert codes(FIRST.replace(b"SSI0004711", b"SSI0004712")) == {"REG18": 1}


def test_blocks_are_read_one_by_one():
    other = signed(SECOND_FILE.replace(b"00123456", b"2").replace(b"SSI0004711", b"D2"))
    meters, report = read("rde", FIRST + other)
    assert (len(meters), report.issues) == (2, [])
    rows = FIRST.split(b"\r\n")
    assert codes(b"\r\n".join(rows[:-2])) == {"REG19": 1}
    assert codes(b"\r\n".join(rows[:-2]), strict=False) == {"REG19": 1}
    assert codes(b"\r\n".join([rows[0], *rows[:1]])) == {"REG19": 2}
    assert codes(b"\r\n".join(rows[1:3]))["RDE13"] == 1
    assert codes(rows[-2])["RDE13"] == 1


def test_columns_may_come_in_another_order_or_be_more():
    lines_ = FIRST.decode().split("\r\n")
    turned = [lines_[0]]
    for line in lines_[1:7]:
        cells = line.split(",")
        turned.append(",".join([cells[0], *reversed(cells[1:]), "Extra"]))
    data = "\r\n".join(turned).encode()
    [meter], report = read("rde", data, strict=False)
    assert report.codes == {"RDE60": 1, "REG19": 1}
    assert meter.reads[0].values[0].value == TOTAL.value
    names = [
        name for name in lines_[1].split(",") if name not in ("UOM", "MeterNumber", "DeviceID")
    ]
    _, report = read("rde", "\r\n".join([lines_[0], ",".join(names)]).encode(), strict=False)
    assert "no column UOM, MeterNumber" in str(report.issues[0])


def test_rows_under_unusable_columns_or_a_later_version_are_not_read():
    assert read("rde", FIRST.replace(b",UOM,", b",Unit,"))[0] == []
    meters, report = read("rde", FIRST.replace(b"1.00", b"2.00"), strict=False)
    assert meters == []
    assert report.codes["RDE11"] == 1


def test_a_device_may_be_named_by_its_id_alone():
    data = signed(FIRST.replace(b",00123456,", b",,"))
    [meter], report = read("rde", data)
    assert (meter.device.device_id, meter.device.meter_number) == ("SSI0004711", "")
    assert report.issues == []


def test_a_reused_meter_number_is_refused():
    data = FIRST.replace(b"SSI0004711", b"D2", 1)
    _, report = read("rde", data, strict=False)
    assert report.codes["REG17"] == 4
    assert "00123456: that of devices D2 and SSI0004711" in str(report.issues[0])


@pytest.mark.parametrize(
    ("old", "new", "code", "place"),
    [
        (b",SR,2024", b",XX,2024", "REG12", "ReadType"),
        (b"2024-04-01T00:00:00-05:00,551902", b"2024-04-01T00:00:00,551902", "REG15", "ReadTime"),
        (b"2024-04-01T00:00:00-05:00,551902", b"2024-02-30T00:00:00Z,551902", "REG10", "ReadTime"),
        (b"2024-04-01T00:00:00-05:00,551902", b",551902", "REG14", "ReadTime"),
        (b",551902,", b",x,", "REG13", "ReadID"),
        (b",SUM,", b",AVG,", "REG12", "RegisterClass"),
        (b",KWH,", b",,", "REG14", "UOM"),
        (b",DEL,T", b",OUT,T", "REG12", "Flow"),
        (b",45812.347,", b",45812e1,", "REG13", "Value"),
        (b",6,3,A", b",6,333,A", "REG13", "Decimals"),
        (b",SSI0004711,00123456,", b",,,", "REG14", "MeterNumber"),
        (b",A,,SR,", b",A,,XX,", "REG12", "Source"),
        (b",A,,SR,", b",A,,SR,more,", "REG11", ""),
        (b",4400123,", b',"44,', "REG10", ""),
        (b"RDED,", b"RDEX,", "RDE10", "RecType"),
    ],
)
def test_a_row_is_refused_by_record_field_and_value(old, new, code, place):
    rows = FIRST.split(b"\r\n")
    rows[2] = rows[2].replace(old, new, 1)
    _, report = read("rde", b"\r\n".join(rows), strict=False)
    found = next(issue for issue in report.issues if issue.level == "error")
    assert (found.code, found.record, found.field) == (code, 3, place)


def test_rows_twice_are_refused_and_a_zone_may_be_given():
    assert codes(FIRST.replace(ROW, ROW + b"\r\n" + ROW), strict=False)["REG16"] == 1
    data = FIRST.replace(b"00:00:00-05:00,551902", b"00:00:00,551902")
    [meter], _ = read("rde", data, strict=False, zone="America/Chicago")
    assert meter.reads[0].time == april().time
    unknown = FIRST.replace(b"America/Chicago", b"Mars/Olympus")
    assert "REG53" not in codes(unknown, strict=False)


# --- reading wide ---------------------------------------------------------------------------------


def test_a_row_gives_its_registers():
    [meter], report = read("rde", WIDE)
    assert report.issues == []
    assert meter.device == DeviceInfo(
        "", "00123456", service_point_id="SP-998877", account_id="4400123", time_zone="",
        bill_cycle="CYCLE05",
    )  # fmt: skip
    [found] = meter.reads
    assert (found.reset_count, found.received) == (17, april().received)
    assert [(v.register_class, v.rate, v.value, v.peak_time) for v in found.values] == [
        ("SUM", "T", TOTAL.value, None),
        ("MAX", "T", PEAK.value, PEAK.peak_time),
        ("SUM", "A", TIER.value, None),
    ]


def test_letter_m_is_of_the_first_register_without_a_value():
    data, _ = write("rde", [MeterData(device_of(), reads=(april(GAP, PEAK),))], profile="wide")
    [meter], _ = read("rde", data)
    assert [(v.register_class, v.rate, v.status) for v in meter.reads[0].values] == [
        ("MAX", "T", 0), ("SUM", "A", 1),
    ]  # fmt: skip
    data = WIDE.replace(b",A,15201", b",M,15201")
    assert len(read("rde", data)[0][0].reads[0].values) == 4


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"00123456,SP", b",SP", "REG14"),
        (b"2024-04-01T00:00:00-05:00,KWH", b",KWH", "REG14"),
        (b"KWH,KW", b"KWH,KVAR", "RDE14"),
        (b"KWH,KW", b"BTU,KW", "REG12"),
        (b",A,15201", b",X,15201", "REG12"),
        (b",17,", b",17,,", "REG11"),
        (b"MeterNumber,", b"MeterNumber,Extra,", "RDE60"),
        (b"EnergyUOM", b"Energy", "RDE12"),
    ],
)
def test_what_is_wrong_with_a_wide_file(old, new, code):
    assert code in codes(WIDE.replace(old, new))


def test_rows_of_one_cell_twice_and_unusable_columns():
    row = WIDE.split(b"\r\n")[1]
    assert codes(WIDE + row) == {"REG16": 1}
    meters, report = read("rde", WIDE.replace(b"EnergyUOM", b"Energy"))
    assert (meters, report.errors) == ([], 1)
