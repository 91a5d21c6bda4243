"""Reading RTE: what is accepted, what is warned of, what is refused."""

import io
from collections.abc import Sequence
from typing import Any

import pytest

from devices.readings import MeterData, Status
from exports.formats.base import ReadReport
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.rte_tools import RTE, read

NAMES = (GOLDEN / "rte/1_near_term.csv").read_bytes().split(b"\r\n")[0].decode()
CONTROL = (GOLDEN / "rte/3_autumn_control.csv").read_bytes()
CELLS = {
    "RecType": "I",
    "Seq": "7",
    "DeviceID": "D1",
    "MeterNumber": "M1",
    "ServicePointID": "",
    "Channel": "1",
    "UOM": "KWH",
    "Flow": "DEL",
    "Timestamp": "2024-04-02T14:15:00-05:00",
    "IntervalSeconds": "900",
    "Value": "1.284",
    "ValueType": "U",
    "Multiplier": "1",
    "MultiplierApplied": "Y",
    "Quality": "A",
    "QualityCodes": "",
    "ReceivedTime": "2024-04-02T14:15:22-05:00",
    "Origin": "NT",
    "Revision": "0",
}
TOTAL = {"RecType": "R", "IntervalSeconds": "", "ValueType": "X"}
MISSING, QUESTIONABLE = int(Status.MISSING), int(Status.QUESTIONABLE)


def row(seq: int = 7, **cells: str) -> str:
    return ",".join((CELLS | {"Seq": str(seq)} | cells).values())


def file(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode()


def taken(data: bytes, *codes: str, **options: Any) -> list[MeterData]:
    """The meters; the report holds these warnings and no error."""
    meters, report = read(data, **options)
    assert report.errors == 0, report.issues
    assert sorted(report.codes.elements()) == sorted(codes)
    return meters


def refused(line: str, code: str, field: str = "", **options: Any) -> str:
    """The row is refused with this code; one before and one after it are read. Its message."""
    before = row(1, DeviceID="D0")
    meters, report = read(file(NAMES, before, line, row(9, DeviceID="D9")), **options)
    assert [meter.device.device_id for meter in meters] == ["D0", "D9"]
    [issue] = [issue for issue in report.issues if issue.level == "error"]
    offset = len(NAMES) + len(before) + 4
    assert (issue.code, issue.record, issue.offset, issue.field) == (code, 3, offset, field)
    return issue.message


def values(meters: Sequence[MeterData]) -> list[str]:
    return [str(value) for meter in meters for one in meter.series for value in one.values()]


def masks(meters: Sequence[MeterData]) -> list[int]:
    return [mask for meter in meters for one in meter.series for mask in one.status.tolist()]


# --- lines and columns ----------------------------------------------------------------------------


def test_names_are_optional_and_lines_end_as_they_like() -> None:
    assert values(taken(file(row()))) == ["1.284"]
    assert values(taken(row().encode())) == ["1.284"]
    assert values(taken(f"{NAMES}\n{row()}\n".encode())) == ["1.284"]


def test_columns_stand_in_any_order_and_case_and_extra_ones_are_ignored() -> None:
    names = ["note", *reversed([name.upper() for name in CELLS])]
    cells = ["x", *reversed(list(CELLS.values()))]
    [meter] = taken(file(",".join(names), ",".join(cells)), "RTR51")
    assert values([meter]) == ["1.284"]
    assert meter.device.meter_number == "M1"


def test_columns_that_are_not_there_refuse_the_file() -> None:
    meters, report = read(file(NAMES.replace(",Revision", ""), row()))
    assert meters == []
    assert [(issue.code, issue.message) for issue in report.issues] == [
        ("RTR10", "columns Revision are missing")
    ]
    _, report = read(file(NAMES + ",seq", row()))
    assert "stands twice" in report.issues[0].message


def test_several_files_joined_are_one() -> None:
    data = CONTROL + CONTROL.replace(b"20000", b"20001").replace(b"2024-11", b"2024-12")
    meters = taken(data, "RTR56", strict="yes")
    assert len(values(meters)) == 6


def test_blank_lines_are_warned_of_and_fields_counted() -> None:
    taken(file(row(), ""), "RTR50")
    assert refused(row() + ",9", "RTR01") == "20 fields instead of 19"
    refused(row(RecType="X"), "RTR02", "RecType")
    assert "quotes" in refused(row(DeviceID='"D1'), "RTR03")


# --- cells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "code", "field"),
    [
        ({"Seq": "0"}, "RTR03", "Seq"),
        ({"Seq": "1000000000000000000"}, "RTR03", "Seq"),
        ({"DeviceID": ""}, "RTR03", "DeviceID"),
        ({"DeviceID": "D" * 21}, "RTR03", "DeviceID"),
        ({"DeviceID": "Ä"}, "RTR03", "DeviceID"),
        ({"MeterNumber": " M"}, "RTR03", "MeterNumber"),
        ({"Channel": "0"}, "RTR03", "Channel"),
        ({"UOM": "MWH"}, "RTR03", "UOM"),
        ({"Flow": "OUT"}, "RTR03", "Flow"),
        ({"Timestamp": "2024-04-02T14:15:00"}, "RTR03", "Timestamp"),
        ({"Timestamp": "2024-13-02T14:15:00Z"}, "RTR03", "Timestamp"),
        ({"Timestamp": "02.04.2024"}, "RTR03", "Timestamp"),
        ({"Timestamp": "2024-04-02T14:15:00+25:00"}, "RTR03", "Timestamp"),
        ({"IntervalSeconds": ""}, "RTR05", "IntervalSeconds"),
        ({"IntervalSeconds": "901"}, "FMT17", "IntervalSeconds"),
        ({"IntervalSeconds": "x"}, "FMT17", "IntervalSeconds"),
        ({"Value": "1e3"}, "RTR03", "Value"),
        ({"Value": "1,5"}, "RTR01", ""),
        ({"Value": "9" * 20}, "RTR04", "Value"),
        ({"Value": "0.0000000001"}, "RTR04", "Value"),
        ({"ValueType": "Z"}, "RTR03", "ValueType"),
        ({"ValueType": "X"}, "RTR06", "ValueType"),
        ({"Multiplier": "0"}, "RTR03", "Multiplier"),
        ({"Multiplier": "1.00001"}, "RTR03", "Multiplier"),
        ({"Multiplier": "x"}, "RTR03", "Multiplier"),
        ({"MultiplierApplied": "?"}, "RTR03", "MultiplierApplied"),
        ({"Quality": "Z", "QualityCodes": ""}, "RTR03", "Quality"),
        ({"Quality": "M"}, "FMT12", "Value"),
        ({"QualityCodes": "2.5.259"}, "FMT12", "Value"),
        ({"ReceivedTime": "yesterday"}, "RTR03", "ReceivedTime"),
        ({"Origin": "XX"}, "RTR03", "Origin"),
        ({"Revision": "1000"}, "RTR03", "Revision"),
    ],
)
def test_a_bad_cell_refuses_its_row(cells: dict[str, str], code: str, field: str) -> None:
    refused(row(**cells), code, field)


