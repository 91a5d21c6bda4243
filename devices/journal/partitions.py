"""Partitions on PostgreSQL: blocks by month of day, the journal by month of receipt.

Made in a transaction of their own, under a lock, before the batch or fold that needs them; a
table is built beside its parent and attached, which does not stop readers or writers.
"""

from collections.abc import Iterable
from datetime import date

from django.db import connection, transaction
from django.utils import timezone

from devices.journal import locks

KEPT_MONTHS = 36
BLOCKS, JOURNAL = "devices_intervalblock", "devices_journalentry"
ROOMY = 50  # percent of a page that is filled at first
# One day in thirty changes: the share of dead rows that vacuum waits for must be a day's, too.
STORAGE = {BLOCKS: "WITH (autovacuum_vacuum_scale_factor = 0.02)", JOURNAL: ""}
_known: set[tuple[str, date]] = set()
_roomy: set[str] = set()


def month_of(day: date) -> date:
    """The first day of a day's month."""
    return day.replace(day=1)


def month_add(month: date, months: int) -> date:
    """A month so many months later."""
    index = month.year * 12 + month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def first_partitions_create(conn) -> None:
    """The partition of all old months of blocks; called once, by the migration."""
    bound = month_add(month_of(timezone.now().date()), -KEPT_MONTHS)
    with conn.cursor() as cursor:
        for table in (BLOCKS, JOURNAL):
            cursor.execute(
                f"CREATE TABLE {table}_old PARTITION OF {table} "
                f"FOR VALUES FROM (MINVALUE) TO ('{bound}')"
            )


def partitions_ensure(table: str, months: Iterable[date]) -> None:
    """Make the partitions of these months, where missing. Call outside any transaction."""
    if connection.vendor != "postgresql":
        return
    wanted = {month for month in map(month_of, months) if (table, month) not in _known}
    if not wanted:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.PARTITIONS])
        bound, names = _existing(cursor, table)
        for month in sorted(wanted):
            if month >= bound and _name(table, month) not in names:
                _attach(cursor, table, month)
    if not connection.in_atomic_block:  # else a rollback could take them away again
        _known.update((table, month) for month in wanted)


def room_make(days: Iterable[date]) -> None:
    """Leave room on new pages of these days' blocks, which are written again and again.

    A new version beside the old one touches no index, and the next takes the old one's room
    without waiting for vacuum. Days that come whole are written once and stay dense.
    """
    if connection.vendor != "postgresql":
        return
    names = {_name(BLOCKS, day) for day in days} - _roomy
    with connection.cursor() as cursor:
        for name in sorted(names):
            cursor.execute(f"ALTER TABLE IF EXISTS {name} SET (fillfactor = {ROOMY})")
    if not connection.in_atomic_block:
        _roomy.update(names)


def partitions_maintain() -> dict[str, int]:
    """Make next month's partitions, drop empty old ones of the journal, merge old block months.

    What `manage.py partitions` does by hand. Returns counts {made, dropped, merged}.
    """
    if connection.vendor != "postgresql":
        return {"made": 0, "dropped": 0, "merged": 0}
    _known.clear()
    today = timezone.now().date()
    before = _count()
    for table in (BLOCKS, JOURNAL):
        partitions_ensure(table, [today, month_add(today, 1)])
    made = _count() - before
    dropped = _journal_drop_empty(month_of(today))
    merged = _blocks_merge(month_add(month_of(today), -KEPT_MONTHS))
    return {"made": made, "dropped": dropped, "merged": merged}


def _name(table: str, month: date) -> str:
    return f"{table}_{month:%Y%m}"


def _existing(cursor, table: str) -> tuple[date, set[str]]:
    """The first month that has a partition of its own, and the names of all partitions."""
    cursor.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i "
        "JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass",
        [table],
    )
    rows = dict(cursor.fetchall())
    old = rows.get(f"{table}_old", "")
    bound = date.fromisoformat(old.rsplit("'", 2)[1]) if "'" in old else date.min
    return bound, set(rows)


def _count() -> int:
    with connection.cursor() as cursor:
        return sum(len(_existing(cursor, table)[1]) for table in (BLOCKS, JOURNAL))


def _attach(cursor, table: str, month: date) -> None:
    name = _name(table, month)
    cursor.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING DEFAULTS) {STORAGE[table]}")
    # What came in pieces last month will do so this month.
    cursor.execute(
        "SELECT 1 FROM pg_class WHERE oid = to_regclass(%s) AND %s = ANY(reloptions)",
        [_name(table, month_add(month, -1)), f"fillfactor={ROOMY}"],
    )
    if cursor.fetchone():
        cursor.execute(f"ALTER TABLE {name} SET (fillfactor = {ROOMY})")
    cursor.execute(
        f"ALTER TABLE {table} ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{month}') TO ('{month_add(month, 1)}')"
    )


def _journal_drop_empty(before: date) -> int:
    """Drop the journal's partitions of past months that purge has emptied."""
    dropped = 0
    with connection.cursor() as cursor:
        names = _existing(cursor, JOURNAL)[1]
    for name in sorted(names):
        stamp = name.removeprefix(f"{JOURNAL}_")
        if not stamp.isdigit() or date(int(stamp[:4]), int(stamp[4:]), 1) >= before:
            continue
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.PARTITIONS])
            cursor.execute(f"LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {name})")
            if not cursor.fetchone()[0]:
                cursor.execute(f"DROP TABLE {name}")
                dropped += 1
    return dropped


def _blocks_merge(bound: date) -> int:
    """Move block months older than the kept ones into the partition of all old months."""
    merged = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [locks.PARTITIONS])
        old_bound, names = _existing(cursor, BLOCKS)
        if old_bound >= bound:
            return 0
        cursor.execute(f"ALTER TABLE {BLOCKS} DETACH PARTITION {BLOCKS}_old")
        month = old_bound
        while month < bound:
            name = _name(BLOCKS, month)
            if name in names:
                cursor.execute(f"ALTER TABLE {BLOCKS} DETACH PARTITION {name}")
                cursor.execute(f"INSERT INTO {BLOCKS}_old SELECT * FROM {name}")
                cursor.execute(f"DROP TABLE {name}")
                merged += 1
            month = month_add(month, 1)
        cursor.execute(
            f"ALTER TABLE {BLOCKS} ATTACH PARTITION {BLOCKS}_old "
            f"FOR VALUES FROM (MINVALUE) TO ('{bound}')"
        )
    _known.clear()
    return merged
