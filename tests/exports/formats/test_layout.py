"""Declared layouts, their kinds, and the text beneath them."""

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from exports.formats.base import FormatError, ReadReport
from exports.formats.cmep.fields import Identifier, split_fields
from exports.formats.kinds import U16, Const, Duration, Integer, Kind, Minute, Number, Text, Word
from exports.formats.layout import Column, Field, LayoutError, Line, Record
from exports.formats.text import LINE_LIMIT, plain, text_lines

# fmt: off
HEADER = Record("header", length=16, fields=(
    #    start size  name       kind             note
    Field(  0,   2, "length",   Const(16, U16())),
    Field(  2,   6, "device",   Text(),          "left-justified"),
    Field(  8,   4, "channels", Integer(0, 99),  "zero-filled"),
    Field( 12,   2, "code",     Word(("AC", "RE"))),
    Field( 14,   2, "flags",    U16()),
))
# fmt: on
VALUES = {"device": "M1", "channels": 7, "code": "AC", "flags": 513}


def test_a_record_is_put_and_got_back() -> None:
    raw = HEADER.put(VALUES)
    assert raw == b"\x10\x00M1    0007AC\x01\x02"
    assert HEADER.get(raw) == {"length": 16, **VALUES}


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"device": "1234567"}, FormatError, "device: 7 characters, at most 6"),
        ({"device": "É"}, FormatError, "device: character U\\+00C9"),
        ({"device": "a\n"}, FormatError, "device: forbidden character"),
        ({"channels": 100}, FormatError, "channels: number 100"),
        ({"channels": -1}, FormatError, "channels: number -1"),
        ({"flags": 1 << 16}, FormatError, "flags: number 65536"),
        ({"code": "XX"}, ValueError, "code: 'XX' is none of AC, RE"),
        ({"length": 15}, ValueError, "length: 15 where 16 is fixed"),
        ({"extra": 1}, LayoutError, "has no field extra"),
    ],
)
def test_nothing_wrong_is_put(change: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        HEADER.put(VALUES | change)


def test_every_value_must_be_given() -> None:
    with pytest.raises(LayoutError, match="no value for code, flags"):
        HEADER.put({"device": "", "channels": 0})


@pytest.mark.parametrize(
    ("place", "junk", "text"),
    [
        (0, b"\x0f", "header.length: 15 where 16 is fixed"),
        (8, b"x", "header.channels: 'x007' is no integer"),
        (8, b"9", "header.channels"),
        (12, b"XX", "header.code: 'XX' is none of"),
        (2, b"\xff", "header.device"),
    ],
)
def test_what_cannot_be_got_names_its_field(place: int, junk: bytes, text: str) -> None:
    raw = bytearray(HEADER.put(VALUES))
    raw[place : place + len(junk)] = junk
    with pytest.raises(ValueError, match=text):
        HEADER.get(bytes(raw))
    with pytest.raises(ValueError, match="15 bytes, not 16"):
        HEADER.get(bytes(raw[:15]))


class TooLong(Text):
    def put(self, value: str, name: str, size: int) -> bytes:
        return value.encode()


def test_a_kind_that_overruns_its_field_is_caught() -> None:
    with pytest.raises(LayoutError, match="is over 2 bytes"):
        Field(0, 2, "x", TooLong()).put("abc")


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ((Field(0, 2, "a", U16()), Field(3, 2, "b", U16())), "b starts at 3, not 2"),
        ((Field(0, 2, "a", U16()), Field(2, 2, "a", U16())), "two fields are named a"),
        ((Field(0, 2, "a", U16()),), "ends at 2, not 4"),
    ],
)
def test_a_table_that_does_not_hang_together(fields: tuple[Field, ...], text: str) -> None:
    with pytest.raises(LayoutError, match=text):
        Record("bad", 4, fields)


LINE = Line(
    "line",
    columns=(Column(1, "type", Word(("T",)), 1), Column(2, "id", Text(), 5, guide=3)),
    group=(Column(3, "time", Minute(), 12), Column(4, "value", Number(3, 2), 7, "a note")),
)


def test_a_line_is_delimited() -> None:
    assert LINE.put({"type": "T", "id": "A1"}) == b"T,A1"
    assert LINE.template({"type": "T"}, "id") == b"T,%s"
    assert LINE.template({"type": "T", "id": "5%"}, "id") % () == b"T,5%"
    with pytest.raises(LayoutError, match="no value for id"):
        LINE.put({"type": "T"})
    with pytest.raises(LayoutError, match="has no field x"):
        LINE.column("x")


