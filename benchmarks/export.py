"""How long does the CMEP file of a day take?

From the store to the finished file: selected, written, hashed, on disk under its name. CMEP as the
standard has it, at most 48 intervals a record and a time on each. Best of several runs in one
process, as a worker does them; "first" is the first run of a new process.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import fleet, rows
from benchmarks.tables import Line, seconds

AIM = 10
REPEATS = {10_000: 5, 100_000: 2}
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
            _set_up(done, meters)
            done = meters
            yield from _compare(meters, repeats, Path(folder))


def _set_up(done: int, meters: int) -> None:
    """The day of more meters, in blocks and in rows."""
    channels = fleet.grow(meters)
    given = fleet.readings(channels).part(done, meters)
    fleet.feed(fleet.daily(given))
    fleet.journal.fold_all()
    for part in fleet.daily(given):
        rows.load(rows.prepared(part))
    fleet.settle()


def _compare(meters: int, repeats: int, folder: Path) -> Iterator[Line]:
    given = fleet.readings([0])
    start, end = int(given.ends[0]) - 900, int(given.ends[-1])
    # Both sides as near in time as can be, and the better of each: the machine is not ours alone.
    ours = export(folder / "cmep.txt", repeats)
    plain = min(_timed(folder, start, end, False) for _ in range(min(repeats, 3)))
    ordered = min(_timed(folder, start, end, True) for _ in range(1 if meters > 50_000 else 2))
    best, first = min(ours["took"]), ours["took"][0]
    name = f"{meters:,} meters, {ours['intervals']:,} intervals"
    yield Line(name, seconds(best), seconds(plain), plain / best, AIM)
    yield Line(f"{name}, first", seconds(first), seconds(plain), plain / first)
    yield Line(
        f"{name}, alternative in the file's order", seconds(best), seconds(ordered), ordered / best
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
