"""Freezing a scope: its inventory and its changes, in one snapshot, in parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from devices import journal
from devices.journal import sql
from devices.readings import DeviceInfo, Ints
from exports.scope import inventory, stays
from exports.scope.asked import Scope
from exports.scope.changes import Changes, changes_of
from exports.scope.frozen import KIND, Part, pack
from exports.scope.inventory import (
    CHANNEL,
    INFO,
    MEMBERSHIPS,
    MULTIPLIER,
    PK,
    WHAT,
    Columns,
    Window,
)

PART_DEVICES = 2_500
MULTIPLIER_PLACE = KIND.index("multiplier")


class Frozen(NamedTuple):
    """A part as bytes; how many devices it holds, the first and the last by the file's key."""

    data: bytes
    devices: int
    first: str
    last: str
    horizon: int


def parts_freeze(
    scope: Scope, devices_a_part: int = PART_DEVICES, *, flowing: bool = False
) -> Iterator[Frozen]:
    """The scope in parts, in the file's order; nothing when nothing can be in it.

    All of it as one snapshot has it, that of the caller's transaction if there is one. A horizon
    of None is taken there: the newest batch. Devices of one key are in one part. `flowing`: parts
    of a period come as they are read; until the last one nothing else may be asked on the
    connection, and the snapshot is held.
    """
    with sql.snapshot():
        if scope.horizon is None:
            scope = replace(scope, horizon=journal.horizon())
        if scope.since is None:
            window = Window(scope.first, scope.last)
            frozen: Iterator[Frozen] | list[Frozen] = _frozen(scope, window, None, devices_a_part)
            if flowing:
                yield from frozen
                return
            frozen = list(frozen)
        else:
            with sql.by_index():
                frozen = _changed(scope, devices_a_part)
    yield from frozen


def _changed(scope: Scope, devices_a_part: int) -> list[Frozen]:
    """The parts of what changed, over as much of the period as it lies in."""
    changes = changes_of(scope).but_for(scope.without)
    ids = changes.devices()
    if not ids:
        return []
    low, high = changes.hull()
    window = Window(max(low, scope.first), min(high, scope.last), ids)
    return list(_frozen(scope, window, changes, devices_a_part))


def _frozen(
    scope: Scope, window: Window, changes: Changes | None, devices: int
) -> Iterator[Frozen]:
    """The parts of a window; of changes, with nothing but what they concern."""
    eras = inventory.eras(scope, window) if scope.intervals else {}
    histories = inventory.histories(scope, window)
    place = DeviceInfo._fields.index(scope.order)
    for columns in inventory.parts_of_rows(scope, window, devices):
        part = _Assembly(window, columns).part(eras, histories)
        if changes is not None:
            part = _concerned(part, scope, changes)
        if len(part.device):
            keys = part.infos[place]
            count = int(np.count_nonzero(np.diff(part.device, prepend=-1)))
            yield Frozen(pack(part), count, keys[0], keys[-1], scope.number)


class Stays(NamedTuple):
    """The stays of some devices in their order: columns, and how many each device has."""

    infos: tuple[Sequence[str], ...]
    multipliers: Sequence[str | None]
    device: Ints
    start: Ints
    end: Ints
    sizes: Ints


