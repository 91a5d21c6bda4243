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
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from devices.longwork import collector_resting
from devices.readings import (
    Channel,
    DeviceInfo,
    IntervalSeries,
    Ints,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    instant,
)
from exports.formats.base import Inventory
from exports.formats.csvtext import csv_split
from exports.formats.issues import ReadReport
from exports.formats.rte.control import Section
from exports.formats.rte.parse import LARGEST, Parsed, Parser, RowError, seq_read
from exports.formats.rte.plain import SHARED, Kinds, Table, table_of
from exports.formats.rte.tables import (
    HEADER,
    NAMES,
    REGISTER,
    RTR_ERRORS,
    RTR_WARNINGS,
    VERSION,
)
from exports.formats.text import TextBlock, TextLine, text_blocks

FOLDED = {name.lower(): place for place, name in enumerate(NAMES)}
COLUMNS = (*Parsed._fields, "record", "offset")
CONTROL = len(HEADER.columns)  # fields of H, and of T


class FileRefused(Exception):
    """Nothing of the file is taken; what is wrong is in the report."""


@dataclass(slots=True)
class Run:
    """Rows put off: place in the table, kind, device, end, line's number and offset. `counted`:
    how many are in the report."""

    table: Table
    own: list[tuple[int, ...]] = field(default_factory=list)
    counted: int = 0


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    parser: Parser = field(init=False)
    kinds: Kinds = field(default_factory=Kinds)
    run: Run = field(init=False)
    order: list[int] | None = None  # the place of each column, None: the table's own order
    width: int = len(NAMES)
    section: Section = field(default_factory=Section)
    rows: array[int] = field(default_factory=partial(array, "q"))
    refused_seqs: array[int] = field(default_factory=partial(array, "q"))

    def __post_init__(self) -> None:
        self.parser = Parser(self.options["zone"])

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's devices in the order in which they first appear; none if it is refused."""
        last = TextLine(1, 0, b"")
        try:
            for block in text_blocks(stream, self.report):
                with collector_resting():
                    last = self._block(block)
            self._close(last)
        except FileRefused:
            return
        table = np.frombuffer(self.rows, np.int64).reshape(-1, len(COLUMNS))
        table = table[np.argsort(table[:, COLUMNS.index("record")], kind="stable")]
        columns = dict(zip(COLUMNS, table.T, strict=True))
        kept = self._by_seq(columns)
        yield from self._meters({name: column[kept] for name, column in columns.items()})

    # --- lines ----------------------------------------------------------------------------------
    def _block(self, block: TextBlock) -> TextLine:
        """The lines of a block, those of a known kind together; the last of them."""
        number, offset, lines = block
        table = table_of(lines)
        self.run = run = Run(table)
        stamps, kind, device = self.parser.stamps.get, -1, -1
        for place, text in enumerate(lines):
            row = table.row[place]
            if row >= 0:
                if kind < 0 or table.fresh[row]:
                    kind, device = self._known(table, row)
                time = stamps(table.times[row])
                if kind >= 0 and time is not None and not time.cut:
                    run.own.append((row, kind, device, time.seconds, number + place, offset))
                    offset += len(text)
                    continue
            line = TextLine(number + place, offset, text.rstrip(b"\r\n"))
            self.report.records += len(run.own) - run.counted
            run.counted = len(run.own)
            if line.text:
                self._line(line)
            else:
                self._warn(line, "RTR50")
            run, kind = self.run, -1
            offset += len(text)
        self._together()
        return TextLine(number + len(lines) - 1, offset - len(lines[-1]), b"")

    def _known(self, table: Table, row: int) -> tuple[int, int]:
        """Kind and device of a row whose texts are known, or whose device alone is new; else -1."""
        if self.order is not None or self.width != len(NAMES):
            return -1, -1
        who, key = table.texts(row)
        kind = self.kinds.known.get(key, -1)
        try:
            return kind, self.parser.device(who) if kind >= 0 else -1
        except RowError:
            return -1, -1

    def _together(self) -> None:
        """Keeps the rows put off."""
        run, table = self.run, self.run.table
        if not run.own:
            return
        self.report.records += len(run.own) - run.counted
        self.run = Run(table)
        places, kinds, *own = np.array(run.own).T
        units, decimals = table.units[places], np.maximum(table.decimals[places], 0)
        letters = [table.kinds[place] for place in places.tolist()]
        self.section.add_many(own[2], letters, table.seqs[places], units, decimals)
        columns = dict(zip(SHARED, np.array(self.kinds.shared)[kinds].T, strict=True))
        columns |= {"seq": table.seqs[places], "units": units, "decimals": decimals}
        columns |= dict(zip(("device", "end", "record", "offset"), own, strict=True))
        self.rows.frombytes(np.stack([columns[name] for name in COLUMNS], axis=1).tobytes())

    def _line(self, line: TextLine) -> None:
        try:
            cells = csv_split(line.text)
        except ValueError as error:
            self._refuse(line, RowError("RTR03", why=str(error)))
            return
        if len(cells) == CONTROL and cells[0] in (b"H", b"T"):
            self._together()
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
        if self.report.warnings == warned and self.order is None:
            self.kinds.learn(cells, parsed)
        self.section.add(line.number, kind, seq, parsed.units, parsed.decimals)
        self.rows.extend((*parsed, line.number, line.offset))

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
    def _by_seq(self, columns: Mapping[str, Ints]) -> npt.NDArray[np.bool_]:
        """The rows that stay: of those with one Seq the first. Gaps are warned of."""
        seqs = columns["seq"]
        kept = np.ones(len(seqs), np.bool_)
        order = np.argsort(seqs, kind="stable")
        same = np.flatnonzero(np.diff(seqs[order]) == 0) + 1
        for place in same.tolist():
            first = order[np.searchsorted(seqs[order], seqs[order[place]])]
            again = order[place]
            kept[again] = False
            if any(columns[n][first] != columns[n][again] for n in Parsed._fields):
                line = self._line_of(columns, int(again))
                self._refuse(line, RowError("RTR07", "Seq", value=int(seqs[again])))
        known = np.unique(np.concatenate((seqs, np.frombuffer(self.refused_seqs, np.int64))))
        for place in np.flatnonzero(np.diff(known) > 1).tolist():
            low, high = int(known[place]), int(known[place + 1])
            found = np.flatnonzero(seqs == high)
            line = self._line_of(columns, int(found[0])) if len(found) else TextLine(0, 0, b"")
            self._warn(line, "RTR56", "Seq", count=high - low - 1, first=low, last=high)
        return kept

    def _line_of(self, columns: Mapping[str, Ints], place: int) -> TextLine:
        return TextLine(int(columns["record"][place]), int(columns["offset"][place]), b"")

    # --- meters ---------------------------------------------------------------------------------
    def _meters(self, columns: Mapping[str, Ints]) -> Iterator[MeterData]:
        names = [device.device_id for device in self.parser.devices]
        owners = list(dict.fromkeys(names))
        owner = np.array(_places(names, owners), np.int64)
        kinds = [(kind, channel.number) for kind, channel in self.parser.channels]
        keys = list(dict.fromkeys(kinds))
        key = np.array(_places(kinds, keys), np.int64)
        who, what = owner[columns["device"]], key[columns["channel"]]
        order = np.lexsort((columns["seq"], columns["revision"], columns["end"], what, who))
        parts = (who[order], what[order], columns["end"][order])
        last = np.ones(len(order), np.bool_)
        if len(order):
            last[:-1] = np.any([part[1:] != part[:-1] for part in parts], axis=0)
        rows = order[last]
        chosen = {name: column[rows] for name, column in columns.items()}
        cuts = np.flatnonzero(np.diff(who[rows])) + 1
        for part in np.split(np.arange(len(rows)), cuts):
            if len(part):
                own = {name: column[part] for name, column in chosen.items()}
                yield self._meter(own)

    def _meter(self, own: Mapping[str, Ints]) -> MeterData:
        info: DeviceInfo = self.parser.devices[int(own["device"][own["record"].argmin()])]
        registers = np.array([kind == REGISTER for kind, _ in self.parser.channels])
        is_register = registers[own["channel"]]
        series = tuple(self._series(own, np.flatnonzero(~is_register)))
        reads = tuple(self._reads(own, np.flatnonzero(is_register)))
        return MeterData(info, series, reads)

    def _series(self, own: Mapping[str, Ints], rows: Ints) -> Iterator[IntervalSeries]:
        """One for each channel as the rows tell it, in the order of number."""
        places = list(dict.fromkeys(own["channel"][rows].tolist()))
        for place in places:
            mine = rows[own["channel"][rows] == place]
            most = int(own["decimals"][mine].max())
            units, steps = own["units"][mine], most - own["decimals"][mine]
            if int(np.abs(units).max()) < LARGEST // 10**most:
                counts = units * 10**steps
            else:
                mine, counts = self._fitting(own, mine, steps)
            channel: Channel = self.parser.channels[place][1]
            yield IntervalSeries(
                channel._replace(resolution=Decimal(1).scaleb(-most)),
                own["end"][mine],
                counts,
                own["mask"][mine].astype(np.uint16),
            )

    def _fitting(self, own: Mapping[str, Ints], rows: Ints, steps: Ints) -> tuple[Ints, Ints]:
        """Large values at one scale, without those that do not fit."""
        pairs = zip(own["units"][rows].tolist(), steps.tolist(), strict=True)
        counts = [units * 10**step for units, step in pairs]
        fits = np.array([abs(count) < LARGEST for count in counts])
        for row in rows[~fits].tolist():
            line = self._line_of(own, row)
            self._refuse(line, RowError("RTR04", "Value", value=own["units"][row]))
        kept = [count for count, fit in zip(counts, fits, strict=True) if fit]
        return rows[fits], np.array(kept, np.int64)

    def _reads(self, own: Mapping[str, Ints], rows: Ints) -> Iterator[RegisterRead]:
        times = own["end"][rows]
        for time in np.unique(times).tolist():
            mine = rows[times == time].tolist()
            origins = [self.parser.sources[int(own["source"][row])] for row in mine]
            received = max(int(own["received"][row]) for row in mine)
            yield RegisterRead(
                instant(time),
                "CUR",
                tuple(
                    self._value(own, row, "" if origin == origins[0] else origin)
                    for row, origin in zip(mine, origins, strict=True)
                ),
                source=origins[0],
                received=None if received < 0 else instant(received),
                revision=max(int(own["revision"][row]) for row in mine),
            )

    def _value(self, own: Mapping[str, Ints], row: int, source: str) -> RegisterValue:
        channel = self.parser.channels[int(own["channel"][row])][1]
        mask = int(own["mask"][row])
        value = Decimal(int(own["units"][row])).scaleb(-int(own["decimals"][row]))
        return RegisterValue(
            "SUM",
            channel.unit,
            channel.flow,
            value=None if mask & Status.MISSING else value,
            number=channel.number,
            multiplier=channel.multiplier,
            multiplier_applied=channel.multiplier_applied,
            status=mask,
            source=source,
        )


def _places(things: Sequence[Any], known: Sequence[Any]) -> list[int]:
    places = {thing: place for place, thing in enumerate(known)}
    return [places[thing] for thing in things]
