"""How fast do readings come in over HTTP?

From the client's first byte to the last 201: authorised, decoded, checked and durable. Bodies are
plain JSON with `counts`, one request after the other on one connection; the server is gunicorn as
`manage.py start` has it. Both sides take turns, a few batches each; the ratio is the median of the
turns. The fold runs after the batches, in this process. The data of both sides is ready beforehand.
"""

import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from benchmarks import fleet, rows, web
from benchmarks.fleet import Readings
from benchmarks.tables import Line, rate
from devices import batchform, journal
from devices.models import Channel
from devices.readings import Status, instant, status_names
from devices.services.keys import api_key_create

METERS, BATCH, NEAR_BATCH = 10_000, 2000, 1000
DAILY_AIM, NEAR_AIM = 3, 1
TURNS = 12
NOTES = {
    "postgresql": [
        "Alternative: one row an interval in a keyed table, a transaction a batch: binary COPY for "
        "daily batches, INSERT … ON CONFLICT of many rows for near-term ones."
    ],
    "sqlite": [
        "Alternative: one row an interval in a keyed table, a transaction a batch, by Python's "
        "sqlite3: executemany for daily batches, INSERT … ON CONFLICT of many rows for near-term "
        "ones."
    ],
}
_keys = itertools.count(1)


def measure(quick: bool) -> Iterator[Line]:
    channels = fleet.grow(METERS // 5 if quick else METERS)
    days = [fleet.readings(channels, fleet.FIRST + timedelta(days=n)) for n in range(4)]
    near = fleet.readings(channels[: 2 * NEAR_BATCH], fleet.FIRST + timedelta(days=4))
    names = dict(Channel.objects.values_list("pk", "device__device_id"))
    rows.create()
    fleet.settle()
    _, key = api_key_create("benchmark", ["ingest"])
    with web.server() as port:

        def post(batches: Iterable[Readings], clients: int) -> float:
            return web.post_all(port, key, [body(batch, names) for batch in batches], clients)

        # The first answer of each of the server's processes is slow.
        post([days[0].part(10 * n, 10).slot(0) for n in range(16)], 4)
        yield from _daily(post, days)
        yield from _near_term(post, near)


Post = Callable[[Iterable[Readings], int], float]
Load = Callable[[Any], None]


def _daily(post: Post, days: Sequence[Readings]) -> Iterator[Line]:
    """Two days by one client and as rows, two by four clients."""
    first, second = ([b for day in pair for b in _cut(day)] for pair in (days[:2], days[2:]))
    size = sum(batch.size for batch in first)
    one, other, ratio = _in_turns(post, first, rows.prepared, rows.load)
    four = post(second, 4)
    meters = first[0].size // fleet.SLOTS
    name = f"Daily batches of {meters:,} meters"
    yield Line(f"{name}, one client", rate(size, one), rate(size, other), ratio, DAILY_AIM)
    yield Line(
        f"{name}, four clients (one: alternative)", rate(size, four), rate(size, one), one / four
    )
    yield Line("Fold of daily batches", rate(2 * size, _fold()))


def _near_term(post: Post, given: Readings) -> Iterator[Line]:
    """A day of one thousand meters by one client and as rows, of another by four clients."""
    first, second = (
        [part.slot(slot) for slot in range(fleet.SLOTS)] for part in _cut(given, NEAR_BATCH)
    )
    size = sum(batch.size for batch in first)
    one, other, ratio = _in_turns(post, first, rows.plain_rows, rows.upsert)
    four = post(second, 4)
    name = f"Near-term batches of {NEAR_BATCH:,} meters"
    yield Line(f"{name}, one client", rate(size, one), rate(size, other), ratio, NEAR_AIM)
    yield Line(
        f"{name}, four clients (one: alternative)", rate(size, four), rate(size, one), one / four
    )
    yield Line("Fold of near-term batches", rate(2 * size, _fold()))


def _cut(given: Readings, size: int = BATCH) -> list[Readings]:
    return [given.part(first, size) for first in range(0, len(given.channels), size)]


def _in_turns(
    post: Post, batches: list[Readings], prepare: Callable[[Readings], Any], load: Load
) -> tuple[float, float, float]:
    """Seconds of both sides, and the median of how many times faster ours was.

    They take turns, a few batches each, so that what else the machine does hits both.
    """
    parts = [batches[n::TURNS] for n in range(min(TURNS, len(batches)))]
    times = [(post(part, 1), _timed(load, map(prepare, part))) for part in parts]
    ours, others = zip(*times, strict=True)
    return sum(ours), sum(others), statistics.median(other / one for one, other in times)


def _timed(load: Load, prepared: Iterable) -> float:
    """Seconds of taking in everything prepared."""
    ready = list(prepared)
    gc.collect()
    gc.freeze()  # that so much is ready must not cost the alternative collections of garbage
    began = time.perf_counter()
    for one in ready:
        load(one)
    return time.perf_counter() - began


def _fold() -> float:
    began = time.perf_counter()
    journal.fold_all()
    return time.perf_counter() - began


def body(given: Readings, names: Mapping[int, str]) -> bytes:
    """A batch as a head-end posts it; `names` are the devices of the channels."""
    seconds = fleet.DAY // fleet.SLOTS
    start = instant(int(given.ends[0]) - seconds)
    flagged = given.status.any(axis=1).tolist()
    meters = []
    for row, channel in enumerate(given.channels):
        run = batchform.Intervals(
            start=start, channel=1, seconds=seconds, counts=given.counts[row].tolist()
        )
        if flagged[row]:
            masks = given.status[row].tolist()
            run.status = ["+".join(status_names(mask)) for mask in masks]
            run.counts = [
                None if mask & Status.MISSING else count
                for mask, count in zip(masks, given.counts[row].tolist(), strict=True)
            ]
        meters.append(batchform.Meter(device=names[channel], intervals=[run]))
    form = batchform.Form(batch=f"bench-{next(_keys)}", source="scheduled", meters=meters)
    return msgspec.json.encode(form)
