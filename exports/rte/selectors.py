"""What arrived in a range of batch numbers, as the format's writer takes it.

Versions come from the journal (devices/journal/versions.py, totals.py); here they get the identity
and the multiplier that held at their time, and those out of the selection go.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from django.db.models import QuerySet

from devices import journal, readings
from devices.journal import sql
from devices.models import Batch, Channel, Device, RegisterTemplate
from devices.readings import SOURCES, Arrival, DeviceInfo, Ints
from exports.formats.rte import Arrivals
from exports.formats.rte.arrivals import register_channel
from exports.scope import Selection
from exports.scope.stays import Stay, histories_of_devices

ALL = Selection()
FAR = 1 << 40  # seconds beyond any interval
KIND = ("number", "unit", "flow", "seconds", "value_type", "resolution", "multiplier")
KIND = (*KIND, "multiplier_applied", "grid_offset", "zone")


def arrivals_for_range(
    after: int,
    upto: int,
    selection: Selection = ALL,
    *,
    intervals: bool = True,
    registers: bool = True,
) -> Iterator[Arrivals]:
    """The versions that batches numbered in (after, upto] made, in lots, in journal order.

    Order: batch number, intervals by entry and slot, then register totals. A group includes what
    its members measured while they were in it. `upto` is at most the journal's horizon.
    HorizonGone when purge has passed what the range needs.
    """
    for batches in journal.batches_between(after, upto):
        totals = _Totals(selection, batches) if registers else None
        if intervals:
            wanted = _picker(_channels(selection))
            for versions in journal.versions_read(batches, wanted):
                lot = _Lot(selection)
                lot.add_versions(versions)
                if totals is not None:
                    lot.add_totals(totals.take(versions.complete))
                yield from lot.arrivals()
        if totals is not None:
            lot = _Lot(selection)
            lot.add_totals(totals.take(batches.last))
            yield from lot.arrivals()


def _channels(selection: Selection) -> QuerySet[Any] | None:
    """The channels of a selection; None when all are."""
    rows = Channel.objects.all()
    if selection.channels:
        rows = rows.filter(number__in=selection.channels)
    if selection.units:
        rows = rows.filter(unit__in=selection.units)
    devices = _devices(selection)
    if devices is not None:
        rows = rows.filter(device__in=devices)
    return rows if selection != ALL else None


def _devices(selection: Selection) -> QuerySet[Any] | None:
    """The devices of a selection, those included that once were in one of its groups."""
    rows = Device.objects.all()
    if selection.devices:
        rows = rows.filter(device_id__in=selection.devices)
    if selection.groups:
        rows = rows.filter(memberships__group__code__in=selection.groups)
    return rows.distinct() if selection.devices or selection.groups else None


def _picker(rows: QuerySet[Any] | None) -> Callable[[Sequence[int]], set[int]] | None:
    if rows is None:
        return None
    return lambda ids: set(rows.filter(pk__in=sql.id_set(ids)).values_list("pk", flat=True))


class _Totals:
    """The totals of some batches, handed out up to a number."""

    def __init__(self, selection: Selection, batches: journal.Batches) -> None:
        self.waiting = journal.totals_read(batches, _picker(_devices(selection)))

    def take(self, upto: int) -> list[journal.Total]:
        """Those numbered up to `upto` that were not handed out before."""
        taken = [total for total in self.waiting if total.number <= upto]
        self.waiting = self.waiting[len(taken) :]
        return taken


class _Home(NamedTuple):
    """A stay, and the place of its identity among the lot's devices."""

    stay: Stay
    place: int

    @property
    def multiplier(self) -> Decimal | None:
        return Decimal(self.stay.multiplier) if self.stay.multiplier else None


