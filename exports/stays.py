"""Where a device was, and in which group, over a period: its stays.

Used for the devices that something happened to in the period; the rest are one stay each.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from devices.journal import sql
from devices.models import Installation, Membership
from devices.readings import DeviceInfo

NOWHERE = ("", "", "", "", "")


class Stay(NamedTuple):
    """A stretch (start, end] in which a device's identity held and its group included it."""

    info: DeviceInfo
    multiplier: Decimal | None
    start: int
    end: int


class Who(NamedTuple):
    """A device by what never changes."""

    pk: int
    device_id: str
    meter_number: str
    serial_number: str
    device_class: str
    time_zone: str


def during(rows: QuerySet[Any], start: datetime, end: datetime) -> QuerySet[Any]:
    """Dated rows that touch a period."""
    return rows.filter(
        Q(valid_to=None) | Q(valid_to__gt=start), Q(valid_from=None) | Q(valid_from__lt=end)
    )


def stays_of(
    devices: Sequence[Who], start: datetime, end: datetime, groups: Sequence[str]
) -> dict[int, list[Stay]]:
    """Each device cut where its installation changes, kept where one of the groups had it."""
    id_set = sql.id_set([device.pk for device in devices])
    first, last = int(start.timestamp()), int(end.timestamp())
    homes: dict[int, list[tuple[Any, ...]]] = {}
    installed = during(Installation.objects.filter(device_id__in=id_set), start, end)
    for home in installed.order_by("device_id", "valid_from").values_list(
        *("device_id", "valid_from", "valid_to", "service_point_id", "account_id"),
        *("premise_id", "transformer_id", "feeder_id", "multiplier"),
    ):
        homes.setdefault(home[0], []).append(home)
    windows = _group_windows(id_set, start, end, groups) if groups else None
    found: dict[int, list[Stay]] = {}
    for who in devices:
        pk, *names, device_class, zone = who
        for low, high, place, multiplier in _places(homes.get(pk, ()), first, last):
            info = DeviceInfo(*names, *place[:3], device_class, zone, *place[3:])
            for opened, closed in windows.get(pk, ()) if windows is not None else ((low, high),):
                stay = Stay(info, multiplier, max(low, opened), min(high, closed))
                if stay.start < stay.end:
                    found.setdefault(pk, []).append(stay)
    return found


def epoch_or(instant: datetime | None, default: int) -> int:
    """Epoch seconds of an instant; the default where there is none."""
    return default if instant is None else int(instant.timestamp())


def _places(
    homes: Sequence[tuple[Any, ...]], first: int, last: int
) -> Iterator[tuple[int, int, tuple[str, ...], Decimal | None]]:
    """The period cut by installations; stretches without one have empty identifiers."""
    at = first
    for home in homes:
        start, end = epoch_or(home[1], first), min(epoch_or(home[2], last), last)
        if start > at:
            yield at, start, NOWHERE, None
        at = max(at, start)
        if end > at:
            yield at, end, home[3:8], home[8]
        at = max(at, end)
    if at < last:
        yield at, last, NOWHERE, None


def _group_windows(
    id_set: Any, start: datetime, end: datetime, groups: Sequence[str]
) -> dict[int, list[tuple[int, int]]]:
    """When each device was in one of the groups, as disjoint windows."""
    first, last = int(start.timestamp()), int(end.timestamp())
    members = Membership.objects.filter(device_id__in=id_set, group__code__in=groups)
    windows: dict[int, list[tuple[int, int]]] = {}
    for pk, opened, closed in (
        during(members, start, end)
        .order_by("device_id", "valid_from")
        .values_list("device_id", "valid_from", "valid_to")
    ):
        low, high = max(first, epoch_or(opened, first)), min(last, epoch_or(closed, last))
        held = windows.setdefault(pk, [])
        if held and low <= held[-1][1]:
            held[-1] = (held[-1][0], max(high, held[-1][1]))
        else:
            held.append((low, high))
    return windows
