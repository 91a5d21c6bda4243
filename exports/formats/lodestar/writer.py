"""A frame's cuts in the file's order: compiled where possible, declared where not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import BinaryIO

import numpy as np

from devices.readings import ABSENT, Channel, Frame, Sheet
from exports.formats.context import Tally
from exports.formats.fast import Wanted, clashing, meters_of, rows_of
from exports.formats.issues import FormatError
from exports.formats.lodestar.compiled import Entry, Rows, compile_rows, exact, head_of
from exports.formats.lodestar.cuts import spans_of
from exports.formats.lodestar.dials import Dials, dials_of
from exports.formats.lodestar.records import channel_name, recorder_cuts
from exports.formats.lodestar.run import Run, Target


@dataclass(slots=True)
class FrameWriter:
    """One frame on its way out. Recorders are counted by rank, their place in the file."""

    frame: Frame
    run: Run
    tally: Tally
    names: list[str] = field(default_factory=list)
    ranks: list[int] = field(default_factory=list)  # of each device
    recorders: dict[int, bytes | None] = field(default_factory=dict)  # of each device
    dials: dict[int, Dials | None] = field(default_factory=dict)  # of each device
    targets: dict[Channel, Target | FormatError] = field(default_factory=dict)
    plain: set[int] = field(default_factory=set)  # ranks that need the declared writer
    entries: list[Entry] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=lambda: defaultdict(Tally))

    def write(self, out: BinaryIO, compiled: bool = True) -> None:
        """All of it. FormatError if the run stops at a refusal; nothing is written then."""
        self._rank_devices()
        if compiled:
            self._compile_sheets()
            self.entries = [entry for entry in self.entries if entry.rank not in self.plain]
        else:
            self.plain.update(range(len(self.names)))
        self._declare()
        self.entries.sort(key=lambda entry: entry[:2])
        out.write(b"".join([entry.data for entry in self.entries]))
        self._count()

    def _rank_devices(self) -> None:
        """Devices of one recorder id are one recorder. Text order is that of UTF-8 bytes."""
        every = [getattr(device, self.run.attribute) for device in self.frame.devices]
        self.names = sorted(set(every))
        places = {name: rank for rank, name in enumerate(self.names)}
        self.ranks = [places[name] for name in every]
        if self.run.bare(self.names):
            self.recorders = {n: name.encode() for n, name in enumerate(every)}

    # --- compiled -------------------------------------------------------------------------------
    def _compile_sheets(self) -> None:
        wanted = [self._plan_sheet(sheet) for sheet in self.frame.sheets]
        ranks = np.array(self.ranks, np.int64)
        self.plain |= clashing(self.frame.sheets, wanted, ranks, attrgetter("number"))
        for sheet, groups in zip(self.frame.sheets, wanted, strict=True):
            for group in groups:
                rows = self._rows(sheet, group)
                if rows is not None:
                    self.entries.extend(compile_rows(rows, self.run, self.plain))

    def _plan_sheet(self, sheet: Sheet) -> list[Wanted[Target]]:
        """The sheet's rows by what they become; rows with nothing to write are left out."""
        groups: dict[tuple[object, ...], Wanted[Target]] = {}
        rows = np.arange(len(sheet.devices))
        if not len(sheet.ends):
            rows = rows[:0]
        elif sheet.status is not None and not self.run.makes_days:
            rows = np.flatnonzero(np.any(sheet.status & ABSENT == 0, axis=1))
        every = len(rows) == len(sheet.devices)
        channels = sheet.channels if every else [sheet.channels[row] for row in rows.tolist()]
        devices = [self.frame.devices[device] for device in sheet.devices[rows].tolist()]
        kinds: dict[tuple[int, str], list[int]] = {}  # by the object: rows share few of them
        keys = list(zip(map(id, channels), (device.time_zone for device in devices), strict=True))
        if len(set(keys)) == 1:
            kinds[keys[0]] = rows.tolist()
        else:
            for key, row in zip(keys, rows.tolist(), strict=True):
                kinds.setdefault(key, []).append(row)
        for (_, zone), found in kinds.items():
            channel = sheet.channels[found[0]]
            target = self._target(channel)
            if isinstance(target, FormatError):
                self._leave_out(sheet.devices[found].tolist(), channel, target)
                continue
            alike = (id(target), channel.seconds, channel.grid_offset, zone)
            group = groups.setdefault(alike, Wanted(target, channel, zone, []))
            group.rows.extend(found)
        return list(groups.values())

    def _target(self, channel: Channel) -> Target | FormatError:
        """The channel's target, one object for all alike; else why it has none."""
        known = self.targets.get(channel)
        if known is None:
            try:
                known = self.run.target(channel)
            except FormatError as error:
                known = error
            self.targets[channel] = known
        return known

    def _leave_out(self, devices: Iterable[int], channel: Channel, error: FormatError) -> None:
        """A channel without a target: left out here, or refused by the declared writer."""
        where = channel_name(channel)
        for device in devices:
            rank = self.ranks[device]
            if not self.run.skips(error):
                self.plain.add(rank)
                continue
            name = self.names[rank]
            own = FormatError(error.code, error.text, format="lodestar", meter=name, where=where)
            self.tallies[rank].leave_out(self.frame.devices[device], channel, own)

    def _rows(self, sheet: Sheet, group: Wanted[Target]) -> Rows | None:
        """The rows of a group whose recorders can be compiled."""
        run, target, channel, zone = self.run, *group[:3]
        devices = sheet.devices[group.rows].tolist()
        try:
            clock = run.clock(zone)
            spans = spans_of(sheet.ends, channel, zone, clock, run)
            heads = [head_of(channel, target, zone, clock, span, run) for span in spans]
        except FormatError:
            heads = []
        # What takes a look at each row's arrivals, or at values one by one, is not for here.
        apart = not run.ctx.gaps_are_missing and run.ctx.options["cut_days"] > 1
        if not heads or apart or target.scale <= 0 or any(s.size > s.last - s.first for s in spans):
            self.plain.update(self.ranks[device] for device in devices)
            return None
        kept, ranks, recorders, dials = [], [], [], []
        for row, device in zip(group.rows, devices, strict=True):
            rank, recorder, own = self.ranks[device], self._recorder(device), self._dials(device)
            if own is not None and not exact(target):
                self.plain.add(rank)
            if recorder is not None and rank not in self.plain:
                kept.append(row)
                ranks.append(rank)
                recorders.append(recorder)
                dials.append(own)
        if not kept:
            return None
        counts, status = rows_of(sheet, kept)
        return Rows(channel, target, spans, heads, counts, status, ranks, recorders, dials)

    def _recorder(self, device: int) -> bytes | None:
        """Field 2 of header 1; None where the declared writer must say what is wrong."""
        if device not in self.recorders:
            rank, self.recorders[device] = self.ranks[device], None
            try:
                text, warnings = self.run.recorder(self.frame.devices[device])
            except FormatError:
                self.plain.add(rank)
            else:
                self.recorders[device] = text.encode()
                for code, words in warnings:
                    self.tallies[rank].warn(code, words)
        return self.recorders[device]

    def _dials(self, device: int) -> Dials | None:
        """A device's readings; None where it has none."""
        reads = self.frame.reads.get(device)
        if not reads:
            return None
        if device not in self.dials:
            self.dials[device] = None
            try:
                self.dials[device] = dials_of(reads)
            except FormatError:
                self.plain.add(self.ranks[device])
        return self.dials[device]

    # --- declared -------------------------------------------------------------------------------
    def _declare(self) -> None:
        """Recorders by the declared writer; refusals stop or leave the recorder out."""
        for rank, meters in meters_of(self.frame, np.array(self.ranks, np.int64), self.plain):
            own = Tally()
            try:
                cuts = recorder_cuts(meters, self.run, own)
            except FormatError as error:
                error.at(format="lodestar", meter=self.names[rank])
                if self.run.ctx.on_error == "stop":
                    raise
                own = Tally()
                for meter in meters:
                    own.leave_out(meter.device, None, error)
                cuts = []
            self.tallies[rank] = own
            if cuts:
                data = b"".join([cut.data for cut in cuts])
                sums = (sum(column) for column in list(zip(*cuts, strict=True))[4:])
                self.entries.append(Entry(rank, 0, data, *sums))

    def _count(self) -> None:
        self.tally.meters += len({entry.rank for entry in self.entries})
        for entry in self.entries:
            self.tally.records += entry.records
            self.tally.intervals += entry.intervals
            self.tally.missing += entry.missing
        for rank in sorted(self.tallies):
            self.tally.merge(self.tallies[rank])
