"""The writer's refusals, each code, and what a refusal stops."""

from decimal import Decimal

import pytest

from devices.readings import (
    MeterData,
    RegisterRead,
    RegisterValue,
)
from exports.formats.base import FormatError, OptionError
from exports.formats.cmep.records import Slot, chunks
from exports.formats.cmep.run import Run
from tests.exports.formats.cmep_cases import EIGHT, FIRST, METER, PACIFIC, minute, register, series
from tests.exports.formats.cmep_tools import CMEP, context, lines, of, reads, refusal, write

BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
KWH = series("KWH", FIRST, EIGHT)
REGISTERS = {"include": "registers"}


# --- refusals -----------------------------------------------------------------------------------


def test_fmt01_time_without_zone() -> None:
    naive = minute(FIRST).replace(tzinfo=None)
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(1))
    meter = MeterData(METER, reads=(RegisterRead(naive, "CUR", (value,)),))
    assert refusal(meter, **REGISTERS).startswith("FMT01 CMEP E10293847: time without zone")


def test_fmt02_end_off_the_minute() -> None:
    one = series("KWH", FIRST, ["1"])
    one.ends[0] += 30
    assert refusal(of(one)).startswith(
        "FMT02 CMEP E10293847/1 2026-03-14T07:15:30Z: time 2026-03-14T07:15:30Z is finer"
    )


@pytest.mark.parametrize(
    ("first", "seconds", "zone"),
    [
        ("202603140716", 900, PACIFIC),
        ("202603140730", 3600, PACIFIC),
        ("202603140700", 3600, "Asia/Kolkata"),
        ("202603140701", 86400, PACIFIC),
        ("202603140800", 86400, PACIFIC),
    ],
)
def test_fmt03_end_off_the_grid(first: str, seconds: int, zone: str) -> None:
    one = series("KWH", first, ["1"], seconds=seconds)
    assert refusal(of(one, time_zone=zone)).startswith("FMT03 CMEP E10293847/1")


def test_half_hour_zones_have_ends_at_half_past() -> None:
    one = series("KWH", "202603140730", ["1"], seconds=3600)
    assert len(lines(of(one, time_zone="Asia/Kolkata"))) == 1
    frozen = series("KWH", "202603140730", ["1"], seconds=3600, grid_offset=19800)
    assert len(lines(of(frozen))) == 1


def test_fmt04_duplicate_and_overlapping_intervals() -> None:
    double = series("KWH", "", ["1", "2"], ends=[FIRST, FIRST])
    assert refusal(of(double)).startswith("FMT04 CMEP E10293847/1 2026-03-14T07:15:00Z")
    eras = of(series("KWH", FIRST, ["1"] * 3), series("KWH", "202603140800", ["1"], seconds=3600))
    assert len(lines(eras)) == 2
    eras = of(series("KWH", FIRST, ["1"] * 4), series("KWH", "202603140800", ["1"], seconds=3600))
    assert refusal(eras).startswith("FMT04 CMEP E10293847/KWH 2026-03-14T08:00:00Z")


def test_fmt05_character_that_cannot_be_written() -> None:
    assert "meter_id: character U+00C9" in refusal(of(KWH, meter_number="É1"))
    assert "FMT05" in refusal(of(KWH), receiver_id="É")


def test_fmt06_only_with_strict_widths() -> None:
    wide = of(KWH, account_id="A" * 13)
    assert len(lines(wide)) == 1
    assert "sender_customer_id: 13 characters, at most 12" in refusal(wide, strict_widths="yes")


