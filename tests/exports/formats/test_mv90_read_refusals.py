"""What MV-90's reader refuses, and what it makes of cells: section 7 of its page."""

import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from devices.readings import Channel, Frame
from exports.formats.base import ReadReport
from exports.formats.mv90.image import image_read
from exports.formats.records216 import scan
from tests.exports.formats.mv90_cases import quarters
from tests.exports.formats.records216_tools import (
    LETTERHEAD,
    METER,
    frame,
    patch,
    read,
    records,
    sheet,
    write,
)
from tests.exports.formats.test_mv90_read import CELLS, FILE, TWO, only, refused


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "MDR01, record 1, byte 0: file of 0 bytes"),
        (FILE[:-1], "MDR01, record 1, byte 0: file of 1511 bytes"),
        (patch(FILE, 3, 0, b"\xd7\x00"), "MDR02, record 4, byte 648: length word 215, not 216"),
        (patch(FILE, 0, 0, b"\x00\xd8"), "not 216 (0x00D8, big-endian)"),
        (FILE[216:], "MDR03, record 1, byte 0: first record has code 10"),
    ],
)
def test_a_file_that_is_none_is_refused_as_a_whole(data: bytes, text: str) -> None:
    meters, report = read("mv90", data)
    assert meters == []
    [issue] = report.issues
    assert text in str(issue)


def test_a_file_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "FILE_LIMIT", 216)
    assert "RD02" in refused(FILE)


@pytest.mark.parametrize(
    ("record", "offset", "new", "text"),
    [
        (1, 56, b"202402300001", "MDR06, record 2, byte 216: channel header.TA_START"),
        (1, 68, b"202403010000", "MDR09"),
        (1, 68, b"202402292400", "MDR09"),
        (1, 68, b"202403012301", "MDR09"),
        (1, 68, b"299903012400", "FMT15|MDR09"),
        (1, 68, b"202808012400", "MDR18, record 2, byte 216: the period has 155040 intervals"),
        (1, 177, b"07", "MDR10, record 2, byte 216: 7 intervals an hour"),
        (1, 177, b"00", "MDR06"),
        (1, 4, b"OTHER     ", "MDR07, record 2, byte 216: DC_CUSTID 'OTHER"),
        (3, 4, b"OTHER     ", "MDR17, record 2, byte 216: an interval record has another"),
        (3, 2, b"\xec\x03", "MDR08, record 2"),
        (2, 2, b"\xea\x03", "MDR08, record 2"),
        (1, 101, b"0000-1.00000", "MDR06"),
        (1, 126, b"1E3       ", "MDR06"),
        (1, 99, b"X", "MDR06"),
        (1, 95, b"\x00\x00", "MDR16"),
        (1, 95, b"\xe8\x03", "MDR16"),
        (0, 4, b"\xff", "MDR06, record 1, byte 0"),
        (0, 143, b"?", "MDR06, record 1, byte 0: meter header.DST_FLAG"),
    ],
)
def test_what_cannot_be_read_is_an_error_of_its_channel(
    record: int, offset: int, new: bytes, text: str
) -> None:
    assert any(one in refused(patch(FILE, record, offset, new)) for one in text.split("|"))


def test_a_period_over_a_change_of_standard_time_is_an_error() -> None:
    """Caracas went from -04:30 to -04:00 in 2016."""
    data = FILE.replace(b"202403010001", b"201612312331").replace(b"202403012400", b"201701010100")
    assert "FMT15" in refused(data, zone="America/Caracas")


def test_a_record_of_unknown_code_is_skipped() -> None:
    data = b"".join(
        [*records(FILE)[:3], patch(records(FILE)[2], 0, 2, b"\x14\x00"), *records(FILE)[3:]]
    )
    [meter], report = read("mv90", data)
    assert [str(issue) for issue in report.issues if issue.level == "error"] == [
        "error MDR04, record 4, byte 648: record code 20 is unknown"
    ]
    assert meter.series[0].values() == only(FILE)[0].values()


def test_interval_records_without_a_channel_are_errors() -> None:
    found = records(FILE)
    data = b"".join([found[0], *found[2:]])
    [meter], report = read("mv90", data)
    assert meter.series == ()
    assert report.codes == {"MDR05": 4, "MDR50": 2}


