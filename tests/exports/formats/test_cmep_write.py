"""The writer: options, order, counts, and every refusal."""

import io
from decimal import Decimal

import pytest

from devices.readings import (
    NEVER,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports.formats.base import FormatError, OptionError, Tally
from exports.formats.cmep.records import Slot, chunks
from exports.formats.cmep.run import Run
from tests.exports.formats.cmep_cases import (
    EIGHT,
    FIRST,
    METER,
    PACIFIC,
    PULSES,
    minute,
    register,
    series,
)
from tests.exports.formats.cmep_tools import CMEP, context, write

BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])


def lines(meter: MeterData | list[MeterData], **words: object) -> list[str]:
    """The lines written, the same by both writers."""
    meters = meter if isinstance(meter, list) else [meter]
    data, _ = write(meters, **words)
    assert data == write(meters, compiled=False, **words)[0]
    return data.decode().splitlines()


def fields(*found: IntervalSeries, device: DeviceInfo = METER, **words: object) -> list[str]:
    """The fields of the only line."""
    [line] = lines(MeterData(device, found), **words)
    return line.split(",")


def refusal(meter: MeterData | list[MeterData], **words: object) -> str:
    """The refusal's message, the same by both writers."""
    meters = meter if isinstance(meter, list) else [meter]
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(meters, compiled=compiled, **words)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def of(*found: IntervalSeries, **device: str) -> MeterData:
    return MeterData(METER._replace(**device), found)


def reads(*values: RegisterValue, time: str = "202603140700", kind: str = "CUR") -> MeterData:
    return MeterData(METER, reads=(RegisterRead(minute(time), kind, values),))


KWH = series("KWH", FIRST, EIGHT)
REGISTERS = {"include": "registers"}


# --- header fields ------------------------------------------------------------------------------


def test_settings_of_the_header_fields() -> None:
    found = fields(
        *(KWH,),
        sender_id="S",
        sender_customer_id="none",
        receiver_id="R",
        receiver_customer_id="PremiseID",
        meter_id="DeviceID",
        purpose="HISTORY",
        device=METER._replace(premise_id="P9"),
    )
    assert found[2:9] == ["S", "", "R", "P9", "202603150610", "SSI0004711", "HISTORY"]
    assert fields(KWH, sender_customer_id="ACME:1")[3] == "ACME:1"


@pytest.mark.parametrize(
    ("mode", "purpose"), [("OR", "OK"), ("IN", "OK"), ("RE", "RESEND"), ("CO", "RESEND")]
)
def test_purpose_by_mode(mode: str, purpose: str) -> None:
    assert fields(KWH, mode=mode)[8] == purpose


def test_time_stamp_drops_the_seconds() -> None:
    ctx = context()
    late = ctx.created.replace(second=59, microsecond=5)
    out = io.BytesIO()
    CMEP.write([Frame.of([of(KWH)])], type(ctx)(**{**_slots(ctx), "created": late}), out)
    assert out.getvalue().split(b",")[6] == b"202603150610"


def _slots(ctx: object) -> dict[str, object]:
    return {name: getattr(ctx, name) for name in ctx.__slots__}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("unit", "options", "commodity"),
    [
        ("KWH", {}, "E"),
        ("THERM", {}, "G"),
        ("GAL", {}, "W"),
        ("GAL", {"commodity": "G"}, "G"),
        ("PULSE", {"pulses": "yes"}, "E"),
        ("PULSE", {"pulses": "yes", "commodity": "W"}, "W"),
    ],
)
def test_commodity_by_unit_or_setting(unit: str, options: dict[str, str], commodity: str) -> None:
    assert fields(series(unit, FIRST, ["1"]), **options)[9] == commodity


def test_sensus_constant_of_pulses_is_the_multiplier() -> None:
    pulses = series("PULSE", FIRST, ["26"], resolution="1", **PULSES)
    assert fields(pulses, pulses="yes", dialect="sensus")[11] == "0.012"
    applied = series("PULSE", FIRST, ["26"], multiplier=Decimal(40), multiplier_applied=True)
    assert fields(applied, pulses="yes")[11] == "1"


