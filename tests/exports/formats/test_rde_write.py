"""RDE on its way out: both profiles, their options and refusals."""

import io
from datetime import timedelta
from decimal import Decimal

import pytest

from devices.readings import MeterData, Status
from exports.formats import get
from exports.formats.base import OptionError
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.register_cases import (
    GAP,
    PEAK,
    SECOND,
    TIER,
    TOTAL,
    april,
    at,
    register,
)
from tests.exports.formats.register_tools import (
    context,
    device_of,
    lines,
    read,
    refusal,
    refused,
    write,
)

FORM = get("rde")
FIRST = (GOLDEN / "rde/1_self_read.csv").read_bytes()
CREATED = at("2024-04-01T01:15:00-05:00")


def ago(hours: float, *values, read_type="SR"):
    """A read so many hours before creation."""
    made = april(*values)
    return type(made)(CREATED - timedelta(hours=hours), read_type, values)


# --- writing long ---------------------------------------------------------------------------------


def test_what_the_header_says():
    words = {"zone": None, "system_zone": "UTC", "groups": ("A", "B"), "export": 'Größe, "1"'}
    head = lines("rde", april(TOTAL), **words)[0]
    assert head == (
        'RDEH,1.00,20240401061500,2024-04-01T06:15:00Z,ACMEPOWER,CIS1,"Größe, ""1""",OR,,'
        "2024-04-01T05:00:00Z,2024-04-02T05:00:00Z,DEVICE,A;B"
    )


def test_what_is_not_known_is_empty():
    bare = register(None, "SUM", "KWH", "1", multiplier=None, dials=None, decimals=None)
    empty = {"season": None, "reset_count": None, "reset_time": None, "received": None}
    row = lines("rde", april(bare, read_id="", source="", **empty))[1]
    assert row.endswith(",SR,2024-04-01T00:00:00-05:00,,,,,,SUM,KWH,DEL,T,1,1,,1,Y,,,A,,,,0")


@pytest.mark.parametrize("given", ["e-991", "1234567890123456789", "007", "²"])
def test_a_read_id_that_is_no_number_is_left_out(given):
    data, tally = write("rde", [MeterData(device_of(), reads=(april(TOTAL, read_id=given),))])
    assert tally.warnings.counts == {"RDE51": 1}
    assert data.split(b"\r\n")[1].split(b",")[9] == b""


def test_revisions_stay_at_999():
    assert lines("rde", april(TOTAL, revision=1000))[1].endswith(",999")


def test_every_occurrence_counts_and_may_be_limited():
    assert "RDET,20240401061500,1,2,0,24.4," in lines("rde", april(PEAK, SECOND))[-1]
    assert (
        "RDET,20240401061500,1,1,0,12.48," in lines("rde", april(PEAK, SECOND), occurrences=1)[-1]
    )


def test_all_bits_are_codes():
    every = int(sum(Status)) & ~int(Status.MISSING)
    [row] = [r for r in lines("rde", april(register(1, "SUM", "KWH", "1", status=every)))
             if r.startswith("RDED")]  # fmt: skip
    assert (
        ",V,2.8.0;2.7.0;2.10.0;2.0.256;1.2.32;1.4.2;1.4.3;1.4.9;1.4.5;1.4.1;1.4.256;1.4.16," in row
    )


def test_only_the_newest_read_of_some_days():
    reads = (
        ago(1, TOTAL, PEAK),
        ago(30, TOTAL, PEAK),
        ago(200, TOTAL, PEAK),
        ago(2, PEAK, read_type="CUR"),
    )

    def found(**days):
        return [
            (row.split(",")[8][:13], row.split(",")[14])
            for row in lines("rde", *reads, **days)
            if row.startswith("RDED")
        ]

    assert len(found()) == 7
    assert found(energy_days=7, demand_days=7) == [
        ("2024-04-01T00", "SUM"), ("2024-04-01T00", "MAX"),
    ]  # fmt: skip
    assert [name for _, name in found(energy_days=7)].count("MAX") == 4
    old = (ago(200, TOTAL), ago(-1, TOTAL), ago(0, TOTAL), ago(168, TOTAL))
    [row] = [r for r in lines("rde", *old, energy_days=7) if r.startswith("RDED")]
    assert ",2024-03-25T01:15:00-05:00," in row
    assert lines("rde", ago(200, TOTAL), energy_days=7, demand_days=7)[1].startswith("RDET")


def test_the_newest_read_of_each_device_and_at_one_time_the_last_type():
    both = (ago(5, TOTAL), ago(5, TIER, read_type="PDR"))
    [row] = [r for r in lines("rde", *both, energy_days=7, demand_days=7) if r[:4] == "RDED"]
    assert ",SR," in row
    moved = device_of(account_id="55")
    meters = [
        MeterData(device_of(), reads=(ago(9, TOTAL),)),
        MeterData(moved, reads=(ago(5, TIER),)),
    ]
    data, _ = write("rde", meters, energy_days=7, demand_days=7)
    assert data.count(b"RDED") == 1
    assert b",55," in data


