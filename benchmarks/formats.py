"""How fast is each format by itself?

A day of 15-minute intervals, one channel a meter, from ready frames to a file in memory and back
to series: no store, no disk. One core, the best of several turns; one in sixteen meters has a gap
or an estimate. Of the binary formats, whose records hold more of a longer period, a month of fewer
meters, too: as many intervals.
"""

import io
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks import fleet, rows
from benchmarks.fleet import Readings
from benchmarks.tables import Line, rate
from devices.longwork import collector_resting
from devices.readings import DAY, Arrival, Channel, DeviceInfo, Frame, Sheet, instant
from exports import formats
from exports.formats.base import Format, ReadReport, WriteContext

METERS, TURNS, OTHERS_TURNS = 10_000, 4, 2
PART_CELLS = 240_000  # intervals of a frame, as a run has them
MONTH = 31
TEXT, ROWS_OF_TEXT, BINARY = 10, 5, 25  # aims
KWH = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.001"), None, True, 0)
_SAME = "the same intervals kept one row each"
NOTES = {
    "postgresql": [
        f"Alternative: `psql \\copy (select …) to` of {_SAME}, and `\\copy … from` a file of them "
        "into a keyed table; both on disk."
    ],
    "sqlite": [
        f"Alternative: Python's sqlite3 and csv, {_SAME}, to a file and from one into a keyed "
        "table."
    ],
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a format is asked: options of writer and reader, and how many times faster it should be.

    A format without any is asked with its defaults.
    """

    write: Mapping[str, str] = field(default_factory=dict)
    read: Mapping[str, str] = field(default_factory=dict)
    aim: int = TEXT


SETTINGS = {
    "lodestar": Settings(
        {"zone_name": "UTC=GMT0"}, {"zone_name": "UTC=GMT0", "channel_map": "KWH DEL=1"}
    ),
    "hhf": Settings(aim=BINARY),
    "mv90": Settings({"multi_meter": "yes"}, aim=BINARY),
    "rte": Settings(aim=ROWS_OF_TEXT),
    "sxml": Settings(aim=ROWS_OF_TEXT),
}


def measure(quick: bool) -> Iterator[Line]:
    given = fleet.readings(fleet.grow(METERS // 10 if quick else METERS))
    rows.create()
    rows.load(rows.prepared(given))
    fleet.settle()
    with tempfile.TemporaryDirectory(prefix="tms-bench-") as folder:
        path = Path(folder) / "rows.csv"
        first, last = int(given.ends[0]) - KWH.seconds, int(given.ends[-1])
        out = _best(lambda: rows.dump(path, first, last, ordered=False), OTHERS_TURNS)
        back = min(rows.restore(path, given) for _ in range(OTHERS_TURNS))
    for form in formats.every():
        if form.intervals:
            yield from _compare(form, given, given.size / out, given.size / back)
            if SETTINGS.get(form.code, Settings()).aim == BINARY:
                month = ", a month"
                yield from _compare(form, _month(given), given.size / out, given.size / back, month)


def _month(given: Readings) -> Readings:
    """The same day again and again, of as many fewer meters."""
    some = given.part(0, len(given.channels) // MONTH)
    days = DAY * np.arange(MONTH, dtype=np.int64)[:, None]
    return replace(
        some,
        ends=(days + some.ends).reshape(-1),
        counts=np.tile(some.counts, MONTH),
        status=np.tile(some.status, MONTH),
    )


def _compare(
    form: Format, given: Readings, out: float, back: float, what: str = ""
) -> Iterator[Line]:
    """A format's lines beside the alternative's intervals a second; what it read must be what was
    written."""
    asked = SETTINGS.get(form.code, Settings())
    if form.writable:
        ctx = _context(form, asked, given)
        frames = list(_frames(given, form.wants_arrivals(ctx.options)))
        data = _written(form, frames, ctx)
        took = _best(lambda: _written(form, frames, ctx))
        yield _line(f"{form.code}{what}, written", given, took, out, asked.aim)
        if form.readable:
            _check(form, asked, data, given)
            took = _best(lambda: _read(form, asked, data))
            yield _line(f"{form.code}{what}, read", given, took, back, asked.aim)


def _line(what: str, given: Readings, took: float, other: float, aim: int) -> Line:
    pace = given.size / took
    return Line(what, rate(given.size, took), rate(other, 1), pace / other, aim)


def _best(turn: Callable[[], object], turns: int = TURNS) -> float:
    """Seconds of the quickest of several turns: the machine is not ours alone."""
    took = []
    for _ in range(turns):
        began = time.perf_counter()
        turn()
        took.append(time.perf_counter() - began)
    return min(took)


def _context(form: Format, asked: Settings, given: Readings) -> WriteContext:
    first, last = int(given.ends[0]) - KWH.seconds, int(given.ends[-1])
    return WriteContext(
        created=datetime(2026, 1, 13, 4, tzinfo=UTC),
        batch_id="20260113040000",
        start=instant(first),
        end=instant(last),
        options=form.options_clean(asked.write, "write"),
        sender="BENCH",
        receiver="BENCH",
        export="BENCH",
    )


def _frames(given: Readings, arrivals: bool) -> Iterator[Frame]:
    """Ready frames, as a run's selection makes them; counts as the store keeps them."""
    size = PART_CELLS // len(given.ends)
    for first in range(0, len(given.channels), size):
        part = given.part(first, size)
        devices = [_device(first + place) for place in range(len(part.channels))]
        numbers = np.ones(part.counts.shape, np.int64) if arrivals else None
        counts = part.counts.astype(np.int32)
        places = np.arange(len(devices))
        sheet = Sheet(places, [KWH] * len(devices), part.ends, counts, part.status, numbers)
        batch = {1: Arrival(datetime(2026, 1, 13, 1, tzinfo=UTC), "SC")}
        yield Frame(devices, [sheet], arrivals=batch if arrivals else {})


def _device(place: int) -> DeviceInfo:
    number = str(fleet.FIRST_NUMBER + place)
    return DeviceInfo(number, number, number, number, number, device_class="CENTRON")


def _written(form: Format, frames: Sequence[Frame], ctx: WriteContext) -> bytes:
    out = io.BytesIO()
    with collector_resting():  # as a run does
        form.write(frames, ctx, out)
    return out.getvalue()


def _read(form: Format, asked: Settings, data: bytes) -> tuple[int, int]:
    """Intervals read, and errors."""
    report = ReadReport()
    options = form.options_clean(asked.read, "read")
    meters = form.read(io.BytesIO(data), options, None, report)
    count = sum(len(series.ends) for meter in meters for series in meter.series)
    return count, report.errors


def _check(form: Format, asked: Settings, data: bytes, given: Readings) -> None:
    count, errors = _read(form, asked, data)
    assert (count, errors) == (given.size, 0), f"{form.code}: {count} read, {errors} errors"
