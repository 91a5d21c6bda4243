"""A file's meters as a batch: what a reader yields, in the form that the ingest service takes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from django.utils import timezone

from devices import batchform, blocks, readings
from devices.models import Channel, Device, Installation
from devices.readings import DAY, NEVER, UNITS, Ints, Status, status_names
from exports.formats.base import Format

BEGINNING = -(1 << 40)
AHEAD, KNOWN = 500, 20_000  # devices looked up at once, and kept
JITTER = 60  # seconds that a stamp may miss its grid by
SOURCES = {code: word for word, code in readings.SOURCES.items()}
IDENTIFIERS = {
    "device_id": "device",
    "meter_number": "meter_number",
    "serial_number": "serial_number",
}
PLACES = ("time_zone", "device_class", "service_point_id", "account_id", "premise_id")


class Era(NamedTuple):
    """A channel as the inventory has it, from an instant (epoch seconds) on."""

    channel: readings.Channel
    start: int


class Known(NamedTuple):
    """A device as the inventory has it, with the eras of its channels."""

    device_id: str
    time_zone: str
    eras: tuple[Era, ...]


class Inventory:
    """Devices by the identifier that a file names them by, for its reader.

    A service point or account stands for the one device that is there now. A file mostly names
    its devices in order, so a look-up brings those that come next, too: more of them each time
    that this proved right.
    """

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self._known: dict[str, Known | None] = {}  # None: no device, or more than one
        self._ahead, self._last = 1, ""

    def __call__(self, identifier: str) -> Sequence[readings.Channel] | None:
        known = self.known(identifier)
        return None if known is None else [era.channel for era in known.eras]

    def zone(self, identifier: str) -> str:
        """The zone of a device; empty when it is unknown."""
        known = self.known(identifier)
        return "" if known is None else known.time_zone

    def eras(self, identifier: str) -> tuple[Era, ...]:
        """The eras of a device's channels; none when it is unknown."""
        known = self.known(identifier)
        return () if known is None else known.eras

    def known(self, identifier: str) -> Known | None:
        """The one device of this identifier."""
        if identifier not in self._known:
            in_order = self._last <= identifier
            self._ahead = min(4 * self._ahead, AHEAD) if in_order else 1
            if len(self._known) > KNOWN:
                self._known.clear()
            look_up = self._by_name if self.attribute in IDENTIFIERS else self._by_place
            self._known |= {identifier: None, **look_up(identifier)}
        return self._known[identifier]

    def _by_name(self, identifier: str) -> dict[str, Known | None]:
        """Those of this identifier and of the next ones; never a part of an identifier's."""
        rows = list(
            Device.objects.filter(**{f"{self.attribute}__gte": identifier})
            .order_by(self.attribute)
            .values_list(self.attribute, "pk")[: self._ahead + 1]
        )
        named: dict[str, list[int]] = {}
        for name, pk in rows:
            named.setdefault(name, []).append(pk)
        self._last = rows[-1][0] if rows else identifier
        if len(rows) > self._ahead and self._last != identifier:
            del named[self._last]  # it may go on
        return self._of_devices(named)

    def _by_place(self, identifier: str) -> dict[str, Known | None]:
        there = Installation.objects.filter(valid_to=None, **{self.attribute: identifier})
        return self._of_devices({identifier: list(there.values_list("device_id", flat=True)[:2])})

    def _of_devices(self, named: dict[str, list[int]]) -> dict[str, Known | None]:
        """The devices of the names that stand for one each, with their channels."""
        only = {pks[0]: name for name, pks in named.items() if len(pks) == 1}
        eras: dict[int, list[Era]] = {}
        rows = Channel.objects.filter(device_id__in=list(only)).values_list(
            *("device_id", "number", "unit", "flow", "seconds", "value_type", "resolution"),
            *("multiplier", "multiplier_applied", "grid_offset", "zone", "valid_from"),
        )
        for device, *row, begun in rows:
            start = BEGINNING if begun is None else int(begun.timestamp())
            eras.setdefault(device, []).append(Era(readings.Channel(*row), start))
        found: dict[str, Known | None] = dict.fromkeys(named)
        for pk, device_id, zone in Device.objects.filter(pk__in=list(only)).values_list(
            "pk", "device_id", "time_zone"
        ):
            found[only[pk]] = Known(device_id, zone, tuple(eras.get(pk, ())))
        return found


