"""Runs of slots laid onto the channels' grids, checked, and cut into journal entries by the day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from devices import blocks
from devices.journal import Entry
from devices.readings import DAY, Ints, Masks, instant
from devices.services.ingest.numbers import Slots
from devices.services.ingest.problems import Faults
from devices.services.ingest.resolve import Run

EARLIEST = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
AHEAD = timedelta(days=1)
ALWAYS = 1 << 40  # an end that never comes, in seconds
WIDTHS = (1, 2, 4, 8)  # of packed counts, in bytes


@dataclass(slots=True)
class Places:
    """Where runs lie, (m,): slots since 1970 in the channel's own days, slots a day, ends."""

    first: Ints
    sizes: Ints
    per_day: Ints
    ends: Ints  # epoch seconds


def places_find(slots: Slots, now: datetime, faults: Faults) -> Places:
    """The place of each run on its channel's grid; what is off it or out of time is noted."""
    runs = slots.runs
    sizes = np.diff(slots.bounds)
    starts = np.array([run.start for run in runs], np.int64)
    seconds = np.array([run.channel.seconds for run in runs], np.int64)
    offsets = np.array([run.channel.grid_offset for run in runs], np.int64)
    first, off = np.divmod(starts + offsets, seconds)
    ends = starts + sizes * seconds
    latest = int((now + AHEAD).timestamp())
    for index, run in enumerate(runs):
        if run.channel.zone:
            first[index], ends[index], off[index] = _local_days(run, int(sizes[index]), latest)
    early = starts + np.minimum(seconds, ends - starts) < EARLIEST
    closing = np.array([_closing(run) for run in runs], np.int64)
    for wrong, code in (
        (sizes == 0, "NO_VALUES"),
        (off != 0, "MISALIGNED"),
        (early | (ends > latest), "IMPLAUSIBLE_TIME"),
        (ends > closing, "STRADDLES_ERAS"),
    ):
        for index in np.flatnonzero(wrong).tolist():
            if code != "NO_VALUES" or runs[index].meter not in faults:
                _fault(faults, runs[index], code, int(ends[index]))
    return Places(first, sizes, DAY // seconds, ends)


def _local_days(run: Run, size: int, latest: int) -> tuple[int, int, int]:
    """(day, end, 0 or 1 when not on a local midnight) of a run of a one-day channel."""
    channel = run.channel
    end = run.start + size * DAY
    if end > latest + 2 * DAY or run.start < EARLIEST - 2 * DAY:
        return 0, end, 0
    found = blocks.day_slot(run.start, DAY, channel.grid_offset, channel.zone)
    if found is None:
        return 0, end, 1
    day = found[0]
    return day, blocks.local_midnight(channel.zone, blocks.day_date(day + size)), 0


def _closing(run: Run) -> int:
    end = run.channel.valid_to
    return ALWAYS if end is None else int(end.timestamp())


def _fault(faults: Faults, run: Run, code: str, end: int) -> None:
    channel, start = run.channel, run.block.start.isoformat()
    member = "start"
    if code == "NO_VALUES":
        member, message = "values", "no values; leave the run out"
    elif code == "MISALIGNED":
        grid = f"local midnight of {channel.zone}" if channel.zone else f"{channel.seconds} s"
        message = f"start {start} is not on the channel's grid ({grid})"
    elif code == "IMPLAUSIBLE_TIME":
        # A run may be long enough to end beyond the calendar.
        last = instant(end).isoformat() if end < ALWAYS // 8 else "far ahead"
        message = f"{start} to {last} is not within 2000 and a day from now; check the clock"
    else:
        message = f"start {start}: the channel changed at {channel.valid_to}; send it in two runs"
    path = f"intervals[{run.index}].{member}"
    faults.add(run.meter, path, code, f"channel {channel.number}: {message}")


def duplicates_find(slots: Slots, places: Places, faults: Faults) -> None:
    """Note runs that overlap another of their channel, among meters that are good so far."""
    good = np.array([run.meter not in faults for run in slots.runs], np.bool_)
    channels = np.array([run.channel.pk for run in slots.runs], np.int64)[good]
    if len(channels) < 2:
        return
    index = np.flatnonzero(good)
    # One axis for all channels, each in a stretch of its own.
    first = np.unique(channels, return_inverse=True)[1] * ALWAYS + places.first[good]
    order = np.argsort(first, kind="stable")
    reach = np.maximum.accumulate((first + places.sizes[good])[order])
    for place in (np.flatnonzero(first[order][1:] < reach[:-1]) + 1).tolist():
        run = slots.runs[int(index[order[place]])]
        faults.add(
            run.meter,
            f"intervals[{run.index}].start",
            "DUPLICATE_SLOT",
            f"channel {run.channel.number}: intervals from {run.block.start.isoformat()} on are "
            "in the batch twice; send each once",
        )


# --- entries -------------------------------------------------------------------------------------


def entries_cut(slots: Slots, places: Places, faults: Faults) -> list[Entry]:
    """The journal entries of good meters, one a channel-day; those of others are left out."""
    size, per_day = places.sizes, places.per_day
    if not len(slots.counts):
        return []
    first_day = places.first // per_day
    days = np.where(size > 0, (places.first + size - 1) // per_day - first_day + 1, 0)
    run = np.repeat(np.arange(len(days)), days)
    day = first_day[run] + np.arange(len(run)) - np.repeat(np.cumsum(days) - days, days)
    begin = np.maximum(places.first[run], day * per_day[run])
    starts = slots.bounds[run] + begin - places.first[run]
    packed = entries_pack(slots.counts, slots.masks, starts)
    channels = [r.channel.pk for r in slots.runs]
    bad = {i for i, r in enumerate(slots.runs) if r.meter in faults} if faults else ()
    return [
        Entry(channels[i], d, slot, counts, status)
        for i, d, slot, (counts, status) in zip(
            run.tolist(), day.tolist(), (begin - day * per_day[run]).tolist(), packed, strict=True
        )
        if i not in bad
    ]


def entries_pack(counts: Ints, masks: Masks | None, starts: Ints) -> list[tuple[bytes, bytes]]:
    """Packed counts and status of runs from `starts` (k,), each up to the next one.

    The same bytes as `blocks.pack_entry` and `blocks.pack_status` give run by run.
    """
    bounds = [*starts.tolist(), len(counts)]
    low, high = np.minimum.reduceat(counts, starts), np.maximum.reduceat(counts, starts)
    width = np.full(len(starts), WIDTHS[-1], np.int64)
    for bytes_each in reversed(WIDTHS[:-1]):
        bound = 1 << (8 * bytes_each - 1)
        width[(-bound <= low) & (high < bound)] = bytes_each
    raw = {w: counts.astype(f"<i{w}").tobytes() for w in np.unique(width).tolist()}
    marks = {w: bytes((w,)) for w in raw}
    status = masks.astype("<u2").tobytes() if masks is not None else b""
    flagged = (
        [False] * len(starts)
        if masks is None
        else (np.maximum.reduceat(masks, starts) > 0).tolist()
    )
    return [
        (marks[w] + raw[w][w * a : w * b], status[2 * a : 2 * b] if f else b"")
        for a, b, w, f in zip(bounds, bounds[1:], width.tolist(), flagged, strict=False)
    ]
