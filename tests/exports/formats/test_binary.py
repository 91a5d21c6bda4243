"""Kinds of binary records: what they put, get back and refuse."""

import struct
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from exports.formats.base import FormatError
from exports.formats.binary import (
    I16,
    U32,
    Digits,
    Float64,
    Key,
    Name,
    Pointed,
    Reserved,
    Stamp,
    dtype_of,
)
from exports.formats.kinds import U16, Const
from exports.formats.layout import Field, LayoutError, Record
from exports.formats.records216.cells import (
    cells_to_counts,
    coarsest,
    counts_to_cells,
    counts_to_pulses,
    nearest32,
)


@pytest.mark.parametrize(
    ("value", "size", "text"),
    [
        ("1175.02", 12, b"00001175.020"),
        ("102885508", 12, b"102885508.00"),
        ("6928.204", 10, b"006928.204"),
        ("1732051", 10, b"1732051.00"),
        ("12345678901.4", 12, b"12345678901."),
        ("0", 12, b"00000000.000"),
        ("0.0005", 12, b"00000000.000"),
        ("0.0015", 12, b"00000000.002"),
        ("99999999.9995", 12, b"100000000.00"),
        ("99999999999.4", 12, b"99999999999."),
    ],
)
def test_a_number_has_the_most_decimals_that_fit(value: str, size: int, text: bytes) -> None:
    assert Pointed().put(Decimal(value), "reading", size) == text


@pytest.mark.parametrize(
    ("value", "exact", "code"),
    [
        *(("-1", False, "FMT09"), ("NaN", False, "FMT10"), ("99999999999.5", False, "FMT07")),
        *(("1E50", False, "FMT07"), ("1.0005", True, "FMT07"), ("1234567.8912", True, "FMT07")),
    ],
)
def test_a_number_that_does_not_fit_is_refused(value: str, exact: bool, code: str) -> None:
    with pytest.raises(FormatError, match=code):
        Pointed(exact).put(Decimal(value), "reading", 12)


@pytest.mark.parametrize("text", [b"1.2.3", b"-1", b"1 2", b".", b"1E3"])
def test_a_number_that_is_none_is_not_read(text: bytes) -> None:
    with pytest.raises(ValueError, match="is no number"):
        Pointed().get(text)


@pytest.mark.parametrize(
    ("kind", "value", "raw"),
    [
        (Stamp(), 0, b"197001010000"),
        (Stamp(), 951782340, b"200002282359"),
        (Stamp(late=True), 951782400, b"200002282400"),
        (Stamp(late=True), 951782460, b"200002290001"),
        (Stamp(seconds=True), 951782399, b"20000228235959"),
        (Stamp(seconds=True, late=True), 951782400, b"20000228240000"),
        (Stamp(empty=True), None, b""),
    ],
)
def test_stamps_are_put_and_got_back(kind: Stamp, value: int | None, raw: bytes) -> None:
    assert kind.put(value, "time", 14) == raw
    assert kind.get(raw or b" \0 ") == value


def test_stamps_are_of_whole_minutes() -> None:
    for value in (30, None):
        with pytest.raises(FormatError, match="FMT02"):
            Stamp().put(value, "time", 12)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"200002302400", b"200013010000", b"200001012500", b"200001012401", b"            "),
        *(b"189912312400", b"300001010000", b"20000101000", b"20000101000000", b"2000-1-10000"),
    ],
)
def test_stamps_that_are_none_are_not_read(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"is no|day is out|must be in"):
        Stamp().get(raw)


def test_the_phrases_say_what_stands_there() -> None:
    kinds: dict[str, Any] = {
        "blanks": Reserved(b" "),
        "NUL": Reserved(b"\0"),
        "`NA`": Reserved(b"NA"),
        "`FF 7F`": Reserved(b"\xff\x7f"),
        "text, Windows-1252": Name(),
        "digits": Digits(),
        "number with a point, up to 3 decimals, never rounded": Pointed(exact=True),
        "uint32, little-endian": U32(),
        "`YYYYMMDDHHMM`, midnight `2400` or blanks": Stamp(late=True, empty=True),
        "`YYYYMMDDHHMMSS`": Stamp(seconds=True),
    }
    assert {kind.phrase: kind for kind in kinds.values()} == kinds


def test_reserved_bytes_are_repeated_or_kept() -> None:
    assert Reserved(b"\xff\x7f").put(None, "fill", 5) == b"\xff\x7f\xff\x7f\xff"
    assert Reserved(b" ").put(b"kept", "reserved", 4) == b"kept"


def test_names_are_windows_1252() -> None:
    assert Name().put("Zürich €", "name", 20) == b"Z\xfcrich \x80"
    assert Name().get(b"Z\xfcrich \x80 \0 ") == "Zürich €"
    with pytest.raises(FormatError, match=r"FMT05.*U\+0141"):
        Name().put("Łódź", "name", 20)


def test_keys_are_ascii_and_end_before_blanks_and_nuls() -> None:
    assert Key().get(b"AB 1 \0\0") == "AB 1"
    with pytest.raises(FormatError, match="FMT06"):
        Key().put("A" * 5, "key", 4)


