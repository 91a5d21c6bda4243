"""How fast is an import of the device list?

A file of 12 columns is read, checked and shown as a difference (preview), then applied: new devices
first, then an update of each. Memory is the most that a process of its own had.
"""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import tablib
from django.db import connection
from import_export import fields, resources, widgets

from benchmarks.tables import Line, seconds
from devices.imports.options import Options
from devices.models import Device, DeviceClass, ImportJob
from devices.services.imports import work
from devices.services.imports.apply import import_queue
from devices.services.imports.jobs import import_create, job_claim, stream_note
from devices.services.imports.stage import import_stage

ROWS, STOCK_ROWS = 100_000, 1_000
SMALL, LARGE = 10_000, 500_000
STOCK_AIM, COPY_AIM, MEMORY_AIM = 50, 5, 1.1
_STOCK = "Alternative 1: a stock django-import-export ModelResource of the same columns, measured "
_STOCK += f"with {STOCK_ROWS:,} rows and counted up; its preview is a dry run with difference."
NOTES = {
    "postgresql": [_STOCK, "Alternative 2: COPY and INSERT … ON CONFLICT, without any check."],
    "sqlite": [_STOCK, "Alternative 2: executemany and INSERT … ON CONFLICT, without any check."],
}
COLUMNS = {
    "Action": "",
    "DeviceID": "device_id",
    "MeterNumber": "meter_number",
    "SerialNumber": "serial_number",
    "DeviceClass": "device_class",
    "TimeZone": "time_zone",
    "CommType": "comm_type",
    "CommAddress": "comm_address",
    "Address": "address",
    "City": "city",
    "PostalCode": "postal_code",
    "Notes": "notes",
}
FIELDS = tuple(COLUMNS.values())[1:]


def row(number: int, action: str, prefix: str = "D") -> tuple[str, ...]:
    """A row of the file. An update differs from the add in its address and notes."""
    again = "" if action == "A" else " again"
    key = f"{prefix}{number:08}"
    return (
        *(action, key, f"M{key}", f"SN-{key}", "SENTINEL", "America/Chicago", "LTE"),
        *(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", f"{number} Main Street{again}"),
        *("Jackson", f"392{number % 100:02}", f"pole {number}{again}"),
    )


def body(count: int, action: str) -> bytes:
    """The file."""
    lines = [",".join(COLUMNS), *(",".join(row(n, action)) for n in range(count))]
    return "\r\n".join(lines).encode()


def ours(data: bytes) -> tuple[float, float]:
    """Seconds of preview and of apply."""
    job = import_create(
        kind=ImportJob.Kind.DEVICES, filename="devices.csv", options=Options(), origin="command"
    )
    stream = io.BytesIO(data)
    began = time.perf_counter()
    stream_note(job, stream)
    job_claim(job, work.TO_READ, ImportJob.State.READING)
    import_stage(job, stream)
    read = time.perf_counter()
    import_queue(job, user=None, confirmed=True, dangers=True)
    work.import_do(job)
    done = time.perf_counter()
    assert job.state == ImportJob.State.APPLIED, job.message
    assert not job.counts.get("ERROR"), job.counts
    return read - began, done - read


class StockResource(resources.ModelResource):
    """What the package's documentation begins with."""

    device_class = fields.Field(
        attribute="device_class", widget=widgets.ForeignKeyWidget(DeviceClass, "code")
    )

    class Meta:
        model = Device
        import_id_fields = ("device_id",)
        fields = FIELDS


def stock(action: str) -> tuple[float, float]:
    """Seconds of a row's preview and apply."""
    rows = [row(n, action, "S")[1:] for n in range(STOCK_ROWS)]
    data = tablib.Dataset(*rows, headers=FIELDS)
    times = []
    for dry in (True, False):
        began = time.perf_counter()
        result = StockResource().import_data(data, dry_run=dry, raise_errors=True)
        times.append((time.perf_counter() - began) / STOCK_ROWS)
        assert not result.has_errors()
    return times[0], times[1]


def plain(count: int, action: str) -> float:
    """Seconds of the database's own way, from ready rows."""
    codes = dict(DeviceClass.objects.values_list("code", "pk"))
    rows = []
    for number in range(count):
        _, *cells = row(number, action, "P")
        cells[3] = codes[cells[3]]
        rows.append(cells)
    columns = [name if name != "device_class" else "device_class_id" for name in FIELDS]
    rest = dict.fromkeys(("pin", "region", "phase", "schedule_profile"), "''")
    rest |= {"state": "'placed'", "created": "CURRENT_TIMESTAMP"}
    return _load(rows, columns, rest)


def _load(rows: list[list[Any]], columns: list[str], rest: dict[str, str]) -> float:
    named = ", ".join(columns)
    sets = ", ".join(f"{name} = excluded.{name}" for name in columns)
    upsert = (
        f"INSERT INTO devices_device ({named}, {', '.join(rest)}) SELECT {named}, "
        f"{', '.join(rest.values())} FROM plain WHERE true "
        f"ON CONFLICT (device_id) DO UPDATE SET {sets}"
    )
    kinds = dict.fromkeys(columns, "text") | {"device_class_id": "bigint"}
    types = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS plain")
        began = time.perf_counter()
        cursor.execute("BEGIN")
        cursor.execute(f"CREATE TEMPORARY TABLE plain ({types})")
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY plain ({named}) FROM STDIN") as copy:
                for cells in rows:
                    copy.write_row(cells)
        else:
            marks = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO plain VALUES ({marks})", rows)
        cursor.execute(upsert)
        cursor.execute("COMMIT")
        return time.perf_counter() - began


def measure(quick: bool) -> Iterator[Line]:
    count = ROWS // 10 if quick else ROWS
    for action, word in (("A", "added"), ("U", "updated")):
        preview, applied = ours(body(count, action))
        stock_preview, stock_apply = (one * count for one in stock(action))
        loaded = plain(count, action)
        yield _line(f"{count:,} {word}: preview", preview, stock_preview)
        yield _line(f"{count:,} {word}: apply", applied, stock_apply)
        yield Line(
            "– apply against alternative 2",
            seconds(applied),
            seconds(loaded),
            applied / loaded,
            COPY_AIM,
            at_most=True,
        )
    yield _memory(quick)


def _line(what: str, mine: float, theirs: float) -> Line:
    return Line(what, seconds(mine), seconds(theirs), theirs / mine, STOCK_AIM)


def _memory(quick: bool) -> Line:
    large = LARGE // 10 if quick else LARGE
    peaks = [_peak(count) for count in (SMALL, large)]
    return Line(
        f"memory of {large:,} rows (TMS) against {SMALL:,} (alternative)",
        *(f"{peak / 2**20:.0f} MiB" for peak in reversed(peaks)),
        peaks[1] / peaks[0],
        MEMORY_AIM,
        at_most=True,
    )


def _peak(count: int) -> int:
    """The most memory of a process that imports so many rows, in bytes."""
    command = [sys.executable, "-m", "benchmarks.one_import", str(count)]
    return int(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
