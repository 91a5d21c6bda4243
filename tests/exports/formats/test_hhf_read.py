"""What HHF-X1's reader accepts and refuses: section 5 of its page."""

import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from devices.readings import Channel, Event, Frame, RegisterRead, RegisterValue, Status
from exports.formats.hhf.tables import CHANNEL_HEADER, METER_HEADER
from exports.formats.records216 import scan
from tests.exports.formats.hhf_cases import CASES
from tests.exports.formats.mv90_cases import quarters
from tests.exports.formats.records216_tools import (
    METER,
    MISSING,
    at,
    frame,
    patch,
    read,
    records,
    sheet,
    write,
)

FILE, _ = write("hhf", CASES[0].data, **CASES[0].words)
PULSES, _ = write("hhf", CASES[1].data, **CASES[1].words)
HEAD, CHANNEL, CELLS, REGISTERS, EVENTS, TRAILER = 1, 2, 3, 7, 8, 9


def spot(name: str, layout: Any = CHANNEL_HEADER) -> int:
    return layout.field(name).start


def only(data: bytes, **options: Any) -> tuple[Any, list[str]]:
    """The only meter of a file that has to be accepted, and the warnings' codes."""
    [meter], report = read("hhf", data, **options)
    assert report.errors == 0, report.issues
    return meter, sorted(report.codes.elements())


def errors(data: bytes, **options: Any) -> list[str]:
    _, report = read("hhf", data, **options)
    return [str(issue) for issue in report.issues if issue.level == "error"]


# --- what is accepted -------------------------------------------------------------------------


def test_nul_and_blank_stand_for_one_another() -> None:
    data = FILE
    for record, offset, size in (
        *((0, 76, 140), (0, 46, 12), (HEAD, 146, 70), (HEAD, 80, 28), (CHANNEL, 132, 84)),
        *((REGISTERS, 24 + 36, 12), (REGISTERS, 72, 144), (EVENTS, 24 + 22, 2), (EVENTS, 48, 168)),
        *((TRAILER, 4, 30), (TRAILER, 44, 160)),
    ):
        own = data[record * 216 + offset :][:size]
        data = patch(data, record, offset, own.translate(bytes.maketrans(b"\0 ", b" \0")))
    meter, warnings = only(data)
    assert warnings == []
    assert meter.reads == only(FILE)[0].reads


@pytest.mark.parametrize(
    ("record", "offset", "new", "field"),
    [
        (TRAILER, 34, b"0000000099", "the trailer"),
        (HEAD, 132, b"\x02\x00", "channels"),
        (HEAD, 134, b"\x00\x00", "registers"),
        (HEAD, 136, b"\x07\x00", "events"),
        (0, 70, b"\x05\x00", "meters"),
    ],
)
def test_counts_that_disagree_are_warned_of(
    record: int, offset: int, new: bytes, field: str
) -> None:
    _, report = read("hhf", patch(FILE, record, offset, new))
    [issue] = report.issues
    assert (issue.code, issue.message.split(" says")[0]) == ("HHR50", field)


def test_a_file_without_trailer_is_read_and_what_follows_one_ignored() -> None:
    assert only(FILE[:-216])[1] == ["HHR51"]
    assert only(FILE + FILE)[1] == ["HHR52"]


def test_records_of_unknown_code_are_skipped_anywhere() -> None:
    odd = patch(records(FILE)[0], 0, 2, b"\x63\x00")
    parts = records(FILE)
    for place in (1, 2, 3, 5, 8):
        data = b"".join([*parts[:place], odd, *parts[place:]])
        meter, warnings = only(data)
        assert warnings == ["HHR50", "HHR53"]  # the trailer's count is another then
        assert meter.series[0].values() == only(FILE)[0].series[0].values()


def test_a_second_file_header_is_skipped() -> None:
    data = b"".join([*records(FILE)[:1], *records(FILE)])
    assert "HHR53" in only(data)[1]


def test_a_stop_of_0000_is_the_start_of_its_date() -> None:
    data = patch(FILE, CHANNEL, spot("stop"), b"202403020000")
    meter, warnings = only(data)
    assert warnings == ["HHR54"]
    assert np.array_equal(meter.series[0].ends, only(FILE)[0].series[0].ends)


