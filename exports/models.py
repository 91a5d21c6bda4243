"""Runs and the files they made: the row stands before the file does."""

from django.conf import settings
from django.db import models

from exports.formats.context import MODES


class ExportRun(models.Model):
    """One export: everything it read is as of `horizon`, everything it stamps is frozen here."""

    class State(models.TextChoices):
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        EMPTY = "empty", "Done, nothing to send"
        FAILED = "failed", "Failed"

    format = models.CharField(max_length=20)
    name = models.CharField(max_length=30, blank=True)
    options = models.JSONField(default=dict)
    selection = models.JSONField(default=dict)
    start = models.DateTimeField()
    end = models.DateTimeField()
    zone = models.CharField(max_length=40, blank=True, help_text="Empty: each device's own.")
    mode = models.CharField(max_length=2, choices=MODES, default="OR")
    # 14 digits, UTC creation time, strictly rising per installation.
    batch_id = models.CharField(max_length=14, unique=True)
    horizon = models.BigIntegerField()
    created = models.DateTimeField()
    finished = models.DateTimeField(null=True, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    meters = models.PositiveIntegerField(default=0)
    records = models.PositiveBigIntegerField(default=0)
    intervals = models.PositiveBigIntegerField(default=0)
    registers = models.PositiveBigIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    warnings = models.JSONField(default=list)
    error = models.TextField(blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name = "run"

    def __str__(self) -> str:
        return f"{self.format} {self.batch_id}"


class RunFile(models.Model):
    """A file of a run; name, size and hash are reserved before it appears under its name."""

    run = models.ForeignKey(ExportRun, models.CASCADE, related_name="files")
    position = models.PositiveIntegerField(default=1)
    path = models.CharField(max_length=500)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    published = models.BooleanField(default=False)

    class Meta:
        ordering = ["run", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="run_file_position")
        ]

    def __str__(self) -> str:
        return self.path
