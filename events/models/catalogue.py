"""What can happen at a meter: the catalogue, and the codes that other systems have for it."""

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Coalesce

from devices.models import ApiKey, DeviceClass
from events import codes

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
    arrived = models.PositiveIntegerField(
        default=0, editable=False, help_text="How many came while nobody had described it."
    )
    last_arrived = models.DateTimeField(null=True, editable=False)

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

    Foreign IEC codes, manufacturer numbers (`MFG_02061`) and other systems' mnemonics. One that
    holds for a head-end (the API key it posts with) or a class of devices goes before one that
    holds for all; of both, the head-end's.
    """

    code = models.CharField(max_length=16)
    type = models.ForeignKey(EventType, models.CASCADE, related_name="aliases")
    head_end = models.ForeignKey(
        ApiKey,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text="The key that it posts with. Empty: any.",
    )
    device_class = models.ForeignKey(
        DeviceClass, models.CASCADE, null=True, blank=True, related_name="+", help_text="Or any."
    )
    phases = models.CharField(
        max_length=PHASES_MAX,
        blank=True,
        validators=[phases_validator],
        help_text="The phases that the code itself names.",
    )

    class Meta:
        ordering = ["code", "head_end", "device_class"]
        verbose_name_plural = "event aliases"
        constraints = [
            models.UniqueConstraint(
                "code",
                Coalesce("head_end", models.Value(0, models.BigIntegerField())),
                Coalesce("device_class", models.Value(0, models.BigIntegerField())),
                name="alias_once",
                violation_error_message="This code has an alias for that head-end and class.",
            )
        ]

    def __str__(self) -> str:
        return self.code

    def clean(self) -> None:
        try:
            self.code = codes.code_normalise(self.code)
        except ValueError as fault:
            raise ValidationError({"code": f"“{self.code}” is {fault}."}) from fault
        anywhere = self.head_end_id is None and self.device_class_id is None
        if anywhere and (found := EventType.owner_of([self.code])):
            raise ValidationError({"code": f"{self.code} is the own code of {found[1]}."})
