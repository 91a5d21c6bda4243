"""File names from patterns."""

from datetime import UTC, datetime

import pytest

from exports.naming import NameRefused, file_name

VALUES = {
    "format": "CMEP",
    "export": "Night run",
    "group": "CYCLE05",
    "batch": "2026",
    "ext": "txt",
}


def named(pattern, **more):
    return file_name(
        pattern,
        VALUES | more,
        created=datetime(2026, 3, 15, 6, 10, 5, 123000, tzinfo=UTC),
        start=datetime(2026, 3, 14, 5, tzinfo=UTC),
        end=datetime(2026, 3, 15, 5, tzinfo=UTC),
        zone="America/Chicago",
        seq=42,
    )


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("{format}_{export}_{group}_{batch}.{ext}", "CMEP_Night_run_CYCLE05_2026.txt"),
        ("{date}_{time}.x", "20260315_011005.x"),
        ("{date:dd.MM.yyyy}_{utc:yyyyMMddTHHmmssfff}", "15.03.2026_20260315T061005123"),
        ("{from}-{to:yyyyMMddHH}", "20260314-2026031500"),
        ("{seq}_{seq:12}", "42_000000000042"),
    ],
)
def test_macros(pattern, name):
    assert named(pattern) == name


def test_values_cannot_leave_the_folder():
    assert named("x{meter}", meter="a/b\\c d") == "xa_b_c_d"
    with pytest.raises(NameRefused, match="FMT16"):
        named("a{meter}", meter="..")


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("../{batch}", "FMT16"),
        ("a/b", "FMT16"),
        ("a\\b", "FMT16"),
        ("...", "FMT16"),
        ("ä.txt", "only"),
        ("{meter}", r"\{meter\} has no value"),
        ("x" * 201, "201 bytes"),
    ],
)
def test_what_makes_no_name_is_refused(pattern, why):
    with pytest.raises(NameRefused, match=why):
        named(pattern)
