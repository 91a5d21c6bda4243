"""The compiled writer: all meters of one shape at a time, whole sheets into one array of records.

Meters of as many channels over the same span make blocks of equal size: for each channel its header
and its interval records. Values and status words go in by whole matrices.
Whatever has something to say (`odd`) is left to the declared writer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import ABSENT, Frame, Masks, Sheet, Status
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.records216.book import Book
from exports.formats.records216.cells import Flags, come_back, counts_to_cells, counts_to_pulses
from exports.formats.records216.layouts import (
    A_RECORD,
    CELLS_START,
    FILL,
    FIRST_INTERVALS,
    INTERVALS,
    LENGTH,
)
from exports.formats.records216.plan import Meter, Span
from exports.formats.records216.units import Target
from exports.formats.records216.words import MISSING_CELL, words_out

Bytes = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.uint32]
MISSING = int(Status.MISSING)
SPOILT = int(Status.ESTIMATED | Status.EDITED)
DEVICE = INTERVALS.field("device")
FILL_CELL = FILL << 16 | FILL
BLOCK = 1 << 15  # cells made at once: the working set stays in the cache


class Draft(NamedTuple):
    """A meter with its channel headers; `tally` is what they counted."""

    meter: Meter
    headers: bytes
    tally: Tally


class Group(NamedTuple):
    """Meters of one shape."""

    span: Span
    channels: int
    drafts: list[Draft]


class Rows(NamedTuple):
    """Rows of a sheet that go into a group: which, to which meter and channel, at which slot."""

    sheet: Sheet
    target: Target
    rows: list[int]
    meters: list[int]
    channels: list[int]
    slot: int


@dataclass(slots=True)
class Block:
    """The records of a group's channels, (meters, bytes).

    `missing` (meters, channels, cells): None when nothing is. `odd` (meters,): to be declared.
    """

    drafts: Sequence[Draft]
    data: Bytes
    missing: Flags | None
    odd: Flags


@dataclass(slots=True)
class Compiler:
    """One frame's meters on their way to blocks. `regular`: of each sheet, ends without a gap."""

    frame: Frame
    book: Book
    regular: list[bool] = field(init=False)

    def __post_init__(self) -> None:
        self.regular = [_regular(sheet) for sheet in self.frame.sheets]

    def blocks(self, meters: Sequence[Meter]) -> Iterator[Block]:
        """Blocks of the meters that can be compiled at all."""
        groups: dict[tuple[Span, int], Group] = {}
        for draft in filter(None, map(self._draft, meters)):
            shape = (draft.meter.span, len(draft.meter.lanes))
            group = groups.get(shape)
            if group is None:
                group = groups[shape] = Group(*shape, [])
            group.drafts.append(draft)
        for group in groups.values():
            size = max(1, BLOCK // max(1, group.channels * group.span.cells))
            for first in range(0, len(group.drafts), size):
                yield self._block(group._replace(drafts=group.drafts[first : first + size]))

    def _draft(self, meter: Meter) -> Draft | None:
        """The meter's headers; None where the declared writer has to say something."""
        if not self._fits(meter):
            return None
        frame, book, tally = self.frame, self.book, Tally()
        try:
            headers = [book.channel(frame, meter, lane, tally, False) for lane in meter.lanes]
        except FormatError:
            return None
        return Draft(meter, b"".join(headers), tally)

    def _fits(self, meter: Meter) -> bool:
        """One row a channel, on the grid, inside the span."""
        span = meter.span
        for lane in meter.lanes:
            if len(lane.places) != 1 or not self.regular[lane.places[0].sheet]:
                return False
            ends = self.frame.sheets[lane.places[0].sheet].ends
            first, last = int(ends[0]), int(ends[-1])
            grid = span.offset if lane.channel.grid_offset is None else lane.channel.grid_offset
            whole = self.book.whole and not span.start < first <= last <= span.stop
            if whole or (first + grid) % span.seconds or (first - span.start) % span.seconds:
                return False
        return True

    # --- one block ------------------------------------------------------------------------------
    def _block(self, group: Group) -> Block:
        span, size, channels = group.span, len(group.drafts), group.channels
        records = span.records
        data = np.empty((size, channels, 1 + records, LENGTH), np.uint8)
        cells: Cells = np.empty((size, channels, records * A_RECORD, 2), "<u4")
        cells[:, :, : span.cells, 0] = 0
        cells[:, :, : span.cells, 1] = MISSING_CELL
        cells[:, :, span.cells :] = FILL_CELL
        odd = np.zeros(size, np.bool_)
        missing: Flags | None = None
        if channels:
            for rows in self._rows(group):
                odd |= self._fill(rows, span, cells, size)
            gone = cells[:, :, : span.cells, 1] >> 16 & MISSING_CELL >> 16 != 0
            missing = gone if gone.any() else None
            self._lay(group, data, cells)
        return Block(group.drafts, data.reshape(size, -1), missing, odd)

    def _rows(self, group: Group) -> Iterator[Rows]:
        found: dict[tuple[int, int], Rows] = {}
        span = group.span
        for index, draft in enumerate(group.drafts):
            for number, lane in enumerate(draft.meter.lanes):
                sheet, row = lane.places[0]
                rows = found.get((sheet, id(lane.target)))
                if rows is None:
                    ends = self.frame.sheets[sheet].ends
                    slot = (int(ends[0]) - span.start) // span.seconds - 1
                    rows = Rows(self.frame.sheets[sheet], lane.target, [], [], [], slot)
                    found[sheet, id(lane.target)] = rows
                rows.rows.append(row)
                rows.meters.append(index)
                rows.channels.append(number)
        yield from found.values()

    def _fill(self, rows: Rows, span: Span, cells: Cells, size: int) -> Flags:
        """The cells of some rows; which meters have something to say."""
        found = np.zeros(size, np.bool_)
        low, high = max(0, -rows.slot), min(len(rows.sheet.ends), span.cells - rows.slot)
        if low >= high:  # all of them outside the span
            return found
        every = rows.rows == list(range(len(rows.sheet.devices)))
        counts = rows.sheet.counts if every else rows.sheet.counts[rows.rows]
        counts = counts[:, low:high]
        status = rows.sheet.status
        if status is not None:
            status = (status if every else status[rows.rows])[:, low:high]
        values, odd = _values(counts, status, rows.target)
        slots = slice(rows.slot + low, rows.slot + high)
        if len(set(rows.channels)) == 1 and rows.meters == list(range(size)):
            part = cells[:, rows.channels[0], slots]
            part[..., 0] = values
            part[..., 1] = words_out(self.book.ctx.mode)[0 if status is None else status]
        else:
            where = (np.array(rows.meters), np.array(rows.channels), slots)
            part = np.empty((*values.shape, 2), "<u4")
            part[..., 0] = values
            part[..., 1] = words_out(self.book.ctx.mode)[0 if status is None else status]
            cells[where] = part
        found[np.array(rows.meters)[odd]] = True
        return found

    def _lay(self, group: Group, body: Bytes, cells: Cells) -> None:
        """Headers, codes, keys and cells into the records."""
        size, channels, records = len(group.drafts), group.channels, group.span.records
        headers = b"".join([draft.headers for draft in group.drafts])
        body[:, :, 0] = np.frombuffer(headers, np.uint8).reshape(size, channels, LENGTH)
        frames = np.empty((records, 2), "<u2")
        frames[:, 0], frames[:, 1] = LENGTH, FIRST_INTERVALS + np.arange(records)
        body[:, :, 1:, : DEVICE.start] = frames.view(np.uint8)
        keys = np.frombuffer(b"".join([draft.meter.ids[0] for draft in group.drafts]), np.uint8)
        stop = DEVICE.start + DEVICE.size
        body[:, :, 1:, DEVICE.start : stop] = keys.reshape(size, 1, 1, DEVICE.size)
        body[:, :, 1:, CELLS_START:] = cells.view(np.uint8).reshape(size, channels, records, -1)


def _regular(sheet: Sheet) -> bool:
    """The ends follow one another by the length that all its channels have."""
    if not len(sheet.ends):
        return False
    seconds = sheet.channels[0].seconds
    alike = all(channel.seconds == seconds for channel in sheet.channels)
    return alike and bool((np.diff(sheet.ends) == seconds).all())


def _values(
    counts: npt.NDArray[np.integer[Any]], status: Masks | None, target: Target
) -> tuple[Cells, Flags]:
    """The first words of cells, and the rows that hold something to refuse or to warn of."""
    odd = np.zeros(len(counts), np.bool_)
    if status is not None:
        gone: Flags = status & MISSING != 0
        odd |= (gone & (status & ABSENT == 0) & (status & SPOILT != 0)).any(axis=1)
        counts = np.where(gone, 0, counts) if gone.any() else counts
    if counts.size and counts.min() < 0:
        odd |= (counts < 0).any(axis=1)
    if target.pulse is not None:
        pulses, wrong = counts_to_pulses(counts, target.scale, target.pulse)
        return pulses, odd | wrong.any(axis=1)
    singles = counts_to_cells(counts, target.scale)
    largest = float(singles.max()) if singles.size else 0.0
    if not np.isfinite(largest):
        odd |= ~np.isfinite(singles).all(axis=1)
    same = come_back(counts, singles, target.scale)
    if same is not None:
        odd |= ~same.all(axis=1)
    return singles.astype("<f4", copy=False).view("<u4"), odd
