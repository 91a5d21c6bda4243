"""Skimming reads what the parser reads: the same meters, warnings and errors, line by line."""

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from devices.readings import Frame, IntervalSeries, MeterData
from exports.formats.base import ReadReport
from exports.formats.sxml import skim
from exports.formats.sxml.reader import Reader
from tests.exports.formats.sxml_cases import ABSENT_METER, EXAMPLE, MISSING, frame_of
from tests.exports.formats.sxml_tools import GOLDEN_FILE, SXML, read, read_plainly, write
from tests.exports.formats.test_sxml_compiled import OPTIONS, frames

GOLDEN = GOLDEN_FILE.read_bytes().replace(b' manufacturer="Itron" model="SENTINEL"', b"")
METER = GOLDEN[GOLDEN.index(b"    <Meter>") : GOLDEN.index(b"  </Meters>")]
WRONG_SUM = re.compile(r"(\w+) is \S+, it is (\S+) by the file")
CHECKS = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)


def many(*meters: bytes) -> bytes:
    """The example with these meters, each with a number and an id of its own."""
    made = [
        meter.replace(b"00123456", b"%08d" % n).replace(b'"556201"', b'"%d"' % n)
        for n, meter in enumerate(meters)
    ]
    return mended(GOLDEN.replace(METER, b"".join(made)))


def mended(data: bytes) -> bytes:
    """With the trailer that the parser wants."""
    _, report = read_plainly(data)
    for name, amount in WRONG_SUM.findall("".join(issue.message for issue in report.issues)):
        tag = name.encode()
        data = re.sub(rb"<%s>[^<]*<" % tag, b"<%s>%s<" % (tag, amount.encode()), data)
    return data


def same(data: bytes) -> tuple[list[MeterData], ReadReport]:
    """What is read, the same both ways."""
    found, plain = read(data), read_plainly(data)
    assert [said(meter) for meter in found[0]] == [said(meter) for meter in plain[0]]
    for name in ("records", "errors", "warnings", "issues", "codes"):
        assert getattr(found[1], name) == getattr(plain[1], name)
    return found


def said(meter: MeterData) -> tuple[object, ...]:
    return meter.device, [_series(one) for one in meter.series], meter.reads, meter.events


def _series(one: IntervalSeries) -> tuple[object, ...]:
    arrays = (one.ends, one.counts, one.status)
    kinds = [array.dtype for array in arrays]
    return (one.channel, kinds, *(array.tolist() for array in arrays),
            one.start_register, one.end_register, one.numbers,
            str(one.channel.resolution))  # fmt: skip


@pytest.fixture
def skimmed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], int]:
    """How many of a document's meters were skimmed."""
    taken: list[int] = []
    before = Reader._skimmed

    def counted(self: Reader, some: skim.Taken) -> None:
        taken.append(len(some.numbers))
        before(self, some)

    def count(data: bytes) -> int:
        taken.clear()
        read(data)
        return sum(taken)

    monkeypatch.setattr(Reader, "_skimmed", counted)
    return count


def edited(data: bytes, edits: Sequence[tuple[int, bytes, bytes]]) -> bytes:
    """With one occurrence of each text put in the place of the other's."""
    for nth, old, new in edits:
        places = [match.start() for match in re.finditer(re.escape(old), data)]
        if places:
            at = places[nth % len(places)]
            data = data[:at] + new + data[at + len(old) :]
    return data


# --- generated documents --------------------------------------------------------------------------


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(frames(bad=False), OPTIONS, st.sampled_from([1, 3000, 1 << 20]))
def test_what_is_written_is_read_the_same(
    frame: Frame, options: dict[str, Any], block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skim, "BLOCK", block)
        same(write(frame, **options | {"on_error": "skip_meter", "on_unsupported": "skip"})[0])