def test_a_local_time_needs_a_zone_and_must_exist() -> None:
    local = row(Timestamp="2024-04-02T14:15:00")
    [meter] = taken(file(local), zone="America/Chicago")
    assert meter.series[0].ends.tolist() == [1712085300]
    gap = row(Timestamp="2024-03-10T02:15:00")
    assert "does not exist" in refused(gap, "FMT15", "Timestamp", zone="America/Chicago")


def test_fractions_and_zulu_are_read() -> None:
    [meter] = taken(file(row(Timestamp="2024-04-02T19:15:00.000Z", ReceivedTime="")))
    assert meter.series[0].ends.tolist() == [1712085300]
    taken(file(row(Timestamp="2024-04-02T19:15:00.5Z")), "RTR55")
    taken(file(row(ReceivedTime="2024-04-02T19:15:00.5Z")))


@pytest.mark.parametrize(
    ("cells", "mask", "codes"),
    [
        ({"Quality": "", "Value": "1"}, 0, ()),
        ({"Quality": "E"}, int(Status.ESTIMATED), ()),
        ({"Quality": "", "QualityCodes": "2.8.7"}, int(Status.ESTIMATED), ()),
        ({"Quality": "V", "QualityCodes": "2.8.7"}, int(Status.ESTIMATED), ("RTR53",)),
        ({"QualityCodes": "1.4.4"}, QUESTIONABLE, ("RTR53",)),
        ({"QualityCodes": "9.9.9"}, 0, ("RTR52",)),
        ({"QualityCodes": "1.0.0;3.0.1;x"}, 0, ("RTR52",)),
        ({"Quality": "Q", "QualityCodes": "2.3.0;1.2.3"}, QUESTIONABLE, ("RTR52",)),
        ({"QualityCodes": "1.4.256"}, int(Status.RESET), ()),
        ({"Value": "", "Quality": ""}, MISSING, ("RTR54",)),
        ({"Value": "", "Quality": "M"}, MISSING, ()),
        ({"Value": "", "Quality": "E", "QualityCodes": "2.8.0;1.2.32"}, 0x21, ("RTR54",)),
        ({"Value": "", "Quality": "", "QualityCodes": "1.4.4"}, MISSING, ()),
    ],
)
def test_quality(cells: dict[str, str], mask: int, codes: tuple[str, ...]) -> None:
    assert masks(taken(file(row(**cells)), *codes)) == [mask]


