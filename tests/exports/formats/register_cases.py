"""The worked examples of idf.md, rde.md and btf.md, as meter data. Data only."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from devices.readings import DeviceInfo, MeterData, RegisterRead, RegisterValue, Status

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


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def register(
    number: int | None,
    name: str,
    unit: str,
    value: str | None,
    rate: str = "T",
    flow: str = "DEL",
    peak: str = "",
    **more: Any,
) -> RegisterValue:
    """A register as those of the examples are: multiplier 1 applied, 6 dials, 3 decimals."""
    given = {"status": int(Status.MISSING)} if value is None else {}
    common = {"multiplier": Decimal(1), "multiplier_applied": True, "dials": 6, "decimals": 3}
    return RegisterValue(
        name,
        unit,
        flow,
        rate=rate,
        value=None if value is None else Decimal(value),
        number=number,
        peak_time=at(peak) if peak else None,
        **(common | given | more),
    )


def april(*values: RegisterValue, **more: Any) -> RegisterRead:
    """The self-read of 2024-04-01."""
    given = {
        "season": 1,
        "reset_count": 17,
        "reset_time": at("2024-03-01T00:05:00-06:00"),
        "status_word": "0",
        "source": "SR",
        "received": at("2024-04-01T00:07:41-05:00"),
        "read_id": "551902",
    }
    return RegisterRead(at("2024-04-01T00:00:00-05:00"), "SR", values, **(given | more))


def december(*values: RegisterValue, **more: Any) -> RegisterRead:
    """The self-read of 2024-12-01."""
    given = {
        "season": 1,
        "reset_count": 25,
        "reset_time": at("2024-11-01T00:05:00-05:00"),
        "status_word": "0",
        "source": "SR",
        "received": at("2024-12-01T00:06:10-06:00"),
        "read_id": "561377",
    }
    return RegisterRead(at("2024-12-01T00:00:00-06:00"), "SR", values, **(given | more))


TOTAL = register(1, "SUM", "KWH", "45812.347")
PEAK = register(2, "MAX", "KW", "12.48", peak="2024-03-18T16:45:00-05:00")
SECOND = register(2, "MAX", "KW", "11.92", peak="2024-03-11T17:00:00-05:00", occurrence=2)
TIER = register(3, "SUM", "KWH", "15201.101", rate="A")
REACTIVE = register(4, "SUM", "KVARH", "9120.5", flow="Q1")
ESTIMATE = register(1, "SUM", "KWH", "49120.5", status=int(Status.ESTIMATED), source="ED")
# 01:30 CST, the second pass of the repeated hour.
LATE = register(2, "MAX", "KW", "9.84", peak="2024-11-03T01:30:00-06:00")
GAP = register(3, "SUM", "KWH", None, rate="A")
ZERO = register(4, "MAX", "KW", "0", rate="A")
NET = register(5, "SUM", "KWH", "-120.25", flow="NET", status=int(Status.QUESTIONABLE))


@dataclass(frozen=True)
class Case:
    """An example: its file, size and hash in the specification; what is written, when and how."""

    name: str
    bytes: int
    sha256: str
    reads: tuple[RegisterRead, ...]
    created: str
    batch: str
    start: str
    end: str
    options: dict[str, object] = field(default_factory=dict)

    @property
    def format(self) -> str:
        return self.name.partition("/")[0]

    @property
    def meters(self) -> list[MeterData]:
        return [MeterData(METER, reads=self.reads)] if self.reads else []


APRIL = {
    **{"created": "2024-04-01T01:15:00-05:00", "batch": "20240401061500"},
    **{"start": "2024-04-01T00:00:00-05:00", "end": "2024-04-02T00:00:00-05:00"},
}
DECEMBER = {
    **{"created": "2024-12-01T01:15:00-06:00", "batch": "20241201071500"},
    **{"start": "2024-12-01T00:00:00-06:00", "end": "2024-12-02T00:00:00-06:00"},
}
LATER = DECEMBER | {"created": "2024-12-01T01:15:01-06:00", "batch": "20241201071501"}
EMPTY = {
    **{"created": "2024-12-02T01:15:00-06:00", "batch": "20241202071500"},
    **{"start": "2024-12-02T00:00:00-06:00", "end": "2024-12-03T00:00:00-06:00"},
}
IMPLIED = {"layout": "0101"}
FOUR = december(ESTIMATE, LATE, GAP, ZERO)
FIVE = december(ESTIMATE, LATE, GAP, ZERO, NET)

# fmt: off
CASES = (
    Case("idf/1_self_read.idf", 541,
         "c60f4574c3cab598000d0e32d8ec01157f65d33dc6b215f2d9b015bcff7d64e8",
         (april(TOTAL, PEAK, TIER),), **APRIL),
    Case("idf/2_estimate.idf", 681,
         "59d7fb30561bf0796d43731055a7ff71ef314129297e843fffc74664242012db",
         (FOUR,), **DECEMBER),
    Case("idf/3_empty.idf", 56,
         "1ecfab22b6440c21e0e526da5aca06e62346780ddd59a0914e1e3275a054540d",
         (), **EMPTY),
    Case("rde/1_self_read.csv", 1610,
         "48faa42efc2ebe8175d259b8870c34506abed033ceccbdc3354d93210915b74d",
         (april(TOTAL, PEAK, SECOND, TIER, REACTIVE),), **APRIL, options={"names": True}),
    Case("rde/2_estimate.csv", 1077,
         "ed38e051f8ab7f10c8abae27f36ae8acbc1b3fffa046eaaa9cf2b26a29e6c9d0",
         (FOUR,), **DECEMBER),
    Case("rde/3_wide.csv", 677,
         "fb31850916cf01da47d0d44c03b3778bc6e04e95a91e30dfa7013ccba1e3a1a1",
         (april(TOTAL, PEAK, TIER),), **APRIL, options={"profile": "wide"}),
    Case("btf/1_self_read.txt", 1414,
         "cb54fe560a111024616be48bee6df37810eee94f38a3cf3ea689c5c8d8f55e32",
         (april(TOTAL, PEAK, TIER, REACTIVE),), **APRIL),
    Case("btf/2_estimate.txt", 1616,
         "e27fa19bc96ecbf24f5257b8e84d218eb68bbc6b7a2b01dec4b8061fd547a191",
         (FIVE,), **DECEMBER),
    Case("btf/3_implied.txt", 1616,
         "90b5872c0ce6322883c1b052dc4d41dd56a9ed50d9d674522d36979ae8ff72b4",
         (FIVE,), **LATER, options=IMPLIED),
    Case("btf/4_empty.txt", 404,
         "10251b3038990bb1145599ec00ac2e10e3092f7914b830bc8524f8c0cbdb3fd8",
         (), **EMPTY),
)
# fmt: on
