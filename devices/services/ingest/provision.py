"""Making devices and channels that a batch brings and the inventory does not have.

A batch that provisions plans first: what is missing gets a negative key, is validated against
like anything known, and is made in the batch's own transaction. A device gets the channels that
the batch brings and no others. What the batch states of a channel holds; then what the caller
states for all; then the class's template of that unit and flow; then the plain default.
"""

import zoneinfo
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar

from django.conf import settings
from simple_history.utils import bulk_create_with_history

from devices import readings
from devices.batchform import Intervals, Meter
from devices.journal import Entry
from devices.models import Channel, ChannelTemplate, Device, DeviceClass, Installation
from devices.readings import UNITS, identifier_fault
from devices.services.channels import channel_grid
from devices.services.ingest.lookup import PLACES, KnownChannel, KnownDevice
from devices.services.ingest.problems import Faults

T = TypeVar("T")
RESOLUTION = Decimal("0.001")
# Integer and decimal digits of what the inventory keeps.
RESOLUTION_DIGITS, MULTIPLIER_DIGITS = (9, 9), (8, 4)
INSTALLED = datetime(2000, 1, 1, tzinfo=UTC)


class Provision(NamedTuple):
    """What is unknown is made, of this class. Empty: the batch, the template, the default."""

    device_class: str
    resolution: Decimal | None = None
    zone: str = ""


class Template(NamedTuple):
    """A channel template of a class."""

    number: int
    unit: str
    flow: str
    seconds: int
    value_type: str
    resolution: Decimal


