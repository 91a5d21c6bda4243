"""The reader: cuts gathered by recorder, each placed in time by the identity of section 3.

A file is held until its end, as arrays: a recorder's cuts may stand anywhere in it.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import product as pairs
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from devices import readings
from devices.longwork import collector_resting
from devices.readings import (
    UNITS,
    DeviceInfo,
    IntervalSeries,
    Ints,
    MeterData,
    Status,
    identifier_fault,
)
from exports.formats.base import Inventory, Zones
from exports.formats.clocks import Clock, Fixed, Standard, clock_of
from exports.formats.issues import FormatError, ReadReport
from exports.formats.linearrays import line_arrays
from exports.formats.lodestar.parse import CODES, Parsed, Parser, got
from exports.formats.lodestar.plain import Block, Whole, masks_of
from exports.formats.lodestar.run import HALF_HOUR
from exports.formats.lodestar.tables import (
    ERCOT_CHANNELS,
    HEADER_1,
    HEADER_2,
    UNIT_CODES,
    ZONE_NAMES,
)
from exports.formats.lodestar.texts import WRITTEN, CutError, Remark
from exports.formats.text import TextLine, product

STANDARD = (b"0001", b"0000")  # how LodeStar Standard begins, and Enhanced goes on
NUMBER = HEADER_1.column("channel")
OFFSET = HEADER_2.column("zone_offset")
RAW = int(Status.RAW)
MINUTE = 60
Cut = list[TextLine] | Whole


class Home(NamedTuple):
    """A recorder's zone as far as the file tells it, and the clock of its cuts."""

    zone: str
    clock: Clock


class Extent(NamedTuple):
    """From instant `start` to before `end`; by which reading of the stop."""

    start: int
    end: int
    remark: str  # a code of LSR_WARNINGS
    ends: Ints  # of its intervals, the same array for all cuts there