@pytest.mark.parametrize("number", [1, 7, 48])
def test_a_record_takes_max_triplets(number: int) -> None:
    day = series("KWH", FIRST, ["1"] * 96)
    sizes = [int(line.split(",")[13]) for line in lines(of(day), max_triplets=number)]
    assert sizes == [number] * (96 // number) + ([96 % number] if 96 % number else [])


def test_a_line_stays_within_2048_bytes() -> None:
    long = {"sender_customer_id": "x" * 250, "receiver_customer_id": "y" * 250}
    wide = series("KWH", FIRST, ["-9999999999.9999"] * 96, status=dict.fromkeys(range(96), 2018))
    found = lines(of(wide), dialect="sensus", **long)
    assert max(map(len, found)) <= 2046
    assert len(found[0]) + len(",202603140715,E8002,-9999999999.9999") > 2046
    assert sum(int(line.split(",")[13]) for line in found) == 96


def test_ids_with_commas_are_quoted_where_that_is_allowed() -> None:
    [line] = lines(of(KWH, account_id="a,b"), quote_ids="yes")
    assert ',"a,b",' in line


# --- slots --------------------------------------------------------------------------------------


def slots(mode: str, *masks: int, **words: object) -> list[str]:
    """Count and flags of each record of a channel with these masks."""
    values = [None if mask & 1 else "1" for mask in masks]
    one = series("KWH", FIRST, values, status=dict(enumerate(masks)))
    found = [line.split(",") for line in lines(of(one), mode=mode, **words)]
    return [f"{line[14][-4:]} {''.join(flag or '.' for flag in line[15::3])}" for line in found]


def test_a_slot_that_never_arrived_is_missing_in_a_whole_period() -> None:
    for mode in ("OR", "RE"):
        assert slots(mode, NEVER, 0, NEVER, 1, 0) == ["0715 N.NN."]
        assert slots(mode, NEVER, NEVER) == []


def test_a_slot_that_never_arrived_is_not_made_up_in_a_part() -> None:
    for mode in ("IN", "CO"):
        assert slots(mode, NEVER, 0, NEVER, 1, 0) == ["0730 .", "0800 N."]
        assert slots(mode, NEVER, NEVER) == []


def test_missing_slots_may_end_the_record() -> None:
    for mode in ("OR", "IN"):
        assert slots(mode, 1, 0, NEVER, 0, 1, 0, 1, missing="split") == [
            "0730 .",
            "0800 .",
            "0830 .",
        ]
        assert slots(mode, 1, 1, missing="split") == []


def test_missing_value() -> None:
    gap = series("KWH", FIRST, ["1", None])
    assert fields(gap)[-3:] == ["202603140730", "N", ""]
    assert fields(gap, missing_value="0")[-1] == "0"
    assert fields(gap, dialect="sensus")[-2:] == ["N32", "0"]
    assert fields(gap, dialect="sensus", missing_value="empty")[-2:] == ["N32", ""]


@pytest.mark.parametrize(
    ("mask", "base", "sensus"),
    [
        (0, "", "R0"),
        (Status.ESTIMATED, "E", "E0"),
        (Status.EDITED | Status.ESTIMATED, "A", "A0"),
        (Status.QUESTIONABLE, "R", "R0"),
        (Status.RAW | Status.POWER_OUTAGE, "R", "R2"),
        (Status.POWER_OUTAGE | Status.RESET, "", "R2"),
        (Status.SHORT | Status.LONG, "", "R3072"),
        (Status.TIME_CHANGED | Status.TEST_MODE, "", "R4352"),
        (Status.OVERFLOW | Status.DST, "", "R576"),
    ],
)
def test_flags(mask: int, base: str, sensus: str) -> None:
    one = series("KWH", FIRST, ["1"], status={0: int(mask)})
    assert fields(one)[15] == base
    assert fields(one, dialect="sensus")[15] == sensus


def test_a_record_never_jumps_a_gap_of_the_grid() -> None:
    gap = series("KWH", "", ["1", "2"], ends=["202603140715", "202603140745"])
    assert len(lines(of(gap))) == 2


# --- values and units ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "resolution", "text"),
    [
        (5, "0.000001", "0"),
        (15, "0.000001", "0.00002"),
        (25, "0.000001", "0.00002"),
        (-25, "0.000001", "-0.00002"),
        (-5, "0.000001", "0"),
        (300, "0.001", "0.3"),
        (7, "100", "700"),
        (9999999999, "1", "9999999999"),
    ],
)
def test_values_are_rounded_once_half_even(count: int, resolution: str, text: str) -> None:
    one = series("KWH", FIRST, ["0"], resolution=resolution)
    one.counts[0] = count
    assert fields(one)[-1] == text


def test_a_multiplier_not_yet_applied_is_applied() -> None:
    open_one = {"multiplier": Decimal("1.5"), "multiplier_applied": False}
    assert fields(series("KWH", FIRST, ["0.3333"], **open_one))[-1] == "0.49995"
    done = {"multiplier": Decimal("1.5"), "multiplier_applied": True}
    assert fields(series("KWH", FIRST, ["0.3333"], **done))[-1] == "0.3333"
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(2), **open_one)
    assert lines(reads(value), **REGISTERS)[0].endswith(",3")


