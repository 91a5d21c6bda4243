"""What the writer makes of channels, days, readings and settings; both writers alike."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest

from devices.readings import (
    DeviceInfo,
    Frame,
    IntervalSeries,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports.formats.base import FormatError
from tests.exports.formats.lodestar_cases import at, series, totals
from tests.exports.formats.lodestar_tools import (
    DAY,
    LODESTAR,
    absent,
    both,
    context,
    hours,
    named,
    of,
    read,
    record,
    spans,
    values_of,
    write,
)

RAW = int(Status.RAW)
QUESTIONABLE = int(Status.QUESTIONABLE)
ESI = "10089010238066"  # 14 characters


# --- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "resolution", "written"),
    [
        ("0.5", "0.1", "0.500"),
        ("0.12345", "0.00001", "0.12345"),
        ("0.1234567", "0.0000001", "0.123457"),
        ("0.0000005", "0.0000001", "0.000"),
        ("0.0000015", "0.0000001", "0.000002"),
        ("7", "1", "7.000"),
        ("9223372036854775807", "1", "9223372036854775807.000"),
        ("0", "0.001", "0.000"),
    ],
)
def test_values_have_three_to_six_decimals(value: str, resolution: str, written: str) -> None:
    text = both(of(series(DAY, [value], resolution=resolution)))
    assert text.split("\r\n")[4] == f"10000000,{written}, ,"


def test_a_multiplier_not_yet_applied_is_applied_and_stated() -> None:
    one = series(DAY, ["1.5"], multiplier=Decimal("40.00"), multiplier_applied=False)
    text = both(of(one))
    assert record(text, 2)[3] == "40"
    assert text.split("\r\n")[4] == "10000000,60.000, ,"


def test_negative_values_are_written_for_net_and_power_factor_only() -> None:
    net = both(of(series(DAY, ["-1.5", "-0.0004"], flow="NET", resolution="0.0001")))
    assert net.split("\r\n")[4] == "10000000,-1.500, ,,-0.0004, ,"
    factor = both(of(series(DAY, ["-0.9"], unit="PF")), uom_map="PF=21")
    assert factor.split("\r\n")[4] == "10000000,-0.900, ,"


# --- recorders and channels ---------------------------------------------------------------------


def test_order_is_recorder_channel_as_a_number_start() -> None:
    second = series("20240116000000", ["1"], number=2)
    meter = named("B", series(DAY, ["1"], number=10), second, series(DAY, ["1"], number=2))
    text = both([named("A10", series(DAY, ["1"])), meter])
    cuts = [line.split(",")[1:4] for line in text.split("\r\n") if line.startswith("00000001")]
    assert cuts == [
        ["A10", "1", "20240115000000"],
        ["B", "2", "20240115000000"],
        ["B", "2", "20240116000000"],
        ["B", "10", "20240115000000"],
    ]


@pytest.mark.parametrize(
    ("field", "written"),
    [("DeviceID", "D-104477"), ("account_id", "A-1"), ("MeterNumber", "MTR-104477")],
)
def test_the_recorder_id_is_the_identifier_asked_for(field: str, written: str) -> None:
    assert record(both(of(series(DAY, ["1"])), id_field=field), 1)[1] == written


def test_an_esi_id_of_odd_length_is_a_warning() -> None:
    meter = of(series(DAY, ["1"]), series(DAY, ["1"], flow="REC", number=2), service_point_id=ESI)
    for compiled in (True, False):
        _, tally = write([meter], compiled=compiled, profile="ercot")
        assert tally.warnings.lines() == [
            f"LSW01 (1): ESI ID of neither 17 nor 22 characters: {ESI}"
        ]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({}, ["1", "2", "3"]),
        ({"channel_map": "REC=7;KVARH DEL=8"}, ["1", "7", "8"]),
        ({"profile": "ercot"}, ["1", "4"]),
    ],
)
def test_channel_numbers(options: dict[str, object], numbers: list[str]) -> None:
    meter = of(
        series(DAY, ["1"]),
        series(DAY, ["1"], flow="REC", number=2),
        series(DAY, ["1"], unit="KVARH", number=3),
    )
    text = both(meter, **options)
    assert [line.split(",")[2] for line in text.split("\r\n") if line[:8] == "00000001"] == numbers


@pytest.mark.parametrize(
    ("unit", "code"), [("KWH", "01"), ("KW", "02"), ("KVARH", "03"), ("KVAR", "04"), ("V", "20")]
)
def test_unit_codes(unit: str, code: str) -> None:
    text = both(of(series(DAY, ["1"], unit=unit)), uom_map="V=20")
    assert record(text, 2)[8] == code


def test_two_devices_in_turn_are_one_recorder() -> None:
    """A meter exchange at a service point: the day's cuts follow one another."""
    old = named("M1", hours(10), service_point_id="1" * 17)
    new = named("M2", hours(14, "20240115100000"), service_point_id="1" * 17)
    text = both([old, new], id_field="ServicePointID")
    assert spans(text) == [
        ("20240115000000", "20240115095959"),
        ("20240115100000", "20240115235959"),
    ]


