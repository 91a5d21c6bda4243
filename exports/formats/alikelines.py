"""Lines of reads of one shape, zone and kind of text, a column at a time."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

import numpy as np

from devices.readings import Ints
from devices.storedreads import Alike, StoredRead
from exports.formats.aliketexts import Spans
from exports.formats.eights import Bytes, Flags
from exports.formats.layout import Field
from exports.formats.linecells import Cells, Lines
from exports.formats.shapes import OWN, Plan, Shape
from exports.formats.stamps import texts_column
from exports.formats.storedstamps import StoredStamps

if TYPE_CHECKING:
    from exports.formats.registerwriter import FrameWriter

_TOKEN = re.compile("%([%s])")
Columns = Callable[[str], Sequence[Any]]  # a field of the devices of some reads, by its name


class Group:
    """Some reads of a block, which stand at `places` in it and in these rows of the spans."""

    def __init__(
        self, shape: Shape, zone: str, kind: Alike, spans: Spans, rows: Ints, places: Ints
    ) -> None:
        self.shape, self.zone, self.kind, self.spans = shape, zone, kind, spans
        self.rows, self.places = rows, places
        self.quick: Any = shape.quick

    def read(self, writer: FrameWriter) -> Flags:
        """Look at values and peak times; which reads are plain. FormatError of a peak time."""
        self.clock = writer.clock_of(self.zone)
        self.texts = StoredStamps.of(self.clock)
        self.amounts = self.spans.amounts(self.quick.places, self.rows)
        fine: Any = self.amounts.fine.all(axis=0)
        self.peaked = [place for place in self.quick.peaked if place in self.kind.peaks]
        if self.peaked:
            stamps = self.spans.stamps(self.peaked, self.rows)
            self.stamps = self.texts.places(stamps)
            fine = fine & (self.stamps >= 0).all(axis=0)
        return fine  # type: ignore[no-any-return]

    def keep(self, kept: Flags) -> None:
        """Leave the others out."""
        self.rows, self.places = self.rows[kept], self.places[kept]
        self.amounts = self.amounts.take(kept)
        if self.peaked:
            self.stamps = self.stamps[:, kept]

    def lines(
        self, writer: FrameWriter, reads: Sequence[StoredRead], columns: Columns
    ) -> tuple[Lines, tuple[int, int]]:
        """The lines, each read's; energy and demand in units of the last decimal."""
        sums = self.amounts.counts().sum(axis=1).tolist()
        totals = [sum(sums[place] for place in some) for some in (self.quick.energy,
                                                                  self.quick.demand)]  # fmt: skip
        pieces = Pieces(writer, self.zone, reads, columns).cells()
        cells = [*pieces, *writer.amount_cells(self.amounts), *self._peaks()]
        return Lines(self._filled(cells), len(reads)), (totals[0], totals[1])

    def _filled(self, cells: Sequence[Cells]) -> Iterator[Cells]:
        """Fixed texts and cells in turn, as the template has them; `%%` is a `%`."""
        filled, last, text = iter(self.shape.filled), 0, self.shape.template
        for token in _TOKEN.finditer(text):
            yield Cells.fixed(text[last : token.start()].encode())
            last = token.end()
            yield Cells.fixed(b"%") if token[1] == "%" else cells[next(filled)]
        yield Cells.fixed(text[last:].encode())

    def _peaks(self) -> Iterator[Cells]:
        """The cells of the peak times, in the order of their slots."""
        rows = iter(self.stamps) if self.peaked else iter(())
        for place in self.quick.peaked:
            if place in self.kind.peaks:
                at = next(rows)
                yield from (table.take(at) for table in self.texts.tables())
            else:
                yield from (Cells.fixed(cell.encode()) for cell in self.clock[None])


class Pieces:
    """What the meter and the read say of some reads, as the pieces of a writer's plans."""

    def __init__(
        self, writer: FrameWriter, zone: str, reads: Sequence[StoredRead], columns: Columns
    ) -> None:
        self.writer, self.zone, self.reads, self.columns = writer, zone, reads, columns

    def cells(self) -> Iterator[Cells]:
        """The pieces of all plans, then the extra ones. FormatError."""
        writer = self.writer
        values = writer.device_columns(self.columns)
        heads, place = self._heads()
        owns = self._owns()
        for number, plan in enumerate(writer.plans):
            runs = {
                "device": [self._run(plan, run, values) for run in plan.runs["device"]],
                "read": [texts_column([head[number][n] for head in heads])[place]
                         for n in range(len(plan.runs["read"]))],
                OWN: [texts_column([own[number][n] for own in owns])
                      for n in range(len(plan.runs[OWN]))],
            }  # fmt: skip
            comma = _fixed(plan.delimiter)
            for piece in plan.joined:
                columns = [runs[scope][n] for scope, n in piece]
                yield Cells.filled(_side_by_side(_joined(columns, comma), len(self.reads)))
        for column in writer.extra_columns(self.columns):
            yield Cells.filled(texts_column(column))

    def _heads(self) -> tuple[list[list[list[str]]], Any]:
        """The texts of the different heads, and which of them each read has."""
        keys: list[tuple[object, ...]] = [stored[:4] for stored in self.reads]
        samples = dict(zip(keys, self.reads, strict=True))
        if len(samples) > 1:  # they may differ in their ids alone
            known = {key: stored.head_key() for key, stored in samples.items()}
            keys = list(map(known.__getitem__, keys))
            samples = dict(zip(keys, self.reads, strict=True))
        made = [self.writer.head_parts(samples[key], self.zone) for key in samples]
        if len(samples) == 1:
            return made, np.zeros(1, np.int64)
        places = {key: place for place, key in enumerate(samples)}
        return made, np.array(list(map(places.__getitem__, keys)), np.int64)

    def _owns(self) -> list[list[list[str]]]:
        """The texts of what differs from read to read; one for all where nothing does."""
        if not any(plan.runs[OWN] for plan in self.writer.plans):
            return []
        if not any(stored.has_id() for stored in self.reads):
            return [self.writer.own_parts(self.reads[0].bare())]
        return [self.writer.own_parts(stored.bare()) for stored in self.reads]

    def _run(self, plan: Plan, run: Sequence[Any], values: Any) -> Bytes:
        """A run of neighbouring fields of the meter, (n, w) or (1, w)."""
        columns = [_field(field, values[field.name]) for field in run]
        return _side_by_side(_joined(columns, _fixed(plan.delimiter)), len(self.reads))


def _field(field: Any, values: Sequence[Any]) -> Bytes:
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
    return reduce(add, ([between, column] for column in columns))[1:]


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
