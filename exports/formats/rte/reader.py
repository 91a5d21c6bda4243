"""The reader: all rows of a file, its control lines checked, one version a key, by device.

A file is held until its end, as arrays: a later row may replace an earlier one, and what is
missing shows only when all numbers are known.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from heapq import heappop, heappush
from typing import Any, BinaryIO

import numpy as np

from devices.longwork import collector_resting
from devices.readings import Ints, MeterData
from exports.formats.base import Inventory
from exports.formats.csvtext import csv_split
from exports.formats.eights import Flags
from exports.formats.issues import ReadReport
from exports.formats.linearrays import LineArrays, line_arrays
from exports.formats.rte.control import Section
from exports.formats.rte.kept import Columns, Kept, Shared
from exports.formats.rte.meters import Meters
from exports.formats.rte.parse import Parser, RowError, seq_read
from exports.formats.rte.plain import TIME, WHO, Kinds, Table, Words, table_of
from exports.formats.rte.tables import HEADER, NAMES, RTR_ERRORS, RTR_WARNINGS, VERSION
from exports.formats.text import TextLine

FOLDED = {name.lower(): place for place, name in enumerate(NAMES)}
CONTROL = len(HEADER.columns)  # fields of H, and of T


class FileRefused(Exception):
    """Nothing of the file is taken; what is wrong is in the report."""


@dataclass(slots=True)
class Run:
    """Lines on their way: which are known rows, (n,); `done`: those before this one are counted in
    the report; `kept`: and these are kept."""

    table: Table
    known: Flags
    done: int = 0
    kept: int = 0


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    parser: Parser = field(init=False)
    kinds: Kinds = field(default_factory=Kinds)
    words: Words = field(default_factory=Words)
    run: Run = field(init=False)
    order: list[int] | None = None  # the place of each column, None: the table's own order
    width: int = len(NAMES)
    section: Section = field(default_factory=Section)
    rows: Kept = field(default_factory=Kept)
    refused_seqs: array[int] = field(default_factory=partial(array, "q"))

    def __post_init__(self) -> None:
        self.parser = Parser(self.options["zone"])

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's devices in the order in which they first appear; none if it is refused."""
        last = TextLine(1, 0, b"")
        try:
            for lines in line_arrays(stream, self.report):
                with collector_resting():
                    self._block(lines)
                last = lines.line(len(lines) - 1)
            self._close(last)
        except FileRefused:
            return
        rows, shared = self.rows.columns(), Shared.of(self.kinds.shared)
        kept = self._by_seq(rows, shared)
        yield from Meters(self.parser, rows if kept.all() else rows.pick(kept), shared, self._wide)

    # --- lines ----------------------------------------------------------------------------------
    def _block(self, lines: LineArrays) -> None:
        """The lines of a block. Between lines that say something new all are known rows."""
        table = table_of(lines, self.words)
        self.run = run = Run(table, np.zeros(len(lines), np.bool_))
        fine = table.fine.tobytes()
        late = {group[0]: group for group in table.late}
        news = sorted({len(lines), *table.news(), *late}, reverse=True)
        odd: list[int] = []  # rows of times that are no times
        own_order = self.order is None and self.width == len(NAMES)
        place = news[-1] if own_order else 0
        while True:
            run.known[run.done : place] = True
            self.report.records += place - run.done
            run.done = place
            if place == len(lines):
                break
            group = late.pop(place, None)
            if group and self._timed(table, group):
                group = None
            if fine[place] and self._known(table, place) and table.times.at(place) >= 0:
                while news[-1] <= place:
                    news.pop()
                while odd and odd[0] <= place:
                    heappop(odd)
                place = min(news[-1], *odd[:1], len(lines))
                continue  # it counts with those after it
            self._odd(lines.line(place))
            place = run.done = place + 1
            if group and not self._timed(table, group):
                for one in group[1:]:
                    heappush(odd, one)
        self._together(len(lines))
        for known in (table.kinds, table.devices, table.times):
            known.keep()

    def _odd(self, line: TextLine) -> None:
        if line.text:
            self._line(line)
        else:
            self._warn(line, "RTR50")

    def _timed(self, table: Table, group: Sequence[int]) -> bool:
        """Whether the time that these rows have is known by now; then it is theirs."""
        read = self.parser.stamps.get(table.span(group[0], TIME, TIME))
        if read is None or read.cut or read.seconds < 0:
            return False
        table.times.learn(group[0], read.seconds)
        table.times.values[group] = read.seconds
        return True

    def _known(self, table: Table, place: int) -> bool:
        """Whether a row's texts are known; its device alone may be new."""
        if self.order is not None or self.width != len(NAMES):
            return False
        if table.kinds.at(place) < 0:
            kind = self.kinds.known.get(table.key(place))
            if kind is None:
                return False
            table.kinds.learn(place, kind)
        if table.devices.at(place) < 0:
            try:
                table.devices.learn(place, self.parser.device(table.span(place, *WHO)))
            except RowError:
                return False
        return True

    def _together(self, until: int) -> None:
        """Keeps the known rows before a line."""
        run, table = self.run, self.run.table
        record = np.flatnonzero(run.known[run.kept : until]) + run.kept
        mine: Ints | slice = record
        if len(record) == until - run.kept:
            mine = slice(run.kept, until)
        run.kept = until
        if not len(record):
            return
        looked = (table.devices, table.kinds, table.times)
        device, kind, end = (one.values[one.first[mine]] for one in looked)
        seq, units, decimals = table.seqs[mine], table.units[mine], table.decimals[mine]
        decimals = np.maximum(decimals, 0)
        record, offset = record + table.lines.number, table.lines.offsets[mine]
        self.section.add_many(record, table.letters[mine], seq, units, decimals)
        self.rows.add(seq, device, kind, end, units, decimals, record, offset)

    def _line(self, line: TextLine) -> None:
        try:
            cells = csv_split(line.text)
        except ValueError as error:
            self._refuse(line, RowError("RTR03", why=str(error)))
            return
        if len(cells) == CONTROL and cells[0] in (b"H", b"T"):
            self._together(self.run.done)
            self._control(line, cells)
        elif self._is_names(cells):
            self._names(line, cells)
        else:
            self._row(line, cells)

    def _is_names(self, cells: Sequence[bytes]) -> bool:
        found = {cell.lower() for cell in cells}
        return b"rectype" in found and b"deviceid" in found

    def _names(self, line: TextLine, cells: Sequence[bytes]) -> None:
        """Where each known column stands; extra ones are ignored."""
        names = [cell.decode("utf-8", "replace").lower() for cell in cells]
        for name, cell in zip(names, cells, strict=True):
            if name not in FOLDED:
                self._warn(line, "RTR51", value=cell.decode("utf-8", "replace")[:40])
        missing = [name for name in NAMES if name.lower() not in names]
        if missing or len(set(names)) < len(names):
            what = ", ".join(missing) or "none; a name stands twice"
            self._refuse_file(line, "RTR10", value=what)
        order = [names.index(name.lower()) for name in NAMES]
        self.order = None if order == list(range(len(NAMES))) else order
        self.width = len(cells)

    def _row(self, line: TextLine, cells: Sequence[bytes]) -> None:
        self.report.records += 1
        kind = b""
        seq = None
        warned = self.report.warnings
        try:
            if len(cells) != self.width:
                raise RowError("RTR01", count=len(cells), wanted=self.width)
            if self.order is not None:
                cells = [cells[place] for place in self.order]
            kind = cells[0]
            if kind not in (b"I", b"R"):
                raise RowError("RTR02", "RecType", value=kind[:20].decode("latin-1"))
            seq = seq_read(cells[1])
            parsed = self.parser.row(cells, seq, partial(self._warn, line))
        except RowError as error:
            self.section.add(line.number, kind, seq, 0, 0)
            if seq is not None:
                self.refused_seqs.append(seq)
            self._refuse(line, error)
            return
        place = self.kinds.place(parsed)
        if self.report.warnings == warned and self.order is None:
            self.kinds.learn(cells, place)
        self.section.add(line.number, kind, seq, parsed.units, parsed.decimals)
        self.rows.add_one(parsed, place, line.number, line.offset)

    def _refuse(self, line: TextLine, error: RowError) -> None:
        self.report.error(
            *(error.code, error.message),
            record=line.number,
            offset=line.offset,
            field=error.field,
        )

    def _refuse_file(self, line: TextLine, code: str, **words: object) -> None:
        text = RTR_ERRORS[code].format(**words)
        self.report.error(code, text, record=line.number, offset=line.offset)
        raise FileRefused

    def _warn(self, line: TextLine, code: str, field: str = "", **words: object) -> None:
        text = RTR_WARNINGS[code].format(**words)
        self.report.warn(code, text, record=line.number, offset=line.offset, field=field)

    # --- control lines --------------------------------------------------------------------------
    def _control(self, line: TextLine, cells: Sequence[bytes]) -> None:
        if cells[0] == b"T":
            self._judge(line, self.section.wrong(cells))
            self.section = Section()
            return
        self._close(line)
        version = cells[1].decode("latin-1")
        if not version.replace(".", "", 1).isdigit() or Decimal(version) > Decimal(VERSION):
            self._refuse_file(line, "RTR08", value=version[:20])
        self.section = Section(cells)
        self.order, self.width = None, len(NAMES)

    def _close(self, line: TextLine) -> None:
        """What was opened by an H ends without a T."""
        if self.section.header is not None:
            self._judge(line, ["H without T"])

    def _judge(self, line: TextLine, wrong: Iterable[str]) -> None:
        for why in wrong:
            if self.options["strict"]:
                self._refuse_file(line, "RTR09", why=why)
            self._warn(line, "RTR57", why=why)

    # --- numbers --------------------------------------------------------------------------------
    def _by_seq(self, rows: Columns, shared: Shared) -> Flags:
        """The rows that stay: of those with one Seq the first. Gaps are warned of."""
        seqs = rows.seq
        kept = np.ones(len(seqs), np.bool_)
        if not self.refused_seqs and (np.diff(seqs) == 1).all():
            return kept
        order = np.argsort(seqs, kind="stable")
        ordered = seqs[order]
        for place in (np.flatnonzero(np.diff(ordered) == 0) + 1).tolist():
            first, again = order[np.searchsorted(ordered, ordered[place])], order[place]
            kept[again] = False
            if _said(rows, shared, int(first)) != _said(rows, shared, int(again)):
                line = TextLine(int(rows.record[again]), int(rows.offset[again]), b"")
                self._refuse(line, RowError("RTR07", "Seq", value=int(seqs[again])))
        known = np.unique(np.concatenate((seqs, np.frombuffer(self.refused_seqs, np.int64))))
        for place in np.flatnonzero(np.diff(known) > 1).tolist():
            low, high = int(known[place]), int(known[place + 1])
            line = TextLine(0, 0, b"")
            if len(found := np.flatnonzero(seqs == high)):
                line = TextLine(int(rows.record[found[0]]), int(rows.offset[found[0]]), b"")
            self._warn(line, "RTR56", "Seq", count=high - low - 1, first=low, last=high)
        return kept

    def _wide(self, record: int, offset: int, units: int) -> None:
        """Refuses a row whose value is too large beside the decimals of others."""
        self._refuse(TextLine(record, offset, b""), RowError("RTR04", "Value", value=units))


def _said(rows: Columns, shared: Shared, place: int) -> list[int]:
    """What a row says, but for its Seq."""
    own = (rows.device, rows.end, rows.units, rows.decimals)
    kind = rows.kind[place]
    return [int(one[place]) for one in own] + [int(one[kind]) for one in shared]