@dataclass(slots=True)
class _Lot:
    """Versions and totals of some batches on their way to being Arrivals."""

    selection: Selection
    versions: journal.Versions | None = None
    totals: list[journal.Total] = field(default_factory=list)
    devices: list[DeviceInfo] = field(default_factory=list)
    channels: dict[readings.Channel, int] = field(default_factory=dict)
    batches: dict[Arrival, int] = field(default_factory=dict)
    known: dict[int, Arrival] = field(default_factory=dict)
    homes: dict[int, list[_Home]] = field(default_factory=dict)

    def add_versions(self, versions: journal.Versions) -> None:
        self.versions = versions

    def add_totals(self, totals: list[journal.Total]) -> None:
        self.totals = totals

    def arrivals(self) -> Iterator[Arrivals]:
        """One Arrivals, or none when nothing is left."""
        rows = self._channel_rows()
        self._find_homes({row[0] for row in rows.values()} | {t.device_id for t in self.totals})
        self._find_batches()
        parts = [self._intervals(rows), self._registers()]
        numbers = np.concatenate([part[-1] for part in parts])
        if not len(numbers):
            return
        order = np.argsort(numbers, kind="stable")
        columns = [np.concatenate(found)[order] for found in zip(*parts, strict=True)][:-1]
        columns[5] = columns[5].astype(np.uint16)
        yield Arrivals(self.devices, list(self.channels), list(self.batches), *columns)

    # --- who and where --------------------------------------------------------------------------
    def _channel_rows(self) -> dict[int, tuple[Any, ...]]:
        """Device and kind of each channel."""
        if self.versions is None:
            return {}
        ids = sql.id_set(self.versions.channel_ids)
        found = Channel.objects.filter(pk__in=ids).values_list("pk", "device_id", *KIND)
        return {pk: tuple(row) for pk, *row in found.iterator()}

    def _find_homes(self, device_ids: set[int]) -> None:
        """The devices' stays over the time of the lot's values."""
        times = [int(total.time.timestamp()) for total in self.totals]
        if self.versions is not None and len(self.versions.ends):
            times += [int(self.versions.ends.min()), int(self.versions.ends.max())]
        if not times:
            return
        start, end = readings.instant(min(times) - 1), readings.instant(max(times) + 1)
        found = Device.objects.filter(pk__in=sql.id_set(device_ids)).values_list(
            *("pk", "device_id", "meter_number", "serial_number", "device_class__code"),
            "time_zone",
        )
        histories = histories_of_devices(device_ids, start, end, self.selection.groups)
        for pk, *names, device_class, zone in found.iterator():
            homes = self.homes[pk] = []
            for stay in histories.stays(pk, names, (device_class, zone)):
                homes.append(_Home(stay, len(self.devices)))
                self.devices.append(stay.device)

    def _home(self, device: int, time: int, register: bool) -> _Home | None:
        """Where a device was when it measured: an interval belongs to the stay that it ends in or
        with, a register read to the one that it is in or begins."""
        for home in self.homes.get(device, ()):
            at = time + 1 if register else time
            if home.stay.start < at <= home.stay.end:
                return home
        return None

    # --- rows -----------------------------------------------------------------------------------
    def _intervals(self, rows: dict[int, tuple[Any, ...]]) -> tuple[Ints, ...]:
        versions = self.versions
        if versions is None:
            return _nothing()
        device, channel = self._placed(versions, rows)
        known = device >= 0
        batch = self._batches(versions.numbers)
        columns = (device, channel, batch, versions.ends, versions.counts, versions.status)
        every = (*columns, versions.revisions.astype(np.int64), versions.numbers)
        return tuple(column[known] for column in every)

    def _placed(
        self, versions: journal.Versions, rows: dict[int, tuple[Any, ...]]
    ) -> tuple[Ints, Ints]:
        """Places of device and channel of each version; −1 where it is out of the selection."""
        ids = versions.channel_ids
        device, channel = np.full(len(ids), -1), np.zeros(len(ids), np.int64)
        low, high = int(versions.ends.min(initial=FAR)), int(versions.ends.max(initial=-FAR))
        moved = []
        for place, pk in enumerate(ids):
            owner, *kind = rows[pk]
            homes = self.homes.get(owner, [])
            if len(homes) == 1 and homes[0].stay.start < low and homes[0].stay.end >= high:
                device[place] = homes[0].place
                channel[place] = self._channel(kind, homes[0].multiplier)
            elif homes:
                moved.append(place)
        devices, channels = device[versions.channel], channel[versions.channel]
        for row in np.flatnonzero(np.isin(versions.channel, moved)).tolist():
            owner, *kind = rows[ids[int(versions.channel[row])]]
            home = self._home(owner, int(versions.ends[row]), False)
            if home is not None:
                devices[row] = home.place
                channels[row] = self._channel(kind, home.multiplier)
        return devices, channels

    def _registers(self) -> tuple[Ints, ...]:
        numbers = _register_numbers() if self.totals else {}
        found = []
        for total in self.totals:
            time = int(total.time.timestamp())
            home = self._home(total.device_id, time, True)
            if home is None:
                continue
            value = total.value
            channel, count = register_channel(value, home.multiplier)
            if channel.number is None:
                template = (home.stay.device.device_class, value.unit, value.flow)
                channel = channel._replace(number=numbers.get(template))
            place = self.channels.setdefault(channel, len(self.channels))
            batch = self._batch(total.number, total.source)
            where = (home.place, place, batch, time, count)
            found.append((*where, value.status, total.revision, total.number))
        if not found:
            return _nothing()
        return tuple(np.array(column, np.int64) for column in zip(*found, strict=True))

    def _channel(self, kind: Sequence[Any], multiplier: Decimal | None) -> int:
        """A channel's place; where it states no multiplier, it is the installation's."""
        channel = readings.Channel(*kind)
        if channel.multiplier is None:
            channel = channel._replace(multiplier=multiplier)
        return self.channels.setdefault(channel, len(self.channels))

    def _batches(self, numbers: Ints) -> Ints:
        """The place of each version's batch."""
        found, index = np.unique(numbers, return_inverse=True)
        places = [self._batch(number) for number in found.tolist()]
        return np.array(places, np.int64)[index] if places else numbers

    def _batch(self, number: int, source: str = "") -> int:
        """The place of a batch, with a source of its own where a value states one."""
        arrival = self.known[number]
        if source:
            arrival = arrival._replace(source=source)
        return self.batches.setdefault(arrival, len(self.batches))

    def _find_batches(self) -> None:
        """How the lot's batches came."""
        numbers = {total.number for total in self.totals}
        if self.versions is not None:
            numbers.update(np.unique(self.versions.numbers).tolist())
        rows = Batch.objects.filter(number__in=sql.id_set(numbers))
        for number, received, source in rows.values_list("number", "received", "source"):
            self.known[number] = Arrival(received, SOURCES.get(source, source))


def _nothing() -> tuple[Ints, ...]:
    return (np.zeros(0, np.int64),) * 8


def _register_numbers() -> dict[tuple[str, str, str], int]:
    """Numbers of SUM/T registers by device class, unit and flow: for totals that came without."""
    templates = RegisterTemplate.objects.filter(register_class="SUM", rate="T")
    return {
        tuple(row[:3]): row[3]
        for row in templates.values_list("device_class__code", "unit", "flow", "number")
    }