@dataclass(slots=True)
class Intake:
    """Turns meters of one file into the meters of a batch.

    `zone`: of devices that neither the file nor the inventory gives one. `snapped`: intervals
    whose stamp missed the grid by at most a minute and was put on it (decision 0007).
    """

    format: Format
    attribute: str
    inventory: Inventory
    zone: str
    snapped: int = 0
    # By what the file names it by, device id, meter number and serial number: it may leave out any.
    _meters: dict[tuple[str, ...], batchform.Meter] = field(default_factory=dict)
    _zones: dict[str, str] = field(default_factory=dict)  # of devices that are to be made

    def meters(self, read: Iterable[readings.MeterData]) -> list[batchform.Meter]:
        """The batch's meters, in the file's order; what is said of one meter is put together."""
        for data in read:
            identifier = getattr(data.device, self.attribute)
            who = (identifier, *data.device[:3])
            meter = self._meters.get(who)
            if meter is None:
                meter = self._meters[who] = self._meter(data.device)
                self._zones.setdefault(identifier, meter.time_zone or self.zone)
            for series in data.series:
                meter.intervals.extend(self._blocks(identifier, series))
            meter.registers.extend(map(_registers, data.reads))
            meter.events.extend(map(_event, data.events))
        return list(self._meters.values())

    def _meter(self, device: readings.DeviceInfo) -> batchform.Meter:
        said = {
            member: getattr(device, attribute) or None for attribute, member in IDENTIFIERS.items()
        }
        if self.format.states_device:
            said |= {name: getattr(device, name) or None for name in PLACES}
        if self.attribute not in IDENTIFIERS:
            identifier = getattr(device, self.attribute)
            known = self.inventory.known(identifier)
            said["device"] = identifier if known is None else known.device_id
        return batchform.Meter(**said, intervals=[], registers=[], events=[])

    # --- intervals ----------------------------------------------------------------------------
    def _blocks(
        self, identifier: str, series: readings.IntervalSeries
    ) -> Iterator[batchform.Intervals]:
        """A series as runs without gaps; slots that the file does not speak of are left out."""
        channel = series.channel
        there = (series.status & NEVER) != NEVER
        ends, counts, status = series.ends[there], series.counts[there], series.status[there]
        if not len(ends):
            return
        eras = self._eras(identifier, channel)
        starts = self._starts(eras, channel, ends)
        of_era = np.searchsorted([era.start for era in eras[1:]], starts, side="right")
        gaps = starts[1:] != _nexts(starts, channel.seconds)
        cuts = np.flatnonzero(gaps | (np.diff(of_era) != 0)) + 1
        pieces = np.split(np.arange(len(ends)), cuts)
        for piece in pieces:
            first, last = piece is pieces[0], piece is pieces[-1]
            yield batchform.Intervals(
                start=readings.instant(int(starts[piece[0]])),
                channel=channel.number,
                uom=channel.unit,
                flow=channel.flow,
                seconds=channel.seconds,
                values=msgspec.Raw(_numbers(counts[piece], status[piece], channel.resolution)),
                status=_words(status[piece]),
                value_type=_unusual_type(channel),
                resolution=channel.resolution if self.format.states_resolution else None,
                multiplier=channel.multiplier if channel.multiplier_applied is False else None,
                multiplier_applied=False if channel.multiplier_applied is False else None,
                start_register=series.start_register if first else None,
                end_register=series.end_register if last else None,
            )

    def _starts(self, eras: Sequence[Era], channel: readings.Channel, ends: Ints) -> Ints:
        """Interval starts, on the grid of the channel's eras."""
        if channel.seconds == DAY:
            zone = eras[-1].channel.zone or self.zone
            return np.array([_day_start(zone, end) for end in ends.tolist()], np.int64)
        of_era = np.searchsorted(
            [era.start for era in eras[1:]], ends - channel.seconds, side="right"
        )
        offsets = np.array([era.channel.grid_offset or 0 for era in eras], np.int64)[of_era]
        half = channel.seconds // 2
        away = (ends + offsets + half) % channel.seconds - half
        near = (away != 0) & (np.abs(away) <= JITTER)
        self.snapped += int(np.count_nonzero(near))
        return np.where(near, ends - away, ends) - channel.seconds

    def _eras(self, identifier: str, channel: readings.Channel) -> list[Era]:
        """The eras that fit a read channel, oldest first; else the one that would be made."""
        fitting = [
            era
            for era in self.inventory.eras(identifier)
            if channel.number in (None, era.channel.number) and era.channel[1:4] == channel[1:4]
        ]
        if fitting:
            return sorted(fitting, key=lambda era: era.start)
        stated = self._zones[identifier]
        offset = blocks.standard_offset(stated, timezone.now().year)
        zone = stated if channel.seconds == DAY else ""
        return [Era(channel._replace(grid_offset=offset, zone=zone), BEGINNING)]


