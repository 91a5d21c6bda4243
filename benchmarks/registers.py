"""How many register values a second go into each format that takes them?

From the store to the finished file, second look included where the run takes one: a self-read of
twenty registers a meter, totals and demand peaks of five rates and two flows. Best of several runs
in one process. A format counts with the values that it carries.
"""

import csv
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from django.db import connection, transaction
from django.utils import timezone

from benchmarks import fleet
from benchmarks.tables import Line, rate
from devices import journal
from devices.models import Batch, Channel
from devices.readings import RegisterRead, RegisterValue
from exports import formats
from exports.formats.base import Format, Options
from exports.services import RunRequest, run_create, run_execute

AIM = 3
METERS, REPEATS = 20_000, 3
TABLE = "row_register"
TIME = datetime(2026, 1, 12, tzinfo=UTC)
SLOT = timedelta(minutes=15)
KINDS = [
    (number, name, unit, flow, tier)
    for number, (flow, tier, (name, unit)) in enumerate(
        (
            (flow, tier, kind)
            for flow in ("DEL", "REC")
            for tier in "TABCD"
            for kind in (("SUM", "KWH"), ("MAX", "KW"))
        ),
        start=1,
    )
]
COLUMNS = "device_id, read_type, time, number, class, unit, flow, rate, value, peak, flag"
NOTES = {
    "postgresql": [
        "Alternative: `psql \\copy (select …) to` of the same values kept one row each, with "
        "device, place and times as text; not synced to disk."
    ],
    "sqlite": ["Alternative: Python's sqlite3 and csv, a row a value; not synced to disk."],
}


def measure(quick: bool) -> Iterator[Line]:
    meters = METERS // 10 if quick else METERS
    fleet.grow(meters)
    _feed(meters)
    fleet.settle()
    with tempfile.TemporaryDirectory(prefix="tms-bench-") as folder:
        count = meters * len(KINDS)
        plain = min(_dumped(Path(folder), False) for _ in range(REPEATS))
        ordered = min(_dumped(Path(folder), True) for _ in range(REPEATS))
        other = rate(count, plain)
        yield Line("– alternative in the files' order", "", rate(count, ordered))
        for name, form, options in _variants():
            took, values = _exported(form, options, Path(folder) / "out")
            ratio = (values / took) / (count / plain)
            yield Line(name, rate(values, took), other, ratio, AIM)


def _variants() -> Iterator[tuple[str, Format, dict[str, Any]]]:
    """Each format that takes registers, by default or when told to; each of its profiles."""
    for form in formats.every():
        if not form.writable or not form.registers:
            continue
        profiles = [o.choices for o in form.options if o.name == "profile"]
        for profile in profiles[0] if profiles else ("",):
            given = {"profile": profile} if profile else {}
            for more in ({}, {"include": "registers"}):
                options = given | more
                if _takes(form, options):
                    yield f"{form.code} {profile}".strip(), form, options
                    break


def _takes(form: Format, options: dict[str, Any]) -> bool:
    names = {option.name for option in form.options}
    if not options.keys() <= names:
        return False
    clean: Options = form.options_clean(options, "write")
    return form.wants_registers(clean)


def _exported(form: Format, options: dict[str, Any], path: Path) -> tuple[float, int]:
    """The best time of some runs, and the values of one."""
    request = RunRequest(form.code, TIME, TIME + timedelta(days=1), options=options)
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run = run_execute(run_create(request), str(path))
        times.append(time.perf_counter() - began)
    return min(times), run.registers


# --- the values, twice ----------------------------------------------------------------------------


def _feed(meters: int) -> None:
    """The reads in the journal and folded, and the same values in a table of rows."""
    devices = list(Channel.objects.order_by("pk").values_list("device_id", flat=True)[:meters])
    random = np.random.default_rng(1)
    counts = random.integers(0, 10**8, (meters, len(KINDS)))
    slots = random.integers(1, 2900, (meters, len(KINDS)))
    received = timezone.now()
    with transaction.atomic():
        batch = Batch.objects.create(body_hash=b"", source="scheduled", received=received)
        reads = [
            (device, _read(row, late))
            for device, row, late in zip(devices, counts.tolist(), slots.tolist(), strict=True)
        ]
        journal.registers_append(batch, reads)
        journal.batch_number(batch)
    journal.fold_all()
    _load(
        (device, "SR", TIME, *kind, value.value, value.peak_time, "A")
        for device, read in reads
        for kind, value in zip(KINDS, read.values, strict=True)
    )


def _read(counts: list[int], slots: list[int]) -> RegisterRead:
    values = [
        RegisterValue(
            *(name, unit, flow, tier, Decimal(count).scaleb(-3), number),
            peak_time=TIME - slot * SLOT if name == "MAX" else None,
        )
        for (number, name, unit, flow, tier), count, slot in zip(KINDS, counts, slots, strict=True)
    ]
    return RegisterRead(TIME, "SR", tuple(values), source="SR", received=TIME + SLOT)


def _load(rows: Iterator[tuple[Any, ...]]) -> None:
    """A table as lean as such a table can be, with its key."""
    postgres = connection.vendor == "postgresql"
    stamp, number = ("timestamptz", "numeric(15, 3)") if postgres else ("text", "text")
    text = "varchar(4)" if postgres else "text"
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE {TABLE} (device_id bigint NOT NULL, read_type {text}, time {stamp}, "
            f"number smallint, class {text}, unit varchar(6), flow {text}, rate varchar(1), "
            f"value {number}, peak {stamp}, flag varchar(1), "
            "PRIMARY KEY (device_id, time, read_type, number, rate))"
        )
        if postgres:
            with cursor.copy(f"COPY {TABLE} ({COLUMNS}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        marks = ", ".join(["%s"] * 11)
        plain = ([None if cell is None else str(cell) for cell in row] for row in rows)
        cursor.executemany(f"INSERT INTO {TABLE} ({COLUMNS}) VALUES ({marks})", plain)


def _dumped(folder: Path, ordered: bool) -> float:
    """Seconds that the database needs to write the values to a file by its own means."""
    postgres = connection.vendor == "postgresql"
    stamp = "{0}"
    if postgres:
        stamp = "to_char({0} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
    query = (
        "SELECT d.device_id, d.meter_number, d.serial_number, i.service_point_id, i.account_id, "
        f"r.read_type, {stamp.format('r.time')}, r.number, r.class, r.unit, r.flow, r.rate, "
        f"r.value, {stamp.format('r.peak')}, r.flag FROM {TABLE} r "
        "JOIN devices_device d ON d.id = r.device_id "
        "LEFT JOIN devices_installation i ON i.device_id = d.id"
    )
    if ordered:
        collation = ' COLLATE "C"' if postgres else ""
        query += f" ORDER BY d.meter_number{collation}, r.time, r.read_type, r.number, r.rate"
    began = time.perf_counter()
    if postgres:
        command = f"\\copy ({query}) to '{folder / 'rows.csv'}' with (format csv)"
        url = os.environ["TMS_DATABASE_URL"]
        subprocess.run(["psql", url, "-qXc", command], check=True, stdout=subprocess.DEVNULL)
    else:
        _dump_sqlite(query, folder / "rows.csv")
    return time.perf_counter() - began


def _dump_sqlite(query: str, path: Path) -> None:
    connection.ensure_connection()
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(connection.connection.execute(query))
