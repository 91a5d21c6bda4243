"""Reads that are alike, written together.

Reads out of the store whose texts differ in values and peak times alone make lines that differ in
these and in what the meter and the read say. They are put into one array of bytes, a row a read:
fixed text, columns of meters and reads, numbers and peak times by table. What is odd in any way is
left to the writer's own way, read by read; a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import DeviceInfo
from devices.storedreads import Alike, Alikes, StoredRead
from exports.formats.context import Tally
from exports.formats.decimals import counts_of
from exports.formats.issues import FormatError
from exports.formats.layout import Field
from exports.formats.registers import stored_order
from exports.formats.shapes import OWN, Plan, Shape
from exports.formats.stamps import Clock, NotPlain, texts_column

if TYPE_CHECKING:
    from exports.formats.registerwriter import FrameWriter

Bytes = npt.NDArray[np.uint8]
MOST = 500  # reads of one array
_TOKEN = re.compile("%([%s])")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
NUL = b"\0"


class Waiting(NamedTuple):
    """A read that will be written: whose, what its head is known by, the groups of its text."""

    place: int
    device: DeviceInfo
    head: tuple[object, ...]
    stored: StoredRead
    groups: tuple[str, ...]


class Together(NamedTuple):
    """Reads of one shape, zone and kind of text."""

    shape: Shape
    zone: str
    alike: Alike
    reads: list[Waiting]


class AlikeReads:
    """The reads of a frame that have been put off, to be written together."""

    def __init__(self, writer: FrameWriter) -> None:
        self.writer = writer
        self.alikes = Alikes()
        self.shapes: dict[tuple[Alike, str, str], Shape | None] = {}
        self.meters: list[tuple[str, int, DeviceInfo]] = []
        self.groups: dict[tuple[int, str, int], Together] = {}
        self.count = 0

    def take(self, name: str, index: int, device: DeviceInfo, reads: Sequence[StoredRead]) -> bool:
        """Put a meter's reads off; False when they have to be written the other way."""
        writer = self.writer
        found: list[tuple[tuple[Shape, Alike], Waiting]] = []
        zone = writer.ctx.zone or device.time_zone
        if len(reads) > 1:
            reads = sorted(reads, key=stored_order)
        for stored in reads:
            if stored.read_type not in writer.read_types:
                continue
            match = self.alikes.match(stored.values)
            if match is None:
                return False
            alike, groups = match
            head = stored.parted()[0]
            known = (alike, stored.read_type, head)
            if known not in self.shapes:
                self.shapes[known] = self._fit(alike, stored)
            shape = self.shapes[known]
            if shape is None:
                return False
            if shape.rows:
                key = (stored.read_type, stored.time, stored.revision, head)
                waiting = Waiting(self.count + len(found), device, key, stored, groups)
                found.append(((shape, alike), waiting))
        for (shape, alike), waiting in found:
            group = (id(shape), zone, id(alike))
            if group not in self.groups:
                self.groups[group] = Together(shape, zone, alike, [])
            self.groups[group].reads.append(waiting)
        if found:
            self.meters.append((name, index, device))
            self.count += len(found)
        return True

    def _fit(self, alike: Alike, stored: StoredRead) -> Shape | None:
        """The shape of such a read; None when its lines cannot be made by columns."""
        read = replace(stored.bare(), values=alike.values)
        try:
            shape = self.writer.shape_of(read, self.writer.picks.classes)
        except FormatError:
            return None  # the slower way tells of which meter
        if shape.warnings:
            return None
        quick = shape.quick
        if quick is None:
            return None if shape.rows else shape
        fine = all(place in alike.amounts for place in quick.places)
        fine &= all(alike.values[place].peak_time is None for place in quick.unpeaked)
        fine &= all(
            (alike.values[place].peak_time is None) is not (place in alike.peaks)
            for place in quick.peaked
        )
        return shape if fine else None

    def texts(self) -> list[bytes]:
        """What has been put off, in order, and counted. NotPlain or FormatError when it is to be
        written the other way; nothing is counted then."""
        kept, self.writer.tally = self.writer.tally, Tally()
        try:
            text = self._text()
        finally:
            counted, self.writer.tally = self.writer.tally, kept
        kept.merge(counted)
        self.clear()
        return [text.translate(None, NUL) if NUL in text else text]

    def _text(self) -> bytes:
        made: list[bytes] = [b""] * self.count
        for together in self.groups.values():
            reads = together.reads
            rows, amounts = Lines(self.writer, together).made()
            self.writer.count_alike(together.shape, len(reads), *amounts)
            if len(self.groups) == 1:
                made = [rows.tobytes()]
                break
            for waiting, row in zip(reads, rows, strict=True):
                made[waiting.place] = row.tobytes()
        self.writer.tally.meters += len(self.meters)
        return b"".join(made)

    def clear(self) -> None:
        self.meters, self.groups, self.count = [], {}, 0


