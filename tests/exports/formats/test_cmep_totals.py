"""MEPMD02: totals and peaks by rate (section 8), written, refused, read."""

import hashlib
import io
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from devices.readings import MeterData, RegisterValue, Status
from exports.formats.base import OptionError
from tests.exports.formats.cmep_cases import (
    METER,
    TOU,
    TOU_OPTIONS,
    TOU_SHA256,
    by_rate,
    minute,
    tou,
)
from tests.exports.formats.cmep_tools import CMEP, context, read, refusal, write
from tests.exports.formats.golden import GOLDEN, golden_check

CREATED = "202604010710"
START, END = "202603010800", "202604010700"
LINE = (
    "MEPMD02,19970819,123456789,SA0001234567,987654321,4400871,202604010710,E10293847,OK,E,KWH,W,1,"
    "202603010800,202604010700,3,ON-PEAK,,112.4,OFF-PEAK,,388.05,TOTAL,,500.45"
)


def totals(*reads, **options):
    """The lines of MEPMD02, and the warnings."""
    data, tally = write([MeterData(METER, reads=reads)], created=CREATED, **TOU_OPTIONS | options)
    lines = data.decode().splitlines()
    return [line for line in lines if line.startswith("MEPMD02")], tally.warnings.counts


def fields(line: str) -> list[str]:
    return line.split(",")[10:]


def test_the_example_of_the_specification_to_the_byte():
    data, tally = write([TOU], created=CREATED, **TOU_OPTIONS | {"include": "intervals"})
    golden_check("cmep/s_mepmd02.txt", data)
    assert data.decode() == f"{LINE}\r\n"
    assert len(data) == 169
    assert hashlib.sha256(data).hexdigest() == TOU_SHA256
    assert (tally.meters, tally.records, tally.registers) == (1, 1, 3)


def test_it_is_written_only_when_asked_for_and_beside_the_others():
    data, tally = write([TOU], created=CREATED, include="registers")
    assert b"MEPMD02" not in data
    assert tally.warnings.counts == {"FMT14": 4}
    data, tally = write([TOU], created=CREATED, **TOU_OPTIONS)
    kinds = [(line.split(",")[0], line.split(",")[10]) for line in data.decode().splitlines()]
    assert kinds == [("MEPMD02", "KWH"), ("MEPMD01", "KWHREG")]
    assert tally.warnings.counts == {}


def test_peaks_are_those_of_the_period():
    """A peak from before the first read does not count, nor does that read's own."""
    early, late = (minute(time) for time in (START, END))
    peaks = [
        (early, "99", early - timedelta(days=1)),
        (early + timedelta(days=5), "98", early - timedelta(hours=1)),
        (early + timedelta(days=9), "7.25", early + timedelta(days=8)),
        (late, "6.5", late - timedelta(days=1)),
    ]
    reads = [
        tou(
            f"{at:%Y%m%d%H%M}",
            None,
            RegisterValue("MAX", "KW", "DEL", "A", Decimal(v), peak_time=p),
        )
        for at, v, p in peaks
    ]
    [line], _ = totals(*reads)
    assert fields(line) == ["KW", "", "1", START, END, "1", "ON-PEAK", "", "7.25"]
    [line], _ = totals(*reads[:2])
    assert fields(line)[-3:] == ["ON-PEAK", "", "0"]


def test_one_read_alone_makes_no_record():
    assert totals(TOU.reads[0]) == ([], {"CMW06": 1, "CMW07": 1})


def test_a_meter_without_rates_makes_no_record():
    plain = [tou(time, None, *by_rate("KWH", T=v)) for time, v in ((START, "1"), (END, "2"))]
    assert totals(*plain) == ([], {})


def test_a_season_has_a_record_of_its_own_where_it_has_a_letter():
    reads = [
        tou("202603010800", 0, *by_rate("KWH", A="1")),
        tou("202603100800", 0, *by_rate("KWH", A="3")),
        tou("202603110800", 1, *by_rate("KWH", A="4")),
        tou("202603200800", 1, *by_rate("KWH", A="9")),
    ]
    lines, _ = totals(*reads)
    assert [(fields(line)[1], fields(line)[-1]) for line in lines] == [("W", "2"), ("S", "5")]
    [line], _ = totals(*reads, tou_seasons="")
    assert (fields(line)[1], fields(line)[-1]) == ("", "8")