def test_one_bad_channel_leaves_the_other() -> None:
    [meter], report = read("mv90", patch(TWO, 6, 177, b"99"))
    assert [series.channel.number for series in meter.series] == [1]
    assert report.codes == {"MDR06": 1}


def test_the_first_error_ends_the_reading_where_all_or_nothing_is_asked() -> None:
    meters, report = read("mv90", patch(FILE, 1, 177, b"99"), on_error="file")
    assert (meters, report.errors) == ([], 1)


def test_an_image_of_a_record_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="record 4: unknown code"):
        image_read(patch(FILE, 3, 2, b"\x14\x00"))
    with pytest.raises(ValueError, match=r"record 2: channel header\.DR_INPHR"):
        image_read(patch(FILE, 1, 177, b"99"))


# --- resolutions ------------------------------------------------------------------------------


def known(resolution: str, **words: Any) -> Any:
    channel = Channel(1, "KWH", "DEL", 900, "U", Decimal(resolution))._replace(**words)
    return lambda identifier: [channel] if identifier == "UTIL000123" else None


def thirds() -> bytes:
    """Cells that no power of ten keeps."""
    data = FILE
    for place in range(4):
        data = patch(data, CELLS, 24 + 8 * place, struct.pack("<f", 1 / 3))
    return data


def test_the_resolution_of_an_unknown_channel_is_the_coarsest_that_keeps_its_cells() -> None:
    assert only(FILE)[0].channel.resolution == Decimal("0.01")
    ten = patch(FILE, CELLS, 24, struct.pack("<f", np.float32("10.000001")))
    assert only(ten)[0].channel.resolution == Decimal("0.000001")


def test_a_known_channel_keeps_its_resolution() -> None:
    series, warnings = only(FILE, inventory=known("0.001"))
    assert (series.channel.resolution, series.counts[1], warnings) == (Decimal("0.001"), 10250, [])


def test_a_resolution_may_be_given_for_channels_to_be_made() -> None:
    for text in ("KWH=0.001", "KWH DEL=0.001", "*=0.001"):
        assert only(FILE, resolutions=text)[0].channel.resolution == Decimal("0.001")
    other = only(FILE, resolutions="KVARH=0.001")[0]
    assert other.channel.resolution == Decimal("0.01")


@pytest.mark.parametrize("given", [{"inventory": known("0.01")}, {"resolutions": "*=0.01"}, {}])
def test_cells_that_are_no_count_are_rounded_with_a_warning_or_refused(given: Any) -> None:
    series, warnings = only(thirds(), **given)
    assert warnings == ["MDR63"]
    assert series.values()[0] == Decimal("0.33" if given else "0.333333")
    assert "MDR14, record 2, byte 216: 4 cells" in refused(thirds(), round_cells="no", **given)


def test_a_value_too_large_for_its_resolution_is_an_error() -> None:
    huge = patch(FILE, CELLS, 24, struct.pack("<f", 3e38))
    assert "MDR15" in refused(huge)
    assert "MDR15" in refused(huge, inventory=known("0.001"))


def test_value_types_that_mv90_has_no_letter_for_come_from_the_inventory() -> None:
    data, _ = write("mv90", frame(sheet([100] * 96, unit="V", value_type="V")), unit_codes="V=07")
    assert only(data)[0].channel.value_type == "D"
    assert (
        only(data, inventory=known("0.01", unit="V", value_type="V"))[0].channel.value_type == "V"
    )
    assert (
        only(data, inventory=known("0.01", unit="V", value_type="U"))[0].channel.value_type == "D"
    )


def test_negative_cells_are_taken_as_they_are() -> None:
    series, _ = only(patch(FILE, CELLS, 24, struct.pack("<f", -2.5)))
    assert series.values()[0] == Decimal("-2.50")


def test_a_large_file_is_given_in_batches() -> None:
    """More records than are looked at at once."""
    devices = [METER._replace(device_id=f"D{n:04}") for n in range(500)]
    rows = [sheet(quarters(96), device=n) for n in range(500)]
    data, _ = write("mv90", Frame(devices, rows), multi_meter="yes", **LETTERHEAD)
    meters, report = read("mv90", data)
    assert [meter.device.device_id for meter in meters] == [f"D{n:04}" for n in range(500)]
    assert report == ReadReport(records=len(data) // 216)
    assert {meter.series[0].counts.sum() for meter in meters} == {sum(quarters(96))}
