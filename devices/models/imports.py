"""Imports: the file, its rows as staged, and the change set that can be taken back.

A change set is kept by steps. A step is applied in one transaction: the whole import at once, or
some rows of one that goes row by row, or rows that were stored for later. Each device that a step
changes has its record before and after it, and its intervals (installations, memberships) as they
were and became.
"""

from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.leases import Leased
from devices.models.inventory import Device, FunctionalGroup, Installation
from devices.models.records import DeviceRecord


class ImportJob(Leased):
    """One file of one of the two interfaces; the row stands before anything is done with it."""

    class Kind(models.TextChoices):
        DEVICES = "devices", "Devices"
        GROUPS = "groups", "Groups"

    class State(models.TextChoices):
        UPLOADED = "uploaded", "Waiting to be read"
        READING = "reading", "Being read"
        PREVIEW = "preview", "Preview"
        QUEUED = "queued", "Waiting to be applied"
        APPLYING = "applying", "Being applied"
        APPLIED = "applied", "Applied"
        REFUSED = "refused", "Refused"
        CANCELLED = "cancelled", "Cancelled"
        UNDONE = "undone", "Undone"

    class Origin(models.TextChoices):
        PAGE = "page", "Page"
        COMMAND = "command", "Command"
        INBOX = "inbox", "Inbox folder"

    kind = models.CharField(max_length=7, choices=Kind)
    # 14 digits, UTC creation time, strictly rising per installation; the import's public number.
    batch = models.CharField("number", max_length=14, unique=True, editable=False)
    filename = models.CharField(max_length=255)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    origin = models.CharField(max_length=7, choices=Origin, default=Origin.PAGE)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created = models.DateTimeField()
    options = models.JSONField(default=dict)
    state = models.CharField(max_length=9, choices=State, default=State.UPLOADED)
    # Of the file, known once it is read.
    names = models.JSONField(default=list, help_text="The header's names.")
    delimiter = models.CharField(max_length=1, blank=True)
    moment = models.DateTimeField(null=True, blank=True, help_text="The time of the import.")
    held = models.BooleanField(default=False, help_text="A column may be mistyped: to confirm.")
    result = models.CharField(max_length=7, blank=True)
    code = models.CharField(max_length=5, blank=True)
    message = models.TextField(blank=True)
    counts = models.JSONField(default=dict)
    created_groups = models.JSONField(default=dict)
    # Of the work on it.
    steps = models.PositiveIntegerField(default=0)
    done_to = models.PositiveIntegerField(default=0, help_text="Row by row: the last row done.")
    progress = models.PositiveSmallIntegerField(default=0)
    cancel = models.BooleanField(default=False)
    tries = models.PositiveSmallIntegerField(default=0, editable=False)
    # Of what came of it.
    applied = models.DateTimeField(null=True, blank=True)
    applied_by = models.CharField(max_length=150, blank=True)
    undone = models.DateTimeField(null=True, blank=True)
    undone_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "import"
        indexes = [
            models.Index(
                fields=["state"],
                condition=Q(state__in=["uploaded", "reading", "queued", "applying"]),
                name="import_work",
            )
        ]

    def __str__(self) -> str:
        return f"{self.filename} ({self.batch})"


class ImportPiece(models.Model):
    """A piece of an uploaded file, encrypted (it may hold PINs), kept until it has been read."""

    job = models.ForeignKey(ImportJob, models.CASCADE, related_name="pieces")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="import_piece")]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"


