"""Message routes: which events go into which MRC file, and the records of each."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from devices.models import FunctionalGroup
from devices.models.inventory import validate_zone
from events.models.catalogue import EventType
from events.models.event import Event
from events.models.readers import Position
from exports.formats import mrc

MOMENTARY_MAX = 3600


class Selecting(models.Model):
    """A choice of events by type, category and severity (`events.rules.Selection`)."""

    mnemonics = models.ManyToManyField(
        EventType,
        blank=True,
        related_name="+",
        verbose_name="event types",
        help_text="These, whatever their category and severity.",
    )
    categories = models.JSONField(default=list, blank=True)
    severities = models.JSONField(
        default=list, blank=True, help_text="With categories: of these categories only."
    )
    groups = models.ManyToManyField(
        FunctionalGroup, blank=True, related_name="+", help_text="Empty: all devices."
    )

    class Meta:
        abstract = True


class Route(Selecting, Position):
    """A consumer's MRC file, and which events go into it.

    `sequence` is the last one given. The position is how far the events have been looked at.
    """

    class Rotation(models.TextChoices):
        NEVER = "never", "Never"
        DAILY = "daily", "Daily at midnight"
        SIZE = "size", "By size"

    class LineEnd(models.TextChoices):
        CRLF = "CRLF", "CR LF"
        LF = "LF", "LF"

    class Late(models.TextChoices):
        WRITE = "write", "Write as they are"
        OTHER = "other", "Write with the word “Other”, so that they open no outage"
        LEAVE_OUT = "leave_out", "Leave out"

    name = models.CharField(max_length=30, unique=True)
    active = models.BooleanField(
        default=True, help_text="Events that arrive while it is off are not written later."
    )
    catalogue_default = models.BooleanField(
        "default selection",
        default=False,
        help_text="Every event type that the catalogue routes by default: outages, power quality.",
    )
    rotation = models.CharField(max_length=5, choices=Rotation, default=Rotation.NEVER)
    rotate_bytes = models.PositiveBigIntegerField(
        "largest size (bytes)",
        default=100_000_000,
        validators=[MinValueValidator(mrc.LENGTH + 2)],
        help_text="For rotation by size.",
    )
    line_end = models.CharField(max_length=4, choices=LineEnd, default=LineEnd.CRLF)
    zone = models.CharField(
        "time zone",
        max_length=40,
        blank=True,
        validators=[validate_zone],
        help_text="Of the times in the file. Empty: each device’s own.",
    )
    momentary_seconds = models.PositiveIntegerField(
        "momentary hold (s)",
        default=0,
        validators=[MaxValueValidator(MOMENTARY_MAX)],
        help_text="An outage waits so long; restored by then, both become one PWR_MOMENTARY. "
        "0: nothing waits.",
    )
    late = models.CharField(
        "events from a meter’s log", max_length=9, choices=Late, default=Late.WRITE
    )
    sequence = models.BigIntegerField(default=0, editable=False)
    day = models.DateField(null=True, editable=False, help_text="Local day of the current file.")
    problem = models.CharField(max_length=255, blank=True, editable=False)
    problem_since = models.DateTimeField(null=True, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "message route"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        from events.mrc import file_name

        taken = Route.objects.exclude(pk=self.pk).values_list("name", flat=True)
        if file_name(self.name) in map(file_name, taken):
            raise ValidationError({"name": "Another route writes to a file of that name."})


class RouteRecord(models.Model):
    """A record of a route: its row comes first, then the line in the file.

    A refused event has no sequence and no line. `received` is when its event arrived.
    """

    class State(models.TextChoices):
        PENDING = "p", "Waiting for the file"
        DONE = "d", "Written"
        REFUSED = "r", "Refused"

    route = models.ForeignKey(Route, models.CASCADE, related_name="records", db_index=False)
    sequence = models.BigIntegerField(null=True)
    event = models.ForeignKey(Event, models.DO_NOTHING, db_constraint=False, related_name="records")
    resent = models.BooleanField(default=False)
    state = models.CharField(max_length=1, choices=State)
    line = models.BinaryField(default=b"")
    received = models.DateTimeField()
    reason = models.CharField(max_length=255, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["route", "sequence"], name="route_sequence"),
            models.UniqueConstraint(
                fields=["route", "event"], condition=Q(resent=False), name="route_event_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["route", "sequence"], condition=Q(state="p"), name="route_pending"
            ),
            models.Index(fields=["route", "received"], name="route_received"),
        ]

    def __str__(self) -> str:
        return f"{self.route_id}/{self.sequence}"


class Held(models.Model):
    """An outage that waits whether it will prove momentary."""

    route = models.ForeignKey(Route, models.CASCADE, related_name="held")
    event = models.ForeignKey(Event, models.DO_NOTHING, db_constraint=False, related_name="+")
    device = models.BigIntegerField()
    until = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["route", "event"], name="held_once")]

    def __str__(self) -> str:
        return f"{self.event_id} until {self.until:%FT%TZ}"
