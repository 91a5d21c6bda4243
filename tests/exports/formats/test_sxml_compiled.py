"""Both writers of S-XML agree; what was written is valid, and reads back."""

import gzip
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
    Event,
    Frame,
    MeterData,
    RegisterRead,
    RegisterValue,
    Sheet,
    instant,
)
from exports.formats.base import FormatError, Tally
from exports.formats.zones import midnight
from tests.exports.formats.sxml_cases import CHICAGO, at
from tests.exports.formats.sxml_tools import SXML, context, read, valid, write

START = int(at("2024-11-03T00:00:00-05:00").timestamp())
UNITS = [("KWH", "DEL"), ("KWH", "NET"), ("KVARH", "Q4"), ("PF", "DEL"), ("V", "DEL")]
MASKS = [0, 0, 0, 1, 2, 4, 8, 0x1FF8, 0x68, 0x1021, NEVER, NEVER, 3]
ARRIVALS = {
    n: Arrival(instant(START + 600 * (n % 5)), "NT" if n % 2 else "GF") for n in range(1, 9)
}
ZONES = [CHICAGO, CHICAGO, "UTC", "Europe/London", "Australia/Lord_Howe"]


@st.composite
def channels(draw: st.DrawFn, bad: bool) -> Channel:
    unit, flow = draw(st.sampled_from(UNITS))
    resolution = Decimal(draw(st.sampled_from(["0.001", "0.000125", "0.0000037", "1", "50"])))
    multiplier = draw(st.sampled_from([None, Decimal(40), Decimal("0.1234")]))
    applied = draw(st.sampled_from([None, True, False]))
    number = draw(st.sampled_from([1, 2, 3, *([None, 1000] if bad else [])]))
    if bad and draw(st.integers(0, 9)) == 0:
        multiplier = Decimal("0.12345")
    seconds = draw(st.sampled_from([900, 900, 900, 3600, 86400, *([901] if bad else [])]))
    offset = draw(st.sampled_from([None, -21600]))
    zone = CHICAGO if seconds == 86400 else ""
    return Channel(number, unit, flow, seconds, "U", resolution, multiplier, applied, offset, zone)


@st.composite
def sheets(draw: st.DrawFn, devices: int, bad: bool) -> Sheet:
    rows = draw(st.lists(st.integers(0, devices - 1), min_size=1, max_size=4, unique=True))
    first = draw(channels(bad))
    seconds = first.seconds
    own = [draw(channels(bad))._replace(seconds=seconds, zone=first.zone) for _ in rows]
    size = draw(st.integers(1, 5)) if seconds == 86400 else draw(st.integers(0, 100))
    ends = START + seconds * np.arange(1, size + 1)
    if seconds == 86400:
        ends = np.array([midnight(CHICAGO, 739191 + day) for day in range(size)])
    elif size and draw(st.integers(0, 9)) == 0:
        ends[size // 2 :] += seconds  # a gap in the grid itself
    elif bad and size and draw(st.integers(0, 9)) == 0:
        ends[size // 2 :] += 7
    high = draw(st.sampled_from([3, 900, 1 << 18, 1 << 24, *([1 << 61] if bad else [])]))
    low = draw(st.sampled_from([0, 0, -high]))
    shape = (len(rows), size)
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    status = None
    if draw(st.booleans()):
        masks = draw(
            st.lists(st.sampled_from(MASKS if bad else MASKS[:-1]), min_size=1, max_size=4)
        )
        status = seed.choice(np.array(masks, np.uint16), shape)
        if draw(st.booleans()):
            status[seed.random(shape) < 0.8] = 0
    numbers = seed.integers(1, 9, shape) if draw(st.booleans()) else None
    if numbers is not None and draw(st.booleans()):
        numbers[:] = 3
    return Sheet(
        np.array(sorted(rows)), own, ends, seed.integers(low, high, shape), status, numbers
    )


PEAK = at("2024-11-03T01:30:00-06:00")


@st.composite
def reads(draw: st.DrawFn, bad: bool) -> list[RegisterRead]:
    found = []
    for hour in draw(st.lists(st.integers(0, 20), max_size=3, unique=True)):
        values = []
        for number in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True)):
            kind = draw(st.sampled_from(["SUM", "MAX", "COIN", "CUM", "PRES"]))
            top = draw(st.integers(-3 if bad else 0, 10**9))
            null = draw(st.integers(0, 5)) == 0
            status = draw(st.sampled_from([0, 2, 4, 8, 0x1FF8]))
            times = draw(st.sampled_from([None, PEAK]))
            for occurrence in range(1, 1 + draw(st.integers(1, 3))):
                gone = null or (occurrence > 1 and draw(st.integers(0, 3)) == 0)
                values.append(
                    RegisterValue(
                        *(kind, "KW", "DEL", draw(st.sampled_from("TA")) if bad else "T"),
                        None if gone else Decimal(top - occurrence).scaleb(-3),
                        number=number if not bad or draw(st.integers(0, 9)) else None,
                        occurrence=occurrence,
                        peak_time=times,
                        status=1 if gone else status,
                        multiplier=draw(st.sampled_from([None, Decimal(40)])),
                        dials=draw(st.sampled_from([None, 6, *([100] if bad else [])])),
                    )
                )
        received = at("2024-11-04T00:07:41-06:00") if draw(st.booleans()) else None
        word = draw(st.sampled_from(["", "0000ABCD", "x"]))
        kind = draw(st.sampled_from(["CUR", "SR", "PDR"]))
        time = instant(START + 3600 * hour)
        found.append(
            RegisterRead(time, kind, tuple(values), received=received, status_word=word, season=1)
        )
    return found


