"""A frame's records in the file's order: compiled where possible, declared where not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from devices.readings import (
    ABSENT,
    DAY,
    Channel,
    Frame,
    Ints,
    MeterData,
    Sheet,
)
from exports.formats.cmep.compiled import Batch, Rows, compile_rows
from exports.formats.cmep.grid import grid_of
from exports.formats.cmep.plan import Target
from exports.formats.cmep.records import Record, interval_records, register_records
from exports.formats.cmep.run import OWN, Run
from exports.formats.cmep.tables import MEPMD01
from exports.formats.cmep.totals import total_records
from exports.formats.context import Tally
from exports.formats.fast import Wanted, bytes_column, clashing, meters_of, rows_of, template_texts
from exports.formats.issues import FormatError

Cells = npt.NDArray[np.bytes_]
Declared = Callable[[Sequence[MeterData], Run, Tally], list[Record]]


@dataclass(slots=True)
class FrameWriter:
    """One frame on its way out. Meters are counted by rank, their place in the frame."""

    frame: Frame
    run: Run
    tally: Tally
    names: list[str] = field(default_factory=list)
    ranks: Ints = field(default_factory=lambda: np.zeros(0, np.int64))  # of each device
    cells: list[Cells] | None = None  # fields 4, 6, 8 of each device, where they are plain
    heads: dict[int, tuple[bytes, ...]] = field(default_factory=dict)  # else these, when needed
    targets: dict[tuple[object, ...], Target | None] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)  # ranks that need the declared writer
    failed: set[int] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def write(self, out: BinaryIO, compiled: bool = True) -> None:
        """All of it. FormatError if the run stops at a refusal; nothing is written then."""
        self._rank_meters()
        include = self.run.ctx.options["include"]
        if include != "registers":
            if compiled:
                self._compile_sheets()
                self._drop(self.plain)
            else:
                self.plain.update(range(len(self.names)))
            self._declare(sorted(self.plain), interval_records)
        with_reads = np.unique(self.ranks[list(self.frame.reads)]).tolist()
        if include != "intervals":
            self._declare(with_reads, register_records)
        if self.run.ctx.options["tou"]:
            self._declare(with_reads, total_records)
        self._drop(self.failed)
        for lines in self._ordered():
            out.write(lines)
        self._count()
        for rank in sorted(self.tallies):
            self.tally.merge(self.tallies[rank])

    def _rank_meters(self) -> None:
        """Adjacent devices with one meter id are one meter. Text order is that of UTF-8 bytes."""
        every = list(self.run.own[-1].all(self.frame.devices))
        if every != sorted(every):
            raise ValueError(f"devices are not sorted by {self.run.attribute}")
        self.names = list(dict.fromkeys(every))
        self.ranks = np.arange(len(every))
        if len(self.names) < len(every):
            places = {name: rank for rank, name in enumerate(self.names)}
            self.ranks = np.array(list(map(places.__getitem__, every)), np.int64)

    # --- compiled -------------------------------------------------------------------------------
    def _compile_sheets(self) -> None:
        wanted = [self._plan_sheet(sheet) for sheet in self.frame.sheets]
        self.plain |= clashing(self.frame.sheets, wanted, self.ranks, attrgetter("unit"))
        self._find_cells()
        negative: Counter[tuple[int, str]] = Counter()
        for sheet, groups in zip(self.frame.sheets, wanted, strict=True):
            for group in groups:
                rows = self._rows(sheet, group)
                if rows is None:
                    continue
                below: dict[int, int] = {}
                self.batches.extend(compile_rows(rows, self.run, self.plain, below))
                negative.update({(rank, group.target.unit): n for rank, n in below.items()})
        for (rank, unit), count in sorted(negative.items()):
            self.tallies[rank].warn("CMW03", f"{self.names[rank]} {unit}", count)

    def _plan_sheet(self, sheet: Sheet) -> list[Wanted[Target]]:
        """The sheet's rows by what they become; rows that never arrived are left out."""
        groups: dict[tuple[object, ...], Wanted[Target]] = {}
        rows = np.arange(len(sheet.devices))
        if sheet.status is not None:
            rows = np.flatnonzero(np.any(sheet.status & ABSENT == 0, axis=1))
        elif not len(sheet.ends):
            rows = rows[:0]
        channels = [sheet.channels[row] for row in rows.tolist()]
        devices = sheet.devices[rows].tolist()
        if channels and channels.count(channels[0]) == len(channels) and _frozen(channels[0]):
            target = self._target(channels[0])
            if target is not None:
                return [Wanted(target, channels[0], "", rows.tolist())]
        found: dict[int, Target | None] = {}  # by the channel object: rows share few of them
        for row, device, channel in zip(rows.tolist(), devices, channels, strict=True):
            if id(channel) not in found:
                found[id(channel)] = self._target(channel)
            target = found[id(channel)]
            if target is None:
                self.plain.add(int(self.ranks[device]))
                continue
            # The zone matters only where the channel does not freeze its grid.
            frozen = _frozen(channel)
            zone = "" if frozen else channel.zone or self.frame.devices[device].time_zone
            key = (id(target), channel.seconds, channel.grid_offset, zone)
            group = groups.get(key)
            if group is None:
                group = groups[key] = Wanted(target, channel, zone, [])
            group.rows.append(row)
        return list(groups.values())

    def _target(self, channel: Channel) -> Target | None:
        """The channel's target, one object for all alike; None if the declared writer must say
        why there is none."""
        open_multiplier = channel.multiplier_applied is False or channel.unit == "PULSE"
        multiplier = channel.multiplier if open_multiplier else None
        applied = channel.multiplier_applied
        key = (channel.unit, channel.flow, channel.seconds, channel.resolution, multiplier, applied)
        if key not in self.targets:
            try:
                self.targets[key] = self.run.target(channel)
            except FormatError:
                self.targets[key] = None
        return self.targets[key]

    def _rows(self, sheet: Sheet, group: Wanted[Target]) -> Rows | None:
        """The rows of a group whose meters can be compiled."""
        target, seconds = group.target, group.channel.seconds
        rows = np.array(group.rows)
        devices = sheet.devices[rows]
        ranks = self.ranks[devices]
        try:
            grid = grid_of(sheet.ends, group.channel, group.zone)
        except FormatError:
            self.plain.update(ranks.tolist())
            return None
        cells = self._cells(devices)
        if self.plain:
            kept = ~np.isin(ranks, list(self.plain))
            rows, ranks = rows[kept], ranks[kept]
            cells = [column[kept] for column in cells]
        if not len(rows):
            return None
        known = self.run.values | {
            "record_type": "MEPMD01",
            "commodity": target.commodity,
            "units": target.unit,
            "calculation_constant": target.constant,
        }
        template = MEPMD01.template(known, "calculation_constant") + b","
        counts, status = rows_of(sheet, rows)
        heads = template_texts(template, cells)
        return Rows(target, grid, seconds, sheet.ends, counts, status, ranks, heads)

    def _find_cells(self) -> None:
        """Fields 4, 6 and 8 of all devices at once, where they need no more than ASCII."""
        devices = self.frame.devices
        columns = [source.texts(devices) for source in self.run.own]
        if all(map(self.run.bare, OWN, columns)):
            self.cells = [bytes_column(texts, len(devices)) for texts in columns]

    def _cells(self, devices: Ints) -> list[Cells]:
        """Fields 4, 6 and 8 of some devices; of those at fault nothing, they become plain."""
        if self.cells is not None:
            return [column[devices] for column in self.cells]
        heads = map(self._head, devices.tolist())
        return [np.array(texts, np.bytes_) for texts in zip(*heads, strict=True)]

    def _head(self, device: int) -> tuple[bytes, ...]:
        """Fields 4, 6 and 8; empty where the declared writer must say what is wrong."""
        if device not in self.heads:
            rank = int(self.ranks[device])
            try:
                identity = self.run.identity(self.frame.devices[device])
            except FormatError:
                self.plain.add(rank)
                self.heads[device] = (b"", b"", b"")
            else:
                self.heads[device] = identity.cells
                for code, text in identity.warnings:
                    self.tallies[rank].warn(code, text)
        return self.heads[device]

    # --- declared -------------------------------------------------------------------------------
    def _declare(self, ranks: Sequence[int], declared: Declared) -> None:
        """Records of these meters by the declared writer; refusals stop or leave the meter out."""
        for rank, meters in meters_of(self.frame, self.ranks, ranks):
            if rank in self.failed:
                continue
            own = Tally()
            try:
                records = declared(meters, self.run, own)
            except FormatError as error:
                error.at(format="cmep", meter=self.names[rank])
                if self.run.ctx.on_error == "stop":
                    raise
                self.failed.add(rank)
                self.tallies[rank] = Tally()
                for meter in meters:
                    self.tallies[rank].leave_out(meter.device, None, error)
                continue
            if declared is interval_records:
                self.tallies[rank] = own
            else:
                self.tallies[rank].merge(own)
            for record in records:
                self.batches.append(_batch(rank, record))

    # --- order ----------------------------------------------------------------------------------
    def _ordered(self) -> Iterator[bytes | bytearray | memoryview]:
        """All lines by meter, unit, first time."""
        if not self.batches:
            return
        places = {unit: i for i, unit in enumerate(sorted({b.unit for b in self.batches}))}
        ranks = np.concatenate([batch.ranks for batch in self.batches])
        firsts = np.concatenate([batch.firsts for batch in self.batches])
        units = np.repeat(
            [places[batch.unit] for batch in self.batches],
            [len(batch.ranks) for batch in self.batches],
        )
        order = np.lexsort((firsts, units, ranks))
        lines = [len(batch.ranks) for batch in self.batches]
        owner = np.repeat(np.arange(len(lines)), lines)
        # Lines of a batch that stay together are moved at once.
        apart = (np.diff(order) != 1) | (np.diff(owner[order]) != 0)
        firsts = order[np.flatnonzero(np.concatenate(([True], apart)))]
        lasts = order[np.flatnonzero(np.concatenate((apart, [True])))]
        ends = np.cumsum(np.concatenate([batch.sizes for batch in self.batches]))
        starts = np.array([0, *np.cumsum([len(batch.data) for batch in self.batches])])
        owner = owner[firsts]
        begins = np.concatenate(([0], ends[:-1]))[firsts] - starts[owner]
        views = [memoryview(batch.data) for batch in self.batches]
        ends = ends[lasts] - starts[owner]
        pieces = zip(owner.tolist(), begins.tolist(), ends.tolist(), strict=True)
        yield from (views[at][begin:end] for at, begin, end in pieces)

    def _drop(self, ranks: set[int]) -> None:
        """Forgets the lines of these meters."""
        if ranks:
            kept = [_without(batch, list(ranks)) for batch in self.batches]
            self.batches = [batch for batch in kept if batch.data]

    def _count(self) -> None:
        written: set[int] = set()
        for batch in self.batches:
            triplets = int(batch.triplets.sum())
            self.tally.records += len(batch.ranks)
            self.tally.registers += triplets if batch.register else 0
            self.tally.intervals += 0 if batch.register else triplets
            self.tally.missing += int(batch.missing.sum())
            written.update(batch.ranks.tolist())
        self.tally.meters += len(written)


def _without(batch: Batch, ranks: list[int]) -> Batch:
    kept = ~np.isin(batch.ranks, ranks)
    if kept.all():
        return batch
    ends = np.cumsum(batch.sizes)
    begins, ends = (ends - batch.sizes)[kept].tolist(), ends[kept].tolist()
    data = b"".join([batch.data[a:b] for a, b in zip(begins, ends, strict=True)])
    return Batch(
        batch.unit,
        batch.ranks[kept],
        batch.firsts[kept],
        batch.triplets[kept],
        batch.missing[kept],
        batch.sizes[kept],
        data,
        batch.register,
    )


def _frozen(channel: Channel) -> bool:
    """The channel itself tells its grid."""
    return channel.grid_offset is not None and channel.seconds != DAY


def _batch(rank: int, record: Record) -> Batch:
    return Batch(
        record.unit.decode(),
        np.array([rank]),
        np.array([record.first]),
        np.array([record.triplets]),
        np.array([record.missing]),
        np.array([len(record.line)]),
        record.line,
        record.register,
    )
