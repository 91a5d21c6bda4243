"""The writer: header, slots, values, order and counts."""

import io
from decimal import Decimal

import numpy as np
import pytest

from devices.readings import (
    NEVER,
    Frame,
    MeterData,
    RegisterValue,
    Sheet,
    Status,
)
from exports.formats.base import Tally
from tests.exports.formats.cmep_cases import (
    EIGHT,
    FIRST,
    METER,
    PULSES,
    register,
    series,
)
from tests.exports.formats.cmep_tools import CMEP, context, fields, lines, of, reads, write

BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
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


def test_what_a_run_has_to_select() -> None:
    for include, intervals, registers in (
        ("intervals", True, False),
        ("registers", False, True),
        ("both", True, True),
    ):
        options = CMEP.options_clean({"include": include})
        assert CMEP.wants_intervals(options) is intervals
        assert CMEP.wants_registers(options) is registers
    assert CMEP.reads_at_end


def test_empty_frames_write_nothing() -> None:
    bare = Sheet(np.array([0]), [KWH.channel], KWH.ends[:0], KWH.counts[None, :0], None)
    assert write(Frame([METER], [bare]))[0] == b""
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