@st.composite
def frames(draw: st.DrawFn, bad: bool = True) -> Frame:
    numbers = draw(st.lists(st.sampled_from(["M1", "M2", "M 3", "M&<4"]), min_size=1, max_size=4))
    if bad and draw(st.integers(0, 5)) == 0:
        numbers.append(draw(st.sampled_from(["", "M" * 21, "É", "M\x01"])))
    zone = draw(st.sampled_from([*ZONES, *(["Mars/Olympus"] if bad else [])]))
    devices = [
        DeviceInfo(
            "D" + number if not bad or draw(st.integers(0, 9)) else "D9",
            number,
            service_point_id=f"SP{place}" * (place % 2),
            device_class="X" * (place % 3),
            time_zone=zone,
            groups=("G2", "G1") if place % 2 else (),
        )
        for place, number in enumerate(sorted(set(numbers) if not bad else numbers))
    ]
    found = draw(st.lists(sheets(len(devices), bad), min_size=0, max_size=3))
    registers = {n: draw(reads(bad)) for n in range(len(devices)) if draw(st.booleans())}
    events = {0: [Event("PWR_OUTAGE", PEAK, severity="A", iec="3.26.0.85"), Event("TAMPER", None)]}
    return Frame(devices, found, registers, events, ARRIVALS)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "registers": st.just("no"),
        "intervals": st.just("no"),
        "events": st.just("yes"),
        "classes": st.sampled_from(["SUM,MAX", "coin"]),
        "rates": st.just("T"),
        "quality_codes": st.just("no"),
        "not_read": st.just("no"),
        "test": st.just("yes"),
        "line_end": st.just("LF"),
        "read_ids": st.just("derived"),
        "remove_multiplier": st.just("yes"),
        "zone": st.sampled_from([None, "UTC", "Asia/Kathmandu"]),
        "mode": st.sampled_from(["OR", "IN"]),
        "on_unsupported": st.sampled_from(["skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(frames(), OPTIONS)
def test_compiled_and_declared_give_the_same_bytes(frame: Frame, options: dict[str, Any]) -> None:
    outcomes = []
    for compiled in (True, False):
        try:
            data, tally = write(frame, compiled=compiled, **options)
        except FormatError as error:
            outcomes.append(str(error))
            continue
        left_out = {(item.device, item.channel, item.code) for item in tally.left_out}
        counts = (tally.meters, tally.intervals, tally.registers, tally.missing, tally.totals)
        outcomes.append((data, counts, tally.warnings.counts, left_out))
    assert outcomes[0] == outcomes[1]


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(frames(), OPTIONS)
def test_what_is_written_is_valid_and_verifies(frame: Frame, options: dict[str, Any]) -> None:
    options |= {"on_error": "skip_meter", "on_unsupported": "skip"}
    try:
        data, _ = write(frame, **options)
    except FormatError as error:
        assert error.code == "FMT07"  # noqa: PT017  all together is too much for the trailer
        return
    assert valid(data)
    wrong = SXML.verify(io.BytesIO(data), context())
    assert wrong == []


Values = dict[tuple[object, ...], object]


def said(meters: list[MeterData], zone: bool) -> Values:
    """Everything of meters that the page does not declare lost."""
    found: Values = {}
    for meter in meters:
        device = meter.device
        for one in meter.series:
            c = one.channel
            there = (one.status & NEVER) != NEVER
            for end, value, mask, arrived in zip(
                one.ends.tolist(), one.values(), one.status.tolist(), there.tolist(), strict=True
            ):
                if not arrived:
                    continue
                if value is not None:
                    value = value.quantize(Decimal("0.000001"))
                key = (device.meter_number, c.number, c.unit, c.flow, c.seconds, end)
                found[key] = (value, mask & 0x1FFF, c.multiplier or Decimal(1),
                              c.multiplier_applied is not False)  # fmt: skip
        for total in meter.reads:
            for v in total.values:
                first = v.occurrence == 1
                key = (device.meter_number, total.read_type, total.time, v.key[0], v.number, v.rate)
                value = None if v.value is None else v.value.quantize(Decimal("0.0001"))
                peak = v.peak_time if v.register_class in ("MAX", "COIN") else None
                peak = None if v.value is None else peak
                found[(*key, v.occurrence)] = (value, v.status if first else 0, peak)
    return found


def expected(frame: Frame) -> Values:
    """What a file of the frame says: further occurrences only of maxima, and only with a value."""
    found = said(list(frame.meters()), True)
    return {
        key: what
        for key, what in found.items()
        if len(key) != 7 or key[6] == 1 or (key[3] == "MAX" and what[0] is not None)  # type: ignore[index]
    }


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(frames(bad=False), st.sampled_from(["IN", "CO"]))
def test_what_was_written_reads_back(frame: Frame, mode: str) -> None:
    options: dict[str, Any] = {"mode": mode, "zone": None, "on_error": "skip_meter"}
    if mode == "CO":
        options["original_batch"] = "20241103000000"
    data, tally = write(frame, **options)
    meters, report = read(data)
    assert report.errors == 0, report.issues
    gone = {item.device.meter_number for item in tally.left_out if item.channel is None}
    lost = {
        (item.device.meter_number, *item.channel[:4]) for item in tally.left_out if item.channel
    }
    wanted = {k: v for k, v in expected(frame).items() if k[0] not in gone and k[:5] not in lost}
    without_value = {
        key[:6]
        for key, what in wanted.items()
        if len(key) == 7 and what[0] is None  # type: ignore[index]
    }
    wanted = {k: v for k, v in wanted.items() if k[:6] not in without_value or k[6:] == (1,)}
    assert said(meters, False) == wanted


@settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))
@given(frames(bad=False), st.data())
def test_corrupted_bytes_are_findings_never_crashes(frame: Frame, data: st.DataObject) -> None:
    raw = bytearray(write(frame, on_error="skip_meter", zone=None)[0])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(raw) - 1))
        if data.draw(st.booleans()):
            raw[place] = data.draw(st.integers(0, 255))
        else:
            del raw[place : place + data.draw(st.integers(1, 60))]
    for checks in ("strict", "lenient"):
        read(bytes(raw), checks)


