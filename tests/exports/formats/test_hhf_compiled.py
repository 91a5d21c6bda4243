"""The compiled writer gives what the declared one gives; what was written reads back."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.readings import ABSENT, Arrival, Frame, RegisterRead, RegisterValue, Status, instant
from exports.formats.base import FormatError
from tests.exports.formats.hhf_cases import CASES
from tests.exports.formats.records216_frames import periods, sound_frames, wild_frames
from tests.exports.formats.records216_tools import read, summary, write
from tests.exports.formats.test_mv90_compiled import expected

QUIET = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
MISSING = int(Status.MISSING)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "value_kind": st.just("P"),
        "pulse_multipliers": st.just("KWH=0.25;*=0.001"),
        "recorder": st.just("SerialNumber"),
        "overflow_ids": st.just("keep_last"),
        "events": st.just("no"),
        "registers": st.just("no"),
        "skip_registers": st.just("no"),
        "read_types": st.just("SR PDR"),
        "trim": st.just("yes"),
        "mode": st.sampled_from(["OR", "IN", "RE", "CO"]),
        "on_unsupported": st.sampled_from(["skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


def numbered(frame: Frame) -> Frame:
    """The frame with a batch for each slot."""
    sheets = [
        replace(one, numbers=np.arange(one.counts.size).reshape(one.counts.shape) % 7)
        for one in frame.sheets
    ]
    arrivals = {n: Arrival(datetime(2026, 1, 1, n, 5, tzinfo=UTC), "SC") for n in range(7)}
    return replace(frame, sheets=sheets, arrivals=arrivals)


@QUIET
@given(st.data(), OPTIONS)
def test_compiled_and_declared_give_the_same_bytes(data: st.DataObject, options: Any) -> None:
    period = data.draw(periods())
    frame = numbered(data.draw(wild_frames(period)))
    outcomes: list[object] = []
    for compiled in (True, False):
        try:
            made, tally = write("hhf", frame, compiled, **options, **period.words)
        except (FormatError, ValueError) as error:
            outcomes.append(str(error))
            continue
        outcomes.append((made, summary(tally)))
    assert outcomes[0] == outcomes[1]


@QUIET
@given(st.data())
def test_what_was_written_reads_back(data: st.DataObject) -> None:
    period = data.draw(periods())
    frame = data.draw(sound_frames(period))
    made, tally = write("hhf", frame, **period.words)
    if not tally.meters:
        return
    meters, report = read("hhf", made)
    assert report.errors == 0
    sent = {meter.device.device_id: meter for meter in frame.meters()}
    for meter in meters:
        assert meter.device.serial_number == sent[meter.device.device_id].device.serial_number
        found = {
            series.channel.number: {
                end: (None if value is None else np.float32(float(value)), mask)
                for end, value, mask in zip(
                    series.ends.tolist(), series.values(), series.status.tolist(), strict=True
                )
            }
            for series in meter.series
        }
        one = sent[meter.device.device_id]
        # Who has register reads or events alone has no channels in the file.
        arrived = any((series.status & ABSENT == 0).any() for series in one.series)
        assert found == (expected(one, period) if arrived else {})


@QUIET
@given(st.data())
def test_pulses_read_back_exactly(data: st.DataObject) -> None:
    period = data.draw(periods())
    frame = data.draw(sound_frames(period, meters=1))
    sheets = [replace(one, counts=one.counts.astype(np.int64) % (1 << 32)) for one in frame.sheets]
    frame = replace(frame, sheets=sheets)
    made, tally = write("hhf", frame, value_kind="P", **period.words)
    if not tally.meters:
        return
    [meter], report = read("hhf", made)
    assert report.errors == 0
    sent = {series.channel.number: series for series in next(iter(frame.meters())).series}
    for series in meter.series:
        one = sent[series.channel.number]
        there = np.isin(series.ends, one.ends)
        gone = one.status & MISSING != 0
        assert series.channel.resolution == one.channel.resolution
        assert np.array_equal(series.counts[there], np.where(gone, 0, one.counts))


@st.composite
def register_values(draw: st.DrawFn) -> RegisterValue:
    kind = draw(st.sampled_from(["SUM", "MAX", "CUM"]))
    peak = instant(draw(st.integers(1709000000, 1709300000)) // 60 * 60)
    return RegisterValue(
        kind,
        draw(st.sampled_from(["KWH", "KVARH"])),
        draw(st.sampled_from(["DEL", "REC"])),
        draw(st.sampled_from("TABCDEFGH")),
        draw(st.decimals(0, 10**11, places=4)).normalize(),
        draw(st.integers(1, 999)),
        peak_time=peak if kind == "MAX" and draw(st.booleans()) else None,
        multiplier=draw(st.sampled_from([Decimal(1), Decimal(40), Decimal("0.1234")])),
        multiplier_applied=True,
        status=draw(st.sampled_from([0, 2, 4, 6, 8, 0x40E, 0x400])),
    )


@QUIET
@given(
    st.lists(register_values(), min_size=1, max_size=12, unique_by=lambda value: value.key),
    st.integers(0, 0xFFFFFFFF),
)
def test_registers_read_back(values: list[RegisterValue], word: int) -> None:
    period = CASES[0].data.sheets[0]
    when = instant(int(period.ends[50]) // 60 * 60)
    text = f"{word:08X}" if word else ""
    one = RegisterRead(when, "CUR", tuple(values), status_word=text, received=when)
    frame = replace(CASES[0].data, reads={0: [one]})
    [meter], report = read("hhf", write("hhf", frame)[0])
    assert (report.errors, report.warnings) == (0, 0)
    [found] = meter.reads
    ordered = sorted(values, key=lambda v: (v.number, "TABCDEFGH".index(v.rate)))
    assert {value.key: value for value in found.values} == {value.key: value for value in ordered}
    assert (found.time, found.status_word, found.received) == (when, text, when)


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_no_corruption_crashes_the_reader(data: st.DataObject) -> None:
    case = data.draw(st.sampled_from(CASES))
    made, _ = write("hhf", case.data, **case.words)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(made) - 1))
        made = made[:place] + data.draw(st.binary(min_size=1, max_size=12)) + made[place + 1 :]
    if data.draw(st.booleans()):
        made = made[: len(made) // 216 * 216]
    meters, report = read("hhf", made)
    assert report.records or report.errors
    for meter in meters:
        for series in meter.series:
            assert len(series.ends) == len(series.counts) == len(series.status)


def test_no_single_byte_crashes_the_reader() -> None:
    """Every byte of a small file, by three other values: it is read, or an issue says why not."""
    made, _ = write("hhf", CASES[0].data, **CASES[0].words)
    for place in [*range(216 * 4), *range(216 * 7, 216 * 10)]:
        for new in (0x00, 0xFF, made[place] ^ 0x10):
            changed = made[:place] + bytes([new]) + made[place + 1 :]
            meters, report = read("hhf", changed)
            assert meters or report.errors
