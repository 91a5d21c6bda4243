"""Conditions with a beginning and an end: outages first of all."""

from django.db import models
from django.db.models import Q

from devices.models import Device
from events.models.catalogue import Category, EventType


class Incident(models.Model):
    """A condition of a device from the event that set it to the one that cleared it.

    What the module and the meter's log both tell of an outage is one incident. Events are named
    by number, without a constraint.
    """

    device = models.ForeignKey(
        Device, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="incidents"
    )
    type = models.ForeignKey(
        EventType, models.PROTECT, db_constraint=False, db_index=False, related_name="+"
    )
    category = models.CharField(max_length=4, choices=Category)
    began = models.DateTimeField()
    began_event = models.BigIntegerField(null=True)
    ended = models.DateTimeField(null=True, blank=True)
    ended_event = models.BigIntegerField(null=True)
    duration = models.PositiveBigIntegerField("duration (s)", null=True, blank=True)
    momentary = models.BooleanField(default=False)
    closed_by = models.CharField(max_length=150, blank=True)
    # Where the device hung when it began.
    feeder_id = models.CharField("feeder", max_length=12, blank=True)
    transformer_id = models.CharField("transformer", max_length=16, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["device", "began"], name="incident_device"),
            models.Index(fields=["category", "began"], name="incident_category"),
            models.Index(fields=["category", "ended"], name="incident_ended"),
            models.Index(
                fields=["category", "device"], condition=Q(ended=None), name="incident_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} from {self.began:%FT%TZ}"

    @property
    def duration_words(self) -> str:
        """How long it lasted, for a reader; empty while it is open."""
        if self.duration is None:
            return ""
        minutes, seconds = divmod(self.duration, 60)
        hours, minutes = divmod(minutes, 60)
        if hours:
            return f"{hours} h {minutes:02} min"
        return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
