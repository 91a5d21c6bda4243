"""What MV-90 writes, field by field: section 2 to 6 of its page."""

import struct
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest

from devices.readings import CHANGED, NEVER, Frame, RegisterRead, RegisterValue, Status
from exports.formats import get
from exports.formats.mv90.tables import CHANNEL_HEADER, METER
from exports.formats.records216.layouts import TRAILER
from tests.exports.formats.records216_tools import (
    METER as DEVICE,
    MISSING,
    at,
    both,
    codes,
    frame,
    patch,
    read,
    reads,
    records,
    sheet,
)

DAY = [100] * 96
MV90 = get("mv90")


def header(data: bytes, record: int = 1) -> dict[str, object]:
    layout = METER if record == 0 else CHANNEL_HEADER
    return layout.get(records(data)[record])


def cell(data: bytes, place: int, record: int = 2) -> tuple[float, int, int]:
    """Value, channel word and interval word of a channel's cell."""
    record, place = record + place // 24, place % 24
    return struct.unpack_from("<fHH", records(data)[record], 24 + 8 * place)


# --- frame ------------------------------------------------------------------------------------


def test_records_follow_one_another_and_are_counted() -> None:
    data, tally = both("mv90", frame(sheet(DAY), sheet(DAY, number=4, unit="KVARH")))
    assert codes(data) == [1, *[10, 1001, 1002, 1003, 1004] * 2, 9999]
    assert TRAILER.get(records(data)[-1])["records"] == len(data) // 216 == tally.records
    assert (tally.meters, tally.intervals, tally.missing) == (1, 192, 0)
    assert {record[4:24] for record in records(data)[:-1]} == {b"UTIL000123".ljust(20)}


def test_channels_stand_by_number_whatever_their_order() -> None:
    rows = [sheet(DAY, number=number, unit="KVAH") for number in (7, 2)]
    data, _ = both("mv90", frame(*rows))
    assert [header(data, record)["DC_LOGCHAN"] for record in (1, 6)] == [2, 7]
    assert header(data, 0)["CM_LOGCHANS"] == 2


def test_a_channel_without_any_interval_is_written_as_missing() -> None:
    silent = sheet([0] * 96, dict.fromkeys(range(96), NEVER), number=2, unit="KVARH")
    data, tally = both("mv90", frame(sheet(DAY), silent))
    assert [cell(data, place, 7) for place in (0, 95)] == [(0.0, 0, 0x40)] * 2
    assert tally.missing == 96


def test_the_trailer_is_stamped_in_standard_time_without_seconds() -> None:
    created = datetime(2024, 7, 2, 4, 0, 59, tzinfo=UTC)
    data, _ = both("mv90", frame(sheet(DAY)), created=created)
    assert data[-12:] == b"202407012300"


# --- headers ----------------------------------------------------------------------------------


def test_a_plain_header_leaves_names_blank() -> None:
    data, _ = both("mv90", frame(sheet(DAY)), account="no")
    assert data[24:104].strip() == b""


def test_names_are_cut_at_twenty_and_keep_to_windows_1252() -> None:
    device = DEVICE._replace(service_point_id="X" * 24, premise_id="Zürich", feeder_id="Łódź")
    words = {"name": "ServicePointID", "addr1": "PremiseID", "addr2": "FeederID"}
    data, tally = both("mv90", frame(sheet(DAY), device=device), **words)
    assert data[24:84] == b"X" * 20 + b"Z\xfcrich".ljust(20) + b"?\xf3d?".ljust(20)
    assert tally.warnings.counts == {"MDW01": 1, "MDW04": 1}


@pytest.mark.parametrize(
    ("option", "value", "field", "text"),
    [
        ("recid", "MeterNumber", "DC_RECID", "M000123"),
        ("meterid", "MeterNumber", "DC_METERID", "M000123"),
        ("meterid", "label", "DC_METERID", "KWH D"),
        ("serv_type", "D", "DC_SERVTYPE", "D"),
        ("physical", "1=9", "DC_PYSCHAN", 9),
        ("unit_codes", "KWH=31", "DC_UMCODE", "31"),
    ],
)
def test_options_of_the_channel_header(option: str, value: str, field: str, text: object) -> None:
    data, _ = both("mv90", frame(sheet(DAY)), **{option: value})
    assert header(data)[field] == text


