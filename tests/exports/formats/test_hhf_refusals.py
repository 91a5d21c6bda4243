"""What HHF-X1 refuses, or leaves out with a warning: section 4 of its page."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from devices.readings import Event, Frame, RegisterRead, RegisterValue, Status
from exports.formats import get
from exports.formats.base import OptionError, Tally
from exports.formats.hhf import entries
from tests.exports.formats.records216_tools import (
    METER,
    at,
    both,
    context,
    frame,
    refusal,
    sheet,
    write,
)

DAY = [100] * 96
ENDLESS = Decimal("1." + "1" * 30)
HHF = get("hhf")


def register(value: str, time: str = "202403010000", **words: Any) -> list[RegisterRead]:
    own = structs.replace(RegisterValue("SUM", "KWH", "DEL", value=Decimal(value)), **words)
    return [RegisterRead(at(time), "CUR", (own,))]


@pytest.mark.parametrize(
    ("data", "words", "text"),
    [
        (
            frame(sheet(DAY), device=METER._replace(serial_number="S" * 21)),
            {},
            "HHX01 HHF UTIL000123: serial: 21 characters, at most 20",
        ),
        (
            frame(sheet(DAY), device=METER._replace(device_id="D" * 15)),
            {},
            "HHX01 HHF DDDDDDDDDDDDDDD: recorder: 15 characters, at most 14",
        ),
        (
            frame(sheet(DAY), device=METER._replace(device_id="MÜNCHEN")),
            {},
            "FMT05 HHF MÜNCHEN: device: character U+00DC",
        ),
        (
            frame(sheet([100, 110, *DAY[2:]])),
            {"value_kind": "P", "pulse_multipliers": "1=0.25"},
            "HHX03 HHF UTIL000123/1 2024-03-01T05:30:00Z: value 1.10 is no whole number of pulses",
        ),
        (
            frame(sheet([1 << 32, *DAY[1:]])),
            {"value_kind": "P"},
            "HHX03 HHF UTIL000123/1 2024-03-01T05:15:00Z: value 42949672.96",
        ),
        (
            frame(sheet([1 << 62, *DAY[1:]])),
            {"value_kind": "P", "pulse_multipliers": "*=0.003"},
            "HHX03 HHF UTIL000123/1 2024-03-01T05:15:00Z",
        ),
        (
            frame(sheet([-1, *DAY[1:]])),
            {"value_kind": "P"},
            "FMT09 HHF UTIL000123/1 2024-03-01T05:15:00Z: negative",
        ),
        (
            frame(sheet(DAY, resolution=Decimal("1E38"))),
            {},
            "FMT07 HHF UTIL000123/1 2024-03-01T05:15:00Z: value: number",
        ),
        (
            frame(sheet(DAY), sheet([1] * 24, number=2, unit="KVAH", seconds=3600)),
            {},
            "HHX05 HHF UTIL000123: channels of different lengths (900, 3600 s)",
        ),
        (
            frame(sheet(DAY[:48]), sheet(DAY[48:], start="202403011200", unit="KVARH")),
            {},
            "HHX06 HHF UTIL000123: channel 1 changes its unit",
        ),
        (frame(sheet(DAY, number=1000)), {}, "FMT07 HHF UTIL000123: channel number 1000 is not"),
        (frame(sheet(DAY, unit="V")), {"on_unsupported": "stop"}, "FMT08 HHF UTIL000123/1: unit V"),
        (
            frame(sheet(DAY), reads=register("1", unit="KW")),
            {"skip_registers": "no"},
            "FMT08 HHF UTIL000123/SUM KW: unit KW",
        ),
        (
            frame(sheet(DAY), reads=register("1", flow="NET")),
            {"skip_registers": "no"},
            "FMT13 HHF UTIL000123/SUM KWH: flow NET",
        ),
        (frame(sheet(DAY), reads=register("-1")), {}, "FMT09 HHF UTIL000123/1: negative value -1"),
        (
            frame(sheet(DAY), reads=register("-1", "202403011200")),
            {},
            "FMT09 HHF UTIL000123/register 1: negative value -1",
        ),
        (
            frame(sheet(DAY), reads=register("NaN", "202403011200")),
            {},
            "FMT10 HHF UTIL000123/register 1: value is not",
        ),
        (frame(sheet(DAY), reads=register("Infinity")), {}, "FMT10 HHF UTIL000123/1: value is"),
        (frame(sheet(DAY), reads=register("1E400")), {}, "FMT07 HHF UTIL000123/1: start_register"),
        (
            frame(
                sheet(DAY), reads=register("1", "202403011200", multiplier=Decimal("1." + "1" * 30))
            ),
            {},
            "FMT07 HHF UTIL000123: multiplier",
        ),
        (
            frame(sheet(DAY, resolution=Decimal("0.1234567890123456789"))),
            {"value_kind": "P"},
            "FMT07 HHF UTIL000123/1: pulse",
        ),
        (
            frame(sheet(DAY, {3: int(Status.MISSING | Status.EDITED)})),
            {},
            "FMT12 HHF UTIL000123/1 2024-03-01T06:00:00Z",
        ),
        (frame(sheet(DAY)), {"end": at("202403020007")}, "FMT18 HHF UTIL000123/1"),
        (
            frame(sheet([1], seconds=60)),
            {"end": at("202403010000") + timedelta(minutes=8998 * 24 + 1)},
            "HHX02 HHF UTIL000123: 8999 interval records: too many",
        ),
    ],
    ids=lambda value: value[:8] if isinstance(value, str) else "",
)
def test_a_refusal_says_where_and_why(data: Frame, words: dict[str, Any], text: str) -> None:
    assert refusal("hhf", data, **words).startswith(text)


def test_a_period_of_a_meter_without_channels_begins_on_a_minute() -> None:
    words = {"start": at("20240301000030")}
    one = frame(reads=register("1", "202403011200"))
    assert refusal("hhf", one, **words).startswith("FMT02 HHF UTIL000123: time start")


def test_counts_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MOST", 1)
    two = tuple(
        RegisterValue("SUM", "KWH", "DEL", rate, value=Decimal(1), number=1) for rate in "AB"
    )
    reads = [RegisterRead(at("202403011200"), "CUR", two)]
    assert refusal("hhf", frame(sheet(DAY), reads=reads)).startswith(
        "HHX02 HHF UTIL000123: 2 register entries: too many"
    )
    events = {0: [Event("PWR_UP", at("202403011200"))] * 2}
    assert refusal("hhf", Frame([METER], [sheet(DAY)], events=events)).startswith(
        "HHX02 HHF UTIL000123: 2 event entries: too many"
    )


def test_meters_have_an_end() -> None:
    ctx = context("hhf")
    with pytest.raises(Exception, match="HHX02 HHF: 65536 meters: too many"):
        HHF.begin(ctx, None, Tally(meters=65536))  # type: ignore[arg-type]


def test_meters_of_different_standard_offsets_do_not_share_a_file() -> None:
    devices = [METER._replace(device_id="D0"), METER._replace(device_id="D1", time_zone="UTC")]
    two = Frame(devices, [sheet(DAY, device=n, grid_offset=None) for n in (0, 1)])
    text = refusal("hhf", two)
    assert text == "HHX04 HHF: standard offsets -300 min, +0 min in one file"


def test_shortened_identifiers_must_not_become_the_same() -> None:
    devices = [METER._replace(device_id=f"{n}" + "D" * 14, serial_number="") for n in (0, 1)]
    two = Frame(devices, [sheet(DAY, device=n) for n in (0, 1)])
    text = refusal("hhf", two, overflow_ids="keep_last")
    assert text.startswith("HHX01 HHF: recorder DDDDDDDDDDDDDD: two shortened identifiers")


def test_a_bad_meter_is_left_out_where_the_run_says_so() -> None:
    devices = [METER._replace(device_id=f"D{n}") for n in (0, 1, 2)]
    rows = [sheet(DAY, device=n) for n in (0, 2)]
    reads = {1: register("-1", "202403011200"), 2: register("-1")}
    data, tally = both("hhf", Frame(devices, rows, reads), on_error="skip_meter")
    assert [(item.device.device_id, item.code) for item in tally.left_out] == [
        *(("D1", "FMT09"), ("D2", "FMT09"))
    ]
    assert data == write("hhf", Frame(devices[:1], rows[:1]))[0]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("read_types", "CUR XX"),
        ("pulse_multipliers", "KWH=0"),
        ("pulse_multipliers", "KWH=x"),
        ("pulse_multipliers", "KWH=NaN"),
        ("pulse_multipliers", "FEET=1"),
        ("pulse_multipliers", "*=0.12345678901234567890123"),
        ("unit_codes", "KW=1"),
    ],
)
def test_options_that_make_no_sense_are_refused(option: str, value: str) -> None:
    with pytest.raises(OptionError, match=option):
        HHF.options_clean({option: value}, "write")


def test_a_resolution_that_is_none_is_refused() -> None:
    with pytest.raises(OptionError, match="resolutions"):
        HHF.options_clean({"resolutions": "KWH=0"}, "read")