class Lines:
    """Reads of one shape, zone and kind of text, as rows of bytes."""

    def __init__(self, writer: FrameWriter, together: Together) -> None:
        self.writer = writer
        self.shape, self.zone, self.alike, self.reads = together
        self.clock: Clock = writer.clock_of(self.zone)
        self.columns = list(zip(*(waiting.groups for waiting in together.reads), strict=True))

    def made(self) -> tuple[Bytes, tuple[int, int]]:
        """The rows (n, w), with NUL where a text is shorter than its column; energy and demand."""
        amounts, totals = self._amounts()
        cells = [*self._pieces(), *amounts, *self._peak_cells()]
        parts = list(self._parts(cells))
        rows = np.empty((len(self.reads), sum(part.shape[1] for part in parts)), np.uint8)
        at = 0
        for part in parts:
            rows[:, at : at + part.shape[1]] = part
            at += part.shape[1]
        return rows, totals

    def _parts(self, cells: Sequence[Bytes]) -> Iterator[Bytes]:
        """Fixed texts and cells in turn, as the template has them; `%%` is a `%`."""
        filled, last, text = iter(self.shape.filled), 0, self.shape.template
        fixed: list[str] = []
        for token in _TOKEN.finditer(text):
            fixed.append(text[last : token.start()])
            last = token.end()
            if token[1] == "%":
                fixed.append("%")
                continue
            yield _fixed("".join(fixed))
            fixed = []
            yield cells[next(filled)]
        yield _fixed("".join([*fixed, text[last:]]))

    def _amounts(self) -> tuple[Sequence[Bytes], tuple[int, int]]:
        quick: Any = self.shape.quick
        columns = [self.columns[self.alike.amounts[place]] for place in quick.places]
        counts = counts_of(chain.from_iterable(columns))
        if counts is None:
            raise NotPlain
        counts = counts.reshape(len(columns), len(self.reads))
        sums = counts.sum(axis=1)
        totals = int(sums[list(quick.energy)].sum()), int(sums[list(quick.demand)].sum())
        return self.writer.count_cells(counts), totals

    def _peak_cells(self) -> list[Bytes]:
        """The cells of the peak times, in the order of their slots."""
        quick: Any = self.shape.quick
        there = [self.alike.peaks[place] for place in quick.peaked if place in self.alike.peaks]
        if there:
            texts = list(chain.from_iterable(self.columns[group] for group in there))
            found = self.clock.texts.cells(texts)
        size, nth = len(self.reads), 0
        made: list[Bytes] = []
        for place in quick.peaked:
            if place in self.alike.peaks:
                made += [column[nth * size : (nth + 1) * size] for column in found]
                nth += 1
            else:
                made += [_fixed(cell) for cell in self.clock[None]]
        return made

    # --- what the meter and the read say ----------------------------------------------------------
    def _pieces(self) -> list[Bytes]:
        writer = self.writer
        devices = [waiting.device for waiting in self.reads]
        values = list(map(writer.device_values, devices))
        heads, place = self._heads()
        owns = self._owns()
        pieces = []
        for number, plan in enumerate(writer.plans):
            runs = {
                "device": [_run(plan, run, values) for run in plan.runs["device"]],
                "read": [texts_column([head[number][n] for head in heads])[place]
                         for n in range(len(plan.runs["read"]))],
                OWN: [texts_column([own[number][n] for own in owns])
                      for n in range(len(plan.runs[OWN]))],
            }  # fmt: skip
            comma = _fixed(plan.delimiter)
            for piece in plan.joined:
                columns = [runs[scope][n] for scope, n in piece]
                pieces.append(_side_by_side(_joined(columns, comma), len(devices)))
        if extras := list(map(writer.extra_pieces, devices)):
            pieces += [texts_column(column) for column in zip(*extras, strict=True)]
        return pieces

    def _heads(self) -> tuple[list[list[list[str]]], Any]:
        """The texts of the different heads, and which of them each read has."""
        found: dict[tuple[object, ...], int] = {}
        made: list[list[list[str]]] = []
        places = np.empty(len(self.reads), np.int64)
        for n, waiting in enumerate(self.reads):
            place = found.get(waiting.head)
            if place is None:
                place = found[waiting.head] = len(made)
                made.append(self.writer.head_parts(waiting.stored, waiting.head, self.zone))
            places[n] = place
        return made, places if len(made) > 1 else np.zeros(1, np.int64)

    def _owns(self) -> list[list[list[str]]]:
        """The texts of what differs from read to read; one for all where nothing does."""
        if not any(plan.runs[OWN] for plan in self.writer.plans):
            return []
        if not any(waiting.stored.parted()[1] for waiting in self.reads):
            return [self.writer.own_parts(self.reads[0].stored.bare())]
        return [self.writer.own_parts(waiting.stored.bare()) for waiting in self.reads]


def _run(plan: Plan, run: Sequence[Any], values: Sequence[Any]) -> Bytes:
    """A run of neighbouring fields of the meter, (n, w) or (1, w)."""
    columns = [_field(field, [value[field.name] for value in values]) for field in run]
    return _side_by_side(_joined(columns, _fixed(plan.delimiter)), len(values))


def _field(field: Any, values: list[Any]) -> Bytes:
    """A field of so many meters, (n, w) or (1, w). FormatError of a value that it refuses."""
    if values.count(values[0]) == len(values):
        return _bytes_column([field.put(values[0])])
    size = field.size if isinstance(field, Field) else field.limit
    if not field.kind.stands(values, size):
        return _bytes_column([field.put(value) for value in values])
    column = texts_column(values, size if isinstance(field, Field) else 0)
    if isinstance(field, Field):
        column[column == 0] = field.kind.fill[0]
    return column


def _joined(columns: Sequence[Bytes], between: Bytes) -> list[Bytes]:
    found = [columns[0]]
    for column in columns[1:]:
        found += [between, column]
    return found


def _side_by_side(columns: Sequence[Bytes], rows: int) -> Bytes:
    if len(columns) == 1:
        return columns[0]
    if all(len(column) == 1 for column in columns):
        rows = 1
    every = [np.broadcast_to(column, (rows, column.shape[1])) for column in columns]
    return np.concatenate(every, axis=1)


def _bytes_column(texts: Sequence[bytes]) -> Bytes:
    return np.array(texts, "S").view(np.uint8).reshape(len(texts), -1)


def _fixed(text: str) -> Bytes:
    return np.frombuffer(text.encode(), np.uint8)[None, :]
