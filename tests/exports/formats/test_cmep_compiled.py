"""The compiled writer gives what the declared one gives, and what was written reads back."""

from decimal import Decimal

import numpy as np
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.readings import (
    NEVER,
    Channel,
    DeviceInfo,
    Frame,
    RegisterRead,
    RegisterValue,
    Sheet,
    Status,
    instant,
)
from exports.formats.base import FormatError
from exports.formats.zones import midnight
from tests.exports.formats.cmep_tools import read, values_of, values_sent, write

START = 1773471600  # 2026-03-14T07:00Z, local midnight in Los Angeles
ZONE = "America/Los_Angeles"
QUANTITIES = [
    *(("KWH", "DEL"), ("KWH", "REC"), ("KWH", "NET"), ("KVARH", "DEL"), ("KVARH", "Q4")),
    *(("KW", "DEL"), ("V", "DEL"), ("PULSE", "DEL"), ("GAL", "DEL"), ("M3", "DEL")),
]
GOOD_NAMES = ["E1", "E2", "E30", "E 4", "E5", "E6"]
MASKS = [0, 0, 0, 1, 2, 4, 8, 16, 0x22, 0x21, 0x1060, 0x7E0, 0xC00, 0x0A, NEVER, 3]


@st.composite
def channels(draw: st.DrawFn) -> Channel:
    unit, flow = draw(st.sampled_from(QUANTITIES))
    seconds = draw(st.sampled_from([900, 900, 900, 3600, 86400]))
    resolution = Decimal(draw(st.sampled_from(["0.001", "0.000125", "0.0000037", "1", "50"])))
    multiplier = draw(st.sampled_from([None, Decimal(40), Decimal("0.12345")]))
    applied = draw(st.sampled_from([None, True, False]))
    offset = draw(st.sampled_from([None, -28800]))
    number = draw(st.integers(1, 3))
    zone = ZONE if seconds == 86400 else ""
    return Channel(number, unit, flow, seconds, "U", resolution, multiplier, applied, offset, zone)


@st.composite
def sheets(draw: st.DrawFn, devices: int) -> Sheet:
    rows = draw(st.lists(st.integers(0, devices - 1), min_size=1, max_size=4, unique=True))
    first = draw(channels())
    seconds = first.seconds
    alike = draw(st.booleans())
    own = [first if alike else draw(channels())._replace(seconds=seconds) for _ in rows]
    size = draw(st.integers(1, 6)) if seconds == 86400 else draw(st.integers(1, 120))
    ends = START + seconds * np.arange(1, size + 1)
    if seconds == 86400:
        ends = np.array([midnight(ZONE, 739681 + day) for day in range(size)])
    elif draw(st.integers(0, 9)) == 0:
        ends[size // 2 :] += seconds  # a gap in the grid itself
    high = draw(st.sampled_from([3, 900, 1 << 18, 1 << 40]))
    low = draw(st.sampled_from([0, 0, -high]))
    shape = (len(rows), size)
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    counts = seed.integers(low, high, shape)
    status = None
    if draw(st.booleans()):
        masks = draw(st.lists(st.sampled_from(MASKS), min_size=1, max_size=4))
        status = seed.choice(np.array(masks, np.uint16), shape)
        if draw(st.booleans()):
            status[seed.random(shape) < 0.8] = 0
    return Sheet(np.array(sorted(rows)), own, ends, counts, status)


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    names = draw(st.lists(st.sampled_from(GOOD_NAMES), min_size=1, max_size=5))
    if draw(st.integers(0, 5)) == 0:
        names.append(draw(st.sampled_from(["", "E,5", "E ", "E" * 13, "É"])))
    devices = [
        DeviceInfo(f"D{place}", name, f"S{name}", f"SP{place}", "A%s", time_zone=ZONE)
        for place, name in enumerate(sorted(names))
    ]
    found = draw(st.lists(sheets(len(devices)), min_size=1, max_size=3))
    reads: dict[int, list[RegisterRead]] = {}
    if draw(st.booleans()):
        value = RegisterValue("SUM", "KWH", "DEL", value=Decimal("1.23456"))
        reads[0] = [RegisterRead(instant(START), "CUR", (value,))]
    return Frame(devices, found, reads)


OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "dialect": st.just("sensus"),
        "kvarh_sign": st.just("cmep120"),
        "missing": st.just("split"),
        "missing_value": st.sampled_from(["0", "empty"]),
        "empty_crc_field": st.just("yes"),
        "max_triplets": st.sampled_from(["1", "7", "48"]),
        "include": st.just("both"),
        "pulses": st.just("yes"),
        "quote_ids": st.just("yes"),
        "convert_m3": st.just("GAL"),
        "sender_customer_id": st.sampled_from(["x" * 250, "100%s", "DeviceID", "none"]),
        "receiver_customer_id": st.sampled_from(["y" * 250, "PremiseID"]),
        "mode": st.sampled_from(["OR", "IN", "RE", "CO"]),
        "on_unsupported": st.sampled_from(["skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(frames(), OPTIONS)
def test_compiled_and_declared_give_the_same_bytes(frame: Frame, options: dict[str, str]) -> None:
    outcomes = []
    for compiled in (True, False):
        try:
            data, tally = write(frame, compiled=compiled, **options)
        except FormatError as error:
            outcomes.append(str(error))
            continue
        left_out = {(item.device, item.channel, item.code) for item in tally.left_out}
        counts = (tally.meters, tally.records, tally.intervals, tally.registers, tally.missing)
        outcomes.append((data, counts, tally.warnings.counts, left_out))
    assert outcomes[0] == outcomes[1]


@st.composite
def plain_frames(draw: st.DrawFn) -> Frame:
    """Meters without anything to refuse, round or lose but what the documentation declares."""
    devices = [DeviceInfo(f"D{n}", f"M{n}", time_zone=ZONE) for n in range(draw(st.integers(1, 3)))]
    units = draw(st.sampled_from([("KWH", "KVARH", "GAL"), ("KW", "V", "THERM")]))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    found = []
    for number, unit in enumerate(units, start=1):
        seconds = draw(st.sampled_from([300, 900, 3600]))
        size = draw(st.integers(1, 100))
        channel = Channel(number, unit, "DEL", seconds, "U", Decimal("0.00001"))
        status = seed.choice(
            np.array([0, 0, 0, 1, 2, 4, 8, 16, 0x1060, 0x21], np.uint16), (len(devices), size)
        )
        counts = seed.integers(-(10**12), 10**12, (len(devices), size))
        counts[status & int(Status.MISSING) != 0] = 0
        ends = START + seconds * np.arange(1, size + 1)
        found.append(Sheet(np.arange(len(devices)), [channel] * len(devices), ends, counts, status))
    reads = {
        0: [
            RegisterRead(
                instant(START + 86400 * day),
                "CUR",
                (RegisterValue("SUM", "KWH", "DEL", value=Decimal(day), status=0xC00),),
            )
            for day in range(3)
        ]
    }
    return Frame(devices, found, reads)


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(plain_frames(), st.booleans(), st.sampled_from(["delivered_positive", "cmep120"]))
def test_what_was_written_reads_back(frame: Frame, sensus: bool, sign: str) -> None:
    dialect = "sensus" if sensus else "cmep120"
    data, _ = write(frame, dialect=dialect, kvarh_sign=sign, include="both")
    meters, report = read(data, kvarh_sign=sign)
    assert (report.errors, report.warnings) == (0, 0)
    expected = {meter.device.meter_number: values_sent(meter, sensus) for meter in frame.meters()}
    assert {meter.device.meter_number: values_of(meter) for meter in meters} == expected
