"""The reader's triplets: counts, flags, values; and whatever may come."""

from decimal import Decimal

import pytest
from hypothesis import given, settings, strategies as st

from devices.readings import (
    Status,
)
from tests.exports.formats.cmep_cases import (
    CASES,
)
from tests.exports.formats.cmep_lines import (
    HEAD,
    MISSING,
    QUESTIONABLE,
    RAW,
    A,
    known,
    masks,
    one,
    record,
    refused,
    values,
)
from tests.exports.formats.cmep_tools import read, values_of
from tests.exports.formats.golden import GOLDEN

# --- triplets -----------------------------------------------------------------------------------


def test_crc_slot_is_ignored() -> None:
    for slot in (b",", b",H12aF"):
        assert len(values(one(A.rstrip() + slot))) == 8
    for slot in (b",x", b",H12", b",H12G4", b",,"):
        refused(A.rstrip() + slot + b"\r\n", "CMR07")


def test_an_empty_last_value_is_no_crc_slot() -> None:
    assert masks(one(record("03140715,N,"))) == [MISSING]


@pytest.mark.parametrize("cut", [b"", b","])
def test_a_record_cut_short_by_one_or_two_fields(cut: bytes) -> None:
    meter = one(A[: A.index(b",,0.289")] + cut, "CMR57", "CMR61")
    assert len(values(meter)) == 8
    assert masks(meter)[-1] == MISSING


def test_a_record_cut_shorter_looks_like_a_broken_transfer() -> None:
    line = A[: A.index(b",202603140900")] + b"\r\n"
    assert "cut short" in refused(line, "CMR06")


def test_counts() -> None:
    for count in ("0", "", "x", "-1"):
        refused(record("03140715,,1", count=count), "CMR04", "count")
    many = [f"0314{k // 4 + 7:02}{k % 4 * 15:02},,1" for k in range(60)]
    assert len(values(one(record(*many), "CMR56"))) == 60
    refused(record(*many, count="59"), "CMR07")


def test_numbers() -> None:
    texts = ["+1.5", "-.5", "2.", "1e2", "12D-1", "1.5E+1", "H1F", "-HA", "007"]
    line = record(*(f"0314{k + 8:02}00,,{text}" for k, text in enumerate(texts)))
    found = values(one(line, *["CMR58"] * 8))
    assert found == [Decimal(v) for v in ("1.5", "-0.5", "2", "100", "1.2", "15", "31", "-10", "7")]


@pytest.mark.parametrize("text", ["x", "1,5", ".", "-", "1.2.3", "1e", "NaN", "H", "--1", "1e9999"])
def test_numbers_that_are_none(text: str) -> None:
    code = "CMR07" if "," in text else "CMR04"
    refused(record(f"03140715,,{text}"), code)


def test_numbers_that_cannot_be_kept() -> None:
    for text in ("1e30", "1e-30", "9999999999999999"):
        refused(record(f"03140715,,{text}"), "CMR12", "value")
    assert values(one(record("03140715,,0.12345678901"))) == [Decimal("0.12345678901")]


def test_an_empty_value_is_missing_or_zero() -> None:
    assert masks(one(record("03140715,E,"), "CMR61")) == [MISSING]
    zero = one(record("03140715,E,"), "CMR61", empty_value="zero")
    assert (values(zero), masks(zero)) == ([0], [int(Status.ESTIMATED)])


def test_a_value_beside_n_is_ignored() -> None:
    assert values(one(record("03140715,N,12"))) == [None]


@pytest.mark.parametrize(
    ("flag", "mask", "codes"),
    [
        ("", 0, []),
        ("R", RAW, []),
        ("E", int(Status.ESTIMATED), []),
        ("A", int(Status.EDITED), []),
        ("R 00 00", RAW, ["CMR59"]),
        ("E5", int(Status.ESTIMATED), ["CMR59"]),
        ("X", QUESTIONABLE, ["CMR60"]),
        ("7", QUESTIONABLE, ["CMR60"]),
    ],
)
def test_base_flags(flag: str, mask: int, codes: list[str]) -> None:
    assert masks(one(record(f"03140715,{flag},1"), *codes)) == [mask]


def test_flag_a_may_mean_actual() -> None:
    assert masks(one(record("03140715,A,1"), a_means="actual")) == [0]


@pytest.mark.parametrize(
    ("flag", "mask", "codes"),
    [
        ("R0", RAW, []),
        ("R", RAW, []),
        ("E1", int(Status.ESTIMATED) | QUESTIONABLE, []),
        ("N33", MISSING, []),
        ("N34", MISSING | 0x20, []),
        ("R32", RAW | QUESTIONABLE, ["CMR62"]),
        ("R4", RAW | 0x20, []),
        ("R64", RAW | 0x1000, []),
        ("R128", RAW | QUESTIONABLE, []),
        ("R32768", RAW | QUESTIONABLE, []),
        ("R256", RAW | 0x100, []),
        ("R512", RAW | 0x400, []),
        ("R8192", RAW | 0x400, []),
        ("R1024", RAW | 0x80, []),
        ("R2048", RAW | 0x40, []),
        ("R4096", RAW | 0x200, []),
        ("R16384", RAW | 0x800, []),
        ("R8", RAW, ["CMR63"]),
        ("R65536", RAW, ["CMR63"]),
        ("R524288", RAW, ["CMR63"]),
        ("R 00 00", RAW, ["CMR59"]),
        ("R-1", RAW, ["CMR59"]),
        ("9", QUESTIONABLE, ["CMR60"]),
    ],
)
def test_sensus_flags(flag: str, mask: int, codes: list[str]) -> None:
    assert masks(one(record(f"03140715,{flag},1", version="20080501"), *codes)) == [mask]


def test_series_differ_by_length_and_constant() -> None:
    lines = record("03140715,,1") + record("03140800,,2", interval="00000100")
    lines += record("03140730,,3", constant="2")
    meter = one(lines)
    assert [(s.channel.seconds, s.channel.multiplier) for s in meter.series] == [
        (900, None),
        (3600, None),
        (900, 2),
    ]


def test_resolution_is_the_coarsest_that_holds_the_values() -> None:
    assert one(A).series[0].channel.resolution == Decimal("0.001")
    assert one(record("03140715,,40")).series[0].channel.resolution == 1


# --- whatever comes -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from([case.name for case in CASES]),
    st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=3)), max_size=4),
    st.sampled_from(["UTC", "America/Los_Angeles"]),
)
def test_corrupted_files_never_crash_the_reader(
    name: str, changes: list[tuple[int, bytes]], times: str
) -> None:
    data = bytearray((GOLDEN / f"cmep/{name}.txt").read_bytes())
    for place, junk in changes:
        data[place : place + len(junk)] = junk
    inventory = known(("KWH", "DEL", 900), ("KVARH", "Q1", 86400), zone="Asia/Tokyo")
    meters, report = read(bytes(data), inventory, times=times)
    assert report.records or not meters
    for meter in meters:
        values_of(meter)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet='MEPD0123,KWH\r\n"OK.-NRE ', max_size=200))
def test_junk_never_crashes_the_reader(junk: str) -> None:
    read(HEAD + junk.encode())
    read(junk.encode())
