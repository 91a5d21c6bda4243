"""How long does a run take that workers do?

From its first work to the committed run: planned, written in parts, put together, hashed, synced to
disk, archived. The CMEP file of a day as in the question `export`; workers without a broker, each a
process of its own. They are running when the export is asked for.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time as midnight, timedelta

from benchmarks import fleet
from benchmarks.tables import Line, seconds
from devices import journal
from exports import services
from exports.models import ExportDefinition, ExportRun

METERS, REPEATS, AIM = 100_000, 3, 1.7
NOTES = {vendor: ["Alternative: one worker."] for vendor in ("postgresql", "sqlite")}
LOOK = 0.02  # seconds between two looks at the run: more of them would keep a core busy
PATIENCE = 600


def measure(quick: bool) -> Iterator[Line]:
    meters = METERS // 10 if quick else METERS
    channels = fleet.grow(meters)
    fleet.feed(fleet.daily(fleet.readings(channels)))
    journal.fold_all()
    fleet.settle()
    definition = _definition()
    took: dict[int, list[float]] = {1: [], 2: []}
    begun: list[float] = []
    for _ in range(REPEATS):
        for count, times in took.items():
            with _workers(count):
                first, whole = _run(definition)
                begun.append(first)
                times.append(whole)
    one, two = min(took[1]), min(took[2])
    yield Line(f"{meters:,} meters, two workers", seconds(two), seconds(one), one / two, AIM)
    first = sorted(begun)[len(begun) // 2]
    yield Line("From “Export now” to the first work, median", f"{first * 1000:.0f} ms")


def _definition() -> ExportDefinition:
    start = datetime.combine(fleet.FIRST, midnight(), UTC)
    definition = ExportDefinition(
        name="BENCH", format="cmep", period="fixed", start=start, end=start + timedelta(days=1)
    )
    return services.definition_save(definition, groups=[], devices=[], destinations=[])


@contextmanager
def _workers(count: int) -> Iterator[None]:
    """So many worker processes, all of them at work when the block begins."""
    command = [sys.executable, "manage.py", "worker"]
    running = [subprocess.Popen(command, env=os.environ) for _ in range(count)]
    try:
        _settled(count)
        yield
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            process.wait()


def _settled(count: int) -> None:
    """A run of nothing, until each worker had time to start."""
    from devices.models import Heartbeat

    Heartbeat.objects.filter(name="worker").delete()
    end = time.monotonic() + PATIENCE
    while not Heartbeat.objects.filter(name="worker").exists():
        if time.monotonic() > end:
            raise RuntimeError("no worker has started")
        time.sleep(0.05)
    time.sleep(1.0 * count)


def _run(definition: ExportDefinition) -> tuple[float, float]:
    """Seconds from asking for a run to its first piece of work, and from there to its end."""
    began = time.perf_counter()
    run = services.definition_run(definition)
    first = 0.0
    while True:
        row = ExportRun.objects.only("state", "started", "finished", "error").get(pk=run.pk)
        if row.started and not first:
            first = time.perf_counter() - began
        if not row.is_open:
            if row.state != ExportRun.State.DONE:
                raise RuntimeError(f"the run is {row.state}: {row.error}")
            return first, (row.finished - row.started).total_seconds()
        if time.perf_counter() - began > PATIENCE:
            raise RuntimeError("the run did not end")
        time.sleep(LOOK)
