"""What happened at a part's devices at single instants: register reads and events, by stay."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np

from devices import journal
from devices.bestread import bill_choose, bill_reads
from devices.readings import DeviceInfo, Event, instant
from devices.storedreads import StoredRead, StoredReads
from events.selectors import events_for_export
from exports.formats.base import Billing
from exports.scope.asked import Scope
from exports.scope.findings import Findings
from exports.scope.frozen import Part
from exports.scope.newer import sent_at

HOMES = ("service_point_id", "account_id", "premise_id", "transformer_id", "feeder_id")
Key = tuple[int, str, datetime]
Events = dict[int, list[Event]]


class _Stays:
    """A part's stays by device."""

    def __init__(self, part: Part, scope: Scope) -> None:
        self.borders = scope.first, scope.last
        self.part = part
        self.devices: list[int] = list(dict.fromkeys(part.device.tolist()))

    @cached_property
    def of(self) -> dict[int, list[tuple[int, int, int]]]:
        """Place, start and end of each, by device."""
        found: dict[int, list[tuple[int, int, int]]] = {}
        columns = (self.part.device, self.part.start, self.part.end)
        for place, (device, *ends) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            found.setdefault(device, []).append((place, *ends))
        return found

    @cached_property
    def whole(self) -> dict[int, int]:
        """The places of devices that have one stay alone, of the whole period."""
        part, (first, last) = self.part, self.borders
        if len(self.devices) == len(part.device) and bool(
            ((part.start == first) & (part.end == last)).all()
        ):
            return dict(zip(self.devices, range(len(self.devices)), strict=True))
        return {
            device: mine[0][0]
            for device, mine in self.of.items()
            if len(mine) == 1 and mine[0][1:] == self.borders
        }

    def at(self, device: int, time: datetime, closed: bool, margin: int = 0) -> Iterator[int]:
        """The stays that an instant falls in: start ≤ time < end (`closed`: ≤ end).

        One that begins or ends with the period does so that many seconds further out.
        """
        second, (first, last) = time.timestamp(), self.borders
        for place, start, end in self.of.get(device, ()):
            low = start - margin if start == first else start
            high = end + margin if end == last else end
            if low <= second < high or (closed and second == high):
                yield place


def reads(part: Part, scope: Scope) -> StoredReads:
    """Register reads of a period by stay.

    One on the border of two stays belongs to both when reads at the end are in: it closes the one
    and opens the other.
    """
    if scope.billing is not None:
        return _billed(part, scope, scope.billing)
    stays, margin = _Stays(part, scope), timedelta(seconds=scope.margin)
    found: dict[int, list[StoredRead]] = {}
    for device, mine in journal.registers_stored(
        stays.devices,
        instant(scope.first) - margin,
        instant(scope.last) + margin,
        closed=scope.reads_at_end,
        horizon=scope.number,
    ).items():
        if device in stays.whole:
            found[stays.whole[device]] = mine  # asked for by the borders of such a stay
            continue
        for read in mine:
            for place in stays.at(device, read.time, scope.reads_at_end, scope.margin):
                found.setdefault(place, []).append(read)
    return StoredReads(found)


def _billed(part: Part, scope: Scope, rule: Billing) -> StoredReads:
    """The reads that a bill over the period needs, by stay: see `devices.bestread`.

    Of a meter that was somewhere only its time there is billed. A read that closes one stay and
    opens the next of the same meter is sent once.
    """
    stays, (before, after) = _Stays(part, scope), rule.window
    stored = journal.registers_stored(
        stays.devices,
        instant(scope.first) - before,
        instant(scope.last) + after,
        read_types=rule.read_types,
        closed=True,
        horizon=scope.number,
    )
    found: dict[int, list[StoredRead]] = {}
    homes = [part.infos[DeviceInfo._fields.index(name)] for name in HOMES]
    for device, texts in stored.items():
        of = {(text.read_type, text.time): text for text in texts}
        mine = [text.read() for text in texts]
        held = stays.of.get(device, [])
        there = [stay for stay in held if any(column[stay[0]] for column in homes)]
        sent: set[tuple[str, datetime]] = set()
        for place, start, end in sorted(there or held, key=lambda stay: stay[1]):
            came, went = start != scope.first, end != scope.last
            borders = instant(start), instant(end)
            bill = bill_choose(mine, *borders, window=rule.window, came=came, went=went)
            chosen = [r for r in bill_reads(bill, came) if (r.read_type, r.time) not in sent]
            sent |= {(r.read_type, r.time) for r in chosen}
            if chosen:
                found[place] = [of[r.read_type, r.time] for r in chosen]
    return StoredReads(found)


def reads_changed(part: Part, scope: Scope, findings: Findings) -> StoredReads:
    """Register reads of the part that are newer than the number they are asked since, by stay; of
    corrections, those that were there then: the new ones are noted."""
    stays = _Stays(part, scope)
    asked = {(read.device, read.read_type, read.when): read for read in part.reads}
    standing = journal.registers_read_keys(list(asked), horizon=scope.number)
    stood = _stood(
        scope,
        {
            key: asked[key].since
            for key, number, _ in standing
            if number > asked[key].since
            and (scope.corrections or asked[key].since < asked[key].sent)
        },
    )
    found: dict[int, list[StoredRead]] = {}
    for key, number, read in standing:
        places = list(stays.at(key[0], read.time, scope.reads_at_end))
        since, sent = asked[key].since, max(asked[key].since, asked[key].sent)
        if scope.billing is not None and scope.billing.read_types:
            places = places if key[1] in scope.billing.read_types else []
        if scope.windows:
            wanted = number > sent_at(scope.windows, np.array([read.time.timestamp()]))[0]
        elif key in stood:
            wanted = number > sent
        else:
            wanted = number > since and not scope.corrections
            if scope.corrections and places and number > since:
                findings.reads[key[0]] = min(since, findings.reads.get(key[0], since))
        if wanted:
            for place in places:
                found.setdefault(place, []).append(read)
    return StoredReads(found)


def _stood(scope: Scope, asked: Mapping[Key, int]) -> set[Key]:
    """Which of some reads were there, to be sent, at the number that they are asked since."""
    if scope.windows:
        return set()
    found: set[Key] = set()
    for since in sorted(set(asked.values()) - {0}):
        keys = [key for key, own in asked.items() if own == since]
        for key, number, _ in journal.registers_read_keys(keys, horizon=since):
            if number > scope.began:
                found.add(key)
    return found


def events(part: Part, scope: Scope) -> Events:
    """Events by stay: of the period, or those that the part names."""
    stays = _Stays(part, scope)
    chosen = (
        events_for_export(
            np.unique(part.device).tolist(),
            scope.number,
            start=instant(scope.first),
            end=instant(scope.last),
        )
        if scope.since is None
        else events_for_export(
            np.unique(part.device).tolist(), scope.number, ids=part.events.tolist()
        )
    )
    found: Events = {}
    for device, at, event in chosen:
        for place in stays.at(device, at, False):
            found.setdefault(place, []).append(event)
    return found
