"""Pure: packing of channel-days, and folding journal entries into them by rank.

Shapes throughout: m channel-days of one slot count s are arrays (m, s). Packed forms, all little
endian: block counts int32, or int64 when a value needs it; journal counts one byte of item width
(1, 2, 4, 8) and then signed integers of it; status uint16, empty when every slot is 0; numbers
runs of (uint16 length, int64 number); revisions uint16, empty when every slot is 0.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, DAY, NEVER, Ints, Masks, Status

EPOCH_DAY = date(1970, 1, 1)
RUN = np.dtype([("length", "<u2"), ("number", "<i8")])
Ranks = npt.NDArray[np.int8]

_MISSING, _ESTIMATED, _EDITED = (
    int(Status.MISSING),
    int(Status.ESTIMATED),
    int(Status.EDITED),
)


class PackError(ValueError):
    """Packed bytes of impossible length."""


# --- the grid ----------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def standard_offset(zone: str, year: int) -> int:
    """Seconds from UTC of a zone's standard time: the smaller of its offsets in that year.

    Also where the zone database marks winter as the shifted season (Dublin, Casablanca).
    """
    info = zoneinfo.ZoneInfo(zone)
    first = datetime(year, 1, 1, 12, tzinfo=UTC)
    days = (first + timedelta(days=n) for n in range(366))
    return min(int(_offset(info, day)) for day in days)


def _offset(info: zoneinfo.ZoneInfo, when: datetime) -> float:
    return (when.astimezone(info).utcoffset() or timedelta(0)).total_seconds()


@lru_cache(maxsize=65536)
def local_midnight(zone: str, day: date) -> int:
    """Epoch seconds of the first instant of a local date, also where 00:00 is skipped."""
    info = zoneinfo.ZoneInfo(zone)
    start = datetime.combine(day, time(0), tzinfo=info)
    seconds = int(start.timestamp())
    # In a gap fold=0 names an instant after it, counted by the old offset; the first instant of
    # the date is the gap's end.
    if datetime.fromtimestamp(seconds, info).replace(tzinfo=None) != start.replace(tzinfo=None):
        low, high = seconds - DAY // 4, seconds + DAY // 4
        while high - low > 1:
            middle = (low + high) // 2
            if datetime.fromtimestamp(middle, info).date() < day:
                low = middle
            else:
                high = middle
        return high
    return seconds


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - EPOCH_DAY).days


def day_date(number: int) -> date:
    """The date of a day number."""
    return EPOCH_DAY + timedelta(days=number)


def day_slot(start: int, seconds: int, grid_offset: int, zone: str = "") -> tuple[int, int] | None:
    """(day number, slot) of the interval that starts at `start`; None when off the grid.

    One-day channels (`zone` given) have one slot a local date, which must start at its midnight.
    """
    if seconds == DAY and zone:
        day = datetime.fromtimestamp(start, zoneinfo.ZoneInfo(zone)).date()
        return (day_number(day), 0) if local_midnight(zone, day) == start else None
    local = start + grid_offset
    if local % seconds:
        return None
    return local // DAY, local % DAY // seconds


@lru_cache(maxsize=8192)
def _day_ends(day: int, seconds: int, grid_offset: int, zone: str) -> Ints:
    if seconds == DAY and zone:
        ends = np.array([local_midnight(zone, day_date(day + 1))], np.int64)
    else:
        ends = day * DAY - grid_offset + seconds * np.arange(1, DAY // seconds + 1, dtype=np.int64)
    ends.setflags(write=False)
    return ends


def day_ends(day: int, seconds: int, grid_offset: int, zone: str = "") -> Ints:
    """Interval ends of a channel-day, epoch seconds, (s,); shared, not writable."""
    return _day_ends(day, seconds, grid_offset, zone)


def days_touching(start: int, end: int, grid_offset: int, zone: str = "") -> tuple[int, int]:
    """First and last day number whose intervals can end in (start, end]."""
    if zone:
        info = zoneinfo.ZoneInfo(zone)
        first = datetime.fromtimestamp(start, info).date()
        last = datetime.fromtimestamp(end, info).date()
        return day_number(first) - 1, day_number(last)
    return (start + grid_offset) // DAY - 1, (end + grid_offset) // DAY


# --- packing -----------------------------------------------------------------------------------


def pack_entry(counts: Ints) -> bytes:
    """Counts of a journal entry, in the narrowest integers that hold them."""
    low, high = int(counts.min(initial=0)), int(counts.max(initial=0))
    for width in (1, 2, 4):
        bound = 1 << (8 * width - 1)
        if -bound <= low and high < bound:
            return bytes((width,)) + counts.astype(f"<i{width}").tobytes()
    return b"\x08" + counts.astype("<i8").tobytes()


def unpack_entry(packed: bytes) -> Ints:
    """Counts of a journal entry, int64."""
    if not packed or packed[0] not in (1, 2, 4, 8) or (len(packed) - 1) % packed[0]:
        raise PackError(f"{len(packed)} bytes are no journal entry")
    return np.frombuffer(packed, f"<i{packed[0]}", offset=1).astype(np.int64)


def pack_status(status: Masks) -> bytes:
    """Status of a run of slots; nothing when every slot is 0."""
    return status.astype("<u2").tobytes() if status.any() else b""


def unpack_status(packed: bytes, slots: int) -> Masks:
    """Status of `slots` slots."""
    if not packed:
        return np.zeros(slots, np.uint16)
    if len(packed) != 2 * slots:
        raise PackError(f"{len(packed)} bytes are not the status of {slots} slots")
    return np.frombuffer(packed, "<u2").astype(np.uint16)


def pack_counts(counts: Ints) -> bytes:
    """Counts of a block."""
    narrow = counts.astype("<i4")
    return narrow.tobytes() if np.array_equal(narrow, counts) else counts.astype("<i8").tobytes()


def unpack_counts(packed: bytes, slots: int) -> Ints:
    """Counts of a block of `slots` slots, int64."""
    width, rest = divmod(len(packed), slots)
    if rest or width not in (4, 8):
        raise PackError(f"{len(packed)} bytes are no block of {slots} slots")
    return np.frombuffer(packed, f"<i{width}").astype(np.int64)


def pack_numbers(numbers: Ints) -> bytes:
    """Winning batch numbers of a block, as runs."""
    cuts = np.flatnonzero(np.diff(numbers)) + 1
    starts = np.concatenate(([0], cuts))
    runs = np.empty(len(starts), RUN)
    runs["length"] = np.diff(np.concatenate((starts, [len(numbers)])))
    runs["number"] = numbers[starts]
    return runs.tobytes()


def unpack_numbers(packed: bytes, slots: int) -> Ints:
    """Winning batch numbers of a block of `slots` slots; 0 where nothing arrived."""
    runs = np.frombuffer(packed, RUN)
    numbers = np.repeat(runs["number"], runs["length"]).astype(np.int64)
    if len(numbers) != slots:
        raise PackError(f"runs of {len(numbers)} slots in a block of {slots}")
    return numbers


def newest_number(packed: bytes) -> int:
    """The highest winning batch number of a block."""
    return int(np.frombuffer(packed, RUN)["number"].max(initial=0))


# --- folding -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Days:
    """What stands for m channel-days of s slots: arrays (m, s)."""

    counts: Ints
    status: Masks
    numbers: Ints
    revisions: Masks

    @classmethod
    def empty(cls, m: int, slots: int) -> Days:
        """Days in which nothing ever arrived."""
        return cls(
            np.zeros((m, slots), np.int64),
            np.full((m, slots), NEVER, np.uint16),
            np.zeros((m, slots), np.int64),
            np.zeros((m, slots), np.uint16),
        )

    def load(
        self, row: int, counts: bytes, status: bytes, numbers: bytes, revisions: bytes
    ) -> None:
        """Set one day from its packed block."""
        slots = self.counts.shape[1]
        self.counts[row] = unpack_counts(counts, slots)
        self.status[row] = unpack_status(status, slots)
        self.numbers[row] = unpack_numbers(numbers, slots)
        self.revisions[row] = unpack_status(revisions, slots)

    def pack(self, rows: Sequence[int]) -> list[tuple[bytes, bytes, bytes, bytes]]:
        """The packed (counts, status, numbers, revisions) of some days."""
        flat: list[bool] = np.all(self.numbers == self.numbers[:, :1], axis=1).tolist()
        wide: list[bool] = np.any(np.abs(self.counts) > 0x7FFFFFFF, axis=1).tolist()
        flagged: list[bool] = np.any(self.status, axis=1).tolist()
        revised: list[bool] = np.any(self.revisions, axis=1).tolist()
        narrow = self.counts.astype("<i4")
        slots = self.counts.shape[1]
        one_run = np.empty(len(self.counts), RUN)
        one_run["length"], one_run["number"] = slots, self.numbers[:, 0]
        return [
            (
                self.counts[row].astype("<i8").tobytes() if wide[row] else narrow[row].tobytes(),
                self.status[row].astype("<u2").tobytes() if flagged[row] else b"",
                one_run[row].tobytes() if flat[row] else pack_numbers(self.numbers[row]),
                self.revisions[row].astype("<u2").tobytes() if revised[row] else b"",
            )
            for row in rows
        ]


def ranks(status: Masks) -> Ranks:
    """Rank of each slot from its mask alone: edited 3, any other value 2, estimated 1, null 0.

    A slot that never arrived, or was withdrawn, ranks below everything: −1.
    """
    rank = np.full(status.shape, 2, np.int8)
    rank[(status & _ESTIMATED) != 0] = 1
    rank[(status & _EDITED) != 0] = 3
    rank[(status & _MISSING) != 0] = 0
    rank[(status & ABSENT) != 0] = -1
    return rank


@dataclass(slots=True)
class Cells:
    """Slots of journal entries, flat: each names its place (row × s + slot) in some Days.

    In the order of (batch number, entry within the batch). A status with ABSENT withdraws.
    """

    place: Ints
    counts: Ints
    status: Masks
    numbers: Ints


def fold(days: Days, cells: Cells) -> None:
    """Apply cells to days, in place, in their order.

    The higher rank wins; at equal rank the later; a null never replaces a value; what equals
    the standing value and status is no version; a withdrawal clears its slot.
    """
    for pick in _rounds(cells, days.counts.size):
        _fold_round(days, cells, pick)


def versions(days: Days, cells: Cells) -> tuple[npt.NDArray[np.bool_], Masks]:
    """The same, and which cells were versions, with the revision of each, (n,)."""
    taken = np.zeros(len(cells.place), np.bool_)
    revisions = np.zeros(len(cells.place), np.uint16)
    every = np.arange(len(cells.place))
    for pick in _rounds(cells, days.counts.size):
        took = every[pick][_fold_round(days, cells, pick)]
        taken[took] = True
        revisions[took] = days.revisions.reshape(-1)[cells.place[took]]
    return taken, revisions


def _rounds(cells: Cells, total: int) -> Iterator[Ints | slice]:
    """Cells in rounds of distinct places, each place's cells in their order."""
    if not len(cells.place):
        return
    if int(np.bincount(cells.place, minlength=total).max()) == 1:
        yield slice(None)
        return
    order = np.argsort(cells.place, kind="stable")
    sorted_place = cells.place[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_place[1:] != sorted_place[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(order)])))
    nth = np.arange(len(order)) - np.repeat(starts, lengths)
    for turn in range(int(lengths.max())):
        yield order[nth == turn]


def _fold_round(days: Days, cells: Cells, pick: Ints | slice) -> Ints:
    """Apply cells of distinct places; which of the round were versions."""
    place, counts, status = cells.place[pick], cells.counts[pick], cells.status[pick]
    old_status = days.status.reshape(-1)[place]
    withdrawn = (status & ABSENT) != 0
    arrived = (old_status & ABSENT) == 0
    wins = np.where(withdrawn, arrived, ranks(status) >= ranks(old_status))
    same = (old_status == status) & (days.counts.reshape(-1)[place] == counts)
    take = np.flatnonzero(wins & ~same)
    where = place[take]
    seen = days.numbers.reshape(-1)[where] > 0
    days.counts.reshape(-1)[where] = counts[take]
    days.status.reshape(-1)[where] = status[take]
    days.numbers.reshape(-1)[where] = cells.numbers[pick][take]
    revisions = days.revisions.reshape(-1)
    revisions[where] += (seen & (revisions[where] < 0xFFFF)).astype(np.uint16)
    return take
