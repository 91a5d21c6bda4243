"""Cells: mended, checked, read; and every code of a row's cells."""

import re
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from devices.imports.cells import BAD, CLEARED, MASKED, cell_read
from devices.imports.columns import DEVICE_COLUMNS, GROUP_COLUMNS
from devices.imports.dates import NotClear, date_read, moment_read
from devices.imports.kinds import Reader
from devices.imports.mend import mend

COLUMNS = {column.name: column for column in DEVICE_COLUMNS}
READER = Reader(
    classes={"SENTINEL"},
    groups={"CYCLE05": "BILLCYCLE", "SOLAR": "GENERAL", "POOLS": "GENERAL"},
    profiles={"TOU winter"},
)


def read(name: str, raw: str, **options):
    """(value, symbols) of a cell."""
    reader = Reader(**{**READER.__dict__, **options})
    cell = cell_read(COLUMNS[name], raw, reader)
    return cell.value, [symbol for symbol, _ in cell.faults]


# --- mending ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text", "invisible"),
    [
        (" \tx ", "x", False),
        ('="00123"', "00123", False),
        ('="a""b"', 'a"b', False),
        ('="a"b"', '="a"b"', False),
        ("'00123", "00123", False),
        ("''a", "'a", False),
        ("\u00a0x\u200b", "x", True),
        ('="\u00a0x"', "x", True),
        ("\u00a0\ufeff", "", False),
        ("a\u00a0b", "a\u00a0b", False),
        ("=1+1", "=1+1", False),
        ('="', '="', False),
    ],
)
def test_what_can_surely_be_mended_is(raw, text, invisible):
    assert mend(raw) == (text, invisible)


# --- by kind ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "raw", "symbol"),
    [
        ("MeterNumber", "x" * 21, "length"),
        ("Notes", "x" * 256, "length"),
        ("MeterNumber", "1.23457E+11", "damaged"),
        ("MeterNumber", "1,23457E-11", "damaged"),
        ("MeterNumber", "12345.0", "damaged"),
        ("MeterNumber", "12345,00", "damaged"),
        ("Groups", "SOLAR;1E+11", "damaged"),
        ("MeterNumber", "#N/A", "character"),
        ("Multiplier", "#DIV/0!", "character"),
        ("City", "####", "character"),
        ("City", "=A1", "character"),
        ("MeterNumber", "a\u00a0b", "character"),
        ("MeterNumber", "“a”", "character"),
        ("MeterNumber", "a–b", "character"),
        ("City", "a\tb", "character"),
        ("City", "a\nb", "character"),
        ("Notes", "a\x07b", "character"),
        ("DeviceClass", "SENTINÉL", "character"),
        ("DeviceClass", "sentinel", "class"),
        ("Latitude", "91", "pair"),
        ("Longitude", "-180.1", "pair"),
        ("Latitude", "1.123456789", "number"),
        ("Multiplier", "1e3", "number"),
        ("Multiplier", "+1", "number"),
        ("Multiplier", "1,5", "number"),
        ("Multiplier", "0", "number"),
        ("Multiplier", "-1", "number"),
        ("Multiplier", "1.23456", "number"),
        ("Multiplier", "123456789", "number"),
        ("Multiplier", ".5", "number"),
        ("InstallDate", "45383", "date"),
        ("InstallDate", "4/1/2024", "date"),
        ("EffectiveTime", "2024-04-01T00:00:00", "date"),
        ("EffectiveTime", "2024-04-01T00:00:00.5Z", "date"),
        ("TimeZone", "Central Standard Time", "zone"),
        ("BillCycle", "CYCLE99", "group"),
        ("BillCycle", "SOLAR", "not_cycle"),
        ("Groups", "SOLAR;CYCLE05", "cycle"),
        ("Groups", "SOLAR;NONE", "group"),
        ("ScheduleProfile", "tou winter", "profile"),
        ("CommType", "FAX", "choice"),
        ("Phase", "AD", "choice"),
        ("Phase", "AA", "choice"),
        ("Provision", "maybe", "choice"),
        ("PIN", "1" * 17, "length"),
    ],
)
def test_a_bad_cell_gives_its_one_error(name, raw, symbol):
    assert read(name, raw) == (BAD, [symbol])


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("MeterNumber", "00123", "00123"),
        ("MeterNumber", "47E12", "47E12"),
        ("MeterNumber", "AB 12", "AB 12"),
        ("City", "Zürich", "Zürich"),
        ("Notes", "two\r\nlines", "two\r\nlines"),
        ("Latitude", "-32.12345678", Decimal("-32.12345678")),
        ("Multiplier", "1.5000", Decimal("1.5")),
        ("InstallDate", "13/4/2024", date(2024, 4, 13)),
        ("EffectiveTime", "2024-04-01", date(2024, 4, 1)),
        ("EffectiveTime", "1970-01-01 00:01Z", 60),
        ("TimeZone", "America/Chicago", "America/Chicago"),
        ("Groups", "SOLAR; POOLS;;SOLAR", ("SOLAR", "POOLS")),
        ("CommType", "lte", "LTE"),
        ("Phase", "cA", "AC"),
        ("Provision", "yes", True),
        ("PIN", "****", MASKED),
        ("Notes", "<NULL>", CLEARED),
        ("Provision", "<null>", None),
        ("City", "", None),
    ],
)
def test_a_good_cell_is_read(name, raw, value):
    assert read(name, raw) == (value, [])


