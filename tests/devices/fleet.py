"""A small utility for tests of pages: devices, their places and groups, readings in the store."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from django.db import transaction
from django.utils import timezone

from devices import blocks, journal
from devices.models import (
    Batch,
    Channel,
    Device,
    DeviceClass,
    FunctionalGroup,
    Installation,
    Membership,
)
from devices.readings import NEVER, RegisterRead, RegisterValue, Status

LONG_AGO = datetime(2024, 1, 1, tzinfo=UTC)
ZONE = "America/Chicago"


def make_class(code: str = "SENTINEL") -> DeviceClass:
    return DeviceClass.objects.get_or_create(code=code, defaults={"name": "Polyphase meter"})[0]


def make_group(code: str = "CYCLE01", kind: str = "BILL_CYCLE") -> FunctionalGroup:
    return FunctionalGroup.objects.get_or_create(code=code, defaults={"kind": kind})[0]


def make_devices(count: int, start: int = 0, group: FunctionalGroup | None = None) -> list[Device]:
    """Devices SSI0000000… with a place each, in a group each."""
    device_class, group = make_class(), group or make_group()
    numbers = range(start, start + count)
    devices = Device.objects.bulk_create(
        Device(
            device_id=f"SSI{n:07}",
            meter_number=f"M{n:08}",
            serial_number=f"SN-{n:06}",
            device_class=device_class,
            time_zone=ZONE,
            state=Device.State.PROVISIONED,
        )
        for n in numbers
    )
    Installation.objects.bulk_create(
        Installation(
            device=device,
            valid_from=LONG_AGO,
            service_point_id=f"SP{n:08}",
            account_id=f"ACC{n:07}",
            premise_id=f"PR{n:08}",
            transformer_id=f"TX{n // 8:06}",
            feeder_id=f"F{n // 400:03}",
        )
        for n, device in zip(numbers, devices, strict=True)
    )
    Membership.objects.bulk_create(
        Membership(device=device, group=group, kind=group.kind, valid_from=LONG_AGO)
        for device in devices
    )
    return devices


def make_channel(device: Device, number: int = 1, unit: str = "KWH", flow: str = "DEL") -> Channel:
    value_type = "V" if unit == "V" else "U"
    return Channel.objects.create(
        device=device,
        number=number,
        unit=unit,
        flow=flow,
        seconds=900,
        value_type=value_type,
        resolution=Decimal("0.1") if unit == "V" else Decimal("0.001"),
        grid_offset=blocks.standard_offset(device.time_zone, 2026),
    )


def store_days(
    channel: Channel,
    first: datetime,
    counts: np.ndarray,
    status: np.ndarray | None = None,
    received: datetime | None = None,
) -> Batch:
    """A batch of consecutive slots from a midnight of the channel's grid on, stored and folded.

    Slots of status NEVER are left out, as if they had not been sent.
    """
    status = np.zeros(len(counts), np.uint16) if status is None else status
    received = received or timezone.now()
    journal.prepare(received)
    day, slot = blocks.day_slot(int(first.timestamp()), 900, channel.grid_offset)
    entries = []
    for offset in range(0, len(counts), 96):
        day_counts, day_status = (
            counts[offset : offset + 96],
            status[offset : offset + 96],
        )
        for part in _sent(day_status):
            entries.append(
                journal.Entry(
                    channel.pk,
                    day + offset // 96,
                    slot + part.start,
                    blocks.pack_entry(day_counts[part].astype(np.int64)),
                    blocks.pack_status(day_status[part].astype(np.uint16)),
                )
            )
    with transaction.atomic():
        batch = make_batch(received=received, intervals=len(counts), devices=1)
        journal.entries_append(batch, entries)
        journal.batch_number(batch)
    journal.fold_all()
    return batch


def _sent(status: np.ndarray) -> list[slice]:
    sent = np.concatenate(([0], (status & NEVER != NEVER).astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(sent))
    return [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def make_batch(received: datetime | None = None, **fields) -> Batch:
    defaults = {"source": "scheduled", "body_hash": hashlib.sha256(b"").digest()}
    return Batch.objects.create(received=received or timezone.now(), **{**defaults, **fields})


def store_read(device: Device, at: datetime) -> None:
    """A self-read with a total, a peak and two rates."""
    values = (
        RegisterValue("SUM", "KWH", "DEL", "T", Decimal("45812.347"), 1),
        RegisterValue("SUM", "KWH", "DEL", "A", Decimal("20011.120"), 2),
        RegisterValue("SUM", "KWH", "DEL", "B", Decimal("25801.227"), 3),
        RegisterValue(
            *("MAX", "KW", "DEL", "T", Decimal("12.480"), 4),
            peak_time=at - timedelta(days=9, hours=3),
        ),
    )
    read = RegisterRead(at, "SR", values, season=1, reset_count=17)
    with transaction.atomic():
        batch = make_batch(registers=1, devices=1)
        journal.registers_append(batch, [(device.pk, read)])
        journal.batch_number(batch)
    journal.fold_all()


def store_total(
    device: Device, at: datetime, amount: str, read_type: str = "SR", status: int = 0, **more
) -> int:
    """A read of a total alone (empty: missing); the number of its batch."""
    value = None if amount == "" else Decimal(amount)
    mask = int(Status.MISSING) if value is None else int(status)
    rate = more.pop("rate", "T")
    total = RegisterValue("SUM", "KWH", "DEL", rate, value, 1, status=mask, **more)
    read = RegisterRead(at, read_type, (total,))
    with transaction.atomic():
        batch = make_batch(registers=1, devices=1)
        journal.registers_append(batch, [(device.pk, read)])
        number = journal.batch_number(batch)
    journal.fold_all()
    return number


def load_shape(days: int, seed: int = 7) -> np.ndarray:
    """Counts (Wh) of a household: low by night, a peak in the evening."""
    rng = np.random.default_rng(seed)
    hours = np.arange(days * 96) % 96 / 4
    shape = 120 + 160 * np.exp(-((hours - 7.5) ** 2) / 3) + 420 * np.exp(-((hours - 19) ** 2) / 6)
    return (shape * rng.uniform(0.7, 1.5, days * 96)).astype(np.int64)


def make_story(last: datetime) -> Device:
    """A device with everything a curve can show in the 14 days before `last` (a grid midnight).

    A gap, an outage, estimated and edited stretches, a voltage, a read.
    """
    (device,) = make_devices(1, start=4711)
    first = last - timedelta(days=14)
    counts = load_shape(14)
    status = np.zeros(14 * 96, np.uint16)
    status[9 * 96 + 30 : 9 * 96 + 64] = NEVER
    status[10 * 96 + 40 : 10 * 96 + 60] = Status.ESTIMATED
    status[11 * 96 + 20 : 11 * 96 + 34] = Status.EDITED
    status[12 * 96 + 50 : 12 * 96 + 56] = Status.MISSING | Status.POWER_OUTAGE
    counts[(status & NEVER) != 0] = 0
    store_days(make_channel(device), first, counts, status)
    store_days(make_channel(device, 2, "KWH", "REC"), first, load_shape(14, 3) // 5)
    volts = (2400 + 25 * np.sin(np.arange(14 * 96) / 9)).astype(np.int64)
    store_days(make_channel(device, 3, "V"), first, volts)
    store_read(device, last - timedelta(days=1))
    return device
