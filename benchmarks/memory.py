"""Does a larger fleet need more memory?

The most memory that a process had (resident) when it wrote the CMEP file of a day.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import fleet
from benchmarks.export import export
from benchmarks.tables import Line

AIM = 1.1
SMALL, LARGE = 10_000, 100_000
NOTES = {"postgresql": [], "sqlite": []}


def measure(quick: bool) -> Iterator[Line]:
    peaks = []
    done = 0
    with tempfile.TemporaryDirectory(prefix="tms-bench-") as folder:
        for meters in (SMALL, LARGE // 4 if quick else LARGE):
            channels = fleet.grow(meters)
            fleet.feed(fleet.daily(fleet.readings(channels).part(done, meters)))
            fleet.journal.fold_all()
            fleet.settle()
            done = meters
            peaks.append((meters, export(Path(folder) / "cmep.txt", 1)["peak"]))
    (small, low), (large, high) = peaks
    yield Line(
        f"{large:,} meters (TMS) against {small:,} (alternative)",
        f"{high / 2**20:.0f} MiB",
        f"{low / 2**20:.0f} MiB",
        high / low,
        AIM,
        at_most=True,
    )
