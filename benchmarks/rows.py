"""The alternative: the same intervals, one row each, in a keyed table of the same database.

The table is as lean as such a table can be: a number for the channel, the time, the value, a flag.
"""

import csv
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from django.db import connection

from benchmarks.fleet import MISSING, Readings
from devices.readings import Ints, Status

TABLE = "row_reading"
_ESTIMATED = int(Status.ESTIMATED)
PG_EPOCH = 946684800
COPY = f"COPY {TABLE} (channel_id, ends, flag, value) FROM STDIN (FORMAT BINARY)"
HEADER, TRAILER = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
# A value below 10,000 as PostgreSQL's numeric: two digits to the base of 10,000.
_FIXED = [
    *(("fields", ">i2"), ("l1", ">i4"), ("channel", ">i8"), ("l2", ">i4"), ("ends", ">i8")),
    *(("l3", ">i4"), ("flag", "S1")),
]
_NUMERIC = [
    *(("l4", ">i4"), ("digits", ">i2"), ("weight", ">i2"), ("sign", ">i2"), ("scale", ">i2")),
    *(("whole", ">i2"), ("part", ">i2")),
]
VALUED, NULL = np.dtype(_FIXED + _NUMERIC), np.dtype([*_FIXED, ("l4", ">i4")])


def create() -> None:
    """An empty table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                f"CREATE TABLE {TABLE} (channel_id bigint NOT NULL, ends timestamptz NOT NULL, "
                "value numeric(12, 3), flag varchar(1) NOT NULL, PRIMARY KEY (channel_id, ends))"
            )
        else:
            cursor.execute(
                f"CREATE TABLE {TABLE} (channel_id integer NOT NULL, ends integer NOT NULL, "
                "value numeric, flag text NOT NULL, PRIMARY KEY (channel_id, ends))"
            )


Rows = bytes | list[tuple[int, int, float | None, str]]


def prepared(given: Readings) -> Rows:
    """Readings as the quickest way in takes them: COPY's binary records, or tuples."""
    flat = _flat(given)
    return _records(*flat) if connection.vendor == "postgresql" else _tuples(*flat)


def _flat(given: Readings) -> tuple[Ints, Ints, Ints, Ints]:
    """Channel, end, count and status of every interval, in the order of the key."""
    slots = len(given.ends)
    return (
        np.repeat(np.array(given.channels, np.int64), slots),
        np.tile(given.ends, len(given.channels)),
        given.counts.ravel(),
        given.status.ravel().astype(np.int64),
    )


def _flags(status: Ints) -> np.ndarray:
    estimated = np.where(status & _ESTIMATED, b"E", b"-")
    return np.where(status & MISSING, b"N", estimated)


def _tuples(channels: Ints, ends: Ints, counts: Ints, status: Ints) -> Rows:
    values = [
        None if mask & MISSING else count / 1000
        for count, mask in zip(counts.tolist(), status.tolist(), strict=True)
    ]
    flags = [flag.decode() for flag in _flags(status).tolist()]
    return list(zip(channels.tolist(), ends.tolist(), values, flags, strict=True))


def _records(channels: Ints, ends: Ints, counts: Ints, status: Ints) -> Rows:
    missing = (status & MISSING) != 0
    flags = _flags(status)
    made = []
    for kind, chosen in ((VALUED, ~missing), (NULL, missing)):
        records = np.zeros(int(chosen.sum()), kind)
        records["fields"] = 4
        records["l1"] = records["l2"] = 8
        records["l3"] = 1
        records["channel"] = channels[chosen]
        records["ends"] = (ends[chosen] - PG_EPOCH) * 1_000_000
        records["flag"] = flags[chosen]
        records["l4"] = -1
        if kind is VALUED:
            records["l4"], records["digits"], records["scale"] = 12, 2, 3
            records["whole"], rest = np.divmod(counts[chosen], 1000)
            records["part"] = rest * 10
        made.append(records.tobytes())
    return HEADER + b"".join(made) + TRAILER


