"""How many bytes does an interval take on disk?

With all indexes. "Near-term" is the same fleet fed an interval a meter at a time, all through the
day; "compacted" is after the journal's entries have become base entries, as purge makes them once
their term is over.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from benchmarks import fleet, rows
from benchmarks.tables import Line
from devices import blocks, journal

BLOCKS, JOURNAL, BASES = (
    "devices_intervalblock",
    "devices_journalentry",
    "devices_baseblock",
)
DAYS, METERS = 7, 5000
BLOCKS_AIM, BOTH_AIM = 15, 7
NOTES = {
    "postgresql": [
        "Alternative: a table of (channel, time, value, flag), keyed by channel and time."
    ],
}
NOTES["sqlite"] = NOTES["postgresql"]


def measure(quick: bool) -> Iterator[Line]:
    meters = METERS // 10 if quick else METERS
    channels = fleet.grow(2 * meters)
    days = [blocks.day_date(blocks.day_number(fleet.FIRST) + n) for n in range(DAYS)]
    rows.create()
    by_day, by_slot = channels[:meters], channels[meters:]
    for day in days:
        rows.load(rows.prepared(fleet.readings(by_day, day)))
    row = _bytes(rows.TABLE) / (meters * DAYS * fleet.SLOTS)
    yield from _daily(by_day, days, row)
    yield from _near_term(by_slot, row)


def _daily(channels: list[int], days: list, row: float) -> Iterator[Line]:
    """Batches of whole days."""
    for day in days:
        fleet.feed(fleet.daily(fleet.readings(channels, day)))
    journal.fold_all()
    total = len(channels) * len(days) * fleet.SLOTS
    block, entry = _bytes(BLOCKS) / total, _bytes(JOURNAL) / total
    yield _line("Daily batches: blocks", block, row, BLOCKS_AIM)
    yield _line("Daily batches: blocks and journal", block + entry, row, BOTH_AIM)
    _compact()
    left = _bytes(JOURNAL, BASES) / total
    yield _line("Daily batches, compacted: blocks and journal", block + left, row)


def _near_term(channels: list[int], row: float) -> Iterator[Line]:
    """A batch an interval, all channels in it; each folded as it comes."""
    fleet.settle()  # else the server may look at large tables while the small ones are measured
    before, before_bases = _bytes(BLOCKS), _bytes(JOURNAL, BASES)
    given = fleet.readings(channels)
    for slot in range(fleet.SLOTS):
        fleet.feed(iter([given.slot(slot)]))
        journal.fold_all()
    total = len(channels) * fleet.SLOTS
    block = (_bytes(BLOCKS) - before) / total
    entry = (_bytes(JOURNAL, BASES) - before_bases) / total
    yield _line("Near-term: blocks", block, row)
    yield _line("Near-term: blocks and journal", block + entry, row)
    _compact()
    left = (_bytes(JOURNAL, BASES) - before_bases) / total
    yield _line("Near-term, compacted: blocks and journal", block + left, row)


def _line(what: str, ours: float, row: float, aim: float | None = None) -> Line:
    return Line(what, f"{ours:.1f} B", f"{row:.1f} B", row / ours, aim)


def _compact() -> None:
    journal.purge(timezone.now() + timedelta(days=1))


def _bytes(*tables: str) -> int:
    """What tables take on disk, once cleaned up: with indexes, partitions and all."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for table in tables:
                cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute(
                "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE oid IN "
                "(SELECT unnest(%(tables)s::regclass[]) UNION ALL SELECT inhrelid FROM pg_inherits "
                "WHERE inhparent = ANY(%(tables)s::regclass[]))",
                {"tables": list(tables)},
            )
        else:
            marks = ", ".join(["%s"] * len(tables))
            cursor.execute(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN "
                f"(SELECT name FROM sqlite_master WHERE tbl_name IN ({marks}))",
                list(tables),
            )
        return int(cursor.fetchone()[0] or 0)
