"""BTF alone: numbering, groups, widths, and what its reader takes and refuses."""

import io
import zlib
from decimal import Decimal

import pytest

from devices.readings import Frame, MeterData
from exports.formats import get
from exports.formats.base import FormatError, Tally
from exports.formats.btf import writer
from exports.formats.btf.tables import Four
from exports.formats.btf.writer import Numbered, ascii_text
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.register_cases import METER, PEAK, TOTAL, april, register
from tests.exports.formats.register_tools import (
    context,
    device_of,
    lines,
    read,
    refusal,
    refused,
    write,
)

FORM = get("btf")
FIRST = (GOLDEN / "btf/1_self_read.txt").read_bytes()
SECOND = (GOLDEN / "btf/2_estimate.txt").read_bytes()
HEAD, METER_LINE, TOTAL_LINE, PEAK_LINE = FIRST.split(b"\r\n")[:4]


def changed(data: bytes, line: int, start: int, new: bytes) -> bytes:
    """The file with other bytes at a position, counted from 1, and its CRC put right."""
    rows = data.split(b"\r\n")
    rows[line] = rows[line][: start - 1] + new + rows[line][start - 1 + len(new) :]
    return signed(rows)


def signed(rows: list[bytes]) -> bytes:
    crc = f"{zlib.crc32(b''.join(row + bytes([13, 10]) for row in rows[:-2])):08X}"
    rows[-2] = rows[-2][:112] + crc.encode() + rows[-2][120:]
    return b"\r\n".join(rows)


def codes(data: bytes, **options) -> dict[str, int]:
    return dict(read("btf", data, **options)[1].codes)


# --- writing --------------------------------------------------------------------------------------


def test_records_are_numbered_and_signed_however_they_are_cut():
    whole, cut = io.BytesIO(), io.BytesIO()
    records = b"".join(b"BTFX" + b"." * 9 + b"%0187d\r\n" % n for n in range(30))
    numbered = Numbered(whole, 2)
    numbered.write(records)
    other = Numbered(cut, 2)
    for start in range(0, len(records), 77):
        other.write(records[start : start + 77])
    assert whole.getvalue() == cut.getvalue()
    assert (numbered.lines, numbered.crc) == (30, zlib.crc32(whole.getvalue()))
    assert whole.getvalue()[202 * 29 + 4 : 202 * 29 + 13] == b"000000030"


def test_there_is_an_end_to_numbers(monkeypatch):
    monkeypatch.setattr(writer, "MOST_LINES", 3)
    assert refusal("btf", april(TOTAL, PEAK)).startswith("BTF04")


def test_more_than_999_registers_are_refused():
    many = [register(n % 999 + 1, "SUM", unit, "1") for unit in ("KWH", "KVAH") for n in range(500)]
    assert refused("btf", *many).startswith("BTF02 BTF 00123456 2024-04-01T05:00:00Z: 1000 ")


def test_a_group_a_file():
    options = FORM.options_clean({"by_group": True}, "write")
    assert FORM.splits(options)
    assert FORM.file_key(METER, context("btf", by_group=True)) == "CYCLE05"
    assert FORM.file_key(METER, context("btf")) == ""
    assert lines("btf", april(TOTAL), groups=("A", "B"))[0][142:154].strip() == ""


def test_test_flag_and_export_name():
    head = lines("btf", april(TOTAL), test_flag="T", export="Éxport \N{SNOWMAN}")[0]
    assert (head[170], head[41:71].strip()) == ("T", "Export ?")
    _, tally = write("btf", [MeterData(METER)], export="Éxport \N{SNOWMAN}")
    assert tally.warnings.counts == {"BTF50": 1}
    assert ascii_text("Zürich\n") == "Zurich?"


def test_status_word():
    assert lines("btf", april(TOTAL, status_word="1f"))[1][160:168] == "0000001F"
    assert lines("btf", april(TOTAL, status_word=""))[1][160:168] == " " * 8
    for word in ("xyz", "123456789"):
        assert refusal("btf", april(TOTAL, status_word=word)).startswith("FMT07")


@pytest.mark.parametrize(
    ("value", "words", "text"),
    [
        ("99999999999.9999", {}, "99999999999.9999"),
        ("-9999999999.9999", {}, "-9999999999.9999"),
        ("99999999999.9999", {"layout": "0101"}, "0999999999999999"),
        ("-99999999999.9999", {"layout": "0101"}, "-999999999999999"),
        ("100000000000", {}, ""),
        ("-10000000000", {}, ""),
        ("100000000000", {"layout": "0101"}, ""),
        ("-100000000000", {"layout": "0101"}, ""),
    ],
)
def test_values_to_the_last_digit(value, words, text):
    given = register(1, "SUM", "KWH", value, flow="NET")
    if text:
        assert lines("btf", april(given), **words)[2][116:132] == text
    else:
        assert refused("btf", given, **words).startswith("FMT07")


