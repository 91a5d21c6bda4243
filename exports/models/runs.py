"""Runs, the parts they are written in, and the files they made: the row stands before the file."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from devices.leases import Leased
from devices.models import ApiKey
from exports import formats
from exports.formats.context import MODES
from exports.models.definitions import ExportDefinition


class ExportRun(Leased):
    """One export: everything it read is as of `horizon`, everything it stamps is frozen here.

    A run goes through three phases. `plan`: horizon, scope and stamps are frozen, cut into parts.
    `write`: each part becomes bytes, by any worker. `join`: the files are put together, appear
    under their names, and the run is committed. Each phase may be done again after its worker died.
    Between writing and joining a run may be held until somebody releases it.
    """

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting"
        RUNNING = "running", "Running"
        HELD = "held", "Held back"
        DONE = "done", "Done"
        EMPTY = "empty", "Done, nothing to send"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    class Phase(models.TextChoices):
        PLAN = "plan", "Gathering"
        WRITE = "write", "Writing"
        JOIN = "join", "Finishing"

    class Trigger(models.TextChoices):
        HAND = "hand", "By hand"
        SCHEDULE = "schedule", "By schedule"
        API = "api", "By another system"
        COMMAND = "command", "By command"
        FLOW = "flow", "As readings arrived"

    OPEN = (State.QUEUED, State.RUNNING)
    UNSENT = (*OPEN, State.HELD)  # may still be sent

    definition = models.ForeignKey(
        ExportDefinition, models.SET_NULL, null=True, blank=True, related_name="runs"
    )
    original = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="repeats"
    )
    trigger = models.CharField(max_length=8, choices=Trigger, default=Trigger.COMMAND)
    due = models.DateTimeField(
        null=True, blank=True, help_text="The intended time of a scheduled run."
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True)
    api_key = models.ForeignKey(ApiKey, models.SET_NULL, null=True, blank=True)
    key = models.CharField("idempotency key", max_length=200, null=True, blank=True)  # noqa: DJ001
    priority = models.PositiveSmallIntegerField(default=3)

    format = models.CharField(max_length=20)
    name = models.CharField(max_length=30, blank=True)
    options = models.JSONField(default=dict)
    selection = models.JSONField(default=dict)
    start = models.DateTimeField()
    end = models.DateTimeField()
    since = models.BigIntegerField(
        null=True, blank=True, help_text="What batches up to this number brought was sent before."
    )
    first_received = models.DateTimeField(
        null=True, blank=True, help_text="When the first of what a flow sends here arrived."
    )
    corrections = models.BooleanField(
        default=False, help_text="Only what changed after it was sent."
    )
    # Corrections of an export of periods: (start, end, batch number up to which it was sent).
    windows = models.JSONField(default=list)
    zone = models.CharField(max_length=40, blank=True, help_text="Empty: each device's own.")
    mode = models.CharField(max_length=2, choices=MODES, default="OR")
    # 14 digits, UTC creation time, strictly rising per installation.
    batch_id = models.CharField(max_length=14, unique=True)
    original_batch = models.CharField(max_length=14, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    stamps = models.JSONField(default=dict, help_text="Sender, receiver, system zone, frozen.")
    horizon = models.BigIntegerField(null=True)
    created = models.DateTimeField()
    started = models.DateTimeField(null=True, blank=True)
    finished = models.DateTimeField(null=True, blank=True)

    state = models.CharField(max_length=9, choices=State, default=State.QUEUED)
    phase = models.CharField(max_length=5, choices=Phase, default=Phase.PLAN)
    cancel_asked = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    expected = models.PositiveIntegerField(default=0, help_text="Meters in the scope.")
    parts_total = models.PositiveIntegerField(default=0)
    parts_done = models.PositiveIntegerField(default=0)
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
        indexes = [
            models.Index(
                fields=["priority", "id"],
                condition=Q(state__in=["queued", "running"]),
                name="run_open",
            ),
            models.Index(fields=["state", "-id"], name="run_state"),
            models.Index(fields=["definition", "-id"], name="run_definition"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["definition"], condition=Q(state="running"), name="one_run_of_a_definition"
            ),
            models.UniqueConstraint(fields=["api_key", "key"], name="run_key_per_api_key"),
            models.UniqueConstraint(fields=["definition", "due"], name="run_of_a_due_time"),
        ]

    def __str__(self) -> str:
        return f"{self.name or self.format} {self.batch_id}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def is_flow(self) -> bool:
        """Whether its rows are versions in the order in which they arrived."""
        return self.since is not None and not self.windows and formats.get(self.format).flow

    @property
    def moves_cursor(self) -> bool:
        """Whether its commit moves cursor and backlog of its definition."""
        asked = self.since is not None and not self.windows
        return asked and self.definition_id is not None and self.original_id is None

    @property
    def progress(self) -> int:
        """Percent: of the parts, which is nearly all of the work."""
        if not self.is_open:
            return 100
        return 0 if not self.parts_total else 98 * self.parts_done // self.parts_total


class RunPart(Leased):
    """Some of a run's devices in the file's order, and the bytes made of them.

    `data`: the frozen scope, see exports.scope. `segments`: for each file that the part has bytes
    of, its key, their place in the part's file, a CRC-32, and the tally. `findings`: what was
    noticed beside the bytes (exports.scope.findings).
    """

    run = models.ForeignKey(ExportRun, models.CASCADE, related_name="parts")
    position = models.PositiveIntegerField()
    first_device = models.PositiveIntegerField(default=0)
    devices = models.PositiveIntegerField(default=0)
    # The first and the last device by what the file is sorted by.
    first = models.CharField(max_length=24, blank=True)
    last = models.CharField(max_length=24, blank=True)
    data = models.BinaryField()
    done = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    replica = models.BooleanField(default=False, help_text="Read from the replica.")
    path = models.CharField(max_length=200, blank=True)
    segments = models.JSONField(default=list)
    findings = models.JSONField(default=dict)

    class Meta:
        ordering = ["run", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="run_part_position")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}/{self.position}"


class RunFile(models.Model):
    """A file of a run; name, size and hash are reserved before it appears under its name.

    `archive`: where its bytes are kept, below the data directory; empty for what a command wrote
    elsewhere.
    """

    run = models.ForeignKey(ExportRun, models.CASCADE, related_name="files")
    position = models.PositiveIntegerField(default=1)
    path = models.CharField(max_length=500)
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    published = models.BooleanField(default=False)
    archive = models.CharField(max_length=300, blank=True)
    purged = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["run", "position"]
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="run_file_position"),
            models.UniqueConstraint(
                fields=["path"], condition=~Q(archive=""), name="run_file_path"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.path.rpartition("/")[2]
