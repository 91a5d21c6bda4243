"""What HHF-X1 writes, field by field: sections 1 to 4 of its page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from devices.readings import (
    NEVER,
    Arrival,
    Event,
    Frame,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports.formats import get
from exports.formats.hhf.tables import (
    CHANNEL_HEADER,
    EVENT,
    FILE,
    METER_HEADER,
    REGISTER,
)
from exports.formats.records216.layouts import EVENTS, REGISTERS
from tests.exports.formats.records216_tools import (
    METER,
    MISSING,
    at,
    both,
    codes,
    context,
    frame,
    records,
    sheet,
)

DAY = [100] * 96
HHF = get("hhf")


def entries(data: bytes, code: int) -> list[dict[str, Any]]:
    """The entries of a file's registers or events."""
    layout = REGISTER if code == REGISTERS else EVENT
    found = []
    for record in records(data):
        if record[2:4] == code.to_bytes(2, "little"):
            body = record[24:]
            cut = [body[n : n + layout.length] for n in range(0, 192, layout.length)]
            found += [layout.get(one) for one in cut if one[:2] != b"\0\0"]
    return found


def register(name: str = "SUM", value: object = 5, **words: Any) -> RegisterValue:
    amount = None if value is None else Decimal(str(value))
    return structs.replace(RegisterValue(name, "KWH", "DEL", value=amount), **words)


def read_at(time: str, *values: RegisterValue, **words: Any) -> RegisterRead:
    return RegisterRead(at(time), words.pop("read_type", "CUR"), values, **words)


# --- headers ----------------------------------------------------------------------------------


def test_records_follow_one_another_and_are_counted() -> None:
    data, tally = both("hhf", frame(sheet(DAY), sheet(DAY, number=20, unit="KVARH")))
    assert codes(data) == [1, 2, *[10, 1001, 1002, 1003, 1004] * 2, 9999]
    assert tally.records == len(data) // 216 == 13
    meter = METER_HEADER.get(records(data)[1])
    assert (meter["channels"], meter["registers"], meter["events"]) == (2, 0, 0)
    assert (meter["per_hour"], meter["class"], meter["serial"]) == (4, "GENERIC", "SN12345678")
    assert (meter["method"], meter["status"], meter["status_word"]) == ("A", "A", 0)
    assert (meter["meter_clock"], meter["reader_clock"]) == (None, None)


def test_the_file_header_says_whose_and_when() -> None:
    created = datetime(2024, 7, 2, 4, 0, 59, tzinfo=UTC)
    data, _ = both("hhf", frame(sheet(DAY)), created=created, producing_system="TMS")
    header = FILE.get(records(data)[0])
    assert (header["signature"], header["system"], header["reader"]) == ("HHFX0001", "TMS", "")
    assert (header["meters"], header["offset"], header["daylight"]) == (1, -300, "N")
    assert data[12:26] == b"20240701230059"
    assert data[-12:] == b"202407012300"
    assert header["route"] == ""


@pytest.mark.parametrize(
    ("groups", "route"),
    [
        ([("CYCLE01", ()), ("CYCLE01", ("X",))], "CYCLE01"),
        ([("CYCLE01", ()), ("CYCLE02", ())], ""),
        ([("", ("NORTH",)), ("", ("NORTH",))], "NORTH"),
        ([("", ("NORTH", "SOUTH")), ("", ("NORTH", "SOUTH"))], ""),
    ],
)
def test_the_route_is_the_group_that_all_meters_share(groups: Any, route: str) -> None:
    devices = [
        METER._replace(device_id=f"D{n}", bill_cycle=cycle, groups=others)
        for n, (cycle, others) in enumerate(groups)
    ]
    data, _ = both("hhf", Frame(devices, [sheet(DAY, device=n) for n in (0, 1)]))
    assert FILE.get(records(data)[0])["route"] == route
    assert FILE.get(records(data)[0])["meters"] == 2


