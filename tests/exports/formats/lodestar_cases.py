"""The worked examples of lodestar.md, section 7, as meter data. Data only."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np

from devices.readings import (
    Channel,
    DeviceInfo,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    epoch,
    instant,
)

CHICAGO = "America/Chicago"
MISSING, ESTIMATED = int(Status.MISSING), int(Status.ESTIMATED)
METER = DeviceInfo(
    device_id="D-104477",
    meter_number="MTR-104477",
    account_id="A-1",
    service_point_id="1008901000000000000123",
    time_zone=CHICAGO,
)


def at(text: str, zone: str = CHICAGO, fold: int = 0) -> datetime:
    """YYYYMMDDHHMMSS on a zone's clock, as an instant."""
    local = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=ZoneInfo(zone), fold=fold)
    return local.astimezone(UTC)


def series(
    first: str | datetime,
    values: Sequence[str | None],
    *,
    seconds: int = 900,
    unit: str = "KWH",
    flow: str = "DEL",
    number: int | None = 1,
    status: dict[int, int] | None = None,
    resolution: str = "0.001",
    zone: str = CHICAGO,
    **channel: object,
) -> IntervalSeries:
    """A series whose first interval begins at `first`; a value None is MISSING."""
    step = Decimal(resolution)
    counts = [0 if value is None else int(Decimal(value) / step) for value in values]
    masks = [MISSING if value is None else 0 for value in values]
    for place, mask in (status or {}).items():
        masks[place] = int(mask)
    start = epoch(at(first, zone) if isinstance(first, str) else first)
    kind = "D" if unit in ("KW", "KVAR") else "U"
    made = Channel(number, unit, flow, seconds, kind, step)._replace(**channel)
    ends = start + seconds * np.arange(1, len(values) + 1)
    return IntervalSeries(made, ends, np.array(counts), np.array(masks, np.uint16))


def words(text: str) -> list[str]:
    return text.split()


def totals(unit: str = "KWH", flow: str = "DEL", **at_times: str) -> tuple[RegisterRead, ...]:
    """Reads of a total: `t20240115000000="48213.5"`, on Chicago's clock."""
    return tuple(
        RegisterRead(at(time[1:]), "CUR", (RegisterValue("SUM", unit, flow, value=Decimal(value)),))
        for time, value in at_times.items()
    )


@dataclass(frozen=True)
class Case:
    """An example: golden file, its hash in the specification, what is written and how."""

    name: str
    sha256: str
    bytes: int
    series: IntervalSeries
    created: str  # on Chicago's clock; standard time with dst N
    reads: tuple[RegisterRead, ...] = ()
    options: dict[str, object] = field(default_factory=dict)

    @property
    def series_start(self) -> datetime:
        return instant(int(self.series.ends[0]) - self.series.channel.seconds)

    @property
    def meter(self) -> MeterData:
        return MeterData(METER, (self.series,), self.reads)


DAY = words(
    "0.180 0.190 0.173 0.174 0.187 0.186 0.169 0.181 0.191 0.178 0.170 0.188 0.190 0.172 0.176 "
    "0.192 0.186 0.173 0.190 0.200 0.195 0.202 0.235 0.249 0.262 0.297 0.340 0.352 0.369 0.400 "
    "0.407 0.385 0.373 0.367 0.329 0.289 0.272 0.257 0.219 0.205 0.206 0.197 0.176 0.185 0.193 "
    "0.179 0.171 0.188 0.190 0.172 0.177 0.192 0.185 0.172 0.188 0.196 0.187 0.188 0.213 0.216 "
    "0.218 0.244 0.279 0.290 0.317 0.371 0.416 0.444 0.496 0.563 0.599 0.632 0.679 0.717 0.717 "
    "0.724 0.731 0.712 0.668 0.644 0.610 0.550 0.494 0.463 0.418 0.357 0.324 0.306 0.271 0.235 "
    "0.232 0.223 0.200 0.188 0.200 0.189"
)
GAP = [None if place in (58, 59) else value for place, value in enumerate(DAY)]
ESTIMATES = dict.fromkeys(range(26, 30), ESTIMATED)
SPRING = words(
    "0.717 0.723 0.730 0.749 0.881 1.251 1.561 1.358 0.953 0.764 0.731 0.731 0.741 0.804 1.031 "
    "1.548 2.290 2.837 2.755 2.117 1.405 0.961 0.777"
)
AUTUMN = ["0.717", "0.723", "0.701", "0.727", *SPRING[2:]]
STANDARD = ["0.717", "0.723", "0.727", *SPRING[2:]]
LONG = [f"0.{200 + place}" for place in range(73)]

CASES = (
    Case(
        "a_day",
        "8fdbeaecba0f0608c72ff28225a46f82c3966a2ce8b92ba46d8332c77128323b",
        1053,
        series("20240115000000", DAY),
        "20240116041500",
        totals(t20240115000000="48213.500", t20240116000000="48242.642"),
        {"descriptor": "Maple St Library main kWh"},
    ),
    Case(
        "b_ercot",
        "e9e244d4b94c2a8ad9d3bcc096a11852302f2d1bf2518d588df480241fc8598e",
        1010,
        series("20240116000000", GAP, status=ESTIMATES),
        "20240117041500",
        options={"profile": "ercot"},
    ),
    Case(
        "b2_generic",
        "a551865163af81e0ad977d0bd47f264474d53611f04ece3477f9eb2a94a37a11",
        1027,
        series("20240116000000", GAP, status=ESTIMATES),
        "20240117041500",
        options={"descriptor": "Maple St Library main kWh"},
    ),
    Case(
        "c_spring_day",
        "1ff2e5cf40648756333b5b082ae51a8949439a01b29b392112e76b47dabcde85",
        379,
        series("20240310000000", SPRING, seconds=3600),
        "20240311041500",
        options={"descriptor": "Maple St Library main kWh"},
    ),
    Case(
        "d_autumn_day",
        "92feae0fd4960fd9b1ff5d7c19575a2bb3f3677373cddd14ffcfabc11a2c2c25",
        397,
        series("20241103000000", AUTUMN, seconds=3600),
        "20241104041500",
        options={"descriptor": "Maple St Library main kWh"},
    ),
    Case(
        "e_three_days",
        "dae0fa181f97ebc227f00e75b210a572f04251d80b6ad85c464b41a09ac23bfe",
        851,
        series("20241102000000", LONG, seconds=3600, unit="KVARH", number=3),
        "20241105041500",
        options={
            "descriptor": "Maple St Library main kVARh",
            "cut_days": "3",
            "record_limit": "250",
        },
    ),
    Case(
        "f_standard_time",
        "ae252951829321d5bb4f57134b0edc60d23ee728f49f3d366a1e035bf69aee4f",
        395,
        series("20240310000000", STANDARD, seconds=3600),
        "20240311051500",
        options={"descriptor": "Maple St Library hourly std time", "dst": "N"},
    ),
)
