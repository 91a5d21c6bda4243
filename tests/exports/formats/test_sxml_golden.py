"""The worked example of the specification and its variants."""

import hashlib
import io

import pytest

from devices.readings import MeterData, Status
from exports.formats.sxml.run import Run
from tests.exports.formats.golden import golden_check
from tests.exports.formats.sxml_cases import (
    ABSENT_METER,
    EXAMPLE,
    FILE_ID,
    METER,
    OPTIONS,
    SHA256,
    at,
    frame_of,
)
from tests.exports.formats.sxml_tools import GOLDEN_FILE, SXML, context, read, valid, write

GOLDEN = GOLDEN_FILE.read_bytes()
# What the specification's example has of a meter that no inventory of ours holds.
LISTED = b'reason="CommFail" lastRead="2024-11-01T00:00:00-05:00"'
MADE = b'class="SENTINEL" manufacturer="Itron" model="SENTINEL"'


@pytest.fixture(autouse=True)
def file_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "file_id", property(lambda run: FILE_ID))


def test_the_golden_file_is_the_specifications() -> None:
    assert len(GOLDEN) == 3462
    assert hashlib.sha256(GOLDEN).hexdigest() == SHA256
    assert valid(GOLDEN)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "declared"])
def test_the_example_is_written_to_the_byte(compiled: bool) -> None:
    frame = frame_of(EXAMPLE, MeterData(ABSENT_METER))
    data, tally = write(frame, compiled=compiled, groups=("CYCLE05",), **OPTIONS)
    assert data.count(b'reason="NoData"') == 1
    data = data.replace(b'reason="NoData"', LISTED).replace(b'class="SENTINEL"', MADE)
    golden_check("sxml/autumn.xml", data)
    assert hashlib.sha256(data).hexdigest() == SHA256
    assert (tally.meters, tally.intervals, tally.registers, tally.missing) == (1, 6, 3, 2)


def test_the_example_is_read_back() -> None:
    [meter], report = read(GOLDEN)
    assert (report.errors, report.warnings) == (0, 0), report.issues
    assert meter.device == METER._replace(time_zone="")
    [series] = meter.series
    assert [str(v) for v in series.values() if v is not None] == [
        *("0.740", "0.701", "0.760", "0.755", "0.311")
    ]
    assert series.status.tolist()[3:] == [
        int(Status.ESTIMATED),
        int(Status.MISSING),
        int(Status.QUESTIONABLE | Status.POWER_OUTAGE | Status.SHORT),
    ]
    assert (str(series.start_register), series.end_register) == ("48184.4", None)
    [total] = meter.reads
    assert (total.read_id, total.season, total.reset_count) == ("556201", 1, 25)
    assert (total.status_word, total.source) == ("00000000", "SR")
    peaks = [(v.occurrence, str(v.value), v.peak_time) for v in total.values if v.number == 2]
    assert peaks == [
        (1, "9.84", at("2024-11-03T01:30:00-06:00")),
        (2, "9.12", at("2024-11-03T01:30:00-05:00")),
    ]
    assert total.values[-1].status == int(Status.MISSING)


def test_the_example_verifies() -> None:
    assert SXML.verify(io.BytesIO(GOLDEN), context()) == []


def variant(old: bytes, new: bytes) -> bytes:
    assert old in GOLDEN
    return GOLDEN.replace(old, new)


FIFTH = b'<I t="2024-11-03T04:00:00-06:00" q="M"'
BEGIN = GOLDEN.index(b"          <Peak")
PEAKS = GOLDEN[BEGIN : GOLDEN.index(b"        </Register>", BEGIN)]


@pytest.mark.parametrize(
    ("old", "new", "code", "line", "column", "schema"),
    [
        (FIFTH, FIFTH[:-6], "SXM01", 48, 11, True),
        (b'count="6"', b'count="7"', "SXM03", 42, 9, True),
        (b't="2024-11-03T03:00:00-06:00"', b't="2024-11-03T03:00:00"', "SXR02", 47, 11, False),
        (b'no="3" class="SUM" uom="KWH" flow="DEL" rate="A"',
         b'no="1" class="SUM" uom="KWH" flow="DEL" rate="T"', "SXR02", 37, 9, False),
        (b't="2024-11-03T03:00:00-06:00"', b't="2024-11-03T03:00:00-05:00"', "SXR02", 47, 11,
         False),
        (PEAKS, b"", "SXM02", 32, 9, True),
        (b'start="2024-11-03T00:00:00-05:00" end', b'start="2024-11-02T24:00:00-05:00" end',
         "SXR02", 42, 9, False),
        (b"<DeviceID>SSI", b"<DeviceID> SSI", "SXR02", 20, 9, False),
        (b"<DeviceID>SSI", b"<DeviceID>SSI&bomb;", "SXR01", 20, 28, None),
    ],
    ids=["1 q", "2 count", "3 offset", "4 register", "6 instants", "7 peaks", "8 24h", "8 blank",
         "entity"],
)  # fmt: skip
def test_a_variant_is_refused_with_line_and_column(
    old: bytes, new: bytes, code: str, line: int, column: int, schema: bool | None
) -> None:
    data = variant(old, new)
    if schema is not None:
        assert valid(data) is schema
    meters, report = read(data)
    assert meters == []
    first = report.issues[0]
    assert (first.level, first.code, first.record) == ("error", code, line)
    assert f"(line {line}, column {column})" in first.message
    assert SXML.verify(io.BytesIO(data), context()) != []


def test_an_empty_file_is_valid() -> None:
    begin, end = GOLDEN.index(b"  <Meters>"), GOLDEN.index(b"  <MetersNotRead>")
    data = GOLDEN[:begin] + b"  <Meters/>\r\n" + GOLDEN[end:]
    for line in data[data.index(b"  <Trailer>") :].split(b"\r\n"):
        name = line.strip()[1:].partition(b">")[0]
        if line.startswith(b"    <"):
            data = data.replace(line, b"    <%s>0</%s>" % (name, name))
    assert valid(data)
    meters, report = read(data)
    assert (meters, report.errors) == ([], 0)
    written, _ = write(frame_of(MeterData(ABSENT_METER)), **OPTIONS, groups=("CYCLE05",))
    assert written.replace(b'reason="NoData"', LISTED) == data
