"""Reading S-XML: strict and lenient, and documents that mean harm."""

import gzip
import io
import zlib

import pytest

from devices.readings import MeterData, Status
from exports.formats.base import ReadReport
from exports.formats.sxml import source
from tests.exports.formats.sxml_tools import GOLDEN_FILE, SXML, read

GOLDEN = GOLDEN_FILE.read_bytes()
CHANNEL = GOLDEN[GOLDEN.index(b"        <Channel") : GOLDEN.index(b"      </IntervalRead>")]
METER = GOLDEN[GOLDEN.index(b"    <Meter>") : GOLDEN.index(b"  </Meters>")]
HEADER = GOLDEN[GOLDEN.index(b"  <Header>") : GOLDEN.index(b"  <Meters>")]
TRAILER = GOLDEN[GOLDEN.index(b"  <Trailer>") : GOLDEN.index(b"</SXML>")]
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'


def edited(*pairs: tuple[bytes, bytes]) -> bytes:
    data = GOLDEN
    for old, new in pairs:
        assert old in data
        data = data.replace(old, new)
    return data


def taken(data: bytes, *codes: str, checks: str = "lenient") -> list[MeterData]:
    """The meters; the report holds these warnings and no error."""
    meters, report = read(data, checks)
    assert report.errors == 0, report.issues
    assert sorted(report.codes.elements()) == sorted(codes)
    return meters


def refused(data: bytes, code: str, checks: str = "strict") -> str:
    """Nothing is read; the first error's message."""
    meters, report = read(data, checks)
    assert meters == []
    errors = [issue for issue in report.issues if issue.level == "error"]
    assert errors[0].code == code, errors
    return errors[0].message


# --- documents that mean harm ---------------------------------------------------------------------

BOMB = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol") for n in range(12)
)


@pytest.mark.parametrize(
    "doctype",
    [
        b"<!DOCTYPE SXML [" + BOMB + b"]>",
        b'<!DOCTYPE SXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        b'<!DOCTYPE SXML SYSTEM "http://127.0.0.1:9/never.dtd">',
        b'<!DOCTYPE SXML [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
        b"<!-- a comment first --><!DOCTYPE SXML>",
    ],
    ids=["bomb", "external entity", "external subset", "parameter entity", "empty"],
)
@pytest.mark.parametrize("checks", ["strict", "lenient"])
def test_a_document_type_is_refused_before_it_is_looked_at(doctype: bytes, checks: str) -> None:
    data = GOLDEN.replace(DECLARATION, DECLARATION + doctype).replace(b"SSI0004711", b"&l11;")
    assert "document type declaration" in refused(data, "SXR03", checks)


@pytest.mark.parametrize("checks", ["strict", "lenient"])
def test_an_include_is_an_unknown_element(checks: str) -> None:
    include = b'<x:include xmlns:x="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'
    data = edited((b"      <Identity>", include + b"      <Identity>"))
    if checks == "strict":
        refused(data, "SXR02")
    else:
        [meter] = taken(data, "SXR50")
        assert "root:" not in repr(meter)


def test_nesting_has_an_end() -> None:
    deep = b"<x>" * 14 + b"</x>" * 14
    assert "deeper than 16" in refused(edited((b"      <Identity>", deep + b"      <Identity>")),
                                       "SXR04", "lenient")  # fmt: skip
    refused(edited((b"  </Meters>", b"  </Meters>" + deep + deep)), "SXR02")
    deep = b"<x>" * 16 + b"</x>" * 16
    refused(edited((b"  </Meters>", b"  </Meters>" + deep)), "SXR04", "lenient")
    deep = b"<x>" * 5000 + b"</x>" * 5000
    refused(edited((b"  </Meters>", b"  </Meters>" + deep)), "SXR01", "lenient")


