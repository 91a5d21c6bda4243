"""What the reader accepts, what it warns of, what it refuses (section 6)."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devices.readings import Channel
from exports.formats.lodestar.tables import LSR_WARNINGS
from tests.exports.formats.lodestar_lines import (
    EDITED,
    ESTIMATED,
    MAP,
    MISSING,
    OWN,
    QUESTIONABLE,
    RAW,
    START,
    VALUES,
    cut,
    masks,
)
from tests.exports.formats.lodestar_tools import read


def test_a_plain_cut() -> None:
    meters, report = read(cut(), **MAP)
    assert (report.records, report.errors, report.warnings) == (5, 0, 0)
    [meter] = meters
    assert (meter.device.meter_number, meter.device.time_zone) == ("MTR-1", "America/Chicago")
    [series] = meter.series
    assert series.channel == Channel(
        None, "KWH", "DEL", 3600, "U", Decimal("0.001"), Decimal(1), True
    )
    assert series.ends[0] - 3600 == START.timestamp()
    assert series.values() == [1, 2, None, 4]
    assert series.status.tolist() == [0, ESTIMATED, MISSING, 0]


# --- warnings -----------------------------------------------------------------------------------


WARNED: dict[str, tuple[str, dict[str, object]]] = {
    "LSR50": (cut() + "\r\n", {}),
    "LSR51": (cut("00000002,,,1,0,1,0,3600,01,,12,,,CST6CDT,"), {}),
    "LSR52": (cut("00000001,MTR-1,1,20240115000000,20240115035900,Y,N"), {}),
    "LSR53": (
        cut("00000001,MTR-1,1,20240114200000,20240115000000,Y,N"),
        {},
    ),
    "LSR54": (cut(values="10000000,1.000, ,,2.000, ,,0,9,,4.000,A"), {}),
    "LSR55": (cut(values=VALUES + ","), {}),
    "LSR56": (cut(values="10000000,1.000,AX,,2.000, ,,3,E9,,4.000, ,"), {}),
    "LSR57": (cut(values=["10000000,1.000, ,,2.000, ,", "10000002,3.000, ,,4.000, ,"]), {}),
    "LSR58": (cut("00000002,,,1,0,1,0,3600,01,,12,,,Texas"), {}),
    "LSR59": (cut(), {"channel_map": None}),
    "LSR60": (cut("00000002,,,1,0,2,0,3600,01,,12,,,CST6CDT"), {}),
    "LSR61": (cut(values="10000000,-1.000, ,,2.000, ,,-3, ,,4.000, ,"), {}),
    "LSR62": (cut("00000001,MTR-1,1,20240115000000,20240115035959,,N"), {}),
    "LSR63": (cut("00000001,MTR-1,1,20240115000000,20240115035959,Y,?"), {}),
    "LSR64": (cut(values="10000000,1.000,5,,2.000,x,,0, ,,4.000, ,"), {}),
    "LSR65": (cut(values="10000000,1.000, ,,2.000,9,,0,9,,4.000, ,"), {}),
    "LSR66": (cut(values="10000000,1.000, ,,,E,,,9,,4.000, ,"), {}),
}


@pytest.mark.parametrize("code", WARNED)
def test_odd_but_accepted(code: str) -> None:
    text, options = WARNED[code]
    meters, report = read(text, **(MAP | options))
    assert not report.errors
    assert set(report.codes) == {code}
    assert sum(len(series.ends) for meter in meters for series in meter.series) == 4


def test_every_warning_is_tested() -> None:
    assert set(WARNED) == set(LSR_WARNINGS)


def test_a_warning_says_where_and_how_often() -> None:
    values = ["10000000,1.000, ,,2.000,5,", "10000001,3.000,x,,4.000,5,"]
    _, report = read(cut(values=values), **MAP)
    assert [str(issue) for issue in report.issues] == [
        "warning LSR64, record 5, byte 139, status: status '5' is unknown, QUESTIONABLE taken (2)",
        "warning LSR64, record 6, byte 167, status: status 'x' is unknown, QUESTIONABLE taken (1)",
    ]


# --- what is tolerated --------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_and_a_missing_last_one(end: str) -> None:
    text = cut().replace("\r\n", end)
    for given in (text, text.removesuffix(end)):
        meters, report = read(given, **MAP)
        assert (report.errors, report.warnings) == (0, 0)
        assert len(meters[0].series[0].ends) == 4


@pytest.mark.parametrize(
    "head",
    [
        "00000004,20240116041500",
        "00000004,20240116041500,A",
        "00000004",
        "00000003",
        "00000003,Maple St, 4th floor, east",
        "00000001,MTR-1,1,20240115000000,20240115035959,Y",
    ],
)
def test_what_may_be_missing_or_more(head: str) -> None:
    meters, report = read(cut(head), **MAP)
    assert (report.errors, report.warnings) == (0, 0)
    assert len(meters[0].series[0].ends) == 4


@pytest.mark.parametrize(
    ("values", "options", "found"),
    [
        (",1,A,,1, ,,1,,,1,E,", {}, [0, 0, 0, ESTIMATED]),
        (",1,7,,1,V,,,9,,0,9,", {}, [QUESTIONABLE, QUESTIONABLE, MISSING, MISSING]),
        (",1,e,,1,V,,1,q,,1,E,", OWN, [ESTIMATED, EDITED, QUESTIONABLE, ESTIMATED]),
        (",,,,,E,,0.000,9,,00,9,", {}, [MISSING] * 4),
        (",9,9,,1,Ex,,1, ,,1, ,", {}, [QUESTIONABLE, ESTIMATED, 0, 0]),
    ],
)  # fmt: skip
def test_statuses(values: str, options: dict[str, object], found: list[int]) -> None:
    assert masks(cut(values="10000000" + values), **options) == found


def test_an_invalid_cut_is_raw_in_every_interval() -> None:
    head = "00000001,MTR-1,1,20240115000000,20240115035959,Y,Y"
    assert masks(cut(head)) == [RAW, ESTIMATED | RAW, MISSING | RAW, RAW]


@pytest.mark.parametrize("given", ["20240715010000", "20240715000000"])
def test_a_start_member_may_be_in_prevailing_or_standard_time(given: str) -> None:
    for flag, start in (("Y", "20240715000000"), ("N", "20240714230000")):
        stop = "20240715035959" if flag == "Y" else "20240715025959"
        head = f"00000001,MTR-1,1,{start},{stop},{flag},N"
        text = cut(head, values=f"10000000,1, ,,2, ,{given},3, ,,4, ,")
        meters, report = read(text, **MAP)
        assert (report.errors, report.warnings) == (0, 0)
        assert len(meters[0].series[0].ends) == 4


@pytest.mark.parametrize(
    ("start", "stop", "count", "first"),
    [
        ("20241103010000", "20241103015959", 1, 5),  # the start's first pass, the stop's last
        ("20241103010000", "20241103015959", 2, 6),
        ("20241103000000", "20241103015959", 3, 5),
        ("20241103000000", "20241103015959", 2, 5),
        ("20241103013000", "20241103025959", None, 6),
    ],
)
def test_a_clock_time_that_occurs_twice(
    start: str, stop: str, count: int | None, first: int
) -> None:
    seconds = 1800 if count is None else 3600
    values = "10000000" + ",1, ," * (5 if count is None else count)
    text = cut(f"00000001,MTR-1,1,{start},{stop},Y,N",
               f"00000002,,,1,0,1,0,{seconds},01,,12,,,CST6CDT", values=values)  # fmt: skip
    meters, report = read(text, **MAP)
    assert (report.errors, report.warnings) == (0, 0)
    at = datetime.fromtimestamp(int(meters[0].series[0].ends[0]) - seconds, UTC)
    assert at.day == 3
    assert at.hour == {"20241103013000": 6}.get(start, 6 if start[8:10] == "01" else 5)


# --- zones --------------------------------------------------------------------------------------


class Known:
    """An inventory of one device."""

    def __call__(self, identifier: str) -> list[Channel] | None:
        if identifier != "MTR-1":
            return None
        kwh = Channel(1, "KWH", "REC", 3600, "U", Decimal("0.001"))
        return [kwh, kwh._replace(number=2, unit="KVARH", flow="Q1")]

    def zone(self, identifier: str) -> str:
        return "America/Denver" if identifier == "MTR-1" else ""


NAMELESS = "00000002,,,1,0,1,0,3600,01,,{},,,{}"


@pytest.mark.parametrize(
    ("offset", "name", "options", "known", "hour", "zone"),
    [
        ("12", "EST5EDT", {}, False, 5, "America/New_York"),
        ("", "GMT0BST", {"zone_name": "Europe/London=GMT0BST"}, False, 0, "Europe/London"),
        ("12", "EST5EDT", {"zone_name": "America/Detroit=EST5EDT"}, False, 5, "America/New_York"),
        ("12", "Texas", {"zone": "Asia/Kolkata"}, False, -5.5, "Asia/Kolkata"),
        ("12", "", {}, True, 7, ""),
        ("14", "Texas", {}, False, 7, ""),
        ("0", "", {}, False, 0, ""),
    ],
)
def test_where_the_zone_comes_from(
    offset: str, name: str, options: dict[str, object], known: bool, hour: float, zone: str
) -> None:
    text = cut(NAMELESS.format(offset, name))
    meters, report = read(text, Known() if known else None, **(MAP | options))
    assert not report.errors
    assert list(report.codes) == ([] if zone or known else ["LSR58"])
    assert meters[0].device.time_zone == zone
    begun = int(meters[0].series[0].ends[0]) - 3600
    assert begun - datetime(2024, 1, 15, tzinfo=UTC).timestamp() == hour * 3600


def test_a_start_member_beside_an_offset() -> None:
    for given, errors in (("20240115010000", 0), ("20240115000000", 1)):
        values = f"10000000,1, ,,2, ,{given},3, ,,4, ,"
        _, report = read(cut(NAMELESS.format("12", ""), values=values), **MAP)
        assert report.errors == errors


def test_a_zone_that_there_is_not() -> None:
    _, report = read(cut(NAMELESS.format("", "X")), zone_name="Mars/Base=X", **MAP)
    assert [issue.code for issue in report.issues] == ["LSR05"]
    assert "Mars/Base" in str(report.issues[0])


# --- channels -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "options", "channel", "warned"),
    [
        (1, "01", {}, (1, "KWH", "REC"), False),
        (2, "03", {}, (2, "KVARH", "Q1"), False),
        (2, "01", {}, (2, "KWH", "DEL"), True),
        (1, "01", {"channel_map": "KWH DEL=1"}, (None, "KWH", "DEL"), False),
        (1, "03", {"channel_map": "KWH DEL=1"}, (1, "KVARH", "DEL"), True),
        (7, "03", {"channel_map": "Q4=7"}, (None, "KVARH", "Q4"), False),
        (3, "20", {"uom_map": "V=20"}, (3, "V", "DEL"), False),
        (3, "05", {"uom_map": "KWH=05"}, (3, "KWH", "DEL"), True),
        (3, "01", {"uom_map": "KWH=05"}, (3, "KWH", "DEL"), True),
        (3, "01", {"uom_map": "KVAH=01"}, (3, "KVAH", "DEL"), True),
    ],
)
def test_unit_and_flow(
    number: int, code: str, options: dict[str, object], channel: tuple[object, ...], warned: bool
) -> None:
    text = cut(
        f"00000001,MTR-1,{number},20240115000000,20240115035959,Y,N",
        f"00000002,,,1,0,1,0,3600,{code},,12,,,CST6CDT",
    )
    meters, report = read(text + text.replace("0115", "0116"), Known(), **options)
    assert [series.channel[:3] for series in meters[0].series] == [channel] * 2
    assert report.codes == ({"LSR59": 1} if warned else {})
    assert not report.errors


def test_demand_is_average() -> None:
    for code in ("02", "04"):
        meters, _ = read(cut(NAMELESS.format("12", "CST6CDT").replace("01", code)), **MAP)
        assert meters[0].series[0].channel.value_type == "D"


def test_multiplier_and_readings() -> None:
    """Readings are the dials': the multiplier makes totals of them; values stay as they are."""
    meters, _ = read(cut("00000002,100.000,100.175,40,0,,,3600,01,,12,,,CST6CDT"), **MAP)
    [series] = meters[0].series
    assert (series.channel.multiplier, series.channel.multiplier_applied) == (Decimal(40), True)
    assert (series.start_register, series.end_register) == (Decimal(4000), Decimal("4007"))
    assert series.values()[0] == 1
    meters, _ = read(cut("00000002,,100.175,,,,,3600,01,,12,,,CST6CDT"), **MAP)
    [series] = meters[0].series
    assert (series.channel.multiplier, series.channel.multiplier_applied) == (None, None)
    assert (series.start_register, series.end_register) == (None, Decimal("100.175"))


@pytest.mark.parametrize(
    ("value", "resolution"),
    [("1.5", "0.001"), ("0.1234", "0.000001"), ("0.12345678", "1E-8"), ("+1.", "0.001")],
)
def test_values_are_exact_whatever_their_decimals(value: str, resolution: str) -> None:
    meters, report = read(cut(values=f"10000000,{value}, ,,,9,,.5, ,,4, ,"), **MAP)
    assert not report.errors
    [series] = meters[0].series
    assert series.values() == [Decimal(value), None, Decimal("0.5"), Decimal(4)]
    assert series.channel.resolution == Decimal(resolution)


def test_cuts_of_one_recorder_may_stand_anywhere() -> None:
    later = "00000001,MTR-1,1,20240115040000,20240115075959,Y,N"
    other = "00000001,MTR-2,1,20240115000000,20240115035959,Y,N"
    meters, report = read(cut(later) + cut(other) + cut(), **MAP)
    assert (report.errors, report.warnings) == (0, 0)
    assert [meter.device.meter_number for meter in meters] == ["MTR-1", "MTR-2"]
    assert [len(meter.series) for meter in meters] == [2, 1]
