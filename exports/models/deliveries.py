"""Where finished files go, and each file's way there."""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q

from devices.leases import Leased
from devices.models.inventory import IdentifierField


class Destination(models.Model):
    """A receiver's place for files. A directory lies below one of TMS_DELIVERY_ROOTS."""

    class Kind(models.TextChoices):
        DIRECTORY = "directory", "Directory"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.DIRECTORY)
    receiver = IdentifierField(
        "receiver's code",
        identifier="sender_code",
        blank=True,
        help_text="Who they are, in files that name their receiver.",
    )
    path = models.CharField(
        "directory", max_length=400, help_text="An absolute path below the permitted ones."
    )
    ok_file = models.BooleanField(
        "trigger file",
        default=False,
        help_text="After each file, a file of its name and “.ok” with its size and SHA-256.",
    )
    active = models.BooleanField(default=True, help_text="Off: files wait here.")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if fault := directory_fault(self.path):
            raise ValidationError({"path": fault})


def directory_fault(path: str) -> str:
    """Why files may not be put into a directory, or an empty string.

    The path is resolved first, so no `..` and no link leads out of the permitted directories.
    """
    roots = [Path(root).resolve() for root in settings.TMS_DELIVERY_ROOTS]
    if not path.startswith("/") or "\0" in path:
        return "Write an absolute path."
    target = Path(path).resolve()
    if not any(target == root or root in target.parents for root in roots):
        return f"The directory must lie below {' or '.join(map(str, roots))}."
    return ""


class Delivery(Leased):
    """One file on its way to one destination. The row stands before the file is sent."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    file = models.ForeignKey("exports.RunFile", models.CASCADE, related_name="deliveries")
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    due = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=500, blank=True)
    created = models.DateTimeField(auto_now_add=True)
    delivered = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["due"], condition=Q(state="waiting"), name="delivery_waiting"),
            models.Index(fields=["state", "-id"], name="delivery_state"),
        ]

    def __str__(self) -> str:
        return f"{self.file} to {self.destination}"