class _Assembly:
    """Rows of the inventory, as columns, becoming a part."""

    def __init__(self, window: Window, columns: Columns) -> None:
        self.window, self.columns = window, columns
        pk = np.array(columns[PK], np.int64)
        starts = np.diff(pk, prepend=-1) != 0
        self.first = np.flatnonzero(starts)  # each device's first row
        self.owner = np.cumsum(starts) - 1  # the place of each row's device among them
        self.pk = pk[self.first]

    def part(self, eras: inventory.Eras, histories: stays.Histories) -> Part:
        """The stays and channels of the rows."""
        cut = self._among(histories.homes)
        there = self._cut(set(cut), histories) if cut else self._whole()
        opens = np.cumsum(there.sizes) - there.sizes  # each device's first stay
        rows = np.arange(len(self.owner))
        if "" in self.columns[CHANNEL]:
            rows = np.array([row for row in rows.tolist() if self.columns[CHANNEL][row]], np.int64)
        times = there.sizes[self.owner[rows]]
        ends = np.cumsum(times)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - times, times)
        rows = np.repeat(rows, times)
        stay = opens[self.owner[rows]] + within
        found = _Channels(
            list(map(int, self._of_rows(CHANNEL, rows))),
            stay.tolist(),
            list(self._of_rows(WHAT, rows)),
            there.start[stay].tolist(),
            there.end[stay].tolist(),
        )
        for place in self._among(eras):
            first = int(opens[place])
            for at in range(first, first + int(there.sizes[place])):
                found.add_eras(eras[int(self.pk[place])], at, there)
        return found.part(there)

    def _among(self, devices: Mapping[int, Any]) -> list[int]:
        """The places of those that something is known of."""
        if not devices:
            return []
        places: list[int] = np.flatnonzero(np.isin(self.pk, list(devices))).tolist()
        return places

    def _of_rows(self, column: int, rows: Ints) -> list[Any]:
        """A column of some rows, each once or several times."""
        whole = self.columns[column]
        if np.array_equal(rows, np.arange(len(whole))):
            return whole
        return [whole[row] for row in rows.tolist()]

    def _of_devices(self, column: int) -> Sequence[Any]:
        """A column of the devices, once each."""
        whole = self.columns[column]
        if len(self.first) == len(whole):
            return whole
        return [whole[row] for row in self.first.tolist()]

    def _infos(self) -> tuple[Sequence[str], ...]:
        """The columns of DeviceInfo as the window's end has them."""
        memberships = self._of_devices(MEMBERSHIPS)
        split = {codes: stays.codes_split(codes) for codes in set(memberships)}
        groups, cycles = zip(*map(split.__getitem__, memberships), strict=True)
        return (*map(self._of_devices, range(INFO.start, INFO.stop)), groups, cycles)

    def _whole(self) -> Stays:
        """Every device is one stay of the whole window."""
        size, window = len(self.pk), self.window
        return Stays(
            self._infos(),
            self._of_devices(MULTIPLIER),
            self.pk,
            np.full(size, window.first),
            np.full(size, window.last),
            np.ones(size, np.int64),
        )

    def _cut(self, cut: set[int], histories: stays.Histories) -> Stays:
        """Some devices have several stays, or none."""
        infos = list(zip(*self._infos(), strict=True))
        multipliers = self._of_devices(MULTIPLIER)
        window = self.window
        found: list[stays.Stay] = []
        sizes = []
        for place, (pk, info) in enumerate(zip(self.pk.tolist(), infos, strict=True)):
            if place in cut:
                here = list(histories.stays(pk, info[:3], info[6:8]))
            else:
                here = [stays.Stay(info, multipliers[place], window.first, window.last)]
            sizes.append(len(here))
            found += here
        columns = zip(*(stay.info for stay in found), strict=True)
        return Stays(
            tuple(columns) or ((),) * len(DeviceInfo._fields),
            [stay.multiplier for stay in found],
            np.repeat(self.pk, sizes),
            np.array([stay.start for stay in found], np.int64),
            np.array([stay.end for stay in found], np.int64),
            np.array(sizes, np.int64),
        )


class _Channels(NamedTuple):
    """Channels by stay, as lists: primary key, stay, what it measures, from and to."""

    channel: list[int]
    stay: list[int]
    what: list[str]
    opened: list[int]
    closed: list[int]

    def add_eras(self, eras: Sequence[inventory.Era], at: int, there: Stays) -> None:
        """Channels that began or ended within the window, where they meet a stay."""
        start, end = int(there.start[at]), int(there.end[at])
        for pk, opened, closed, what in eras:
            low, high = stays.epoch_or(opened, start), stays.epoch_or(closed, end)
            if max(low, start) < min(high, end):
                row = (pk, at, what, max(low, start), min(high, end))
                for column, value in zip(self, row, strict=True):
                    column.append(value)  # type: ignore[arg-type]

    def part(self, there: Stays) -> Part:
        """The part; where a channel states no multiplier, that of the stay counts."""
        multipliers = map(there.multipliers.__getitem__, self.stay)
        pairs = list(zip(self.what, multipliers, strict=True))
        places: dict[str, int] = {}
        kinds = {
            pair: places.setdefault(_with_multiplier(*pair), len(places))
            for pair in dict.fromkeys(pairs)
        }
        return Part(
            infos=there.infos,
            device=there.device,
            start=there.start,
            end=there.end,
            kinds=tuple(places),
            channel=np.array(self.channel, np.int64),
            stay=np.array(self.stay, np.int64),
            kind=np.array(list(map(kinds.__getitem__, pairs)), np.int64),
            opened=np.array(self.opened, np.int64),
            closed=np.array(self.closed, np.int64),
        )


def _with_multiplier(kind: str, multiplier: str | None) -> str:
    what = kind.split("|")
    what[MULTIPLIER_PLACE] = what[MULTIPLIER_PLACE] or multiplier or ""
    return "|".join(what)


def _concerned(part: Part, scope: Scope, changes: Changes) -> Part:
    """The part without what nothing changed of.

    Grain "span" needs all channels of a device of which one changed, the others only that one.
    """
    if scope.grain == "span":
        kept = np.isin(part.device[part.stay], changes.owner)
    else:
        kept = np.isin(part.channel, changes.channel)
    reads = [read.device for read in changes.reads]
    wanted = np.isin(part.device, np.concatenate((reads, changes.event_owner)))
    wanted[part.stay[kept]] = True
    there = np.flatnonzero(wanted)
    mine = set(part.device[there].tolist())
    days = np.isin(changes.channel, part.channel[kept])
    return Part(
        infos=tuple([texts[at] for at in there.tolist()] for texts in part.infos),
        device=part.device[there],
        start=part.start[there],
        end=part.end[there],
        kinds=part.kinds,
        channel=part.channel[kept],
        stay=(np.cumsum(wanted) - 1)[part.stay[kept]],
        kind=part.kind[kept],
        opened=part.opened[kept],
        closed=part.closed[kept],
        day_channel=changes.channel[days],
        day=changes.day[days],
        day_since=changes.since[days],
        day_sent=changes.sent[days],
        events=changes.events[np.isin(changes.event_owner, list(mine))],
        reads=tuple(read for read in changes.reads if read.device in mine),
    )