XSI = b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b"'
PIECES = [
    (b'v="0.74"', b'v="0.740"'), (b'v="0.74"', b'v=".74"'), (b'v="0.74"', b'v="-0.74"'),
    (b'v="0.74"', b'v="+0.74"'), (b'v="0.74"', b'v="74."'), (b'v="0.74"', b'v="007"'),
    (b'v="0.74"', b'v="12345678.123456"'), (b'v="0.74"', b'v="123456789.123456"'),
    (b'v="0.74"', b'v="123456789012.123456"'), (b'v="0.74"', b'v="1234567890123.123456"'),
    (b'v="0.74"', b'v="0.7400001"'), (b'v="0.74"', b'v="1.2.3"'), (b'v="0.74"', b'v="-0"'),
    (b'v="0.74"', b'v=" 0.74"'), (b'v="0.74"', b"v='0.74'"), (b'v="0.74"', b'v=""'),
    (b'v="0.74"', b'v="0.7"'), (b'v="0.74"', b'v="0:74"'), (b'v="0.74"', b'v="0/74"'),
    (b' v="0.74"', b""), (b' v="0.74"', b'  v="0.74"'), (b' v="0.74"', b' c="2.8.0" v="0.74"'),
    (b'v="0.74"/>', b'v="0.74" />'), (b'v="0.74"/>', b'v="0.74"></I>'),
    (b'v="0.74"/>', b'v="0.74"/><!-- -->'), (b'q="E"', b'q="V"'), (b'q="E" ', b""),
    (b'q="E"', b'q="M"'), (b'c="2.8.0"', b'c="9.9.9"'), (b'c="2.8.0"', b'c="2.8.0 "'),
    (b'c="2.8.0"', b'c="2.8.0 2.10.0"'), (b'c="2.8.0"', b'c="28.0"'), (b'c="2.8.0"', b'c=""'),
    (b'q="M" c="2.5.259"', b'q="M"'), (b'q="M"', b'q="E"'),
    (b"T02:00:00-06:00", b"T03:00:00-05:00"), (b"T02:00:00-06:00", b"T02:00:00-06:30"),
    (b"T02:00:00-06:00", b"T02:00:60-06:00"), (b"T02:00:00-06:00", b"T24:00:00-06:00"),
    (b"T02:00:00-06:00", b"T08:00:00Z"), (b"T02:00:00-06:00", b"T08:00:00+00:00"),
    (b"2024-11-03T02", b"2024-11-31T02"), (b"2024-11-03T02", b"0000-11-03T02"),
    (b"2024-11-04T00:00:00-06:00", b"2024-11-04T20:00:00+14:00"),
    (b"2024-11-04T00:00:00-06:00", b"2024-11-04T21:00:00+15:00"),
    (b"America/Chicago", b"DEVICE"), (b"America/Chicago", b"Mars/Olympus"),
    (b'count="6"', b'count="7"'), (b'count="6"', b'count="06"'), (b'count="6"', b'count="+6"'),
    (b'seconds="3600"', b'seconds="900"'), (b'end="2024-11-03T05', b'end="2024-11-03T06'),
    (b'start="2024-11-03T00:00:00-05:00"', b'start="2024-11-02T23:00:00-06:00"'),
    (b'<I t="2024-11-03T02', b'<I  t="2024-11-03T02'), (b"          <I t", b"         <I t"),
    (b"          <I t", b"          <J t"), (b"<I t", b"<I x"),
    (b"<Value>9.84</Value>", b"<Value>9.85</Value>"), (b">9.84</Peak>", b">9.840</Peak>"),
    (b">9.12</Peak>", b">9.92</Peak>"), (b"48213.5", b"-48213.5"), (b"48213.5", b"48213.123456"),
    (b"48213.5", b"123456789012345678"), (b"48213.5", b"1e3"), (b"48213.5", b" 48213.5"),
    (b"48213.5", b"48213.1234567"), (b"<Value>48213.5</Value>", b""),
    (b'quality="A"', b'quality="E"'), (b'quality="M"', b'quality="A"'),
    (b'occurrence="2"', b'occurrence="3"'), (b'occurrence="1"', b'occurrence="2"'),
    (b'no="2" class="MAX"', b'no="1" class="SUM"'), (b'class="MAX"', b'class="COIN"'),
    (b' time="2024-11-03T01:30:00-06:00">', b">"), (b'id="', b'id="0'), (b'id="', b'id="-'),
    (b' id="90412"', b' id="x"'), (b'season="1"', b'season="100"'), (b"00000000", b"0000abcd"),
    (b'resetCount="25"', b'resetCount="100000"'), (b'source="SR"', b"source='SR'"),
    (b"SSI0004711", b""), (b"SSI0004711", b" SSI"), (b"SSI0004711", b"S&amp;I"),
    (b"SSI0004711", b"S>I"), (b"SSI0004711", b"S" * 21), (b"SSI0004711", "É".encode()),
    (b'class="SENTINEL"', b'class="SEN\tINEL"'), (b'class="SENTINEL"', b'class="SENTINEL901"'),
    (b">CYCLE05</Group>", b">CYCLE0512345678</Group>"), (b"BillCycle", b"General"),
    (b"BillCycle", b"Other"), (b"<Identity>", b"<Identity a=''>"),
    (b"    <Meter>", b"    <Meter >"),
    (b"    <Meter>\r\n", b"    <Meter><!--\r\n-->\r\n"), (b"    <Meter>\r\n", b"    <Meter>\n"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n<!-- x\r\n    </Meter>\r\n -->"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n<!--\r\n    </Meter>\r\n"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n<![CDATA[\r\n    </Meter>\r\n"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n    </Meter>\r\n"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n-->\r\n"), (b"    </Meter>\r\n", b"</Meter>\r\n"),
    (b"    </Meter>\r\n", b"    </Meter>\r\n  </Meters>\r\n  <Meters>\r\n"),
    (b"    </Meter>\r\n", b"    </Meter></Meters>\r\n    </Meter>\r\n"),
    (b"    </Meter>\r\n", b""), (b"  <Meters>\r\n", b"  <Meters>\r\n  <!-- -->\r\n"),
    (b"  <Meters>\r\n", b"  <Odd>\r\n  <Meters>\r\n"), (b"  <Meters>\r\n", b"<Meters>\r\n"),
    (b"<Meters>\r\n", b'<Meters xmlns="x">\r\n'), (b"  <Meters>", b"<!-- -->\r\n  <Meters>"),
    (b"  <Meters>\r\n", b"<!--\r\n  <Meters>\r\n"), (b"\r\n", b"\n"), (b"\r\n", b"\r\r\n"),
    (b"\r\n", b"\r"), (b"\r\n", b" \r\n"), (b"\r\n", b"\r\n\r\n"), (b"<Header>", b"<Header >"),
    (b"</RegisterRead>\r\n", b"</RegisterRead>\r\n\r\n"), (b"<Register ", b"<Register  "),
    (b"</Channel>\r\n", b"</Channel>\r\n<?x?>"), (b"</Channel>", b"</Channel >"),
    (b"      <IntervalRead", b"     <IntervalRead"), (b' version="1.0">', b' version="1.0" >'),
    (b'version="1.0" encoding="UTF-8"', b"version='1.0' encoding='UTF-8'"),
    (b"<StartRegister time=", b"<StartRegister  time="), (b">48184.4<", b"><"),
    (b"  <Trailer>", b"  <Trailer >"), (b"<EnergyControlTotal>", b"<EnergyControlTotal>1"),
    (b"00123457", b"00000001"), (b"lastRead", b"lastread"),
    (b"<IntervalRead", b"<IntervalRead" + XSI), (b"<RegisterRead", b"<RegisterRead" + XSI),
    (b"<Channel", b"<Channel" + XSI), (b"<Value", b"<Value" + XSI), (b"<Meters", b"<Meters" + XSI),
    (b' source="SR"', b""" source="SR" xmlns:a=' id="7"'"""), (b"<SXML ", b'<SXML xmlns:a="b" '),
    (b' source="NT"', b""" source="NT" xmlns:a=' id="7"'"""), (b"<SXML", b"<SXML" + XSI),
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, 200), st.sampled_from(PIECES)).map(lambda e: (e[0], *e[1])),
    max_size=4,
)


@pytest.mark.parametrize("edit", PIECES)
def test_a_document_with_one_edit_is_read_the_same(edit: tuple[bytes, bytes]) -> None:
    data = many(*[METER] * 4)
    for nth in (0, 1, -1, -2):
        one = edited(data, [(nth, *edit)])
        same(one)
        same(mended(one))
    same(many(*[edited(METER, [(0, *edit)])] * 3))


@settings(deadline=None, max_examples=150, suppress_health_check=CHECKS)
@given(EDITS, st.lists(EDITS, min_size=1, max_size=8), st.sampled_from([1, 1 << 20]))
def test_edited_documents_are_read_the_same(
    all_over: list[tuple[int, bytes, bytes]],
    by_meter: list[list[tuple[int, bytes, bytes]]],
    block: int,
) -> None:
    data = many(*(edited(METER, edits) for edits in by_meter))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(skim, "BLOCK", block)
        same(data)
        if all_over:
            same(mended(edited(data, all_over)))


@settings(deadline=None, max_examples=150, suppress_health_check=CHECKS)
@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255), st.integers(0, 2)),
                min_size=1, max_size=3))  # fmt: skip
