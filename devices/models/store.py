"""The store: batches, the journal, blocks folded from it. Written only by `devices.journal`.

`number` rises in commit order; a reading "as of N" sees what batches numbered ≤ N brought.
Foreign keys of the large tables carry no database constraint: the journal is appended under one
lock, and nothing may make it wait there.
"""

from django.db import models
from django.db.models.functions import Coalesce

from devices.models.access import ApiKey
from devices.models.inventory import Channel, Device


class Batch(models.Model):
    """One delivery of readings, stored whole before it is acknowledged."""

    number = models.BigIntegerField(null=True, unique=True, editable=False)
    api_key = models.ForeignKey(ApiKey, models.PROTECT, null=True, blank=True)
    key = models.CharField("idempotency key", max_length=200, null=True, blank=True)  # noqa: DJ001
    body_hash = models.BinaryField(max_length=32)
    answer = models.TextField(blank=True)
    source = models.CharField(max_length=10)
    received = models.DateTimeField(db_index=True)
    devices = models.PositiveIntegerField(default=0)
    intervals = models.PositiveIntegerField(default=0)
    registers = models.PositiveIntegerField(default=0)
    events = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    body = models.BinaryField(null=True, editable=False)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["source", "-id"], name="batch_source")]
        constraints = [
            models.UniqueConstraint(
                Coalesce("api_key", models.Value(0, models.BigIntegerField())),
                "key",
                name="batch_key_per_api_key",
            )
        ]

    def __str__(self) -> str:
        return f"batch {self.number or self.pk}"


class JournalEntry(models.Model):
    """A run of slots of one channel-day as it arrived; never changed.

    `counts` and `status` are packed as `devices.blocks` says. `month` (first day of the month of
    receipt) is the partition key on PostgreSQL.
    """

    pk = models.CompositePrimaryKey("batch_id", "seq", "month")
    batch = models.ForeignKey(Batch, models.DO_NOTHING, db_constraint=False, db_index=False)
    seq = models.IntegerField()
    month = models.DateField()
    channel = models.ForeignKey(Channel, models.DO_NOTHING, db_constraint=False, db_index=False)
    day = models.DateField()
    first_slot = models.SmallIntegerField()
    counts = models.BinaryField()
    status = models.BinaryField()

    class Meta:
        indexes = [models.Index(fields=["channel", "day", "batch"], name="journal_channel_day")]
        verbose_name_plural = "journal entries"

    def __str__(self) -> str:
        return f"{self.batch_id}/{self.seq}"


class ChannelDay(models.Model):
    """A channel's day: packed counts, status, the winning batch number and revision of each slot.

    Packing: `devices.blocks`. `folded_to`: every batch numbered at most so is in it.
    """

    pk = models.CompositePrimaryKey("channel_id", "day")
    channel = models.ForeignKey(
        Channel, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    day = models.DateField()
    counts = models.BinaryField()
    status = models.BinaryField()
    numbers = models.BinaryField()
    revisions = models.BinaryField()
    folded_to = models.BigIntegerField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.channel_id} {self.day}"


class IntervalBlock(ChannelDay):
    """What stands for a channel-day. Written only by the fold, by upsert; never saved."""

    class Meta:
        indexes = [models.Index(fields=["day"], name="block_day")]


class BaseBlock(ChannelDay):
    """Where refolding a channel-day starts once purge has replaced its oldest entries."""


class RegisterEntry(models.Model):
    """A register read as it arrived; never changed. `values` is JSON (devices.registers)."""

    batch = models.ForeignKey(Batch, models.DO_NOTHING, db_constraint=False)
    device = models.ForeignKey(Device, models.DO_NOTHING, db_constraint=False, db_index=False)
    read_type = models.CharField(max_length=3)
    time = models.DateTimeField()
    head = models.TextField(default="{}")
    values = models.TextField()

    class Meta:
        verbose_name_plural = "register entries"
        indexes = [models.Index(fields=["device", "time"], name="register_entry")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.read_type} {self.time:%FT%TZ}"


class RegisterSnapshot(models.Model):
    """A version of a register read: all its values as they stood from batch `number` on."""

    device = models.ForeignKey(
        Device, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+"
    )
    read_type = models.CharField(max_length=3)
    time = models.DateTimeField()
    number = models.BigIntegerField(db_index=True)
    revision = models.PositiveIntegerField(default=0)
    head = models.TextField(default="{}")
    values = models.TextField()
    quality = models.CharField(max_length=1, default="A")  # the worst letter of its values

    class Meta:
        verbose_name = "register read"
        constraints = [
            models.UniqueConstraint(
                fields=["device", "time", "read_type", "number"], name="register_version"
            )
        ]
        indexes = [
            # The list of reads, newest first, whole or by what it is filtered by.
            models.Index(fields=["time", "id"], name="snapshot_time"),
            models.Index(fields=["read_type", "time", "id"], name="snapshot_type"),
            models.Index(
                fields=["quality", "time", "id"],
                condition=~models.Q(quality="A"),
                name="snapshot_quality",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.read_type} {self.time:%FT%TZ}"


class Watermark(models.Model):
    """How far a reader of the journal has come: every number up to `number` is done."""

    name = models.CharField(max_length=20, primary_key=True)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


class Arrived(models.Model):
    """What the batches numbered up to `number` brought together; one row, whose sums only rise."""

    number = models.BigIntegerField(default=0)
    batches = models.BigIntegerField(default=0)
    intervals = models.BigIntegerField(default=0)
    registers = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "arrived"

    def __str__(self) -> str:
        return f"up to {self.number}"


class Quarantined(models.Model):
    """What an unknown meter sent, kept until an operator releases or discards it."""

    class State(models.TextChoices):
        HELD = "held", "Held"
        RELEASED = "released", "Released"
        DISCARDED = "discarded", "Discarded"

    batch = models.ForeignKey(Batch, models.CASCADE, related_name="quarantine")
    device = models.CharField(max_length=64, db_index=True)
    code = models.CharField(max_length=30)
    message = models.CharField(max_length=255)
    payload = models.BinaryField()
    received = models.DateTimeField()
    state = models.CharField(max_length=9, choices=State, default=State.HELD)
    released_as = models.ForeignKey(
        Batch, models.SET_NULL, null=True, blank=True, related_name="released_from"
    )
    decided_by = models.CharField(max_length=150, blank=True)
    decided = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "quarantined meter"
        indexes = [models.Index(fields=["state", "-id"], name="quarantine_state")]

    def __str__(self) -> str:
        return self.device