def test_offsets_east_of_half_an_hour() -> None:
    start = datetime(2024, 2, 29, 18, 30, tzinfo=UTC)
    one = sheet(DAY, start="202402291830", zone=UTC, grid_offset=None)  # type: ignore[arg-type]
    words = {"start": start, "end": start + timedelta(days=1)}
    data, _ = both("hhf", frame(one, device=METER._replace(time_zone="Asia/Kolkata")), **words)
    assert FILE.get(records(data)[0])["offset"] == 330
    assert data[216 + 108 : 216 + 132] == b"202403010001" + b"202403012400"


def test_the_channel_header_is_of_the_channel() -> None:
    one = sheet(DAY, number=321, unit="KVARH", flow="REC", multiplier=Decimal("40.5"))
    data, _ = both("hhf", frame(one), recorder="MeterNumber")
    header = CHANNEL_HEADER.get(records(data)[2])
    assert (header["number"], header["unit"], header["flow"]) == (321, "05", "R")
    assert (header["label"], header["intervals"]) == ("KVARH R", 96)
    assert (header["pulse"], header["multiplier"]) == (1, Decimal("40.5"))
    assert (header["start_register"], header["start_time"]) == (0, None)
    assert METER_HEADER.get(records(data)[1])["recorder"] == "M000123"


def test_readings_stand_with_their_true_minute_dials_and_decimals() -> None:
    first = register(value="1000.5", dials=6, decimals=1)
    found = [read_at("202402292357", first), read_at("202403020001", first)]
    data, tally = both("hhf", frame(sheet(DAY), reads=found), registers="no")
    header = CHANNEL_HEADER.get(records(data)[2])
    assert (header["start_register"], header["stop_register"]) == (Decimal("1000.5"),) * 2
    assert data[432 + 96 : 432 + 120] == b"202402292357202403020001"
    assert (header["dials"], header["decimals"]) == (6, 1)
    assert tally.registers == 2


def test_a_real_zero_has_a_time() -> None:
    data, _ = both("hhf", frame(sheet(DAY), reads=[read_at("202403010000", register(value=0))]))
    assert data[432 + 96 : 432 + 120] == b"202403010000" + b" " * 12


def test_pulses_are_whole_counts_of_their_weight() -> None:
    words = {"value_kind": "P", "pulse_multipliers": "KWH DEL=0.25;7=0.5;*=1"}
    rows = [
        sheet(DAY),
        sheet(DAY, number=7, unit="KVAH"),
        sheet([500] * 96, number=8, unit="KVARH", resolution=Decimal("0.1")),
    ]
    data, _ = both("hhf", frame(*rows), **words)
    found = [record for record in records(data) if record[2:4] == b"\x0a\x00"]
    headers = [CHANNEL_HEADER.get(record) for record in found]
    assert [one["pulse"] for one in headers] == [Decimal("0.25"), Decimal("0.5"), 1]
    assert {one["value_type"] for one in headers} == {"U"}
    firsts = [records(data)[place][24:28] for place in (3, 8, 13)]
    assert [int.from_bytes(one, "little") for one in firsts] == [4, 2, 50]
    assert FILE.get(records(data)[0])["value_kind"] == "P"


def test_without_a_weight_a_pulse_is_the_channels_resolution() -> None:
    data, _ = both("hhf", frame(sheet(DAY)), value_kind="P")
    assert CHANNEL_HEADER.get(records(data)[2])["pulse"] == Decimal("0.01")
    assert int.from_bytes(records(data)[3][24:28], "little") == 100


def test_pulses_of_all_eras_are_those_that_the_header_states() -> None:
    first = sheet([100] * 48, resolution=Decimal("0.05"))
    second = sheet(DAY[:48], start="202403011200")
    data, _ = both("hhf", frame(first, second), value_kind="P")
    assert CHANNEL_HEADER.get(records(data)[2])["pulse"] == Decimal("0.01")
    cells = [records(data)[place][24:28] for place in (3, 5)]
    assert [int.from_bytes(one, "little") for one in cells] == [500, 100]


# --- registers --------------------------------------------------------------------------------


