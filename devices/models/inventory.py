"""What is out there: device classes, devices, where they hang, which groups they are in."""

import zoneinfo
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from simple_history.models import HistoricalRecords

from devices import readings
from devices.models.records import DeviceRecord


def _choices(table: dict[str, object] | dict[str, str]) -> list[tuple[str, str]]:
    return [(code, f"{code} – {getattr(what, 'quantity', what)}") for code, what in table.items()]


UNIT_CHOICES = _choices(readings.UNITS)
FLOW_CHOICES = _choices(readings.FLOWS)
VALUE_TYPE_CHOICES = _choices(readings.VALUE_TYPES)
SECONDS_CHOICES = [(s, f"{s // 60} min") for s in readings.INTERVAL_SECONDS]
RATE_CHOICES = [(rate, rate) for rate in readings.RATES]


class IdentifierField(models.CharField):
    """Printable ASCII of the width that formats/README 2.13 gives; leading zeros are kept."""

    def __init__(self, *args, identifier: str = "", **kwargs) -> None:
        self.identifier = identifier
        kwargs.setdefault("max_length", readings.WIDTHS[identifier] if identifier else None)
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "identifier": self.identifier}

    def validate(self, value, model_instance) -> None:
        super().validate(value, model_instance)
        if value and (fault := readings.identifier_fault(self.identifier, value)):
            raise ValidationError(f"{self.verbose_name}: {fault}.")


