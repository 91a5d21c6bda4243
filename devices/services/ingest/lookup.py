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

from devices.journal import locks, sql
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
    """A channel, or one era of it. Its `pk` is negative until it is made.

    Looked up briefly, it lacks the members from `unit` on.
    """

    pk: int
    number: int
    seconds: int
    resolution: Decimal
    grid_offset: int
    zone: str
    valid_from: datetime | None
    valid_to: datetime | None
    unit: str = ""
    flow: str = ""
    value_type: str = ""
    multiplier: Decimal | None = None
    multiplier_applied: bool = True


@dataclass(slots=True)
class KnownDevice:
    """A device with its channels by number, eras oldest first. `allowed`: to the sender.

    Looked up briefly, it lacks the members from `meter_number` on.
    """

    pk: int
    device_id: str
    allowed: bool
    meter_number: str = ""
    serial_number: str = ""
    device_class: str = ""
    time_zone: str = ""
    state: str = ""
    channels: dict[int, list[KnownChannel]] = field(default_factory=dict)


# Spelt out, not left to the ORM: this is the one query of the hot path, and its rows are many.
_QUERY = """
SELECT d.id, d.device_id, {allowed} {device},
       c.id, c.number, c.seconds, c.resolution, c.grid_offset, c.zone, c.valid_from, c.valid_to
       {channel}
FROM devices_device d
{joined}
LEFT JOIN devices_channel c ON c.device_id = d.id
WHERE {wanted}
ORDER BY d.id, c.number, c.valid_from IS NOT NULL, c.valid_from
"""
# What only a batch that speaks of it needs: half of what would have to be sent.
_WHOLE = {
    "device": ", d.meter_number, d.serial_number, k.code, d.time_zone, d.state",
    "channel": ", c.unit, c.flow, c.value_type, c.multiplier, c.multiplier_applied",
    "joined": "JOIN devices_deviceclass k ON k.id = d.device_class_id",
}
_BRIEF = dict.fromkeys(_WHOLE, "")
_COLUMNS = {"device": 1, "meter_number": 3, "serial_number": 4}  # of the identifiers
# A key without groups feeds every device, one with groups those that are in one of them now.
_ALLOWED = """
(NOT EXISTS (SELECT 1 FROM devices_apikey_groups a WHERE a.apikey_id = %s) OR EXISTS (
    SELECT 1 FROM devices_membership m
    JOIN devices_apikey_groups a ON a.functionalgroup_id = m.group_id
    WHERE a.apikey_id = %s AND m.device_id = d.id
      AND m.valid_from <= %s AND (m.valid_to IS NULL OR m.valid_to > %s)))
"""
Names = dict[str, set[str]]  # identifier (a key of IDENTIFIERS) → its values
Known = dict[str, dict[str, list[KnownDevice]]]  # the same → value → devices


def devices_find(names: Names, api_key: ApiKey | None, *, brief: bool = False) -> Known:
    """The devices that have any of these identifiers, with whether the key may feed them.

    `brief`: no more of them than a batch needs that speaks of nothing else.
    """
    known: Known = {name: {} for name in IDENTIFIERS}
    asked = [name for name in IDENTIFIERS if names.get(name)]
    if not asked:
        return known
    wanted = [(_COLUMNS[name], names[name], known[name]) for name in asked]
    last = None
    channels: dict[int, list[KnownChannel]] = {}
    width = 3 if brief else 8  # columns of the device
    for row in _rows(names, asked, api_key, brief):
        if row[0] != last:
            last, channels = row[0], {}
            device = KnownDevice(*row[:width], channels=channels)
            for column, values, found in wanted:
                if row[column] in values:
                    found.setdefault(row[column], []).append(device)
        if row[width] is not None:
            channel = KnownChannel(*row[width:])
            if channel.number in channels:
                channels[channel.number].append(channel)
            else:
                channels[channel.number] = [channel]
    return known


def _rows(
    names: Names, asked: Sequence[str], api_key: ApiKey | None, brief: bool
) -> Iterator[tuple[Any, ...]]:
    wanted = [_any_of(f"d.{IDENTIFIERS[name]}", names[name]) for name in asked]
    allowed, params = allowed_sql(api_key)
    query = _QUERY.format(
        allowed=allowed,
        wanted=" OR ".join(text for text, _ in wanted),
        **(_BRIEF if brief else _WHOLE),
    )
    rows = sql.rows(query, [*params, *(param for _, param in wanted)])
    if sql.is_postgres():
        return iter(rows)
    return (_from_sqlite(row, 3 if brief else 8) for row in rows)


def allowed_sql(api_key: ApiKey | None) -> tuple[str, list[Any]]:
    """Whether the key may feed the device `d`: condition and parameters."""
    if api_key is None:
        return "1 = 1", []
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    return _ALLOWED, [api_key.pk, api_key.pk, now, now]


def _from_sqlite(row: tuple[Any, ...], width: int) -> tuple[Any, ...]:
    """A row of SQLite with the types that its columns were declared to have."""
    pk, number, seconds, resolution, offset, zone, start, end, *rest = row[width:]
    if rest:
        rest[3] = _decimal(rest[3])  # the multiplier
    times = _aware(start), _aware(end)
    return (
        *(*row[:width], pk, number, seconds, _decimal(resolution), offset, zone),
        *(*times, *rest),
    )


@lru_cache(maxsize=1024)
def _decimal(value: float | None) -> Decimal | None:
    """A decimal column; it has few enough digits for a float to tell them all."""
    return None if value is None else Decimal(repr(value))


def _aware(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _any_of(column: str, values: Iterable[str]) -> tuple[str, Any]:
    """The condition that a column is one of any number of texts, and its one parameter."""
    if sql.is_postgres():
        # One text is far quicker to send than an adapted list; no identifier holds the mark.
        return f"{column} = ANY(string_to_array(%s, E'\\x1f'))", "\x1f".join(values)
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
    """Whether any of these channels has an end by now. If none has, none gets one before COMMIT."""
    wanted, param = sql.any_of("id", channels)
    query = "SELECT 1 FROM devices_channel WHERE valid_to IS NOT NULL AND " + wanted + " LIMIT 1"
    if not sql.is_postgres():
        return bool(sql.rows(query, [param]))
    with connection.cursor() as cursor:
        # One message, two statements: the second sees what was committed before the lock.
        lock = "SELECT pg_advisory_xact_lock_shared(%s); "
        cursor.execute(lock + query, [locks.ERAS, param])
        cursor.nextset()
        return cursor.fetchone() is not None
