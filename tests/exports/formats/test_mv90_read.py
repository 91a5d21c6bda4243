"""What MV-90's reader accepts and refuses: section 7 of its page, row by row."""

import io
import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from devices.readings import Status
from exports.formats import get
from exports.formats.mv90.image import image_read, image_write
from tests.exports.formats.mv90_cases import CASES, quarters
from tests.exports.formats.records216_tools import (
    MISSING,
    frame,
    patch,
    read,
    reads,
    records,
    sheet,
    write,
)

FILE, _ = write("mv90", CASES[0].data, **CASES[0].words)
TWO, _ = write("mv90", frame(sheet(quarters(96)), sheet(quarters(96), number=2, unit="KVARH")))
CHANNEL = 1  # the record of the first channel header
CELLS = 2  # its first interval record


def only(data: bytes, **options: Any) -> tuple[Any, list[str]]:
    """The only series of a file that has to be accepted, and the warnings' codes."""
    [meter], report = read("mv90", data, **options)
    assert report.errors == 0, report.issues
    [series] = meter.series
    return series, sorted(report.codes.elements())


def refused(data: bytes, **options: Any) -> str:
    """The only error of a file whose channels are all refused."""
    meters, report = read("mv90", data, **options)
    assert [series for meter in meters for series in meter.series] == []
    [error] = [issue for issue in report.issues if issue.level == "error"]
    return str(error)