def test_daylight_time_is_read_in_the_set_zone() -> None:
    july = patch(FILE, 0, 74, b"Y").replace(b"202403", b"202407")
    meter, warnings = only(july)
    assert warnings == ["HHR60"]
    standard, _ = only(FILE.replace(b"202403", b"202407"))
    assert standard.series[0].ends[0] - meter.series[0].ends[0] == 3600


def test_the_offset_is_the_files_own() -> None:
    meter, _ = only(patch(FILE, 0, 72, struct.pack("<h", 330)))
    assert only(FILE)[0].series[0].ends[0] - meter.series[0].ends[0] == (330 + 300) * 60
    assert meter.device.time_zone == "UTC"
    assert only(FILE)[0].device.time_zone == "Etc/GMT+5"
    assert only(patch(FILE, 0, 72, struct.pack("<h", 0)))[0].device.time_zone == "Etc/GMT+0"


def test_cells_are_read_as_those_of_mv90() -> None:
    data = patch(FILE, CELLS, 24, b"\xff\x7f\xff\x7f" + b"\x00\x88\x00\x00")
    data = patch(data, CELLS, 32, struct.pack("<fHH", 3.5, 8, 0x40))
    meter, warnings = only(data)
    assert warnings == ["HHR55", "HHR57", "HHR58"]
    series = meter.series[0]
    assert series.status[:2].tolist() == [MISSING, int(Status.QUESTIONABLE | Status.ESTIMATED)]
    assert series.values()[1] == Decimal("3.50")


def test_cells_after_the_count_do_not_matter() -> None:
    data, _ = write("hhf", frame(sheet(quarters(22))), end=at("202403010530"))
    junk = patch(data, 3, 24 + 22 * 8, b"whatever")
    assert only(junk)[1] == []


def test_pulses_come_back_as_counts_of_their_weight() -> None:
    meter, warnings = only(PULSES)
    series = meter.series[0]
    assert (series.channel.resolution, warnings) == (Decimal("0.25"), [])
    assert series.values() == only(FILE)[0].series[0].values()


@pytest.mark.parametrize(
    ("resolution", "first", "codes"),
    [("0.001", 10250, []), ("0.5", 20, ["HHR59"]), ("0.25", 41, [])],
)
def test_pulses_become_counts_of_the_known_resolution(
    resolution: str, first: int, codes: list[str]
) -> None:
    own = Channel(1, "KWH", "DEL", 900, "U", Decimal(resolution))
    meter, warnings = only(PULSES, inventory=lambda identifier: [own])
    assert (meter.series[0].counts[1], warnings) == (first, codes)


def test_pulses_too_large_for_a_count_are_an_error() -> None:
    data = patch(PULSES, CHANNEL, spot("pulse"), struct.pack("<d", 1e18))
    own = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"))
    [error] = errors(data, inventory=lambda identifier: [own])
    assert "HHR13, record 3" in error


def test_the_value_type_is_the_units_own_or_the_inventorys() -> None:
    data, _ = write("hhf", frame(sheet([1] * 96, unit="V", value_type="V")), unit_codes="V=07")
    assert only(data)[0].series[0].channel.value_type == "V"
    own = Channel(1, "V", "DEL", 900, "P", Decimal("0.01"))
    meter, _ = only(data, inventory=lambda identifier: [own])
    assert meter.series[0].channel.value_type == "P"


def test_unit_code_and_flow_that_disagree() -> None:
    meter, warnings = only(patch(FILE, CHANNEL, spot("flow"), b"R"))
    assert (meter.series[0].channel.flow, warnings) == ("REC", ["HHR56"])


# --- readings, registers, events --------------------------------------------------------------


def test_a_reading_of_another_minute_is_a_read_of_its_own() -> None:
    value = RegisterValue("SUM", "KWH", "DEL", value=Decimal("7.5"))
    reads = [RegisterRead(at("202402292355"), "CUR", (value,))]
    data, _ = write("hhf", frame(sheet(quarters(96)), reads=reads))
    meter, _ = only(data)
    assert meter.series[0].start_register is None
    assert [(one.time, one.values[0].value) for one in meter.reads] == [
        (at("202402292355"), Decimal("7.5"))
    ]


