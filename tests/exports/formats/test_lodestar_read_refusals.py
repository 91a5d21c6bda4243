"""What the reader refuses, and that it says where; the negative tests of the specification."""

from collections.abc import Callable

import pytest

from exports.formats.lodestar.tables import LSR_ERRORS
from tests.exports.formats.lodestar_lines import (
    MAP,
    START,
    VALUES,
    cut,
    golden,
)
from tests.exports.formats.lodestar_tools import read

REFUSED: dict[str, list[str]] = {
    "LSR01": ["0001MTR-104477           240115" + cut()],
    "LSR02": [
        cut().replace("00000003,KWH DEL\r\n", ""),
        cut().replace("00000002", "00000004", 1),
        cut(values=["10000000,1.000, ,", "00000003,again"]),
        cut().replace("00000001", "10000000", 1),
    ],
    "LSR03": [cut(values=[VALUES, "20A"]), cut(values="1000000,1.000, ,")],
    "LSR04": [
        cut("00000001,MTR-1,1,20240115000000"),
        cut("00000002,,,1,0,1,0,3600"),
    ],
    "LSR05": [
        cut("00000001,,1,20240115000000,20240115035959,Y,N"),
        cut("00000001,MTR-1 ,1,20240115000000,20240115035959,Y,N"),
        cut("00000001,MTR-1,0,20240115000000,20240115035959,Y,N"),
        cut("00000001,MTR-1,1,20240115000000,20240230035959,Y,N"),
        cut("00000001,MTR-1,1,00240115000000,20240115035959,Y,N"),
        cut("00000001,MTR-1,1,2024011500000,20240115035959,Y,N"),
        cut("00000002,,,one,0,1,0,3600,01,,12,,,CST6CDT"),
        cut("00000002,,,1,0,1,0,0,01,,12,,,CST6CDT"),
        cut("00000002,,,1,0,1,0,3600,01,,12h,,,Texas"),
        cut("00000004,yesterday,M"),
        cut(values="10000000,1.000, ,,2,0, ,,0,9,,4.000,A,"),
        cut(values="10000000,1.000, ,,one, ,,0,9,,4.000,A,"),
        cut(values="10000000,1.000, ,noon,2.000, ,,0,9,,4.000,A,"),
    ],
    "LSR06": [cut("00000003,caf\x7f")],
    "LSR07": [
        cut(values=["10000001,1.000, ,,2.000, ,", "10000001,3.000, ,,4.000, ,"]),
        cut(values=["10000001,1.000, ,,2.000, ,", "10000000,3.000, ,,4.000, ,"]),
    ],
    "LSR08": [cut(values=VALUES + ",5.000")],
    "LSR09": [cut(values="10000000,1.000, ,,2.000, ,20240115020000,0,9,,4.000,A,")],
    "LSR10": [
        cut(values="10000000,1.000, ,,2.000, ,,0,9,"),
        cut(values=[]),
        cut("00000001,MTR-1,1,20240115000000,20240114235959,Y,N"),
        cut("00000001,MTR-1,1,20240115000000,20240115040000,Y,N"),
    ],
    "LSR11": [
        cut("00000002,,,1,0,1,0,3600,99,,12,,,CST6CDT"),
        cut("00000002,,,1,0,1,0,3600,,,12,,,CST6CDT"),
    ],
    "LSR13": [cut("00000002,,,1,0,1,0,3600,01,,,,,")],
    "LSR14": [
        cut() + cut("00000001,MTR-1,1,20240115030000,20240115065959,Y,N"),
        cut() + cut("00000001,MTR-1,01,20240114210000,20240115005959,Y,N"),
    ],
    "LSR15": [
        cut(values="10000000,1.000, ,,1234567890123456789012, ,,0,9,,4.000,A,"),
        cut(values="10000000,1.000, ,,123456789012345678.01234567, ,,0,9,,4.000,A,"),
    ],
    "FMT15": [cut("00000001,MTR-1,1,20240310023000,20240310062959,Y,N")],
    "FMT17": [
        cut("00000002,,,1,0,1,0,3601,01,,12,,,CST6CDT"),
    ],
}


@pytest.mark.parametrize(("code", "text"), [(c, text) for c, ts in REFUSED.items() for text in ts])
def test_a_cut_is_refused_and_the_next_is_read(code: str, text: str) -> None:
    after = cut("00000001,MTR-2,1,20240115000000,20240115035959,Y,N")
    meters, report = read(text + after, **MAP)
    assert {issue.code for issue in report.issues if issue.level == "error"} == {code}
    assert report.errors == 1
    found = [meter.device.meter_number for meter in meters]
    assert found == ([] if code == "LSR01" else ["MTR-1"] * (code == "LSR14") + ["MTR-2"])


