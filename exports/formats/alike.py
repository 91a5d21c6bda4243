"""Reads that are alike, written together.

Reads out of the store whose texts differ in values and peak times alone make lines that differ in
these and in what the meter and the read say. They are made a block of reads at a time, on arrays:
fixed text, columns of meters and reads, numbers and peak times. A meter with anything odd is
left to the writer's own way; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from devices.readings import Frame, Ints
from devices.rosters import column_of
from devices.storedreads import Alike, Alikes, StoredRead, heads_decode
from exports.formats.alikelines import Columns, Group
from exports.formats.aliketexts import Texts
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.registers import stored_order
from exports.formats.shapes import Shape

if TYPE_CHECKING:
    from exports.formats.registerwriter import FrameWriter

MOST = 1000  # reads of one block
_time = attrgetter("time")


class Block(NamedTuple):
    """Reads that will be written, and the place in the frame of the device of each."""

    reads: list[StoredRead]
    owners: Ints


class Made(NamedTuple):
    """The lines of a block, each read's up to its end; devices that are to be written the other
    way."""

    text: bytes
    ends: list[int]
    odd: set[int]


class AlikeReads:
    """The reads of a frame, written together where they can be."""

    def __init__(
        self, writer: FrameWriter, frame: Frame, stored: Mapping[int, list[StoredRead]]
    ) -> None:
        self.writer, self.frame, self.stored = writer, frame, stored
        self.alikes = Alikes()
        self.shapes: dict[tuple[int, str, str], Shape | None] = {}
        self.of_source: dict[tuple[int, str, str], Shape | None] = {}
        self.columns: dict[str, Sequence[Any]] = {}

    def write(self, low: int, high: int) -> None:
        """Write the reads of these devices, each of which is alone with its meter number."""
        reads: list[StoredRead] = []
        owners: list[int] = []
        for index in range(low, high):
            mine = self.stored.get(index)
            if mine and (mine := self._written(mine)):
                reads += mine
                owners += [index] * len(mine)
                if len(reads) >= MOST:
                    self._block(Block(reads, np.array(owners)))
                    reads, owners = [], []
        if reads:
            self._block(Block(reads, np.array(owners)))

    def _written(self, reads: list[StoredRead]) -> list[StoredRead]:
        """A device's reads that are written, in the file's order."""
        types = self.writer.read_types
        if len(reads) == 1:
            return reads if reads[0].read_type in types else []
        apart = len(set(map(_time, reads))) == len(reads)
        reads = sorted(reads, key=_time if apart else stored_order)
        return [stored for stored in reads if stored.read_type in types]

    def _block(self, block: Block) -> None:
        """Write a block, what is odd of it one by one."""
        writer = self.writer
        kept, writer.tally = writer.tally, Tally()
        try:
            made = self._made(block)
        except FormatError:
            made = None
        finally:
            counted, writer.tally = writer.tally, kept
        if made is None or (made.odd and counted.warnings.counts):  # which have an order
            made = Made(b"", [0] * len(block.reads), set(block.owners.tolist()))
        else:
            kept.merge(counted)
        if not made.odd:
            writer.put(made.text)
            return
        start, place = 0, 0
        for odd, some in groupby(block.owners.tolist(), made.odd.__contains__):
            devices = list(some)
            place += len(devices)
            if not odd:
                writer.put(made.text[start : made.ends[place - 1]])
                start = made.ends[place - 1]
                continue
            for index in dict.fromkeys(devices):
                writer.one(self.frame, index, index + 1)

    def _made(self, block: Block) -> Made:
        """The lines of a block, and counted. FormatError when there is more than a read of that
        cannot be told."""
        groups, strange = self._groups(block)
        odd = set(block.owners[strange].tolist())
        found = []
        for group in groups:
            fine = group.read(self.writer)
            odd.update(block.owners[group.places[~fine]].tolist())
            found.append(group)
        if odd:
            wanted = ~np.isin(block.owners, list(odd))
            for group in found:
                group.keep(wanted[group.places])
        sizes = np.zeros(len(block.reads), np.int64)
        lines = []
        for group in found:
            if not len(group.places):
                continue
            reads = [block.reads[place] for place in group.places.tolist()]
            made, amounts = group.lines(self.writer, reads, self._columns(block, group.places))
            self.writer.count_alike(group.shape, len(reads), *amounts)
            sizes[group.places] = made.sizes
            lines.append((made, group.places))
        self.writer.tally.meters += len(np.unique(block.owners[sizes > 0]))
        ends = np.cumsum(sizes)
        text = np.empty(int(ends[-1]), np.uint8)
        for made, places in lines:
            made.put(text, ends[places] - made.sizes)
        return Made(text.tobytes(), ends.tolist(), odd)

    # --- what is alike ----------------------------------------------------------------------------
    def _groups(self, block: Block) -> tuple[list[Group], Ints]:
        """The reads that will be written, by what they have in common; places of those that cannot
        be written together with any."""
        texts = Texts([stored.values for stored in block.reads])
        left = np.arange(len(block.reads))
        groups: list[Group] = []
        strange: list[int] = []
        kinds = self.alikes.kinds
        known = list(kinds)
        while len(left):
            learned = not known
            kind = known.pop() if known else self.alikes.learn(block.reads[left[0]].values)
            spans, rows = texts.apart(kind, left) if kind else (None, left[:0])
            if learned and not (len(rows) and rows[0] == 0):
                if kind is not None:
                    kinds.remove(kind)  # it cannot be taken apart by what it is known by
                strange.append(int(left[0]))
                left = left[1:]
                continue
            if kind is None or spans is None or not len(rows):
                continue
            kinds.append(kinds.pop(kinds.index(kind)))  # the last one is tried first
            mine, left = left[rows], np.delete(left, rows)
            for shape, zone, some in self._shapes(block, kind, mine):
                if shape is None:
                    strange += mine[some].tolist()
                elif shape.rows:
                    groups.append(Group(shape, zone, kind, spans, some, mine[some]))
        return groups, np.array(strange, np.int64)

    def _shapes(
        self, block: Block, kind: Alike, places: Ints
    ) -> Iterator[tuple[Shape | None, str, Ints]]:
        """The shapes and zones of texts of a kind, and which of these they are."""
        zone = self.writer.ctx.zone
        column = self._columns(block, places)
        zones = [zone] if zone else column("time_zone")
        reads = [block.reads[place] for place in places.tolist()]
        first = reads[0]
        heads = [(stored.head, stored.read_type) for stored in reads]
        if zones.count(zones[0]) == len(zones) and heads.count(heads[0]) == len(heads):
            yield self._shape(kind, first), zones[0], np.arange(len(reads))
            return
        found: dict[tuple[int, str], tuple[Shape | None, list[int]]] = {}
        for row, stored in enumerate(reads):
            shape, own = self._shape(kind, stored), zones[row % len(zones)]
            found.setdefault((id(shape), own), (shape, []))[1].append(row)
        for (_, own), (shape, rows) in found.items():
            yield shape, own, np.array(rows)

    def _shape(self, kind: Alike, stored: StoredRead) -> Shape | None:
        """The shape of such a read; None when its lines cannot be made by columns."""
        head = stored.parted()[0]
        known = (id(kind), stored.read_type, head)
        if known not in self.shapes:
            of_source = (id(kind), stored.read_type, heads_decode(stored.head).source)
            if of_source not in self.of_source:
                self.of_source[of_source] = self._fit(kind, stored)
            self.shapes[known] = self.of_source[of_source]
        return self.shapes[known]

    def _fit(self, kind: Alike, stored: StoredRead) -> Shape | None:
        read = replace(stored.bare(), values=kind.values)
        try:
            shape = self.writer.shape_of(read, self.writer.picks.classes)
        except FormatError:
            return None  # the slower way tells of which meter
        if shape.warnings:
            return None
        quick = shape.quick
        if quick is None or not quick.places:
            return None if shape.rows else shape
        fine = all(place in kind.amounts for place in quick.places)
        fine &= all(kind.values[place].peak_time is None for place in quick.unpeaked)
        fine &= all(
            (kind.values[place].peak_time is None) is not (place in kind.peaks)
            for place in quick.peaked
        )
        return shape if fine else None

    def _columns(self, block: Block, places: Ints) -> Columns:
        """Fields of the devices of these reads."""
        owners = block.owners[places].tolist()

        def column(name: str) -> Sequence[Any]:
            if name not in self.columns:
                self.columns[name] = column_of(self.frame.devices, name)
            whole = self.columns[name]
            return [whole[owner] for owner in owners]

        return column