def test_the_latest_read_of_the_period_is_written() -> None:
    found = [
        read_at("202402292359", register(value=1)),
        read_at("202403010600", register(value=2)),
        read_at("202403011800", register(value=3), read_type="OD"),
        read_at("202403011900", register(value=4), read_type="SR"),
        read_at("202403020001", register(value=5)),
    ]
    data, tally = both("hhf", frame(sheet(DAY), reads=found))
    [entry] = entries(data, REGISTERS)
    assert (entry["reading"], entry["class"], entry["rate"]) == (3, "T", "0")
    assert tally.warnings.counts == {"HHW04": 2}
    data, _ = both("hhf", frame(sheet(DAY), reads=found), read_types="SR")
    assert entries(data, REGISTERS)[0]["reading"] == 4


def test_registers_stand_by_number_rate_and_class() -> None:
    peak = at("202403011715")
    values = [
        register("CUM", 9, number=3),
        register("MAX", "4.5", number=3, peak_time=peak),
        register(number=2, rate="H"),
        register(number=2),
        register(number=1, rate="A", multiplier=Decimal(40)),
        register("MAX", 1, rate="B"),
    ]
    data, tally = both("hhf", frame(sheet(DAY), reads=[read_at("202403012000", *values)]))
    found = entries(data, REGISTERS)
    assert [(one["number"], one["rate"], one["class"]) for one in found] == [
        *((1, "1", "T"), (2, "0", "T"), (2, "8", "T")),
        *((3, "0", "M"), (3, "0", "C"), (4, "2", "M")),
    ]
    assert [one["multiplier"] for one in found[:2]] == [40, 1]
    start = int(at("202403010000").timestamp()) - 18000
    assert found[3]["time"] - start == 17 * 3600 + 900
    assert found[4]["time"] - start == 20 * 3600
    assert found[5]["time"] is None
    assert codes(data).count(REGISTERS) == 2
    assert METER_HEADER.get(records(data)[1])["registers"] == 6
    assert tally.registers == 6


def test_what_has_no_entry_is_left_out_and_counted() -> None:
    values = [
        register("PRES"),
        register("CCUM"),
        register("COIN"),
        register("MAX", occurrence=2),
        register(value=None, status=MISSING),
        register(unit="KW"),
        register(flow="NET"),
        register(number=7),
    ]
    data, tally = both("hhf", frame(sheet(DAY), reads=[read_at("202403012000", *values)]))
    assert [one["number"] for one in entries(data, REGISTERS)] == [7]
    assert tally.warnings.counts == {"HHW05": 5, "HHW06": 2}


def test_seconds_are_cut_and_the_period_end_is_2400() -> None:
    one = read_at("20240301235959", register(number=1))
    data, tally = both("hhf", frame(sheet(DAY), reads=[one]))
    assert tally.warnings.counts == {"HHW01": 2}  # the entry's time, and the stop reading's
    place = data.index(b"202403012359", 1500)
    assert place > 0
    data, _ = both("hhf", frame(sheet(DAY), reads=[read_at("202403020000", register(number=1))]))
    assert data[7 * 216 + 24 + 16 :][:12] == b"202403012400"


def test_a_registers_quality_is_that_of_the_channel_word() -> None:
    mask = int(
        Status.ESTIMATED | Status.EDITED | Status.QUESTIONABLE | Status.OVERFLOW | Status.RESET
    )
    found = read_at("202403012000", register(status=mask))
    data, _ = both("hhf", frame(sheet(DAY), reads=[found]))
    assert entries(data, REGISTERS)[0]["quality"] == 0x3C


def test_a_reading_has_its_open_multiplier_applied() -> None:
    value = register(value=7, multiplier=Decimal(40), multiplier_applied=False)
    data, _ = both("hhf", frame(sheet(DAY), reads=[read_at("202403012000", value)]))
    [entry] = entries(data, REGISTERS)
    assert (entry["reading"], entry["multiplier"]) == (280, 40)


@pytest.mark.parametrize(
    ("text", "word", "odd"),
    [("", 0, 0), ("0000A1F0", 0xA1F0, 0), ("no hex", 0, 1), ("1" + "0" * 8, 0, 1)],
)
def test_the_status_word_is_that_of_the_read(text: str, word: int, odd: int) -> None:
    found = read_at("202403012000", register(), status_word=text)
    data, tally = both("hhf", frame(sheet(DAY), reads=[found]))
    assert METER_HEADER.get(records(data)[1])["status_word"] == word
    assert tally.warnings.counts == ({"HHW08": 1} if odd else {})


