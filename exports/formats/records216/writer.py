"""A frame's meters in the file's order: compiled where possible, declared where not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from devices.readings import Frame
from exports.formats.context import Tally
from exports.formats.issues import FormatError
from exports.formats.records216.book import Book, Gaps
from exports.formats.records216.compiled import Block, Compiler
from exports.formats.records216.declared import gaps_of, lane_records
from exports.formats.records216.layouts import LENGTH
from exports.formats.records216.plan import Meter, Planner


@dataclass(slots=True)
class FrameWriter:
    """One frame on its way out."""

    frame: Frame
    book: Book
    tally: Tally
    found: dict[int, tuple[bytes, Tally]] = field(default_factory=dict)  # by the meter's rank

    def write(self, out: BinaryIO, compiled: bool = True) -> None:
        """All of it. FormatError if the run stops at a refusal; nothing is written then."""
        planner = Planner(self.frame, self.book, self.tally)
        meters = list(planner.meters())
        if compiled:
            for block in Compiler(self.frame, self.book).blocks(meters):
                self._take(block)
        for meter in meters:
            try:
                data, tally = self.found.get(meter.rank) or self._declare(meter)
            except FormatError as error:
                planner.refuse(meter.devices, error)
                continue
            self.found[meter.rank] = data, tally
            self._count(meter.tally, tally, len(data) // LENGTH)
        for offset in {meter.span.offset for meter in meters if meter.rank in self.found}:
            self.tally.add(f"offset {offset}", 1)
        out.write(b"".join([self.found[rank][0] for rank in sorted(self.found)]))

    def _count(self, planned: Tally, written: Tally, records: int) -> None:
        """What was counted of a meter; most have nothing but numbers."""
        total = self.tally
        total.meters += 1
        total.records += records
        for one in (planned, written):
            if one.warnings.counts or one.totals or one.left_out:
                total.merge(one)
            else:
                total.intervals += one.intervals
                total.registers += one.registers
                total.missing += one.missing

    def _take(self, block: Block) -> None:
        """A block's records by meter; what is odd waits for the declared writer."""
        whole = memoryview(block.data.tobytes())
        size = block.data.shape[1]
        for index in np.flatnonzero(~block.odd).tolist():
            meter, _, tally = block.drafts[index]
            gaps = Gaps()
            if block.missing is not None:
                marks = block.missing[index]
                tally.missing += int(np.count_nonzero(marks))
                if self.book.wants_gaps:
                    gaps = {
                        lane.number: gaps_of(own)
                        for lane, own in zip(meter.lanes, marks, strict=True)
                        if own.any()
                    }
            tally.intervals += meter.span.cells * len(meter.lanes)
            try:
                head, tail = self.book.around(self.frame, meter, gaps, tally, False)
            except FormatError:
                continue
            body = whole[index * size : (index + 1) * size]
            self.found[meter.rank] = b"".join((head, body, tail)), tally

    def _declare(self, meter: Meter) -> tuple[bytes, Tally]:
        """The meter's records by the tables. FormatError."""
        frame, book, tally = self.frame, self.book, Tally()
        parts, gaps = [], Gaps()
        for lane in meter.lanes:
            try:
                parts.append(book.channel(frame, meter, lane, tally, True))
            except FormatError as error:
                raise error.at(where=str(lane.number)) from None
            records, missing = lane_records(frame, book, meter, lane, tally)
            parts.append(records)
            tally.intervals += len(missing)
            if any(missing):
                tally.missing += sum(missing)
                gaps[lane.number] = gaps_of(np.array(missing))
        head, tail = book.around(frame, meter, gaps, tally, True)
        return b"".join((head, *parts, tail)), tally
