"""Files of readings that partners drop: how each folder is read, and what was taken from it."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q

from devices.leases import Leased
from devices.models import DeviceClass
from devices.models.inventory import validate_zone
from devices.readings import SOURCES

JSON = "json"


class ReaderSetting(models.Model):
    """How files in `inbox/reads/<format>` are read; a folder without a row is read as by default.

    `options`: the reader's own, by name, as given; see exports/formats/options.py.
    """

    class OnError(models.TextChoices):
        BATCH = "batch", "Take nothing of the file"
        METER = "meter", "Take the good meters"

    format = models.CharField(max_length=20, unique=True)
    active = models.BooleanField(default=True, help_text="Off: files stay in the folder.")
    source = models.CharField(
        max_length=12,
        blank=True,
        choices=[(word, word) for word in SOURCES],
        help_text="Where the readings come from. Empty: what the file says, else “imported”.",
    )
    on_error = models.CharField(
        "if something is wrong", max_length=5, choices=OnError, default=OnError.BATCH
    )
    provision = models.ForeignKey(
        DeviceClass,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="make unknown devices",
        help_text="Of this class, with the channels that the file has. Empty: they are refused.",
    )
    resolution = models.DecimalField(
        "resolution of channels that are made",
        max_digits=18,
        decimal_places=9,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="Where neither the class nor the file gives one. Empty: 0.001",
    )
    zone = models.CharField(
        "time zone",
        max_length=40,
        blank=True,
        validators=[validate_zone],
        help_text="Where neither the file nor the inventory gives one. Empty: the system's.",
    )
    options = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        ordering = ["format"]
        verbose_name = "reads inbox"
        verbose_name_plural = "reads inboxes"

    def __str__(self) -> str:
        return f"inbox/reads/{self.format}"


class InboxFile(Leased):
    """A file taken from a folder. The row stands before the file is moved out of it.

    `report`: the batch's answer as `ingest --json` gives it, with the reader's warnings. `kept`:
    where the file is put aside, below the data directory, known before it is moved there.
    """

    class State(models.TextChoices):
        TAKEN = "taken", "Being read"
        DONE = "done", "Done"
        PARTIAL = "partial", "Done in part"
        FAILED = "failed", "Failed"

    format = models.CharField(max_length=20)
    name = models.CharField(max_length=255)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64, blank=True)
    taken = models.DateTimeField()
    finished = models.DateTimeField(null=True)
    state = models.CharField(max_length=7, choices=State, default=State.TAKEN)
    tries = models.PositiveSmallIntegerField(default=0)
    batch = models.BigIntegerField(null=True)
    devices = models.PositiveIntegerField(default=0)
    intervals = models.PositiveBigIntegerField(default=0)
    registers = models.PositiveBigIntegerField(default=0)
    events = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    report = models.JSONField(default=dict)
    kept = models.CharField(max_length=400, blank=True)
    put_aside = models.BooleanField(default=False)

    class Meta:
        ordering = ["-id"]
        verbose_name = "file taken in"
        verbose_name_plural = "files taken in"
        indexes = [
            models.Index(fields=["id"], condition=Q(put_aside=False), name="inbox_open"),
            models.Index(fields=["state", "-id"], name="inbox_state"),
        ]

    def __str__(self) -> str:
        return self.name
