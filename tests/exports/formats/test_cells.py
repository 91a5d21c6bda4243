"""Cells and options that several formats share: CSV text, stamps, quality codes, words."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from devices.readings import Status
from exports.formats.base import FormatError, OptionError
from exports.formats.csvtext import Cell, Maybe, csv_split, guarded, unguarded
from exports.formats.kinds import Integer
from exports.formats.quality import CODES_IN, CODES_OUT, codes_mask, codes_text, settled, worst
from exports.formats.registers import words_option
from exports.formats.stamps import KEPT, Clock, Instant, LocalTime, Offset


@pytest.mark.parametrize("text", ["", "plain", "a,b", 'a"b', '"', ",", "=1+1"])
def test_a_cell_comes_back_from_its_line(text):
    cell = Cell().put(text, "x", 20)
    assert csv_split(b"1," + cell + b",2") == [b"1", text.encode(), b"2"]
    assert Cell().get(text.encode()) == text


def test_what_a_cell_refuses():
    for text, code in (("ü", "FMT05"), ("a\r", "FMT11"), ("\x85", "FMT11"), ("abc", "FMT06")):
        with pytest.raises(FormatError) as caught:
            Cell().put(text, "x", 2)
        assert caught.value.code == code
    with pytest.raises(FormatError, match=r"FMT05.*U\+D800"):
        Cell(unicode=True).put("\ud800", "x", 2)
    assert Cell(unicode=True).put("ü,", "x", 2) == '"ü,"'.encode()
    assert Cell(unicode=True).phrase == "text, UTF-8"


@pytest.mark.parametrize("line", [b'"a', b'"a"b,c', b'a"b'])
def test_quotes_that_make_no_cell(line):
    with pytest.raises(ValueError, match="quotes"):
        csv_split(line)


def test_an_empty_cell_is_none():
    kind = Maybe(Integer(0, 9))
    assert (kind.put(None, "x", 1), kind.put(0, "x", 1)) == (b"", b"0")
    assert (kind.get(b""), kind.get(b"0")) == (None, 0)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=A1", "'=A1"),
        ("-5.5", "-5.5"),
        ("-5,5", "'-5,5"),
        ("+1", "'+1"),
        ("@x", "'@x"),
        ("a", "a"),
    ],
)
def test_formulas_are_guarded_and_the_guard_taken_back(text, cell):
    assert guarded(text) == cell
    assert unguarded(cell) == text
    assert unguarded("'quoted'") == "'quoted'"


def test_stamps_come_back():
    clock = Clock("America/Chicago", [])
    instant = datetime(2024, 11, 3, 7, 30, tzinfo=UTC)
    time = clock.local(instant)
    text = Instant().put(time, "x", 25)
    assert text == b"2024-11-03T01:30:00-06:00"
    assert Instant().get(text) == instant
    assert LocalTime().get(LocalTime().put(time, "x", 14)) == time.replace(tzinfo=None, fold=0)
    assert Offset().get(Offset().put(time, "x", 5)) == timedelta(hours=-6)
    assert Instant().get(b"2024-11-03T01:30:00Z").tzinfo is UTC


def test_offsets_come_back():
    offsets = [Offset().get(raw) for raw in (b"+0530", b"-0330", b"+0000", b"-03:30", b"     ")]
    assert offsets == [*(timedelta(minutes=m) for m in (330, -210, 0, -210)), None]


def test_utc_is_told_by_its_name_not_by_its_offset():
    east = datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=-5)))
    assert Instant().put(east, "x", 25) == b"2024-01-01T00:00:00-05:00"
    assert Clock("Etc/UTC", [lambda time: Instant().put(time, "x", 25)])[east] == (
        "2024-01-01T05:00:00Z",
    )


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (Instant(), b"2024-11-03"),
        (Instant(), b"2024-13-03T01:30:00Z"),
        (Instant(), b"2024-11-03T01:30:00+24:00"),
        (LocalTime(), b"2024"),
        (LocalTime(), b"20241301000000"),
        (Offset(), b"+2400"),
        (Offset(), b"0600"),
    ],
)
def test_what_is_no_stamp(kind, raw):
    with pytest.raises(ValueError, match=r"."):
        kind.get(raw)


def test_a_clock_remembers_so_many_instants():
    clock = Clock("UTC", [lambda time: b"" if time is None else b"%d" % time.year])
    for seconds in range(KEPT + 1):
        assert clock[datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)] == ("2024",)
    assert len(clock) == 1
    with pytest.raises(FormatError, match="FMT01"):
        clock[datetime(2024, 1, 1)]  # noqa: DTZ001


def test_every_bit_comes_back_from_its_code():
    for bit, code in CODES_OUT:
        assert codes_text(int(bit)) == code
        assert codes_mask(code, bit == Status.MISSING) == (bit, ())
    assert len(CODES_OUT) == len(Status)


def test_codes_of_others():
    for last, bits in CODES_IN:
        assert codes_mask(f"3.{last.replace('n', '7')}", False) == (bits, ())
    assert codes_mask("1.4.4", True) == (Status.MISSING, ())
    assert codes_mask("1.4.4", False) == (Status.QUESTIONABLE, ())
    assert codes_mask("1.0.0;x;9.9.9", False) == (0, ("x", "9.9.9"))


def test_letters():
    assert worst([]) == ""
    assert worst([0, 2, 4]) == "E"
    assert worst([0, 2, 8]) == "Q"
    assert settled(int(Status.ESTIMATED | Status.DST), True) == Status.MISSING | Status.DST
    assert settled(int(Status.MISSING | Status.EDITED), False) == Status.MISSING


def test_an_option_of_words_names_what_it_does_not_know():
    option = words_option("rates", "TAB", "rates")
    assert option.clean("b t") == "T,B"
    assert option.clean("") == ""
    with pytest.raises(OptionError, match="X is not allowed; some of T, A, B, with commas"):
        option.clean("A,X")