class Made(NamedTuple):
    """Planned keys → real ones, of what was made."""

    devices: dict[int, int]
    channels: dict[int, int]

    def entries(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Entries with real channels."""
        if not self.channels:
            return entries
        made = self.channels
        return [e._replace(channel_id=made.get(e.channel_id, e.channel_id)) for e in entries]

    def of_devices(self, things: Sequence[tuple[int, T]]) -> Sequence[tuple[int, T]]:
        """Things of devices, with real ones."""
        if not self.devices:
            return things
        return [(self.devices.get(device, device), thing) for device, thing in things]


class _Refused(Exception):
    """Something cannot be made: (path, code, message)."""


@dataclass(slots=True)
class Plan:
    """What a batch will make, in the order in which it was found missing."""

    provision: Provision
    devices: list[tuple[KnownDevice, Meter]] = field(default_factory=list)
    channels: list[tuple[KnownDevice, KnownChannel]] = field(default_factory=list)
    taken: dict[str, KnownDevice] = field(default_factory=dict)  # by meter number
    _templates: dict[str, list[Template] | None] = field(default_factory=dict)  # by class
    _class_keys: dict[str, int] = field(default_factory=dict)

    def device_add(self, index: int, meter: Meter, faults: Faults) -> KnownDevice | None:
        """A device for a meter that nobody knows; None, with a fault, when it cannot be."""
        one = meter.device or meter.meter_number or meter.serial_number or ""
        names = {
            "device_id": meter.device or one,
            "meter_number": meter.meter_number or one,
            "serial_number": meter.serial_number or "",
        }
        try:
            _identifiers_check(names | {name: getattr(meter, name) or "" for name in PLACES})
            if other := self.taken.get(names["meter_number"]):
                raise _Refused(
                    *("meter_number", "INVENTORY_MISMATCH"),
                    f"{names['meter_number']} is the meter number of device {other.device_id}",
                )
            code = meter.device_class or self.provision.device_class
            if self.templates(code) is None:
                raise _Refused("device_class", "UNKNOWN_CLASS", f"there is no class {code}")
            zone = meter.time_zone or self.provision.zone or settings.TIME_ZONE
            if not zone_known(zone):
                raise _Refused("time_zone", "UNKNOWN_ZONE", f"{zone[:40]} is no IANA time zone")
        except _Refused as refused:
            path, fault, message = refused.args
            faults.add(index, path, fault, f"{meter.name}: {path} {message}")
            return None
        state = Device.State.PROVISIONED
        device = KnownDevice(
            *(-1 - len(self.devices), names["device_id"], True, names["meter_number"]),
            *(names["serial_number"], code, zone, state),
        )
        self.devices.append((device, meter))
        self.taken[device.meter_number] = device
        return device

    def templates(self, code: str) -> list[Template] | None:
        """The channel templates of a class; None when there is no such class."""
        if code not in self._templates:
            self._templates[code] = None
            pk = DeviceClass.objects.filter(code=code).values_list("pk", flat=True).first()
            if pk is not None:
                rows = ChannelTemplate.objects.filter(device_class=pk)
                self._class_keys[code] = pk
                self._templates[code] = [Template(*r) for r in rows.values_list(*Template._fields)]
        return self._templates[code]

    def channel_add(
        self, device: KnownDevice, block: Intervals, year: int
    ) -> KnownChannel | tuple[str, str, str]:
        """A channel for a block that has none; or (member, code, message) why not."""
        try:
            channel = self._channel(device, block, year)
        except _Refused as refused:
            path, code, message = refused.args
            return path, code, message
        device.channels[channel.number] = [channel]
        self.channels.append((device, channel))
        return channel

    def _channel(self, device: KnownDevice, block: Intervals, year: int) -> KnownChannel:
        templates = self.templates(device.device_class) or []
        unit, flow, template = _quantity(block, templates)
        seconds = block.seconds or (template.seconds if template else 0)
        if not seconds:
            raise _Refused("seconds", "NOT_ENOUGH", "give seconds, to make the channel")
        if seconds not in readings.INTERVAL_SECONDS:
            raise _Refused("seconds", "BAD_SECONDS", f"{seconds} s is no interval length")
        value_type = template.value_type if template else UNITS[unit].value_type
        stated = (block.resolution, self.provision.resolution, template and template.resolution)
        resolution = next((one for one in stated if one is not None), RESOLUTION)
        _digits_check("resolution", resolution, RESOLUTION_DIGITS)
        if block.multiplier is not None:
            _digits_check("multiplier", block.multiplier, MULTIPLIER_DIGITS)
        if (block.value_type or value_type) not in readings.VALUE_TYPES:
            raise _Refused("value_type", "BAD_VALUE", f"{block.value_type} is no value type")
        number = block.channel or _number_free(device, template, templates)
        return KnownChannel(
            pk=-1 - len(self.channels),
            number=number,
            seconds=seconds,
            resolution=resolution,
            **channel_grid(seconds, device.time_zone, year),
            valid_from=None,
            valid_to=None,
            unit=unit,
            flow=flow,
            value_type=block.value_type or value_type,
            multiplier=block.multiplier,
            multiplier_applied=block.multiplier_applied is not False,
        )

    def create(self, used_devices: Container[int], used_channels: Container[int]) -> Made:
        """Make what was planned and is used. Inside the batch's transaction.

        IntegrityError when another has made the same meanwhile; then plan anew.
        """
        devices = [pair for pair in self.devices if pair[0].pk in used_devices]
        rows = [self._device_row(device) for device, _ in devices]
        stored = bulk_create_with_history(rows, Device, batch_size=1000) if rows else []
        made = {device.pk: row.pk for (device, _), row in zip(devices, stored, strict=True)}
        Installation.objects.bulk_create(
            Installation(
                device_id=made[device.pk],
                valid_from=INSTALLED,
                **{name: getattr(meter, name) or "" for name in PLACES},
            )
            for device, meter in devices
        )
        channels = [pair for pair in self.channels if pair[1].pk in used_channels]
        rows = [
            Channel(device_id=made.get(device.pk, device.pk), **_columns(channel))
            for device, channel in channels
        ]
        stored = Channel.objects.bulk_create(rows, batch_size=1000)
        pairs = zip(channels, stored, strict=True)
        return Made(made, {channel.pk: row.pk for (_, channel), row in pairs})

    def _device_row(self, device: KnownDevice) -> Device:
        names = ("device_id", "meter_number", "serial_number", "time_zone", "state")
        return Device(
            device_class_id=self._class_keys[device.device_class],
            **{name: getattr(device, name) for name in names},
        )


def _columns(channel: KnownChannel) -> dict[str, object]:
    columns = channel._asdict()
    del columns["pk"]
    return columns


def _identifiers_check(names: dict[str, str]) -> None:
    for name, value in names.items():
        if value and (fault := identifier_fault(name, value)):
            raise _Refused(name, "BAD_IDENTIFIER", f"“{value[:40]}”: {fault}")


def _quantity(block: Intervals, templates: Sequence[Template]) -> tuple[str, str, Template | None]:
    """Unit and flow, and the template of them."""
    if block.uom is None:
        for template in templates:
            if template.number == block.channel:
                return template.unit, template.flow, template
        raise _Refused("uom", "NOT_ENOUGH", "give uom and seconds, to make the channel")
    unit, flow = block.uom, block.flow or "DEL"
    if unit not in UNITS:
        raise _Refused("uom", "UNKNOWN_UNIT", f"{unit[:20]} is none of {', '.join(UNITS)}")
    if flow not in readings.FLOWS or (flow != "DEL" and not UNITS[unit].directed):
        raise _Refused("flow", "UNKNOWN_FLOW", f"{flow[:20]} is no flow of {unit}")
    fitting = (t for t in templates if (t.unit, t.flow) == (unit, flow))
    return unit, flow, next(fitting, None)


def _number_free(
    device: KnownDevice, template: Template | None, templates: Sequence[Template]
) -> int:
    """The template's number, else the first that neither channel nor template of others has."""
    if template is not None and template.number not in device.channels:
        return template.number
    used = {*device.channels, *(t.number for t in templates)}
    return next(number for number in range(1, 1000) if number not in used)


def _digits_check(name: str, value: Decimal, digits: tuple[int, int]) -> None:
    whole, decimals = digits
    if not value.is_finite() or value <= 0:
        raise _Refused(name, "OUT_OF_RANGE", f"{value} is not above 0")
    exponent = int(value.normalize().as_tuple().exponent)
    if value.adjusted() >= whole or -exponent > decimals:
        raise _Refused(
            name, "OUT_OF_RANGE", f"{value} has more than {whole} digits and {decimals} decimals"
        )


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def zone_known(name: str) -> bool:
    """Whether a name is that of an IANA zone."""
    return name in _zones()