@pytest.mark.parametrize(("kind", "value"), [(I16(), 40000), (U32(), -1), (U32(), 1 << 32)])
def test_numbers_beyond_their_bytes_are_refused(kind: Any, value: int) -> None:
    with pytest.raises(FormatError, match="FMT07"):
        kind.put(value, "number", 4)


def test_doubles_are_read_as_the_shortest_decimal() -> None:
    assert Float64().get(struct.pack("<d", 0.1)) == Decimal("0.1")
    assert Float64().get(struct.pack("<d", -0.0)) == 0
    assert Float64().put(Decimal("0.1"), "reading", 8) == struct.pack("<d", 0.1)
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not a finite"):
            Float64().get(struct.pack("<d", bad))


@pytest.mark.parametrize(
    ("value", "exact", "code"),
    [("NaN", False, "FMT10"), ("1E400", False, "FMT07"), ("0." + "1" * 30, True, "FMT07")],
)
def test_doubles_that_are_none_are_refused(value: str, exact: bool, code: str) -> None:
    with pytest.raises(FormatError, match=code):
        Float64(exact).put(Decimal(value), "reading", 8)


def test_a_record_is_a_dtype_and_a_template() -> None:
    record = Record(
        "sample",
        12,
        (
            Field(0, 2, "code", Const(7, U16())),
            Field(2, 2, "offset", I16()),
            Field(4, 4, "text", Key()),
            Field(8, 4, "number", U32()),
        ),
    )
    found = dtype_of(record)
    assert found == np.dtype(
        [("code", "<u2"), ("offset", "<i2"), ("text", "V4"), ("number", "<u4")]
    )
    assert record.template({"number": 0x25}) == b"\x07\0%s%s%%\0\0\0"
    assert record.field("text").start == 4
    with pytest.raises(LayoutError, match="has no field nothing"):
        record.field("nothing")


# --- singles ----------------------------------------------------------------------------------


def exact_nearest(value: Decimal) -> float:
    """The nearest single by trying its neighbours."""
    guess = np.float32(float(value))
    near = [np.nextafter(guess, np.float32(s * np.inf)) for s in (-1, 1)] + [guess]
    return float(
        min(near, key=lambda one: (abs(Decimal(float(one)) - value), one.view(np.uint32) & 1))
    )


@given(st.decimals(min_value=0, max_value=10**9, places=7))
def test_the_nearest_single_is_the_nearest(value: Decimal) -> None:
    assert float(nearest32(value)) == exact_nearest(value)


def test_no_single_is_rounded_twice() -> None:
    """Just above and below the middle of two singles, nearer than a double can tell."""
    middle = Decimal(2**24 + 1)
    hair = Decimal("1E-12")
    assert float(nearest32(middle)) == 2**24
    assert float(nearest32(middle + hair)) == 2**24 + 2
    assert float(nearest32(middle - hair)) == 2**24
    counts = np.array([16777217 * 10**12 + step for step in (-1, 0, 1)])
    found = counts_to_cells(counts, Decimal("1E-12"))
    assert found.tolist() == [2**24, 2**24, 2**24 + 2]


@given(
    st.lists(st.integers(0, 1 << 50), min_size=1, max_size=8),
    st.sampled_from(["1", "0.001", "0.000125", "0.25", "40", "1E-30", "0.1234567890123456789"]),
)
def test_all_cells_at_once_are_those_one_by_one(counts: list[int], text: str) -> None:
    scale = Decimal(text)
    found = counts_to_cells(np.array(counts), scale)
    assert found.tolist() == [float(nearest32(count * scale)) for count in counts]


@given(st.lists(st.integers(0, (1 << 23) - 1), min_size=1, max_size=8), st.integers(0, 6))
def test_counts_below_2_to_23_come_back(counts: list[int], decimals: int) -> None:
    scale = Decimal(1).scaleb(-decimals)
    cells = counts_to_cells(np.array([counts]), scale)
    found, huge = cells_to_counts(cells, scale)
    assert found.tolist() == [counts]
    assert not huge.any()
    assert int(coarsest(cells)[0]) <= decimals


def test_values_too_large_are_told() -> None:
    assert np.isinf(nearest32(Decimal("1E39")))
    assert np.isinf(counts_to_cells(np.array([10]), Decimal("1E38"))[0])
    counts, huge = cells_to_counts(np.array([1e30, 1.0], np.float32), Decimal("0.001"))
    assert (counts.tolist(), huge.tolist()) == ([0, 1000], [True, False])


def test_pulses_are_whole_and_of_32_bits() -> None:
    counts = np.array([100, 110, 1 << 40])
    pulses, wrong = counts_to_pulses(counts, Decimal("0.01"), Decimal("0.25"))
    assert (pulses.tolist(), wrong.tolist()) == ([4, 0, 0], [False, True, True])
    pulses, wrong = counts_to_pulses(counts, Decimal("0.01"), Decimal("0.000000000000000000001"))
    assert wrong.all()
    pulses, wrong = counts_to_pulses(np.array([[1 << 62]]), Decimal(4), Decimal("1E10"))
    assert wrong.tolist() == [[True]]
