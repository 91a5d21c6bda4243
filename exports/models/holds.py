"""What the quality gate holds back: a meter of a run, or a run; until it is released."""

from django.db import models
from django.db.models import Q

from devices.models import Device
from exports.models.definitions import ExportDefinition
from exports.models.runs import ExportRun


class Hold(models.Model):
    """A meter that was held out of a run, or, without a device, a run that is held as a whole.

    `start` and `end` are the run's period. A since-last export has at most one open row a meter:
    `run` is the newest one that the meter fell short of.
    """

    class State(models.TextChoices):
        HELD = "held", "Held"
        RELEASED = "released", "Released, to be sent"
        SENT = "sent", "Released and sent"
        PASSED = "passed", "Passed by itself"
        REPLACED = "replaced", "Replaced by a newer run"
        DROPPED = "dropped", "Discarded"

    OPEN = (State.HELD, State.RELEASED)

    definition = models.ForeignKey(ExportDefinition, models.CASCADE, related_name="holds")
    run = models.ForeignKey(ExportRun, models.CASCADE, related_name="holds")
    device = models.ForeignKey(Device, models.CASCADE, null=True, blank=True, related_name="+")
    start = models.DateTimeField()
    end = models.DateTimeField()
    readings = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    estimated = models.PositiveBigIntegerField(default=0)
    questionable = models.PositiveBigIntegerField(default=0)
    reasons = models.CharField("why", max_length=300)
    state = models.CharField(max_length=8, choices=State, default=State.HELD)
    created = models.DateTimeField("held since", auto_now_add=True)
    note = models.TextField(blank=True)
    decided_by = models.CharField("released by", max_length=150, blank=True)
    decided = models.DateTimeField("released", null=True, blank=True)
    sent_in = models.ForeignKey(
        ExportRun, models.SET_NULL, null=True, blank=True, related_name="released"
    )

    class Meta:
        ordering = ["-id"]
        verbose_name = "held meter or run"
        verbose_name_plural = "held meters and runs"
        indexes = [
            models.Index(fields=["state", "-id"], name="hold_state"),
            models.Index(fields=["definition", "state", "device"], name="hold_definition"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "device"], condition=Q(device__isnull=False), name="hold_of_a_meter"
            ),
            models.UniqueConstraint(
                fields=["run"], condition=Q(device__isnull=True), name="hold_of_a_run"
            ),
        ]

    def __str__(self) -> str:
        return self.device.device_id if self.device else f"Run {self.run.batch_id}"
