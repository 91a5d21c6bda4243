"""Alarm rules, what matched them, and the messages that tell people of it."""

import uuid

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email
from django.db import models
from django.db.models import Q
from django.utils import timezone

from devices.models import Device, DeviceClass
from devices.models.inventory import system_zone, validate_zone
from events import rules
from events.models.catalogue import Severity
from events.models.routes import Selecting

WEEK = 7 * 24 * 60


def address_list(text: str) -> list[str]:
    """The addresses of a text, by commas, semicolons, blanks or lines."""
    return text.replace(",", " ").replace(";", " ").split()


def validate_addresses(text: str) -> None:
    """Refuse what is no list of mail addresses."""
    for address in address_list(text):
        try:
            validate_email(address)
        except ValidationError as fault:
            raise ValidationError(f"“{address}” is not a mail address.") from fault


class AlarmRule(Selecting):
    """Which events people are told of by e-mail, whom, and how often.

    The one with `fallback` has no conditions: it hears of alarms that no other rule takes, and of
    those that a rule could not be evaluated for.
    """

    class Way(models.TextChoices):
        IMMEDIATE = "immediate", "At once"
        DIGEST = "digest", "In a digest"

    name = models.CharField(max_length=60, unique=True)
    active = models.BooleanField(default=True)
    fallback = models.BooleanField(default=False, editable=False)
    device_classes = models.ManyToManyField(
        DeviceClass, blank=True, related_name="+", help_text="Empty: all classes."
    )
    days = models.JSONField(default=list, blank=True, help_text="Empty: every day.")
    hours_from = models.TimeField(null=True, blank=True, help_text="Received from this time on …")
    hours_to = models.TimeField(null=True, blank=True, help_text="… until this; may pass midnight.")
    zone = models.CharField(
        "time zone", max_length=40, default=system_zone, validators=[validate_zone]
    )

    users = models.ManyToManyField(settings.AUTH_USER_MODEL, blank=True, related_name="+")
    user_groups = models.ManyToManyField(
        "auth.Group", blank=True, related_name="+", verbose_name="roles"
    )
    addresses = models.TextField(
        blank=True, validators=[validate_addresses], help_text="By commas or lines."
    )
    way = models.CharField("how", max_length=9, choices=Way, default=Way.IMMEDIATE)
    digest_minutes = models.PositiveIntegerField(
        "digest every (min)", default=60, validators=[MinValueValidator(1), MaxValueValidator(WEEK)]
    )
    repeat_minutes = models.PositiveIntegerField(
        "repeats suppressed for (min)",
        default=0,
        validators=[MaxValueValidator(WEEK)],
        help_text="The same event type of the same device. 0: none is.",
    )
    hourly_limit = models.PositiveIntegerField(
        "messages an hour",
        null=True,
        blank=True,
        default=12,
        validators=[MinValueValidator(2)],
        help_text="What is more comes as a summary with counts. Empty: no limit.",
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="Nothing is sent from …")
    quiet_to = models.TimeField(null=True, blank=True, help_text="… to; it comes afterwards.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["fallback"], condition=Q(fallback=True), name="one_fallback"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        for name in ("hours", "quiet"):
            one, two = getattr(self, f"{name}_from"), getattr(self, f"{name}_to")
            if (one is None) != (two is None):
                raise ValidationError({f"{name}_to": "Give both times or none."})


class SystemAlarm(models.Model):
    """Something is wrong with TMS itself. Open until it is cleared; then it may be raised anew."""

    code = models.CharField(max_length=16, choices=list(rules.SYSTEM_CODES.items()))
    key = models.CharField(max_length=120, blank=True)
    severity = models.CharField(max_length=1, choices=Severity)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    link = models.CharField(max_length=255, blank=True)
    raised = models.DateTimeField(default=timezone.now)
    seen = models.DateTimeField(default=timezone.now)
    times = models.PositiveIntegerField(default=1)
    cleared = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["code", "key"], condition=Q(cleared=None), name="system_alarm_open"
            )
        ]

    def __str__(self) -> str:
        return self.title


class Notification(models.Model):
    """A message to people about alarms; its row comes before anything is sent."""

    class Kind(models.TextChoices):
        ALARM = "alarm", "Alarm"
        SUMMARY = "summary", "Summary"
        DIGEST = "digest", "Digest"
        TEST = "test", "Test"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    rule = models.ForeignKey(
        AlarmRule, models.SET_NULL, null=True, related_name="notifications", db_index=False
    )
    kind = models.CharField(max_length=7, choices=Kind)
    created = models.DateTimeField(default=timezone.now)
    alarms = models.PositiveIntegerField(default=0)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["rule", "created"], name="notification_rule")]

    def __str__(self) -> str:
        return self.subject


class Mail(models.Model):
    """A notification on its way to one address.

    `log` keeps each attempt: {at, outcome, words}, words being the server's own.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Queued"
        SENT = "sent", "Sent"
        FAILED = "failed", "Failed"

    notification = models.ForeignKey(Notification, models.CASCADE, related_name="mails")
    address = models.CharField(max_length=254, blank=True)
    message_id = models.CharField(max_length=120, unique=True)
    state = models.CharField(max_length=6, choices=State, default=State.QUEUED)
    attempts = models.PositiveIntegerField(default=0)
    next_try = models.DateTimeField(default=timezone.now)
    leased_by = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    sent = models.DateTimeField(null=True)
    words = models.CharField(max_length=255, blank=True)
    log = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(fields=["next_try"], condition=Q(state="queued"), name="mail_due"),
            models.Index(fields=["state", "-id"], name="mail_state"),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.state}"


class Alarm(models.Model):
    """An event, or an alarm of the system, that a rule takes: accepted, and told of once."""

    class State(models.TextChoices):
        WAITING = "w", "Waiting"
        TOLD = "t", "Told"
        REPEATED = "r", "Suppressed as a repeat"

    rule = models.ForeignKey(AlarmRule, models.CASCADE, related_name="alarms", db_index=False)
    event = models.BigIntegerField(null=True)
    system = models.ForeignKey(SystemAlarm, models.CASCADE, null=True, related_name="alarms")
    device = models.ForeignKey(
        Device, models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    mnemonic = models.CharField(max_length=16)
    severity = models.CharField(max_length=1, choices=Severity)
    time = models.DateTimeField()
    accepted = models.DateTimeField(default=timezone.now)
    feeder_id = models.CharField(max_length=12, blank=True)
    group = models.CharField(max_length=12, blank=True)
    why = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=1, choices=State, default=State.WAITING)
    notification = models.ForeignKey(
        Notification, models.SET_NULL, null=True, related_name="alarm_rows"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["rule", "event"], name="alarm_once"),
        ]
        indexes = [
            models.Index(fields=["rule", "id"], condition=Q(state="w"), name="alarm_waiting"),
            models.Index(fields=["device", "rule", "accepted"], name="alarm_device"),
        ]

    def __str__(self) -> str:
        return f"{self.mnemonic} of {self.device_id}"
