"""The inventory as a batch needs it: all its devices with all their channels, in one query."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from devices.journal import sql
from devices.models import ApiKey, Installation

# The member of a posted meter and the column that it is looked up in.
IDENTIFIERS = {
    "device": "device_id",
    "meter_number": "meter_number",
    "serial_number": "serial_number",
}


# What an installation says, and a posted meter may say, too.
PLACES = ("service_point_id", "account_id", "premise_id", "transformer_id", "feeder_id")


class KnownChannel(NamedTuple):
    """A channel, or one era of it. Its `pk` is negative until it is made."""

    pk: int
    number: int
    unit: str
    flow: str
    seconds: int
    value_type: str
    resolution: Decimal
    multiplier: Decimal | None
    multiplier_applied: bool
    grid_offset: int
    zone: str
    valid_from: datetime | None
    valid_to: datetime | None


@dataclass(slots=True)
class KnownDevice:
    """A device with its channels by number, eras oldest first. `allowed`: to the sender."""

    pk: int
    device_id: str
    meter_number: str
    serial_number: str
    device_class: str
    time_zone: str
    state: str
    allowed: bool
    channels: dict[int, list[KnownChannel]] = field(default_factory=dict)


# Spelt out, not left to the ORM: this is the one query of the hot path, and its rows are many.
_QUERY = """
SELECT d.id, d.device_id, d.meter_number, d.serial_number, k.code, d.time_zone, d.state, {allowed},
       c.id, c.number, c.unit, c.flow, c.seconds, c.value_type, c.resolution, c.multiplier,
       c.multiplier_applied, c.grid_offset, c.zone, c.valid_from, c.valid_to
FROM devices_device d
JOIN devices_deviceclass k ON k.id = d.device_class_id
LEFT JOIN devices_channel c ON c.device_id = d.id
WHERE {wanted}
ORDER BY d.id, c.number, c.valid_from IS NOT NULL, c.valid_from
"""
# A key without groups feeds every device, one with groups those that are in one of them now.
_ALLOWED = """
(NOT EXISTS (SELECT 1 FROM devices_apikey_groups a WHERE a.apikey_id = %s) OR EXISTS (
    SELECT 1 FROM devices_membership m
    JOIN devices_apikey_groups a ON a.functionalgroup_id = m.group_id
    WHERE a.apikey_id = %s AND m.device_id = d.id
      AND m.valid_from <= %s AND (m.valid_to IS NULL OR m.valid_to > %s)))
"""
_DEVICE = 8  # columns of the device
Names = dict[str, set[str]]  # identifier (a key of IDENTIFIERS) → its values
Known = dict[str, dict[str, list[KnownDevice]]]  # the same → value → devices


def devices_find(names: Names, api_key: ApiKey | None) -> Known:
    """The devices that have any of these identifiers, with whether the key may feed them."""
    known: Known = {name: {} for name in IDENTIFIERS}
    asked = [name for name in IDENTIFIERS if names.get(name)]
    if not asked:
        return known
    device: KnownDevice | None = None
    for row in _rows(names, asked, api_key):
        if device is None or device.pk != row[0]:
            device = KnownDevice(*row[:_DEVICE])
            for name in asked:
                if (value := getattr(device, IDENTIFIERS[name])) in names[name]:
                    known[name].setdefault(value, []).append(device)
        if row[_DEVICE] is not None:
            channel = KnownChannel._make(row[_DEVICE:])
            device.channels.setdefault(channel.number, []).append(channel)
    return known


def _rows(names: Names, asked: Sequence[str], api_key: ApiKey | None) -> Iterator[tuple[Any, ...]]:
    wanted = [_any_of(f"d.{IDENTIFIERS[name]}", names[name], "text") for name in asked]
    allowed, params = ("1 = 1", []) if api_key is None else (_ALLOWED, _allowed_params(api_key))
    query = _QUERY.format(allowed=allowed, wanted=" OR ".join(text for text, _ in wanted))
    rows = sql.rows(query, [*params, *(param for _, param in wanted)])
    return iter(rows) if sql.is_postgres() else map(_from_sqlite, rows)


def _allowed_params(api_key: ApiKey) -> list[Any]:
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    return [api_key.pk, api_key.pk, now, now]


def _from_sqlite(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row of SQLite with the types that its columns were declared to have."""
    *head, resolution, multiplier, applied, offset, zone, start, end = row
    decimals = _decimal(resolution), _decimal(multiplier)
    return (*head, *decimals, applied, offset, zone, _aware(start), _aware(end))


@lru_cache(maxsize=1024)
def _decimal(value: float | None) -> Decimal | None:
    """A decimal column; it has few enough digits for a float to tell them all."""
    return None if value is None else Decimal(repr(value))


def _aware(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _any_of(column: str, values: Iterable[str | int], kind: str) -> tuple[str, Any]:
    """The condition that a column is one of any number of values, and its one parameter."""
    if sql.is_postgres():
        # One text is far quicker to send than an adapted list; no identifier holds the mark.
        return f"{column} = ANY(string_to_array(%s, E'\\x1f')::{kind}[])", "\x1f".join(
            map(str, values)
        )
    # The column is a name of ours; the values are one parameter.
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(values))


def key_is_limited(api_key: ApiKey | None) -> bool:
    """Whether a key may feed devices of some groups only."""
    return api_key is not None and api_key.groups.exists()


def multipliers_find(devices: Sequence[int]) -> dict[int, list[tuple[datetime, Decimal]]]:
    """Multipliers of devices' installations: device → (valid from, multiplier), oldest first."""
    found: dict[int, list[tuple[datetime, Decimal]]] = {}
    rows = (
        Installation.objects.filter(device__in=devices)
        .order_by("valid_from")
        .values_list("device", "valid_from", "multiplier")
    )
    for device, start, multiplier in rows:
        found.setdefault(device, []).append((start, multiplier))
    return found


def places_known(devices: Sequence[int]) -> dict[int, dict[str, set[str]]]:
    """Every service point, account, … that devices' installations ever had, by device."""
    found: dict[int, dict[str, set[str]]] = {}
    rows = Installation.objects.filter(device__in=devices).values_list("device", *PLACES)
    for device, *values in rows:
        known = found.setdefault(device, {name: set() for name in PLACES})
        for name, value in zip(PLACES, values, strict=True):
            known[name].add(value)
    return found


def channels_closed(channels: Sequence[int]) -> bool:
    """Whether any of these channels has an end by now."""
    wanted, param = _any_of("id", channels, "bigint")
    query = "SELECT 1 FROM devices_channel WHERE valid_to IS NOT NULL AND " + wanted + " LIMIT 1"
    return bool(sql.rows(query, [param]))