# --- parts, packing, filling ----------------------------------------------------------------------


def hourly(name: str, *values: int | None, first: int = 1, batch: int = 3) -> Frame:
    """One meter, one hourly channel; None is a slot that never arrived."""
    channel = Channel(1, "KWH", "DEL", 3600, "U", Decimal("0.001"))
    status = np.array([[0 if value is not None else NEVER for value in values]], np.uint16)
    counts = np.array([[value or 0 for value in values]])
    ends = START + 3600 * np.arange(first, first + len(values))
    sheet = Sheet(np.array([0]), [channel], ends, counts, status, np.full(counts.shape, batch))
    return Frame([DeviceInfo(f"D{name}", name, time_zone=CHICAGO)], [sheet], arrivals=ARRIVALS)


def marks(data: bytes, *starts: str) -> list[str]:
    found = [line.strip() for line in data.decode().splitlines()]
    return [line for line in found if line.startswith(starts)]


def test_a_gap_is_filled_in_a_first_export_and_ends_the_run_in_a_later_one() -> None:
    frame = hourly("M1", None, 1, None, 3, None)
    data, tally = write(frame)
    found = marks(data, "<I ", "<IntervalRead")
    assert found == [
        '<IntervalRead id="3" received="2024-11-03T00:30:00-05:00" source="NT">',
        '<I t="2024-11-03T01:00:00-06:00" v="0.001"/>',
        '<I t="2024-11-03T02:00:00-06:00" q="M" c="2.5.259"/>',
        '<I t="2024-11-03T03:00:00-06:00" v="0.003"/>',
    ]
    assert (tally.intervals, tally.missing, tally.total("ChannelCount")) == (3, 1, 1)
    data, tally = write(frame, mode="IN")
    assert len(marks(data, "<IntervalRead")) == 2
    assert (tally.intervals, tally.missing, tally.total("ChannelCount")) == (2, 0, 2)