@pytest.mark.parametrize(
    ("option", "key"),
    [("DeviceID", b"UTIL000123"), ("MeterNumber", b"M000123"), ("AccountID", b"ACC-0001")],
)
def test_the_key_is_what_custid_says(option: str, key: bytes) -> None:
    data, _ = both("mv90", frame(sheet(DAY)), custid=option)
    assert {record[4:24] for record in records(data)[:-1]} == {key.ljust(20)}
    device = next(iter(read("mv90", data, custid=option)[0])).device
    assert key.decode() in (device.device_id, device.meter_number, device.account_id)


def test_received_energy_and_demand_have_their_letters() -> None:
    rows = [
        sheet(DAY, flow="REC"),
        sheet(DAY, number=2, unit="KW", value_type="D"),
        sheet(DAY, number=3, unit="V", value_type="V"),
    ]
    data, _ = both("mv90", frame(*rows), unit_codes="KW=21;V DEL=07")
    found = [header(data, record) for record in (1, 6, 11)]
    assert [one["DC_UMCODE"] for one in found] == ["02", "21", "07"]
    assert [one["DC_FLOW"] for one in found] == ["R", "D", "D"]
    assert [one["DC_SERVTYPE"] for one in found] == ["W", "D", "D"]


@pytest.mark.parametrize(
    ("seconds", "per_hour"),
    [
        *((60, "60"), (120, "30"), (180, "20"), (240, "15"), (300, "12"), (360, "10")),
        *((600, "06"), (720, "05"), (900, "04"), (1200, "03"), (1800, "02"), (3600, "01")),
    ],
)
def test_every_length_has_its_number_an_hour(seconds: int, per_hour: str) -> None:
    data, _ = both("mv90", frame(sheet([1] * (86400 // seconds), seconds=seconds)))
    assert data[216 + 177 : 216 + 179] == per_hour.encode()
    [meter], _ = read("mv90", data)
    assert meter.series[0].channel.seconds == seconds


def test_the_mainframe_profile_has_its_name_and_byte_92() -> None:
    options = {"profile": "mainframe", "byte92": "V"}
    data, _ = both("mv90", frame(sheet(DAY)), **options)
    assert data == patch(both("mv90", frame(sheet(DAY)))[0], 1, 92, b"V")
    clean = MV90.options_clean(options, "write")
    assert MV90.name_pattern(clean) == "MV90_{export}_{batch}.mv9"


def test_multipliers_are_stated_and_the_open_ones_applied() -> None:
    applied = sheet(DAY, multiplier=Decimal("40.5"))
    open_one = sheet(DAY, number=2, unit="KVAH", multiplier=Decimal(80), multiplier_applied=False)
    unknown = sheet(DAY, number=3, unit="KVARH", multiplier=None, multiplier_applied=None)
    data, _ = both("mv90", frame(applied, open_one, unknown))
    found = [header(data, record)["DC_MMULT"] for record in (1, 6, 11)]
    assert found == [Decimal("40.5"), 80, 1]
    assert data[216 + 126 : 216 + 136] == b"000040.500"
    assert [cell(data, 0, record)[0] for record in (2, 7, 12)] == [1.0, 80.0, 1.0]


# --- readings ---------------------------------------------------------------------------------


def readings(data: bytes) -> tuple[bytes, bytes]:
    return data[216 + 101 : 216 + 113], data[216 + 113 : 216 + 125]


def test_readings_within_one_interval_of_the_borders_are_taken() -> None:
    found = reads(
        *(("202402292344", "1"), ("202402292345", "2"), ("202403010003", "3")),
        *(("202403011200", "4"), ("202403020001", "5"), ("202403020015", "6")),
    )
    data, tally = both("mv90", frame(sheet(DAY), reads=found))
    assert readings(data) == (b"00000003.000", b"00000005.000")
    assert tally.registers == 2


def test_of_two_readings_as_near_the_earlier_is_taken() -> None:
    found = reads(("202402292355", "2"), ("202403010005", "3"))
    data, _ = both("mv90", frame(sheet(DAY), reads=found))
    assert readings(data) == (b"00000002.000", b"00000000.000")


def test_frozen_reads_other_registers_and_nulls_are_no_readings() -> None:
    at_start = at("202403010000")
    others = [
        RegisterValue("MAX", "KWH", "DEL", value=Decimal(1)),
        RegisterValue("SUM", "KWH", "DEL", "A", value=Decimal(2)),
        RegisterValue("SUM", "KWH", "REC", value=Decimal(3)),
        RegisterValue("SUM", "KWH", "DEL", value=None, status=MISSING),
    ]
    found = [RegisterRead(at_start, "CUR", (one,)) for one in others]
    found += reads(("202403010000", "9"), read_type="PDR")
    found += reads(("202403010000", "9"), read_type="PSN")
    data, tally = both("mv90", frame(sheet(DAY), reads=found))
    assert readings(data) == (b"00000000.000",) * 2
    assert tally.registers == 0


def test_a_reading_is_of_no_channel_where_two_measure_the_same() -> None:
    found = reads(("202403010000", "9"))
    data, _ = both("mv90", frame(sheet(DAY), sheet(DAY, number=2), reads=found))
    assert readings(data) == (b"00000000.000",) * 2


def test_readings_have_their_open_multiplier_applied() -> None:
    value = RegisterValue(
        "SUM", "KWH", "DEL", value=Decimal(7), multiplier=Decimal(40), multiplier_applied=False
    )
    found = [RegisterRead(at("202403010000"), "SR", (value,))]
    data, _ = both("mv90", frame(sheet(DAY), reads=found))
    assert readings(data)[0] == b"00000280.000"


# --- time -------------------------------------------------------------------------------------


def period(data: bytes) -> tuple[bytes, bytes]:
    return data[119:131], data[131:143]


@pytest.mark.parametrize(
    ("start", "end", "cells", "stamps"),
    [
        # America/Chicago, local prevailing days of 23, 24 and 25 hours (section 4).
        ("2024-03-10T06:00", "2024-03-11T05:00", 23, ("202403100001", "202403102300")),
        ("2024-07-01T05:00", "2024-07-02T05:00", 24, ("202406302301", "202407012300")),
        ("2024-11-03T05:00", "2024-11-04T06:00", 25, ("202411022301", "202411032400")),
    ],
)
def test_local_days_in_standard_time(
    start: str, end: str, cells: int, stamps: tuple[str, str]
) -> None:
    first = datetime.fromisoformat(start).replace(tzinfo=UTC)
    one = sheet([1] * cells, start=first.strftime("%Y%m%d%H%M"), zone=UTC, seconds=3600)  # type: ignore[arg-type]
    device = DEVICE._replace(time_zone="America/Chicago")
    last = datetime.fromisoformat(end).replace(tzinfo=UTC)
    data, tally = both("mv90", frame(one, device=device), start=first, end=last)
    assert period(data) == tuple(stamp.encode() for stamp in stamps)
    assert tally.intervals == cells


def test_a_start_at_one_minute_to_midnight_is_0000_of_the_next_day() -> None:
    one = sheet([1] * 2, start="202403012359", seconds=60)
    words = {"start": at("202403012359"), "end": at("202403020001")}
    data, _ = both("mv90", frame(one), **words)
    assert period(data) == (b"202403020000", b"202403020001")


def test_trim_cuts_what_all_channels_miss() -> None:
    first = sheet(DAY, {**dict.fromkeys(range(10), NEVER), 95: MISSING})
    second = sheet(DAY, dict.fromkeys([*range(8), 94, 95], MISSING), number=2, unit="KVARH")
    data, tally = both("mv90", frame(first, second), trim="yes")
    assert period(data) == (b"202403010201", b"202403012345")
    assert (tally.intervals, tally.missing) == (2 * 87, 3)


def test_only_what_is_new_and_what_stands_between_in_mode_in() -> None:
    marks = {10: CHANGED, 20: CHANGED | MISSING, 15: int(Status.EDITED), 16: NEVER}
    words = {"mode": "IN"}
    data, tally = both("mv90", frame(sheet(DAY, marks)), **words)
    assert period(data) == (b"202403010231", b"202403010515")
    assert tally.intervals == 11
    assert [cell(data, place) for place in (0, 5, 6, 10)] == [
        *((1.0, 0, 0), (1.0, 4, 0), (0.0, 0, 0x40), (0.0, 0, 0x40))
    ]


def test_channels_without_a_slot_in_the_span_are_missing_in_mode_in() -> None:
    """What is new of one channel lies after, or before, all that there is of another."""
    news = sheet(DAY, {50: CHANGED, 51: CHANGED})
    before = sheet(DAY[:20], number=2, unit="KVARH")
    after = sheet(DAY[:20], number=3, unit="KVAH", start="202403011900")
    data, tally = both("mv90", frame(news, before, after), mode="IN")
    assert (tally.intervals, tally.missing) == (6, 4)
    assert [cell(data, place, 4) for place in (0, 1)] == [(0.0, 0, 0x40)] * 2


def test_a_meter_without_news_is_not_in_the_file() -> None:
    data, tally = both("mv90", frame(sheet(DAY)), mode="IN")
    assert (data, tally.meters, tally.warnings.counts) == (b"", 0, {})


def test_retransmitted_cells_are_marked_in_modes_re_and_co() -> None:
    marks = {1: MISSING, 2: CHANGED, 3: CHANGED | MISSING, 4: CHANGED | int(Status.EDITED)}
    words = {name: frame(sheet(DAY, marks)) for name in ("RE", "CO")}
    again, _ = both("mv90", words["RE"], mode="RE")
    assert [cell(again, place)[1] for place in range(5)] == [1, 0, 1, 0, 5]
    corrected, _ = both("mv90", words["CO"], mode="CO")
    assert [cell(corrected, place)[1:] for place in range(3)] == [(1, 0), (0, 0x40), (5, 0)]


# --- values -----------------------------------------------------------------------------------


def test_status_bits_combine_in_both_words() -> None:
    mask = int(
        Status.ESTIMATED | Status.EDITED | Status.QUESTIONABLE | Status.OVERFLOW | Status.RAW
        | Status.POWER_OUTAGE | Status.SHORT | Status.LONG | Status.TIME_CHANGED
        | Status.TEST_MODE | Status.RESET | Status.DST
    )  # fmt: skip
    gone = int(Status.MISSING | Status.POWER_OUTAGE | Status.QUESTIONABLE)
    data, _ = both("mv90", frame(sheet(DAY, {0: mask, 1: gone})))
    assert cell(data, 0) == (1.0, 0x3C, 0x0D07)
    assert cell(data, 1) == (0.0, 0, 0x41)


def test_a_cell_is_the_nearest_single_and_warned_of_where_it_does_not_come_back() -> None:
    counts = [123456789, 33554433, 1, *[0] * 93]
    data, tally = both("mv90", frame(sheet(counts, resolution=Decimal("0.001"))))
    assert cell(data, 0)[0] == float(np.float32("123456.789"))
    assert tally.warnings.counts == {"MDW02": 1}


def test_sheets_of_part_of_the_period_and_stays_come_together() -> None:
    """A meter that changes its account, and one whose rows begin late."""
    old, new = DEVICE._replace(account_id="OLD"), DEVICE._replace(account_id="NEW")
    morning = sheet(DAY[:40])
    evening = sheet([200] * 56, start="202403011000", device=1)
    late = sheet([300] * 10, start="202403012000", device=1, number=2, unit="KVARH")
    data, tally = both("mv90", Frame([old, new], [morning, evening, late]))
    assert header(data, 0)["CM_ACCOUNT"] == "NEW"
    assert [cell(data, place)[0] for place in (39, 40)] == [1.0, 2.0]
    assert [cell(data, place, 7) for place in (79, 80, 90)] == [
        *((0.0, 0, 0x40), (3.0, 0, 0), (0.0, 0, 0x40))
    ]
    assert tally.missing == 86


def test_another_multiplier_in_a_later_era_is_warned_of() -> None:
    first = sheet(DAY[:40], multiplier=Decimal(1))
    second = sheet(DAY[:56], start="202403011000", multiplier=Decimal(20))
    data, tally = both("mv90", frame(first, second))
    assert header(data)["DC_MMULT"] == 20
    assert tally.warnings.counts == {"MDW03": 1}