def test_columns_are_numbered_without_gaps() -> None:
    with pytest.raises(LayoutError, match="a is 2, not 1"):
        Line("bad", (Column(2, "a", Text(), 1),))


def test_tables_for_the_documentation() -> None:
    assert HEADER.table()[2] == ("2", "6", "device", "text", "left-justified")
    assert LINE.table()[1:] == [
        ("1", "type", "`T`", "1", ""),
        ("2", "id", "text", "5, guide 3", ""),
        ("3+2k", "time", "`CCYYMMDDHHMM` UTC", "12", ""),
        ("4+2k", "value", "number, 3 integer digits, 2 decimals, rounded half-even", "7", "a note"),
    ]
    assert Const(16, U16()).phrase == "`16`"
    assert Word(("A",), empty=True).phrase == "`A` or empty"
    assert U16().phrase == "uint16, little-endian"
    with pytest.raises(NotImplementedError):
        _ = Kind().phrase
    for call in (lambda: Kind().put("", "", 0), lambda: Kind().get(b"")):
        with pytest.raises(NotImplementedError):
            call()


# --- kinds --------------------------------------------------------------------------------------


@given(st.integers(0, 60 * 24 * 365 * 200).map(lambda minutes: minutes * 60))
def test_minutes_come_back(seconds: int) -> None:
    assert Minute().get(Minute().put(seconds, "t", 12)) == seconds


def test_minutes_off_the_minute_are_refused() -> None:
    with pytest.raises(FormatError, match="FMT02"):
        Minute().put(61, "t", 12)


@given(st.decimals(-999, 999, places=2, allow_nan=False, allow_infinity=False))
def test_numbers_come_back(value: Decimal) -> None:
    kind = Number(3, 2, exact=True)
    assert kind.get(kind.put(value, "v", 7)) == value


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters='"')))
def test_identifiers_come_back_quoted_where_they_must_be(text: str) -> None:
    kind = Identifier()
    raw = kind.put(text, "id", 255)
    assert [kind.get(field) for field in split_fields(b"x," + raw + b",y")] == ["x", text, "y"]


def test_exact_numbers_are_not_rounded() -> None:
    with pytest.raises(FormatError, match="FMT07"):
        Number(3, 2, exact=True).put(Decimal("1.005"), "v", 7)
    assert Number(3, 2).put(Decimal("1.005"), "v", 7) == b"1"
    with pytest.raises(FormatError, match="FMT07"):
        Number(3, 2).put(Decimal("999.999"), "v", 7)


def test_durations() -> None:
    kind = Duration((900, 86400))
    for seconds, text in ((900, b"00000015"), (86400, b"00010000"), (None, b"")):
        assert kind.put(seconds, "i", 8) == text
        assert kind.get(text) == seconds
    with pytest.raises(FormatError, match="FMT17"):
        kind.put(1800, "i", 8)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        ("0.5", 0, "0"),
        ("1.5", 0, "2"),
        ("-0.4", 0, "0"),
        ("100", 2, "100"),
        ("1E+3", 2, "1000"),
        ("1.2300", 4, "1.23"),
    ],
)
def test_plain_numbers(value: str, decimals: int, text: str) -> None:
    assert plain(Decimal(value), decimals) == text


def test_numbers_without_end_are_refused() -> None:
    with pytest.raises(FormatError, match="FMT10"):
        plain(Decimal("Infinity"), 2)
    with pytest.raises(FormatError, match="FMT07"):
        plain(Decimal("1E+101"), 2)


# --- lines of a stream --------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data, self.size = data, size

    def read(self, size: int = -1) -> bytes:
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


@given(st.lists(st.sampled_from([b"a", b"bc", b"\r", b"\n", b"\r\n"])), st.integers(1, 5))
def test_lines_are_the_same_however_they_arrive(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    report = ReadReport()
    found = list(text_lines(Trickle(data, size), report))  # type: ignore[arg-type]
    assert [line.text for line in found] == data.splitlines()
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    for line in found:
        assert data[line.offset :].startswith(line.text)


def test_a_line_over_the_limit_ends_the_reading() -> None:
    report = ReadReport()
    data = b"x\n" + b"y" * (LINE_LIMIT + (1 << 21))
    assert len(list(text_lines(io.BytesIO(data), report))) == 1
    assert report.codes == {"RD02": 1}
    assert str(report.issues[0]) == "error RD02, record 2, byte 2: line over 1 MiB"