def test_flags_tell_of_both_ends_and_the_multiplier_is_applied():
    first, last = (
        RegisterValue("SUM", "KWH", "REC", "A", Decimal(v), multiplier=Decimal(40),
                      multiplier_applied=False, status=int(mask))
        for v, mask in (("1", Status.ESTIMATED), ("3.5", 0))
    )  # fmt: skip
    [line], _ = totals(tou(START, None, first), tou(END, None, last))
    assert fields(line) == ["GKWH", "", "1", START, END, "1", "ON-PEAK", "E", "100"]


def test_sensus_labels_are_letters_and_the_version_stays():
    options = {"dialect": "sensus", "tou_labels": ""}
    [line], _ = totals(*TOU.reads, **options)
    assert line.startswith("MEPMD02,19970819,")
    assert fields(line)[5:] == [
        *("3", "RATE_A", "", "112.4", "RATE_B", "", "388.05", "TOTAL", "", "500.45"),
    ]


@pytest.mark.parametrize(
    ("reads", "options", "said"),
    [
        ([by_rate("KWH", A="5"), by_rate("KWH", A="4")], {}, "CME07 CMEP E10293847/SUM KWH"),
        ([by_rate("KWH", C="4"), by_rate("KWH", C="5")], {}, "CME08"),
        (
            [by_rate("KWH", **dict.fromkeys("TABCDEF", "1"))] * 2,
            {"dialect": "sensus", "tou_labels": ""},
            "7 rates, at most 6",
        ),
        ([by_rate("KWH", A="1"), by_rate("KWH", A="NaN")], {}, "FMT10"),
    ],
)
def test_refusals(reads, options, said):
    meter = MeterData(METER, reads=tuple(map(lambda t, v: tou(t, None, *v), (START, END), reads)))
    text = refusal(meter, **TOU_OPTIONS | options)
    assert said in text


def test_a_mark_that_disagrees_is_refused():
    wrong = RegisterValue("SUM", "KWH", "DEL", "A", Decimal(1), status=int(Status.MISSING))
    assert "FMT12" in refusal(MeterData(METER, reads=(tou(START, None, wrong),)), **TOU_OPTIONS)


def test_a_unit_that_is_not_carried_is_left_out_or_stops():
    reads = tuple(
        tou(time, None, *by_rate("PF", "MAX", A="1"), *by_rate("KWH", A=v))
        for time, v in ((START, "1"), (END, "2"))
    )
    lines, warnings = totals(*reads)
    assert (len(lines), warnings["FMT08"]) == (1, 1)
    meter = MeterData(METER, reads=reads)
    assert "FMT08" in refusal(
        meter, on_unsupported="stop", **TOU_OPTIONS | {"include": "intervals"}
    )


def test_of_reads_in_one_minute_the_later_values_stay():
    later = TOU.reads[1].time + timedelta(seconds=20)
    again = replace(TOU.reads[1], time=later, values=by_rate("KWH", A="2113.5"))
    [line], _ = totals(*TOU.reads, again)
    assert fields(line)[6:] == [
        "ON-PEAK",
        "",
        "113.4",
        "OFF-PEAK",
        "",
        "388.05",
        "TOTAL",
        "",
        "500.45",
    ]


@pytest.mark.parametrize(
    "options",
    [
        {"tou_labels": "A=PEAK"},
        {"tou_labels": "X=ON-PEAK"},
        {"tou_labels": "A=RATE_A"},
        {"tou_labels": "A=ON-PEAK;B=ON-PEAK"},
        {"tou_seasons": "0=X"},
        {"tou_seasons": "summer=S"},
    ],
)
def test_labels_and_seasons_are_words_of_the_list(options):
    with pytest.raises(OptionError, match="option tou_"):
        CMEP.options_clean(options, "write")


