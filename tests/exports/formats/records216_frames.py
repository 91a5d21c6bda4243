"""Frames of any shape for formats of 216-byte records: strategies of hypothesis."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from devices.readings import (
    CHANGED,
    NEVER,
    Channel,
    DeviceInfo,
    Event,
    Frame,
    RegisterRead,
    RegisterValue,
    Sheet,
    instant,
)
from exports.formats.zones import standard_offset

ZONES = [
    *("America/New_York", "America/Chicago", "Europe/Dublin", "Africa/Casablanca", "UTC"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham"),
]
# Leap day, both changes of the clocks of north and south, the turn of a year.
DAYS = ["2024-02-29", "2024-03-10", "2024-03-31", "2024-11-03", "2024-10-06", "2023-12-31"]
LENGTHS = [60, 120, 180, 240, 300, 360, 600, 720, 900, 1200, 1800, 3600]
QUANTITIES = [("KWH", "DEL"), ("KWH", "REC"), ("KVARH", "DEL"), ("KVAH", "DEL"), ("KVARH", "REC")]
# Every public bit, alone and together; a missing value is neither estimated nor edited.
MASKS = [*(1 << bit for bit in range(13)), 0, 0, 0, 0x1FF8, 0x1FF9, 0x0E22, NEVER]
BAD_MASKS = [0x0003, 0x0005]
Readings = dict[int, list[RegisterRead]]


class Period(NamedTuple):
    """Where and when: the zone, its standard offset, first and last second, interval length."""

    zone: str
    offset: int
    start: int
    end: int
    seconds: int

    @property
    def words(self) -> dict[str, datetime]:
        return {"start": instant(self.start), "end": instant(self.end)}


@st.composite
def periods(draw: st.DrawFn, most: int = 60) -> Period:
    zone = draw(st.sampled_from(ZONES))
    day = datetime.fromisoformat(draw(st.sampled_from(DAYS))).replace(tzinfo=UTC)
    offset = standard_offset(zone, day.year)
    seconds = draw(st.sampled_from(LENGTHS))
    size = draw(st.integers(1, most))
    start = int(day.timestamp()) - offset + seconds * draw(st.integers(0, 86400 // seconds))
    if standard_offset(zone, instant(start + seconds * size).year) != offset:
        start -= seconds * size + 86400
    return Period(zone, offset, start, start + seconds * size, seconds)


@st.composite
def counts_of(draw: st.DrawFn, rows: int, size: int, low: int = 0) -> Any:
    """Counts from none to more than a single carries."""
    high = draw(st.sampled_from([3, 9_999, 1 << 23, 1 << 31, 1 << 45]))
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    dtype = np.int32 if high < 1 << 31 else np.int64
    return seed.integers(-high if low else 0, high, (rows, size)).astype(dtype)


@st.composite
def masks_of(draw: st.DrawFn, rows: int, size: int, bad: bool = False, marks: bool = True) -> Any:
    if draw(st.integers(0, 3)) == 0:
        return None
    seed = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    some = draw(st.lists(st.sampled_from(MASKS), min_size=1, max_size=6))
    if bad and draw(st.integers(0, 5)) == 0:
        some.append(draw(st.sampled_from(BAD_MASKS)))
    status = seed.choice(np.array(some, np.uint16), (rows, size))
    if draw(st.booleans()):
        status[seed.random((rows, size)) < 0.8] = 0
    if marks:
        status[seed.random((rows, size)) < 0.2] |= CHANGED
    return status


@st.composite
def registers(draw: st.DrawFn, period: Period) -> list[RegisterRead]:
    """Reads about the borders of the period."""
    found = []
    for border in (period.start, period.end):
        away = draw(st.sampled_from([0, 0, 60, -period.seconds, period.seconds + 60]))
        digits = draw(st.sampled_from(["0", "7", "12345.678", "99999999.9", "12345678901"]))
        values = tuple(
            RegisterValue("SUM", unit, flow, value=Decimal(digits) if draw(st.booleans()) else None)
            for unit, flow in draw(st.lists(st.sampled_from(QUANTITIES), unique=True))
        )
        found.append(RegisterRead(instant(border + away), draw(st.sampled_from(TYPES)), values))
    return found


TYPES = ["CUR", "OD", "SR", "PDR"]


@st.composite
def sound_frames(draw: st.DrawFn, period: Period, meters: int = 3) -> Frame:
    """Meters with nothing to refuse: some channels each, whole sheets and parts of the period."""
    count = draw(st.integers(1, meters))
    devices = [
        DeviceInfo(f"D{n}", f"M{n}", f"S{n}", device_class="CENTRON", time_zone=period.zone)
        for n in range(count)
    ]
    size = (period.end - period.start) // period.seconds
    sheets = []
    for number, (unit, flow) in enumerate(QUANTITIES[: draw(st.integers(1, 3))], start=1):
        resolution = Decimal(draw(st.sampled_from(["1", "0.001", "0.25", "0.000125"])))
        grid = draw(st.sampled_from([None, period.offset]))
        channel = Channel(number, unit, flow, period.seconds, "U", resolution)
        own = channel._replace(grid_offset=grid, multiplier=Decimal(20), multiplier_applied=True)
        low = draw(st.integers(0, size - 1)) if draw(st.booleans()) else 0
        high = draw(st.integers(low + 1, size)) if low else size
        ends = period.start + period.seconds * np.arange(low + 1, high + 1)
        rows = sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))
        status = draw(masks_of(len(rows), high - low))
        counts = draw(counts_of(len(rows), high - low))
        sheets.append(Sheet(np.array(rows), [own] * len(rows), ends, counts, status))
    reads: Readings = {}
    if draw(st.booleans()):
        reads[0] = draw(registers(period))
    return Frame(devices, sheets, reads)


@st.composite
def wild_frames(draw: st.DrawFn, period: Period) -> Frame:
    """Meters with anything that may be wrong: channels, eras, stays, values, grids."""
    frame = draw(sound_frames(period))
    sheets = []
    for sheet in frame.sheets:
        change = draw(st.integers(0, 9))
        channels = list(sheet.channels)
        counts, status, ends = sheet.counts, sheet.status, sheet.ends
        if change == 0:
            channels[0] = channels[0]._replace(**draw(st.sampled_from(CHANGES)))
        elif change == 1:
            counts = draw(counts_of(*counts.shape, low=1))
        elif change == 2:
            status = draw(masks_of(*counts.shape, bad=True))
        elif change == 3:
            ends = ends + draw(st.sampled_from([1, 60, period.seconds, -period.seconds]))
        elif change == 4 and len(ends) > 2:
            ends = np.concatenate((ends[:1], ends[1:] + period.seconds))
        sheets.append(Sheet(sheet.devices, channels, ends, counts, status))
        if change == 5:
            sheets.append(Sheet(sheet.devices[:1], channels[:1], ends, counts[:1], None))
    devices = list(frame.devices)
    if draw(st.integers(0, 3)) == 0:
        devices[-1] = devices[-1]._replace(**draw(st.sampled_from(DEVICES)))
    events = {0: [Event("PWR_OUTAGE", instant(period.start + 7), duration=90)]}
    return Frame(devices, sheets, frame.reads, events)


CHANGES: list[dict[str, Any]] = [
    {"unit": "KW", "value_type": "D"},
    {"flow": "NET"},
    {"number": 0},
    {"number": 100},
    {"number": 1},
    {"seconds": 7200},
    {"seconds": 60},
    {"multiplier": Decimal("0.00001")},
    {"multiplier": Decimal(40), "multiplier_applied": False},
    {"resolution": Decimal("1E37")},
    {"grid_offset": 450},
]
DEVICES: list[dict[str, str]] = [
    {"time_zone": "Nowhere"},
    {"time_zone": "Asia/Tokyo"},
    {"serial_number": "S" * 24},
    {"serial_number": "É"},
    {"device_id": "D0"},
    {"account_id": "A" * 21},
]