def test_totals_become_reads_with_their_sources() -> None:
    first = row(1, **TOTAL)
    second = row(2, **TOTAL, Channel="2", Flow="REC", Origin="ED", Revision="3", Value="")
    [meter] = taken(file(first, second.replace(",A,,", ",M,,")))
    [total] = meter.reads
    assert (total.source, total.revision, len(total.values)) == ("NT", 3, 2)
    assert [(v.number, v.flow, v.source, v.status) for v in total.values] == [
        (1, "DEL", "", 0),
        (2, "REC", "ED", MISSING),
    ]
    [later] = taken(file(row(1, **TOTAL, ReceivedTime="")))
    assert later.reads[0].received is None


def test_a_value_too_large_for_the_decimals_of_the_others_is_refused() -> None:
    large = row(2, Value="4" + "0" * 17, Timestamp="2024-04-02T14:30:00-05:00")
    meters, report = read(file(row(1, Value="0.000001"), large))
    assert values(meters) == ["0.000001"]
    assert [issue.code for issue in report.issues] == ["RTR04"]


# --- versions and numbers -------------------------------------------------------------------------


def test_the_highest_revision_then_the_highest_seq_stands() -> None:
    versions = [
        *(row(1, Value="1", Revision="0"), row(3, Value="3", Revision="1")),
        *(row(4, Value="4", Revision="0"), row(2, Value="2", Revision="1")),
    ]
    assert values(taken(file(*versions))) == ["3"]


def test_a_gap_is_judged_over_all_rows_in_their_order() -> None:
    taken(file(row(3), row(1), row(2)))
    _, report = read(file(row(9), row(3)))
    assert [issue.message for issue in report.issues] == [
        "rows missing: 5 numbers of Seq between 3 and 9"
    ]
    assert report.issues[0].record == 1
    # A row that is refused is not missing.
    _, report = read(file(row(1), row(2, UOM="?"), row(3)))
    assert list(report.codes) == ["RTR03"]
    _, report = read(file(row(1), row(3, UOM="?")))
    assert report.codes["RTR56"] == 1


def test_a_repeated_seq_is_ignored_if_it_says_the_same() -> None:
    assert values(taken(file(row(), row(Multiplier="1.0")))) == ["1.284"]
    meters, report = read(file(row(), row(Value="2")))
    assert values(meters) == ["1.284"]
    assert [(issue.code, issue.record) for issue in report.issues] == [("RTR07", 2)]


# --- control lines --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b"012,3,0,200003", b"012,2,0,200003", "T says 2 I rows, there are 3"),
        (b"012,3,0,200003", b"012,3,1,200003", "T says 1 R rows, there are 0"),
        (b"012,3,0,200003", b"012,3,0,200004", "T says that Seq ends at 200004"),
        (b"2.201,0", b"2.202,0", "T says a sum of 2.202 of I rows, it is 2.201"),
        (b"2.201,0", b"2.201,x", "T says a sum of x of R rows"),
        (b"T,2024", b"T,2023", "T is of batch 20231103080012, H of 20241103080012"),
        (b"TERM,200001", b"TERM,200000", "H says that Seq begins at 200000"),
        (b"T,20241103080012,3,0,200003,2.201,0\r\n", b"", "H without T"),
    ],
)
def test_a_trailer_that_disagrees(old: bytes, new: bytes, why: str) -> None:
    data = CONTROL.replace(old, new)
    assert data != CONTROL
    assert len(values(taken(data, "RTR57"))) == 3
    meters, report = read(data, strict="yes")
    assert meters == []
    assert [issue.code for issue in report.issues] == ["RTR09"]
    assert why in report.issues[0].message


def test_a_header_in_the_middle_closes_what_was_before() -> None:
    data = CONTROL.replace(b"T,", b"H,1.00,20241103080013,2024-11-03T02:00:12-06:00,X,1,UTC\r\nT,")
    _, report = read(data)
    assert report.codes["RTR57"] == 5  # no T; then batch, I rows, Seq and sum


def test_an_empty_file_with_control_lines_is_consistent() -> None:
    head, *_, tail = CONTROL.split(b"\r\n")[:-1]
    tail = tail.replace(b",3,0,200003,2.201,0", b",0,0,200000,0,0")
    assert taken(head + b"\r\n" + tail + b"\r\n", strict="yes") == []


@pytest.mark.parametrize("version", [b"1.01", b"2.00", b"x"])
def test_a_version_above_the_known_one_is_refused(version: bytes) -> None:
    meters, report = read(CONTROL.replace(b"H,1.00", b"H," + version))
    assert meters == []
    assert [issue.code for issue in report.issues] == ["RTR08"]


def test_the_first_error_ends_the_reading_where_asked() -> None:
    report = ReadReport("file")
    data = io.BytesIO(file(row(UOM="?"), row(8)))
    assert list(RTE.read(data, RTE.options_clean({}, "read"), None, report)) == []
    assert report.errors == 1