def form(data: bytes, channel: str, interval: str) -> bytes:
    """A file with cells of another form: values, and the words that are stated."""
    head, trailer = records(data)[:2], records(data)[-1]
    head[1] = patch(head[1], 0, 99, (channel + interval).encode())
    cells = b"".join(record[24:] for record in records(data)[2:-1])
    parts = []
    for value, first, second in struct.iter_unpack("<fHH", cells):
        parts.append(struct.pack("<f", value))
        parts.append(struct.pack("<H", first) if channel == "Y" else b"")
        parts.append(struct.pack("<H", second) if interval == "Y" else b"")
    body = b"".join(parts)
    made = [
        records(data)[2][:2]
        + struct.pack("<H", 1001 + index)
        + records(data)[2][4:24]
        + body[at:end]
        for index, (at, end) in enumerate((at, at + 192) for at in range(0, len(body), 192))
    ]
    made[-1] += b"\xff\x7f" * ((216 - len(made[-1])) // 2)
    count = b"%010d" % (len(made) + 3)
    return b"".join([*head, *made, patch(trailer, 0, 34, count)])


# --- what the data are ------------------------------------------------------------------------


def test_several_meters_are_a_device_each() -> None:
    meters, report = read("mv90", FILE[:-216] + FILE.replace(b"UTIL000123", b"UTIL000124"))
    assert [meter.device.device_id for meter in meters] == ["UTIL000123", "UTIL000124"]
    assert set(report.codes) == {"MDR50"}


def test_the_multiplier_is_applied_unless_the_option_says_no() -> None:
    series, _ = only(patch(FILE, CHANNEL, 126, b"000040.000"))
    assert series.channel.multiplier == 40
    assert series.channel.multiplier_applied is True
    series, _ = only(FILE, multiplier_applied="no")
    assert series.channel.multiplier_applied is False


def test_times_are_standard_time_of_the_zone() -> None:
    series, _ = only(FILE, zone="America/Los_Angeles")
    assert series.ends[0] - only(FILE)[0].ends[0] == 3 * 3600


def test_without_a_zone_times_are_utc() -> None:
    clean = get("mv90").options_clean({}, "read")
    [meter] = get("mv90").read(io.BytesIO(FILE), clean)
    assert meter.series[0].ends[0] - only(FILE)[0].ends[0] == -5 * 3600


@pytest.mark.parametrize(("letter", "kind"), [(b"W", "U"), (b"D", "D"), (b" ", "D")])
def test_the_service_type_is_the_value_type(letter: bytes, kind: str) -> None:
    series, _ = only(patch(FILE, CHANNEL, 166, letter))
    assert series.channel.value_type == kind


@pytest.mark.parametrize(
    ("code", "letter", "unit", "flow", "odd"),
    [
        *((b"01", b"D", "KWH", "DEL", False), (b"02", b"R", "KWH", "REC", False)),
        *((b"02", b"D", "KWH", "REC", True), (b"05", b"D", "KVARH", "REC", True)),
        *((b"03", b"R", "KVARH", "REC", True), (b"04", b"D", "KVAH", "DEL", False)),
        *((b"08", b"D", "V", "DEL", False), (b"12", b"R", "A", "DEL", True)),
    ],
)
def test_unit_and_flow_by_code_and_letter(
    code: bytes, letter: bytes, unit: str, flow: str, odd: bool
) -> None:
    series, warnings = only(patch(patch(FILE, CHANNEL, 97, code), CHANNEL, 210, letter))
    assert (series.channel.unit, series.channel.flow) == (unit, flow)
    assert warnings == ["MDR60"] * odd


def test_an_unknown_unit_code_is_an_error_unless_mapped() -> None:
    other = patch(FILE, CHANNEL, 97, b"31")
    assert "MDR12, record 2, byte 216: unit code '31'" in refused(other)
    assert only(other, unit_codes="KVA=31")[0].channel.unit == "KVA"
    assert "MDR12" in refused(patch(FILE, CHANNEL, 97, b"07"), seen_codes="no")


# --- what is accepted -------------------------------------------------------------------------


@pytest.mark.parametrize("filler", [b"\0", b" ", b"7"])
def test_reserved_bytes_may_hold_anything_and_are_kept(filler: bytes) -> None:
    data = FILE
    places = [(0, 104, 7), (0, 115, 4), (0, 144, 72), (1, 38, 6), (1, 80, 12), (1, 92, 1)]
    places += [(1, 125, 1), (1, 136, 30), (1, 167, 10), (1, 179, 12), (1, 191, 2), (1, 195, 15)]
    places += [(1, 211, 2), (1, 213, 1), (1, 214, 2), (6, 4, 30), (6, 44, 160)]
    for record, offset, size in places:
        data = patch(data, record, offset, filler * size)
    series, warnings = only(data)
    assert warnings == []
    assert series.values() == only(FILE)[0].values()
    assert image_write(image_read(data)) == data


@pytest.mark.parametrize("words", ["YY", "NY", "YN", "NN"])
def test_all_four_forms_of_cells_are_read_and_kept(words: str) -> None:
    data = form(FILE, words[0], words[1])
    series, warnings = only(data)
    assert warnings == []
    expected = only(FILE)[0].values()
    if words[1] == "N":
        expected[40] = Decimal("0.00")
    assert series.values() == expected
    assert image_write(image_read(data)) == data


def test_bits_without_a_meaning_are_warned_of_and_kept() -> None:
    data = patch(FILE, CELLS, 24 + 4, b"\x00\x88")
    data = patch(data, CELLS, 24 + 8 + 6, b"\x01\xe0")
    series, warnings = only(data)
    assert warnings == ["MDR62"]
    assert series.status[:2].tolist() == [0, int(Status.POWER_OUTAGE)]
    assert image_write(image_read(data)) == data


@pytest.mark.parametrize(
    ("record", "offset", "new", "code"),
    [
        (0, 111, b"0002", "MDR50"),
        (0, 111, b"    ", "MDR50"),
        (6, 34, b"0000000009", "MDR50"),
        (6, 34, b"00000000?9", "MDR50"),
        (0, 119, b"202403010016", "MDR54"),
        (1, 93, b"02", "MDR53"),
    ],
)
def test_counts_and_headers_that_disagree_are_warned_of(
    record: int, offset: int, new: bytes, code: str
) -> None:
    series, warnings = only(patch(FILE, record, offset, new))
    assert warnings == [code]
    assert series.values() == only(FILE)[0].values()


def test_what_disagrees_is_kept() -> None:
    for change in ((0, 111, b"0002"), (6, 34, b"0000000009"), (1, 93, b"02")):
        data = patch(FILE, *change)
        assert image_write(image_read(data)) == data
    assert image_write(image_read(FILE[:-216])) == FILE[:-216]


def test_a_file_without_trailer_is_read() -> None:
    series, warnings = only(FILE[:-216])
    assert warnings == ["MDR51"]
    assert len(series.ends) == 96


def test_what_follows_the_trailer_is_ignored() -> None:
    meters, report = read("mv90", FILE + FILE)
    assert len(meters) == 1
    assert [str(issue) for issue in report.issues] == [
        "warning MDR52, record 8, byte 1512: records after the trailer are ignored"
    ]


def test_a_logical_channel_for_the_second_time_takes_its_physical_number() -> None:
    [meter], report = read("mv90", patch(TWO, 6, 95, b"\x01\x00"))
    assert [series.channel.number for series in meter.series] == [1, 2]
    assert sorted(report.codes) == ["MDR53", "MDR55"]


def test_a_channel_whose_numbers_are_all_taken_is_an_error() -> None:
    [meter], report = read("mv90", patch(patch(TWO, 6, 95, b"\x01\x00"), 6, 93, b"01"))
    assert [series.channel.number for series in meter.series] == [1]
    assert report.codes == {"MDR11": 1}


def test_a_start_reading_above_the_stop_reading_is_accepted() -> None:
    data, _ = write("mv90", frame(sheet([1] * 96), reads=reads(("202403010000", "99999"))))
    series, warnings = only(data)
    assert (series.start_register, series.end_register, warnings) == (99999, 0, [])


@pytest.mark.parametrize(
    ("start", "stop", "found"),
    [
        (b"00000000.000", b"00000000.000", (None, None)),
        (b"            ", b"000000000000", (None, None)),
        (b"000000001000", b"   1996.5   ", (Decimal(1000), Decimal("1996.5"))),
        (b"00000000.000", b"00000001.000", (Decimal(0), Decimal(1))),
        (b"12345678901.", b"\0" * 12, (Decimal(12345678901), Decimal(0))),
    ],
)
def test_readings_as_they_stand_in_real_files(start: bytes, stop: bytes, found: object) -> None:
    series, warnings = only(patch(FILE, CHANNEL, 101, start + stop))
    assert (series.start_register, series.end_register) == found
    assert warnings == []


def test_a_stop_of_0000_is_the_start_of_its_date() -> None:
    data = FILE
    for record, offset in ((0, 131), (1, 68)):
        data = patch(data, record, offset, b"202403020000")
    series, warnings = only(data)
    assert warnings == ["MDR56"]
    assert np.array_equal(series.ends, only(FILE)[0].ends)


def test_a_cell_that_is_no_number_is_missing() -> None:
    data = patch(FILE, CELLS, 24, b"\xff\x7f\xff\x7f")
    series, warnings = only(patch(data, CELLS, 32, struct.pack("<f", float("inf"))))
    assert warnings == ["MDR57"]
    assert series.status[:3].tolist() == [MISSING, MISSING, 0]


def test_a_missing_mark_beside_a_value_is_a_doubt() -> None:
    series, warnings = only(patch(FILE, CELLS, 24 + 6, b"\x40\x00"))
    assert warnings == ["MDR61"]
    assert (series.values()[0], series.status[0]) == (Decimal("10.00"), int(Status.QUESTIONABLE))


def test_a_missing_cell_is_neither_estimated_nor_edited() -> None:
    series, _ = only(patch(FILE, CELLS + 1, 24 + 8 * 16 + 4, b"\x0e\x00"))
    assert series.status[40] == MISSING


@pytest.mark.parametrize(
    ("channel", "interval", "mask"),
    [
        *((0x0001, 0, 0), (0x0002, 0, Status.EDITED), (0x0004, 0, Status.EDITED)),
        *((0x0008, 0, Status.ESTIMATED), (0x0010, 0, Status.OVERFLOW)),
        *((word, 0, Status.QUESTIONABLE) for word in (0x20, 0x40, 0x80, 0x100)),
        *((0x0200, 0, 0), (0x0400, 0, 0)),
        *((0, 0x0001, Status.POWER_OUTAGE), (0, 0x0002, Status.SHORT), (0, 0x0004, Status.LONG)),
        *((0, word, Status.QUESTIONABLE) for word in (0x08, 0x10, 0x20, 0x200)),
        (0, 0x0080, Status.TIME_CHANGED | Status.QUESTIONABLE),
        *((0, 0x0100, Status.RESET), (0, 0x0400, Status.TIME_CHANGED)),
        *((0, 0x0800, Status.TEST_MODE), (0, 0x1000, 0)),
    ],
)
def test_every_status_bit_is_read(channel: int, interval: int, mask: int) -> None:
    words = struct.pack("<HH", channel, interval)
    series, warnings = only(patch(FILE, CELLS, 28, words))
    assert (series.status[0], warnings) == (int(mask), [])


def test_cells_after_the_period_must_be_fill() -> None:
    short = patch(patch(FILE, 0, 131, b"202403012300"), 1, 68, b"202403012300")
    series, warnings = only(short)
    assert (len(series.ends), warnings) == (92, ["MDR58"])
    for place in range(20, 24):
        short = patch(short, CELLS + 3, 24 + 8 * place, b"\xff\x7f" * 4)
    assert only(short)[1] == []


def test_cells_that_the_period_lacks_are_missing() -> None:
    long = patch(patch(FILE, 0, 131, b"202403020100"), 1, 68, b"202403020100")
    series, warnings = only(long)
    assert (len(series.ends), warnings) == (100, ["MDR59"])
    assert series.status[96:].tolist() == [MISSING] * 4


def test_a_channel_without_interval_records_is_all_missing() -> None:
    data = b"".join([*records(FILE)[:2], records(FILE)[-1]])
    [meter], report = read("mv90", data)
    assert sorted(report.codes) == ["MDR50", "MDR59"]
    assert meter.series[0].status.tolist() == [MISSING] * 96


def test_daylight_time_is_refused_or_read_as_such() -> None:
    summer, _ = write("mv90", frame(sheet(quarters(96))))
    summer = summer.replace(b"20240301", b"20240701")
    flagged = patch(summer, 0, 143, b"Y")
    assert "MDR13, record 2" in refused(flagged)
    series, _ = only(flagged, dst_flag_y="prevailing")
    assert only(summer)[0].ends[0] - series.ends[0] == 3600


def test_daylight_times_that_do_not_exist_are_errors() -> None:
    data = patch(FILE, 0, 143, b"Y").replace(b"202403010001", b"202403100231")
    data = data.replace(b"202403012400", b"202403102400")
    assert "FMT15" in refused(data, dst_flag_y="prevailing")
