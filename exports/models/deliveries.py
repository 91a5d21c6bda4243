"""Each file's way to each destination."""

import uuid

from django.db import models
from django.db.models import Q

from devices.leases import Leased
from exports.models.destinations import Destination


class Delivery(Leased):
    """One file on its way to one destination. The row stands before the file is sent.

    `drafts`: temporary names that attempts took and may have left behind.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"

    file = models.ForeignKey("exports.RunFile", models.CASCADE, related_name="deliveries")
    destination = models.ForeignKey(Destination, models.PROTECT, related_name="deliveries")
    state = models.CharField(max_length=9, choices=State, default=State.WAITING)
    due = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    drafts = models.JSONField(default=list, editable=False)
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

    @property
    def next_try(self):
        """When it is tried next, as far as is known; None: it ended, or waits for somebody."""
        place = self.destination
        if self.state != self.State.WAITING or not place.active:
            return None
        if place.next_try is None:
            return None if place.paused else self.due
        return max(self.due, place.next_try)


class FileMail(models.Model):
    """A delivered file's mail to one address; the row, with its Message-ID, stands before it is
    handed over, so a repeat bears the same one."""

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"

    delivery = models.ForeignKey(Delivery, models.CASCADE, related_name="mails")
    address = models.CharField(max_length=254)
    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=6, choices=State, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    words = models.CharField(max_length=255, blank=True, help_text="The mail server's own.")
    sent = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "address"], name="file_mail_once")
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.state}"
