"""Where devices hung and which groups they were in when something happened, by the thousand."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from devices.journal import sql
from devices.models import Device, FunctionalGroup, Installation, Membership
from events.rules import Fact
from events.selectors.catalogue import Type
from events.selectors.following import Row


class Stay(NamedTuple):
    """Something that held from one instant to another."""

    start: datetime
    end: datetime | None
    what: tuple[str, ...]

    def holds(self, time: datetime) -> bool:
        return self.start <= time and (self.end is None or time < self.end)


class Located:
    """A device with its dated places and groups."""

    __slots__ = ("device_class", "device_id", "groups", "meter_number", "places", "zone")

    def __init__(self, device_id: str, meter_number: str, device_class: str, zone: str) -> None:
        self.device_id = device_id
        self.meter_number = meter_number
        self.device_class = device_class
        self.zone = zone
        self.places: list[Stay] = []  # service point, transformer, feeder
        self.groups: list[Stay] = []  # code, kind

    def place_at(self, time: datetime) -> tuple[str, ...]:
        """Service point, transformer and feeder; empty texts where it hung nowhere."""
        return next((stay.what for stay in self.places if stay.holds(time)), ("", "", ""))

    def groups_at(self, time: datetime) -> tuple[str, ...]:
        """Codes of its groups, in their order."""
        return tuple(sorted({stay.what[0] for stay in self.groups if stay.holds(time)}))

    def cycle_at(self, time: datetime) -> str:
        """Its bill cycle."""
        cycle = FunctionalGroup.Kind.BILL_CYCLE
        return min(
            (s.what[0] for s in self.groups if s.what[1] == cycle and s.holds(time)), default=""
        )


def located_load(devices: Iterable[int]) -> dict[int, Located]:
    """Devices by key, in three queries however many they are."""
    wanted = sql.id_set(set(devices))
    rows = Device.objects.filter(pk__in=wanted).order_by()
    found = {
        pk: Located(*values)
        for pk, *values in rows.values_list(
            "pk", "device_id", "meter_number", "device_class__code", "time_zone"
        )
    }
    stays = Installation.objects.filter(device__in=wanted).order_by()
    for pk, start, end, *what in stays.values_list(
        *("device_id", "valid_from", "valid_to"),
        *("service_point_id", "transformer_id", "feeder_id"),
    ):
        found[pk].places.append(Stay(start, end, tuple(what)))
    members = Membership.objects.filter(device__in=wanted).order_by()
    for pk, start, end, *what in members.values_list(
        "device_id", "valid_from", "valid_to", "group__code", "kind"
    ):
        found[pk].groups.append(Stay(start, end, tuple(what)))
    return found


NOWHERE = Located("", "", "", "UTC")


def fact_of(row: Row, kind: Type, located: Located) -> Fact:
    """What rules look at of an event."""
    return Fact(
        kind.mnemonic,
        row.category,
        row.severity,
        row.received,
        kind.nuisance,
        kind.default_routed,
        located.device_class,
        located.groups_at(row.time),
    )
