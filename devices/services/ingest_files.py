"""What a file reader brings (`readings.MeterData`) as a batch like any other.

A file knows neither channel numbers nor eras, and its ends may be up to a minute off the grid:
series are moved onto the grid of their channel, and cut where something is missing between them
or where the channel changed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from django.conf import settings
from django.utils import timezone

from devices import blocks, readings
from devices.batchform import Delivery, Event, Meter, Problem, Registers
from devices.batchform import RegisterValue as Posted
from devices.batchvalues import Columns, ratio
from devices.models import Device
from devices.readings import (
    ABSENT,
    DAY,
    PUBLIC,
    DeviceInfo,
    IntervalSeries,
    Ints,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from devices.services.ingest_lookup import (
    IDENTIFIERS,
    KnownChannel,
    KnownDevice,
    devices_find,
)
from devices.services.ingest_numbers import Series

SNAP = 60  # seconds that an end may be off the grid
NOT_STATED = "UTC"  # the zone of a DeviceInfo whose file names none
WORDS = {code: word for word, code in readings.SOURCES.items()}
STATED = ("serial_number", "service_point_id", "account_id", "premise_id", "device_class")


class Grid(NamedTuple):
    """Where intervals of a channel may lie, from when to when (epoch seconds)."""

    offset: int
    zone: str = ""
    start: int = -(1 << 40)
    end: int = 1 << 40


@dataclass(slots=True)
class Intake:
    """Meters of one file on their way to a batch.

    `attribute`: of DeviceInfo, that the file's meter ids are (`Format.order`). `zone`: of devices
    that are new. `resolved`: the file states resolutions, they are not just what was written.
    """

    attribute: str
    zone: str = ""
    resolved: bool = False
    moved: int = 0  # ends that were off their grid
    _known: dict[str, KnownDevice | None] = field(default_factory=dict)

    def channels(self, identifier: str) -> list[readings.Channel] | None:
        """What the inventory has of a meter, for the reader; None when it is unknown."""
        device = self._device(identifier)
        if device is None:
            return None
        return [
            readings.Channel(
                *(c.number, c.unit, c.flow, c.seconds, c.value_type, c.resolution),
                *(c.multiplier, c.multiplier_applied, c.grid_offset, c.zone),
            )
            for eras in device.channels.values()
            for c in eras
        ]

    def delivery(
        self, meters: Iterable[MeterData], source: str, on_error: str, refused: Sequence[Problem]
    ) -> Delivery:
        """The batch of a file's meters. `refused`: records that the reader left out."""
        forms = [self._meter(meter) for meter in meters]
        faults = {len(forms) + place: [problem] for place, problem in enumerate(refused)}
        forms += [Meter() for _ in refused]
        return Delivery(meters=forms, source=source, on_error=on_error, faults=faults)

    def _device(self, identifier: str) -> KnownDevice | None:
        if identifier not in self._known:
            member = next(m for m, column in IDENTIFIERS.items() if column == self.attribute)
            found = devices_find({member: {identifier}}, None)[member].get(identifier, [])
            in_use = [d for d in found if d.state != Device.State.UNPROVISIONED] or found
            self._known[identifier] = in_use[0] if len(in_use) == 1 else None
        return self._known[identifier]

    def _meter(self, meter: MeterData) -> Meter:
        info = meter.device
        stated = {name: getattr(info, name) or None for name in STATED}
        device = self._device(getattr(info, self.attribute))
        return Meter(
            device=info.device_id or None,
            meter_number=info.meter_number or None,
            time_zone=None if info.time_zone == NOT_STATED else info.time_zone,
            transformer_id=info.transformer_id or None,
            feeder_id=info.feeder_id or None,
            intervals=[run for one in meter.series for run in self._runs(one, info, device)],
            registers=[_registers(read) for read in meter.reads],
            events=[_event(event) for event in meter.events],
            **stated,
        )

    # --- intervals ------------------------------------------------------------------------------
    def _runs(
        self, series: IntervalSeries, info: DeviceInfo, device: KnownDevice | None
    ) -> Iterator[Series]:
        there = (series.status & ABSENT) == 0
        ends = series.ends[there]
        counts, masks = series.counts[there], series.status[there] & PUBLIC
        found: list[Series] = []
        for grid in self._grids(series.channel, info, device):
            onto, slots = _snap(ends, series.channel.seconds, grid)
            mine = np.flatnonzero((onto > grid.start) & (onto <= grid.end))
            if not len(mine):
                continue
            self.moved += int((onto[mine] != ends[mine]).sum())
            for run in np.split(mine, np.flatnonzero(np.diff(slots[mine]) != 1) + 1):
                start = _start(int(onto[run[0]]), series.channel.seconds, grid)
                found.append(
                    self._run(series.channel, start, counts[run], masks[run], device is None)
                )
        if found:
            found[0].start_register = series.start_register
            found[-1].end_register = series.end_register
        yield from found

    def _grids(
        self, channel: readings.Channel, info: DeviceInfo, device: KnownDevice | None
    ) -> list[Grid]:
        """The grids of the channel's eras, else of the one that would be made."""
        eras = _eras(device, channel) if device else []
        if eras:
            return [
                Grid(e.grid_offset, e.zone, _epoch(e.valid_from, -1), _epoch(e.valid_to, 1))
                for e in eras
            ]
        zone = self.zone if info.time_zone == NOT_STATED else info.time_zone
        zone = device.time_zone if device else zone or settings.TIME_ZONE
        offset = blocks.standard_offset(zone, timezone.now().year)
        return [Grid(offset, zone if channel.seconds == DAY else "")]

    def _run(
        self, channel: readings.Channel, start: int, counts: Ints, masks: Ints, new: bool
    ) -> Series:
        mantissa, decimals = ratio(channel.resolution)
        # A multiplier that is applied already only tells what to make the channel with.
        multiplier = channel.multiplier
        if not new and channel.multiplier_applied is not False:
            multiplier = None
        return Series(
            start=readings.instant(start),
            channel=channel.number,
            uom=channel.unit,
            flow=channel.flow,
            seconds=channel.seconds,
            value_type=None if channel.number is None else channel.value_type,
            resolution=channel.resolution if self.resolved else None,
            multiplier=multiplier,
            multiplier_applied=None if multiplier is None else channel.multiplier_applied,
            numbers=Columns(
                counts * mantissa,
                np.full(len(counts), decimals, np.int8),
                (masks & int(Status.MISSING)) != 0,
                np.array([len(counts)], np.int64),
            ),
            masks=masks.astype(np.uint16),
        )