def test_negative_values_are_warned_of_except_net() -> None:
    low = series("KWH", FIRST, ["-1", "-2", "3", None])
    assert write([of(low)])[1].warnings.counts == {"CMW03": 2}
    net = series("KWH", FIRST, ["-1"], flow="NET")
    assert write([of(net)], dialect="sensus")[1].warnings.counts == {}
    dial = reads(RegisterValue("SUM", "KWH", "DEL", value=Decimal(-1)))
    assert write([dial], **REGISTERS)[1].warnings.counts == {"CMW03": 1, "CMW06": 1}


@pytest.mark.parametrize(
    ("unit", "flow", "dialect", "code"),
    [
        ("KWH", "REC", "cmep120", "GKWH"),
        ("KVAH", "REC", "cmep120", "GKVAH"),
        ("KVAR", "REC", "cmep120", "GKVAR"),
        ("KWH", "NET", "sensus", "NKWH"),
        ("KVARH", "TOT", "sensus", "SKVARH"),
        ("V", "DEL", "cmep120", "VOLTS"),
    ],
)
def test_unit_codes(unit: str, flow: str, dialect: str, code: str) -> None:
    assert fields(series(unit, FIRST, ["1"], flow=flow), dialect=dialect)[10] == code


@pytest.mark.parametrize(
    ("flow", "code", "value"),
    [
        ("DEL", "KVARH", "-1"),
        ("Q1", "KVARH", "-1"),
        ("Q4", "KVARH", "1"),
        ("REC", "GKVARH", "1"),
        ("Q2", "GKVARH", "-1"),
        ("Q3", "GKVARH", "1"),
    ],
)
def test_reactive_quadrants(flow: str, code: str, value: str) -> None:
    found = fields(series("KVARH", FIRST, ["1"], flow=flow), kvarh_sign="cmep120")
    assert (found[10], found[-1]) == (code, value)


def test_cubic_metres_are_converted_when_told() -> None:
    one = series("M3", FIRST, ["2"])
    assert fields(one, convert_m3="CF")[10::6] == ["CF", "70.62933"]
    assert fields(one, convert_m3="GAL")[10::6] == ["GAL", "528.3441"]


@pytest.mark.parametrize(
    ("unit", "flow", "options", "code"),
    [
        ("KWH", "DEL", {}, "KWHREG"),
        ("KVARH", "DEL", {"kvarh_sign": "cmep120"}, "KVARHREG"),
        ("KWH", "REC", {"dialect": "sensus"}, "GKWHREG"),
        ("KWH", "NET", {"dialect": "sensus"}, "NKWHREG"),
        ("KWH", "TOT", {"dialect": "sensus"}, "SKWHREG"),
        ("CF", "DEL", {"dialect": "sensus"}, "CFREG"),
        ("CF", "DEL", {"gasreg_unit": "CF"}, "GASREG"),
        ("THERM", "DEL", {"gasreg_unit": "THERM"}, "GASREG"),
        ("M3", "DEL", {"convert_m3": "GAL", "dialect": "sensus"}, "GALREG"),
    ],
)
def test_register_codes(unit: str, flow: str, options: dict[str, str], code: str) -> None:
    value = RegisterValue("SUM", unit, flow, value=Decimal(7))
    [line] = lines(reads(value), **REGISTERS, **options)
    assert line.split(",")[10] == code


# --- registers ----------------------------------------------------------------------------------


def test_register_reads_ascend_and_leave_out_nulls() -> None:
    found = register("KWH", {"202603150700": "2", "202603140700": "1"})
    null = RegisterValue("SUM", "KWH", "DEL", status=int(Status.MISSING))
    meter = MeterData(METER, reads=(*found, RegisterRead(minute("202603141200"), "CUR", (null,))))
    [line] = lines(meter, **REGISTERS)
    assert line.split(",")[12:] == ["", "2", "202603140700", "", "1", "202603150700", "", "2"]


def test_two_reads_in_a_minute_the_later_stays() -> None:
    early, late = (RegisterValue("SUM", "KWH", "DEL", value=Decimal(n)) for n in (1, 2))
    at = minute("202603140700")
    meter = MeterData(
        METER,
        reads=(
            RegisterRead(at.replace(second=30), "CUR", (late,)),
            RegisterRead(at.replace(second=10), "CUR", (early,)),
        ),
    )
    data, tally = write([meter], **REGISTERS)
    assert data.decode().rstrip().endswith(",1,202603140700,,2")
    assert tally.warnings.counts == {"CMW04": 2, "CMW05": 1, "CMW06": 1}


def test_register_interval() -> None:
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal(7), status=int(Status.RESET))
    for options, interval, flag in (
        ({}, "", ""),
        ({"register_interval": "00000100"}, "00000100", ""),
        ({"dialect": "sensus"}, "00000100", "R16384"),
        ({"dialect": "sensus", "register_interval": "empty"}, "", "R16384"),
    ):
        found = lines(reads(value), **REGISTERS, **options)[0].split(",")
        assert (found[12], found[15]) == (interval, flag)


