"""The compiled writer gives what the declared one gives; what was written reads back."""

import struct
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.readings import ABSENT, Frame, MeterData, Status
from exports.formats.base import FormatError
from exports.formats.mv90.image import image_read, image_write
from exports.formats.records216.words import words_of, words_out
from tests.exports.formats.mv90_cases import CASES
from tests.exports.formats.records216_frames import Period, periods, sound_frames, wild_frames
from tests.exports.formats.records216_tools import patch, read, records, summary, write

QUIET = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
MISSING = int(Status.MISSING)
LOST = int(Status.RAW | Status.DST)
LOST_MISSING = int(Status.QUESTIONABLE | Status.OVERFLOW)
OPTIONS = st.fixed_dictionaries(
    {"multi_meter": st.just("yes")},
    optional={
        "custid": st.sampled_from(["MeterNumber", "AccountID"]),
        "meterid": st.just("label"),
        "overflow_ids": st.just("keep_last"),
        "trim": st.just("yes"),
        "name": st.just("DeviceClass"),
        "account": st.just("no"),
        "unit_codes": st.just("KW=21"),
        "mode": st.sampled_from(["OR", "IN", "RE", "CO"]),
        "on_unsupported": st.sampled_from(["skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


@QUIET
@given(st.data(), OPTIONS)
def test_compiled_and_declared_give_the_same_bytes(data: st.DataObject, options: Any) -> None:
    period = data.draw(periods())
    frame = data.draw(wild_frames(period))
    outcomes: list[object] = []
    for compiled in (True, False):
        try:
            made, tally = write("mv90", frame, compiled, **options, **period.words)
        except (FormatError, ValueError) as error:
            outcomes.append(str(error))
            continue
        outcomes.append((made, summary(tally)))
    assert outcomes[0] == outcomes[1]


def kept(mask: int) -> int:
    """What is left of a mask: RAW and DST are lost, beside MISSING the channel word's bits."""
    if mask & ABSENT:
        return MISSING
    return mask & 0x1FFF & ~LOST & ~(LOST_MISSING if mask & MISSING else 0)


def expected(meter: MeterData, period: Period) -> dict[int, dict[int, tuple[object, int]]]:
    """By channel number and end: the single that stands for the value, and the mask."""
    found: dict[int, dict[int, tuple[object, int]]] = {}
    for series in meter.series:
        slots = range(period.start + period.seconds, period.end + 1, period.seconds)
        own: dict[int, tuple[object, int]] = dict.fromkeys(slots, (None, MISSING))
        columns = (series.ends.tolist(), series.values(), series.status.tolist())
        for end, value, mask in zip(*columns, strict=True):
            own[end] = (None if value is None else np.float32(float(value)), kept(mask))
        found[series.channel.number or 0] = own
    return found


@QUIET
@given(st.data())
def test_what_was_written_reads_back(data: st.DataObject) -> None:
    period = data.draw(periods())
    frame = data.draw(sound_frames(period))
    made, tally = write("mv90", frame, multi_meter="yes", on_error="skip_meter", **period.words)
    if not tally.meters:
        return
    assert image_write(image_read(made)) == made
    meters, report = read("mv90", made, zone=period.zone)
    assert report.errors == 0
    sent = {meter.device.device_id: meter for meter in frame.meters()}
    for meter in meters:
        found = {
            series.channel.number: {
                end: (None if value is None else np.float32(float(value)), mask)
                for end, value, mask in zip(
                    series.ends.tolist(), series.values(), series.status.tolist(), strict=True
                )
            }
            for series in meter.series
        }
        assert found == expected(sent[meter.device.device_id], period)


@QUIET
@given(st.data())
def test_counts_come_back_where_the_resolution_is_known(data: st.DataObject) -> None:
    period = data.draw(periods())
    frame = data.draw(sound_frames(period, meters=1))
    made, tally = write("mv90", frame, on_error="skip_meter", **period.words)
    [source] = frame.meters()
    channels = [series.channel for series in source.series]
    if not tally.meters:
        return
    [meter], report = read("mv90", made, lambda identifier: channels, zone=period.zone)
    sent = {series.channel.number: series for series in source.series}
    assert ("MDR63" in report.codes) is False or "MDW02" in tally.warnings.counts
    if "MDW02" in tally.warnings.counts:
        return
    for series in meter.series:
        one = sent[series.channel.number]
        assert series.channel.resolution == one.channel.resolution
        there = np.isin(series.ends, one.ends)
        gone = one.status & MISSING != 0
        assert np.array_equal(series.counts[there], np.where(gone, 0, one.counts))


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_corruption_crashes_the_reader(data: st.DataObject) -> None:
    made, _ = write("mv90", CASES[2].data, **CASES[2].words)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(made) - 1))
        made = made[:place] + data.draw(st.binary(min_size=1, max_size=12)) + made[place + 1 :]
    if data.draw(st.booleans()):
        made = made[: len(made) // 216 * 216]
    options = data.draw(st.fixed_dictionaries({}, optional={"dst_flag_y": st.just("prevailing")}))
    meters, report = read("mv90", made, **options)
    assert report.records or report.errors
    for meter in meters:
        for series in meter.series:
            assert len(series.ends) == len(series.counts) == len(series.status)


def test_no_single_byte_crashes_the_reader() -> None:
    """Every byte of a small file, by three other values: it is read, or an issue says why not."""
    made, _ = write("mv90", CASES[1].data, **CASES[1].words)
    [plain], _ = read("mv90", made)
    for place in range(len(made)):
        for new in (0x00, 0xFF, made[place] ^ 0x10):
            changed = made[:place] + bytes([new]) + made[place + 1 :]
            meters, report = read("mv90", changed)
            if not report.issues:
                assert [meter.series[0].ends[0] for meter in meters] == [plain.series[0].ends[0]]


def test_the_table_of_words_is_that_of_each_mask() -> None:
    for mode in ("OR", "IN", "RE", "CO"):
        table = words_out(mode)
        for mask in [*range(0, 1 << 16, 7), 0x4000, 0x8001, 0x4001, 0x1FFF]:
            channel, interval = words_of(mask, mode)
            assert table[mask] == channel | interval << 16


def test_cells_read_at_once_are_those_of_the_image() -> None:
    """The compiled reader against the tables, cell by cell."""
    case = CASES[2]
    made, _ = write("mv90", case.data, **case.words)
    made = patch(made, 2, 24 + 8 * 2, struct.pack("<fHH", 7.5, 0x10, 0x800))
    [meter], _ = read("mv90", made, zone=case.zone)
    cells = next(image.values["cells"] for image in image_read(made) if "cells" in image.values)
    series = meter.series[0]
    values = [Decimal(0) if value is None else value for value in series.values()]
    assert [float(value) for value in values] == cells["value"][:23].tolist()
    assert len(records(made)) == 4
    assert series.status[2] == int(Status.OVERFLOW | Status.TEST_MODE)


def test_frames_of_nothing_are_nothing() -> None:
    assert write("mv90", Frame([]))[0] == b""
