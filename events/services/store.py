"""Storing events with the batch that brought them."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.utils.module_loading import import_string

from devices.journal import sql
from devices.models import Batch, Device
from devices.readings import Event as Report
from events import codes
from events.models import Category, Event, EventType, Severity, State
from events.selectors.catalogue import Kind, aliases_load, entries_load, kinds_for_mnemonics
from events.services.twins import Arrived, twins_merge

# Rows of one INSERT; bounds the memory of its parameter.
ROWS_AT_ONCE = 50_000
# Batches whose events come as they happen; all others are read from a meter's log, later.
LIVE_SOURCES = {"", "near-term", "pushed"}
# Repeats of one last gasp differ in nothing but their words.
LAST_GASPS = {"PWR_OUTAGE"}


class Arrival(NamedTuple):
    """An event that arrived, with its device and what its code means."""

    device: int
    report: Report
    meaning: codes.Resolved


def batch_events_store(batch: Batch, events: Sequence[tuple[int, Report]]) -> int:
    """Store a batch's events, each with its device's key; the number of new ones.

    Inside the batch's transaction. The number of queries does not grow with the events. What is
    there already is left as it is: the report that came first stands. Rows go in by (time,
    device), so that two batches which share events cannot wait for each other.
    """
    if not events:
        return 0
    arrivals, kinds = _resolved(batch, events)
    kinds |= event_types_ensure({a.meaning.mnemonic for a in arrivals} - kinds.keys())
    rows = twins_merge(
        [
            Arrived(arrival.meaning.mnemonic, arrival.report.time, row)
            for arrival in arrivals
            for row in [_row(batch, arrival, kinds[arrival.meaning.mnemonic])]
        ]
    )
    rows.sort(key=lambda row: (row["time"], row["device_id"], row["type_id"], row["identity"]))
    transaction.on_commit(wake, robust=True)
    return sum(
        _rows_insert(rows[first : first + ROWS_AT_ONCE])
        for first in range(0, len(rows), ROWS_AT_ONCE)
    )


def wake() -> None:
    """Hint that there are events to go on with. Nothing depends on it: workers sweep anyway."""
    if settings.BROKER_URL:
        import_string("events.tasks.events_follow").apply_async(retry=False)


def _resolved(
    batch: Batch, events: Sequence[tuple[int, Report]]
) -> tuple[list[Arrival], dict[str, Kind]]:
    """What the codes mean, by the aliases of who sent them; and the described types."""
    entries, kinds = entries_load()
    aliases = aliases_load()
    head_end = batch.api_key_id or 0
    classes: dict[int, int] = {}
    if aliases.by_class:
        devices = sql.id_set({device for device, _ in events})
        classes = dict(Device.objects.filter(pk__in=devices).values_list("pk", "device_class_id"))
    books: dict[int, codes.Codebook] = {}
    arrivals = []
    for device, report in events:
        device_class = classes.get(device, 0)
        if (book := books.get(device_class)) is None:
            own = aliases.for_sender(head_end, device_class)
            book = books[device_class] = codes.Codebook(entries, aliases.everywhere, own)
        if meaning := book.resolve(report.code, report.origin, report.native):
            arrivals.append(Arrival(device, report, meaning))
    return arrivals, kinds


def event_types_ensure(mnemonics: Iterable[str]) -> dict[str, Kind]:
    """The types of mnemonics outside the catalogue, made where they arrive for the first time.

    Safe when two batches bring the same new code at once.
    """
    wanted = sorted(mnemonics)
    if not wanted:
        return {}
    kinds = kinds_for_mnemonics(wanted)
    new = [name for name in wanted if name not in kinds]
    if new:
        EventType.objects.bulk_create(map(_unmapped_type, new), ignore_conflicts=True)
        kinds |= kinds_for_mnemonics(new)
    return kinds


def _unmapped_type(mnemonic: str) -> EventType:
    origin, number = codes.native_number(mnemonic) or ("", 0)
    known = codes.NUISANCES.get(number, "") if origin == codes.STANDARD else ""
    return EventType(
        mnemonic=mnemonic,
        category=Category.CONFIGURATION,
        severity=Severity.INFORMATION,
        state=State.POINT,
        meaning=known,
        nuisance=bool(known),
        unmapped=True,
    )


def identity_of(report: Report, meaning: codes.Resolved) -> int:
    """What tells events of one device, type and time apart: 64 bits of all that they say.

    The sender's id is not part of it, since a gateway may number a repeat anew; but an event
    without a time is told from others by it.
    """
    if report.time and meaning.mnemonic in LAST_GASPS:
        return 0
    said = (
        meaning.origin,
        meaning.native,
        meaning.iec_code,
        _phases(report, meaning),
        None if report.value is None else format(report.value.normalize(), "f"),
        report.unit,
        report.duration,
        report.text,
        None if report.time else report.event_id,
    )
    digest = hashlib.blake2b(repr(said).encode(), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _phases(report: Report, meaning: codes.Resolved) -> str:
    return "".join(sorted(report.phases)) or meaning.phases


def _row(batch: Batch, arrival: Arrival, kind: Kind) -> dict[str, Any]:
    """An event as columns and plain values, to be written as JSON."""
    device, report, meaning = arrival
    late = batch.source not in LIVE_SOURCES and meaning.origin != codes.RAISED
    return {
        "device_id": device,
        "type_id": kind.pk,
        "batch_id": batch.pk,
        "time": _stamp(report.time or batch.received),
        "time_valid": report.time is not None,
        "received": _stamp(batch.received),
        "identity": identity_of(report, meaning),
        "origin": meaning.origin,
        "native": meaning.native,
        "iec_code": meaning.iec_code,
        "category": kind.category,
        "severity": kind.severity,
        "event_id": report.event_id,
        "phases": _phases(report, meaning),
        "value": None if report.value is None else format(report.value, "f"),
        "unit": report.unit,
        "duration": report.duration,
        "text": report.text,
        "replay": Event.Replay.LATE if late else Event.Replay.LIVE,
        "twin": "",
    }


def _stamp(time: datetime) -> str:
    """A time as the database takes it, in UTC; equal times are equal texts, later ones greater."""
    return time.astimezone(UTC).isoformat(" ")[: -len("+00:00")]


def _rows_insert(rows: Sequence[dict[str, Any]]) -> int:
    """Insert rows that are new, all in one statement; how many there were."""
    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)
    table = Event._meta.db_table
    if connection.vendor == "postgresql":
        source = f"SELECT {columns} FROM json_populate_recordset(NULL::{table}, %s::json)"
    else:
        fields = ", ".join(f"json_extract(value, '$.{name}')" for name in names)
        source = f"SELECT {fields} FROM json_each(%s) WHERE true"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}) {source} ON CONFLICT DO NOTHING",
            [json.dumps(rows)],
        )
        return cursor.rowcount
