"""What is exported again and again: for whom, of whom, which days, when, in which shape."""

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from devices.models import Channel, Device, FunctionalGroup
from devices.models.inventory import IdentifierField, validate_zone
from exports import formats, gate, naming, schedules
from exports.models.destinations import Destination
from exports.periods import KINDS, MAX_DAYS

PERIOD_CHOICES = [(kind.code, kind.label) for kind in KINDS.values()]
SINCE_LAST = "since_last"
BILL_WITHOUT_PERIOD = (
    "The reads of a bill are those of a period, not what is new: choose a period, and export it "
    "again where reads have changed; or the option reads=all."
)
FLUSH_SECONDS_MAX, FLUSH_ROWS_MAX = 3600, 1_000_000
PRIORITIES = [(n, label) for n, label in enumerate(("First", "Early", "Normal", "Late", "Last"), 1)]


def flow_formats() -> list[str]:
    """The formats whose since-last exports are flows."""
    return [form.code for form in formats.every() if form.flow]


class ExportDefinition(models.Model):
    """One export as it is to be made each time.

    `cursor`: the batch number up to which a since-last export has been sent; it moves with the
    commit of a run and never otherwise. `version` rises with each change of what is selected or
    how it is written, so that what could not be sent is tried again only then. `next_seq`: the
    number of a flow's next row; it moves with the cursor. `began`: what batches up to this number
    brought was never to be sent, because the export begins with what came after it.
    """

    class Missed(models.TextChoices):
        RUN_ONCE = "run_once", "Run once, as soon as possible"
        SKIP = "skip", "Skip, wait for the next time"

    class OnError(models.TextChoices):
        STOP = "stop", "Stop: no file is made"
        SKIP_METER = "skip_meter", "Leave the meter out, list it"

    class Gate(models.TextChoices):
        OFF = gate.OFF, "Let everything pass"
        METER = gate.HOLD_METER, "Hold the meter, send the others"
        RUN = gate.HOLD_RUN, "Hold the whole run"

    class GateUnit(models.TextChoices):
        PERCENT = gate.PERCENT, "percent of a meter's readings"
        COUNT = gate.COUNT, "readings of a meter"

    class OnUnsupported(models.TextChoices):
        SKIP = "skip", "Leave the channel out, with a warning"
        STOP = "stop", "Stop: no file is made"

    name = IdentifierField(
        identifier="export_name",
        unique=True,
        help_text="Stands in files and their names: up to 30 plain characters.",
    )
    active = models.BooleanField(default=True, help_text="Off: the schedule rests.")
    format = models.CharField(max_length=20)
    options = models.JSONField(default=dict, blank=True)

    groups = models.ManyToManyField(
        FunctionalGroup, blank=True, help_text="Meters in any of these; none: the whole fleet."
    )
    devices = models.ManyToManyField(
        Device, blank=True, help_text="Only these of them; none: all of them."
    )
    channels = models.JSONField(default=list, blank=True)
    units = models.JSONField(default=list, blank=True)

    period = models.CharField(max_length=20, choices=PERIOD_CHOICES, default="yesterday")
    days = models.PositiveSmallIntegerField(
        "number of days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MAX_DAYS)],
    )
    start = models.DateTimeField("from", null=True, blank=True)
    end = models.DateTimeField("up to", null=True, blank=True)
    bill_day = models.PositiveSmallIntegerField(
        "day of the bill",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(31)],
        help_text="Day of the month on which the cycle is billed; in a shorter month its last day.",
    )
    zone = models.CharField(
        "time zone",
        max_length=40,
        blank=True,
        validators=[validate_zone],
        help_text="Of days and of times in the file. Empty: each device's own.",
    )

    file_name = models.CharField(
        max_length=200, blank=True, help_text="A pattern with macros. Empty: the format's own."
    )
    destinations = models.ManyToManyField(
        Destination, blank=True, help_text="Where finished files go. None: they wait for download."
    )
    on_error = models.CharField(
        "if a meter cannot be written", max_length=10, choices=OnError, default=OnError.STOP
    )
    on_unsupported = models.CharField(
        "if the format cannot carry a channel",
        max_length=4,
        choices=OnUnsupported,
        default=OnUnsupported.SKIP,
    )

    gate = models.CharField(
        "if a meter falls short",
        max_length=5,
        choices=Gate,
        default=Gate.OFF,
        help_text="What is held waits on the work list until it is released, or passes by itself.",
    )
    gate_unit = models.CharField(
        "limits are in", max_length=7, choices=GateUnit, default=GateUnit.PERCENT
    )
    gate_missing = models.PositiveIntegerField(
        "missing, at most", null=True, blank=True, help_text="Empty: any number may be."
    )
    gate_estimated = models.PositiveIntegerField("estimated, at most", null=True, blank=True)
    gate_questionable = models.PositiveIntegerField("questionable, at most", null=True, blank=True)
    when_ready = models.BooleanField(
        "run as soon as all meters pass",
        default=False,
        help_text="When the period is over and no meter falls short; at the latest as scheduled.",
    )
    ready_at = models.DateTimeField(null=True, blank=True, editable=False)
    ready_to = models.BigIntegerField(default=0, editable=False)
    ready_note = models.CharField(max_length=200, blank=True, editable=False)

    schedule = models.CharField(
        max_length=schedules.MAX_LENGTH,
        blank=True,
        help_text="Cron: minute, hour, day, month, weekday. Empty: at the push of a button only.",
    )
    schedule_zone = models.CharField(
        "clock of the schedule",
        max_length=40,
        blank=True,
        validators=[validate_zone],
        help_text="Empty: the time zone above, or the system's.",
    )
    flush_seconds = models.PositiveIntegerField(
        "a file after so many seconds",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(FLUSH_SECONDS_MAX)],
        help_text="“Since the last export” without a schedule: a file so long after the first "
        "reading that it holds has arrived …",
    )
    flush_rows = models.PositiveIntegerField(
        "or after so many rows",
        default=1000,
        validators=[MinValueValidator(1), MaxValueValidator(FLUSH_ROWS_MAX)],
        help_text="… or as soon as so many are there.",
    )
    missed = models.CharField(
        "if the system was down", max_length=8, choices=Missed, default=Missed.RUN_ONCE
    )
    next_due = models.DateTimeField(null=True, blank=True, editable=False)
    priority = models.PositiveSmallIntegerField(choices=PRIORITIES, default=3)
    meters_limit = models.PositiveIntegerField(
        "at most so many meters",
        null=True,
        blank=True,
        help_text="A run over more is refused before it begins. Empty: no limit.",
    )
    minutes_limit = models.PositiveIntegerField(
        "at most so many minutes",
        null=True,
        blank=True,
        help_text="A run that takes longer is stopped; nothing of it is sent. Empty: no limit.",
    )

    cursor = models.BigIntegerField(default=0, editable=False)
    began = models.BigIntegerField(default=0, editable=False)
    next_seq = models.BigIntegerField(default=1, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created = models.DateTimeField(auto_now_add=True)

    history = HistoricalRecords(
        excluded_fields=[
            *("next_due", "cursor", "began", "next_seq", "version"),
            *("ready_at", "ready_to", "ready_note"),
        ],
        m2m_fields=[groups, destinations],
    )

    class Meta:
        ordering = ["name"]
        verbose_name = "export"
        indexes = [
            models.Index(
                fields=["next_due"], condition=Q(next_due__isnull=False), name="definition_due"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_since_last(self) -> bool:
        return self.period == SINCE_LAST

    @property
    def is_flow(self) -> bool:
        """Whether each version of a reading is sent as it arrives."""
        return self.is_since_last and self.format in flow_formats()

    @property
    def schedule_clock(self) -> str:
        """The zone that the schedule is read in."""
        from django.conf import settings

        return self.schedule_zone or self.zone or settings.TIME_ZONE

    def clean(self) -> None:
        """Refuse now what would fail when the file is due."""
        faults: dict[str, str] = {}
        try:
            form = formats.get(self.format)
        except formats.UnknownFormat as error:
            raise ValidationError({"format": str(error)}) from error
        if not (form.writable and form.defined):
            raise ValidationError({"format": f"{form.code} is not written by exports."})
        try:
            options = form.options_clean(self.options or {}, "write")
        except formats.base.OptionError as error:
            faults["options"] = str(error)
        else:
            if self.is_since_last and form.billing(options):
                faults["options"] = BILL_WITHOUT_PERIOD
        faults |= self._period_faults()
        faults |= self._gate_faults()
        if self.schedule:
            try:
                schedules.Schedule(self.schedule, self.schedule_clock)
            except schedules.ScheduleRefused as error:
                faults["schedule"] = str(error)
        if self.file_name:
            try:
                naming.pattern_check(self.file_name)
            except naming.NameRefused as error:
                faults["file_name"] = str(error)
        if faults:
            raise ValidationError(faults)

    def _gate_faults(self) -> dict[str, str]:
        """Limits that say nothing, or are asked to say when a run may begin and cannot."""
        limits = [f"gate_{kind}" for kind in gate.KINDS]
        given = {name: getattr(self, name) for name in limits if getattr(self, name) is not None}
        if self.gate == gate.OFF and self.when_ready:
            return {"when_ready": "Say what a meter must have, under “Quality”, and what is held."}
        if self.gate == gate.OFF:
            return {}
        if not given:
            return {"gate": "Give at least one limit; without any, no meter falls short."}
        if self.gate_unit == gate.PERCENT and (over := [n for n in given if given[n] > 100]):
            return {over[0]: "A limit in percent is 0 to 100."}
        if self.when_ready and not self.schedule:
            return {"when_ready": "This needs a schedule: the time when it runs at the latest."}
        if self.when_ready and self.is_since_last:
            return {"when_ready": "“Since the last export” has no period that could be complete."}
        return {}

    def _period_faults(self) -> dict[str, str]:
        """What the chosen kind of period lacks."""
        needed = {
            "last_n_days": ("days",),
            "fixed": ("start", "end"),
            "bill_period": ("bill_day",),
        }.get(self.period, ())
        faults = {
            name: f"“{KINDS[self.period].label}” needs this."
            for name in needed
            if getattr(self, name) is None
        }
        if self.period == "fixed" and not faults and self.start >= self.end:
            faults["end"] = "The end must come after the start."
        return faults


class Backlog(models.Model):
    """What runs of a since-last export have covered and not sent, or what has come into its scope.

    Days `first_day` to `last_day` (null: without bound) of one channel, or without a channel the
    device's register reads. The next fitting run sends what is newer than `since`; of what was
    there at `since`, only what is newer than `sent`, too: a correction file has sent the rest.
    """

    class Reason(models.TextChoices):
        SCOPE = "scope", "Came into the selection"
        LEFT_OUT = "left_out", "Left out because of an error"
        UNSUPPORTED = "unsupported", "The format cannot carry it"
        HELD = "held", "Held back"
        NEW = "new", "New, so left out of a correction file"

    definition = models.ForeignKey(ExportDefinition, models.CASCADE, related_name="backlog")
    device = models.ForeignKey(Device, models.CASCADE, related_name="+")
    channel = models.ForeignKey(Channel, models.CASCADE, null=True, blank=True, related_name="+")
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True)
    since = models.BigIntegerField(default=0)
    sent = models.BigIntegerField(default=0)
    reason = models.CharField(max_length=11, choices=Reason)
    code = models.CharField(max_length=10, blank=True)
    version = models.PositiveIntegerField(help_text="Of the definition, when it could not be sent.")
    run = models.ForeignKey(
        "exports.ExportRun",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="owed",
        help_text="The open run that this is in.",
    )
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["definition", "id"]
        verbose_name_plural = "backlog"
        indexes = [models.Index(fields=["definition", "id"], name="backlog_definition")]

    def __str__(self) -> str:
        return f"{self.device_id} since {self.since}"
