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
    instant,
)
from exports.formats.base import FormatError
from tests.exports.formats.lodestar_periods import ZONE_NAME, Period, periods
from tests.exports.formats.lodestar_tools import write

QUANTITIES = [
    *(("KWH", "DEL"), ("KWH", "REC"), ("KWH", "NET"), ("KVARH", "DEL"), ("KVARH", "Q4")),
    *(("KW", "DEL"), ("V", "DEL"), ("PULSE", "DEL"), ("KVAH", "DEL")),
]
MASKS = [0, 0, 0, 1, 2, 4, 8, 16, 0x22, 0x21, 0x1060, 0x7E0, 0xC00, 0x0A, 0x19, NEVER, 0x4000, 6]


@st.composite
def channels(draw: st.DrawFn, seconds: int) -> Channel:
    unit, flow = draw(st.sampled_from(QUANTITIES))
    resolution = Decimal(draw(st.sampled_from(["0.001", "0.001", "0.00125", "0.0000037", "50"])))
    multiplier = draw(st.sampled_from([None, Decimal(40), Decimal("0.12345")]))
    applied = draw(st.sampled_from([None, True, False]))
    number = draw(st.sampled_from([None, 1, 1, 2, 3, 12]))
    return Channel(number, unit, flow, seconds, "U", resolution, multiplier, applied)


@st.composite
def sheets(draw: st.DrawFn, devices: int, period: Period) -> Sheet:
    rows = draw(st.lists(st.integers(0, devices - 1), min_size=1, max_size=4, unique=True))
    first = draw(channels(period.seconds))
    alike = draw(st.booleans())
    own = [first if alike else draw(channels(period.seconds)) for _ in rows]
    ends = period.ends
    if len(ends) and draw(st.integers(0, 5)) == 0:
        ends = np.delete(ends, draw(st.integers(0, len(ends) - 1)))  # a hole in the grid itself
    if draw(st.integers(0, 19)) == 0:
        ends = ends + 60
    high = draw(st.sampled_from([3, 900, 1 << 18, 1 << 40]))
    low = draw(st.sampled_from([0, 0, 0, -high]))
    shape = (len(rows), len(ends))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    counts = seed.integers(low, high, shape)
    status = None
    if draw(st.booleans()):
        masks = draw(st.lists(st.sampled_from(MASKS), min_size=1, max_size=4))
        status = seed.choice(np.array(masks, np.uint16), shape)
        if draw(st.booleans()):
            status[seed.random(shape) < 0.8] = 0
        if draw(st.integers(0, 3)) == 0:
            status[:, : len(ends) // 2] = NEVER
    return Sheet(np.array(sorted(rows)), own, ends, counts, status)


@st.composite
def frames(draw: st.DrawFn) -> tuple[Frame, int]:
    """A frame and when its period starts."""
    names = draw(st.lists(st.sampled_from(["E1", "E2", "E30", "E 4"]), min_size=1, max_size=5))
    if draw(st.integers(0, 5)) == 0:
        names.append(draw(st.sampled_from(["", "E,5", "E" * 21, "É"])))
    period = draw(periods((60, 300, 900, 900, 900, 1800, 3600, 7200, 21600, 86400)))
    devices = [
        DeviceInfo(f"D{place}", name, time_zone=period.zone, service_point_id=f"{name:0>17}")
        for place, name in enumerate(sorted(names))
    ]
    found = draw(st.lists(sheets(len(devices), period), min_size=1, max_size=3))
    reads: dict[int, list[RegisterRead]] = {}
    if draw(st.booleans()):
        of_first = [sheet for sheet in found if 0 in sheet.devices and len(sheet.ends)]
        reads[0] = [_read(sheet, row) for sheet in of_first for row in (0, -1)]
    return Frame(devices, found, reads), period.start


def _read(sheet: Sheet, row: int) -> RegisterRead:
    """A total that fits the first device's row of a sheet."""
    channel = sheet.channels[0]
    used = Decimal(int(sheet.counts[0].sum())) * channel.resolution if row else Decimal(0)
    at = int(sheet.ends[-1]) if row else int(sheet.ends[0]) - channel.seconds
    value = RegisterValue("SUM", channel.unit, channel.flow, value=100 + used)
    return RegisterRead(instant(at), "CUR", (value,))


OPTIONS = st.fixed_dictionaries(
    {"zone_name": st.just(ZONE_NAME)},
    optional={
        "profile": st.just("ercot"),
        "id_field": st.sampled_from(["MeterNumber", "ServicePointID"]),
        "channel_map": st.sampled_from(["REC=7", "KWH DEL=1;KVARH DEL=2;NET=3"]),
        "uom_map": st.just("V=20;KVAH=05"),
        "zone_offset": st.just("no"),
        "cut_days": st.sampled_from(["2", "31"]),
        "empty_days": st.just("yes"),
        "missing": st.just("empty"),
        "status_edited": st.just("V"),
        "status_questionable": st.sampled_from(["Q", "%"]),
        "unvalidated": st.just("allow"),
        "descriptor": st.sampled_from(["100%s", "x" * 40, "x" * 41]),
        "reading_tolerance": st.sampled_from(["0", "1000000"]),
        "record_limit": st.sampled_from(["120", "300"]),
        "mode": st.sampled_from(["OR", "IN", "RE", "CO"]),
        "on_unsupported": st.sampled_from(["skip", "skip", "stop"]),
        "on_error": st.sampled_from(["skip_meter", "skip_meter", "stop"]),
    },
)


@settings(deadline=None, max_examples=120, suppress_health_check=list(HealthCheck))
@given(frames(), OPTIONS, st.sampled_from(["Y", "Y", "N"]))
def test_compiled_and_declared_give_the_same_bytes(
    given_: tuple[Frame, int], options: dict[str, str], dst: str
) -> None:
    frame, start = given_
    if "profile" not in options:
        options["dst"] = dst
    outcomes = []
    for compiled in (True, False):
        try:
            data, tally = write(frame, compiled=compiled, start=instant(start), **options)
        except FormatError as error:
            outcomes.append(str(error))
            continue
        left_out = {(item.device, item.channel, item.code) for item in tally.left_out}
        counts = (tally.meters, tally.records, tally.intervals, tally.missing)
        outcomes.append((data, counts, tally.warnings.counts, left_out))
        assert all(len(line) <= 1490 for line in data.splitlines())
    assert outcomes[0] == outcomes[1]
