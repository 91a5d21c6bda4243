"""How long does the CMEP file of a day take?

From the store to the finished file: selected, written, hashed, on disk under its name. CMEP as the
standard has it, at most 48 intervals a record and a time on each; one channel of 15 minutes a
meter. Best of several runs in one process, as a worker does them. The file has an order, which its
format demands; the alternative is shown without one and with it.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from benchmarks import fleet, rows
from benchmarks.tables import Line, seconds
from devices import journal

AIM = 10
REPEATS = {10_000: 4, 100_000: 2}
_SAME = "of the same intervals kept one row each, with the same columns"
NOTES = {
    "postgresql": [f"Alternative: `psql \\copy (select …) to` {_SAME}; not synced to disk."],
    "sqlite": [
        f"Alternative: Python's sqlite3 and csv, a row an interval, {_SAME}; not synced to disk."
    ],
}


def measure(quick: bool) -> Iterator[Line]:
    rows.create()
    done = 0
    with tempfile.TemporaryDirectory(prefix="tms-bench-") as folder:
        for meters, repeats in REPEATS.items():
            meters = meters // 10 if quick else meters
            channels = _set_up(done, meters)
            done = meters
            yield from _compare(meters, repeats, Path(folder))
            yield _while_waiting(channels, Path(folder))


def _set_up(done: int, meters: int) -> list[int]:
    """The day of more meters, in blocks and in rows."""
    channels = fleet.grow(meters)
    given = fleet.readings(channels).part(done, meters)
    fleet.feed(fleet.daily(given))
    journal.fold_all()
    for part in fleet.daily(given):
        rows.load(rows.prepared(part))
    fleet.settle()
    return channels


def _compare(meters: int, repeats: int, folder: Path) -> Iterator[Line]:
    """Both sides one after the other, and the better of each: the machine is not ours alone."""
    given = fleet.readings([0])
    period = int(given.ends[0]) - fleet.DAY // fleet.SLOTS, int(given.ends[-1])
    took = export(folder / "cmep.txt", repeats)["took"]
    plain = min(_timed(folder, *period, False) for _ in range(repeats - 1))
    ordered = min(_timed(folder, *period, True) for _ in range(repeats - 1))
    best, first = min(took), took[0]
    yield Line(f"{meters:,} meters", seconds(best), seconds(plain), plain / best, AIM)
    yield Line("– in the file's order", seconds(best), seconds(ordered), ordered / best, AIM)
    yield Line("– first export of a process", seconds(first), seconds(plain), plain / first)


def _while_waiting(channels: list[int], folder: Path) -> Line:
    """The same while batches of another day wait for the fold: reading must look at them."""
    given = fleet.readings(channels[:1000], fleet.FIRST + timedelta(days=7))
    fleet.feed(given.slot(slot) for slot in range(10))
    waiting = min(export(folder / "cmep.txt", 2)["took"])
    journal.fold_all()
    folded = min(export(folder / "cmep.txt", 2)["took"])
    return Line(
        "– ten near-term batches waiting (none: alternative)",
        seconds(waiting),
        seconds(folded),
        folded / waiting,
    )


def _timed(folder: Path, start: int, end: int, ordered: bool) -> float:
    began = time.perf_counter()
    rows.dump(folder / "rows.csv", start, end, ordered)
    return time.perf_counter() - began


def export(path: Path, times: int) -> dict:
    """What a process of its own reports of so many exports of the day."""
    command = [sys.executable, "-m", "benchmarks.one_export", str(path), str(times)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)
