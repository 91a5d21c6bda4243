"""Channels: made with a frozen grid, and changed by opening a new era of the same number."""

from datetime import date, datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction

from devices import blocks, journal
from devices.journal import locks
from devices.models import Channel, Device, IntervalBlock, JournalEntry
from devices.readings import DAY, NEVER, UNITS

CHANGEABLE = frozenset(
    (
        *("unit", "flow", "seconds", "value_type", "resolution"),
        *("multiplier", "multiplier_applied", "zone"),
    )
)


def channel_grid(seconds: int, zone: str, year: int) -> dict[str, Any]:
    """The frozen part of a channel in a zone: its offset, and the zone of one-day channels."""
    return {
        "grid_offset": blocks.standard_offset(zone, year),
        "zone": zone if seconds == DAY else "",
    }


def channel_create(
    device: Device, *, number: int, unit: str, seconds: int, opened: datetime, **fields: Any
) -> Channel:
    """A channel of a device, on the grid of the device's zone. ValidationError."""
    fields.setdefault("value_type", UNITS[unit].value_type if unit in UNITS else "U")
    channel = Channel(
        device=device,
        number=number,
        unit=unit,
        seconds=seconds,
        **channel_grid(seconds, device.time_zone, opened.year),
        **fields,
    )
    channel.full_clean()
    channel.save()
    return channel


@transaction.atomic
def channel_change(channel: Channel, *, at: datetime, **changes: Any) -> Channel:
    """Close a channel at an instant and open a new era of its number from there on.

    `changes`: unit, flow, seconds, value_type, resolution, multiplier, multiplier_applied, zone
    (the zone that the new grid follows; default: the device's). ValidationError when the channel
    is closed already, or holds readings from after `at`.
    """
    unknown = set(changes) - CHANGEABLE
    if unknown:
        raise ValidationError(f"A channel has no {', '.join(sorted(unknown))} to change.")
    if connection.vendor == "postgresql":  # wait for batches that count on the channel
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.ERAS])
    old = Channel.objects.select_for_update().get(pk=channel.pk)
    if old.valid_to is not None:
        raise ValidationError(f"Channel {old} was closed at {old.valid_to:%F %H:%M}.")
    if old.valid_from is not None and at <= old.valid_from:
        raise ValidationError(f"Channel {old} began only at {old.valid_from:%F %H:%M}.")
    if holds_after(old, at):
        raise ValidationError(
            f"Channel {old} holds readings from after {at:%F %H:%M}; withdraw them first, or "
            "change it from a later time."
        )
    Channel.objects.filter(pk=old.pk).update(valid_to=at)
    zone = changes.pop("zone", old.device.time_zone)
    kept = ("unit", "flow", "seconds", "value_type", "resolution")
    fields = {name: getattr(old, name) for name in (*kept, "multiplier", "multiplier_applied")}
    fields.update(changes)
    fields.update(channel_grid(fields["seconds"], zone, at.year))
    era = Channel(device=old.device, number=old.number, valid_from=at, **fields)
    era.full_clean()
    era.save()
    return era


def holds_after(channel: Channel, at: datetime) -> bool:
    """Whether a channel holds a reading whose interval ends after an instant."""
    newest = _newest_day(channel)
    if newest is None:
        return False
    start = int(at.timestamp())
    end = max(start, (blocks.day_number(newest) + 2) * DAY)
    series = journal.series_read([channel], start, end)[0]
    return bool((series.status != NEVER).any())


def _newest_day(channel: Channel) -> date | None:
    days = [
        rows.filter(channel_id=channel.pk).order_by("-day").values_list("day", flat=True).first()
        for rows in (IntervalBlock.objects, JournalEntry.objects)
    ]
    return max((day for day in days if day), default=None)