def validate_zone(name: str) -> None:
    """Refuse what is not an IANA zone."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"“{name}” is not an IANA time zone; write e.g. America/Chicago.")


def system_zone() -> str:
    """The zone of a device that names none."""
    from django.conf import settings

    return settings.TIME_ZONE


class DeviceClass(models.Model):
    """A type of meter, with the channels and registers that a device of it gets."""

    code = IdentifierField(identifier="device_class", unique=True)
    name = models.CharField(max_length=60, blank=True)
    manufacturer = models.CharField(max_length=60, blank=True)

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "device classes"

    def __str__(self) -> str:
        return self.code


class ChannelTemplate(models.Model):
    """One channel that devices of a class are given."""

    device_class = models.ForeignKey(DeviceClass, models.CASCADE, related_name="channels")
    number = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(999)]
    )
    unit = models.CharField(max_length=6, choices=UNIT_CHOICES)
    flow = models.CharField(max_length=3, choices=FLOW_CHOICES, default="DEL")
    seconds = models.PositiveIntegerField(choices=SECONDS_CHOICES, default=900)
    value_type = models.CharField(max_length=1, choices=VALUE_TYPE_CHOICES, default="U")
    resolution = models.DecimalField(max_digits=18, decimal_places=9, default=Decimal("0.001"))
    by_default = models.BooleanField(
        default=True, help_text="Off: made only when a file brings such a channel."
    )

    class Meta:
        ordering = ["device_class", "number"]
        constraints = [
            models.UniqueConstraint(fields=["device_class", "number"], name="channel_template"),
            models.CheckConstraint(
                condition=Q(resolution__gt=0), name="channel_template_resolution"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.unit} {self.flow}"


class RegisterTemplate(models.Model):
    """One register that devices of a class show."""

    device_class = models.ForeignKey(DeviceClass, models.CASCADE, related_name="registers")
    number = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(999)]
    )
    register_class = models.CharField(
        max_length=4, choices=_choices(readings.REGISTER_CLASSES), default="SUM"
    )
    unit = models.CharField(max_length=6, choices=UNIT_CHOICES)
    flow = models.CharField(max_length=3, choices=FLOW_CHOICES, default="DEL")
    rate = models.CharField(max_length=1, choices=RATE_CHOICES, default="T")
    dials = models.PositiveSmallIntegerField(null=True, blank=True)
    decimals = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["device_class", "number"]
        constraints = [
            models.UniqueConstraint(fields=["device_class", "number"], name="register_template")
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.register_class} {self.unit} {self.flow} {self.rate}"


class Device(DeviceRecord):
    """A meter. Never deleted: an unprovisioned device keeps its history."""

    class State(models.TextChoices):
        PLACED = "placed", "Placed"
        PROVISIONED = "provisioned", "Provisioned"
        UNPROVISIONED = "unprovisioned", "Unprovisioned"

    device_id = IdentifierField("device", identifier="device_id", unique=True)
    meter_number = IdentifierField(identifier="meter_number", db_index=True)
    serial_number = IdentifierField(identifier="serial_number", blank=True, db_index=True)
    device_class = models.ForeignKey(
        DeviceClass, models.PROTECT, related_name="devices", db_index=False
    )
    time_zone = models.CharField(max_length=40, default=system_zone, validators=[validate_zone])
    state = models.CharField(max_length=13, choices=State, default=State.PLACED)
    notes = models.CharField(max_length=255, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    # When the last change by a form or an import took effect; empty: not known.
    changed_at = models.DateTimeField(null=True, blank=True, editable=False)

    history = HistoricalRecords(excluded_fields=["pin"])

    class Meta:
        ordering = ["device_id"]
        indexes = [
            # Filtered lists, page by page in the order of the device id.
            models.Index(fields=["state", "device_id"], name="device_state"),
            models.Index(fields=["device_class", "device_id"], name="device_of_class"),
            # Exports ask which devices ended within a period: few.
            models.Index(fields=["ended"], condition=Q(ended__isnull=False), name="device_ended"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["meter_number"],
                condition=~Q(state="unprovisioned"),
                name="meter_number_of_active_devices",
            ),
            models.CheckConstraint(
                condition=Q(ended=None) | Q(state="unprovisioned"), name="active_devices_go_on"
            ),
        ]

    def __str__(self) -> str:
        return self.device_id


class Installation(models.Model):
    """Where a device hung from one instant to another, and for whom it measured."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="installations")
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True, help_text="Empty: still there.")
    service_point_id = IdentifierField(identifier="service_point_id", blank=True, db_index=True)
    account_id = IdentifierField(identifier="account_id", blank=True, db_index=True)
    premise_id = IdentifierField(identifier="premise_id", blank=True, db_index=True)
    transformer_id = IdentifierField(identifier="transformer_id", blank=True, db_index=True)
    feeder_id = IdentifierField(identifier="feeder_id", blank=True, db_index=True)
    multiplier = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(1))

    class Meta:
        ordering = ["device", "valid_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=Q(valid_to=None), name="one_open_installation"
            ),
            models.UniqueConstraint(fields=["device", "valid_from"], name="installation_start"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                name="installation_period",
            ),
            models.CheckConstraint(condition=Q(multiplier__gt=0), name="installation_multiplier"),
        ]

    def __str__(self) -> str:
        return f"{self.service_point_id or 'no service point'} from {self.valid_from:%F}"


class FunctionalGroup(models.Model):
    """A set of devices with a purpose; bill cycles are the ones a device has one of at a time."""

    class Kind(models.TextChoices):
        GENERAL = "GENERAL", "General"
        BILL_CYCLE = "BILL_CYCLE", "Bill cycle"

    code = IdentifierField(identifier="group_code", unique=True)
    name = models.CharField(max_length=40, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.GENERAL)
    description = models.CharField(max_length=255, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class Membership(models.Model):
    """A device's stay in a group, from one instant to another."""

    device = models.ForeignKey(Device, models.CASCADE, related_name="memberships")
    group = models.ForeignKey(FunctionalGroup, models.PROTECT, related_name="memberships")
    # The group's kind, repeated so that the database itself can keep bill cycles single.
    kind = models.CharField(max_length=10, choices=FunctionalGroup.Kind, editable=False)
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["device", "valid_from"]
        indexes = [models.Index(fields=["group", "device"], name="membership_group")]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "group"], condition=Q(valid_to=None), name="one_open_membership"
            ),
            models.UniqueConstraint(
                fields=["device"],
                condition=Q(valid_to=None, kind="BILL_CYCLE"),
                name="one_open_bill_cycle",
            ),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_to__gt=F("valid_from")),
                name="membership_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.group} from {self.valid_from:%F}"

    def save(self, *args, **kwargs) -> None:
        self.kind = self.group.kind
        super().save(*args, **kwargs)


