"""What can happen at a meter (the catalogue) and what did (events, as they arrived)."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from devices.models import Batch, Device
from events import checks, codes

PHASES_MAX = len(codes.PHASES)
phases_validator = RegexValidator(r"\AA?B?C?\Z", "Phases are written A, B, C, AB … ABC.")


class Category(models.TextChoices):
    OUTAGE = "OUTG", "Outage"
    POWER_QUALITY = "PQLT", "Power quality"
    TAMPER = "TAMP", "Tamper"
    HARDWARE = "HDWR", "Hardware"
    COMMUNICATIONS = "COMM", "Communications"
    BILLING = "BILL", "Demand and billing"
    CONFIGURATION = "CONF", "Configuration, clock, access"


class Severity(models.TextChoices):
    INFORMATION = "I", "Information"
    WARNING = "W", "Warning"
    ALARM = "A", "Alarm"


class State(models.TextChoices):
    SET = "S", "Sets a condition"
    CLEAR = "C", "Clears a condition"
    POINT = "P", "Point event"


class Confidence(models.TextChoices):
    OBSERVED = "observed", "Observed in a manual or in the field"
    COMPOSED = "composed", "Composed by us; check before use with a partner"
    NONE = "none", "No IEC code"


class EventType(models.Model):
    """A type of event: an entry of the catalogue, or a code that arrived and nobody knows.

    Everything but the mnemonic is the operator's to change; a change holds for later events.
    """

    mnemonic = models.CharField(max_length=16, unique=True, editable=False)
    category = models.CharField(max_length=4, choices=Category)
    severity = models.CharField(max_length=1, choices=Severity)
    state = models.CharField(max_length=1, choices=State)
    c1219_codes = models.CharField(
        "C12.19 codes",
        max_length=40,
        blank=True,
        help_text="Standard event numbers, separated by “;”.",
        validators=[RegexValidator(r"\A[0-9]{1,5}(;[0-9]{1,5})*\Z", "Write e.g. 16;18.")],
    )
    iec_codes = models.CharField(
        "IEC codes",
        max_length=80,
        blank=True,
        help_text="The code that is sent; several go pairwise with the C12.19 codes.",
    )
    iec_confidence = models.CharField(
        "IEC confidence", max_length=8, choices=Confidence, default=Confidence.NONE
    )
    paired_with = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="What clears the condition that this sets, or the reverse.",
    )
    default_routed = models.BooleanField(
        default=False, help_text="In the default message route “Outage and power quality”."
    )
    meaning = models.CharField(max_length=120, blank=True)
    nuisance = models.BooleanField(
        default=False, help_text="Stored and listed, never alarmed or routed by default."
    )
    unmapped = models.BooleanField(
        default=False,
        help_text="Arrived without being in the catalogue. Untick once it is described here, "
        "or give its code to another type as an alias.",
    )

    class Meta:
        ordering = ["mnemonic"]

    def __str__(self) -> str:
        return self.mnemonic

    def clean_fields(self, exclude=None) -> None:
        super().clean_fields(exclude=exclude)
        if not {"c1219_codes", "iec_codes"} & set(exclude or ()):
            self._codes_check()

    def _codes_check(self) -> None:
        """Refuse codes of no known form, and those of another type: a code has one meaning."""
        try:
            iec_codes = codes.iec_codes_parse(self.iec_codes)
        except ValueError as fault:
            raise ValidationError({"iec_codes": str(fault)}) from fault
        standard = (f"STD_{number:05}" for number in codes.numbers_parse(self.c1219_codes))
        if found := self.owner_of([*iec_codes, *standard], besides=self.pk):
            raise ValidationError(f"{found[0]} is the own code of {found[1]}.")

    @classmethod
    def owner_of(cls, wanted: Iterable[str], besides: int | None = None) -> tuple[str, str] | None:
        """The first of some normalised codes that a described type has, and whose it is."""
        free = set(wanted)
        rows = cls.objects.filter(unmapped=False).exclude(pk=besides)
        for mnemonic, numbers, iec_codes in rows.values_list(
            "mnemonic", "c1219_codes", "iec_codes"
        ):
            standard = (f"STD_{number:05}" for number in codes.numbers_parse(numbers))
            own = {mnemonic, *standard, *codes.iec_codes_parse(iec_codes)}
            if taken := sorted(free & own):
                return taken[0], mnemonic
        return None


class EventAlias(models.Model):
    """Another code under which an event arrives; events are kept under their type's own.

    Foreign IEC codes, manufacturer numbers (`MFG_02061`) and other systems' mnemonics.
    """

    code = models.CharField(max_length=16, unique=True)
    type = models.ForeignKey(EventType, models.CASCADE, related_name="aliases")
    phases = models.CharField(
        max_length=PHASES_MAX,
        blank=True,
        validators=[phases_validator],
        help_text="The phases that the code itself names.",
    )

    class Meta:
        ordering = ["code"]
        verbose_name_plural = "event aliases"

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        try:
            self.code = codes.code_normalise(self.code)
        except ValueError as fault:
            raise ValidationError({"code": f"“{self.code}” is {fault}."}) from fault
        if found := EventType.owner_of([self.code]):
            raise ValidationError({"code": f"{self.code} is the own code of {found[1]}."})


class Event(models.Model):
    """Something that happened at a device, kept once however often it was reported.

    Written by `services.batch_events_store` only, never changed. Category and severity are those
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
        Batch, models.DO_NOTHING, db_constraint=False, related_name="event_rows"
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
    phases = models.CharField(max_length=PHASES_MAX, blank=True)
    value = models.DecimalField(
        max_digits=14, decimal_places=checks.VALUE_DECIMALS, null=True, blank=True
    )
    unit = models.CharField(max_length=checks.UNIT_WIDTH, blank=True)
    duration = models.PositiveIntegerField("duration (s)", null=True, blank=True)
    text = models.CharField(max_length=checks.TEXT_WIDTH, blank=True)
    replay = models.CharField(max_length=1, choices=Replay, blank=True)

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
