"""MRC records, byte for byte as specified, and what a reader makes of files torn and continued."""

import hashlib
import io
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from devices.readings import DeviceInfo, Event, Frame
from exports.formats import get, mrc
from exports.formats.base import FormatError, ReadReport, WriteContext
from tests.exports.formats.mrc_cases import FILES, OUTAGE, RESTORE, SAG, UNKNOWN, lines

GOLDEN = Path(__file__).parents[2] / "golden" / "mrc"
MRC = get("mrc")
END = b"\r\n"


def read(data: bytes, **options: object) -> tuple[list[mrc.Recorded], ReadReport]:
    report = ReadReport()
    meters = MRC.read(io.BytesIO(data), MRC.options_clean(options, "read"), None, report)
    return [event for meter in meters for event in meter.events], report


def write(frame: Frame, **options: object) -> bytes:
    time = datetime(2024, 4, 2, tzinfo=UTC)
    clean = MRC.options_clean(options, "write")
    out = io.BytesIO()
    MRC.write([frame], WriteContext(time, "20240402000000", time, time, clean), out)
    return out.getvalue()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_its_golden_one_to_the_byte(name):
    first, messages, digest = FILES[name]
    written = b"".join(line + END for line in lines(first, messages))
    assert written == (GOLDEN / f"{name}.dat").read_bytes()
    assert digest in (None, hashlib.sha256(written).hexdigest())


@pytest.mark.parametrize("message", [OUTAGE, RESTORE, SAG, UNKNOWN])
def test_the_template_writes_what_the_declaration_says(message):
    assert mrc.body(message) == mrc.body_declared(message)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"device_id": "X" * 21}, "FMT06"),
        ({"device_id": "Zähler"}, "FMT05"),
        ({"text": "a\nb"}, "FMT11"),
        ({"native": 123456}, "FMT07"),
        ({"duration": -1}, "FMT07"),
        ({"value": Decimal("123456789.5")}, "FMT07"),
        ({"value": Decimal("1E+40")}, "FMT07"),
        ({"value": Decimal("NaN")}, "FMT10"),
        ({"event_id": 10**12}, "FMT07"),
        ({"time": OUTAGE.time.replace(tzinfo=None)}, "FMT01"),
        ({"time": datetime(2024, 4, 2, tzinfo=timezone(timedelta(seconds=90)))}, "FMT15"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed, code):
    with pytest.raises(FormatError) as refused:
        mrc.body(OUTAGE._replace(**changed))
    assert refused.value.code == code


@pytest.mark.parametrize("changed", [{"origin": "X"}, {"replay": "Q"}])
def test_a_word_outside_its_list_is_an_error(changed):
    with pytest.raises(ValueError, match="none of"):
        mrc.body(OUTAGE._replace(**changed))


def test_a_refusal_names_meter_and_event():
    with pytest.raises(FormatError, match="FMT06 MRC 00123456/PWR_OUTAGE: value unit: 7 "):
        mrc.body(OUTAGE._replace(unit="SEVENCH"))


@pytest.mark.parametrize("sequence", [0, 10**10])
def test_a_sequence_has_ten_digits(sequence):
    with pytest.raises(FormatError, match="MRC02"):
        mrc.record(sequence, mrc.body(OUTAGE))


# --- reading ------------------------------------------------------------------------------------


def test_a_record_comes_back_whole():
    [event], report = read(lines(44, (SAG,))[0] + END)
    assert (report.records, report.errors, report.warnings) == (1, 0, 0)
    assert (event.code, event.event_id, event.origin, event.native) == (
        *("V_SAG_END", "90031", "M"),
        "2061",
    )
    assert (event.time, event.received) == (SAG.time, SAG.received)
    assert (event.value, event.unit, event.duration) == (Decimal("101.400"), "V", 12)
    assert (event.phases, event.text, event.replay) == ("A", "Voltage sag over", "D")
    assert (event.iec, event.category, event.severity) == ("3.26.38.224", "PQLT", "I")
    assert (event.sequence, event.state, event.oms, event.group) == (44, "C", "Other", "CYCLE05")


def test_the_device_is_what_the_record_says_of_it():
    device, _ = mrc.recorded(lines(1, (OUTAGE,))[0])
    assert device == DeviceInfo(
        *("SSI0004711", "00123456"),
        service_point_id="SP-998877",
        transformer_id="TX-5521",
        feeder_id="FDR-12",
    )


