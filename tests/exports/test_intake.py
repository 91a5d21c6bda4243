"""A file's meters as a batch: gaps, grids, eras, one-day intervals."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices import blocks
from devices.readings import (
    DAY,
    NEVER,
    Channel,
    DeviceInfo,
    Event,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from devices.services.channels import channel_change
from exports import formats
from exports.intake import Intake, Inventory, decimal_text
from tests.devices.factories import channel_make, device_make

pytestmark = pytest.mark.django_db

NOON = int(datetime(2026, 3, 14, 12, tzinfo=UTC).timestamp())
KWH = Channel(None, "KWH", "DEL", 900, "U", Decimal("0.001"))


def taken(*series, zone="UTC", meter="M1", **more):
    inventory = Inventory("meter_number")
    intake = Intake(formats.get("cmep"), "meter_number", inventory, zone)
    device = DeviceInfo("", meter)
    [form] = intake.meters([MeterData(device, series, **more)])
    runs = [
        (int(b.start.timestamp()), json.loads(bytes(b.values)), b.status) for b in form.intervals
    ]
    return form, runs, intake


def series(ends, counts, status=None, channel=KWH):
    masks = np.zeros(len(ends), np.uint16) if status is None else np.array(status, np.uint16)
    return IntervalSeries(channel, np.array(ends), np.array(counts), masks)


def test_a_series_is_cut_at_gaps_and_what_never_arrived_is_left_out():
    ends = [NOON + n * 900 for n in (1, 2, 3, 5)]
    _, runs, _ = taken(series(ends, [1, 0, 0, 4], [0, int(Status.MISSING), NEVER, 2]))
    assert runs == [
        (NOON, [0.001, None], ["", "missing"]),
        (NOON + 4 * 900, [0.004], ["estimated"]),
    ]


def test_stamps_a_minute_off_are_put_on_the_grid_and_counted_more_are_left():
    ends = [NOON + 900 + 60, NOON + 1800 - 60, NOON + 2700, NOON + 3600 + 61]
    _, runs, intake = taken(series(ends, [1, 2, 3, 4]))
    assert [start for start, _, _ in runs] == [NOON, NOON + 2700 + 61]
    assert intake.snapped == 2


def test_the_grid_is_that_of_the_channel_else_of_the_zone():
    half = [NOON + 1800 + n * 3600 for n in range(2)]
    hourly = KWH._replace(seconds=3600)
    device = device_make("D", meter_number="M1")
    channel_make(device, seconds=3600, grid_offset=19800)
    _, runs, _ = taken(series(half, [1, 2], channel=hourly))
    assert [start for start, *_ in runs] == [half[0] - 3600]
    _, runs, _ = taken(series(half, [1, 2], channel=hourly), zone="Asia/Kolkata", meter="NEW")
    assert [start for start, *_ in runs] == [half[0] - 3600]


def test_a_series_is_cut_where_the_channel_changed():
    device = device_make("D", meter_number="M1")
    old = channel_make(device)
    at = datetime.fromtimestamp(NOON + 1800, UTC)
    channel_change(old, at=at, resolution=Decimal("0.01"))
    _, runs, _ = taken(series([NOON + n * 900 for n in (1, 2, 3)], [10, 20, 30]))
    assert [(start, len(values)) for start, values, _ in runs] == [(NOON, 2), (NOON + 1800, 1)]


def test_days_of_23_and_25_hours_follow_each_other():
    zone = "Europe/London"
    midnights = [
        blocks.local_midnight(zone, date(2026, 3, 28) + timedelta(days=n)) for n in range(4)
    ]
    daily = KWH._replace(seconds=DAY)
    _, runs, _ = taken(series(midnights[1:], [1, 2, 3], channel=daily), zone=zone)
    assert [(start, len(values)) for start, values, _ in runs] == [(midnights[0], 3)]
    _, runs, _ = taken(series([midnights[1], midnights[3]], [1, 3], channel=daily), zone=zone)
    assert [start for start, *_ in runs] == [midnights[0], midnights[2]]


def test_start_and_end_readings_stay_with_first_and_last_run():
    one = IntervalSeries(
        *(KWH, np.array([NOON + 900, NOON + 2700]), np.array([1, 2]), np.zeros(2, np.uint16)),
        *(Decimal("10.5"), Decimal("10.6")),
    )
    form, *_ = taken(one)
    assert [(b.start_register, b.end_register) for b in form.intervals] == [
        (Decimal("10.5"), None),
        (None, Decimal("10.6")),
    ]


def test_reads_and_events_keep_all_that_they_say():
    at = datetime(2026, 3, 14, tzinfo=UTC)
    value = RegisterValue(
        *("MAX", "KW", "DEL", "A", Decimal("12.5")),
        number=2,
        peak_time=at,
        multiplier=Decimal(40),
        multiplier_applied=True,
        dials=6,
        decimals=3,
        status=int(Status.ESTIMATED),
        source="ED",
    )
    read = RegisterRead(at, "SR", (value,), season=1, reset_count=3, reset_time=at, source="SR")
    event = Event("PWR_OUTAGE", at, event_id="e-1", phases="A", duration=5, text="out")
    form, *_ = taken(reads=(read,), events=(event,))
    [posted] = form.registers
    assert (posted.type, posted.season, posted.reset_count, posted.source) == (
        "SR",
        1,
        3,
        "self-read",
    )
    [register] = posted.values
    assert (register.register_class, register.uom, register.value) == ("MAX", "KW", Decimal("12.5"))
    assert (register.status, register.source, register.dials) == ("estimated", "edited", 6)
    [happened] = form.events
    assert (happened.code, happened.id, happened.phases, happened.duration) == (
        *("PWR_OUTAGE", "e-1"),
        *("A", 5),
    )


def test_two_devices_of_one_meter_number_are_nobodys_channels():
    for device_id in ("A", "B"):
        device = device_make(device_id, meter_number="M1", state="unprovisioned")
        channel_make(device)
    assert Inventory("meter_number")("M1") is None
    assert Inventory("meter_number")("NOBODY") is None


@pytest.mark.parametrize(
    ("number", "exponent", "text"),
    [(0, -3, "0.000"), (-5, -3, "-0.005"), (12345, -3, "12.345"), (7, 2, "700"), (7, 0, "7")],
)
def test_counts_as_plain_decimals(number, exponent, text):
    assert decimal_text(number, exponent) == text


# --- the inventory, as the reader of a file asks it ----------------------------------------------


def asked(names, attribute="meter_number"):
    """What the inventory knows by these names, and the queries that it took."""
    inventory = Inventory(attribute)
    with CaptureQueriesContext(connection) as queries:
        return {name: inventory(name) for name in names}, len(queries)


def test_devices_in_order_take_few_look_ups():
    names = [f"M{number:04}" for number in range(200)]
    for name in names:
        channel_make(device_make(name), number=1)
    found, queries = asked(names)
    assert all(len(channels) == 1 for channels in found.values())
    assert queries <= 12
    assert asked(reversed(names))[0] == found
    gone = [f"{name}x" for name in names]
    assert asked(gone)[0] == dict.fromkeys(gone)


@pytest.mark.parametrize("size", range(6))
def test_a_number_of_two_devices_is_of_none_wherever_a_look_up_ends(size):
    for number in range(size):
        device_make(f"A{number}")
    for name in ("B1", "B2"):
        device_make(name, meter_number="BOTH", state="unprovisioned")
    device_make("C")
    names = [*(f"A{number}" for number in range(size)), "BOTH", "C", "D"]
    assert asked(names)[0] == {**{name: [] for name in names}, "BOTH": None, "D": None}
