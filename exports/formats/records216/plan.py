"""The meters of a frame as they stand in a file: identities, channels in order, the span of time.

Adjacent devices of one key are stays of one meter: what held at the end names it. A row that no
file can carry is left out here or refused; what is wrong with single values, the writers say.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, CHANGED, Channel, DeviceInfo, Frame, Sheet, Status
from exports.formats.context import Tally
from exports.formats.issues import FormatError, refusal
from exports.formats.records216.book import Book
from exports.formats.records216.layouts import A_RECORD, MOST_RECORDS
from exports.formats.records216.units import Target
from exports.formats.zones import standard_offset, year_of

NEVER_END = np.iinfo(np.int64).max
Flags = npt.NDArray[np.bool_]


class Span(NamedTuple):
    """The time that a meter's channels cover, of `cells` intervals. Offset: standard time's."""

    start: int
    cells: int
    seconds: int
    offset: int
    stop: int

    @property
    def records(self) -> int:
        """Interval records of a channel."""
        return -(-self.cells // A_RECORD)


class Place(NamedTuple):
    """A row of a sheet."""

    sheet: int
    row: int


@dataclass(slots=True)
class Lane:
    """A channel of a meter. `channel` is its last era's; rows by time are the writer's care."""

    number: int
    channel: Channel
    target: Target
    places: list[Place]


@dataclass(slots=True)
class Meter:
    """A meter to write. `ids`: its identifiers as they are written, in the book's own order."""

    rank: int
    devices: list[int]
    info: DeviceInfo
    ids: tuple[bytes, ...]
    span: Span
    lanes: list[Lane]
    tally: Tally