# --- reading -------------------------------------------------------------------------------------


def test_it_is_read_as_a_list_and_nothing_is_stored():
    meters, report = read((GOLDEN / "cmep/s_mepmd02.txt").read_bytes())
    assert (meters, report.errors, dict(report.codes)) == ([], 0, {"CMR68": 1})
    assert str(report.issues[0]).endswith(
        "totals of a period, listed, not stored: E10293847 KWH, season W, 2026-03-01 08:00Z to "
        "2026-04-01 07:00Z: ON-PEAK 112.4 (valid), OFF-PEAK 388.05 (valid), TOTAL 500.45 (valid)"
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (",W,", ",X,", "CMR04"),
        ("ON-PEAK", "NOON", "CMR05"),
        ("112.4", "many", "CMR04"),
        (",3,ON", ",7,ON", "CMR04"),
        (",3,ON", ",4,ON", "CMR06"),
        (",3,ON", ",2,ON", "CMR07"),
        (",202604010700,", ",202603010800,", "CMR04"),
        (",202604010700,", ",202613010700,", "CMR04"),
        (",E,KWH,", ",E,KWX,", "CMR05"),
        (",OK,", ",NO,", "CMR05"),
        (LINE, LINE[:90], "CMR02"),
        ("202604010710", "2026", "CMR04"),
        (",1,2026", ",0,2026", "CMR12"),
    ],
)
def test_a_record_that_is_none_is_refused(old, new, code):
    assert old in LINE
    meters, report = read(LINE.replace(old, new, 1).encode() + b"\r\n")
    assert (meters, report.errors) == ([], 1)
    assert code in report.codes


def test_a_crc_slot_an_odd_version_and_flags_are_taken():
    text = LINE.replace("ON-PEAK,,", "ON-PEAK,E,", 1).replace("19970819", "19990101") + ","
    _, report = read(text.encode())
    assert (report.errors, set(report.codes)) == (0, {"CMR52", "CMR68"})
    assert "ON-PEAK 112.4 (estimated)" in str(report.issues[-1])


# --- a second look at a file ---------------------------------------------------------------------

PLAIN = (GOLDEN / "cmep/t_whole_day.txt").read_bytes()
RECORD = (GOLDEN / "cmep/a_validated.txt").read_bytes()


def looked_at(data: bytes, **options) -> list[str]:
    return CMEP.verify(io.BytesIO(data), context(**options))


def test_every_example_counts_what_it_holds():
    for path in sorted((GOLDEN / "cmep").glob("*.txt")):
        crc = "crc" in path.stem
        assert looked_at(path.read_bytes(), empty_crc_field=crc) == [], path.stem
        assert looked_at(path.read_bytes(), empty_crc_field=not crc) != [], path.stem
    assert looked_at(PLAIN * 9 + LINE.encode() + b"\r\n" + PLAIN) == []
    assert looked_at(RECORD.replace(b"SA0001234567", b'"SA0,01"')) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b",8,2026", b",7,2026", "record 2: counts 7 triplets in 38 fields"),
        (b",8,2026", b",18,2026", "counts 18 triplets"),
        (b",8,2026", b",108,2026", "counts 108 triplets"),
        (b",8,2026", b",x,2026", "counts x triplets"),
        (b",8,2026", b",,2026", "counts  triplets"),
        (b"MEPMD01", b"MEPMD09", "begins with b'MEPMD09'"),
        (b"\r\n", b"\n", "no CR LF at the end"),
        (b"\r\n", b"", "no CR LF at the end"),
        (b"SA0001234567", b"S" * 2000, "bytes, or no CR LF"),
        (RECORD, RECORD[:40] + b"\r\n", "has 5 fields, fewer than its header"),
    ],
)
def test_a_record_that_is_not_what_it_counts_is_found(old, new, said):
    assert old in RECORD
    assert said in looked_at(RECORD + RECORD.replace(old, new, 1))[0]


def test_not_every_fault_is_told():
    assert len(looked_at(RECORD.replace(b",8,", b",9,") * 10)) == 3