@dataclass(slots=True)
class Recorder:
    """What a file said about one recorder; `cuts` by channel number, as extents in order."""

    zone: str = ""
    series: list[IntervalSeries] = field(default_factory=list)
    cuts: dict[int, list[Extent]] = field(default_factory=lambda: defaultdict(list))


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    attribute: str
    inventory: Inventory | None
    report: ReadReport
    parser: Parser = field(init=False)
    units: dict[str, str] = field(init=False)  # by code
    zones: dict[str, str] = field(init=False)  # by name
    recorders: dict[str, Recorder] = field(default_factory=dict)
    extents: dict[tuple[object, ...], Extent] = field(default_factory=dict)
    flows: dict[tuple[str, str, str], tuple[int | None, str]] = field(default_factory=dict)
    channels: dict[tuple[object, ...], readings.Channel] = field(default_factory=dict)
    homes: dict[tuple[str, bool], Home] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.parser = Parser(self.options)
        codes = [*UNIT_CODES.items(), *(self.options["uom_map"] or {}).items()]
        self.units = {code: unit for unit, code in codes}
        every = [*ZONE_NAMES.items(), *(self.options["zone_name"] or {}).items()]
        self.zones = {name: zone for zone, name in reversed(every)}

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's recorders, in the order in which they first appear."""
        with collector_resting():
            for cut in self._cuts(stream):
                self._take(cut)
        for name, recorder in self.recorders.items():
            place: dict[str, Any] = {self.attribute: name}
            # The zone is for a device that has still to be made; a known one has its own.
            known = self.inventory is not None and self.inventory(name) is not None
            zone = "" if known else recorder.zone
            device = DeviceInfo("", time_zone=zone)._replace(**place)
            yield MeterData(device, tuple(recorder.series))

    # --- records --------------------------------------------------------------------------------
    def _cuts(self, stream: BinaryIO) -> Iterator[Cut]:
        """The records of each cut: it ends where the next begins."""
        cut: Cut | None = None
        for found in self._records(stream):
            self.report.records += 1
            if isinstance(found, Whole):
                if cut:
                    yield cut
                cut = found
                self.report.records += cut.last - cut.first - 1
                continue
            first, follows = found.text[:4], found.text[4:8]
            if self.report.records == 1 and first == STANDARD[0] and follows != STANDARD[1]:
                self._refuse(found, CutError("LSR01"))
                return
            if cut and found.text.startswith(CODES[0]):
                yield cut
                cut = None
            if not isinstance(cut, list):
                cut = []
            cut.append(found)
        if cut:
            yield cut

    def _records(self, stream: BinaryIO) -> Iterator[TextLine | Whole]:
        """The file's records, those of plain cuts together."""
        masks = masks_of(self.parser.statuses)
        for lines in line_arrays(stream, self.report):
            block = Block.of(lines, masks, WRITTEN)
            wholes = block.wholes()
            place = 0
            while place < len(lines):
                whole = wholes.get(place)
                if whole:
                    yield whole
                    place = whole.last
                    continue
                line = block.line(place)
                if line.text:
                    yield line
                else:
                    self._warn(line, Remark.of("LSR50"))
                place += 1

    def _take(self, cut: Cut) -> None:
        try:
            parsed = self.parser.whole(cut) if isinstance(cut, Whole) else self.parser.parse(cut)
            remarks = self._place(parsed)
        except CutError as error:
            self._refuse(_line(cut, error.line), error)
            return
        for remark in remarks:
            self._warn(_line(cut, remark.line), remark)

    def _refuse(self, line: TextLine, error: CutError) -> None:
        self.report.error(
            error.code, error.message, record=line.number, offset=line.offset, field=error.field
        )

    def _warn(self, line: TextLine, remark: Remark) -> None:
        place = {"record": line.number, "offset": line.offset, "field": remark.field}
        self.report.warn(remark.code, remark.message, **place)  # type: ignore[arg-type]

    # --- one cut --------------------------------------------------------------------------------
    def _place(self, parsed: Parsed) -> list[Remark]:
        """Keeps a cut as a series; what there is to warn of."""
        remarks = list(parsed.remarks)
        name = parsed.recorder
        if fault := identifier_fault(self.attribute, name) or ("" if name else "is empty"):
            raise CutError("LSR05", "recorder", why=f"{name!r} {fault}")
        channel = self._channel(parsed, remarks)
        home = self._home(parsed, remarks)
        extent = self._extent(parsed, home.clock)
        if extent.remark:
            found = f"{parsed.stop:%Y%m%d%H%M%S}"
            remarks.append(Remark.of(extent.remark, "stop", found=found))
        _starts_check(parsed, extent, home)
        recorder = self.recorders.get(name) or Recorder(home.zone)
        _overlap_check(recorder.cuts[int(parsed.number)], extent)
        self.recorders[name] = recorder
        recorder.series.append(_series(parsed, channel, extent))
        return remarks

    def _channel(self, parsed: Parsed, remarks: list[Remark]) -> readings.Channel:
        head = parsed.channel
        if (unit := self.units.get(head.unit)) is None:
            raise CutError("LSR11", "unit", 1, found=head.unit)
        place = (parsed.recorder, parsed.number, unit)
        if place not in self.flows:
            self.flows[place] = self._flow(parsed, unit, remarks)
        key = (*self.flows[place], unit, head.seconds, head.multiplier, parsed.values.scale)
        if key not in self.channels:
            number, flow = self.flows[place]
            resolution = Decimal(1).scaleb(-parsed.values.scale)
            applied = None if head.multiplier is None else True
            self.channels[key] = readings.Channel(
                *(number, unit, flow, head.seconds, UNITS[unit].value_type),
                *(resolution, head.multiplier, applied),
            )
        return self.channels[key]

    def _flow(self, parsed: Parsed, unit: str, remarks: list[Remark]) -> tuple[int | None, str]:
        """Channel number and flow: by profile, by map, by the device's channel, else DEL."""
        if self.options["profile"] == "ercot":
            for flow, number in ERCOT_CHANNELS.items():
                if parsed.number == str(number):
                    return None, flow
            raise CutError("LSR12", "channel", found=parsed.number)
        number = got("channel", 0, NUMBER.get, parsed.number.encode())
        for key, mapped in (self.options["channel_map"] or {}).items():
            name, _, flow = key.rpartition(" ")
            if int(mapped) == number and name in ("", unit):
                return None, flow
        if not UNITS[unit].directed:
            return number, "DEL"
        known = (self.inventory and self.inventory(parsed.recorder)) or ()
        for channel in known:
            if channel.number == number and channel.unit == unit:
                return number, channel.flow
        remarks.append(Remark.of("LSR59", "channel", channel=number))
        return number, "DEL"

    def _home(self, parsed: Parsed, remarks: list[Remark]) -> Home:
        """The zone by name, setting, device or offset."""
        name, prevailing = parsed.channel.zone_name, parsed.prevailing
        if (name, prevailing) in self.homes:
            return self.homes[name, prevailing]
        zone = self.zones.get(name) or self.options["zone"] or self._device_zone(parsed.recorder)
        if zone:
            try:
                home = Home(zone, clock_of(zone, prevailing))
            except FormatError as error:
                raise CutError("LSR05", "zone_name", 1, why=error.text) from error
            if self.zones.get(name) or self.options["zone"]:  # whatever the recorder
                self.homes[name, prevailing] = home
            return home
        west = got("zone_offset", 1, OFFSET.get, parsed.channel.zone_offset)
        if west is None:
            raise CutError("LSR13", "zone_name", 1, name=name)
        east = -west * HALF_HOUR
        remarks.append(Remark.of("LSR58", "zone_name", 1, name=name, east=east))
        return Home("", Fixed(east))

    def _extent(self, parsed: Parsed, clock: Clock) -> Extent:
        """The cut's place in time; most cuts of a file share theirs with others."""
        size = (len(parsed.values.counts), parsed.channel.seconds)
        key = (clock, parsed.start, parsed.stop, *size)
        found = self.extents.get(key)
        if found is None:
            found = self.extents[key] = _extent(parsed, clock)
        return found

    def _device_zone(self, recorder: str) -> str:
        return self.inventory.zone(recorder) if isinstance(self.inventory, Zones) else ""