# Of the staging tables, whose rows come by the hundred thousand, no key of the import is checked by
# the database, row by row: they are written under the import's lease, in a transaction that renews
# it, and go with it.
class ImportRow(models.Model):
    """A row of a file as staged: its cells, what it does, and what became of it."""

    class Status(models.TextChoices):
        STAGED = "", "As its import"
        APPLIED = "applied", "Applied when due"
        WAITING = "waiting", "Stored for later"
        REFUSED = "refused", "Refused when due"
        UNDONE = "undone", "Undone before it was due"

    pk = models.CompositePrimaryKey("job_id", "number")
    job = models.ForeignKey(
        ImportJob, models.CASCADE, related_name="rows", db_index=False, db_constraint=False
    )
    number = models.PositiveIntegerField()
    key = models.CharField("device", max_length=20, blank=True)
    kind = models.CharField(max_length=9)
    result = models.CharField(max_length=7)
    code = models.CharField(max_length=5, blank=True)
    message = models.TextField(blank=True)
    cells = models.TextField()
    changes = models.TextField(blank=True)
    danger = models.TextField(blank=True)
    due = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=7, blank=True, choices=Status, default=Status.STAGED)
    # The PIN in the row, which its cells show as ****; encrypted.
    secret = models.CharField(max_length=200, blank=True, editable=False)
    meter = models.CharField("meter number asked for", max_length=20, blank=True, editable=False)

    class Meta:
        ordering = ["job", "number"]
        indexes = [
            models.Index(fields=["job", "kind", "number"], name="import_row_kind"),
            models.Index(
                fields=["job", "number"], condition=~Q(danger=""), name="import_row_danger"
            ),
            models.Index(fields=["due"], condition=Q(status="waiting"), name="import_row_waiting"),
            models.Index(fields=["key"], condition=Q(status="waiting"), name="import_row_later"),
            models.Index(fields=["meter"], condition=Q(status="waiting"), name="import_row_meter"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} row {self.number}"


class ImportRecord(DeviceRecord):
    """A device's own columns before or after a step; `device` is its key once it has one."""

    BEFORE, AFTER = 0, 1

    job = models.ForeignKey(
        ImportJob, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    step = models.PositiveIntegerField()
    key = models.CharField(max_length=20)
    side = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    device = models.BigIntegerField(null=True)
    # What the step's statements ask for, so that they need not compare the sides.
    made = models.BooleanField(default=False, help_text="The step makes the device.")
    hands = models.BooleanField(default=False, help_text="Its meter number changes hands.")
    outfits = models.BooleanField(default=False, help_text="It gets the channels of its class.")
    meter_number = models.CharField(max_length=20)
    serial_number = models.CharField(max_length=24, blank=True)
    device_class = models.BigIntegerField()
    time_zone = models.CharField(max_length=40)
    state = models.CharField(max_length=13, choices=Device.State)
    notes = models.CharField(max_length=255, blank=True)
    changed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "step", "key", "side"], name="import_record")
        ]
        indexes = [
            models.Index(fields=["job", "meter_number"], name="import_record_meter"),
            # For the story of a device.
            models.Index(fields=["key"], condition=Q(side=1), name="import_record_key"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id}/{self.step} {self.key}"


class IntervalChange(models.Model):
    """An interval of a device as it was before a step and after; no start: it was not there."""

    job = models.ForeignKey(
        ImportJob, models.CASCADE, related_name="+", db_index=False, db_constraint=False
    )
    step = models.PositiveIntegerField()
    key = models.CharField(max_length=20)
    before_from = models.DateTimeField(null=True)
    before_to = models.DateTimeField(null=True)
    after_from = models.DateTimeField(null=True)
    after_to = models.DateTimeField(null=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.job_id}/{self.step} {self.key}"


class ImportPlace(IntervalChange):
    """An installation that a step began, ended or took away."""

    service_point_id = models.CharField(max_length=24, blank=True)
    account_id = models.CharField(max_length=20, blank=True)
    premise_id = models.CharField(max_length=24, blank=True)
    transformer_id = models.CharField(max_length=16, blank=True)
    feeder_id = models.CharField(max_length=12, blank=True)
    multiplier = Installation._meta.get_field("multiplier").clone()

    class Meta:
        indexes = [
            models.Index(fields=["job", "step", "key"], name="import_place"),
            models.Index(fields=["key"], name="import_place_key"),
        ]


class ImportStay(IntervalChange):
    """A membership that a step began, ended or took away."""

    group_code = models.CharField(max_length=12)
    kind = models.CharField(max_length=10, choices=FunctionalGroup.Kind)

    class Meta:
        indexes = [
            models.Index(fields=["job", "step", "key"], name="import_stay"),
            models.Index(fields=["key"], name="import_stay_key"),
        ]


class ImportConflict(models.Model):
    """A device that an undo left as it is, and why."""

    class Why(models.TextChoices):
        CHANGED = "changed", "Changed since"
        KEPT = "kept", "Has readings: unprovisioned instead of taken away"
        TAKEN = "taken", "Another device needs what it had"

    job = models.ForeignKey(ImportJob, models.CASCADE, related_name="conflicts", db_index=False)
    key = models.CharField("device", max_length=20)
    why = models.CharField(max_length=7, choices=Why)

    class Meta:
        ordering = ["key"]
        constraints = [models.UniqueConstraint(fields=["job", "key"], name="import_conflict")]

    def __str__(self) -> str:
        return f"{self.key}: {self.get_why_display()}"
