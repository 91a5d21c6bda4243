"""Bytes into tables: encodings, delimiters, quotes, headers, workbooks, and what is none of it."""

import io
import zipfile
from contextlib import suppress
from datetime import date

import openpyxl
import pytest
from hypothesis import given, settings, strategies as st

from devices.imports import columns
from devices.imports.header import distance, header_read
from devices.imports.text import FileRefused, Limits, TextTable, encoding_find
from devices.imports.workbook import Dated, WorkbookTable


def table(data: bytes, limits: Limits | None = None) -> list[list[str]]:
    return [cells for _, cells in TextTable(io.BytesIO(data), limits or Limits())]


def refusal(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FileRefused) as refused:
        table(data, limits)
    return refused.value.symbol


# --- encodings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_every_encoding_of_a_spreadsheet_is_read(encoding):
    data = "Naïve;Café\r\nü;é".encode(encoding)
    if encoding == "utf-16-le":
        data = b"\xff\xfe" + data
    assert table(data) == [["Naïve", "Café"], ["ü", "é"]]


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\r\n\x81\xff",  # neither UTF-8 nor Windows-1252
        b"\xef\xbb\xbfa,b\xff",  # a mark whose text does not decode
        b"\xff\xfea",  # half a character of UTF-16
        b"\xff\xfe\x00\xd8a\x00",  # half a pair
        b"a,b\0",
        b"PK\x03\x04\0\0",  # a workbook under another name
        "a\0b".encode("utf-16"),
        b"\xff\xfe\0\0a\0\0\0",  # UTF-32
    ],
)
def test_what_is_no_text_is_refused(data):
    assert refusal(data) == "not_text"


def test_bytes_before_the_first_fault_count_too():
    # Á holds 0x81: fine in UTF-8, and no Windows-1252 when a later byte is not UTF-8.
    with pytest.raises(FileRefused):
        encoding_find(io.BytesIO("Á".encode() + b"\xff"))
    assert encoding_find(io.BytesIO("é".encode() + b"\xc3")) == "cp1252"


# --- delimiters, quotes, lines ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a;b,c;d\n1;2;3\n", [["a", "b,c", "d"], ["1", "2", "3"]]),
        (b'a,"b;;;",c\n', [["a", "b;;;", "c"]]),
        (b"a\tb\n1\t2", [["a", "b"], ["1", "2"]]),
        (b"a,b;c\n", [["a", "b;c"]]),
        (b"sep=;\na;b,,\n", [["a", "b,,"]]),
        (b'"sep=\t"\r\na\tb\r\n', [["a", "b"]]),
        (b"sep=|\na,b", [["sep=|"], ["a", "b"]]),
        (b'"x""y","a\r\nb",c"d\r\n', [['x"y', "a\r\nb", 'c"d']]),
        (b'"a"b,c\n', [["ab", "c"]]),
        (b"a,b\rc,d\r", [["a", "b"], ["c", "d"]]),
        (b"a\n\n\nb\n", [["a"], [], [], ["b"]]),
        (b'"a\nb";c;d\n1;2;3', [["a\nb", "c", "d"], ["1", "2", "3"]]),
        (b"", []),
    ],
)
def test_records_are_split_as_a_spreadsheet_means_them(data, rows):
    assert table(data) == rows


def test_a_quote_left_open_names_its_record():
    with pytest.raises(FileRefused) as refused:
        table(b'a,b\n1,2\n3,"4\n5,6\n')
    assert (refused.value.symbol, refused.value.values) == ("quote", {"n": 3})
    assert refusal(b'a\n"' + b"x\n" * 100_000) == "quote"


def test_a_file_above_the_limits_is_refused():
    assert refusal(b"a\n1\n2\n3\n", Limits(rows=2)) == "too_large"
    assert refusal(b"a" * (2 << 20)) == "too_large"
    assert refusal(b"a\n" + b"x" * 140_000) == "too_large"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_fail(data):
    with suppress(FileRefused):
        for cells in table(data):
            assert all("\0" not in cell for cell in cells)


# --- the header ---------------------------------------------------------------------------------


def issues_of(*names: str, kind=columns.DEVICE_COLUMNS) -> list[tuple[str, dict]]:
    return [(issue.symbol, dict(issue.values)) for issue in header_read(names, kind).issues]