def test_a_total_that_does_not_fit_is_refused():
    tally = Tally(totals={"energy": Decimal(10) ** 15})
    out = FORM.passing(context("btf"), io.BytesIO())
    with pytest.raises(FormatError, match="FMT07"):
        FORM.finish(context("btf"), out, tally)


def test_a_number_is_finite_and_a_multiplier_is_not_negative():
    with pytest.raises(FormatError, match="FMT10"):
        Four(True).put(Decimal("NaN"), "value", 16)
    with pytest.raises(FormatError, match="FMT07"):
        Four(True, signed=False).put(Decimal(-1), "multiplier", 12)


@pytest.mark.parametrize(
    ("line", "start", "new", "why"),
    [
        (6, 94, b"9", "demand total"),
        (6, 74, b"1", "energy total"),
        (6, 36, b"2", "reads"),
        (6, 45, b"5", "registers"),
        (6, 54, b"8", "lines"),
        (6, 103, b"1", "estimated"),
        (6, 112, b"1", "missing"),
        (3, 13, b"5", "line 4: wrong length or number"),
    ],
)
def test_a_second_look_finds_what_is_wrong(line, start, new, why):
    found = FORM.verify(io.BytesIO(changed(FIRST, line, start, new)), context("btf"))
    assert any(why in text for text in found), found


def test_a_second_look_finds_a_changed_byte():
    found = FORM.verify(io.BytesIO(FIRST.replace(b"SSI0004711", b"SSI0004712")), context("btf"))
    assert [text.partition(":")[0] for text in found] == ["CRC-32"]


# --- reading --------------------------------------------------------------------------------------


def test_a_record_of_199_characters_is_refused():
    rows = FIRST.split(b"\r\n")
    rows[2] = rows[2][:-1]
    _, report = read("btf", b"\r\n".join(rows))
    assert str(report.issues[0]) == "error BTF10, record 3, byte 404: 199 characters, not 200"
    assert read("btf", b"\r\n".join(rows), on_error="file")[0] == []
    rows[2] += b"  "
    assert "201 characters" in str(read("btf", b"\r\n".join(rows))[1].issues[0])


def test_records_whose_blanks_are_cut_off_are_padded_again():
    trimmed = b"\r\n".join(row.rstrip() for row in FIRST.split(b"\r\n"))
    [meter], report = read("btf", trimmed)
    assert report.codes == {"BTF61": 1}
    assert len(meter.reads[0].values) == 4


def test_line_feeds_alone_are_another_crc():
    assert codes(FIRST.replace(b"\r\n", b"\n")) == {"BTF62": 1}
    text, _ = write("btf", [MeterData(METER, reads=(april(TOTAL),))], line_end="LF")
    assert codes(text) == {}
    assert codes(text.replace(b"\n", b"\r\n")) == {"BTF62": 1}


@pytest.mark.parametrize(
    ("line", "start", "new", "what"),
    [
        (6, 74, b"1", "energy total: the file says 70133.9481, counted 70133.9480"),
        (6, 94, b"1", "demand total: the file says 12.4801, counted 12.4800"),
        (6, 36, b"2", "reads: the file says 2, counted 1"),
        (6, 45, b"5", "registers: the file says 5, counted 4"),
        (6, 54, b"8", "lines: the file says 8, counted 7"),
        (6, 103, b"1", "estimated: the file says 1, counted 0"),
        (6, 112, b"1", "missing: the file says 1, counted 0"),
        (3, 13, b"5", "sequence: the file says 5, counted 4"),
        (3, 5, b"   ", None),
        (1, 160, b"5", "registers of the read before: the file says 1, counted 0"),
    ],
)
def test_counts_and_totals_that_are_off_by_one(line, start, new, what):
    _, report = read("btf", changed(FIRST, line, start, new))
    assert [issue.message for issue in report.issues] == ([what] if what else [])
    _, report = read("btf", changed(FIRST, line, start, new), strict=False)
    assert (report.errors, report.warnings) == (0, 1 if what else 0)


def test_a_changed_byte_breaks_the_crc():
    assert codes(FIRST.replace(b"SSI0004711", b"SSI0004712")) == {"REG18": 1}


