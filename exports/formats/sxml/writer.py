"""Frames on their way out: sheets compiled, meters put together, refusals handled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise, zip_longest
from typing import BinaryIO

from devices.readings import (
    Arrival,
    Channel,
    DeviceInfo,
    Event,
    Frame,
    IntervalSeries,
    RegisterRead,
    Sheet,
    instant,
)
from devices.storedreads import StoredReads
from exports.formats.context import Tally
from exports.formats.fast import series_of
from exports.formats.iso import stamp
from exports.formats.issues import FormatError
from exports.formats.sxml.alike import AlikeReads, Written
from exports.formats.sxml.compiled import Block, compilable, compile_block
from exports.formats.sxml.declared import channel_check, stretches
from exports.formats.sxml.registers import Registers
from exports.formats.sxml.run import Run, Stretch, Sums
from exports.formats.sxml.tables import (
    END_REGISTER,
    EVENT,
    NOT_READ,
    START_REGISTER,
    SXW,
    sxm,
)
from exports.formats.sxml.texts import (
    channel_head_text,
    device_text,
    group_text,
    identity_text,
    interval_read_text,
)
from exports.formats.values import Scale, register_value
from exports.formats.zones import zone_of


@dataclass(slots=True)
class Meter:
    """What a frame holds of one meter number, which may stand under several devices in turn."""

    devices: list[int] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    # Rows for the declared writer: sheet and row.
    plain: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class FrameWriter:
    """One frame on its way out."""

    frame: Frame
    run: Run
    tally: Tally
    compiled: bool = True
    meters: dict[str, Meter] = field(default_factory=dict)
    alike: dict[int, Written] = field(default_factory=dict)  # reads written together, by device
    heads: dict[int, bytes] = field(default_factory=dict)  # start tags of the frame's channels

    def write(self, out: BinaryIO) -> None:
        """All of it. FormatError if the run stops at a refusal; nothing is written then."""
        names = [device.meter_number for device in self.frame.devices]
        if names != sorted(names):
            raise ValueError("devices are not sorted by meter_number")
        for place, name in enumerate(names):
            self.meters.setdefault(name, Meter()).devices.append(place)
        if self.run.ctx.options["intervals"]:
            for place in range(len(self.frame.sheets)):
                self._take_sheet(place)
        if self.compiled and self.run.ctx.options["registers"]:
            self._take_reads()
        parts: list[bytes] = []
        sums, own = Sums(), Tally()
        for name, meter in self.meters.items():
            counted = Sums()
            try:
                parts += self._meter(meter, own, counted)
                sums.add(counted)
            except FormatError as error:
                error.at(format="sxml", meter=name)
                if self.run.ctx.on_error == "stop":
                    raise
                own = Tally()
                for place in meter.devices:
                    own.leave_out(self.frame.devices[place], None, error)
                parts += self._not_read(meter, "Excluded")
            if own.warnings.counts:
                self.tally.merge(own)
                own = Tally()
        sums.tell(self.tally)
        out.write(b"".join(parts))

    def _take_reads(self) -> None:
        """Register reads that can be written together, as text."""
        reads = self.frame.reads
        if isinstance(reads, StoredReads):
            alone = (meter.devices for meter in self.meters.values() if len(meter.devices) == 1)
            places = (devices[0] for devices in alone if devices[0] in reads)
            self.alike = AlikeReads(self.run, self.frame.devices).written(reads, places)

    # --- sheets ---------------------------------------------------------------------------------
    def _take_sheet(self, place: int) -> None:
        """Rows that need no second look as blocks, the others noted."""
        sheet = self.frame.sheets[place]
        if not len(sheet.ends):
            return
        blocks: dict[tuple[str, Scale], list[int]] = defaultdict(list)
        known: dict[int, Scale | None] = {}
        for row, (device, channel) in enumerate(
            zip(sheet.devices.tolist(), sheet.channels, strict=True)
        ):
            if id(channel) not in known:
                fine = self.compiled and compilable(channel, sheet.ends) and _carried(channel)
                known[id(channel)] = self.run.scale(channel) if fine else None
            scale = known[id(channel)]
            if scale is not None:
                zone = self.run.zone(self.frame.devices[device])
                blocks[zone, scale].append(row)
            else:
                self._meter_of(device).plain.append((place, row))
        for (zone, _), rows in blocks.items():
            self._compile(place, rows, zone)

    def _compile(self, place: int, rows: list[int], zone: str) -> None:
        sheet = self.frame.sheets[place]
        every = len(rows) == len(sheet.devices)
        pick = slice(None) if every else rows
        channels = [sheet.channels[row] for row in rows]
        try:
            zone_of(zone)
        except FormatError:
            self._plainly(place, rows)
            return
        block = Block(
            channels,
            zone,
            self.run.scale(channels[0]),
            sheet.ends,
            sheet.counts[pick],
            None if sheet.status is None else sheet.status[pick],
            None if sheet.numbers is None else sheet.numbers[pick],
        )
        made = compile_block(block, self.run, self.frame.arrivals)
        for row, found in zip(rows, made, strict=True):
            if found is None:
                self._plainly(place, [row])
            else:
                self._meter_of(int(sheet.devices[row])).stretches += found

    def _plainly(self, place: int, rows: Sequence[int]) -> None:
        for row in rows:
            device = int(self.frame.sheets[place].devices[row])
            self._meter_of(device).plain.append((place, row))

    def _meter_of(self, device: int) -> Meter:
        return self.meters[self.frame.devices[device].meter_number]

    # --- one meter ------------------------------------------------------------------------------
    def _meter(self, meter: Meter, tally: Tally, sums: Sums) -> list[bytes]:
        info = self.frame.devices[meter.devices[-1]]
        ids = {self.frame.devices[place].device_id for place in meter.devices}
        if len(ids) > 1:
            which = f"{info.meter_number}, of devices {', '.join(sorted(ids))}"
            raise sxm("SXM10", what="meter number", which=which)
        zone = self.run.zone(info)
        zone_of(zone)
        for place, row in sorted(meter.plain):
            self._declare(meter, self.frame.sheets[place], row, tally)
        registers = Registers(self.run, info.device_id, zone, sums)
        alike = self.alike.get(meter.devices[0])
        reads: list[RegisterRead] = []
        if alike is None or (meter.stretches and alike.current):
            reads += (read for place in meter.devices for read in self.frame.reads.get(place, ()))
        if alike is not None:
            registers.text += alike.text
            sums.add(alike.sums)
        elif self.run.ctx.options["registers"]:
            registers.add(reads)
        intervals = self._intervals(meter, zone, reads, tally, sums) if meter.stretches else []
        events = self._events(meter, zone, sums)
        self._note(registers, info, tally)
        if not (registers.text or intervals or events):
            return self._not_read(meter, "NoData")
        sums.meters += 1
        head = [b"    <Meter>\r\n", *self._identity(info)]
        return [*head, *registers.text, *intervals, *events, b"    </Meter>\r\n"]

    def _declare(self, meter: Meter, sheet: Sheet, row: int, tally: Tally) -> None:
        info, series = self.frame.devices[int(sheet.devices[row])], series_of(sheet, row)
        where = str(series.channel.number or f"{series.channel.unit} {series.channel.flow}")
        try:
            channel_check(series.channel)
        except FormatError as error:
            self._skip(info, series, error.at(where=where), tally)
            return
        try:
            found = stretches(series, self.run.zone(info), self.run, self.frame.arrivals)
        except FormatError as error:
            if error.code != "SXM04":
                raise error.at(where=where) from error
            self._skip(info, series, error.at(where=where), tally)
            return
        meter.stretches += found

    def _skip(
        self, info: DeviceInfo, series: IntervalSeries, error: FormatError, tally: Tally
    ) -> None:
        """A channel that the format does not carry, left out, or stopping the run."""
        if self.run.ctx.on_unsupported == "stop":
            raise error
        error.at(format="sxml", meter=info.meter_number)
        tally.leave_out(info, series.channel, error)

    def _note(self, registers: Registers, info: DeviceInfo, tally: Tally) -> None:
        """What the registers add up to, and what there is to say of them."""
        for error in registers.unsupported:
            if self.run.ctx.on_unsupported == "stop":
                raise error
            tally.warn(error.code, str(error.at(format="sxml", meter=info.meter_number)))
        for code, text in registers.warnings:
            tally.warn(code, text)

    def _identity(self, info: DeviceInfo) -> list[bytes]:
        lines = [identity_text(info)]
        if info.device_class:
            lines.append(device_text(info.device_class))
        if info.bill_cycle:
            lines.append(group_text(info.bill_cycle, "BillCycle"))
        for code in sorted(info.groups):
            lines.append(group_text(code, "General"))
        return lines

    def _not_read(self, meter: Meter, reason: str) -> list[bytes]:
        if not self.run.ctx.options["not_read"]:
            return []
        info = self.frame.devices[meter.devices[-1]]
        values = {
            "deviceID": info.device_id,
            "meterNumber": info.meter_number,
            "reason": reason,
        }
        try:
            return [b"    <%s/>\r\n" % NOT_READ.tag(values)]
        except FormatError:
            return []  # what refused the meter may be its very name

    # --- intervals and events -------------------------------------------------------------------
    def _intervals(
        self,
        meter: Meter,
        zone: str,
        reads: Sequence[RegisterRead],
        tally: Tally,
        sums: Sums,
    ) -> list[bytes]:
        """Run 1 of every channel in the first read, run 2 in the next, and so on."""
        channels: dict[int, list[Stretch]] = defaultdict(list)
        for stretch in meter.stretches:
            channels[stretch.channel.number or 0].append(stretch)
        for number, runs in channels.items():
            runs.sort(key=lambda run: run.start)
            for one, other in pairwise(runs):
                if other.start < one.end:
                    time = f"{instant(other.start):%Y-%m-%dT%H:%M:%SZ}"
                    raise sxm("FMT04", time=time).at(where=str(number))
        remove = self.run.ctx.options["remove_multiplier"]
        totals = _readings(reads, remove) if reads else {}
        lines: list[bytes] = []
        columns = [channels[number] for number in sorted(channels)]
        for place, runs_of in enumerate(zip_longest(*columns), start=1):
            runs = [run for run in runs_of if run is not None]
            lines.append(interval_read_text(*self._source(runs, place), zone))
            for run in runs:
                lines += self._channel(run, zone, totals, remove)
                self._count(run, tally, sums)
            lines.append(b"      </IntervalRead>\r\n")
        return lines

    def _source(self, runs: Sequence[Stretch], place: int) -> tuple[int, Arrival]:
        """Id and arrival of the latest-received interval of the runs."""
        batch, arrival = place, None
        for run in runs:
            own = run.arrival
            if own is not None and (arrival is None or own.received >= arrival.received):
                batch, arrival = run.batch, own
        return batch, arrival or Arrival(self.run.ctx.created, "SC")

    def _channel(
        self, run: Stretch, zone: str, totals: dict[tuple[str, str, int], Decimal], remove: bool
    ) -> list[bytes]:
        channel = run.channel
        start, end = stamp(run.start, zone).encode(), stamp(run.end, zone).encode()
        head = self.heads.get(id(channel))
        if head is None:
            head = self.heads[id(channel)] = channel_head_text(channel, remove)
        lines = [head % (start, end, b"%d" % run.size)]
        if totals:
            for leaf, at in ((START_REGISTER, run.start), (END_REGISTER, run.end)):
                key = (channel.unit, channel.flow, at)
                if key in totals:
                    time = instant(at).astimezone(zone_of(zone))
                    lines.append(leaf.line(10, totals[key], {"time": time}))
        return [*lines, run.lines, b"        </Channel>\r\n"]

    def _count(self, run: Stretch, tally: Tally, sums: Sums) -> None:
        sums.channels += 1
        sums.intervals += run.size
        sums.missing += run.missing
        sums.estimated += run.estimated
        sums.interval += run.total
        channel = run.channel
        if run.below and channel.flow != "NET" and channel.unit != "PF":
            text = f"{channel.number}: {SXW['SXW01']}"
            tally.warn("SXW01", text, run.below)

    def _events(self, meter: Meter, zone: str, sums: Sums) -> list[bytes]:
        if not self.run.ctx.options["events"]:
            return []
        found = [event for place in meter.devices for event in self.frame.events.get(place, ())]
        dated = [(event.time, event.code, event) for event in found if event.time is not None]
        sums.events += len(dated)
        return [self._event(event, zone) for _, _, event in sorted(dated, key=lambda e: e[:2])]

    def _event(self, event: Event, zone: str) -> bytes:
        local = zone_of(zone)
        received = event.received or self.run.ctx.created
        values = {
            "code": event.code,
            "iec": event.iec or None,
            "time": event.time.astimezone(local) if event.time else None,
            "received": received.astimezone(local),
            "severity": event.severity or "I",
        }
        return b"      <%s/>\r\n" % EVENT.tag(values)


def _carried(channel: Channel) -> bool:
    try:
        channel_check(channel)
    except FormatError:
        return False
    return True


def _readings(reads: Sequence[RegisterRead], remove: bool) -> dict[tuple[str, str, int], Decimal]:
    """Totals of current reads by unit, flow and time: a channel's run may begin or end with one."""
    return {
        (value.unit, value.flow, int(read.time.timestamp())): register_value(
            value, value.value, remove
        )
        for read in reads
        if read.read_type == "CUR"
        for value in read.values
        if value.register_class == "SUM" and value.rate == "T" and value.value is not None
    }