def test_a_packed_bomb_and_broken_packing(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(GOLDEN)
    assert "cut short" in refused(packed[:-9], "SXR08")
    assert "cannot be unpacked" in refused(packed[:20] + b"\xff\xff" + packed[22:], "SXR08")
    monkeypatch.setattr(source, "FILE_LIMIT", 1 << 20)
    blank = zlib.compressobj(wbits=31)
    bomb = blank.compress(GOLDEN[:-10] + b" " * (64 << 20)) + blank.flush()
    assert len(bomb) < 100_000
    assert "over 2 GiB" in refused(bomb, "SXR08")


# --- what is no S-XML -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code", "text"),
    [
        (b"", "SXR01", "no root element"),
        (b"junk", "SXR01", "line 1, column 1"),
        (GOLDEN[:1500], "SXR01", "not well-formed"),
        (GOLDEN.replace(b"sxml:1", b"sxml:2"), "SXR05", "{urn:tms:sxml:2}SXML"),
        (GOLDEN.replace(b'xmlns="urn:tms:sxml:1" ', b""), "SXR05", "root is SXML"),
        (GOLDEN.replace(b"UTF-8", b"ISO-8859-1"), "SXR07", "ISO-8859-1"),
        (GOLDEN.replace(b"</Identity>", b"</Identify>"), "SXR01", "(line 25, column 18)"),
        (GOLDEN.replace(b"<DeviceID>SSI", b"<DeviceID>\x01SSI"), "SXR01", "line 20"),
    ],
)
@pytest.mark.parametrize("checks", ["strict", "lenient"])
def test_what_is_no_document_is_refused(data: bytes, code: str, text: str, checks: str) -> None:
    assert text in refused(data, code, checks)


def test_encodings() -> None:
    utf16 = GOLDEN.decode().replace("UTF-8", "UTF-16").encode("utf-16")
    refused(utf16, "SXR07")
    assert len(taken(utf16)) == 1
    assert len(taken(b"\xef\xbb\xbf" + GOLDEN, "RD01", checks="strict")) == 1


def test_prefixes_are_as_good_as_none() -> None:
    data = GOLDEN.replace(b"</", b"</p:").replace(b"<", b"<p:")
    data = data.replace(b"<p:/p:", b"</p:").replace(b"<p:?", b"<?").replace(b"xmlns=", b"xmlns:p=")
    assert len(taken(data, checks="strict")) == 1


# --- strict and lenient ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pair", "codes"),
    [
        ((b"      <Identity>", b"      <New a='1'/><Identity>"), ("SXR50",)),
        ((b'<Device class="', b'<Device weight="2" class="'), ("SXR50",)),
        ((b'q="M" c=', b'z="1" q="M" c='), ("SXR50",)),
        ((b"<Sender>", b"<Mood>fine</Mood><Sender>"), ("SXR50",)),
        ((b"<StartRegister", b"<MidRegister/><StartRegister"), ("SXR50",)),
        ((b"  </Meters>", b"  <Odd/></Meters>"), ("SXR50",)),
        ((TRAILER, b""), ("SXR51",)),
        ((b"6f1c2c1e", b"6F1C2C1E"), ()),
        ((b"01:15:00-06:00", b"01:15:00.000-06:00"), ()),
        ((b' quality="A">', b' quality="A"><!-- fine -->'), ()),
        ((b"<MissingCount>2", b"<MissingCount>3"), ("SXM05",)),
        ((b"<IntervalControlTotal>3.267", b"<IntervalControlTotal>3.268"), ("SXM05",)),
        ((b"<Mode>Original", b"<Mode>Correction"), ("SXM06",)),
        ((b'<Peak occurrence="2"', b'<Peak occurrence="1"'), ("SXM02",)),
    ],
)
def test_lenient_reading_takes_what_strict_refuses(
    pair: tuple[bytes, bytes], codes: tuple[str, ...]
) -> None:
    data = edited(pair)
    assert len(taken(data, *codes)) == 1
    if b"<!--" not in data:
        refused(data, codes[0] if codes and codes[0].startswith("SXM") else "SXR02")


def test_another_order_is_read_leniently() -> None:
    data = edited((HEADER, b""), (b"  <MetersNotRead>", HEADER + b"  <MetersNotRead>"))
    assert len(taken(data)) == 1
    assert "not expected" in refused(data, "SXR02")


def test_a_scale_is_applied_to_the_values() -> None:
    [meter] = taken(edited((b'<Channel no="1"', b'<Channel scale="3" no="1"')), "SXM05")
    assert [str(value) for value in meter.series[0].values()][:2] == ["740", "701"]
    refused(edited((b'<Channel no="1"', b'<Channel scale="x" no="1"')), "SXR06", "lenient")


