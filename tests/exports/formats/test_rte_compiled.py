"""The compiled writer gives what the declared one gives, and what was written reads back."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.readings import (
    NEVER,
    Arrival,
    Channel,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    instant,
)
from exports.formats.base import FormatError, Tally
from exports.formats.rte import Arrivals
from exports.formats.rte.places import seq_digits
from exports.formats.rte.tables import LAST_SEQ
from exports.formats.zones import midnight
from tests.exports.formats.rte_tools import RTE, context, lines, read, write

START = 1712080800
RECEIVED = datetime(2024, 4, 3, 1, 2, 3, 450_000, tzinfo=UTC)
CHICAGO = "America/Chicago"
ZONES = [CHICAGO, "UTC", "Europe/London", "Australia/Lord_Howe"]
QUANTITIES = [("KWH", "DEL"), ("KWH", "NET"), ("KVARH", "Q4"), ("PF", "DEL"), ("V", "DEL")]
MASKS = [0, 0, 0, 1, 2, 4, 8, 0x1FF8, 0x68, 0x1021, NEVER, 3]
GOOD = st.sampled_from(["D1", "D2", "D3", "D 4", 'D,"5', "D" * 20])
BAD = st.sampled_from(["D" * 21, "É1", "D\t"])


@st.composite
def devices(draw: st.DrawFn, bad: bool) -> list[DeviceInfo]:
    names = draw(st.lists(GOOD, min_size=1, max_size=4))
    if bad and draw(st.integers(0, 3)) == 0:
        names.append(draw(BAD))
    zones = [draw(st.sampled_from([*ZONES, *(["Mars/Olympus"] if bad else [])])) for _ in names]
    return [
        DeviceInfo(name, f"M{n}", service_point_id=f"SP-{n}" * (n % 2), time_zone=zone)
        for n, (name, zone) in enumerate(zip(names, zones, strict=True))
    ]


@st.composite
def channels(draw: st.DrawFn, number: int | None, bad: bool) -> Channel:
    unit, flow = draw(st.sampled_from(QUANTITIES))
    resolution = Decimal(draw(st.sampled_from(["0.001", "0.000125", "0.0000037", "1", "50"])))
    multiplier = draw(st.sampled_from([None, Decimal(40), Decimal("0.1234")]))
    if bad and draw(st.integers(0, 5)) == 0:
        multiplier = Decimal("0.12345")
    applied = draw(st.sampled_from([None, True, False]))
    if draw(st.integers(0, 3)) == 0:
        return Channel(number, unit, flow, 0, "X", resolution, multiplier, applied)
    seconds = draw(st.sampled_from([900, 900, 3600, 86400, *([901] if bad else [])]))
    offset = draw(st.sampled_from([None, -21600, *([7] if bad else [])]))
    zone = CHICAGO if seconds == 86400 and draw(st.booleans()) else ""
    return Channel(number, unit, flow, seconds, "U", resolution, multiplier, applied, offset, zone)


@st.composite
def arrivals(draw: st.DrawFn, bad: bool = True) -> Arrivals:
    found = draw(devices(bad))
    numbers = [1, 2, 999, *([None] if bad else [])]
    own = [draw(channels(number, bad)) for number in draw(st.permutations(numbers))[:3]]
    sources = draw(st.lists(st.sampled_from(["NT", "GF", "SC"]), min_size=1, max_size=3))
    batches: list[Arrival | None] = [
        Arrival(RECEIVED + timedelta(hours=n), source) for n, source in enumerate(sources)
    ]
    if draw(st.booleans()):
        batches.append(None)
    size = draw(st.sampled_from([0, 1, 5, 60, 300]))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    high = draw(st.sampled_from([3, 900, 1 << 18, 1 << 45, *([1 << 61] if bad else [])]))
    low = draw(st.sampled_from([0, 0, -high]))
    masks = draw(st.lists(st.sampled_from(MASKS if bad else MASKS[:-1]), min_size=1, max_size=4))
    status = seed.choice(np.array(masks, np.uint16), size)
    channel = seed.integers(0, len(own), size)
    steps = np.array([c.seconds or 900 for c in own])[channel]
    ends = START // 86400 * 86400 + 21600 + steps * seed.integers(0, 200, size)
    for place in np.flatnonzero(np.array([bool(c.zone) for c in own])[channel]).tolist():
        ends[place] = midnight(CHICAGO, 738900 + int(seed.integers(0, 300)))
    return Arrivals(
        found,
        own,
        batches,
        seed.integers(0, len(found), size),
        channel,
        seed.integers(0, len(batches), size),
        ends,
        seed.integers(low, high, size),
        status,
        np.arange(size) if draw(st.booleans()) else np.full(size, draw(st.integers(0, 1001))),
    )


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "names": st.just("no"),
        "control": st.just("yes"),
        "send_missing": st.sampled_from(["yes", "no"]),
        "remove_multiplier": st.just("yes"),
        "line_end": st.just("LF"),
        "first_seq": st.sampled_from(["7", "9990", "99999990", str(LAST_SEQ - 1000)]),
        "zone": st.sampled_from(["UTC", "Asia/Kathmandu"]),
        "on_unsupported": st.sampled_from(["skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


@settings(deadline=None, max_examples=250, suppress_health_check=list(HealthCheck))
@given(arrivals(), OPTIONS)
def test_compiled_and_declared_give_the_same_bytes(lot: Arrivals, options: dict[str, Any]) -> None:
    outcomes = []
    for compiled in (True, False):
        try:
            data, tally = write(lot, compiled=compiled, **options)
        except FormatError as error:
            outcomes.append(str(error))
            continue
        left_out = [(item.device, item.channel, item.code) for item in tally.left_out]
        counts = (tally.records, tally.intervals, tally.registers, tally.missing)
        outcomes.append((data, counts, tally.warnings, left_out, tally.totals))
    assert outcomes[0] == outcomes[1]


# --- reading back ---------------------------------------------------------------------------------

Values = dict[tuple[object, ...], tuple[object, ...]]


def written(lot: Arrivals) -> Values:
    """What a reader should find: of each key the highest revision; 6 decimals, 4 of registers."""
    found: dict[tuple[object, ...], tuple[tuple[int, int], tuple[object, ...]]] = {}
    for place in range(len(lot)):
        channel = lot.channels[int(lot.channel[place])]
        kind = "R" if channel.value_type == "X" else "I"
        device = lot.devices[int(lot.device[place])].device_id
        key = (device, kind, channel.number, int(lot.ends[place]))
        mask = int(lot.status[place]) & 0x1FFF
        value = None
        if not mask & 1:
            exact = Decimal(int(lot.counts[place])) * channel.resolution
            value = exact.quantize(Decimal("0.000001" if kind == "I" else "0.0001"))
        elif kind == "R":
            continue
        what = (
            *(channel.unit, channel.flow, value, mask),
            Decimal(1) if channel.multiplier is None else channel.multiplier,
            channel.multiplier_applied is not False,
        )
        rank = (min(int(lot.revisions[place]), 999), place)
        if key not in found or found[key][0] <= rank:
            found[key] = (rank, what)
    return {key: what for key, (_, what) in found.items()}


def came_back(meters: list[MeterData]) -> Values:
    found: Values = {}
    for meter in meters:
        name = meter.device.device_id
        for one in meter.series:
            c = one.channel
            for end, value, mask in zip(
                one.ends.tolist(), one.values(), one.status.tolist(), strict=True
            ):
                key = (name, "I", c.number, end)
                found[key] = (c.unit, c.flow, value, mask, c.multiplier, c.multiplier_applied)
        for total in meter.reads:
            for v in total.values:
                key = (name, "R", v.number, int(total.time.timestamp()))
                words = (v.unit, v.flow, v.value, v.status)
                found[key] = (*words, v.multiplier, v.multiplier_applied)
    return found


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(arrivals(bad=False))
def test_what_was_written_reads_back(lot: Arrivals) -> None:
    options = {"send_missing": "yes", "control": "yes", "on_error": "skip_meter"}
    data, tally = write(lot, **options)
    meters, report = read(data, strict="yes")
    assert report.errors == 0, report.issues
    names = {item.device.device_id for item in tally.left_out}
    expected = {key: what for key, what in written(lot).items() if key[0] not in names}
    assert came_back(meters) == expected
    assert RTE.verify(io.BytesIO(data), context()) == []


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(arrivals(bad=False), st.data())
def test_corrupted_bytes_are_findings_never_crashes(lot: Arrivals, data: st.DataObject) -> None:
    raw = bytearray(write(lot, send_missing="yes", control="yes", on_error="skip_meter")[0])
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place : place + data.draw(st.integers(1, 60))]
    for strict in ("yes", "no"):
        read(bytes(raw), strict=strict)


# --- frames and parts -----------------------------------------------------------------------------


def frame_of(names: list[str]) -> Frame:
    """A meter of two channels and two totals for each name; batch 3 brought every second slot."""
    meters = []
    for name in names:
        ends = START + 900 * np.arange(1, 5)
        status = np.array([0, int(Status.MISSING), NEVER, 0], np.uint16)
        numbers = np.array([3, 4, 0, 3])
        series = [
            IntervalSeries(
                Channel(number, "KWH", "DEL", 900, "U", Decimal("0.001")),
                *(ends, np.array([1, 0, 0, 4]), status),
                numbers=numbers,
            )
            for number in (2, 1)
        ]
        values = (
            RegisterValue("SUM", "KWH", "DEL", value=Decimal("12.34567"), number=1),
            RegisterValue("SUM", "KWH", "REC", number=2, status=int(Status.MISSING)),
        )
        reads = RegisterRead(instant(START), "CUR", values, source="SR", received=RECEIVED)
        info = DeviceInfo(name, f"M{name}", time_zone="UTC")
        meters.append(MeterData(info, tuple(series), (reads,)))
    frame = Frame.of(meters)
    arrived = {3: Arrival(RECEIVED, "NT"), 4: Arrival(RECEIVED, "SC")}
    return Frame(frame.devices, frame.sheets, frame.reads, {}, arrived)


def test_a_period_is_written_by_device_with_revision_0() -> None:
    data, tally = write(frame_of(["D1", "D2"]), names="no")
    found = [line.split(",") for line in lines(data)]
    assert [row[1] for row in found] == [str(n) for n in range(1, 15)]
    assert [(row[0], row[2], row[5], row[10], row[17]) for row in found[:7]] == [
        *(("I", "D1", "1", "0.001", "NT"), ("I", "D1", "1", "", "SC")),
        *(("I", "D1", "1", "0.004", "NT"), ("I", "D1", "2", "0.001", "NT")),
        *(("I", "D1", "2", "", "SC"), ("I", "D1", "2", "0.004", "NT")),
        ("R", "D1", "1", "12.3457", "SR"),
    ]
    assert {row[18] for row in found} == {"0"}
    counts = (tally.meters, tally.records, tally.intervals, tally.registers, tally.missing)
    assert counts == (2, 14, 12, 2, 4)


def test_parts_made_apart_are_numbered_when_they_are_joined() -> None:
    ctx = context(names="no", control="yes", first_seq="9998")
    whole, _ = write(frame_of(["D1", "D2"]), names="no", control="yes", first_seq="9998")
    merged, parts = Tally(), []
    for name in ("D1", "D2"):
        part, tally = io.BytesIO(), Tally()
        RTE.write_frame(frame_of([name]), ctx, part, tally)
        parts.append(part.getvalue())
        merged.merge(tally)
    out = io.BytesIO()
    passed = RTE.passing(ctx, out)
    RTE.begin(ctx, passed, merged)
    body = b"".join(parts)
    for first in range(0, len(body), 100):  # cut anywhere
        passed.write(body[first : first + 100])
    RTE.finish(ctx, passed, merged)
    assert out.getvalue() == whole


@pytest.mark.parametrize(
    ("options", "kinds"),
    [
        ({"include": "intervals"}, "III"),
        ({"include": "registers"}, "R"),
        ({"send_missing": "no"}, "IIIIR"),
        ({"send_missing": "yes"}, "IIIIIIR"),
        ({}, "IIIIIIR"),
    ],
)
def test_options_choose_what_is_written(options: dict[str, str], kinds: str) -> None:
    data, _ = write(frame_of(["D1"]), names="no", **options)
    found = "".join(line[0] for line in lines(data))
    assert found == (kinds * 2 if kinds == "III" else kinds)


def test_an_applied_multiplier_is_divided_out_on_demand() -> None:
    channel = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"), Decimal(3), True)
    ends, status = np.array([START]), np.zeros(1, np.uint16)
    series = IntervalSeries(channel, ends, np.array([1000]), status)
    frame = Frame.of([MeterData(DeviceInfo("D1"), (series,))])
    [row] = lines(write(frame, names="no", remove_multiplier="yes")[0])
    assert row.split(",")[10:14] == ["0.333333", "U", "3", "N"]
    [row] = lines(write(frame, names="no")[0])
    assert row.split(",")[10:14] == ["1", "U", "3", "Y"]
    assert row.split(",")[16:18] == ["", ""]  # the frame does not tell how it came


def test_numbers_keep_their_digits() -> None:
    assert bytes(seq_digits(123456789, 2).ravel()) == b"123456789123456790"
    assert bytes(seq_digits(8, 2).ravel()) == b"89"