def test_options_of_one_profile():
    for name in ("append", "formula_guard"):
        with pytest.raises(OptionError, match=f"{name}: only with profile wide"):
            FORM.options_clean({name: True})


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (b",1,5,70133", b",2,5,70133", "reads"),
        (b",1,5,70133", b",1,6,70133", "rows"),
        (b"70133.948", b"70133.949", "energy total"),
        (b",24.4,", b",24.5,", "demand total"),
        (b",24.4,0,", b",24.4,1,", "estimated"),
        (b",24.4,0,0,", b",24.4,0,1,", "missing"),
        (b"SSI0004711", b"SSI0004712", "SHA-256"),
        (b"RDET", b"RDEX", "trailer"),
    ],
)
def test_a_second_look_finds_what_is_wrong(old, new, why):
    found = FORM.verify(io.BytesIO(FIRST.replace(old, new)), context("rde"))
    assert [text.partition(":")[0] for text in found] == [why]


# --- writing wide ---------------------------------------------------------------------------------

WORDS = {"profile": "wide"}


def row_of(*values, **words) -> dict[str, str]:
    """The only row, by its columns."""
    names, row = lines("rde", april(*values), **WORDS, **words)
    return dict(zip(names.split(","), row.split(","), strict=True))


def test_a_row_a_flow_and_energy_kind():
    values = [
        register(1, "SUM", "KVAH", "1"),
        register(2, "SUM", "KWH", "2", flow="REC"),
        register(3, "SUM", "KWH", "3"),
        register(4, "SUM", "M3", "4"),
        register(5, "SUM", "KVARH", "5", flow="Q1"),
    ]
    rows = [row.split(",") for row in lines("rde", april(*values), **WORDS)[1:]]
    assert [tuple(row[6:10]) for row in rows] == [
        ("KWH", "KW", "DEL", "3"),
        ("KVAH", "KVA", "DEL", "1"),
        ("M3", "", "DEL", "4"),
        ("KWH", "KW", "REC", "2"),
        ("KVARH", "KVAR", "Q1", "5"),
    ]


def test_a_block_has_energy_demand_and_the_worst_letter():
    row = row_of(
        *(TOTAL, PEAK, register(9, "CUM", "KW", "99"), GAP),
        register(6, "MAX", "KW", "0", rate="A"),
    )
    assert (row["T_Energy"], row["T_MaxDemand"], row["T_CumDemand"]) == ("45812.347", "12.48", "99")
    assert (row["T_MaxDemandTime"], row["T_Quality"]) == ("2024-03-18T16:45:00-05:00", "A")
    assert (row["A_Energy"], row["A_MaxDemand"], row["A_Quality"]) == ("", "0", "M")
    assert (row["A_MaxDemandTime"], row["B_Quality"]) == ("", "")


def test_what_wide_does_not_carry_is_counted():
    lost = (
        SECOND,
        register(5, "PRES", "KW", "1"),
        register(6, "COIN", "KW", "1"),
        register(7, "SUM", "V", "1"),
        register(8, "MAX", "KWH", "1"),
        register(9, "PRES", "KW", "1", rate="H"),
    )
    data, tally = write("rde", [MeterData(device_of(), reads=(april(TOTAL, *lost),))], **WORDS)
    assert tally.warnings.counts == {"RDE50": 6}
    assert data.count(b"\r\n") == 2


def test_a_read_of_nothing_that_wide_carries_has_no_row():
    _, tally = write("rde", [MeterData(device_of(), reads=(april(register(1, "SUM", "V", "1")),))],
                     **WORDS)  # fmt: skip
    assert (tally.meters, tally.records, tally.warnings.counts) == (0, 0, {"RDE50": 1})


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ((register(1, "SUM", "KWH", "1", rate="E"),), "RDE02"),
        ((register(1, "MAX", "KW", "1", flow="Q1"),), "RDE03"),
        ((register(1, "SUM", "KWH", "1"), register(2, "SUM", "KWH", "2")), "RDE03"),
        ((TOTAL, register(2, "SUM", "KWH", "1", rate="A", multiplier=Decimal(2))), "RDE05"),
        ((TOTAL, register(2, "SUM", "KWH", "1", rate="A", multiplier_applied=False)), "RDE05"),
    ],
)
def test_what_wide_refuses(values, why):
    message = refused("rde", *values, **WORDS)
    assert message.startswith(f"{why} RDE 00123456/")


def test_more_rates_than_wide_holds_tells_what_to_do():
    five = [register(n, "SUM", "KWH", "1", rate=rate) for n, rate in enumerate("TABCDE", 1)]
    message = refused("rde", *five, **WORDS)
    assert message.endswith("rate E: use profile long, or select rates T, A to D")
    assert len(lines("rde", april(*five), **WORDS, rates="T,A,B,C,D")) == 2


def test_two_reads_for_one_row_are_refused():
    assert refusal("rde", april(TOTAL), april(PEAK, TOTAL, read_id="2"), **WORDS).startswith(
        "RDE01"
    )


def test_rows_for_the_end_of_a_file():
    assert lines("rde", april(TOTAL), **WORDS, append=True)[0].startswith("00123456,")


def test_the_guard_against_formulas_is_for_wide_and_taken_back():
    device = device_of(meter_number="=1+1", account_id="-5", service_point_id="@x,y")
    row = lines("rde", april(TOTAL), **WORDS, formula_guard=True, device=device)[1]
    assert row.startswith("'=1+1,\"'@x,y\",-5,CYCLE05,")
    data, _ = write("rde", [MeterData(device, reads=(april(TOTAL),))], **WORDS, formula_guard=True)
    [meter], _ = read("rde", data)
    assert meter.device[:5] == ("", "=1+1", "", "@x,y", "-5")
    assert lines("rde", april(TOTAL), **WORDS, device=device)[1].startswith("=1+1,")