def _day_start(zone: str, end: int) -> int:
    """Where a one-day interval began that ended at, or within a minute of, local midnight."""
    local = datetime.fromtimestamp(end - DAY // 2, ZoneInfo(zone)).date()
    start, midnight = (
        blocks.local_midnight(zone, local),
        blocks.local_midnight(zone, blocks.day_date(blocks.day_number(local) + 1)),
    )
    return start if abs(midnight - end) <= JITTER else end - DAY


def _nexts(starts: Ints, seconds: int) -> Ints:
    """Where the interval after each one starts, if nothing is left out."""
    if seconds == DAY:
        steps = np.diff(starts)
        whole_day = (steps >= DAY - 2 * 3600) & (steps <= DAY + 2 * 3600)
        return np.where(whole_day, starts[1:], starts[:-1] + DAY)
    return starts[:-1] + seconds


def _unusual_type(channel: readings.Channel) -> str | None:
    """The value type, where the unit alone does not tell it."""
    return None if channel.value_type == UNITS[channel.unit].value_type else channel.value_type


def _numbers(counts: Ints, status: readings.Masks, resolution: Decimal) -> bytes:
    """A JSON array of plain decimals, null where missing; exact."""
    missing = (status & int(Status.MISSING)).astype(bool).tolist()
    scale = resolution.as_tuple()
    digits = int("".join(map(str, scale.digits)))
    texts = [
        "null" if gone else decimal_text(count * digits, int(scale.exponent))
        for count, gone in zip(counts.tolist(), missing, strict=True)
    ]
    return ("[" + ",".join(texts) + "]").encode()


def decimal_text(number: int, exponent: int) -> str:
    """number × 10^exponent as a plain decimal."""
    if exponent >= 0:
        return str(number * 10**exponent)
    sign, digits = ("-", str(-number)) if number < 0 else ("", str(number))
    digits = digits.zfill(1 - exponent)
    return f"{sign}{digits[:exponent]}.{digits[exponent:]}"


def _words(status: readings.Masks) -> list[str] | None:
    """Status names of each slot; None when there is nothing to say."""
    if not status.any():
        return None
    names = {mask: "+".join(status_names(mask)) for mask in np.unique(status).tolist()}
    return [names[mask] for mask in status.tolist()]


# --- registers and events ------------------------------------------------------------------------


def _registers(read: readings.RegisterRead) -> batchform.Registers:
    return batchform.Registers(
        time=read.time,
        type=read.read_type,
        season=read.season,
        reset_count=read.reset_count,
        reset_time=read.reset_time,
        status_word=read.status_word,
        id=read.read_id,
        source=SOURCES.get(read.source, ""),
        values=[
            batchform.RegisterValue(
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
                status="+".join(status_names(value.status)),
                source=SOURCES.get(value.source, ""),
            )
            for value in read.values
        ],
    )


def _event(event: readings.Event) -> batchform.Event:
    return batchform.Event(
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