def test_every_error_is_tested() -> None:
    assert set(REFUSED) | {"LSR12"} == set(LSR_ERRORS)


def test_ercot_channels_are_load_and_generation() -> None:
    head = "00000001,10089010000000123,{},20240115000000,20240115035959,Y,N"
    for number, flow in (("4", "DEL"), ("1", "REC")):
        [meter], report = read(cut(head.format(number)), profile="ercot")
        assert (report.errors, report.warnings) == (0, 0)
        assert meter.device.service_point_id == "10089010000000123"
        assert meter.series[0].channel[:3] == (None, "KWH", flow)
    _, report = read(cut(head.format("2")), profile="ercot")
    assert [str(issue) for issue in report.issues] == [
        "error LSR12, record 1, byte 0, channel: channel '2' is neither load (4) nor generation (1)"
    ]


def test_an_error_names_record_byte_field_and_value() -> None:
    text = cut() + cut("00000001,MTR-2,1,20240115000000,20240115235959,Y,N")
    _, report = read(text, **MAP)
    assert [str(issue) for issue in report.issues] == [
        "error LSR10, record 6, byte 181, stop: 4 intervals of 3600 s do not fill "
        "2024-01-15 00:00:00 to 2024-01-15 23:59:59"
    ]


def test_a_value_that_is_none_is_named_with_its_record() -> None:
    values = ["10000000,1.000, ,,2.000, ,", "10000001,3.000, ,,4.OOO, ,"]
    _, report = read(cut(values=values), **MAP)
    assert [str(issue) for issue in report.issues] == [
        "error LSR05, record 6, byte 167, value: '4.OOO' is no number"
    ]


def test_the_first_error_may_end_the_reading() -> None:
    meters, report = read(REFUSED["LSR08"][0] + cut(), on_error="file", **MAP)
    assert (meters, report.errors) == ([], 1)


# --- negative tests of the specification --------------------------------------------------------


def day(change: Callable[[str], str]) -> tuple[int, int, list[str]]:
    """Example A changed: intervals read, errors, codes."""
    meters, report = read(change(golden("a_day").decode()), **MAP)
    return (
        sum(len(series.ends) for meter in meters for series in meter.series),
        report.errors,
        sorted(report.codes),
    )


def shorter(text: str) -> str:
    return text.replace("10000000,0.180, ,,", "10000000,")


def paired(text: str) -> str:
    head, code, values = text.partition("10000000,")
    return head + code + values.replace(", ,,", ", ,")


def test_negative_tests_of_the_specification() -> None:
    assert day(lambda text: text) == (96, 0, [])
    assert day(lambda text: text.replace(", ,\r\n", ", \r\n")) == (96, 0, ["LSR54"])
    assert day(paired)[:2] == (0, 1)
    stop = day(lambda text: text.replace("20240115235959", "20240116000000"))
    assert stop == (96, 0, ["LSR53"])
    assert day(shorter) == (0, 1, ["LSR10"])
    fewer = day(lambda text: text.replace(",,CST6CDT", ",CST6CDT"))
    assert fewer == (96, 0, ["LSR51", "LSR58"])  # the name is taken for a weight


def test_header_2_may_end_after_nine_fields() -> None:
    text = cut("00000002,,,1,0,1,0,3600,01")
    meters, report = read(text, zone="America/Chicago", **MAP)
    assert (list(report.codes), report.errors) == (["LSR51"], 0)
    assert meters[0].series[0].ends[0] - 3600 == START.timestamp()


def test_a_line_of_ten_thousand_characters_is_read() -> None:
    triplets = "".join(f",{place}.000, ," for place in range(1000))
    text = cut("00000001,MTR-1,1,20240115000000,20240125092959,Y,N",
               "00000002,,,1,0,1,0,900,01,,12,,,CST6CDT", values="10000000" + triplets)  # fmt: skip
    assert len(text) > 10_000
    meters, report = read(text, **MAP)
    assert report.codes == {"LSR10": 1}
    text = text.replace("20240125092959", "20240125095959")
    meters, report = read(text, **MAP)
    assert (report.errors, report.warnings) == (0, 0)
    assert len(meters[0].series[0].ends) == 1000
