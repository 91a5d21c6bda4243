"""A frame's records in the file's order: compiled where possible, declared where not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

import numpy as np

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
from exports.formats.context import Tally
from exports.formats.fast import meters_of
from exports.formats.issues import FormatError

LINE_FEED = 10
Declared = Callable[[Sequence[MeterData], Run, Tally], list[Record]]


class Wanted(NamedTuple):
    """A sheet's rows for the compiled writer: those of one target, length, offset and zone."""

    target: Target
    channel: Channel
    zone: str
    rows: list[int]


@dataclass(slots=True)
class FrameWriter:
    """One frame on its way out. Meters are counted by rank, their place in the frame."""

    frame: Frame
    run: Run
    tally: Tally
    names: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)  # of each device
    heads: list[tuple[bytes, ...] | None] = field(default_factory=list)  # fields 4, 6, 8
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
        if include != "intervals":
            with_reads = {self.ranks[device] for device in self.frame.reads}
            self._declare(sorted(with_reads), register_records)
        self._drop(self.failed)
        out.write(self._ordered())
        self._count()
        for rank in sorted(self.tallies):
            self.tally.merge(self.tallies[rank])

    def _rank_meters(self) -> None:
        """Adjacent devices with one meter id are one meter. Text order is that of UTF-8 bytes."""
        every = list(map(self.run.own[-1], self.frame.devices))
        if every != sorted(every):
            raise ValueError(f"devices are not sorted by {self.run.attribute}")
        self.names = list(dict.fromkeys(every))
        places = {name: rank for rank, name in enumerate(self.names)}
        self.ranks = [places[name] for name in every]

    # --- compiled -------------------------------------------------------------------------------
    def _compile_sheets(self) -> None:
        wanted = [self._plan_sheet(sheet) for sheet in self.frame.sheets]
        self._find_clashes(wanted)
        self._find_heads()
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

    def _plan_sheet(self, sheet: Sheet) -> list[Wanted]:
        """The sheet's rows by what they become; rows that never arrived are left out."""
        groups: dict[tuple[object, ...], Wanted] = {}
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
                self.plain.add(self.ranks[device])
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

    def _find_clashes(self, wanted: Sequence[Sequence[Wanted]]) -> None:
        """Meters with more than one row of a unit (a clash, an era, a move) are written plainly."""
        by_unit: dict[str, list[Ints]] = defaultdict(list)
        ranks = np.array(self.ranks, np.int64)
        for sheet, groups in zip(self.frame.sheets, wanted, strict=True):
            for group in groups:
                by_unit[group.target.unit].append(ranks[sheet.devices[group.rows]])
        for found in by_unit.values():
            meters, rows = np.unique(np.concatenate(found), return_counts=True)
            self.plain.update(meters[rows > 1].tolist())

    def _rows(self, sheet: Sheet, group: Wanted) -> Rows | None:
        """The rows of a group whose meters can be compiled."""
        target, seconds = group.target, group.channel.seconds
        devices = sheet.devices[group.rows].tolist()
        try:
            grid = grid_of(sheet.ends, group.channel, group.zone)
        except FormatError:
            self.plain.update(self.ranks[device] for device in devices)
            return None
        known = self.run.values | {
            "record_type": "MEPMD01",
            "commodity": target.commodity,
            "units": target.unit,
            "calculation_constant": target.constant,
        }
        template = MEPMD01.template(known, "calculation_constant") + b","
        heads, kept, ranks = [], [], []
        for row, device in zip(group.rows, devices, strict=True):
            own = self.heads[device] or self._head(device)
            rank = self.ranks[device]
            if own and rank not in self.plain:
                heads.append(template % own)
                kept.append(row)
                ranks.append(rank)
        if not kept:
            return None
        every = len(kept) == len(sheet.devices)
        counts = sheet.counts if every else sheet.counts[kept]
        status = sheet.status if every or sheet.status is None else sheet.status[kept]
        place = np.array(ranks, np.int64)
        return Rows(target, grid, seconds, sheet.ends, counts, status, place, heads)

    def _find_heads(self) -> None:
        """Fields 4, 6 and 8 of all devices at once, where they need no more than ASCII."""
        devices = self.frame.devices
        columns = [[get(device) for device in devices] for get in self.run.own]
        if all(map(self.run.bare, OWN, columns)):
            cells = ("\n".join(texts).encode("ascii").split(b"\n") for texts in columns)
            self.heads = list(zip(*cells, strict=True))
        else:
            self.heads = [None] * len(devices)

    def _head(self, device: int) -> tuple[bytes, ...]:
        """Fields 4, 6 and 8; empty where the declared writer must say what is wrong."""
        head = self.heads[device]
        if head is None:
            head = ()
            rank = self.ranks[device]
            try:
                identity = self.run.identity(self.frame.devices[device])
            except FormatError:
                self.plain.add(rank)
            else:
                head = identity.cells
                for code, text in identity.warnings:
                    self.tallies[rank].warn(code, text)
            self.heads[device] = head
        return head

    # --- declared -------------------------------------------------------------------------------
    def _declare(self, ranks: Sequence[int], declared: Declared) -> None:
        """Records of these meters by the declared writer; refusals stop or leave the meter out."""
        for rank, meters in self._meters(ranks):
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

    def _meters(self, ranks: Sequence[int]) -> Iterator[tuple[int, list[MeterData]]]:
        """The data of some meters as plain values."""
        chosen = set(ranks)
        devices = [device for device, rank in enumerate(self.ranks) if rank in chosen]
        found: dict[int, list[MeterData]] = defaultdict(list)
        for device, meter in meters_of(self.frame, devices):
            found[self.ranks[device]].append(meter)
        yield from found.items()

    # --- order ----------------------------------------------------------------------------------
    def _ordered(self) -> bytes:
        """All lines by meter, unit, first time."""
        if not self.batches:
            return b""
        places = {unit: i for i, unit in enumerate(sorted({b.unit for b in self.batches}))}
        ranks = np.concatenate([batch.ranks for batch in self.batches])
        firsts = np.concatenate([batch.firsts for batch in self.batches])
        units = np.repeat(
            [places[batch.unit] for batch in self.batches],
            [len(batch.ranks) for batch in self.batches],
        )
        order = np.lexsort((firsts, units, ranks))
        whole = b"".join([batch.data for batch in self.batches])
        breaks = np.flatnonzero(np.diff(order) != 1)
        if not len(breaks):
            return whole
        ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == LINE_FEED) + 1
        begins = np.concatenate(([0], ends[:-1]))
        firsts = begins[order[np.concatenate(([0], breaks + 1))]].tolist()
        lasts = ends[order[np.concatenate((breaks, [len(order) - 1]))]].tolist()
        view = memoryview(whole)
        return b"".join([view[first:last] for first, last in zip(firsts, lasts, strict=True)])

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
    lines = batch.data.splitlines(keepends=True)
    data = b"".join([lines[place] for place in np.flatnonzero(kept).tolist()])
    return Batch(
        batch.unit,
        batch.ranks[kept],
        batch.firsts[kept],
        batch.triplets[kept],
        batch.missing[kept],
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
        record.line,
        record.register,
    )
