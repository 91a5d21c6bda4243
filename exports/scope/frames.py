"""Frames of a frozen part: its devices with their readings as of the horizon.

Everything of the inventory comes from the part; only readings are asked of the store.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from devices import journal
from devices.readings import Channel, DeviceInfo, Frame, Sheet
from exports.scope import changed, happened
from exports.scope.asked import Scope
from exports.scope.common import arrivals_of, grids_of
from exports.scope.findings import Findings
from exports.scope.frozen import Part, slices, unpack

FRAME_CELLS = 250_000  # slots a frame holds at most, about


def devices_of(data: bytes) -> Sequence[DeviceInfo]:
    """Who is in a frozen part, a stay each, in the file's order."""
    return unpack(data).devices()


def frames_read(data: bytes, scope: Scope, findings: Findings | None = None) -> Iterator[Frame]:
    """A frozen part's frames, of bounded size, in the file's order.

    `scope` as it was frozen, with its horizon. Of changes, devices that nothing changed of are
    left out, and so are frames without any. `findings` takes what is noticed beside.
    """
    part = unpack(data)
    findings = Findings() if findings is None else findings
    for piece in slices(part, _ends(part, scope)):
        if scope.since is None:
            frame: Frame | None = _frame(piece, scope)
        else:
            frame = changed.frame(piece, scope, findings)
        if frame is not None:
            yield frame


def _ends(part: Part, scope: Scope) -> list[int]:
    """Where to cut the stays: not within a key, and not sooner than the cells make it needful."""
    total = len(part.device)
    seconds = np.array([channel.seconds for channel in part.channels()], np.int64)
    if scope.since is None:
        slots = (part.closed - part.opened) // seconds[part.kind]
    else:
        slots = changed.cells(part, scope)
    cells = np.zeros(total, np.int64)
    np.add.at(cells, part.stay, slots)
    frames = np.cumsum(cells) // FRAME_CELLS
    if not total or not frames[-1]:
        return [total]
    keys = part.infos[DeviceInfo._fields.index(scope.order)]
    cuts = np.flatnonzero(np.diff(frames)) + 1
    ends: list[int] = []
    for cut in cuts.tolist():
        while cut < total and keys[cut] == keys[cut - 1]:
            cut += 1
        if cut < total and (not ends or cut > ends[-1]):
            ends.append(cut)
    return [*ends, total]


def _frame(part: Part, scope: Scope) -> Frame:
    """A frame of a period."""
    sheets = list(_sheets(part, scope)) if scope.intervals else []
    reads = happened.reads(part, scope) if scope.registers else {}
    events = happened.events(part, scope) if scope.events else {}
    return Frame(part.devices(), sheets, reads, events, arrivals_of(sheets))


def _sheets(part: Part, scope: Scope) -> Iterator[Sheet]:
    """Whole channels by grid, then those that are cut, one by one."""
    channels = part.channels()
    first, last = scope.first, scope.last
    whole = (part.opened == first) & (part.closed == last)
    cut: list[Sheet] = []
    for grid, rows in grids_of(channels, part.kind):
        asked = {"horizon": scope.number, "numbers": scope.arrivals}
        own = rows[whole[rows]]
        if len(own):
            ids = part.channel[own].tolist()
            table = journal.grid_read(grid, ids, first, last, **asked)
            kinds = list(map(channels.__getitem__, part.kind[own].tolist()))
            numbers = table.numbers if scope.arrivals else None
            places = part.stay[own]
            yield Sheet(places, kinds, table.ends, table.counts, table.status, numbers)
        pieces = rows[~whole[rows]]
        if len(pieces):
            ids, place = np.unique(part.channel[pieces], return_inverse=True)
            table = journal.grid_read(grid, ids.tolist(), first, last, **asked)
            for row, at in zip(pieces.tolist(), place.tolist(), strict=True):
                cut += _piece(part, channels, row, table, at, scope)
    yield from cut


def _piece(
    part: Part, channels: Sequence[Channel], row: int, table: journal.Table, at: int, scope: Scope
) -> Iterator[Sheet]:
    """A channel's part of a table's row, as a sheet of its own."""
    borders = part.opened[row], part.closed[row]
    low, high = np.searchsorted(table.ends, borders, side="right").tolist()
    if low < high:
        yield Sheet(
            part.stay[row : row + 1],
            [channels[int(part.kind[row])]],
            table.ends[low:high],
            table.counts[at : at + 1, low:high],
            None if table.status is None else table.status[at : at + 1, low:high],
            table.numbers[at : at + 1, low:high] if scope.arrivals else None,
        )