def test_a_zero_without_a_time_is_no_reading_and_a_number_without_one_is() -> None:
    data = patch(FILE, CHANNEL, spot("start_time"), b" " * 12)
    assert only(data)[0].series[0].start_register == 1000
    data = patch(data, CHANNEL, spot("start_register"), bytes(8))
    assert only(data)[0].series[0].start_register is None
    data = patch(FILE, CHANNEL, spot("start_register"), bytes(8))
    assert only(data)[0].series[0].start_register == 0


def registers(*values: RegisterValue, time: str = "202403012000", **words: Any) -> bytes:
    reads = [RegisterRead(at(time), "OD", values, received=at("202403020030"), **words)]
    return write("hhf", frame(sheet(quarters(96)), reads=reads))[0]


def test_registers_come_back_at_their_instants() -> None:
    peak = at("202403011715")
    total = RegisterValue("SUM", "KWH", "REC", "B", Decimal("12.345"), 4, status=0x0408)
    found = structs.replace(total, register_class="MAX", number=5, peak_time=peak, status=0x0006)
    held = structs.replace(total, register_class="CUM", number=6, status=0)
    meter, _ = only(registers(total, found, held, status_word="0000A1F0"))
    [one] = meter.reads
    assert (one.time, one.read_type) == (at("202403012000"), "CUR")
    assert (one.status_word, one.received) == ("0000A1F0", at("202403020030"))
    stated = {"multiplier": Decimal(1), "multiplier_applied": True}
    expected = [structs.replace(value, **stated) for value in (total, found, held)]  # type: ignore[arg-type]
    assert list(one.values) == expected


def test_a_maximum_alone_is_of_the_time_of_read() -> None:
    value = RegisterValue("MAX", "KWH", "DEL", value=Decimal(0), number=1)
    meter, _ = only(registers(value))
    [one] = meter.reads
    assert (one.time, one.values[0].peak_time) == (at("202403020030"), None)


def test_entries_of_different_times_are_reads_of_their_own() -> None:
    values = [RegisterValue("SUM", "KWH", "DEL", value=Decimal(n), number=n) for n in (1, 2)]
    data = registers(*values)
    data = patch(data, REGISTERS, 72 + 16, b"202403010600")
    data = patch(data, REGISTERS, 24 + 16, b" " * 12)
    meter, _ = only(data)
    assert [(one.time, len(one.values)) for one in meter.reads] == [(at("202403010600"), 2)]