def test_names_are_known_again_however_they_are_written():
    header = header_read(
        ["\ufeffACTION", "device id", "Meter_Number", "ct-ratio"], columns.DEVICE_COLUMNS
    )
    assert header.places == {"action": 0, "device_id": 1, "meter_number": 2, "ct_ratio": 3}
    assert header.issues == ()


def test_unknown_names_are_ignored_and_near_ones_asked_about():
    found = issues_of("Action", "DeviceID", "Addres", "Colour", "", "Ctiy", "Pins", "RowNumber")
    assert found == [
        ("meant", {"name": "Addres", "known": "Address"}),
        ("ignored", {"name": "Colour"}),
        ("ignored", {"name": "5"}),
        ("ignored", {"name": "Ctiy"}),  # two edits are too many for a name of four letters
        ("meant", {"name": "Pins", "known": "PIN"}),
    ]


def test_missing_and_double_columns_are_found():
    assert issues_of("DeviceID", "device-id") == [
        ("twice", {"name": "DeviceID"}),
        ("missing", {"name": "Action"}),
    ]
    assert issues_of("Action", kind=columns.GROUP_COLUMNS) == [
        ("missing", {"name": "GroupCode"}),
        ("missing", {"name": "DeviceID"}),
    ]
    assert issues_of("Action", "MeterNumber", "BillCycle", kind=columns.GROUP_COLUMNS) == []
    twice = issues_of("Action", "DeviceID", "BillCycle", "GroupName", kind=columns.GROUP_COLUMNS)
    assert twice == [("twice", {"name": "GroupCode"})]


def test_no_header_is_no_file():
    with pytest.raises(FileRefused) as refused:
        header_read(["", " "], columns.DEVICE_COLUMNS)
    assert refused.value.symbol == "empty"


def test_edits_are_counted():
    assert [distance("city", other) for other in ("city", "cit", "ctiy", "xyz", "citadel")] == [
        *(0, 1, 2, 3, 3),
    ]


# --- workbooks ----------------------------------------------------------------------------------


def workbook(*rows: list, sheets: int = 1) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for _ in range(sheets - 1):
        book.create_sheet().append(["other"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def cells_of(data: bytes, limits: Limits | None = None) -> list[list[str]]:
    return [cells for _, cells in WorkbookTable(io.BytesIO(data), limits or Limits())]


def test_a_workbook_is_read_as_it_was_typed():
    data = workbook(
        ["Action", "DeviceID", None, None],
        ["A", "00123", 12.0, 1.5],
        [],
        [True, date(2024, 4, 1), "#N/A", 123456789012345678],
        sheets=2,
    )
    rows = cells_of(data)
    assert rows[0] == ["Action", "DeviceID"]
    assert rows[1] == ["A", "00123", "12", "1.5"]
    assert rows[2] == []
    assert rows[3] == ["TRUE", "2024-04-01", "#N/A", "123456789012346000"]
    assert isinstance(rows[3][1], Dated)


def refused_workbook(data: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(FileRefused) as refused:
        cells_of(data, limits)
    return refused.value.symbol


def archive(**parts: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in parts.items():
            made.writestr(name.replace("__", "/") + ".xml", data)
    return out.getvalue()


def test_what_is_no_workbook_is_refused():
    assert refused_workbook(b"Action,DeviceID\r\n") == "not_text"
    assert refused_workbook(archive(a=b"<a/>")) == "not_text"
    assert refused_workbook(workbook(["a"])[:-200]) == "not_text"
    assert refused_workbook(archive(a=b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')) == "not_text"


def test_a_bomb_is_refused_before_it_is_unpacked():
    assert refused_workbook(archive(xl__worksheets__sheet1=b" " * (64 << 20))) == "too_large"
    assert refused_workbook(archive(**{f"a{n}": b"" for n in range(2001)})) == "too_large"


def test_a_workbook_above_the_limits_is_refused():
    assert refused_workbook(workbook(["a"], ["b"], ["c"]), Limits(rows=1)) == "too_large"


def test_a_broken_sheet_is_refused_whatever_it_makes_the_library_raise():
    whole = zipfile.ZipFile(io.BytesIO(workbook(["a"], ["b"])))
    for broken in (b"", b"<worksheet", b"<worksheet><sheetData><row r='x'><c r='!!'/></row>"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as made:
            for name in whole.namelist():
                is_sheet = name.endswith("sheet1.xml")
                made.writestr(name, broken if is_sheet else whole.read(name))
        assert refused_workbook(out.getvalue()) == "not_text"
