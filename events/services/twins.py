"""One event told twice: by the module and by the meter's log, or as old and new time of a clock.

Formats/events.md 5. The earlier received stays, the other is noted on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.db import connection

from devices.journal import sql
from events.models import Event
from events.pairing import (
    CLOCK_PAIRS,
    SLACK,
    TWINS,
    Report,
    clock_partner,
    twin_of,
)

CLOCK = "TIME_CHANGED"
CLOCK_NUMBERS = {*CLOCK_PAIRS, *CLOCK_PAIRS.values()}
LOCK = 0x544D5310  # batches that bring what may have a twin go one after the other


class Arrived(NamedTuple):
    """A row to be stored, and what the meter said of it. `time` None: it did not say when."""

    mnemonic: str
    time: datetime | None
    row: dict[str, Any]

    @property
    def may_pair(self) -> bool:
        if self.time is None:
            return False
        return self.mnemonic in TWINS or (
            self.mnemonic == CLOCK and self.row["native"] in CLOCK_NUMBERS
        )


def twins_merge(arrived: Sequence[Arrived]) -> list[dict[str, Any]]:
    """The rows that are events of their own; those that are not are noted on their twins.

    Inside the batch's transaction.
    """
    pairing = sorted((a for a in arrived if a.may_pair), key=lambda a: (a.time, a.row["device_id"]))
    rows = [a.row for a in arrived if not a.may_pair]
    if not pairing:
        return rows
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    known = _stored(pairing)
    noted = []
    for mnemonic, time, row in pairing:
        key = (row["device_id"], row["type_id"])
        others = known.setdefault(key, [])
        report = Report(row, row["origin"], row["native"], cast(datetime, time))
        partner = (clock_partner if mnemonic == CLOCK else twin_of)(report, others)
        if partner is None:
            others.append(report)
            rows.append(row)
        elif isinstance(partner.row, dict):
            _join(partner, report, mnemonic)
        elif not partner.twin:
            partner.twin = report.note()
            noted.append(Event(pk=partner.row, twin=partner.twin))
    Event.objects.bulk_update(noted, ["twin"], batch_size=500)
    return rows


def _join(partner: Report, report: Report, mnemonic: str) -> None:
    """Note a report on another row of its batch; of a clock setting the new time stays."""
    if mnemonic == CLOCK:
        old, new = partner, report
        if partner.native in CLOCK_PAIRS.values():
            old, new = report, partner
        text = new.row["text"] or (
            f"Clock set from {old.time.isoformat(timespec='seconds')} "
            f"to {new.time.isoformat(timespec='seconds')}"
        )
        partner.row.update({**new.row, "text": text, "twin": old.note()})
        partner.native, partner.time, partner.twin = new.native, new.time, old.note()
    else:
        partner.row["twin"] = partner.twin = report.note()


def _stored(pairing: Sequence[Arrived]) -> dict[tuple[int, int], list[Report]]:
    """Events that are there already and may be the twins of arriving ones, by device and type."""
    devices = {a.row["device_id"] for a in pairing}
    times = [a.time for a in pairing if a.time is not None]
    rows = Event.objects.filter(
        device__in=sql.id_set(devices),
        type__in={a.row["type_id"] for a in pairing},
        time__gte=min(times) - SLACK,
        time__lte=max(times) + SLACK,
        time_valid=True,
    )
    found: dict[tuple[int, int], list[Report]] = {}
    for pk, device, kind, origin, native, time, twin in rows.values_list(
        "pk", "device", "type", "origin", "native", "time", "twin"
    ):
        found.setdefault((device, kind), []).append(Report(pk, origin, native, time, twin))
    return found