@pytest.mark.parametrize(
    ("pair", "code"),
    [
        ((b'v="0.74"', b""), "SXM01"),
        ((b'q="E"', b'q="M"'), "SXM01"),
        ((b'quality="M"', b'quality="A"'), "SXM01"),
        ((b'count="6"', b'count="5"'), "SXM03"),
        ((CHANNEL[CHANNEL.index(b"          <I") : CHANNEL.index(b"        </Ch")], b""), "SXM03"),
        ((b't="2024-11-03T05:00:00-06:00"', b't="2024-11-03T06:00:00-06:00"'), "SXM04"),
        ((b'start="2024-11-03T00:00:00-05:00"', b'start="2024-11-02T23:00:00-05:00"'), "SXM04"),
        ((b'v="0.701"', b'v="1e3"'), "SXR06"),
        ((b'v="0.701"', b'v="0.7010001"'), "SXR06"),
        ((b'v="0.701"', b'v="x"'), "SXR06"),
        ((b'v="0.701"', b'v="400000000000000000"'), "SXR06"),
        ((b't="2024-11-03T02:00:00-06:00"', b't="2024-11-03T02:00:00"'), "SXR06"),
        ((b't="2024-11-03T02:00:00-06:00"', b't="2024-11-03T02:00:00.5-06:00"'), "SXR06"),
        ((b'seconds="3600"', b'seconds="3601"'), "SXR06"),
        ((b'uom="KWH" flow="DEL" seconds', b'uom="MWH" flow="DEL" seconds'), "SXR06"),
        ((b'multiplier="1"', b'multiplier="0"'), "SXR06"),
        ((b'multiplierApplied="true" start', b'multiplierApplied="yes" start'), "SXR06"),
        ((b' source="NT"', b""), "SXR06"),
        ((b"<DeviceID>SSI0004711</DeviceID>", b""), "SXR06"),
        ((b"<FileID>", b"<FileID>g"), "SXR06"),
        ((b"<Value>9.84", b"<Value>high"), "SXR06"),
        ((b"<TimeZone>America/Chicago", b"<TimeZone>Mars/Olympus"), "SXR06"),
        ((b"<Sender>ACMEPOWER</Sender>", b""), "SXR06"),
        ((HEADER, b""), "SXR06"),
        ((b'q="E"', b'q="Z"'), "SXR06"),
    ],
)
def test_some_things_are_refused_in_both(pair: tuple[bytes, bytes], code: str) -> None:
    refused(edited(pair), code, "lenient")
    meters, report = read(edited(pair))
    assert meters == []
    assert report.errors


def test_identity_itself_must_be_there() -> None:
    begin, end = METER.index(b"      <Identity>"), METER.index(b"      <Device class")
    refused(GOLDEN.replace(METER, METER[:begin] + METER[end:]), "SXR06", "lenient")


@pytest.mark.parametrize("checks", ["strict", "lenient"])
def test_meter_numbers_and_read_ids_stand_once_in_a_file(checks: str) -> None:
    twice = GOLDEN.replace(METER, METER + METER)
    text = refused(twice, "SXM10", checks)
    assert "MeterNumber stands twice: 00123456, first on line 19 (line 54, column 7)" in text
    other = METER.replace(b"00123456", b"00123457")
    assert "RegisterRead id stands twice: 556201" in refused(
        GOLDEN.replace(METER, METER + other), "SXM10", checks
    )


