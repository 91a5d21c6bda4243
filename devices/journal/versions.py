"""The versions that a range of batch numbers made, in the order in which they arrived.

An entry that lost, or that equalled what stood, is no version; which ones were is found by folding
the touched channel-days again from how they stood before. That is read off their blocks, and from
the journal only for days in which a slot was already there when the range changed it.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from devices import blocks
from devices.journal import fold, marks, sql
from devices.journal.fold import Key, Slots
from devices.journal.read import BASES
from devices.readings import DAY, NEVER, Ints, Masks

LOT_CELLS = 250_000  # slots of a lot, about
Wanted = Callable[[Sequence[int]], set[int]]


class Batches(NamedTuple):
    """Batches that are read together: their keys, and the numbers that they span."""

    ids: list[int]
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Versions:
    """n versions in the order of (batch number, entry, slot). Shapes (n,).

    `channel` is a place in `channel_ids`. `status` of a withdrawn slot: NEVER. `revisions`: the
    number of earlier versions of the slot. All of numbers up to `complete` have come by now.
    """

    channel_ids: list[int]
    channel: Ints
    ends: Ints
    counts: Ints
    status: Masks
    numbers: Ints
    revisions: Masks
    complete: int


class Arrived(NamedTuple):
    """A journal entry with its place in its batch and the grid that its channel lies on."""

    entry: Slots
    seq: int
    offset: int
    zone: str


ENTRIES = (
    "SELECT e.channel_id, {day}, c.seconds, b.number, e.first_slot, e.counts, e.status, e.seq, "
    "c.grid_offset, c.zone FROM devices_journalentry e JOIN devices_batch b ON b.id = e.batch_id "
    "JOIN devices_channel c ON c.id = e.channel_id WHERE {of_batches} ORDER BY b.number, e.seq"
)


def batches_between(after: int, upto: int) -> Iterator[Batches]:
    """The batches numbered in (after, upto], in lots of about LOT_CELLS intervals."""
    found = sql.stream(
        "SELECT id, number, intervals FROM devices_batch WHERE number > %s AND number <= %s "
        "ORDER BY number",
        [after, upto],
    )
    lot: list[tuple[int, int]] = []
    cells = 0
    for batch_id, number, intervals in found:
        if lot and cells + intervals > LOT_CELLS:
            yield Batches([one for one, _ in lot], lot[0][1], lot[-1][1])
            lot, cells = [], 0
        lot.append((batch_id, number))
        cells += intervals
    if lot:
        yield Batches([one for one, _ in lot], lot[0][1], lot[-1][1])


def versions_read(batches: Batches, wanted: Wanted | None = None) -> Iterator[Versions]:
    """The versions of some batches, the next in order; of the channels that `wanted` picks.

    HorizonGone when purge has passed what has to be folded again.
    """
    for chunk in _chunks(batches):
        last = chunk[-1].entry.number
        if wanted is not None:
            chosen = wanted(sorted({one.entry.channel_id for one in chunk}))
            chunk = [one for one in chunk if one.entry.channel_id in chosen]
        made = _versions(chunk, last - 1) if chunk else None
        kept_check(batches)
        if made is not None:
            yield made
    kept_check(batches)


def kept_check(batches: Batches) -> None:
    """HorizonGone if purge has passed the batches; asked after reading, since purge raises its mark
    before it takes anything away."""
    if marks.base_number() >= batches.first:
        raise marks.HorizonGone(f"what arrived with batch {batches.first} is no longer kept")


def _chunks(batches: Batches) -> Iterator[list[Arrived]]:
    """The batches' entries; a large batch is cut between entries."""
    of_batches, ids = sql.any_of("e.batch_id", batches.ids)
    query = ENTRIES.format(day=sql.day_column("e.day"), of_batches=of_batches)
    chunk: list[Arrived] = []
    cells = 0
    for channel, day, seconds, number, slot, counts, status, seq, offset, zone in sql.stream(
        query, [ids]
    ):
        if cells > LOT_CELLS:
            yield chunk
            chunk, cells = [], 0
        entry = Slots(
            channel, sql.day_back(day), seconds, number, slot, bytes(counts), bytes(status)
        )
        chunk.append(Arrived(entry, seq, offset, zone))
        cells += entry_slots(entry)
    if chunk:
        yield chunk


