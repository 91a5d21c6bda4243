"""Queries of register reads: which stand, their versions, and what was used between them.

Flat: none reads more when the fleet is larger. Functions are named as those of `selectors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.db.models import Exists, OuterRef, Q, QuerySet

from devices import journal
from devices.bestread import PREFERENCE
from devices.consumption import Reading, Usage, usage
from devices.models import (
    Batch,
    Device,
    FunctionalGroup,
    Installation,
    Membership,
    RegisterSnapshot,
    RegisterTemplate,
)
from devices.readings import READ_TYPES, RegisterRead, RegisterValue
from devices.selectors import present

Register = tuple[str, str, str]  # unit, flow, rate: a summation that is counted up


def reads_standing(rows: QuerySet[RegisterSnapshot]) -> QuerySet[RegisterSnapshot]:
    """Of each read the version that stands, superseded ones left out."""
    newer = RegisterSnapshot.objects.filter(
        device=OuterRef("device"),
        time=OuterRef("time"),
        read_type=OuterRef("read_type"),
        number__gt=OuterRef("number"),
    )
    return rows.filter(~Exists(newer))


def reads_of_group(rows: QuerySet[RegisterSnapshot], code: str) -> QuerySet[RegisterSnapshot]:
    """Those of devices that are in a group now."""
    group = FunctionalGroup.objects.filter(code=code).values_list("pk", flat=True).first()
    members = Membership.objects.filter(present(), group=group or 0)
    return rows.filter(device__in=members.values("device"))


def versions_for_read(row: RegisterSnapshot) -> list[RegisterSnapshot]:
    """All versions of a read, the first one first."""
    same = {name: getattr(row, name) for name in ("device_id", "time", "read_type")}
    return list(RegisterSnapshot.objects.filter(**same).order_by("number"))


def batches_of_versions(rows: Sequence[RegisterSnapshot]) -> dict[int, Batch]:
    """The batches that brought these versions, by number; none for those no longer kept."""
    numbers = [row.number for row in rows]
    found = Batch.objects.filter(number__in=numbers).select_related("api_key")
    return {batch.number or 0: batch for batch in found.defer("answer", "body")}


class Stay(NamedTuple):
    """A device at a place, from one instant to another; None: open."""

    device: Device
    start: datetime | None
    end: datetime | None


def meters_for_usage(device: Device, start: datetime, end: datetime) -> list[Stay]:
    """The device and those before and after it at its service point, in order of time.

    The service point is the last one it had in the period; without one, the device alone.
    """
    within = Q(valid_from__lte=end) & (Q(valid_to=None) | Q(valid_to__gte=start))
    last = device.installations.filter(within).order_by("-valid_from").first()
    if last is None or not last.service_point_id:
        return [Stay(device, None, None)]
    there = (
        Installation.objects.filter(within, service_point_id=last.service_point_id)
        .select_related("device__device_class")
        .order_by("valid_from", "pk")
    )
    return [Stay(row.device, row.valid_from, row.valid_to) for row in there]


class Compared(NamedTuple):
    """What was used at a place by one register; `fault`: why other meters were left out."""

    usage: Usage
    fault: str


def usage_for_device(
    device: Device, register: Register, start: datetime, end: datetime, read_type: str = ""
) -> Compared:
    """What was used between the reads (of a type) from start to end, both included.

    A meter exchange is followed: the meters before and after at the same service point count. Of
    reads of several types at one instant, the one that bills prefer is taken.
    """
    stays = meters_for_usage(device, start, end)
    owners = {stay.device.pk: stay.device for stay in stays}
    reads = journal.registers_read(
        list(owners), start, end, read_types=[read_type] if read_type else (), closed=True
    )
    dials = register_dials(list(owners.values()))
    readings = [
        Reading(stay.device.device_id, read.time, value)
        for stay in stays
        for read in _one_an_instant(reads.get(stay.device.pk, ()))
        if (stay.start is None or stay.start <= read.time)
        and (stay.end is None or read.time <= stay.end)
        for value in [value_of(read, register, dials.get(stay.device.device_class_id, {}))]
        if value is not None
    ]
    try:
        return Compared(usage(readings), "")
    except ValueError:
        own = [reading for reading in readings if reading.device_id == device.device_id]
        fault = "Several meters were at this service point at one time; only this one is shown."
        return Compared(usage(own), fault)


def _one_an_instant(reads: Sequence[RegisterRead]) -> list[RegisterRead]:
    order = list(dict.fromkeys((*PREFERENCE, *READ_TYPES)))
    best: dict[datetime, RegisterRead] = {}
    for read in sorted(reads, key=lambda one: -order.index(one.read_type)):
        best[read.time] = read
    return list(best.values())


Dials = dict[Register, int]


def register_dials(devices: Sequence[Device]) -> dict[int, Dials]:
    """Dials of the summations of these devices' classes, for readings that do not state them."""
    found: dict[int, Dials] = {}
    rows = RegisterTemplate.objects.filter(
        device_class__in={device.device_class_id for device in devices},
        register_class="SUM",
        dials__isnull=False,
    )
    names = ("device_class", "unit", "flow", "rate", "dials")
    for device_class, unit, flow, rate, dials in rows.values_list(*names):
        found.setdefault(device_class, {})[unit, flow, rate] = dials
    return found


def value_of(read: RegisterRead, register: Register, dials: Dials) -> RegisterValue | None:
    """A read's summation, its dials filled in; None when it has none with a value."""
    for value in read.values:
        if value.register_class == "SUM" and (value.unit, value.flow, value.rate) == register:
            if value.value is None:
                return None
            if value.dials or register not in dials:
                return value
            return msgspec.structs.replace(value, dials=dials[register])
    return None


def registers_of(reads: Sequence[RegisterRead]) -> list[Register]:
    """The summations that these reads have, those of the newest read first."""
    found: dict[Register, None] = {}
    for read in reversed(reads):
        for value in read.values:
            if value.register_class == "SUM":
                found.setdefault((value.unit, value.flow, value.rate))
    return list(found)
