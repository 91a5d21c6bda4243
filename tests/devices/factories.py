"""Short ways to an inventory and a batch, for tests of the store."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from devices import blocks, journal
from devices.models import Batch, Channel, Device, DeviceClass
from devices.readings import DAY, NEVER, RegisterRead, Status

_serial = count(1)


def device_make(device_id: str = "", **fields: Any) -> Device:
    """A device with nothing but its identifiers."""
    device_id = device_id or f"T{next(_serial):07}"
    device_class, _ = DeviceClass.objects.get_or_create(code=fields.pop("device_class", "TEST"))
    return Device.objects.create(
        device_id=device_id,
        meter_number=fields.pop("meter_number", device_id),
        device_class=device_class,
        **fields,
    )


def channel_make(device: Device | None = None, **fields: Any) -> Channel:
    """A channel of 15-minute kWh in UTC days, unless told otherwise."""
    fields = {
        "number": 1,
        "unit": "KWH",
        "flow": "DEL",
        "seconds": 900,
        "value_type": "U",
        "resolution": Decimal("0.001"),
        "grid_offset": 0,
        **fields,
    }
    return Channel.objects.create(device=device or device_make(), **fields)


Run = tuple[Channel, int, int, Sequence[int | None], int]  # channel, day, slot, values, status


def entry_of(channel: Channel, day: int, slot: int, values: Sequence[int | None], status: int = 0):
    """A journal entry; None is a reported missing slot."""
    mask = np.array([int(Status.MISSING) if v is None else status for v in values], np.uint16)
    counts = np.array([v or 0 for v in values], np.int64)
    return journal.Entry(channel.pk, day, slot, blocks.pack_entry(counts), blocks.pack_status(mask))


def batch_post(
    entries: Sequence[journal.Entry],
    reads: Sequence[tuple[int, RegisterRead]] = (),
    received: datetime | None = None,
) -> int:
    """Store a batch as the ingest service does; its number."""
    received = received or timezone.now()
    journal.prepare(received)
    with transaction.atomic():
        batch = Batch.objects.create(
            body_hash=b"\0" * 32, source="SC", received=received, intervals=len(entries) * 96
        )
        journal.entries_append(batch, entries)
        journal.registers_append(batch, reads)
        return journal.batch_number(batch)


def day_of(year: int, month: int, day: int) -> int:
    return blocks.day_number(datetime(year, month, day, tzinfo=UTC).date())


def day_read(channel: Channel, day: int, horizon: int | None = None) -> journal.ChannelSeries:
    """One stored day of a channel."""
    start = day * DAY - channel.grid_offset
    return journal.series_read([channel], start, start + DAY, horizon=horizon)[0]


def shown(series: journal.ChannelSeries) -> list[tuple[int | None, int, int]]:
    """(value or None, status, revision) of each slot that ever arrived."""
    return [
        (None if s & 1 else c, s, r)
        for c, s, r in zip(
            series.counts.tolist(), series.status.tolist(), series.revisions.tolist(), strict=True
        )
        if s & NEVER != NEVER
    ]
