"""Register reads as `*REG` (section 7 of the specification)."""

from decimal import Decimal

import pytest

from devices.readings import (
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from tests.exports.formats.cmep_cases import (
    EIGHT,
    FIRST,
    METER,
    minute,
    register,
    series,
)
from tests.exports.formats.cmep_tools import lines, reads, refusal, write

BOTH = pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
KWH = series("KWH", FIRST, EIGHT)
REGISTERS = {"include": "registers"}


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