def _line(cut: Cut, place: int) -> TextLine:
    """A record of a cut, its last if there are not so many."""
    return cut.line(place) if isinstance(cut, Whole) else cut[min(place, len(cut) - 1)]


def _extent(parsed: Parsed, clock: Clock) -> Extent:
    """The cut's place in time, by the identity; FMT15, LSR10.

    Of a clock time that occurs twice the first pass as start and the last as stop come first.
    """
    seconds = parsed.channel.seconds
    length = len(parsed.values.counts) * seconds
    found = []
    for name, local in (("start", parsed.start), ("stop", parsed.stop)):
        found.append(clock.instants(local))
        if not found[-1]:
            zone = getattr(clock, "zone", "")
            raise CutError("FMT15", name, found=local, zone=zone)
    readings_of = [(1, "")]
    if not parsed.stop.second:
        readings_of.append((MINUTE, "LSR52"))
        if parsed.stop.time() == datetime.min.time():
            readings_of.append((0, "LSR53"))
    for more, remark in readings_of:
        for start, stop in pairs(found[0], reversed(found[1])):
            if length and stop + more - start == length:
                end = stop + more
                ends = np.arange(start + seconds, end + 1, seconds, dtype=np.int64)
                ends.flags.writeable = False
                return Extent(start, end, remark, ends)
    raise CutError(
        *("LSR10", "stop"),
        count=len(parsed.values.counts),
        seconds=seconds,
        start=parsed.start,
        stop=parsed.stop,
    )


def _starts_check(parsed: Parsed, extent: Extent, home: Home) -> None:
    """Start members given must be the interval's, in prevailing or standard time."""
    for interval, line, given in parsed.starts:
        at = extent.start + interval * parsed.channel.seconds
        wanted = {home.clock.local(at)}
        if home.zone:
            wanted |= {clock_of(home.zone, True).local(at), Standard(home.zone).local(at)}
        if given not in wanted:
            raise CutError("LSR09", "start", line, found=given, wanted=min(wanted))


def _overlap_check(cuts: list[Extent], extent: Extent) -> None:
    """Notes a channel's cut; LSR14 where it overlaps one that came before."""
    if not cuts:
        cuts.append(extent)
        return
    place = bisect(cuts, extent.start, key=_start)
    for other in cuts[max(0, place - 1) : place + 1]:
        if other.start < extent.end and extent.start < other.end:
            start, end = readings.instant(other.start), readings.instant(other.end)
            raise CutError("LSR14", "start", start=start.isoformat(), stop=end.isoformat())
    cuts.insert(place, extent)


def _start(extent: Extent) -> int:
    return extent.start


def _series(parsed: Parsed, channel: readings.Channel, extent: Extent) -> IntervalSeries:
    values, head = parsed.values, parsed.channel
    masks = values.masks | np.uint16(RAW) if parsed.invalid else values.masks
    return IntervalSeries(
        *(channel, extent.ends, values.counts, masks),
        start_register=_total(head.start_reading, head.multiplier),
        end_register=_total(head.stop_reading, head.multiplier),
    )


def _total(dial: Decimal | None, multiplier: Decimal | None) -> Decimal | None:
    """A dial reading in engineering units."""
    if dial is None or multiplier is None:
        return dial
    return product(dial, multiplier)