def test_lf_and_cut_blanks_are_read():
    data = b"".join(line.rstrip() + b"\n" for line in lines(1, (OUTAGE, RESTORE)))
    events, report = read(data)
    assert [event.sequence for event in events] == [1, 2]
    assert report.errors == report.warnings == 0


def test_a_torn_last_line_waits_for_the_next_reading():
    first, second = lines(1, (OUTAGE, RESTORE))
    events, report = read(first + END + second[:200])
    assert [event.sequence for event in events] == [1]
    assert report.codes == {"MRW01": 1}
    assert len(read(first + END + second)[0]) == 2


def test_a_gap_is_counted_and_a_repeat_dropped():
    one, two, five = lines(1, (OUTAGE, RESTORE))[0], *lines(2, (RESTORE,)), *lines(5, (SAG,))
    events, report = read(END.join([one, two, two, five, b""]))
    assert [event.sequence for event in events] == [1, 2, 5]
    assert report.codes == {"MRW03": 1, "MRW02": 1}
    assert "2 records lost" in report.issues[1].message


def test_a_sequence_that_falls_is_an_error():
    events, report = read(END.join([*lines(5, (OUTAGE,)), *lines(4, (SAG,)), b""]))
    assert [event.sequence for event in events] == [5]
    assert report.codes == {"MRE03": 1}


def test_a_reading_is_resumed_behind_a_sequence():
    data = END.join([*lines(1, (OUTAGE, RESTORE, SAG)), b""])
    events, report = read(data, after=2)
    assert [event.sequence for event in events] == [3]
    assert report.codes == {"MRW03": 1}  # the second; the first is simply known


def test_a_time_without_an_offset_is_of_the_given_zone():
    line = lines(1, (OUTAGE,))[0]
    bare = line[:201] + b"     " + line[206:]
    [event], _ = read(bare + END, zone="America/Chicago")
    assert event.time == OUTAGE.time
    zero = line[:187] + b"0" * 14 + line[201:]
    assert read(zero + END)[0][0].time is None


@pytest.mark.parametrize(
    ("place", "bytes_", "code", "words"),
    [
        (3, b"02", "MRE02", "layout version '02'"),
        (0, b"XRC", "MRE01", "record type"),
        (5, b"abcdefghij", "MRE01", "sequence"),
        (43, b"Q", "MRE01", "origin"),
        (44, b"12x45", "MRE01", "native code"),
        (187, b"2024040214310x", "MRE01", "event time"),
        (187, b"20241399000000", "MRE01", "event time"),
        (201, b"+9900", "MRE01", "event offset"),
        (228, b"1.2.3       ", "MRE01", "value"),
        (255, b"Q", "MRE01", "replay flag"),
        (256, b"\xff", "MRE01", "text"),
        (296, b"x", "MRE01", "filler"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(place, bytes_, code, words):
    line = lines(1, (OUTAGE,))[0]
    events, report = read(line[:place] + bytes_ + line[place + len(bytes_) :] + END)
    assert events == []
    assert report.codes == {code: 1}
    assert words in report.issues[0].message


def test_a_time_that_the_zone_skips_is_an_error():
    line = lines(1, (OUTAGE,))[0]
    bare = line[:187] + b"20240310023000     " + line[206:]
    _, report = read(bare + END, zone="America/Chicago")
    assert "does not exist in America/Chicago" in report.issues[0].message


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n"])
def test_nothing_is_read_from_nothing(data):
    assert read(data) == ([], ReadReport())


@pytest.mark.parametrize(
    ("line", "sequence"),
    [
        (lines(7, (OUTAGE,))[0], 7),
        (lines(7, (OUTAGE,))[0] + END, 7),
        (b"MRC01" + b"x" * 315, None),
        (b"MRC01" + b"1" * 300, None),
        (b"XXX01" + b"1" * 315, None),
    ],
)
def test_a_sequence_is_told_of_whole_lines_of_ours(line, sequence):
    assert mrc.sequence_of(line) == sequence


# --- a run's copy -------------------------------------------------------------------------------


def test_a_run_writes_records_as_they_stand_by_their_sequence():
    stored = lines(42, (OUTAGE, RESTORE, SAG))
    frame = MRC.frame(stored[::-1])
    assert write(frame) == b"".join(line + END for line in stored)
    assert write(frame, line_end="LF") == b"".join(line + b"\n" for line in stored)


def test_an_event_that_no_route_recorded_is_refused():
    frame = Frame([DeviceInfo("D", "M")], events={0: [Event("PWR_OUTAGE", OUTAGE.time)]})
    with pytest.raises(FormatError, match="MRC05 MRC M: an event without a record"):
        write(frame)