# --- time of read -----------------------------------------------------------------------------


def read_time(data: bytes) -> bytes:
    return data[216 + 68 : 216 + 80]


def test_the_time_of_read_is_when_the_register_read_came() -> None:
    received = at("20240302003059")
    one = read_at("202403012000", register(), received=received)
    assert read_time(both("hhf", frame(sheet(DAY), reads=[one]))[0]) == b"202403020030"
    one = read_at("202403012000", register())
    assert read_time(both("hhf", frame(sheet(DAY), reads=[one]))[0]) == b"202403012000"


def test_without_registers_it_is_when_the_newest_interval_came() -> None:
    numbers = np.full((1, 96), 4)
    numbers[0, 90:] = [5, 5, 6, 6, 6, 6]
    one = replace(sheet(DAY, {94: NEVER, 95: NEVER}), numbers=numbers)
    whole = replace(sheet(DAY, number=2, unit="KVAH"), numbers=np.full((1, 96), 9))
    none = replace(sheet([], number=3), numbers=np.zeros((1, 0), np.int64))
    arrivals = {
        6: Arrival(at("202403020600"), "SC"),
        9: Arrival(at("202403020900"), "SC"),
    }
    data, _ = both("hhf", Frame([METER], [one, none], arrivals=arrivals))
    assert read_time(data) == b"202403020600"
    data, _ = both("hhf", Frame([METER], [one, whole], arrivals=arrivals))
    assert read_time(data) == b"202403020900"


def test_where_nobody_knows_it_is_when_the_file_is_made() -> None:
    assert read_time(both("hhf", frame(sheet(DAY)))[0]) == b"202403020015"


# --- events -----------------------------------------------------------------------------------


def test_events_stand_by_time_channel_and_code() -> None:
    day = [
        ("PWR_OUTAGE", "20240301101500"),
        ("PWR_DOWN", "20240301101501"),
        ("PWR_RESTORE", "20240301110000"),
        ("PWR_UP", "20240301110000"),
        ("TIME_CHANGED", "20240301120000"),
        ("DEMAND_RESET", "20240301000000"),
        ("TEST_MODE_ON", "20240301130000"),
        ("CLOCK_ERR", "20240301140000"),
        ("RAM_FAIL", "20240301150000"),
        ("ROM_FAIL", "20240301150001"),
        ("NVM_FAIL", "20240301150002"),
    ]
    events = [Event(code, at(time), duration=90) for code, time in reversed(day)]
    events.append(Event("COVER_REMOVED", at("20240301160000"), category="TAMP"))
    events.append(Event("LOW_BATTERY", at("20240301160000")))
    events.append(Event("PWR_OUTAGE", at("202403020000")))
    events.append(Event("PWR_OUTAGE", None))
    gaps = dict.fromkeys([40, 41, 95], MISSING)
    one = Frame([METER], [sheet(DAY, gaps)], events={0: events})
    data, tally = both("hhf", one)
    found = entries(data, EVENTS)
    assert [(one["code"], one["channel"], one["argument"]) for one in found] == [
        *((4, 0, 90), (1, 0, 90), (6, 1, 1800), (1, 0, 90), (2, 0, 90), (2, 0, 90)),
        *((3, 0, 90), (5, 0, 90), (7, 0, 90), (8, 0, 90), (8, 0, 90), (8, 0, 90)),
        *((9, 0, 0), (6, 1, 900)),
    ]
    assert METER_HEADER.get(records(data)[1])["events"] == 14
    assert codes(data).count(EVENTS) == 2
    assert tally.warnings.counts == {"HHW07": 1}


def test_events_may_be_left_out() -> None:
    one = Frame(
        [METER],
        [sheet(DAY, {3: MISSING})],
        events={0: [Event("PWR_UP", at("202403010100"))]},
    )
    data, _ = both("hhf", one, events="no")
    assert EVENTS not in codes(data)
    assert not HHF.wants_events(context("hhf", events="no").options)