def test_warnings_come_with_the_value():
    assert read("MeterNumber", "1234567890123450") == ("1234567890123450", ["zeros"])
    assert read("MeterNumber", "\u00a0M1") == ("M1", ["invisible"])
    assert read("MeterNumber", "123", pad={"meter_number": 8}) == ("00000123", ["padded"])
    assert read("MeterNumber", "12a", pad={"meter_number": 8}) == ("12a", [])
    assert read("Multiplier", "1,5", comma=True) == (Decimal("1.5"), [])


def test_no_message_and_no_text_repeats_a_pin():
    for raw in ("4711é", "47114711471147114711", "1.5E+10", "1234567890123450", "4711"):
        cell = cell_read(COLUMNS["PIN"], raw, READER)
        assert cell.text == "****"
        assert all("47" not in str(values) and "12" not in str(values) for _, values in cell.faults)


TEXTS = st.one_of(
    st.text(alphabet="0123456789.,E+-= '#\"<nul>\u00a0é–\tA;:/", max_size=30),
    st.from_regex(r"[A-Za-z0-9_\- .,]{0,30}", fullmatch=True),
)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*DEVICE_COLUMNS, *GROUP_COLUMNS]), TEXTS)
def test_a_cell_that_is_plain_is_its_own_value_without_a_word(column, raw):
    pattern = column.kind.plain()
    if pattern and re.fullmatch(pattern, raw):
        assert cell_read(column, raw, READER)[:] == (raw, raw, ()) or column.name in (
            *("BillCycle", "Groups"),
        )


# --- dates --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "order", "expected"),
    [
        ("2024-02-29", "MDY", date(2024, 2, 29)),
        ("4/1/2024", "MDY", date(2024, 4, 1)),
        ("4/1/2024", "DMY", date(2024, 1, 4)),
        ("2024/4/1", "", date(2024, 4, 1)),
        ("4.4.2024", "", date(2024, 4, 4)),
        ("2024.4.1", "YMD", date(2024, 4, 1)),
        ("13-4-2024", "", date(2024, 4, 13)),
    ],
)
def test_clear_dates(text, order, expected):
    assert date_read(text, order) == expected


@pytest.mark.parametrize(
    ("text", "order"),
    [
        *(("4/1/2024", ""), ("4/1/24", ""), ("2023-02-29", ""), ("1969-12-31", "")),
        *(("2100-01-01", ""), ("13/4/2024", "MDY"), ("2024/4/1", "MDY"), ("4/4-2024", "")),
        *(("2024-4", ""), ("2024", ""), ("0001/4/2024", ""), ("2024-04-01 10:00", "")),
    ],
)
def test_dates_that_are_not_clear(text, order):
    with pytest.raises(NotClear):
        date_read(text, order)


def test_instants_need_their_offset():
    assert moment_read("2024-04-01T00:00:00-05:00") == 1711947600
    assert moment_read("2024-04-01 00:00-05:00") == 1711947600
    for text in ("2024-04-01T25:00:00Z", "2024-04-01T00:00:00-0500", "1969-01-01T00:00Z"):
        with pytest.raises(NotClear):
            moment_read(text)