class ChannelFrozen(ValidationError):
    """An edit of what a channel's readings depend on."""


class ChannelQuerySet(models.QuerySet):
    def update(self, **kwargs) -> int:
        frozen = sorted(set(kwargs) & set(Channel.FROZEN))
        if frozen:
            raise ChannelFrozen(f"A channel's {', '.join(frozen)} cannot be edited in bulk.")
        return super().update(**kwargs)


class Channel(models.Model):
    """One measured quantity of a device, for as long as it is measured in one and the same way.

    A change in the field closes the channel and opens a new era of the same number
    (`services.channel_change`); the readings of the old era keep their meaning.
    """

    FROZEN = (
        *("device", "device_id", "number", "unit", "flow", "seconds", "value_type", "resolution"),
        *("grid_offset", "zone", "multiplier", "multiplier_applied"),
    )

    device = models.ForeignKey(Device, models.CASCADE, related_name="channels")
    number = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(1), MaxValueValidator(999)]
    )
    unit = models.CharField(max_length=6, choices=UNIT_CHOICES)
    flow = models.CharField(max_length=3, choices=FLOW_CHOICES, default="DEL")
    seconds = models.PositiveIntegerField(choices=SECONDS_CHOICES)
    value_type = models.CharField(max_length=1, choices=VALUE_TYPE_CHOICES)
    resolution = models.DecimalField(
        max_digits=18,
        decimal_places=9,
        default=Decimal("0.001"),
        help_text="The engineering value of one count.",
    )
    grid_offset = models.IntegerField(
        help_text="Seconds from UTC of the days that readings are kept by; frozen at creation."
    )
    zone = models.CharField(
        max_length=40, blank=True, help_text="One-day channels only: whose local dates they follow."
    )
    multiplier = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Empty: the multiplier of the installation, already applied.",
    )
    multiplier_applied = models.BooleanField(default=True)
    valid_from = models.DateTimeField(null=True, blank=True, help_text="Empty: from the beginning.")
    valid_to = models.DateTimeField(null=True, blank=True, help_text="Empty: the present era.")

    objects = ChannelQuerySet.as_manager()

    class Meta:
        ordering = ["device", "number", F("valid_from").asc(nulls_first=True)]
        indexes = [
            # Few channels have a beginning or an end; runs ask for those apart.
            models.Index(
                fields=["device"],
                condition=Q(valid_from__isnull=False) | Q(valid_to__isnull=False),
                name="channel_eras",
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["device", "number"], condition=Q(valid_to=None), name="one_open_channel"
            ),
            models.CheckConstraint(condition=Q(resolution__gt=0), name="channel_resolution"),
            models.CheckConstraint(
                condition=Q(valid_to=None) | Q(valid_from=None) | Q(valid_to__gt=F("valid_from")),
                name="channel_period",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.unit} {self.flow}"

    def save(self, *args, **kwargs) -> None:
        if self.pk and not self._state.adding:
            stored = Channel.objects.filter(pk=self.pk).values(*self.FROZEN).get()
            for name in self.FROZEN:
                if getattr(self, name if name != "device" else "device_id") != stored[name]:
                    raise ChannelFrozen(
                        f"Channel {self}: {name} cannot be edited; its readings depend on it. "
                        "Change the channel instead: that opens a new era."
                    )
        super().save(*args, **kwargs)

    @property
    def slots(self) -> int:
        """Slots of one stored day."""
        return readings.DAY // self.seconds


def local_now():
    """The default start of something that begins by being entered."""
    return timezone.now().replace(microsecond=0)