def _eras(device: KnownDevice, channel: readings.Channel) -> list[KnownChannel]:
    return [
        era
        for number, eras in device.channels.items()
        for era in eras
        if (number == channel.number if channel.number else era.unit == channel.unit)
        and (era.unit, era.flow, era.seconds) == (channel.unit, channel.flow, channel.seconds)
    ]


def _epoch(when: datetime | None, sign: int) -> int:
    return sign << 40 if when is None else int(when.timestamp())


def _snap(ends: Ints, seconds: int, grid: Grid) -> tuple[Ints, Ints]:
    """Ends moved onto the grid where they are a minute off, and their slots since 1970, (n,)."""
    if grid.zone:
        nearest = [_midnight_near(end, grid.zone) for end in ends.tolist()]
        midnights = np.array([at for _, at in nearest], np.int64).reshape(ends.shape)
        days = np.array([day for day, _ in nearest], np.int64).reshape(ends.shape)
        return np.where(np.abs(midnights - ends) <= SNAP, midnights, ends), days
    after = (ends + grid.offset) % seconds
    before = seconds - after
    onto = ends + np.where(after <= SNAP, -after, np.where(before <= SNAP, before, 0))
    return onto, (onto + grid.offset) // seconds


def _midnight_near(end: int, zone: str) -> tuple[int, int]:
    """(day number, its first instant) of the local midnight nearest to an end."""
    day = datetime.fromtimestamp(end, UTC).toordinal() - blocks.EPOCH_DAY.toordinal()
    around = [(d, blocks.local_midnight(zone, blocks.day_date(d))) for d in range(day - 1, day + 3)]
    return min(around, key=lambda one: abs(one[1] - end))


def _start(end: int, seconds: int, grid: Grid) -> int:
    if not grid.zone:
        return end - seconds
    day, at = _midnight_near(end, grid.zone)
    # Off the grid: left off it, to be refused.
    return blocks.local_midnight(grid.zone, blocks.day_date(day - 1)) + (end - at)


# --- registers and events -----------------------------------------------------------------------


def _status_text(mask: int) -> str:
    return "+".join(readings.status_names(mask))


def _registers(read: RegisterRead) -> Registers:
    return Registers(
        time=read.time,
        type=read.read_type,
        values=[_value(value) for value in read.values],
        season=read.season,
        reset_count=read.reset_count,
        reset_time=read.reset_time,
        status_word=read.status_word,
        id=read.read_id,
        source=WORDS.get(read.source, ""),
    )


def _value(value: RegisterValue) -> Posted:
    return Posted(
        no=value.number,
        register_class=value.register_class,
        uom=value.unit,
        flow=value.flow,
        rate=value.rate,
        occurrence=value.occurrence,
        value=value.value,
        peak_time=value.peak_time,
        multiplier=value.multiplier,
        multiplier_applied=value.multiplier_applied,
        dials=value.dials,
        decimals=value.decimals,
        status=_status_text(value.status),
        source=WORDS.get(value.source, ""),
    )


def _event(event: readings.Event) -> Event:
    return Event(
        code=event.code,
        time=event.time,
        id=event.event_id,
        value=event.value,
        unit=event.unit,
        text=event.text,
        origin=event.origin,
        native=event.native,
        phases=event.phases,
        duration=event.duration,
    )
