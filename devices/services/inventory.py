"""Devices made by the thousand, each with all that it begins with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from simple_history.utils import bulk_create_with_history

from devices.models import (
    Channel,
    ChannelTemplate,
    Device,
    DeviceClass,
    FunctionalGroup,
    Installation,
    Membership,
)
from devices.services.channels import channel_grid

ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device to be made: class and groups by their codes.

    `channels` are template numbers of its class, made besides those that every device gets.
    """

    device_id: str
    meter_number: str
    device_class: str
    time_zone: str
    serial_number: str = ""
    service_point_id: str = ""
    account_id: str = ""
    premise_id: str = ""
    transformer_id: str = ""
    feeder_id: str = ""
    multiplier: Decimal = Decimal(1)
    groups: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()


@transaction.atomic
def devices_create(news: Sequence[NewDevice], *, since: datetime, reason: str = "") -> int:
    """Make the devices that are not there yet, provisioned from `since` on; how many.

    One that is there is left as it is, with all it has. KeyError names an unknown class or group.
    `reason` goes into the history.
    """
    wanted = {new.device_id: new for new in news}
    for device_id in _present(wanted):
        del wanted[device_id]
    classes = {row.code: row for row in DeviceClass.objects.all()}
    devices = bulk_create_with_history(
        [
            Device(
                device_id=new.device_id,
                meter_number=new.meter_number,
                serial_number=new.serial_number,
                device_class=classes[new.device_class],
                time_zone=new.time_zone,
                state=Device.State.PROVISIONED,
                changed_at=since,
            )
            for new in wanted.values()
        ],
        Device,
        batch_size=ROWS_AT_ONCE,
        default_change_reason=reason,
    )
    pairs = list(zip(devices, wanted.values(), strict=True))
    _install(pairs, since)
    _join(pairs, since)
    _channels_make(pairs, since)
    return len(pairs)


Pairs = Sequence[tuple[Device, NewDevice]]


def _present(device_ids: Iterable[str]) -> set[str]:
    ids = list(device_ids)
    found: set[str] = set()
    for first in range(0, len(ids), ROWS_AT_ONCE):
        there = Device.objects.filter(device_id__in=ids[first : first + ROWS_AT_ONCE])
        found.update(there.values_list("device_id", flat=True))
    return found


def _install(pairs: Pairs, since: datetime) -> None:
    """Hang the devices that are said to hang anywhere."""
    names = ("service_point_id", "account_id", "premise_id", "transformer_id", "feeder_id")
    Installation.objects.bulk_create(
        [
            Installation(
                device=device,
                valid_from=since,
                multiplier=new.multiplier,
                **{name: getattr(new, name) for name in names},
            )
            for device, new in pairs
            if any(getattr(new, name) for name in names)
        ],
        batch_size=ROWS_AT_ONCE,
    )


def _join(pairs: Pairs, since: datetime) -> None:
    """Put the devices into their groups."""
    groups = {row.code: row for row in FunctionalGroup.objects.all()}
    Membership.objects.bulk_create(
        [
            Membership(device=device, group=groups[code], kind=groups[code].kind, valid_from=since)
            for device, new in pairs
            for code in new.groups
        ],
        batch_size=ROWS_AT_ONCE,
    )


def _channels_make(pairs: Pairs, since: datetime) -> None:
    """Give the devices their channels, from the templates of their classes."""
    templates: dict[int, list[ChannelTemplate]] = {}
    for template in ChannelTemplate.objects.order_by("number"):
        templates.setdefault(template.device_class_id, []).append(template)
    Channel.objects.bulk_create(
        [
            Channel(
                device=device,
                number=template.number,
                unit=template.unit,
                flow=template.flow,
                seconds=template.seconds,
                value_type=template.value_type,
                resolution=template.resolution,
                **channel_grid(template.seconds, device.time_zone, since.year),
            )
            for device, new in pairs
            for template in templates.get(device.device_class_id, ())
            if template.by_default or template.number in new.channels
        ],
        batch_size=ROWS_AT_ONCE,
    )
