"""What may have changed since a batch number: found in the journal by batch, never in the blocks.

Everything that a batch brought is a candidate; whether it won its slot is seen when it is read.
The work goes with what arrived since, not with what is stored.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from devices import journal
from devices.journal import sql
from devices.journal.partitions import month_of
from devices.models import Channel, RegisterEntry
from devices.readings import DAY, Ints
from events.models import Event
from exports.scope.asked import Scope
from exports.scope.frozen import Read

ASKED = 20_000  # ids in one query
NEWEST = 1 << 62  # no batch has a higher number
FAR = 2 * DAY  # more than a day's border can lie from UTC's, and a day more
_NONE = np.zeros(0, np.int64)
Batches = list[tuple[int, date]]  # primary key, month of receipt


@dataclass(frozen=True, slots=True)
class Changes:
    """Candidates. Shapes: k channel-days by channel and day with their devices; e events."""

    channel: Ints = field(default_factory=lambda: _NONE)
    day: Ints = field(default_factory=lambda: _NONE)
    since: Ints = field(default_factory=lambda: _NONE)
    sent: Ints = field(default_factory=lambda: _NONE)
    owner: Ints = field(default_factory=lambda: _NONE)
    reads: tuple[Read, ...] = ()
    events: Ints = field(default_factory=lambda: _NONE)
    event_owner: Ints = field(default_factory=lambda: _NONE)
    event_first: int = 0
    event_last: int = 0

    def devices(self) -> list[int]:
        """Primary keys of all devices concerned, ascending."""
        owners = [self.owner, self.event_owner, [read.device for read in self.reads]]
        found: list[int] = np.unique(np.concatenate(owners)).astype(np.int64).tolist()
        return found

    def but_for(self, devices: Sequence[int]) -> "Changes":
        """The same without these devices."""
        if not len(devices):
            return self
        days, events = ~np.isin(self.owner, devices), ~np.isin(self.event_owner, devices)
        out = set(devices)
        return replace(
            self,
            channel=self.channel[days],
            day=self.day[days],
            since=self.since[days],
            sent=self.sent[days],
            owner=self.owner[days],
            reads=tuple(read for read in self.reads if read.device not in out),
            events=self.events[events],
            event_owner=self.event_owner[events],
        )

    def hull(self) -> tuple[int, int]:
        """A stretch of time that all of it lies in, epoch seconds."""
        times = [read.time // 1_000_000 for read in self.reads]
        if len(self.events):
            times += [self.event_first, self.event_last]
        lows, highs = times.copy(), times.copy()
        if len(self.day):
            lows.append(int(self.day.min()) * DAY)
            highs.append((int(self.day.max()) + 1) * DAY)
        return min(lows) - FAR, max(highs) + FAR


def changed_since(scope: Scope) -> bool:
    """Whether anything arrived that a run of this scope could send: a look at the batches alone.

    False is certain; after True the run may still find nothing.
    """
    return bool(scope.extra or scope.extra_reads or scope.extra_events or batches_since(scope))


def changes_of(scope: Scope) -> Changes:
    """The candidates of a scope with `since`. HorizonGone when purge has passed that number."""
    since = scope.since
    if since is None:
        raise ValueError("the scope asks for a period, not for what changed")
    if since < journal.base_number():
        raise journal.HorizonGone(f"what changed since batch {since} is no longer kept")
    batches = batches_since(scope)
    days = _days(scope, since, batches) if scope.intervals else (_NONE,) * 5
    reads = _reads(scope, since, batches) if scope.registers else ()
    events = _events(scope, since, batches) if scope.events else []
    times = [int(time.timestamp()) for _, _, time in events]
    return Changes(
        *(*days, reads),
        np.array([pk for pk, _, _ in events], np.int64),
        np.array([device for _, device, _ in events], np.int64),
        *(min(times, default=0), max(times, default=0)),
    )


def batches_since(scope: Scope) -> Batches:
    """The batches numbered in (since, horizon]."""
    found = sql.rows(
        "SELECT id, received FROM devices_batch WHERE number > %s AND number <= %s",
        [scope.since, scope.number],
    )
    return [(pk, month_of(_date(received))) for pk, received in found]


def _date(received: Any) -> date:
    if isinstance(received, datetime):
        return received.astimezone(UTC).date()
    return date.fromisoformat(str(received)[:10])


def _days(scope: Scope, since: int, batches: Batches) -> tuple[Ints, ...]:
    """Channel-days with entries of these batches and those owed, each once: channel, day, the
    lowest number since, the lowest up to which changes were sent, device."""
    found = _journal_days(batches)
    pairs = np.array(found, np.int64).reshape(-1, 2)
    owed = np.array(list(scope.extra), np.int64).reshape(-1, 4)
    channel = np.concatenate((pairs[:, 0], owed[:, 0]))
    day = np.concatenate((pairs[:, 1], owed[:, 1]))
    after = np.concatenate((np.full(len(pairs), since), owed[:, 2]))
    sent = np.concatenate((np.full(len(pairs), since), owed[:, 2:].max(axis=1, initial=0)))
    near = (day * DAY > scope.first - FAR) & (day * DAY < scope.last + FAR)
    channel, day, after, sent = channel[near], day[near], after[near], sent[near]
    owners = _owners(scope, np.unique(channel).tolist())
    known = np.isin(channel, owners[0])
    order = np.flatnonzero(known)[np.lexsort((day[known], channel[known]))]
    channel, day, after, sent = channel[order], day[order], after[order], sent[order]
    first = np.ones(len(channel), bool)
    first[1:] = (np.diff(channel) != 0) | (np.diff(day) != 0)
    starts = np.flatnonzero(first)
    if len(starts):
        after, sent = np.minimum.reduceat(after, starts), np.minimum.reduceat(sent, starts)
    channel, day = channel[first], day[first]
    return channel, day, after, sent, owners[1][np.searchsorted(owners[0], channel)]


def journal_days_sql(batches: Batches) -> tuple[str, list[Any]]:
    """The query of what some batches brought, by the journal's key of its batches."""
    ids = [pk for pk, _ in batches]
    select = f"SELECT DISTINCT e.channel_id, {sql.day_column('e.day')} FROM "
    if sql.is_postgres():  # the months name the partitions
        months = sql.array_text(sorted({month for _, month in batches}))
        where = "e.batch_id = ANY(%s::bigint[]) AND e.month = ANY(%s::date[])"
        return f"{select} devices_journalentry e WHERE {where}", [sql.array_text(ids), months]
    # A cross join keeps SQLite from reading all of the index that holds what is asked for.
    journal_of = "json_each(%s) k CROSS JOIN devices_journalentry e ON e.batch_id = k.value"
    return select + journal_of, [json.dumps(ids)]


