"""Where finished files go: a directory, an SFTP account, people's mail."""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from devices.models.inventory import IdentifierField
from events.models.alarms import validate_addresses

SUBJECT = "{export}: {name}"
BODY = (
    "{name} of export {export} is attached.\n\n"
    "Period:  {from} to {to}\nBatch:   {batch}\nSize:    {bytes} bytes\nSHA-256: {sha256}\n"
)


class Destination(models.Model):
    """A receiver's place for files, and how it has been doing.

    Secrets are sealed (devices.services.secrets): never shown, logged or exported. What concerns
    other kinds than its own is empty or as at first.
    """

    class Kind(models.TextChoices):
        DIRECTORY = "directory", "Directory"
        SFTP = "sftp", "SFTP"
        EMAIL = "email", "E-mail"

    class Auth(models.TextChoices):
        PASSWORD = "password", "Password"
        KEY = "key", "Private key"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.DIRECTORY)
    receiver = IdentifierField(
        "receiver's code",
        identifier="sender_code",
        blank=True,
        help_text="Who they are, in files that name their receiver.",
    )
    active = models.BooleanField(default=True, help_text="Off: files wait here.")

    path = models.CharField(
        "directory",
        max_length=400,
        blank=True,
        help_text="An absolute path below the permitted ones.",
    )

    host = models.CharField(max_length=255, blank=True, help_text="A name or an address.")
    port = models.PositiveIntegerField(
        default=22, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    username = models.CharField("user name", max_length=100, blank=True)
    auth = models.CharField("log in by", max_length=8, choices=Auth, default=Auth.PASSWORD)
    password = models.TextField(blank=True, editable=False)
    private_key = models.TextField(blank=True, editable=False)
    passphrase = models.TextField(blank=True, editable=False)
    host_key = models.TextField(blank=True, editable=False, help_text="The accepted one.")
    host_key_offered = models.TextField(blank=True, editable=False, help_text="To be accepted.")
    folder = models.CharField(
        "remote folder",
        max_length=400,
        blank=True,
        help_text="It must be there. Empty: where the log-in leads.",
    )
    timeout = models.PositiveIntegerField(
        "time-out (s)",
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(600)],
        help_text="A server that does not go on for so long is given up for this time.",
    )

    ok_file = models.BooleanField(
        "trigger file",
        default=False,
        help_text="After each file, a small one with its size and SHA-256.",
    )
    trigger_name = models.CharField(
        "name of the trigger file",
        max_length=100,
        blank=True,
        help_text="{name} is the file's name, {stem} the same without extension. Empty: {name}.ok",
    )

    addresses = models.TextField(
        blank=True, validators=[validate_addresses], help_text="By commas or lines."
    )
    user_groups = models.ManyToManyField(
        "auth.Group",
        blank=True,
        related_name="+",
        verbose_name="roles",
        help_text="Users of these roles, by their addresses.",
    )
    subject = models.CharField(max_length=180, blank=True, default=SUBJECT)
    body = models.TextField("text", blank=True, default=BODY)
    zipped = models.BooleanField("as zip", default=False, help_text="Attach NAME.zip.")
    limit_mib = models.PositiveIntegerField(
        "largest attachment (MiB)",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="A file over it is not sent, and says so.",
    )

    # How it has been doing; see services/destinations.py.
    failures = models.PositiveIntegerField(default=0, editable=False)
    next_try = models.DateTimeField(null=True, editable=False)
    paused = models.DateTimeField(null=True, editable=False)
    error = models.CharField(max_length=500, blank=True, editable=False)
    tested = models.DateTimeField(null=True, editable=False)
    test_error = models.CharField(max_length=500, blank=True, editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def place(self) -> str:
        """Where it is, as lists show it."""
        if self.kind == self.Kind.SFTP:
            return f"sftp://{self.username}@{self.host}:{self.port}/{self.folder.lstrip('/')}"
        if self.kind == self.Kind.EMAIL:
            return ", ".join(self.addresses.replace(",", " ").split()[:3]) or "roles"
        return self.path

    @property
    def status(self) -> tuple[str, str]:
        """How it stands: a word for machines and one for people."""
        if not self.active:
            return "resting", "Rests"
        if self.paused:
            return "failed", "Paused"
        if self.failures:
            return "warning", "Failing"
        if self.kind == self.Kind.SFTP and not self.host_key:
            return "warning", "Not tested"
        return "done", "Ready"

    def clean(self) -> None:
        if self.kind == self.Kind.DIRECTORY and (fault := directory_fault(self.path)):
            raise ValidationError({"path": fault})


def takes_files() -> Q:
    """The condition, on deliveries, that their destination may be tried now."""
    fine = Q(destination__next_try=None, destination__paused=None)
    return Q(destination__active=True) & (fine | Q(destination__next_try__lte=timezone.now()))


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
