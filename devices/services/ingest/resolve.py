"""Which device and which channel a posted meter speaks of, and whether it knows them rightly."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from devices.batchform import Form, Intervals, Meter
from devices.models import ApiKey, Device
from devices.readings import identifier_fault
from devices.services.ingest.lookup import (
    IDENTIFIERS,
    Known,
    KnownChannel,
    KnownDevice,
    Names,
    key_is_limited,
    multipliers_find,
    places_known,
)
from devices.services.ingest.problems import Faults
from devices.services.ingest.provision import Plan

# What a meter may say of its device, and the attribute it must equal.
CHECKED = {**IDENTIFIERS, "device_class": "device_class", "time_zone": "time_zone"}
# The same of a run of intervals and its channel.
CHECKED_OF_CHANNEL = {
    "uom": "unit",
    "flow": "flow",
    "value_type": "value_type",
    "resolution": "resolution",
    "multiplier": "multiplier",
    "multiplier_applied": "multiplier_applied",
}


class Run(NamedTuple):
    """A run of intervals with its channel; it is `meters[meter].intervals[index]`."""

    meter: int
    index: int
    block: Intervals
    channel: KnownChannel
    start: int  # epoch seconds


class Claim(NamedTuple):
    """A multiplier that a run states and only the installation can confirm."""

    meter: int
    index: int
    device: KnownDevice
    when: datetime
    multiplier: Decimal


def names_wanted(form: Form, plan: Plan | None) -> Names:
    """The identifiers to look up; those that no device can have are left out.

    With a plan also those that a new device would get, to see that nobody has them.
    """
    names: Names = {name: set() for name in IDENTIFIERS}
    for meter in form.meters:
        name, value = identifier(meter)
        names[name].add(value)
        if plan is not None:
            names["device"].add(meter.device or value)
            names["meter_number"].add(meter.meter_number or value)
    return {
        name: {v for v in values if v and len(v) <= 64 and v.isascii() and v.isprintable()}
        for name, values in names.items()
    }


def identifier(meter: Meter) -> tuple[str, str]:
    """By which member a meter is looked up, and its value; the value is empty without any."""
    if meter.device:
        return "device", meter.device
    if meter.meter_number:
        return "meter_number", meter.meter_number
    return "serial_number", meter.serial_number or ""


@dataclass(slots=True)
class Resolver:
    """One batch against the inventory. Fills `devices`, `runs` and `strangers`.

    `devices`: by place in the batch. `strangers`: places of meters that are unknown, or closed to
    the key, with nothing else known to be wrong. `brief`: the form is, and `known` too.
    """

    form: Form
    known: Known
    api_key: ApiKey | None
    plan: Plan | None
    brief: bool
    faults: Faults
    year: int
    devices: dict[int, KnownDevice] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    strangers: list[int] = field(default_factory=list)
    _claims: list[Claim] = field(default_factory=list)
    _placed: list[int] = field(default_factory=list)  # meters that say where they hang
    _limited: bool | None = None

    def resolve(self) -> None:
        """Find device and channels of every meter that could be decoded."""
        if self.plan is not None:
            for devices in self.known["meter_number"].values():
                for device in devices:
                    if device.state != Device.State.UNPROVISIONED:
                        self.plan.taken[device.meter_number] = device
        faulty, by_id = self.faults.by_meter, self.known["device"]
        for index, meter in enumerate(self.form.meters):
            if index in faulty:
                continue
            found = by_id.get(meter.device) if meter.device else None
            if found and found[0].allowed and (self.brief or _named_only(meter)):
                device = found[0]  # the common case, told quickly; a device id is of one device
            elif (device := self._device(index, meter)) is None:
                continue
            self.devices[index] = device
            for place, block in enumerate(meter.intervals):
                if run := self._run(index, meter, place, block, device):
                    self.runs.append(run)
        self._claims_check()
        self._places_check()

    # --- devices ------------------------------------------------------------------------------
    def _device(self, index: int, meter: Meter) -> KnownDevice | None:
        name, value = identifier(meter)
        found = self.known[name].get(value, ())
        if len(found) > 1 and name == "meter_number":
            in_use = [d for d in found if d.state != Device.State.UNPROVISIONED]
            found = in_use or found
        if len(found) == 1 and found[0].allowed:
            self._device_check(index, meter, found[0])
            if _placed(meter):
                self._placed.append(index)
            return found[0]
        if len(found) > 1:
            message = f"{name} {value}: {len(found)} devices have it; name the one by device"
            self.faults.add(index, name, "AMBIGUOUS_DEVICE", message)
        elif not value:
            message = "give device, meter_number or serial_number"
            self.faults.add(index, "", "NO_DEVICE", message)
        elif fault := identifier_fault(IDENTIFIERS[name], value):
            self.faults.add(index, name, "BAD_IDENTIFIER", f"{name} “{value[:64]}”: {fault}")
        elif self.plan is not None and not found:
            device = self.plan.device_add(index, meter, self.faults)
            if device is not None:
                for key, attribute in IDENTIFIERS.items():
                    self.known[key][getattr(device, attribute)] = [device]
            return device
        else:
            self._stranger(index, name, value)
        return None

    def _stranger(self, index: int, name: str, value: str) -> None:
        """A key of some groups is not told which of the other devices there are."""
        if self._limited is None:
            self._limited = key_is_limited(self.api_key)
        code, what = (
            ("FORBIDDEN_DEVICE", "this key may not feed such a device")
            if self._limited
            else ("UNKNOWN_DEVICE", "the inventory has no such device; add it, or correct the name")
        )
        self.strangers.append(index)
        self.faults.add(index, name, code, f"{name} {value}: {what}")

    def _device_check(self, index: int, meter: Meter, device: KnownDevice) -> None:
        for name, attribute in CHECKED.items():
            said = getattr(meter, name)
            if said is not None and said != getattr(device, attribute):
                self.faults.add(
                    *(index, name, "INVENTORY_MISMATCH"),
                    f"{meter.name}: {name} {said[:64]}, but the inventory has "
                    f"{getattr(device, attribute) or 'none'}; correct one of them",
                )

    # --- channels -----------------------------------------------------------------------------
    def _run(
        self, index: int, meter: Meter, place: int, block: Intervals, device: KnownDevice
    ) -> Run | None:
        channel = self._channel(device, block)
        if not isinstance(channel, KnownChannel):
            member, code, message = channel
            path = f"intervals[{place}].{member}"
            self.faults.add(index, path, code, f"{meter.name}: {message}")
            return None
        if (
            block.start.microsecond
            or (block.seconds is not None and block.seconds != channel.seconds)
            or not (self.brief or _timed_only(block))
        ):
            for member, code, message in block_faults(block, channel):
                message = f"{meter.name} channel {channel.number}: {message}"
                self.faults.add(index, f"intervals[{place}].{member}", code, message)
            stated = block.multiplier
            if stated is not None and stated.is_finite() and channel.multiplier is None:
                when = block.start + timedelta(seconds=channel.seconds)
                self._claims.append(Claim(index, place, device, when, stated))
        return Run(index, place, block, channel, int(block.start.timestamp()))

    def _channel(
        self, device: KnownDevice, block: Intervals
    ) -> KnownChannel | tuple[str, str, str]:
        """The channel that a block names; or (member, code, message) why there is none."""
        if block.channel is not None:
            eras = device.channels.get(block.channel)
            if eras is not None:
                return _era(eras, block.start) or _no_era(block)
            named = f"channel {block.channel}"
        elif block.uom is None:
            return "channel", "MISSING_MEMBER", "name the channel by channel, or by uom and flow"
        else:
            flow = block.flow or "DEL"
            found = list(_measuring(device, block.uom, flow, block.start))
            if len(found) == 1:
                return found[0]
            named = f"channel of {block.uom[:20]} {flow[:20]}"
            if found:
                numbers = ", ".join(str(channel.number) for channel in found)
                return "channel", "AMBIGUOUS_CHANNEL", f"channels {numbers} are each a {named}"
            every = (era for eras in device.channels.values() for era in eras)
            if any(_measures(era, block.uom, flow) for era in every):
                return _no_era(block)
        if self.plan is not None:
            return self.plan.channel_add(device, block, self.year)
        return "channel", "UNKNOWN_CHANNEL", f"the device has no {named}; add it, or correct it"

    # --- multipliers --------------------------------------------------------------------------
    def _claims_check(self) -> None:
        """Stated multipliers that the channel leaves to the installation."""
        if not self._claims:
            return
        found = multipliers_find([claim.device.pk for claim in self._claims])
        for claim in self._claims:
            held = [m for start, m in found.get(claim.device.pk, ()) if start < claim.when]
            if held and held[-1] != claim.multiplier:
                self.faults.add(
                    claim.meter,
                    f"intervals[{claim.index}].multiplier",
                    "INVENTORY_MISMATCH",
                    f"{claim.device.device_id}: multiplier {claim.multiplier}, but the "
                    f"installation has {held[-1].normalize():f}; correct one of them",
                )

    # --- places -------------------------------------------------------------------------------
    def _places_check(self) -> None:
        """Where a meter says it hangs must be where an installation has, or had, it."""
        placed = [index for index in self._placed if self.devices[index].pk > 0]
        known = places_known([self.devices[index].pk for index in placed]) if placed else {}
        for index in placed:
            meter, held = self.form.meters[index], known.get(self.devices[index].pk, {})
            for name, values in held.items():
                said = getattr(meter, name)
                if said and said not in values:
                    self.faults.add(
                        *(index, name, "INVENTORY_MISMATCH"),
                        f"{meter.name}: {name} {said[:64]}, but the inventory has "
                        f"{', '.join(sorted(values - {''})) or 'none'}; correct one of them",
                    )


def _named_only(meter: Meter) -> bool:
    """Whether a meter says nothing of its device but its id."""
    return (
        meter.meter_number is None
        and meter.serial_number is None
        and meter.device_class is None
        and meter.time_zone is None
        and not _placed(meter)
    )


def form_is_brief(form: Form) -> bool:
    """Whether a batch says no more of devices and channels than their ids and interval lengths."""
    return all(
        _named_only(meter)
        and all(
            _timed_only(block)
            and block.channel is not None
            and block.start_register is None
            and block.end_register is None
            for block in meter.intervals
        )
        for meter in form.meters
    )


def _placed(meter: Meter) -> bool:
    """Whether a meter says where it hangs: any of PLACES."""
    return bool(
        meter.service_point_id
        or meter.account_id
        or meter.premise_id
        or meter.transformer_id
        or meter.feeder_id
    )


def _timed_only(block: Intervals) -> bool:
    """Whether a block says nothing of its channel but its length."""
    return (
        block.uom is None
        and block.flow is None
        and block.value_type is None
        and block.resolution is None
        and block.multiplier is None
        and block.multiplier_applied is None
    )


def block_faults(block: Intervals, channel: KnownChannel) -> Iterator[tuple[str, str, str]]:
    """What a block says of its channel that is not so: (member, code, message)."""
    if block.start.microsecond:
        yield "start", "FRACTION", f"start {block.start.isoformat()} has a fraction of a second"
    if block.seconds is not None and block.seconds != channel.seconds:
        yield (
            *("seconds", "SECONDS_MISMATCH"),
            f"seconds {block.seconds}, but its intervals are of {channel.seconds} s",
        )
    for member, attribute in CHECKED_OF_CHANNEL.items():
        said, held = getattr(block, member), getattr(channel, attribute)
        if isinstance(said, Decimal) and not said.is_finite():
            yield member, "NOT_FINITE", f"{member} {said} is not a finite number"
        elif said is not None and said != held and not (held is None and member == "multiplier"):
            yield (
                *(member, "INVENTORY_MISMATCH"),
                f"{member} {str(said)[:40]}, but the inventory has {held}; correct one of them",
            )


def _era(eras: Sequence[KnownChannel], when: datetime) -> KnownChannel | None:
    """The era that an interval starting then belongs to."""
    for era in eras:
        if (era.valid_from is None or era.valid_from <= when) and (
            era.valid_to is None or when < era.valid_to
        ):
            return era
    return None


def _measures(era: KnownChannel, unit: str, flow: str) -> bool:
    return era.unit == unit and era.flow == flow


def _measuring(device: KnownDevice, unit: str, flow: str, when: datetime) -> Iterator[KnownChannel]:
    for eras in device.channels.values():
        era = _era(eras, when)
        if era is not None and _measures(era, unit, flow):
            yield era


def _no_era(block: Intervals) -> tuple[str, str, str]:
    named = f"channel {block.channel}" if block.channel else f"{block.uom} {block.flow or 'DEL'}"
    return "start", "NO_ERA", f"{named} was not measured so at {block.start.isoformat()}"
