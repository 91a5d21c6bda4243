"""What was written reads back, up to the losses that the page declares; damage never crashes."""

import time
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from devices.readings import Channel, DeviceInfo, Frame, MeterData, Sheet, Status, instant
from exports.formats.clocks import clock_of
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.lodestar_periods import NAMES, ZONE_NAME, Period, periods
from tests.exports.formats.lodestar_tools import Values, read, sent_mask, values_of, write

MAP = "KWH DEL=1;KWH NET=2;KVARH DEL=3"
ALL = [(1, "KWH", "DEL"), (2, "KWH", "NET"), (3, "KVARH", "DEL")]
ERCOT = [(4, "KWH", "DEL"), (1, "KWH", "REC")]
MASKS = [0, 0, 0, 1, 2, 4, 6, 8, 16, 0x12, 0x1060, 0x21, 0x0800, 0x1FE0]


@st.composite
def plain_frames(draw: st.DrawFn, ercot: bool) -> tuple[Frame, Period]:
    """Meters without anything to refuse, round or lose but what the page declares."""
    period = draw(periods((900,) if ercot else (60, 300, 900, 1800, 3600), border=True))
    devices = [
        DeviceInfo(f"D{n}", f"M{n}", service_point_id=f"{n:017}", time_zone=period.zone)
        for n in range(draw(st.integers(1, 3)))
    ]
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    masks = draw(st.lists(st.sampled_from(MASKS), min_size=1, max_size=5))
    found = []
    for number, unit, flow in ERCOT if ercot else ALL:
        resolution = Decimal(draw(st.sampled_from(["0.001", "0.000001", "1"])))
        multiplier = draw(st.sampled_from([None, Decimal(1), Decimal(40)]))
        channel = Channel(number, unit, flow, period.seconds, "U", resolution, multiplier, True)
        shape = (len(devices), len(period.ends))
        high = draw(st.sampled_from([1000, 10**12]))
        counts = seed.integers(-high if flow == "NET" else 0, high, shape)
        status = seed.choice(np.array(masks, np.uint16), shape)
        status[seed.random(shape) < draw(st.sampled_from([0.0, 0.99]))] = 0
        counts[status & int(Status.MISSING) != 0] = 0
        rows = np.arange(len(devices))
        found.append(Sheet(rows, [channel] * len(devices), period.ends, counts, status))
    return Frame(devices, found), period


def sent(meter: MeterData, zone: str, ercot: bool, dst: str) -> Values:
    """What comes back: masks mapped, with the flag of each day's cut."""
    clock = clock_of(zone, dst == "Y")
    doubt = Status.RAW | Status.QUESTIONABLE
    found: Values = {}
    for series in meter.series:
        days = [clock.ordinal(end - 1) for end in series.ends.tolist()]
        flags = {
            day
            for day, mask in zip(days, series.status.tolist(), strict=True)
            if mask & doubt and not mask & Status.MISSING
        }
        items = values_of(MeterData(meter.device, (series,))).items()
        for day, ((_, *key), (value, mask)) in zip(days, items, strict=True):
            found[(None, *key)] = (value, sent_mask(mask, day in flags, ercot))
    return found


@pytest.mark.parametrize("ercot", [False, True], ids=["generic", "ercot"])
@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(["Y", "Y", "N"]))
def test_what_was_written_reads_back(ercot: bool, data: st.DataObject, dst: str) -> None:
    frame, period = data.draw(plain_frames(ercot))
    profile = "ercot" if ercot else "generic"
    options = {"profile": profile, "zone_name": ZONE_NAME}
    clock = "Y" if ercot else dst
    more = {"unvalidated": "allow"} if ercot else {"dst": dst}
    # Where midnight is off the grid a cut may begin in a repeated hour (LSE02).
    raw, tally = write(frame, start=instant(period.start), on_error="skip_meter", **options, **more)
    assert {item.code for item in tally.left_out} <= {"LSE02"}
    assume(not tally.left_out)
    meters, report = read(raw, **options, **({} if ercot else {"channel_map": MAP}))
    assert not report.errors
    assert set(report.codes) <= {"LSR61"}  # negative values of flow NET
    expected = {m.device.device_id: sent(m, period.zone, ercot, clock) for m in frame.meters()}
    place = "service_point_id" if ercot else "meter_number"
    names = {getattr(device, place): device.device_id for device in frame.devices}
    assert {names[getattr(m.device, place)]: values_of(m) for m in meters} == expected
    assert {m.device.time_zone for m in meters} == {period.zone}
    multipliers = {s.channel.multiplier for m in meters for s in m.series}
    assert multipliers <= {Decimal(1), Decimal(40)}


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from(["a_day", "b_ercot", "d_autumn_day", "e_three_days"]),
    st.integers(0, 2000),
    st.binary(min_size=0, max_size=3),
    st.integers(0, 5),
)
def test_a_damaged_file_never_crashes_or_hangs(
    name: str, place: int, junk: bytes, cut: int
) -> None:
    data = bytearray((GOLDEN / f"lodestar/{name}.lse").read_bytes())
    place %= len(data)
    data[place : place + cut] = junk
    began = time.monotonic()
    meters, report = read(bytes(data), zone_name=ZONE_NAME)
    assert time.monotonic() - began < 10
    assert len(meters) <= 2
    assert report.records <= data.count(b"\n") + data.count(b"\r") + 1


def test_every_single_byte_may_be_wrong() -> None:
    whole = (GOLDEN / "lodestar/d_autumn_day.lse").read_bytes()
    for place in range(len(whole)):
        for byte in (10, 0x2C, 0x39, 0xFF):
            data = bytearray(whole)
            data[place] = byte
            meters, report = read(bytes(data))
            found = sum(len(series.ends) for meter in meters for series in meter.series)
            assert found in (0, 25)
            assert bool(report.errors) == (not found)


def test_zones_of_the_tests_are_all_written() -> None:
    assert set(NAMES) - {"America/Chicago"} == {n.split("=")[0] for n in ZONE_NAME.split(";")}