@example([(3000, 0, 0)])
def test_damaged_documents_are_read_the_same(damage: list[tuple[int, int, int]]) -> None:
    data = many(*[METER] * 4)
    for place, byte, kind in damage:
        at = place % len(data)
        data = data[:at] + bytes([byte])[: kind != 1] + data[at + (kind != 2) :]
    same(mended(data))


# --- that it is done at all -----------------------------------------------------------------------


def test_plain_meters_never_come_to_the_parser(skimmed: Callable[[bytes], int]) -> None:
    data = many(*[METER] * 50)
    assert skimmed(data) == 50
    meters, report = same(data)
    assert [meter.device.meter_number for meter in meters] == [f"{n:08}" for n in range(50)]
    assert report.records == 50 + 3
    assert skimmed(data.replace(b"\r\n", b"\n")) == 50
    assert skimmed(data.replace(b'encoding="UTF-8"', b'encoding="utf-8"')) == 0


def test_an_odd_meter_comes_to_the_parser_in_its_place(skimmed: Callable[[bytes], int]) -> None:
    odd = METER.replace(b'q="E"', b'q="V"')  # a warning, which names its line
    data = many(METER, odd, METER, METER, odd, odd, METER)
    assert skimmed(data) == 4
    meters, report = same(data)
    assert [meter.device.meter_number for meter in meters] == [f"{n:08}" for n in range(7)]
    lines = [n for n, line in enumerate(data.splitlines(), 1) if b'q="V"' in line]
    assert [issue.record for issue in report.issues] == lines


