"""The worked example of sxml.md, section 6, as meter data. Data only."""

from datetime import UTC, datetime
from decimal import Decimal

import numpy as np

from devices.readings import (
    Arrival,
    Channel,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)

SHA256 = "dbdc99c33d5b0c19e61f4af3ee10cb07a47cfa1cb5c916d8b5bb03638fdbb3f5"
FILE_ID = "6f1c2c1e-3c5e-4c57-9d0e-2b8f6a1d7e42"
CHICAGO = "America/Chicago"
METER = DeviceInfo(
    device_id="SSI0004711",
    meter_number="00123456",
    serial_number="77123456",
    service_point_id="SP-998877",
    account_id="4400123",
    device_class="SENTINEL",
    time_zone=CHICAGO,
    bill_cycle="CYCLE05",
)
ABSENT_METER = DeviceInfo("SSI0004712", "00123457", time_zone=CHICAGO)
MISSING = int(Status.MISSING)


def at(text: str) -> datetime:
    """An ISO instant, in UTC."""
    return datetime.fromisoformat(text).astimezone(UTC)


def epoch(text: str) -> int:
    return int(at(text).timestamp())


def register(
    number: int, kind: str, unit: str, value: str | None, **words: object
) -> RegisterValue:
    fields = {"multiplier": Decimal(1), "multiplier_applied": True, "dials": 6, "decimals": 3}
    amount = None if value is None else Decimal(value)
    status = MISSING if value is None else 0
    return RegisterValue(
        kind, unit, "DEL", value=amount, number=number, status=status, **fields | words
    )


SELF_READ = RegisterRead(
    at("2024-11-04T00:00:00-06:00"),
    "SR",
    (
        register(1, "SUM", "KWH", "48213.5"),
        register(2, "MAX", "KW", "9.12", occurrence=2, peak_time=at("2024-11-03T01:30:00-05:00")),
        register(2, "MAX", "KW", "9.84", peak_time=at("2024-11-03T01:30:00-06:00")),
        register(3, "SUM", "KWH", None, rate="A"),
    ),
    season=1,
    reset_count=25,
    reset_time=at("2024-11-01T00:05:00-05:00"),
    status_word="00000000",
    source="SR",
    received=at("2024-11-04T00:07:41-06:00"),
    read_id="556201",
)
# Not of a chosen read type, but what the channel's run begins with.
START = RegisterRead(
    at("2024-11-03T00:00:00-05:00"), "CUR", (register(1, "SUM", "KWH", "48184.4"),), source="SC"
)
HOURS = Channel(1, "KWH", "DEL", 3600, "U", Decimal("0.001"), Decimal(1), True, -21600)
OUTAGE = int(Status.QUESTIONABLE | Status.POWER_OUTAGE | Status.SHORT)
SERIES = IntervalSeries(
    HOURS,
    np.array([epoch("2024-11-03T01:00:00-05:00") + 3600 * hour for hour in range(6)]),
    np.array([740, 701, 760, 755, 0, 311]),
    np.array([0, 0, 0, int(Status.ESTIMATED), MISSING, OUTAGE], np.uint16),
    numbers=np.array([90410, 90410, 90410, 90411, 90411, 90412]),
)
ARRIVALS = {
    90410: Arrival(at("2024-11-03T02:00:00-06:00"), "NT"),
    90411: Arrival(at("2024-11-03T04:00:00-06:00"), "GF"),
    90412: Arrival(at("2024-11-03T05:02:11-06:00"), "NT"),
}
OPTIONS = {"test": "yes", "read_types": "SR"}


def frame_of(*meters: MeterData) -> Frame:
    """A frame of meters, with the batches of the example."""
    plain = Frame.of(meters)
    return Frame(plain.devices, plain.sheets, plain.reads, plain.events, ARRIVALS)


EXAMPLE = MeterData(METER, (SERIES,), (START, SELF_READ))
