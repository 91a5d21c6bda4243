"""What IDF, RDE and BTF share on the way out: selection, order, numbers, times, refusals."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devices.readings import Frame, MeterData, Status
from exports.formats import get, registerparts
from exports.formats.base import FormatError
from tests.exports.formats.register_cases import (
    GAP,
    METER,
    NET,
    PEAK,
    REACTIVE,
    SECOND,
    TIER,
    TOTAL,
    april,
    december,
    register,
)
from tests.exports.formats.register_tools import (
    context,
    device_of,
    lines,
    refusal,
    refused,
    write,
)

CODES = ("idf", "rde", "btf")
EVERY = pytest.mark.parametrize("code", CODES)
# Where a line tells register number, class and rate, by format.
CELLS = {
    "idf": lambda line: tuple(line.split(",")[place] for place in (2, 8, 9)),
    "rde": lambda line: tuple(line.split(",")[place] for place in (13, 14, 17)),
    "btf": lambda line: (line[99:102], line[102:106].strip(), line[115]),
}
BODY = {"idf": "REG", "rde": "RDED", "btf": "BTFR"}
VALUES = {
    "idf": lambda line: line.split(",")[10],
    "rde": lambda line: line.split(",")[19],
    "btf": lambda line: line[116:132].strip(),
}


def rows(code, *reads, **words):
    return [line for line in lines(code, *reads, **words) if line.startswith(BODY[code])]


def numbers(code, *reads, **words):
    return [CELLS[code](line)[0].rpartition(":")[2] for line in rows(code, *reads, **words)]


def values(code, *values, **words):
    return [VALUES[code](line) for line in rows(code, april(*values), **words)]


# --- which, and in which order --------------------------------------------------------------------


@EVERY
def test_registers_come_by_number_rate_class(code):
    given = (
        register(2, "MAX", "KW", "1", rate="A"),
        register(1, "CUM", "KW", "2"),
        register(2, "SUM", "KWH", "3", flow="REC"),
        register(1, "SUM", "KWH", "4"),
    )
    words = {"register_types": "TOT,MAX,CUM"} if code == "idf" else {}
    found = [CELLS[code](line)[1:] for line in rows(code, april(*given), **words)]
    total = "TOT" if code == "idf" else "SUM"
    assert found == [(total, "T"), ("CUM", "T"), (total, "T"), ("MAX", "A")]


@EVERY
def test_reads_come_by_time_and_type(code):
    reads = [
        december(TOTAL, read_id="9"),
        april(register(7, "SUM", "KWH", "1")),
        april(register(8, "SUM", "KWH", "1")).__class__(
            april().time, "CUR", (register(8, "SUM", "KWH", "1"),)
        ),
    ]
    assert [int(n) for n in numbers(code, *reads)] == [8, 7, 1]


@EVERY
def test_read_types_and_rates_are_chosen(code):
    reads = (april(TOTAL, TIER), december(TOTAL).__class__(december().time, "PDR", (TOTAL,)))
    assert len(rows(code, *reads, read_types="sr")) == 2
    assert len(rows(code, *reads, read_types="PDR, CUR")) == 1
    assert len(rows(code, *reads, rates="A")) == 1


@pytest.mark.parametrize("code", ["rde", "btf"])
def test_classes_are_chosen(code):
    assert len(rows(code, april(TOTAL, PEAK, TIER), classes="MAX")) == 1


@EVERY
def test_a_null_is_a_line_or_none(code):
    assert values(code, TOTAL, GAP) == [
        "00000045812.3470" if code == "btf" else "45812.347",
        "",
    ]
    assert len(values(code, TOTAL, GAP, null_registers="omit")) == 1
    assert rows(code, april(GAP), null_registers="omit") == []


@EVERY
def test_a_meter_without_reads_and_an_empty_file_have_no_lines(code):
    data, tally = write(code, [MeterData(METER), MeterData(METER, reads=(april(GAP),))],
                        null_registers="omit")  # fmt: skip
    assert (tally.meters, tally.records, tally.registers) == (0, 0, 0)
    assert f"\n{BODY[code]}" not in data.decode()


@EVERY
def test_lower_peaks_are_not_carried_but_by_rde(code):
    assert len(rows(code, april(PEAK, SECOND))) == (2 if code == "rde" else 1)


# --- numbers --------------------------------------------------------------------------------------


@EVERY
def test_values_are_rounded_half_even_once_and_plain(code):
    given = ["0.00005", "0.00015", "1E+3", "-0.00001", "1.50", "10", "-120.25"]
    found = [values(code, register(1, "SUM", "KWH", text, flow="NET"))[0] for text in given]
    plain = ["0", "0.0002", "1000", "0", "1.5", "10", "-120.25"]
    if code == "btf":
        plain = [
            "00000000000.0000", "00000000000.0002", "00000001000.0000", "00000000000.0000",
            "00000000001.5000", "00000000010.0000", "-0000000120.2500",
        ]  # fmt: skip
    assert found == plain


@EVERY
def test_sums_are_those_of_the_numbers_as_written(code):
    half = register(1, "SUM", "KWH", "0.00005")
    more = register(2, "SUM", "KWH", "0.00015", flow="REC")
    _, tally = write(code, [MeterData(METER, reads=(april(half, more, PEAK, GAP),))])
    assert tally.total("energy") == Decimal("0.0002")
    assert tally.total("demand") == Decimal("12.48")
    assert (tally.missing, tally.registers, tally.total("reads")) == (1, 4, 1)


@EVERY
def test_a_multiplier_is_taken_out_once(code):
    applied = register(1, "SUM", "KWH", "100", multiplier=Decimal(3))
    open_one = register(2, "SUM", "KWH", "100", multiplier=Decimal(3), multiplier_applied=False,
                        flow="REC")  # fmt: skip
    found = values(code, applied, open_one, remove_multiplier=True)
    wanted = ["33.3333", "100"]
    assert found == (["00000000033.3333", "00000000100.0000"] if code == "btf" else wanted)
    [line] = rows(code, april(applied), remove_multiplier=True)
    assert {"idf": ",3,0,6,3,", "rde": ",3,N,6,3,", "btf": "06030000003.0000N"}[code] in line
    nothing = register(1, "SUM", "KWH", "1", multiplier=Decimal(0))
    assert refused(code, nothing, remove_multiplier=True).startswith("FMT10")


@EVERY
def test_a_multiplier_that_is_not_stated_is_one_and_applied(code):
    bare = register(None, "SUM", "KWH", "1", multiplier=None, multiplier_applied=None)
    [line] = rows(code, april(bare))
    assert {"idf": ",1,1,6,3,", "rde": ",1,Y,6,3,", "btf": "06030000001.0000Y"}[code] in line


@EVERY
def test_a_register_without_number_says_so(code):
    bare = [register(None, "SUM", unit, "1") for unit in ("KWH", "KVARH")]
    assert set(numbers(code, april(*bare))) == {{"idf": "00", "rde": "", "btf": "000"}[code]}


@EVERY
def test_a_negative_value_is_warned_of_unless_the_flow_is_net(code):
    _, tally = write(code, [MeterData(METER, reads=(april(NET),))])
    assert not tally.warnings.counts
    below = register(1, "SUM", "KWH", "-1")
    _, tally = write(code, [MeterData(METER, reads=(april(below),))])
    assert tally.warnings.counts == {"REG01": 1}


@EVERY
def test_a_peak_time_that_is_not_carried_is_warned_of(code):
    late = register(1, "SUM", "KWH", "1", peak="2024-03-18T16:45:00-05:00")
    _, tally = write(code, [MeterData(METER, reads=(april(late),))])
    assert tally.warnings.counts == {"REG02": 1}


@EVERY
def test_lines_may_end_in_line_feeds_alone(code):
    data, _ = write(code, [MeterData(METER, reads=(april(TOTAL),))], line_end="LF")
    assert b"\r" not in data
    assert data.endswith(b"\n")


# --- times ----------------------------------------------------------------------------------------


@EVERY
def test_the_zone_is_the_devices_unless_the_run_has_one(code):
    time = {"zone": None, "system_zone": "America/New_York"}
    text = "\n".join(lines(code, april(TOTAL), **time))
    own = {"idf": "20240401000000,-0500", "rde": ",2024-04-01T00:00:00-05:00,551902"}
    assert own.get(code, "20240401000000-0500") in text
    head = {"idf": "20240401021500", "rde": "2024-04-01T02:15:00-04:00"}
    assert head.get(code, "20240401021500-0400") in text.splitlines()[0]
    text = "\n".join(lines(code, april(TOTAL), zone="UTC"))
    there = {"idf": "20240401050000,+0000", "rde": ",2024-04-01T05:00:00Z,551902"}
    assert there.get(code, "20240401050000+0000") in text


@EVERY
def test_london_in_winter_keeps_its_offset(code):
    text = "\n".join(lines(code, december(TOTAL), zone="Europe/London"))
    assert {"idf": ",+0000,", "rde": "T06:00:00+00:00,", "btf": "+0000"}[code] in text


@EVERY
def test_what_of_times_is_cut_off(code):
    fine = datetime(2024, 3, 1, 6, 5, 0, 250000, tzinfo=UTC)
    [line] = rows(code, april(TOTAL, reset_time=fine, received=fine))
    assert ".25" not in line


# --- refusals -------------------------------------------------------------------------------------

NOON = datetime(2024, 3, 18, 12, tzinfo=UTC)
NAIVE = datetime(2024, 3, 18, 12)  # noqa: DTZ001
REFUSED = {
    "FMT01 peak": (register(2, "MAX", "KW", "1", peak="2024-03-18T12:00:00"), "FMT01"),
    "FMT02 peak": (register(2, "MAX", "KW", "1", peak="2024-03-18T12:00:00.5+00:00"), "FMT02"),
    "FMT07 value": (register(1, "SUM", "KWH", "12345678901234567"), "FMT07"),
    "FMT07 multiplier": (register(1, "SUM", "KWH", "1", multiplier=Decimal("0.00001")), "FMT07"),
    "FMT07 wide multiplier": (
        register(1, "SUM", "KWH", "1", multiplier=Decimal("123456789012.5")),
        "FMT07",
    ),
    "FMT07 dials": (register(1, "SUM", "KWH", "1", dials=100), "FMT07"),
    "FMT10": (register(1, "SUM", "KWH", "NaN"), "FMT10"),
    "FMT12 null": (register(1, "SUM", "KWH", None, status=0), "FMT12"),
    "FMT12 value": (register(1, "SUM", "KWH", "1", status=int(Status.MISSING)), "FMT12"),
    "FMT12 mask": (
        register(1, "SUM", "KWH", None, status=int(Status.MISSING | Status.EDITED)),
        "FMT12",
    ),
}


@EVERY
@pytest.mark.parametrize("name", REFUSED)
def test_a_register_is_refused(code, name):
    value, why = REFUSED[name]
    message = refused(code, value)
    assert message.startswith(f"{why} {code.upper()} 00123456"), message
    assert "2024-04-01T05:00:00Z: " in message


@EVERY
def test_infinity_is_refused_also_where_it_is_divided(code):
    endless = register(1, "SUM", "KWH", "Infinity", multiplier=Decimal(2))
    assert refused(code, endless, remove_multiplier=True).startswith("FMT10")


@EVERY
@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"account_id": "4400123456789012345678901"}, "FMT06"),
        ({"account_id": "ÄB"}, "FMT05"),
        ({"account_id": "A\nB"}, "FMT11"),
        ({"time_zone": "Mars/Olympus"}, "FMT15"),
    ],
)
def test_a_device_is_refused(code, changed, why):
    message = refusal(code, april(TOTAL), device=device_of(**changed), zone=None)
    assert message.startswith(f"{why} {code.upper()} 00123456")


@EVERY
def test_a_read_is_refused(code):
    broken = april(TOTAL)
    assert refusal(code, _at(broken, NAIVE)).startswith("FMT01")
    fraction = NOON.replace(microsecond=1)
    assert refusal(code, _at(broken, fraction)).startswith("FMT02")
    assert refusal(code, april(TOTAL, reset_count=100000)).startswith("FMT07")


def _at(read, time):
    return type(read)(time, read.read_type, read.values)


@EVERY
def test_an_offset_of_seconds_cannot_be_written_apart(code):
    before_1900 = _at(april(TOTAL), datetime(1883, 1, 1, tzinfo=UTC))
    if code == "rde":
        assert "1882-12-31T18:09:24-05:50:36" in "".join(rows(code, before_1900))
    else:
        assert refusal(code, before_1900).startswith("FMT15")


@EVERY
def test_two_rows_of_one_key_are_refused(code):
    twice = {"idf": "IDF01", "rde": "RDE01", "btf": "BTF01"}[code]
    again = register(1, "SUM", "KWH", "1")
    assert refused(code, TOTAL, again).startswith(twice)
    assert refusal(code, april(TOTAL), april(TOTAL, read_id="7")).startswith(twice)


@EVERY
def test_a_reused_meter_number_is_refused_and_explained(code):
    other = device_of(device_id="SSI0009999")
    meters = [MeterData(device, reads=(april(TOTAL),)) for device in (METER, other)]
    with pytest.raises(FormatError) as caught:
        write(code, meters)
    assert str(caught.value).endswith(
        "reused meter number: that of devices SSI0004711 and SSI0009999"
    )
    silent = [meters[0], MeterData(other)]
    assert write(code, silent)[1].meters == 1


@EVERY
def test_a_meter_without_number_is_refused(code):
    message = refusal(code, april(TOTAL), device=device_of(meter_number=""))
    assert message.endswith(": meter number is empty")


@EVERY
def test_a_meter_that_moved_keeps_both_accounts(code):
    moved = device_of(account_id="5500123")
    meters = [MeterData(METER, reads=(april(TOTAL),)), MeterData(moved, reads=(december(TOTAL),))]
    data, tally = write(code, meters)
    text = data.decode()
    assert text.index("4400123") < text.index("5500123")
    assert tally.meters == 1


@EVERY
def test_a_meter_in_error_is_left_out_whole_and_listed(code):
    good = device_of(meter_number="00123457", device_id="D2")
    bad = (april(TOTAL), december(register(1, "SUM", "KWH", "NaN")))
    meters = [MeterData(METER, reads=bad), MeterData(good, reads=(april(REACTIVE),))]
    with pytest.raises(FormatError):
        write(code, meters)
    data, tally = write(code, meters, on_error="skip_meter")
    assert b"00123456 " not in data
    assert b"45812" not in data
    assert [left.code for left in tally.left_out] == ["FMT10"]
    assert tally.total("energy") == Decimal("9120.5")


@EVERY
def test_many_meters_are_written_like_few(code, monkeypatch):
    monkeypatch.setattr(registerparts, "KEPT", 2)
    kinds = [register(n, "SUM", "KWH", f"{n}.5") for n in range(1, 6)]
    meters = [
        MeterData(
            device_of(meter_number=f"{n:04}", device_id=f"D{n}"), reads=(april(kinds[n % 5]),)
        )
        for n in range(150)
    ]
    data, tally = write(code, meters)
    assert (tally.meters, tally.registers) == (150, 150)
    assert tally.total("energy") == 30 * Decimal("17.5")
    alone = "".join(rows(code, meters[77].reads[0], device=meters[77].device))
    assert [x for x in data.decode().splitlines() if "0077" in x][-1][13:] == alone[13:]


@EVERY
def test_a_frame_that_is_not_sorted_is_an_error_of_ours(code):
    frame = Frame([device_of(meter_number=n) for n in "BA"])
    with pytest.raises(ValueError, match="not sorted by meter_number"):
        get(code).write([frame], context(code), io.BytesIO())


AGAIN = [("rde", {"profile": "wide"}, "RDE04"), ("rde", {}, "RDE04"), ("btf", {}, "BTF03")]


@pytest.mark.parametrize(("code", "words", "why"), AGAIN)
def test_a_file_sent_again_names_the_one_before(code, words, why):
    for mode in ("RE", "CO"):
        assert refusal(code, april(TOTAL), mode=mode, **words).startswith(why)
    text = "\n".join(lines(code, april(TOTAL), mode="CO", original_batch="20240401061400", **words))
    assert ("20240401061400" in text) == (not words)
