"""What happened at the devices, as it arrived."""

from django.db import models
from django.db.models import Q

from devices.models import Batch, Device
from events import checks, codes
from events.models.catalogue import Category, EventType, Severity

TWIN_WIDTH = 60


class Event(models.Model):
    """Something that happened at a device, kept once however often it was reported.

    Written by `services.batch_events_store`; what TMS itself raises has no batch. Never changed,
    but for a twin that is noted and a type that an operator maps. Category and severity are those
    of the type when the event arrived. Foreign keys carry no database constraint: a storm is
    stored by the hundred thousand. Two reports are one event when device, time, type and
    `identity` agree (`services.identity_of`).
    """

    class Replay(models.TextChoices):
        LIVE = "", "Live"
        LATE = "D", "Read later from the meter's log"
        RESENT = "R", "Sent again by an operator"

    device = models.ForeignKey(
        Device, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="events"
    )
    type = models.ForeignKey(
        EventType, models.PROTECT, db_constraint=False, db_index=False, related_name="events"
    )
    batch = models.ForeignKey(
        Batch, models.DO_NOTHING, db_constraint=False, related_name="event_rows", null=True
    )
    time = models.DateTimeField(help_text="When it happened; of receipt when that is not known.")
    time_valid = models.BooleanField(default=True)
    received = models.DateTimeField()
    identity = models.BigIntegerField(default=0, editable=False)
    origin = models.CharField(max_length=1, choices=list(codes.ORIGINS.items()))
    native = models.PositiveIntegerField("native code", null=True)
    iec_code = models.CharField("IEC code", max_length=15, blank=True)
    category = models.CharField(max_length=4, choices=Category)
    severity = models.CharField(max_length=1, choices=Severity)
    event_id = models.CharField("sender's id", max_length=checks.ID_WIDTH, blank=True)
    phases = models.CharField(max_length=len(codes.PHASES), blank=True)
    value = models.DecimalField(
        max_digits=14, decimal_places=checks.VALUE_DECIMALS, null=True, blank=True
    )
    unit = models.CharField(max_length=checks.UNIT_WIDTH, blank=True)
    duration = models.PositiveIntegerField("duration (s)", null=True, blank=True)
    text = models.CharField(max_length=checks.TEXT_WIDTH, blank=True)
    replay = models.CharField(max_length=1, choices=Replay, blank=True)
    twin = models.CharField(
        max_length=TWIN_WIDTH,
        blank=True,
        help_text="What the module and the meter's log both reported: origin, code and time "
        "of the report that came second.",
    )

    class Meta:
        constraints = [
            # Also the index of a device's events by time.
            models.UniqueConstraint(
                fields=["device", "time", "type", "identity"], name="event_once"
            ),
            # Without a time of its own an event is told from others by its sender's id.
            models.UniqueConstraint(
                fields=["device", "event_id", "type"],
                condition=Q(time_valid=False) & ~Q(event_id=""),
                name="timeless_event_once",
            ),
        ]
        # Lists go by arrival, newest first; a period of receipt becomes a range of keys.
        indexes = [
            models.Index(fields=["received", "id"], name="event_received"),
            models.Index(fields=["category", "id"], name="event_category"),
            models.Index(fields=["severity", "id"], name="event_severity"),
        ]

    def __str__(self) -> str:
        return f"{self.time:%FT%TZ} event {self.pk}"

    @property
    def value_words(self) -> str:
        """Value and unit for a reader; empty without a value."""
        return "" if self.value is None else f"{self.value.normalize():f} {self.unit}".rstrip()