def test_classes_and_rates_not_carried_are_counted() -> None:
    total = RegisterValue("SUM", "KWH", "DEL", value=Decimal(7))
    peak = RegisterValue("MAX", "KW", "DEL", value=Decimal(7))
    tier = RegisterValue("SUM", "KWH", "DEL", "A", value=Decimal(7))
    data, tally = write([reads(total, peak, tier)], **REGISTERS)
    assert data.count(b"\r\n") == 1
    assert (tally.registers, tally.warnings.counts) == (1, {"FMT14": 2, "CMW06": 1})
    text = refusal(reads(peak), on_unsupported="stop", **REGISTERS)
    assert text.startswith("FMT14 CMEP E10293847/KW DEL 2026-03-14T07:00:00Z: register class MAX")


# --- order, moves, counts -----------------------------------------------------------------------


def test_records_stand_by_meter_unit_and_time() -> None:
    meters = [
        MeterData(
            METER._replace(meter_number=name),
            (
                series("KWH", FIRST, ["1"] * 60, number=1),
                series("KWH", FIRST, ["1"], flow="REC", number=2),
            ),
            register("KWH", {"202603140700": "1"}),
        )
        for name in ("E1", "E2", "E20")
    ]
    found = [line.split(",") for line in lines(meters, include="both")]
    one = [("GKWH", "0715"), ("KWH", "0715"), ("KWH", "1915"), ("KWHREG", "0700")]
    assert [(f[7], f[10], f[14][-4:]) for f in found] == [
        (name, *rest) for name in ("E1", "E2", "E20") for rest in one
    ]


def test_a_move_in_mid_period_changes_the_header() -> None:
    here = series("KWH", FIRST, ["1"] * 2)
    there = series("KWH", "202603140745", ["2"] * 2)
    moved = METER._replace(account_id="SA2")
    meters = [
        MeterData(METER, (here,), register("KWH", {FIRST: "1", "202603140730": "3"})),
        MeterData(moved, (there,), register("KWH", {"202603140730": "3", "202603140800": "7"})),
    ]
    found = [line.split(",") for line in lines(meters, include="both")]
    assert [(f[3], f[10], f[13], f[14][-4:]) for f in found] == [
        ("SA0001234567", "KWH", "2", "0715"),
        ("SA2", "KWH", "2", "0745"),
        ("SA0001234567", "KWHREG", "2", "0715"),
        ("SA2", "KWHREG", "2", "0730"),
    ]


def test_frames_out_of_order_are_refused() -> None:
    meters = [of(KWH, meter_number="E2"), of(KWH, meter_number="E1")]
    with pytest.raises(ValueError, match="sorted by meter_number"):
        write(meters)


def test_parts_join_to_the_whole() -> None:
    meters = [of(KWH, meter_number=f"E{n}") for n in range(5)]
    ctx, whole = context(), io.BytesIO()
    tally = CMEP.write([Frame.of(meters)], ctx, whole)
    pieces, joined = [], Tally()
    for part in (meters[:2], meters[2:3], meters[3:]):
        out, own = io.BytesIO(), Tally()
        CMEP.write_frame(Frame.of(part), ctx, out, own)
        pieces.append(out.getvalue())
        joined.merge(own)
    assert b"".join(pieces) == whole.getvalue()
    assert joined == tally
    assert (tally.meters, tally.records, tally.intervals) == (5, 5, 40)


@BOTH
def test_counts(compiled: bool) -> None:
    meter = MeterData(
        METER, (series("KWH", FIRST, ["1"] * 60 + [None]),), register("KWH", {FIRST: "1"})
    )
    tally = write([meter], compiled, include="both")[1]
    assert (tally.meters, tally.records, tally.intervals) == (1, 3, 61)
    assert (tally.registers, tally.missing) == (1, 1)


def test_empty_frames_write_nothing() -> None:
    assert write([])[0] == b""
    assert write([MeterData(METER._replace(meter_number=""))], include="both")[0] == b""
    assert CMEP.empty == "none"


def test_wide_ids_are_warned_of_and_a_missing_receiver() -> None:
    meter = of(KWH, meter_number="E" * 13, account_id="A" * 14)
    tally = write([meter], receiver="", sender="S" * 17)[1]
    assert tally.warnings.counts == {"CMW01": 1, "CMW02": 3}


def test_sort_key_is_the_meter_id_of_the_setting() -> None:
    for setting, attribute in (
        ("MeterNumber", "meter_number"),
        ("serial_number", "serial_number"),
        ("deviceid", "device_id"),
    ):
        assert CMEP.order(CMEP.options_clean({"meter_id": setting})) == attribute


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