def load(rows: Rows) -> None:
    """Take rows in, in one transaction."""
    if isinstance(rows, bytes):
        connection.ensure_connection()
        with connection.connection.cursor() as cursor, cursor.copy(COPY) as copy:
            copy.write(rows)
        return
    with connection.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f"INSERT INTO {TABLE} VALUES (%s, %s, %s, %s)", rows)
        cursor.execute("COMMIT")


def upsert(rows: Sequence[tuple[int, int, float | None, str]]) -> None:
    """The same by INSERT … ON CONFLICT, many rows a statement."""
    postgres = connection.vendor == "postgresql"
    one = "(%s, to_timestamp(%s), %s, %s)" if postgres else "(%s, %s, %s, %s)"
    values = ", ".join([one] * len(rows))
    statement = (
        f"INSERT INTO {TABLE} (channel_id, ends, value, flag) VALUES {values} ON CONFLICT "
        "(channel_id, ends) DO UPDATE SET value = excluded.value, flag = excluded.flag"
    )
    with connection.cursor() as cursor:
        cursor.execute("BEGIN" if postgres else "BEGIN IMMEDIATE")
        cursor.execute(statement, [cell for row in rows for cell in row])
        cursor.execute("COMMIT")


def plain_rows(given: Readings) -> list[tuple[int, int, float | None, str]]:
    """Readings as tuples on either database."""
    made = _tuples(*_flat(given))
    assert isinstance(made, list)
    return made


def dump(path: Path, start: int, end: int, ordered: bool) -> None:
    """Write a period to a file with the columns of CMEP's intervals, by the database's means.

    psql's \\copy; with SQLite, whose shell may be absent, Python's own sqlite3 and csv.
    """
    if connection.vendor == "postgresql":
        times = f"to_timestamp({start}) AND r.ends <= to_timestamp({end})"
        stamp = "to_char(r.ends AT TIME ZONE 'UTC', 'YYYYMMDDHH24MI')"
    else:
        times = f"{start} AND r.ends <= {end}"
        stamp = "strftime('%Y%m%d%H%M', r.ends, 'unixepoch')"
    query = (
        f"SELECT d.meter_number, c.unit, {stamp}, r.flag, r.value FROM {TABLE} r "
        "JOIN devices_channel c ON c.id = r.channel_id JOIN devices_device d "
        f"ON d.id = c.device_id WHERE r.ends > {times}"
    )
    if ordered:
        collation = ' COLLATE "C"' if connection.vendor == "postgresql" else ""
        query += f" ORDER BY d.meter_number{collation}, c.unit, r.ends"
    if connection.vendor == "postgresql":
        command = f"\\copy ({query}) to '{path}' with (format csv)"
        url = os.environ["TMS_DATABASE_URL"]
        subprocess.run(["psql", url, "-qXc", command], check=True, stdout=subprocess.DEVNULL)
        return
    connection.ensure_connection()
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(connection.connection.execute(query))


def restore(path: Path, given: Readings) -> float:
    """Seconds of reading intervals, a line each, into a keyed table by the database's means.

    psql's \\copy; with SQLite Python's own csv and sqlite3, in one transaction.
    """
    table, postgres = "row_restored", connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(
            f"CREATE TABLE {table} (channel_id bigint NOT NULL, ends bigint NOT NULL, "
            "value numeric(12, 3), flag varchar(1) NOT NULL, PRIMARY KEY (channel_id, ends))"
        )
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(plain_rows(given))
    began = time.perf_counter()
    if postgres:
        command = f"\\copy {table} from '{path}' with (format csv)"
        url = os.environ["TMS_DATABASE_URL"]
        subprocess.run(["psql", url, "-qXc", command], check=True, stdout=subprocess.DEVNULL)
    else:
        with path.open(newline="") as lines, connection.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            rows = ((*row[:2], row[2] or None, row[3]) for row in csv.reader(lines))
            cursor.executemany(f"INSERT INTO {table} VALUES (%s, %s, %s, %s)", rows)
            cursor.execute("COMMIT")
    return time.perf_counter() - began


def batches(given: Readings, size: int) -> Iterator[Readings]:
    """Readings in batches of so many channels."""
    for first in range(0, len(given.channels), size):
        yield given.part(first, size)