def test_lines_are_known_far_into_a_file() -> None:
    odd = METER.replace(b'q="E"', b'q="V"')
    data = many(*[METER] * 2000, odd, METER, odd)
    assert data.count(b"\n") > 1 << 16
    _, report = same(data)
    assert len(report.issues) == 2


@pytest.mark.parametrize("inner", [b"", b"\r\n  <Meters>\r\n"])
def test_a_meter_within_something_else_is_no_meter(inner: bytes) -> None:
    extra = METER.replace(b"00123456", b"00000009").replace(b"556201", b"9")
    for begin, end in ((b"<!--", b"-->"), (b"<![CDATA[", b"]]>"), (b"<?x ", b"?>")):
        wrapped = b"    " + begin + inner + b"\r\n    </Meter>\r\n" + extra + end + b"\r\n"
        same(many(METER, METER).replace(b"  </Meters>", wrapped + b"  </Meters>"))
        same(many(METER, METER).replace(b"  <Meters>\r\n", b"  <Meters>\r\n" + wrapped, 1))
        same(mended(many(METER, wrapped + METER, METER)))
    note = b'    <NotRead deviceID="X' + extra + b'Y" meterNumber="1" reason="Late"/>'
    same(many(METER).replace(b"    <NotRead", note + b"    <NotRead"))


def test_keys_that_stand_twice_are_found_between_plain_and_odd() -> None:
    data = many(METER, METER.replace(b'q="E"', b'q="V"'), METER)
    for twice in (
        data.replace(b">00000002<", b">00000001<"),
        data.replace(b">00000001<", b">00000000<"),
        data.replace(b">00000002<", b">00000000<"),
        data.replace(b'id="2"', b'id="1"'),
        data.replace(b'id="2"', b'id="00"'),
    ):
        _, report = same(twice)
        assert report.codes["SXM10"] == 1


def test_zones_and_grids_may_differ(skimmed: Callable[[bytes], int]) -> None:
    meters = []
    for number in range(40):
        series = EXAMPLE.series[0]
        counts = np.random.default_rng(number).integers(0, 10 ** (number % 8 + 1), 96)
        status = np.where(counts % 10 == 0, MISSING, 0).astype(np.uint16)
        ends = int(series.ends[0]) + 3600 * (number % 3) + 3600 * np.arange(96)
        one = IntervalSeries(series.channel, ends, counts, status)
        device = ABSENT_METER._replace(meter_number=f"{number:08}", device_id=f"D{number}")
        meters.append(MeterData(device._replace(time_zone="UTC"), (one,)))
    for zone in (None, "UTC", "America/Chicago"):
        data, _ = write(frame_of(*meters), zone=zone)
        found, report = same(data)
        assert (len(found), report.errors, skimmed(data)) == (40, 0, 40)


def test_verification_finds_what_is_wrong_and_keeps_no_meters() -> None:
    data = many(*[METER] * 5)
    report = ReadReport()
    reader = Reader(SXML.options_clean({}, "read"), report, kept=False)
    assert list(reader.read(io.BytesIO(data))) == []
    assert (report.errors, report.records) == (0, 8)
    broken = data.replace(b'v="0.701"', b'v="0.702"', 1)
    assert list(reader.read(io.BytesIO(broken))) == []
    assert report.codes == {"SXM05": 1}
