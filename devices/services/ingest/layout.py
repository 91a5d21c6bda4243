"""Runs of slots laid onto the channels' grids, checked, and cut into journal entries by the day."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress

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
    channels = [run.channel for run in runs]
    starts = np.array([run.start for run in runs], np.int64)
    seconds = np.array([channel.seconds for channel in channels], np.int64)
    offsets = np.array([channel.grid_offset for channel in channels], np.int64)
    first, off = np.divmod(starts + offsets, seconds)
    ends = starts + sizes * seconds
    latest = int((now + AHEAD).timestamp())
    for index in [place for place, channel in enumerate(channels) if channel.zone]:
        found = _local_days(runs[index], int(sizes[index]), latest)
        first[index], ends[index], off[index] = found
    early = starts + np.minimum(seconds, ends - starts) < EARLIEST
    closing = np.full(len(runs), ALWAYS, np.int64)
    for index in [place for place, channel in enumerate(channels) if channel.valid_to]:
        closing[index] = int(channels[index].valid_to.timestamp())
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
    channels = np.array([run.channel.pk for run in slots.runs], np.int64)
    if len(np.unique(channels)) == len(channels):
        return
    good = np.array([run.meter not in faults for run in slots.runs], np.bool_)
    channels = channels[good]
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
    channels = np.array([r.channel.pk for r in slots.runs], np.int64)[run]
    first_slots = begin - day * per_day[run]
    columns = (channels.tolist(), day.tolist(), first_slots.tolist(), *packed)
    entries = list(map(Entry, *columns))
    if not faults:
        return entries
    good = np.array([r.meter not in faults for r in slots.runs], np.bool_)[run]
    return list(compress(entries, good.tolist()))


def entries_pack(
    counts: Ints, masks: Masks | None, starts: Ints
) -> tuple[list[bytes], list[bytes]]:
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
    packed = [
        marks[w] + raw[w][w * a : w * b]
        for a, b, w in zip(bounds, bounds[1:], width.tolist(), strict=False)
    ]
    status = [b""] * len(starts)
    if masks is not None:
        words = masks.astype("<u2").tobytes()
        for index in np.flatnonzero(np.maximum.reduceat(masks, starts)).tolist():
            status[index] = words[2 * bounds[index] : 2 * bounds[index + 1]]
    return packed, status
