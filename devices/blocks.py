"""Pure: packing of channel-days, and folding journal entries into them by rank.

Shapes throughout: m channel-days of one slot count s are arrays (m, s). Packed forms, all little
endian: block counts as `devices.counts` says; journal counts one byte of item width (1, 2, 4, 8)
and then signed integers of it; status uint16, empty when every slot is 0; numbers as
`devices.winners` says; revisions uint16, empty when every slot is 0.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from devices import winners
from devices.counts import counts_of, counts_pack
from devices.readings import ABSENT, DAY, NEVER, Ints, Masks, Status
from devices.winners import PackError

EPOCH_DAY = date(1970, 1, 1)
ENTRY_WIDTHS = (1, 2, 4, 8)  # of the counts of a journal entry, in bytes
Ranks = npt.NDArray[np.int8]
PackedDay = tuple[bytes, bytes, bytes, bytes]  # counts, status, numbers, revisions

_MISSING, _ESTIMATED, _EDITED = (
    int(Status.MISSING),
    int(Status.ESTIMATED),
    int(Status.EDITED),
)


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
    for width in ENTRY_WIDTHS[:-1]:
        bound = 1 << (8 * width - 1)
        if -bound <= low and high < bound:
            return bytes((width,)) + counts.astype(f"<i{width}").tobytes()
    return b"\x08" + counts.astype("<i8").tobytes()


def unpack_entry(packed: bytes) -> Ints:
    """Counts of a journal entry, int64."""
    if not packed or packed[0] not in ENTRY_WIDTHS or (len(packed) - 1) % packed[0]:
        raise PackError(f"{len(packed)} bytes are no journal entry")
    return np.frombuffer(packed, f"<i{packed[0]}", offset=1).astype(np.int64)


def unpack_entries(packed: Sequence[bytes]) -> tuple[Ints, Ints]:
    """Counts of m journal entries, one after the other (n,) int64, and how many each has (m,).

    The same as `unpack_entry` gives one by one.
    """
    lengths = np.fromiter(map(len, packed), np.int64, len(packed))
    if not lengths.all():
        raise PackError("0 bytes are no journal entry")
    raw = np.frombuffer(b"".join(packed), np.uint8)
    ends = np.cumsum(lengths)
    widths = raw[ends - lengths].astype(np.int64)
    wrong = ~np.isin(widths, ENTRY_WIDTHS) | ((lengths - 1) % np.maximum(widths, 1) > 0)
    if wrong.any():
        unpack_entry(packed[int(wrong.argmax())])  # says what is wrong
    sizes = (lengths - 1) // widths
    counts = np.empty(int(sizes.sum()), np.int64)
    used = np.unique(widths).tolist()
    for width in used:
        rows = widths == width
        of_width = np.repeat(rows, lengths)
        of_width[ends - lengths] = False  # the width itself
        values = raw[of_width].view(f"<i{width}")
        if len(used) == 1:
            return values.astype(np.int64), sizes
        counts[np.repeat(rows, sizes)] = values
    return counts, sizes


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


def unpack_statuses(packed: Sequence[bytes], sizes: Ints) -> Masks:
    """Status of runs of `sizes` (m,) slots, one after the other (n,)."""
    lengths = np.fromiter(map(len, packed), np.int64, len(packed))
    flagged = lengths > 0
    wrong = flagged & (lengths != 2 * sizes)
    if wrong.any():
        row = int(wrong.argmax())
        unpack_status(packed[row], int(sizes[row]))  # says what is wrong
    status = np.zeros(int(sizes.sum()), np.uint16)
    if flagged.any():
        status[np.repeat(flagged, sizes)] = np.frombuffer(b"".join(packed), "<u2")
    return status


def pack_numbers(numbers: Ints) -> bytes:
    """Winning batch numbers of a block (`devices.winners`)."""
    return winners.winners_pack(numbers[None, :])[0]


def unpack_numbers(packed: bytes, slots: int) -> Ints:
    """Winning batch numbers of a block of `slots` slots; 0 where nothing arrived."""
    numbers: Ints = winners.winners_unpack([packed], slots)[0]
    return numbers


def newest_number(packed: bytes) -> int:
    """The highest winning batch number of a block."""
    return winners.newest_number(packed)


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

    def load(self, rows: Sequence[int], packed: Sequence[PackedDay]) -> None:
        """Set some days from their packed blocks."""
        if not rows:
            return
        counts, status, numbers, revisions = zip(*packed, strict=True)
        where, slots = np.array(rows), self.counts.shape[1]
        self.counts[where] = counts_of(counts, slots)
        sizes = np.full(len(rows), slots, np.int64)
        self.status[where] = unpack_statuses(status, sizes).reshape(-1, slots)
        self.numbers[where] = winners.winners_unpack(numbers, slots)
        self.revisions[where] = unpack_statuses(revisions, sizes).reshape(-1, slots)

    def pack(self, rows: Sequence[int]) -> list[PackedDay]:
        """The packed (counts, status, numbers, revisions) of some days."""
        where = np.array(rows, np.int64)
        return list(
            zip(
                counts_pack(self.counts[where]),
                _cut_flagged(self.status[where]),
                winners.winners_pack(self.numbers[where]),
                _cut_flagged(self.revisions[where]),
                strict=True,
            )
        )


def _cut(table: npt.NDArray[Any]) -> list[bytes]:
    """The bytes of each row."""
    raw, step = table.tobytes(), table.shape[1] * table.itemsize
    return [raw[at : at + step] for at in range(0, len(raw), step)]


def _cut_flagged(masks: Masks) -> list[bytes]:
    """The same of masks; nothing where a row is all 0."""
    flagged = np.flatnonzero(masks.any(axis=1)).tolist()
    cells = [b""] * len(masks)
    for row, cell in zip(flagged, _cut(masks[flagged].astype("<u2")), strict=True):
        cells[row] = cell
    return cells


def ranks(status: Masks) -> Ranks:
    """Rank of each slot from its mask alone: edited 3, any other value 2, estimated 1, null 0.

    A slot that never arrived, or was withdrawn, ranks below everything: −1.
    """
    return _RANKS[status]


def _rank(status: int) -> int:
    if status & ABSENT:
        return -1
    if status & _MISSING:
        return 0
    if status & _EDITED:
        return 3
    return 1 if status & _ESTIMATED else 2


_RANKS: Ranks = np.fromiter(map(_rank, range(1 << 16)), np.int8)


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
    """Cells in rounds of distinct places, each place's in their order."""
    if not len(cells.place):
        return
    if int(np.bincount(cells.place, minlength=total).max()) == 1:
        yield slice(None)
        return
    order = np.argsort(cells.place, kind="stable")
    sorted_place = cells.place[order]
    starts = np.flatnonzero(np.concatenate(([True], sorted_place[1:] != sorted_place[:-1])))
    nth = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    for turn in range(int(nth.max()) + 1):
        yield order[nth == turn]


def _fold_round(days: Days, cells: Cells, pick: Ints | slice) -> npt.NDArray[np.bool_]:
    """Apply cells of distinct places; which of the round were versions."""
    place, counts, status = cells.place[pick], cells.counts[pick], cells.status[pick]
    old_status = days.status.reshape(-1)[place]
    wins = ranks(status) >= ranks(old_status)
    withdrawn = (status & ABSENT) != 0
    if withdrawn.any():
        wins = np.where(withdrawn, (old_status & ABSENT) == 0, wins)
    wins &= (old_status != status) | (days.counts.reshape(-1)[place] != counts)
    numbers = cells.numbers[pick]
    if not wins.all():
        place, counts, status, numbers = place[wins], counts[wins], status[wins], numbers[wins]
    revised = place[days.numbers.reshape(-1)[place] > 0]
    days.counts.reshape(-1)[place] = counts
    days.status.reshape(-1)[place] = status
    days.numbers.reshape(-1)[place] = numbers
    revisions = days.revisions.reshape(-1)
    revisions[revised] += revisions[revised] < 0xFFFF
    return wins