def _versions(chunk: Sequence[Arrived], complete: int) -> Versions:
    """Fold a chunk onto what stood before it, a length of interval at a time."""
    channel_ids = sorted({one.entry.channel_id for one in chunk})
    place = {channel: n for n, channel in enumerate(channel_ids)}
    parts = []
    by_seconds = sorted(range(len(chunk)), key=lambda n: (chunk[n].entry.seconds, n))
    for seconds, group in itertools.groupby(by_seconds, key=lambda n: chunk[n].entry.seconds):
        picked = list(group)
        parts.append(_folded([chunk[n] for n in picked], picked, seconds, chunk[0], place))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    if len(parts) > 1:
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] for column in columns]
    return Versions(channel_ids, *columns[1:], complete=complete)


def _folded(
    arrived: Sequence[Arrived],
    positions: Sequence[int],
    seconds: int,
    first: Arrived,
    place: dict[int, int],
) -> tuple[Any, ...]:
    """Position in the chunk, channel, end, count, status, number, revision of each version."""
    slots = DAY // seconds
    entries = [one.entry for one in arrived]
    keys = list(dict.fromkeys(entry.key for entry in entries))
    rows = {key: row for row, key in enumerate(keys)}
    cells = fold.cells_of(entries, rows, slots)
    days = _standing(keys, slots, first, cells.place)
    taken, revisions = blocks.versions(days, cells)
    sizes = [entry_slots(entry) for entry in entries]
    owner = np.repeat(np.arange(len(entries)), sizes)[taken]
    slot = cells.place[taken] % slots
    bases = np.array([_day_base(one) for one in arrived], np.int64)
    ends = bases[owner] + seconds * (slot + 1)
    channels = np.array([place[entry.channel_id] for entry in entries], np.int64)
    return (
        *(np.array(positions, np.int64)[owner], channels[owner], ends, cells.counts[taken]),
        *(cells.status[taken], cells.numbers[taken], revisions[taken]),
    )


def entry_slots(entry: Slots) -> int:
    """How many slots an entry has, from its packed counts."""
    return (len(entry.counts) - 1) // entry.counts[0]


def _day_base(one: Arrived) -> int:
    """Where a channel-day begins, if all its days are 24 hours long; a one-day slot's true end
    is a day after it."""
    if one.zone:
        ends = blocks.day_ends(one.entry.day, one.entry.seconds, one.offset, one.zone)
        return int(ends[0]) - DAY
    return one.entry.day * DAY - one.offset


# --- how channel-days stood -----------------------------------------------------------------------


def _standing(keys: Sequence[Key], slots: int, first: Arrived, places: Ints) -> blocks.Days:
    """Channel-days as they stood before an entry, in the slots of these places (row × slots +
    slot); the order of the queries is that of reading."""
    before = first.entry.number - 1
    done = marks.folded_to()
    waiting = _entries(keys, done, before) if done < before else []
    days, folded_to = fold.load("devices_intervalblock", keys, slots)
    later = days.numbers > before
    asked = places[(later & (days.revisions > 0)).reshape(-1)[places]]
    again = np.unique(asked // slots).tolist()
    days.counts[later] = 0
    days.status[later] = NEVER
    days.numbers[later] = 0
    days.revisions[later] = 0
    if again:
        _refold(days, [(row, keys[row]) for row in again], before)
    for row in again:
        folded_to[row] = before
    fold.apply(days, keys, waiting, folded_to)
    if first.seq:
        same = _entries_of_batch(keys, first)
        fold.apply(days, keys, same, [0] * len(keys))
    return days


def _refold(days: blocks.Days, rows: Sequence[tuple[int, Key]], before: int) -> None:
    """Set rows from their base and all entries numbered up to `before`."""
    keys = [key for _, key in rows]
    entries = _entries(keys, 0, before)
    old, after = fold.load(BASES, keys, days.counts.shape[1])
    fold.apply(old, keys, entries, after)
    places = [row for row, _ in rows]
    days.counts[places], days.status[places] = old.counts, old.status
    days.numbers[places], days.revisions[places] = old.numbers, old.revisions


def _entries(keys: Sequence[Key], after: int, upto: int) -> list[Slots]:
    return _of_days(keys, "b.number > %s AND b.number <= %s", [after, upto])


def _entries_of_batch(keys: Sequence[Key], first: Arrived) -> list[Slots]:
    """What the batch that `first` is of brought before it."""
    return _of_days(keys, "b.number = %s AND e.seq < %s", [first.entry.number, first.seq])


def _of_days(keys: Sequence[Key], where: str, params: Sequence[Any]) -> list[Slots]:
    source, days = sql.pairs(keys)
    query = (
        fold.ENTRY_SQL.format(day=sql.day_column("e.day"))
        + f"JOIN {source} ON e.channel_id = k.c AND e.day = k.d WHERE {where}"
        + fold.ENTRY_ORDER
    )
    return list(fold.entries_of(sql.rows(query, [*days, *params])))
