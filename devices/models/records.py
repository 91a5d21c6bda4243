"""What is recorded of a device beside its identifiers; also kept by imports, before and after."""

from django.db import models

from devices.imports import columns, kinds

COMM_CHOICES = [(code, code) for code in columns.COMM_TYPES]
PHASE_CHOICES = [(phase, phase) for phase in kinds.PHASES]


class DeviceRecord(models.Model):
    """What is recorded of a device beside its identifiers; a record only, nothing acts on it."""

    # Encrypted (devices.services.secrets); never shown, logged or exported.
    pin = models.CharField(max_length=200, blank=True, editable=False)
    comm_type = models.CharField("communication", max_length=5, blank=True, choices=COMM_CHOICES)
    comm_address = models.CharField("communication address", max_length=64, blank=True)
    address = models.CharField(max_length=80, blank=True)
    city = models.CharField(max_length=40, blank=True)
    region = models.CharField("state or region", max_length=20, blank=True)
    postal_code = models.CharField(max_length=12, blank=True)
    latitude = models.DecimalField(max_digits=10, decimal_places=8, null=True, blank=True)
    longitude = models.DecimalField(max_digits=11, decimal_places=8, null=True, blank=True)
    ct_ratio = models.DecimalField(
        "CT ratio", max_digits=12, decimal_places=4, null=True, blank=True
    )
    pt_ratio = models.DecimalField(
        "PT ratio", max_digits=12, decimal_places=4, null=True, blank=True
    )
    phase = models.CharField(max_length=3, blank=True, choices=PHASE_CHOICES)
    install_date = models.DateField(null=True, blank=True)
    removal_date = models.DateField(null=True, blank=True)
    schedule_profile = models.CharField(max_length=40, blank=True)
    provision_at = models.DateTimeField(
        "provisioning queued for", null=True, blank=True, editable=False
    )

    # Since when an unprovisioned device has been one: no file holds what it measured later.
    ended = models.DateTimeField("unprovisioned at", null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class ScheduleProfile(models.Model):
    """A provisioning profile by its name, as the field system knows it."""

    name = models.CharField(max_length=40, unique=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
