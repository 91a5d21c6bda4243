"""What the store holds of some devices over some days, with the batch that brought each reading."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from devices import journal
from devices.readings import ABSENT, DAY, Ints, instant
from exports.coverage.days import Days
from exports.scope.asked import Scope
from exports.scope.common import grids_of
from exports.scope.freeze import parts_freeze
from exports.scope.frozen import Part, unpack

Flags = npt.NDArray[np.bool_]
ALL = 1 << 30  # devices a part: all in one


@dataclass(frozen=True, slots=True)
class Facts:
    """Slots of m channels of one grid at n times, or m register reads (n = 1).

    `device`: primary keys (m,); `channel`: primary keys, and `number`, 0 for reads (m,); `ends`
    (1, n) or (m, 1) epoch seconds; `day`: the channel's own day, of the shape of `ends`; `place`:
    which of the days asked for, −1 none (m, n); `numbers` (m, n); `arrived`: it is there (m, n);
    `within`: the device was in the selection then (m, n). `then(number)`: the numbers as of a
    batch (m, n), 0 where nothing was there.
    """

    device: Ints
    channel: Ints
    number: Ints
    ends: Ints
    day: Ints
    place: Ints
    numbers: Ints
    arrived: Flags
    within: Flags
    then: Callable[[int], Ints]
    of_reads: bool = False


def roster_of(scope: Scope) -> Part:
    """The stays and channels of the scope's devices, as a run of now would freeze them."""
    parts = list(parts_freeze(scope, ALL))
    return (
        unpack(parts[0].data)
        if parts
        else Part(infos=(), device=_none(), start=_none(), end=_none())
    )


def _none() -> Ints:
    return np.zeros(0, np.int64)


def facts_read(part: Part, scope: Scope, days: Days, zones: list[str]) -> Iterator[Facts]:
    """The facts of a part. `zones`: of each of its stays."""
    if scope.intervals:
        channels = part.channels()
        for grid, rows in grids_of(channels, part.kind):
            yield _of_grid(part, scope, days, zones, grid, rows)
    if scope.registers and len(part.device):
        facts = _of_reads(part, scope, days, zones)
        if facts is not None:
            yield facts


def _of_grid(
    part: Part, scope: Scope, days: Days, zones: list[str], grid: journal.Grid, rows: Ints
) -> Facts:
    ids, place = np.unique(part.channel[rows], return_inverse=True)
    channels = part.channels()

    def read(number: int) -> tuple[journal.Table, Ints]:
        table = journal.grid_read(
            grid, ids.tolist(), scope.first, scope.last, horizon=number, numbers=True
        )
        there = table.numbers
        if table.status is not None:
            there = np.where(table.status & ABSENT == 0, there, 0)
        return table, there[place]

    def then(number: int) -> Ints:
        try:
            return read(number)[1]
        except journal.HorizonGone:  # of an export that rests for longer than the journal is kept
            return np.zeros(numbers.shape, np.int64)

    table, numbers = read(scope.number)
    ends = table.ends[None, :]
    return Facts(
        device=part.device[part.stay[rows]],
        channel=part.channel[rows],
        number=np.array([one.number for one in channels], np.int64)[part.kind[rows]],
        ends=ends,
        day=_channel_days(table.ends, grid)[None, :],
        place=days.places(ends, [zones[at] for at in part.stay[rows].tolist()], closed=True),
        numbers=numbers,
        arrived=numbers > 0,
        within=(ends > part.opened[rows][:, None]) & (ends <= part.closed[rows][:, None]),
        then=then,
    )


def _channel_days(ends: Ints, grid: journal.Grid) -> Ints:
    """The channel's own day of each slot, as the backlog counts them."""
    seconds, offset, zone = grid
    if zone and seconds == DAY:
        from exports.formats.zones import local_date

        epoch = date(1970, 1, 1).toordinal()
        return np.array([local_date(zone, int(t) - 1).toordinal() - epoch for t in ends], np.int64)
    return (ends - seconds + offset) // DAY


def _of_reads(part: Part, scope: Scope, days: Days, zones: list[str]) -> Facts | None:
    """Register reads, each in the stay that holds its time."""
    devices = np.unique(part.device).tolist()
    start, end = instant(scope.first), instant(scope.last)
    standing = journal.registers_numbers(devices, start, end, horizon=scope.number)
    rows: list[tuple[int, int, int]] = []  # device, second, stay
    keys = []
    stays: dict[int, list[int]] = {}
    for at, device in enumerate(part.device.tolist()):
        stays.setdefault(device, []).append(at)
    for key in standing:
        second = int(key[2].timestamp())
        for at in stays.get(key[0], ()):
            if part.start[at] <= second < part.end[at] or second == part.end[at] == scope.last:
                rows.append((key[0], second, at))
                keys.append(key)
                break
    if not rows:
        return None
    device, seconds, stay = np.array(rows, np.int64).T

    def read(number: int) -> Ints:
        then = journal.registers_numbers(devices, start, end, horizon=number)
        return np.array([[then.get(key, 0)] for key in keys], np.int64)

    ends = seconds[:, None]
    numbers = np.array([[standing[key]] for key in keys], np.int64)
    return Facts(
        device=device,
        channel=np.zeros(len(device), np.int64),
        number=np.zeros(len(device), np.int64),
        ends=ends,
        day=ends // DAY,
        place=days.places(ends, [zones[at] for at in stay.tolist()], closed=False),
        numbers=numbers,
        arrived=numbers > 0,
        within=np.ones(numbers.shape, bool),
        then=read,
        of_reads=True,
    )