@dataclass(slots=True)
class Planner:
    """One frame's meters, in the file's order."""

    frame: Frame
    book: Book
    tally: Tally
    bounds: list[tuple[list[int], list[int]]] = field(init=False)
    offsets: dict[tuple[str, int, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bounds = [_bounds(sheet, self.book) for sheet in self.frame.sheets]

    def meters(self) -> Iterator[Meter]:
        """FormatError if the run stops at a refusal."""
        places = self._places()
        for rank, devices in enumerate(self._stays()):
            meter_tally = Tally()
            try:
                found = [entry for device in devices for entry in places.get(device, ())]
                meter = self._meter(rank, devices, found, meter_tally)
            except FormatError as error:
                self.refuse(devices, error)
                continue
            if meter is None:
                self.tally.merge(meter_tally)
            else:
                yield meter

    def refuse(self, devices: Sequence[int], error: FormatError) -> None:
        """The meter is left out, or the run stops."""
        infos = [self.frame.devices[device] for device in devices]
        error.at(format=self.book.format, meter=self.book.name(infos[-1]))
        if self.book.ctx.on_error == "stop" and error.code != self.book.empty:
            raise error
        for info in infos:
            self.tally.leave_out(info, None, error)

    def _stays(self) -> list[list[int]]:
        """Devices by meter, in the frame's order, which must be the file's."""
        keys = list(map(self.book.key, self.frame.devices))
        if any(later[0] < earlier[0] for earlier, later in pairwise(keys)):
            raise ValueError(f"devices are not sorted by {self.book.attribute}")
        found: dict[Any, list[int]] = defaultdict(list)
        for device, key in enumerate(keys):
            found[key].append(device)
        return list(found.values())

    def _places(self) -> dict[int, list[tuple[Channel, Place]]]:
        """The rows of each device. A row of no slots at all says nothing."""
        found: dict[int, list[tuple[Channel, Place]]] = defaultdict(list)
        for number, sheet in enumerate(self.frame.sheets):
            if len(sheet.ends):
                rows = zip(sheet.devices.tolist(), sheet.channels, strict=True)
                for row, (device, channel) in enumerate(rows):
                    found[device].append((channel, Place(number, row)))
        return found

    def _meter(
        self,
        rank: int,
        devices: list[int],
        found: list[tuple[Channel, Place]],
        tally: Tally,
    ) -> Meter | None:
        info = self.frame.devices[devices[-1]]
        book = self.book
        lanes = self._lanes(info, found, tally)
        lengths = sorted({lane.target.seconds for lane in lanes})
        if len(lengths) > 1:
            raise book.refusal("lengths", lengths=", ".join(map(str, lengths)))
        span = self._span(info, lanes)
        if span is None:
            if not book.bare(self.frame, devices):
                self._check_nothing(lanes)
                return None
            offset = self._offset(info, book.start, book.end)
            span, lanes = Span(book.start, 0, 0, offset, book.end), []
        if span.records > MOST_RECORDS:
            raise book.refusal("records", what=f"{span.records} interval records")
        return Meter(rank, devices, info, book.identity(info, tally), span, lanes, tally)

    def _check_nothing(self, lanes: list[Lane]) -> None:
        """A meter without intervals is an error here, or just not in the file."""
        if "empty" in self.book.errors and self.book.ctx.gaps_are_missing:
            why = "without any interval in the period" if lanes else "without a channel"
            raise self.book.refusal("empty", why=why)

    # --- channels -------------------------------------------------------------------------------
    def _lanes(
        self, info: DeviceInfo, found: list[tuple[Channel, Place]], tally: Tally
    ) -> list[Lane]:
        """Channels by number; those that cannot be carried are left out or refused."""
        lanes: dict[int, Lane] = {}
        for channel, place in found:
            number = channel.number or 0
            try:
                target = self.book.target(channel)
            except FormatError as error:
                if not self.book.skips(error):
                    raise error.at(where=str(number)) from None
                where = FormatError(error.code, error.text, where=str(number))
                tally.leave_out(info, channel, where.at(format=self.book.format))
                continue
            lane = lanes.get(number)
            if lane is None:
                if not 1 <= number <= self.book.most_channels:
                    raise self.book.refusal("number", number=number)
                lanes[number] = Lane(number, channel, target, [place])
            else:
                self._add_era(lane, channel, target, place, tally)
        return [lanes[number] for number in sorted(lanes)]

    def _add_era(
        self, lane: Lane, channel: Channel, target: Target, place: Place, tally: Tally
    ) -> None:
        """More of one channel: another stay or era. Its header says one thing for all."""
        mine, other = lane.target, target
        if mine.seconds != other.seconds:
            lengths = f"{mine.seconds}, {other.seconds}"
            raise self.book.refusal("lengths", lengths=lengths).at(where=str(lane.number))
        if (mine.code, mine.letter, mine.usage) != (other.code, other.letter, other.usage):
            raise self.book.refusal("eras", number=lane.number)
        if mine.multiplier != other.multiplier:
            text = f"channel {lane.number}: {mine.multiplier}, then {other.multiplier}"
            tally.warn(self.book.warning("multipliers"), text)
        lane.channel, lane.target = channel, target
        lane.places.append(place)

    # --- time -----------------------------------------------------------------------------------
    def _span(self, info: DeviceInfo, lanes: list[Lane]) -> Span | None:
        """What the channels cover; None if there is nothing to write."""
        first, last = NEVER_END, -NEVER_END
        for lane in lanes:
            for place in lane.places:
                low, high = self.bounds[place.sheet]
                first, last = min(first, low[place.row]), max(last, high[place.row])
        if first > last:
            return None
        seconds = lanes[0].target.seconds
        if self.book.whole:
            start, stop = self.book.start, self.book.end
        else:
            start, stop = first - seconds, last
        offset = self._offset(info, start, stop)
        for lane in lanes if self.book.whole else ():
            grid = offset if lane.channel.grid_offset is None else lane.channel.grid_offset
            if (start + grid) % seconds or (stop + grid) % seconds:
                raise refusal("FMT18").at(where=str(lane.number))
        return Span(start, (stop - start) // seconds, seconds, offset, stop)

    def _offset(self, info: DeviceInfo, start: int, end: int) -> int:
        """Standard time's, east of UTC; FMT15 if the zone is unknown or it changes."""
        key = (info.time_zone, start, end)
        if key not in self.offsets:
            years = range(year_of(start), year_of(end - 1) + 1)
            offsets = {standard_offset(info.time_zone, year) for year in years}
            if len(offsets) != 1 or min(offsets) % 60:
                raise refusal("FMT15", time=f"standard time of {info.time_zone} in {years[0]}")
            self.offsets[key] = offsets.pop()
        return self.offsets[key]


def _bounds(sheet: Sheet, book: Book) -> tuple[list[int], list[int]]:
    """First and last end of each row that the span has to cover; first > last where none."""
    rows, ends = len(sheet.devices), sheet.ends
    low, high = np.full(rows, NEVER_END), np.full(rows, -NEVER_END)
    if not len(ends):
        return low.tolist(), high.tolist()
    status = sheet.status
    if status is None:
        if book.ctx.gaps_are_missing:
            low[:], high[:] = ends[0], ends[-1]
        return low.tolist(), high.tolist()
    wanted: Flags
    if not book.ctx.gaps_are_missing:
        wanted = status & CHANGED != 0
    elif book.whole:
        wanted = status & ABSENT == 0
    else:
        wanted = status & int(Status.MISSING) == 0
    some = wanted.any(axis=1)
    low[some] = ends[wanted.argmax(axis=1)][some]
    high[some] = ends[::-1][wanted[:, ::-1].argmax(axis=1)][some]
    return low.tolist(), high.tolist()