# --- statuses -----------------------------------------------------------------------------------

FOUR = ["1", "2", "3", None]


@pytest.mark.parametrize(
    ("masks", "options", "flag", "statuses"),
    [
        ([0, 2, 4], {}, "N", " EE9"),
        ([0, 2, 4], {"status_estimated": "e", "status_edited": "V"}, "N", " eV9"),
        ([6, 8, 16], {"status_edited": "V", "status_questionable": "Q"}, "Y", "VQQ9"),
        ([0, 8, 16], {}, "Y", "   9"),
        ([10, 0, 20], {}, "Y", "E E9"),
        ([0x1FE0, 0x20, 0x4000], {}, "N", "   9"),
        ([0, 2, 4], {"profile": "ercot"}, "N", "AEE"),
        ([8, 18, 16], {"profile": "ercot", "unvalidated": "allow"}, "N", "AEA"),
    ],
)
def test_statuses(masks: list[int], options: dict[str, object], flag: str, statuses: str) -> None:
    text = both(of(series(DAY, FOUR, status=dict(enumerate(masks)))), **options)
    assert record(text, 1)[6] == flag
    assert "".join(text.split("\r\n")[4].split(",")[2::3]) == statuses


def test_doubt_beside_a_missing_value_does_not_invalidate_the_cut() -> None:
    text = both(of(series(DAY, FOUR, status={3: 1 | RAW | QUESTIONABLE})))
    assert record(text, 1)[6] == "N"


def test_one_doubtful_value_invalidates_its_cut_only() -> None:
    text = both(of(hours(48, status={30: RAW})))
    assert [record(text, 1, cut)[6] for cut in (0, 1)] == ["N", "Y"]


# --- readings -----------------------------------------------------------------------------------


def readings(text: str) -> tuple[str, str]:
    fields = record(text, 2)
    return fields[1], fields[2]


def test_readings_at_the_cuts_own_instants() -> None:
    reads = totals(t20240115000000="100", t20240116000000="124.0004", t20240117000000="148")
    text = both(of(hours(48), reads=reads))
    assert [tuple(record(text, 2, cut)[1:3]) for cut in (0, 1)] == [
        ("100.000", "124.000"),
        ("124.000", "148.000"),
    ]


@pytest.mark.parametrize(
    ("stop", "options", "written"),
    [
        ("124.01", {}, True),
        ("124.011", {}, False),
        ("125", {"reading_tolerance": "1"}, True),
        ("124.001", {"reading_tolerance": "0"}, False),
        ("-1", {"reading_tolerance": "1000"}, False),
        ("NaN", {}, False),
        ("1E+200", {}, False),
    ],
)
def test_readings_that_do_not_fit_are_left_out(
    stop: str, options: dict[str, object], written: bool
) -> None:
    text = both(of(hours(24), reads=totals(t20240115000000="100", t20240116000000=stop)), **options)
    assert bool(readings(text)[0]) is written
    assert bool(readings(text)[1]) is written


def test_no_readings_beside_a_missing_slot_or_a_lone_one() -> None:
    both_reads = totals(t20240115000000="100", t20240116000000="123")
    missing = absent(hours(24), slice(3, 4))
    assert readings(both(of(missing, reads=both_reads))) == ("", "")
    assert readings(both(of(hours(24), reads=both_reads[:1]))) == ("", "")


def test_the_multiplier_is_not_in_the_readings() -> None:
    """Totals hold it unless they say so; what a total does not state is the channel's."""
    one = hours(24, multiplier=Decimal(40), multiplier_applied=True)
    assert readings(
        both(of(one, reads=totals(t20240115000000="4000", t20240116000000="4024")))
    ) == (
        "100.000",
        "100.600",
    )
    open_, own = [
        tuple(
            RegisterRead(at(time), "CUR", (RegisterValue("SUM", "KWH", "DEL", value=v, **words),))
            for time, v in ((DAY, Decimal(first)), ("20240116000000", Decimal(last)))
        )
        for first, last, words in (
            ("100", "100.6", {"multiplier": Decimal(40), "multiplier_applied": False}),
            ("1000", "1006", {"multiplier": Decimal(10), "multiplier_applied": True}),
        )
    ]
    assert readings(both(of(one, reads=open_))) == ("100.000", "100.600")
    assert readings(both(of(one, reads=own))) == ("100.000", "100.600")