def test_letters_codes_and_offsets_that_disagree_are_warned_of() -> None:
    [meter] = taken(edited((b'q="E" c="2.8.0"', b'q="V" c="2.8.0 9.9.9"')), "SXM07", "SXR52")
    assert meter.series[0].status[3] == int(Status.ESTIMATED)
    odd = edited((b"2024-11-03T05:02:11-06:00", b"2024-11-03T06:02:11-05:00"))
    taken(odd, "SXM08", checks="strict")
    taken(odd.replace(b"<TimeZone>America/Chicago", b"<TimeZone>DEVICE"), checks="strict")


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        ((b'no="1" class="SUM"', b'no="1" class="COIN"'), ""),
        ((b'<Peak occurrence="1" time', b'<Peak occurrence="3" time'), "do not rise"),
        ((b'time="2024-11-03T01:30:00-06:00">9.84', b">9.83"), "the first is not"),
        ((b'class="MAX"', b'class="COIN"'), "more than one"),
        ((b'class="MAX"', b'class="SUM"'), "in a register of class SUM"),
    ],
)
def test_peaks(pair: tuple[bytes, bytes], why: str) -> None:
    data = edited(pair)
    if why:
        assert why in refused(data, "SXM02")
    _, report = read(data, "lenient")
    assert report.errors == 0


def test_peaks_that_rise_are_warned_of() -> None:
    data = edited((b">9.12<", b">9.92<"))
    taken(data, "SXM02", checks="strict")


def day(zone: bytes, *stamps: bytes) -> bytes:
    """The example with one channel of days; the first stamp is its start."""
    body = b"".join(b'          <I t="%s" v="1"/>\r\n' % stamp for stamp in stamps[1:])
    channel = (
        b'        <Channel no="1" uom="KWH" flow="DEL" seconds="86400" valueType="Usage" '
        b'multiplier="1" multiplierApplied="true" start="%s" end="%s" count="%d">\r\n%s'
        b"        </Channel>\r\n" % (stamps[0], stamps[-1], len(stamps) - 1, body)
    )
    data = GOLDEN.replace(CHANNEL, channel).replace(TRAILER, b"")
    return data.replace(b"<TimeZone>America/Chicago", b"<TimeZone>" + zone)


def test_days() -> None:
    fine = (b"2024-11-03T00:00:00-05:00", b"2024-11-04T00:00:00-06:00")
    for zone in (b"America/Chicago", b"DEVICE"):
        assert len(taken(day(zone, *fine), "SXR51")) == 1
        refused(day(zone, fine[0], b"2024-11-04T02:00:00-06:00"), "SXM04", "lenient")
        refused(day(zone, fine[0], b"2024-11-05T00:00:00-06:00"), "SXM04", "lenient")
    skipped = (b"2018-11-03T00:00:00-03:00", b"2018-11-04T01:00:00-02:00")
    assert len(taken(day(b"DEVICE", *skipped), "SXR51")) == 1


def test_events_are_read() -> None:
    event = b'<Event code="PWR_OUTAGE" iec="3.26.0.85" time="%s" received="%s" severity="A"/>'
    stamp = b"2024-11-03T04:00:00-06:00"
    data = edited(
        (b"    </Meter>", event % (stamp, stamp) + b"    </Meter>"),
        (b"<EventCount>0", b"<EventCount>1"),
    )
    [meter] = taken(data, checks="strict")
    assert [(e.code, e.iec, e.severity) for e in meter.events] == [("PWR_OUTAGE", "3.26.0.85", "A")]


class Pipe(io.RawIOBase):
    """A stream that cannot be read twice."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.inner.read(size)


def test_a_stream_that_cannot_be_read_twice_is_read_once() -> None:
    report = ReadReport()
    options = SXML.options_clean({}, "read")
    assert len(list(SXML.read(Pipe(GOLDEN), options, None, report))) == 1  # type: ignore[arg-type]
    bad = Pipe(GOLDEN.replace(b'count="6"', b'count="7"'))
    assert list(SXML.read(bad, options, None, report)) == []  # type: ignore[arg-type]
    assert report.issues[0].record == 42


def test_an_error_far_into_a_file_names_its_line_and_byte() -> None:
    many = b"".join(
        METER.replace(b"00123456", b"%08d" % n).replace(b"556201", b"%d" % n) for n in range(300)
    )
    data = GOLDEN.replace(METER, many)
    place = data.rindex(b'<I t="2024-11-03T02:00:00-06:00"')
    data = data[:place] + data[place:].replace(b'v="0.76"', b'v="O.76"', 1)
    _, report = read(data)
    [issue] = report.issues[:1]
    assert (issue.code, issue.offset) == ("SXR02", place)
    assert issue.record == data[:place].count(b"\n") + 1
