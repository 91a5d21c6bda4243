"""Who may feed and read the house, and which of its processes are alive."""

from django.db import models
from django.utils import timezone


class ApiKey(models.Model):
    """A key of the HTTP interface. Only its hash is kept; it is shown once, when made."""

    class Scope(models.TextChoices):
        INGEST = "ingest", "Ingest: post batches"
        READ = "read", "Read: devices, readings, events"
        EXPORT = "export", "Export: start runs, fetch files"

    name = models.CharField(max_length=60, unique=True)
    prefix = models.CharField(max_length=12, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    groups = models.ManyToManyField(
        "devices.FunctionalGroup",
        blank=True,
        help_text="Empty: all devices; else only devices of these groups.",
    )
    created = models.DateTimeField(default=timezone.now, editable=False)
    last_used = models.DateTimeField(null=True, blank=True, editable=False)
    revoked = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """When a process of the house last showed itself.

    `scheduler`, `worker` (any of them), and each worker as `worker:host:process`.
    """

    name = models.CharField(max_length=120, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {self.at:%FT%TZ}"
