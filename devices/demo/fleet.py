"""The meters of the virtual utility: who they are, what they measure, where they hang."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from devices.demo.chance import Draw, generator

DELIVERED, RECEIVED, REACTIVE, VOLTS = 1, 2, 3, 4  # numbers of the class templates' channels
METERS_A_TRANSFORMER = 8
TRANSFORMERS_A_FEEDER = 12
METERS_A_CYCLE = 10
CYCLES = 20
SOLAR, LARGE = "SOLAR", "LARGE"
GROUPS = {SOLAR: "Meters that also deliver", LARGE: "Shops and plants"}
SEED_STEP = 1_000_000  # meters of one seed at most
FIRST_METER_NUMBER = 4_100_000


class Customer(NamedTuple):
    """Who uses energy: kWh a day from–to, its weight in each local hour, how unsteady it is."""

    low: float
    high: float
    unrest: float
    hours: tuple[int, ...]
    multiplier: int = 1


# fmt: off
HOUSE = Customer(14, 42, 1.0, (
     4,  3,  3,  3,  3,  4,  7,  9,  8,  6,  5,  5,
     6,  6,  6,  7,  9, 13, 15, 14, 12, 10,  8,  5))
SHOP = Customer(90, 420, 0.4, (
     2,  2,  2,  2,  2,  3,  5,  8, 12, 14, 15, 15,
    15, 15, 15, 15, 14, 12,  9,  7,  5,  3,  2,  2))
PLANT = Customer(1500, 6000, 0.2, (
     8,  8,  8,  8,  8,  9, 11, 13, 14, 14, 14, 13,
    14, 14, 14, 13, 12, 11, 10, 10,  9,  9,  8,  8), multiplier=40)


class Kind(NamedTuple):
    """A sort of meter: its class, its customer, its channels."""

    device_class: str
    customer: Customer
    channels: tuple[int, ...]


# Ten meters in a row; then again. Half of them measure three quantities or more.
KINDS = (
    Kind("CENTRON",  HOUSE, (DELIVERED,)),
    Kind("CENTRON",  HOUSE, (DELIVERED, RECEIVED, REACTIVE)),
    Kind("I210",     HOUSE, (DELIVERED,)),
    Kind("SENTINEL", PLANT, (DELIVERED, RECEIVED, REACTIVE, VOLTS)),
    Kind("CENTRON",  HOUSE, (DELIVERED,)),
    Kind("KV2C",     SHOP,  (DELIVERED, RECEIVED, REACTIVE)),
    Kind("I210",     HOUSE, (DELIVERED,)),
    Kind("CENTRON",  HOUSE, (DELIVERED, RECEIVED, REACTIVE)),
    Kind("CENTRON",  HOUSE, (DELIVERED,)),
    Kind("KV2C",     SHOP,  (DELIVERED, RECEIVED, REACTIVE, VOLTS)),
)
# fmt: on
HOURLY = frozenset(("I210",))
SERIALS = {"CENTRON": "CN", "I210": "IP", "KV2C": "KV", "SENTINEL": "SN"}


class Meter(NamedTuple):
    """One meter. `transformer` counts from 0; `day_kwh` is its mean."""

    kind: Kind
    transformer: int
    day_kwh: float
    device_id: str
    meter_number: str
    serial_number: str
    service_point_id: str
    account_id: str
    premise_id: str
    transformer_id: str
    feeder_id: str
    groups: tuple[str, ...]

    @property
    def hourly(self) -> bool:
        """Its intervals are hours, and it has no rates."""
        return self.kind.device_class in HOURLY

    def measures(self, channel: int) -> bool:
        return channel in self.kind.channels


def meters(count: int, seed: int) -> list[Meter]:
    """The first `count` meters of a seed."""
    sizes = generator(seed, Draw.SIZE).random(count).tolist()
    return [_meter(place, seed, size) for place, size in enumerate(sizes)]


def _meter(place: int, seed: int, size: float) -> Meter:
    kind = KINDS[place % len(KINDS)]
    number = seed * SEED_STEP + place + 1
    transformer = place // METERS_A_TRANSFORMER
    at = seed * SEED_STEP + transformer + 1
    groups = [f"CYCLE{place // METERS_A_CYCLE % CYCLES + 1:02}"]
    if RECEIVED in kind.channels:
        groups.append(SOLAR)
    if kind.customer is not HOUSE:
        groups.append(LARGE)
    low, high = kind.customer.low, kind.customer.high
    return Meter(
        kind,
        transformer,
        float(low * np.power(high / low, size)),
        device_id=f"DEMO{number:06}",
        meter_number=f"{FIRST_METER_NUMBER + number:08}",
        serial_number=f"{SERIALS[kind.device_class]}{60_000_000 + 17 * number}",
        service_point_id=f"SP-{number:07}",
        account_id=f"7{number * 13 % 10**9:09}",
        premise_id=f"PR-{number:07}",
        transformer_id=f"T-{at:06}",
        feeder_id=f"F-{seed * 1000 + transformer // TRANSFORMERS_A_FEEDER + 1:04}",
        groups=tuple(groups),
    )