def test_fmt07_numbers_too_long() -> None:
    one = series("KWH", FIRST, ["1"], resolution="1")
    one.counts[0] = 10**10
    assert refusal(of(one)).startswith("FMT07 CMEP E10293847/1 2026-03-14T07:15:00Z: value: number")
    finer = {"multiplier": Decimal("0.000001"), "multiplier_applied": False}
    pulses = series("PULSE", FIRST, ["1"], **finer)
    assert "FMT07" in refusal(of(pulses), pulses="yes")
    dial = reads(RegisterValue("SUM", "KWH", "DEL", value=Decimal(10**10)))
    assert "FMT07" in refusal(dial, **REGISTERS)
    huge = reads(RegisterValue("SUM", "KWH", "DEL", value=Decimal("1E+500")))
    assert "FMT07" in refusal(huge, **REGISTERS)


@pytest.mark.parametrize(
    ("unit", "flow"),
    [("A", "DEL"), ("PF", "DEL"), ("M3", "DEL"), ("PULSE", "DEL"), ("V", "REC"), ("THERM", "REC")],
)
def test_fmt08_units_without_a_code(unit: str, flow: str) -> None:
    meter = of(series(unit, FIRST, ["1"], flow=flow))
    text = refusal(meter, on_unsupported="stop")
    assert text == f"FMT08 CMEP E10293847/1: unit {unit} (flow {flow}) has no code in this format"


@pytest.mark.parametrize("unit", ["KW", "GAL", "CF", "PULSE", "M3"])
def test_fmt08_registers_without_a_code(unit: str) -> None:
    value = RegisterValue("SUM", unit, "DEL", value=Decimal(1))
    assert "FMT08" in refusal(reads(value), on_unsupported="stop", **REGISTERS)


def test_fmt10_register_that_is_no_number() -> None:
    for number in ("NaN", "Infinity"):
        value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(number))
        assert "FMT10" in refusal(reads(value), **REGISTERS)


@pytest.mark.parametrize("text", ["a,b", 'a"b', "a\rb", "a\nb", " a", "a\x7f"])
def test_fmt11_forbidden_characters(text: str) -> None:
    assert "FMT11" in refusal(of(KWH, account_id=text))
    if text not in ("a,b", " a"):
        assert "FMT11" in refusal(of(KWH, account_id=text), quote_ids="yes")


def test_fmt12_value_and_missing_mark_disagree() -> None:
    one = series("KWH", FIRST, ["1"], status={0: 3})
    assert refusal(of(one)).startswith("FMT12 CMEP E10293847/1 2026-03-14T07:15:00Z")
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(1), status=1)
    assert "FMT12" in refusal(reads(value), **REGISTERS)


@pytest.mark.parametrize(
    ("unit", "flow", "dialect"),
    [
        ("KWH", "NET", "cmep120"),
        ("KWH", "TOT", "cmep120"),
        ("KW", "NET", "sensus"),
        ("KVARH", "Q1", "cmep120"),
        ("KWH", "Q1", "sensus"),
    ],
)
def test_fmt13_flows_not_carried(unit: str, flow: str, dialect: str) -> None:
    meter = of(series(unit, FIRST, ["1"], flow=flow))
    assert "FMT13" in refusal(meter, dialect=dialect, on_unsupported="stop")
    value = RegisterValue("SUM", "KVARH", "Q1", value=Decimal(1))
    assert "FMT13" in refusal(reads(value), on_unsupported="stop", **REGISTERS)


def test_register_flows_without_a_code() -> None:
    value = RegisterValue("SUM", "CF", "REC", value=Decimal(1))
    words = {"dialect": "sensus", "on_unsupported": "stop", **REGISTERS}
    assert "FMT08" in refusal(reads(value), **words)


def test_fmt17_interval_length_not_carried() -> None:
    assert "FMT17" in refusal(of(series("KWH", FIRST, ["1"], seconds=420)), on_unsupported="stop")


def test_cme01_empty_ids() -> None:
    assert refusal(of(KWH, meter_number="")).startswith("CME01 CMEP: meter_id is empty")
    assert "sender_id is empty" in refusal(of(KWH), sender="")
    assert "receiver_id is empty" in refusal(of(KWH), receiver="", destination=True)
    dials = MeterData(METER._replace(meter_number=""), reads=register("KWH", {FIRST: "1"}))
    assert "CME01" in refusal(dials, **REGISTERS)