def test_other_registers_are_no_readings() -> None:
    def at_midnight(*values: RegisterValue, more: int = 0, kind: str = "CUR") -> RegisterRead:
        time = at(DAY) + timedelta(microseconds=more)
        return RegisterRead(time, kind, values)

    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(100))
    stop = totals(t20240116000000="124")
    for start in (
        at_midnight(RegisterValue("MAX", "KWH", "DEL", value=Decimal(100))),
        at_midnight(RegisterValue("SUM", "KWH", "DEL", "A", value=Decimal(100))),
        at_midnight(RegisterValue("SUM", "KWH", "REC", value=Decimal(100))),
        at_midnight(RegisterValue("SUM", "KWH", "DEL", status=1)),
        at_midnight(value, more=1),
    ):
        assert readings(both(of(hours(24), reads=[start, *stop]))) == ("", "")
    frozen = at_midnight(RegisterValue("SUM", "KWH", "DEL", value=Decimal(99)), kind="PDR")
    found = readings(both(of(hours(24), reads=[frozen, at_midnight(value), *stop])))
    assert found == ("100.000", "124.000")


# --- records ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [None, "120", "121", "300"])
def test_records_end_before_the_limit_and_never_within_a_triplet(limit: str | None) -> None:
    values = [f"{place * 7.3 ** (place % 5):.3f}" for place in range(288)]
    text = both(of(series(DAY, values, seconds=300)), record_limit=limit)
    lines = text.split("\r\n")[4:-1]
    assert all(len(line) <= int(limit or 1490) for line in lines)
    assert [line[:8] for line in lines] == [str(10_000_000 + n) for n in range(len(lines))]
    assert all(line.endswith(", ,") for line in lines)
    assert max(len(line) for line in lines) > int(limit or 1490) - 24
    meters, report = read(text, channel_map="DEL=1")
    assert (report.errors, report.warnings) == (0, 0)
    assert list(values_of(meters[0]).values()) == [(Decimal(value), 0) for value in values]


# --- the file -----------------------------------------------------------------------------------


def test_the_format_says_what_it_needs() -> None:
    options = LODESTAR.options_clean({}, "write")
    assert LODESTAR.wants_registers(options)
    assert (LODESTAR.since, LODESTAR.reads_at_end, LODESTAR.empty) == ("day", True, "none")
    assert LODESTAR.register_margin(options) == 43200
    assert (LODESTAR.identifier(options), LODESTAR.order(options)) == ("meter_number",) * 2
    ercot = LODESTAR.options_clean({"profile": "ercot", "duns": "1234567890123"}, "write")
    assert LODESTAR.identifier(ercot) == "service_point_id"
    assert LODESTAR.device("1", ercot).service_point_id == "1"


def test_file_names() -> None:
    clean = LODESTAR.options_clean
    assert LODESTAR.name_pattern(clean({})) == "LSE_{export}_{batch}.lse"
    ercot = clean({"profile": "ercot", "duns": "123456789"})
    name = "123456789IntervalData{date:yyyyMMdd}{time:HHmmss}{seq:03}.lse"
    assert LODESTAR.name_pattern(ercot) == name
    with pytest.raises(FormatError, match="LSE05 LODESTAR: the ercot file name needs duns"):
        LODESTAR.name_pattern(clean({"profile": "ercot"}))


def whole(*frames: Frame, **options: object) -> str:
    out = io.BytesIO()
    LODESTAR.write(frames, context(**options), out)
    return out.getvalue().decode()


def test_a_file_by_service_point_is_put_in_order_across_its_parts() -> None:
    """A run reads devices by meter number; the file's order is another."""

    def meter(number: str, place: str, *found: IntervalSeries) -> Frame:
        return Frame.of([named(number, *found, service_point_id=place)])

    first = meter("M1", "2" * 17, hours(30), hours(24, flow="REC", number=2))
    second = meter("M2", "1" * 17, hours(24))
    third = meter("M3", "2" * 17, hours(18, "20240116060000"))
    text = whole(first, second, third, id_field="ServicePointID")
    cuts = [line.split(",")[1:4] for line in text.split("\r\n") if line.startswith("00000001")]
    assert cuts == [
        ["1" * 17, "1", "20240115000000"],
        ["2" * 17, "1", "20240115000000"],
        ["2" * 17, "1", "20240116000000"],
        ["2" * 17, "1", "20240116060000"],
        ["2" * 17, "2", "20240115000000"],
    ]
    assert text.count("\r\n") == 5 * len(cuts)
    with pytest.raises(FormatError, match=r"^FMT04 LODESTAR 2{17}/1: duplicate or overlapping"):
        whole(first, third, first, id_field="ServicePointID")
    assert whole(first, id_field="MeterNumber").startswith("00000001,M1,1,")


def test_a_sheet_without_slots_is_no_matter() -> None:
    one = series(DAY, [])
    assert both(of(one, series(DAY, ["1"]))).count("00000001,") == 1
    assert both(of(one)) == both(of(one), empty_days="yes") == ""


def test_nothing_to_write_is_an_empty_file() -> None:
    assert whole(Frame.of([]), id_field="AccountID") == ""
    assert whole(Frame([DeviceInfo("D", "M")])) == ""