def test_a_file_without_header_or_trailer():
    assert codes(HEAD + b"\r\n" + METER_LINE) == {"REG19": 1}
    assert codes(b"\r\n".join([HEAD, HEAD]), strict=False) == {"REG19": 2}
    rows = FIRST.split(b"\r\n")[1:]
    _, report = read("btf", b"\r\n".join(rows))
    assert report.codes["BTF12"] == 1
    other, _ = write(
        "btf", [MeterData(device_of(meter_number="2", device_id="D2"), reads=(april(TOTAL),))]
    )
    meters, report = read("btf", FIRST + other)
    assert (len(meters), report.errors) == (2, 0)


def test_an_unknown_layout_is_refused_whole():
    meters, report = read("btf", changed(FIRST, 0, 14, b"0200"))
    assert meters == []
    assert report.codes == {"BTF14": 1, "REG19": 1}


def test_blank_lines_are_passed_over():
    assert codes(FIRST + b"\r\n\r\n") == {}


def test_other_record_types():
    rows = FIRST.split(b"\r\n")
    rows[5] = b"BTFX" + rows[5][4:]
    assert codes(b"\r\n".join(rows), strict=False)["BTF60"] == 1
    rows[5] = b"ABCD" + rows[5][4:]
    assert codes(b"\r\n".join(rows))["BTF11"] == 1


def test_a_register_of_another_read():
    other = changed(FIRST, 2, 78, b"CUR")
    assert codes(other) == {"BTF13": 1}
    [alone, _], report = read("btf", other, strict=False)
    assert report.codes == {"BTF13": 1}
    assert (alone.device.device_id, alone.reads[0].read_type) == ("", "CUR")
    rows = FIRST.split(b"\r\n")
    del rows[1]
    assert codes(signed(rows))["BTF13"] == 4


def test_a_reused_meter_number_is_refused():
    other, _ = write("btf", [MeterData(device_of(device_id="D2"), reads=(april(TOTAL),))])
    _, report = read("btf", FIRST + other)
    assert [str(issue) for issue in report.issues] == [
        "error REG17, record 10, byte 1818, meter_number: reused meter number 00123456: "
        "that of devices SSI0004711 and D2"
    ]


@pytest.mark.parametrize(
    ("line", "start", "new", "code", "place"),
    [
        (2, 117, b"0000x", "BTF14", "value"),
        (2, 117, b"0000004581203470", "BTF14", "value"),
        (2, 81, b"20240230", "BTF14", "time"),
        (2, 81, b" " * 14, "REG14", "time"),
        (2, 95, b" " * 5, "REG15", "time"),
        (2, 95, b"05:00", "BTF14", "time_offset"),
        (2, 14, b" " * 20, "REG14", "meter_number"),
        (2, 14, b" 1", "BTF14", "meter_number"),
        (2, 107, b"BTU   ", "BTF14", "unit"),
        (2, 100, b"x", "BTF14", "number"),
        (1, 161, b"x", "BTF14", "status_word"),
        (2, 58, b"\xc3", "BTF14", "account_id"),
    ],
)
def test_a_record_is_refused_by_record_field_and_value(line, start, new, code, place):
    _, report = read("btf", changed(FIRST, line, start, new))
    first = report.issues[0]
    assert (first.code, first.record, first.field) == (code, line + 1, place)


def test_blanks_for_zeros_and_zeros_for_blanks():
    data = changed(FIRST, 2, 117, b"      45812.3470")
    data = changed(data, 2, 133, b"0" * 14)
    data = changed(data, 2, 100, b" +1")
    [meter], report = read("btf", data)
    assert report.issues == []
    assert (meter.reads[0].values[0].value, meter.reads[0].values[0].number) == (TOTAL.value, 1)


def test_values_beside_their_letters():
    found = read("btf", changed(FIRST, 2, 169, b"M"), strict=False)
    assert found[0][0].reads[0].values[0].value is None
    assert found[1].codes["REG51"] == 1
    found = read("btf", changed(FIRST, 2, 117, b" " * 16), strict=False)
    assert found[0][0].reads[0].values[0].status == 1
    assert found[1].codes["REG50"] == 1


def test_times_without_offset_have_the_zone_of_the_option():
    data = changed(changed(FIRST, 2, 95, b"     "), 1, 127, b"     ")
    [meter], _ = read("btf", data, zone="America/Chicago", strict=False)
    assert meter.reads[0].time == april().time


def test_two_rows_of_one_key_are_refused():
    rows = FIRST.split(b"\r\n")
    rows[4] = rows[2][:4] + rows[4][4:13] + rows[2][13:]
    assert codes(b"\r\n".join(rows))["REG16"] == 1


def test_an_empty_frame_writes_nothing():
    out = io.BytesIO()
    FORM.write_frame(Frame([]), context("btf"), out, Tally())
    assert out.getvalue() == b""