def test_parts_made_apart_are_one_document() -> None:
    found = [hourly("M1", 1, 2), hourly("M2", None), hourly("M3", 4)]
    whole, _ = write(*found)
    ctx = context()
    merged, parts = Tally(), []
    for frame in found:
        part, tally = io.BytesIO(), Tally()
        SXML.write_frame(frame, ctx, part, tally)
        parts.append(part.getvalue())
        merged.merge(tally)
    out = io.BytesIO()
    passed = SXML.passing(ctx, out)
    SXML.begin(ctx, passed, merged)
    body = b"".join(parts)
    for first in range(0, len(body), 33):  # cut anywhere
        passed.write(body[first : first + 33])
    SXML.finish(ctx, passed, merged)
    assert out.getvalue() == whole
    assert marks(whole, "<NotRead") == [
        '<NotRead deviceID="DM2" meterNumber="M2" reason="NoData"/>'
    ]


def test_a_packed_file_is_the_same_every_time_and_reads_as_it_is() -> None:
    plain, _ = write(hourly("M1", 1))
    packed = [write(hourly("M1", 1), gzip="yes")[0] for _ in range(2)]
    assert packed[0] == packed[1]
    assert packed[0][4:8] == b"\0\0\0\0"
    assert gzip.decompress(packed[0]) == plain
    for checks in ("strict", "lenient"):
        meters, report = read(packed[0], checks)
        assert (len(meters), report.errors) == (1, 0)
    assert SXML.verify(io.BytesIO(packed[0]), context()) == []


def test_each_part_of_a_split_run_has_an_id_of_its_own() -> None:
    first, again, second = (write(hourly("M1", 1), part=part)[0] for part in (1, 1, 2))
    assert first == again
    ids = {marks(data, "<FileID>")[0] for data in (first, second)}
    assert len(ids) == 2
    assert SXML.meters_a_file(context(split="2").options) == 2
    assert SXML.splits(context(split="2").options)
    assert SXML.file_extension(context(gzip="yes").options) == "xml.gz"


def test_batches_of_one_instant_give_the_last_in_time_order() -> None:
    frame = hourly("M1", 1, 2, 3)
    frame.sheets[0].numbers[:] = [[2, 7, 1]]  # 2 and 7 came at one instant, 1 before
    data, _ = write(frame)
    assert marks(data, "<IntervalRead")[0].startswith(
        '<IntervalRead id="7" received="2024-11-03T00'
    )


@pytest.mark.parametrize("margin", [0, 1])
def test_times_of_a_period(margin: int) -> None:
    """A read at the period's end is none of its own, but may be the last run's EndRegister."""
    end = datetime(2024, 11, 4, 7, tzinfo=UTC) - timedelta(seconds=1 - margin)
    total = RegisterValue("SUM", "KWH", "DEL", value=Decimal(5), number=1)
    frame = hourly("M1", 1, 2, first=25)
    frame.reads[0] = [RegisterRead(end, "CUR", (total,), source="SC")]
    data, tally = write(frame)
    assert tally.total("RegisterReadCount") == 1 - margin
    assert marks(data, "<EndRegister") == (
        ['<EndRegister time="2024-11-04T01:00:00-06:00">5</EndRegister>'] if margin else []
    )
    assert SXML.register_margin(context().options) == 1