def test_cme02_line_too_long_with_one_triplet() -> None:
    """No field is long enough for it, so it is asked of the splitting itself."""
    header = Run(context()).values | {
        **{"record_type": "MEPMD01", "sender_customer_id": "", "receiver_customer_id": ""},
        **{"meter_id": "E1", "commodity": "E", "units": "KWH"},
        **{"calculation_constant": Decimal(1), "interval": 900},
    }
    slot = Slot(0, b"x" * 2000, missing=False, fresh=False, odd=False)
    with pytest.raises(FormatError, match="bytes even with one triplet"):
        list(chunks([slot], header, Run(context())))


def test_cme03_field_too_long() -> None:
    assert "at most 255" in refusal(of(KWH), receiver_customer_id="x" * 256)
    comma = {"sender_customer_id": "x" * 253 + ","}
    assert "CME03" in refusal(of(KWH), quote_ids="yes", **comma)
    assert "at most 253" in refusal(of(KWH), receiver_customer_id="," * 254, quote_ids="yes")


def test_cme04_unit_does_not_suit_the_commodity() -> None:
    assert refusal(of(KWH), commodity="G").startswith(
        "CME04 CMEP E10293847/1: unit KWH does not suit commodity G"
    )


def test_cme05_two_channels_of_one_unit() -> None:
    two = of(KWH, series("KWH", FIRST, ["1"], number=2))
    assert refusal(two).startswith("CME05 CMEP E10293847/2: two channels give unit KWH")
    quadrants = of(
        series("KVARH", FIRST, ["1"], flow="Q1", number=1),
        series("KVARH", FIRST, ["1"], flow="Q4", number=2),
    )
    assert "CME05" in refusal(quadrants, kvarh_sign="cmep120")
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(1))
    assert "CME05" in refusal(reads(value, value), **REGISTERS)


@pytest.mark.parametrize("flow", ["REC", "NET", "TOT"])
def test_cme06_reverse_registers_need_the_sensus_dialect(flow: str) -> None:
    value = RegisterValue("SUM", "KWH", flow, value=Decimal(1))
    text = refusal(reads(value), on_unsupported="stop", **REGISTERS)
    assert text.endswith(f"register of flow {flow} needs dialect sensus")


# --- what a refusal stops -----------------------------------------------------------------------


@BOTH
def test_a_channel_that_cannot_be_carried_is_left_out(compiled: bool) -> None:
    amps = series("A", FIRST, ["1"], number=2)
    data, tally = write([of(KWH, amps)], compiled)
    assert data.count(b"\r\n") == 1
    [left] = tally.left_out
    assert (left.device, left.channel, left.code) == (METER, amps.channel, "FMT08")
    assert tally.warnings.counts == {"FMT08": 1}


@BOTH
def test_a_refused_meter_is_left_out_whole(compiled: bool) -> None:
    dials = register("KWH", {FIRST: "1E+500"})
    bad = [
        of(series("KWH", FIRST, ["1"], status={0: 3}), meter_number="E1"),
        MeterData(METER._replace(meter_number="E2"), (KWH,), dials),
    ]
    good = of(KWH, meter_number="E3")
    options = {"on_error": "skip_meter", "include": "both"}
    data, tally = write([*bad, good], compiled, **options)
    assert data == write([good])[0]
    assert tally.meters == 1
    assert [(left.device.meter_number, left.channel, left.code) for left in tally.left_out] == [
        ("E1", None, "FMT12"),
        ("E2", None, "FMT07"),
    ]


def test_options_are_checked() -> None:
    with pytest.raises(OptionError, match="max_triplets: '49'"):
        CMEP.options_clean({"max_triplets": "49"})
    with pytest.raises(OptionError, match="no option 'a_means' for write"):
        CMEP.options_clean({"a_means": "actual"}, "write")