def _journal_days(batches: Batches) -> list[tuple[int, int]]:
    """Channel and day of what the batches brought."""
    if not batches:
        return []
    rows = sql.stream(*journal_days_sql(batches))
    return [(channel, sql.day_back(day)) for channel, day in rows]


def _owners(scope: Scope, channels: Sequence[int]) -> tuple[Ints, Ints]:
    """Those of some channels that are selected, ascending, and their devices."""
    chosen = Channel.objects.order_by()
    if scope.selection.channels:
        chosen = chosen.filter(number__in=scope.selection.channels)
    if scope.selection.units:
        chosen = chosen.filter(unit__in=scope.selection.units)
    found: list[tuple[int, int]] = []
    for low in range(0, len(channels), ASKED):
        ids = sql.id_set(channels[low : low + ASKED])
        found += chosen.filter(pk__in=ids).values_list("pk", "device_id")
    found.sort()
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _reads(scope: Scope, since: int, batches: Batches) -> tuple[Read, ...]:
    """Register reads that these batches brought and those owed, each once: since the lowest."""
    lowest: dict[tuple[int, str, datetime], tuple[int, int]] = {}
    entries = RegisterEntry.objects.filter(batch_id__in=sql.id_set([pk for pk, _ in batches]))
    rows = entries.order_by().values_list("device_id", "read_type", "time").distinct()
    for key in rows.iterator() if batches else ():
        lowest[key] = since, since
    for device, read_type, time, after, sent in scope.extra_reads:
        key = (device, read_type, time)
        old = lowest.get(key, (NEWEST, NEWEST))
        lowest[key] = min(after, old[0]), min(max(after, sent), old[1])
    return tuple(
        Read(device, read_type, _micros(time), *numbers)
        for (device, read_type, time), numbers in sorted(lowest.items())
        if scope.first <= time.timestamp() <= scope.last
    )


def _micros(time: datetime) -> int:
    return int(time.timestamp()) * 1_000_000 + time.microsecond


def _events(scope: Scope, since: int, batches: Batches) -> list[tuple[int, int, datetime]]:
    """Primary key, device and time of the events that these batches brought, and of those owed."""
    found: set[tuple[int, int, datetime]] = set()
    columns = ("pk", "device_id", "time")
    if batches:
        brought = Event.objects.filter(batch_id__in=sql.id_set([pk for pk, _ in batches]))
        found.update(brought.order_by().values_list(*columns))
    if scope.extra_events:
        owed = Event.objects.filter(
            device_id__in=sql.id_set(scope.extra_events),
            batch__number__gt=min(scope.extra_events.values()),
            batch__number__lte=since,
        )
        for *row, number in owed.order_by().values_list(*columns, "batch__number"):
            if number > scope.extra_events[row[1]]:
                found.add((row[0], row[1], row[2]))
    return [row for row in sorted(found) if scope.first <= row[2].timestamp() < scope.last]
