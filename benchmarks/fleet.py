"""A fleet of any size in the store, quickly: one kWh channel a meter, fed through the journal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from devices import blocks, journal
from devices.demo import fleet, troubles
from devices.demo.load import Fleet, Shape
from devices.models import Batch, Channel, Device, Installation
from devices.readings import DAY, Ints, Masks, Status
from devices.services.inventory import NewDevice, devices_create

ZONE = "UTC"
FIRST = date(2026, 1, 12)  # a Monday
SLOTS = 96
PART = 5000  # meters fed at once
FIRST_NUMBER = 10_000_000  # of meters; all numbers have as many digits
MISSING = int(Status.MISSING)


@dataclass(frozen=True, slots=True)
class Readings:
    """A day of some channels: ids (m,), ends (s,), counts and status (m, s)."""

    channels: list[int]
    day: int
    ends: Ints
    counts: Ints
    status: Masks

    @property
    def size(self) -> int:
        return self.counts.size

    def slot(self, number: int) -> "Readings":
        """One slot of the day."""
        one = slice(number, number + 1)
        cut = (self.ends[one], self.counts[:, one], self.status[:, one])
        return Readings(self.channels, self.day, *cut)

    def part(self, first: int, size: int) -> "Readings":
        """Some of the channels."""
        some = slice(first, first + size)
        cut = (self.counts[some], self.status[some])
        return Readings(self.channels[some], self.day, self.ends, *cut)


def grow(count: int) -> list[int]:
    """Make the fleet as large as this; the ids of its channels, in order.

    The first meter is made by the service, the others are copies of it, made by the database.
    """
    since = datetime(2025, 1, 1, tzinfo=UTC)
    first = NewDevice(
        device_id=str(FIRST_NUMBER),
        meter_number=str(FIRST_NUMBER),
        device_class="CENTRON",
        time_zone=ZONE,
        service_point_id=str(FIRST_NUMBER),
        account_id=str(FIRST_NUMBER),
    )
    devices_create([first], since=since)
    there = Device.objects.count()
    template = Device.objects.get(device_id=first.device_id)
    newest = Device.objects.latest("pk").pk
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT %s UNION ALL SELECT i + 1 FROM n WHERE i < %s) "
            + _copy(Device, f"n WHERE t.id = {template.pk} AND i < {FIRST_NUMBER + count}", "n.i"),
            [FIRST_NUMBER + there, FIRST_NUMBER + count],
        )
        for model in (Installation, Channel):
            of_new = f"devices_device d WHERE t.device_id = {template.pk} AND d.id > {newest}"
            cursor.execute(_copy(model, of_new + " ORDER BY d.device_id", "d.meter_number"))
    return list(Channel.objects.order_by("pk").values_list("pk", flat=True)[:count])


def _copy(model: type[Model], source: str, number: str) -> str:
    """The statement that copies rows of a model, each with another number for an identifier."""
    named = ("device_id", "meter_number", "service_point_id", "account_id")
    text = f"CAST({number} AS varchar(20))"
    columns: dict[str, str] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key:
            continue
        own = field.column in named and field.get_internal_type() == "CharField"
        columns[field.column] = text if own else f"t.{field.column}"
    if model is not Device:
        columns["device_id"] = "d.id"
    return (
        f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) "
        f"SELECT {', '.join(columns.values())} FROM {model._meta.db_table} t, {source}"
    )


def readings(channels: Sequence[int], day: date = FIRST) -> Readings:
    """What the virtual utility's houses use that day; one in sixteen has a gap or an estimate."""
    shape = Shape.of(blocks.day_number(day), ZONE)
    house = next(meter for meter in fleet.meters(1, 0))
    powered = np.ones((len(channels), SLOTS))
    counts = Fleet([house] * len(channels), 0).load(shape, powered).delivered
    status = troubles.masks(0, shape, powered)
    counts[(status & MISSING) != 0] = 0
    return Readings(list(channels), shape.day, shape.ends, counts, status)


def entries(given: Readings) -> list[journal.Entry]:
    """Journal entries: a run of slots a channel."""
    first = int(given.ends[0]) % DAY // (DAY // SLOTS) - 1
    flagged = given.status.any(axis=1).tolist()
    return [
        journal.Entry(
            channel,
            given.day,
            first % SLOTS,
            blocks.pack_entry(counts),
            blocks.pack_status(given.status[row]) if flagged[row] else b"",
        )
        for row, (channel, counts) in enumerate(zip(given.channels, given.counts, strict=True))
    ]


def feed(batches: Iterator[Readings]) -> None:
    """Append batches to the journal, each in its transaction; nothing is folded."""
    for given in batches:
        received = timezone.now()
        journal.prepare(received)
        with transaction.atomic():
            batch = Batch.objects.create(
                body_hash=b"", source="scheduled", received=received, intervals=given.size
            )
            journal.entries_append(batch, entries(given))
            journal.batch_number(batch)


def daily(given: Readings) -> Iterator[Readings]:
    """A day in batches of whole days."""
    for first in range(0, len(given.channels), PART):
        yield given.part(first, PART)


def settle() -> None:
    """What a server does by itself in time: statistics and clean pages."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
        else:
            cursor.execute("ANALYZE")
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