def test_events_come_back_as_the_first_of_their_row() -> None:
    codes = ["PWR_DOWN", "PWR_UP", "TIME_CHANGED", "DEMAND_RESET", "TEST_MODE_ON", "CLOCK_ERR"]
    codes += ["ROM_FAIL", "TAMPER"]
    events = [
        Event(code, at(f"2024030112000{n}"), duration=n or None) for n, code in enumerate(codes)
    ]
    one = Frame([METER], [sheet(quarters(96), {5: MISSING})], events={0: events})
    meter, _ = only(write("hhf", one)[0])
    back = {"PWR_DOWN": "PWR_OUTAGE", "PWR_UP": "PWR_RESTORE", "ROM_FAIL": "NVM_FAIL"}
    assert [(event.code, event.time, event.duration) for event in meter.events] == [
        (back.get(event.code, event.code), event.time, event.duration) for event in events
    ]


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes are no multiple of 216"),
        (FILE[:-1], "2159 bytes are no multiple of 216"),
        (patch(FILE, 0, 4, b"ITRONHHF"), "no signature"),
        (FILE[216:], "no signature"),
        (patch(FILE, 4, 0, b"\xd7"), "length word 215, not 216"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(data: bytes, why: str) -> None:
    meters, report = read("hhf", data)
    assert meters == []
    [issue] = report.issues
    assert issue.code == "HHR01"
    assert issue.message.startswith("not HHF-X1; Itron HHF is not supported (")
    assert why in issue.message


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FILE_LIMIT", 216)
    assert "over 2 GiB" in errors(FILE)[0]


@pytest.mark.parametrize(
    ("record", "offset", "new", "text"),
    [
        (HEAD, 68, b"2024AB", "HHR02, record 2, byte 216: "),
        (HEAD, 4, b"\xff", "HHR02, record 2"),
        (HEAD, 138, b"\x07\x00", "HHR09, record 3, byte 432: 7 intervals an hour"),
        (CHANNEL, 4, b"OTHER     ", "HHR04, record 3, byte 432: another device id ('OTHER')"),
        (CHANNEL, 24, b"\x00\x00", "HHR10, record 3"),
        (CHANNEL, 24, b"\xe8\x03", "HHR10, record 3"),
        (CHANNEL, 26, b"99", "HHR11, record 3, byte 432: unit code '99'"),
        (CHANNEL, 30, b"N", "HHR02, record 3"),
        (CHANNEL, 31, b"X", "HHR02, record 3"),
        (CHANNEL, 56, b"\x5f", "HHR07, record 3, byte 432: interval count 95, start and stop"),
        (CHANNEL, 44, b"202402", "HHR07, record 3"),
        (CHANNEL, 60, struct.pack("<d", float("nan")), "HHR02, record 3"),
        (CHANNEL, 96, b"2024023", "HHR02, record 3"),
        (CELLS + 1, 2, b"\xf0", "HHR05, record 3, byte 432: interval codes"),
        (CELLS + 1, 4, b"X", "HHR06, record 3, byte 432: an interval record"),
        (CELLS, 24, struct.pack("<f", 3e38), "HHR13, record 3"),
        (REGISTERS, 4, b"X", "HHR04, record 8, byte 1512"),
        (REGISTERS, 26, b"99", "HHR11, record 8"),
        (REGISTERS, 28, b"9", "HHR02, record 8"),
        (EVENTS, 24, b"\x63", "HHR14, record 9, byte 1728: event code 99"),
        (EVENTS, 28, b"X", "HHR02, record 9"),
    ],
)
def test_what_cannot_be_read_is_an_error_of_its_record(
    record: int, offset: int, new: bytes, text: str
) -> None:
    [error] = errors(patch(FILE, record, offset, new))
    assert text in error


def test_a_channel_of_fewer_cells_than_its_count_is_an_error() -> None:
    parts = records(FILE)
    assert (
        "HHR08, record 3, byte 432: interval count 96, there are 72"
        in errors(b"".join([*parts[:6], *parts[7:]]))[0]
    )


def test_a_pulse_multiplier_must_be_one() -> None:
    data = patch(PULSES, CHANNEL, spot("pulse"), bytes(8))
    assert "HHR02, record 3, byte 432: pulse multiplier 0" in errors(data)[0]


def test_a_channel_number_that_stands_twice_is_an_error() -> None:
    two, _ = write("hhf", frame(sheet(quarters(96)), sheet(quarters(96), number=2, unit="KVAH")))
    [meter], report = read("hhf", patch(two, 7, 24, b"\x01\x00"))
    assert [series.channel.number for series in meter.series] == [1]
    assert report.codes == {"HHR10": 1}


def test_records_without_a_header_are_errors() -> None:
    parts = records(FILE)
    assert errors(b"".join([parts[0], *parts[2:]]))[0].startswith("error HHR03, record 2, byte 216")
    found = errors(b"".join([*parts[:2], *parts[3:]]))
    assert [one.split(":")[0] for one in found] == [
        f"error HHR03, record {n}, byte {216 * (n - 1)}" for n in range(3, 7)
    ]
    moved = b"".join([*parts[:3], *parts[3:7], parts[7], parts[6], *parts[8:]])
    assert len(errors(moved)) == 1


def test_daylight_times_that_do_not_exist_are_errors() -> None:
    data = patch(FILE, 0, 74, b"Y")
    moved = patch(data, CHANNEL, spot("start"), b"202403100231")
    assert "FMT15, record 3" in errors(moved)[0]
    moved = patch(data, HEAD, METER_HEADER.field("read_time").start, b"202403100230")
    assert "FMT15, record 2" in errors(moved)[0]


def test_one_bad_entry_leaves_the_rest() -> None:
    meters, report = read("hhf", patch(FILE, EVENTS, 28, b"X"))
    assert report.errors == 1
    assert len(meters[0].reads) == 1
    assert len(meters[0].series) == 1
