"""The worked examples of rte.md, section 4, as arrivals. Data only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np

from devices.readings import Arrival, Channel, DeviceInfo, Status
from exports.formats.rte import Arrivals

CHICAGO = "America/Chicago"
METER = DeviceInfo(
    device_id="SSI0004711",
    meter_number="00123456",
    service_point_id="SP-998877",
    time_zone=CHICAGO,
)
MILLI = Decimal("0.001")
QUARTERS = Channel(1, "KWH", "DEL", 900, "U", MILLI, grid_offset=-21600)
HOURS = QUARTERS._replace(seconds=3600)
TOTAL = Channel(1, "KWH", "DEL", 0, "X", Decimal("0.01"))


def at(text: str) -> int:
    """Epoch seconds of an ISO instant."""
    return int(datetime.fromisoformat(text).timestamp())


@dataclass(frozen=True)
class Version:
    """One arrival: channel, end, value (None: null), status, arrival, source, revision."""

    channel: Channel
    end: str
    value: str | None
    received: str
    source: str = "NT"
    status: int = 0
    revision: int = 0
    device: DeviceInfo = METER


def arrivals_of(versions: Sequence[Version]) -> Arrivals:
    """Versions as the writer takes them."""
    devices = list(dict.fromkeys(version.device for version in versions))
    channels = list(dict.fromkeys(version.channel for version in versions))
    batches = [
        Arrival(datetime.fromisoformat(version.received), version.source) for version in versions
    ]
    known = list(dict.fromkeys(batches))
    status = [int(v.status) | (0 if v.value is not None else int(Status.MISSING)) for v in versions]
    return Arrivals(
        devices,
        channels,
        known,
        np.array([devices.index(version.device) for version in versions], np.int64),
        np.array([channels.index(version.channel) for version in versions], np.int64),
        np.array([known.index(batch) for batch in batches], np.int64),
        np.array([at(version.end) for version in versions], np.int64),
        np.array([_count(version) for version in versions], np.int64),
        np.array(status, np.uint16),
        np.array([version.revision for version in versions], np.int64),
    )


def _count(version: Version) -> int:
    return 0 if version.value is None else int(Decimal(version.value) / version.channel.resolution)


@dataclass(frozen=True)
class Case:
    """An example: golden file, its hash and size in the specification, and how it is written."""

    name: str
    sha256: str
    bytes: int
    first_seq: int
    versions: tuple[Version, ...]
    options: dict[str, object] = field(default_factory=dict)
    created: str = "2024-04-02T20:00:00+00:00"
    batch_id: str = "20240402200000"


SHORT_OUTAGE = int(Status.QUESTIONABLE | Status.POWER_OUTAGE | Status.SHORT)
CASES = (
    Case(
        "1_near_term",
        "9d2acc3ff6e27c0fb7963a9ff990cde7cb179c2a68e73748986dcb8249a3d6fc",
        584,
        100231,
        (
            Version(
                QUARTERS, "2024-04-02T14:15:00-05:00", "1.284", "2024-04-02T14:15:22.875-05:00"
            ),
            Version(
                *(QUARTERS, "2024-04-02T14:30:00-05:00", "0.611", "2024-04-02T14:41:03-05:00"),
                *("GF", SHORT_OUTAGE),
            ),
            Version(TOTAL, "2024-04-02T14:30:00-05:00", "45839.92", "2024-04-02T14:41:03-05:00"),
        ),
    ),
    Case(
        "2_three_revisions",
        "41d0c5a23177dded0784891e4007bc29d4a98c104290b5912d79dc1dc1b679d8",
        571,
        100234,
        (
            Version(QUARTERS, "2024-04-02T14:45:00-05:00", None, "2024-04-02T15:00:00-05:00"),
            Version(
                *(QUARTERS, "2024-04-02T14:45:00-05:00", "0.98", "2024-04-02T16:10:00-05:00"),
                *("ED", int(Status.ESTIMATED), 1),
            ),
            Version(
                *(QUARTERS, "2024-04-02T14:45:00-05:00", "1.002", "2024-04-02T17:02:11-05:00"),
                *("GF", 0, 2),
            ),
        ),
        {"send_missing": "yes"},
    ),
    Case(
        "3_autumn_control",
        "d29a9b9f6a4122263ea1e8598369abf0c232aec34de3743afd6b7a865d9dcce9",
        684,
        200001,
        (
            Version(HOURS, "2024-11-03T01:00:00-05:00", "0.74", "2024-11-03T01:00:09-05:00"),
            Version(HOURS, "2024-11-03T01:00:00-06:00", "0.701", "2024-11-03T01:00:08-06:00"),
            Version(HOURS, "2024-11-03T02:00:00-06:00", "0.76", "2024-11-03T02:00:11-06:00"),
        ),
        {"control": "yes"},
        "2024-11-03T02:00:12-06:00",
        "20241103080012",
    ),
)
