"""Rows made meters: of each key the last version, series by channel, registers by time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

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
from exports.formats.rte.kept import Columns, Shared
from exports.formats.rte.parse import LARGEST, Parser
from exports.formats.rte.tables import REGISTER
from exports.formats.words import POWERS


@dataclass(slots=True)
class Meters:
    """A file's meters out of its rows. `refuse` is told of a row whose value does not fit beside
    the others of its series: record, offset, units."""

    parser: Parser
    rows: Columns
    shared: Shared
    refuse: Callable[[int, int, int], None]
    resolved: dict[tuple[int, int], Channel] = field(default_factory=dict)

    def __iter__(self) -> Iterator[MeterData]:
        """The devices in the order in which they first appear."""
        rows = self.rows
        if not len(rows.seq):
            return
        owner = _places([device.device_id for device in self.parser.devices])
        key = _places([(kind, channel.number) for kind, channel in self.parser.channels])
        keys = int(key.max()) + 1
        place = owner[rows.device] * keys + key[self.shared.channel[rows.kind]]
        step, later = np.diff(place), rows.end[1:] > rows.end[:-1]
        if not ((step > 0) | ((step == 0) & later)).all():
            revision = self.shared.revision[rows.kind]
            order = np.lexsort((rows.seq, revision, rows.end, place))
            last = np.ones(len(order), np.bool_)
            last[:-1] = (np.diff(place[order]) != 0) | (np.diff(rows.end[order]) != 0)
            rows = self.rows = rows.pick(order[last])
            place = place[order[last]]
        yield from self._meters(place // keys, place)

    def _meters(self, who: Ints, place: Ints) -> Iterator[MeterData]:
        """Meter by meter: quickly where all rows of one are plain intervals of one device."""
        rows, size = self.rows, len(who)
        channel = self.shared.channel[rows.kind]
        firsts = np.flatnonzero(np.diff(who, prepend=-1))
        new = np.diff(place, prepend=-1) != 0
        pieces = np.flatnonzero(new | (np.diff(channel, prepend=-1) != 0))
        most = np.maximum.reduceat(rows.decimals, pieces).astype(np.int64)
        largest = np.maximum.reduceat(np.abs(rows.units), pieces)
        registers = np.array([kind == REGISTER for kind, _ in self.parser.channels])
        odd = registers[channel[pieces]] | ~new[pieces] | (largest >= LARGEST // POWERS[most])
        moved = np.flatnonzero((np.diff(rows.device) != 0) & (np.diff(who) == 0))
        meter = np.searchsorted(firsts, np.concatenate([pieces[odd], moved]), "right") - 1
        slowly = np.zeros(len(firsts), np.bool_)
        slowly[meter] = True
        steps = np.repeat(most, np.diff(pieces, append=size)) - rows.decimals
        counts = rows.units * POWERS[steps] if steps.any() else rows.units
        masks = self.shared.mask.astype(np.uint16)[rows.kind]
        kinds = list(zip(channel[pieces].tolist(), most.tolist(), strict=True))
        bounds, at = [*pieces.tolist(), size], 0
        for first, last, slow, device in zip(
            *(firsts.tolist(), [*firsts[1:].tolist(), size]),
            *(slowly.tolist(), rows.device[firsts].tolist()),
            strict=True,
        ):
            series = []
            while bounds[at] < last:
                part = slice(bounds[at], bounds[at + 1])
                if not slow:
                    channel_of = self._channel(*kinds[at])
                    series.append(
                        IntervalSeries(channel_of, rows.end[part], counts[part], masks[part])
                    )
                at += 1
            if slow:
                yield self._meter(self._own(slice(first, last)))
            else:
                yield MeterData(self.parser.devices[device], tuple(series))

    def _channel(self, place: int, decimals: int) -> Channel:
        """A channel of the parser's, of values with so many decimals."""
        found = self.resolved.get((place, decimals))
        if found is None:
            resolution = Decimal(1).scaleb(-decimals)
            found = self.parser.channels[place][1]._replace(resolution=resolution)
            self.resolved[place, decimals] = found
        return found

    def _own(self, part: slice) -> dict[str, Ints]:
        """Some rows by the names of Parsed."""
        own = {name: column[part] for name, column in self.rows._asdict().items()}
        own = {name: column.astype(np.int64) for name, column in own.items()}
        return own | {name: one[own["kind"]] for name, one in self.shared._asdict().items()}

    # --- one meter ------------------------------------------------------------------------------
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
            masks = own["mask"][mine].astype(np.uint16)
            yield IntervalSeries(self._channel(place, most), own["end"][mine], counts, masks)

    def _fitting(self, own: Mapping[str, Ints], rows: Ints, steps: Ints) -> tuple[Ints, Ints]:
        """Large values at one scale, without those that do not fit."""
        pairs = zip(own["units"][rows].tolist(), steps.tolist(), strict=True)
        counts = [units * 10**step for units, step in pairs]
        fits = np.array([abs(count) < LARGEST for count in counts])
        for row in rows[~fits].tolist():
            self.refuse(*(int(own[name][row]) for name in ("record", "offset", "units")))
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


def _places(things: Sequence[Any]) -> Ints:
    """The place of each among the different ones, in the order in which they come first."""
    places: dict[Any, int] = {}
    return np.array([places.setdefault(thing, len(places)) for thing in things], np.int64)
