"""What a run reads: its devices in the file's order, a part at a time, as columnar frames.

One query streams devices, the installation and the channels that hold for the whole period; what
changed within the period is asked for apart, for those devices only. Readings are read by grid.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Q

from devices import journal, readings
from devices.journal import sql
from devices.models import Channel
from exports.stays import Stay, Who, during, epoch_or, stays_of

PART_CELLS = 250_000  # slots a part holds at most, about
PART_DEVICES = 2_500
ORDERS = ("device_id", "meter_number", "serial_number")


@dataclass(frozen=True, slots=True)
class Selection:
    """What a run is asked for; empty means all."""

    groups: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    units: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """A selection over a period (start, end], as of a horizon, in a format's order."""

    selection: Selection
    start: datetime
    end: datetime
    horizon: int
    order: str = "device_id"
    intervals: bool = True
    registers: bool = False
    reads_at_end: bool = False

    @property
    def first(self) -> int:
        return int(self.start.timestamp())

    @property
    def last(self) -> int:
        return int(self.end.timestamp())


class Row(NamedTuple):
    """A device with one channel that holds for the whole period (or none).

    `plain`: its installation and group hold for the whole period too. `kind`: what the channel
    measures, as one text, since most channels of a fleet are of few kinds.
    """

    pk: int
    device_id: str
    meter_number: str
    serial_number: str
    service_point_id: str
    account_id: str
    premise_id: str
    device_class: str
    time_zone: str
    transformer_id: str
    feeder_id: str
    plain: bool
    multiplier: str | None
    channel_id: int | None
    kind: str


MEMBERS = (
    "FROM devices_membership m JOIN devices_functionalgroup g ON g.id = m.group_id "
    "WHERE m.device_id = d.id"
)
INFO = slice(1, 11)
KIND = ("number", "unit", "flow", "seconds", "value_type", "resolution", "multiplier")
KIND = (*KIND, "multiplier_applied", "grid_offset", "zone")


def frames_for_scope(scope: Scope) -> Iterator[readings.Frame]:
    """The scope's data, in parts of bounded size."""
    per_device = max(1, (scope.last - scope.first) // 900)
    size = max(1, min(PART_DEVICES, PART_CELLS // per_device))
    part: list[tuple[Any, ...]] = []
    device = None
    with sql.snapshot():
        eras = _eras(scope) if scope.intervals else {}
        for row in sql.stream(*_rows_sql(scope), size=size):
            if len(part) >= size and row[0] != device:
                yield _frame(scope, part, eras)
                part = []
            part.append(row)
            device = row[0]
        if part:
            yield _frame(scope, part, eras)


def _rows_sql(scope: Scope) -> tuple[str, list[Any]]:
    """The query of `Row`s with their channels, in the order of the file's key as bytes."""
    if scope.order not in ORDERS:
        raise ValueError(f"files are not sorted by {scope.order}")
    start, end = sql.instant_param(scope.start), sql.instant_param(scope.end)
    holds = "({0}.valid_from IS NULL OR {0}.valid_from <= %s) AND "
    holds += "({0}.valid_to IS NULL OR {0}.valid_to >= %s)"
    touches = "({0}.valid_from < %s) AND ({0}.valid_to IS NULL OR {0}.valid_to > %s)"
    selection, where = scope.selection, ["TRUE"]
    params: list[Any] = []
    member = "TRUE"
    channel, channel_params = _channel_sql(selection)
    if selection.groups:
        marks = ", ".join(["%s"] * len(selection.groups))
        member = f"EXISTS (SELECT 1 {MEMBERS} AND g.code IN ({marks}) AND "
        where.append(member + touches.format("m") + ")")
        member += holds.format("m") + ")"
        params += [*selection.groups, start, end]
    params += [start, end, start, end, *channel_params]
    if selection.groups:
        params += [*selection.groups, end, start]
    if selection.devices:
        where.append(f"d.device_id IN ({', '.join(['%s'] * len(selection.devices))})")
        params += selection.devices
    text = "{}::text" if sql.is_postgres() else "CAST({} AS TEXT)"
    kind = " || '|' || ".join(f"COALESCE({text.format('c.' + name)}, '')" for name in KIND)
    # Only names of ours are written into the text; values are parameters.
    query = f"""
        SELECT d.id, d.device_id, d.meter_number, d.serial_number, i.service_point_id,
          i.account_id, i.premise_id, k.code, d.time_zone, i.transformer_id, i.feeder_id,
          i.id IS NOT NULL AND {member}, {text.format("i.multiplier")},
          c.id, {kind}
        FROM devices_device d JOIN devices_deviceclass k ON k.id = d.device_class_id
        LEFT JOIN devices_installation i ON i.device_id = d.id AND {holds.format("i")}
        LEFT JOIN devices_channel c ON c.device_id = d.id AND {holds.format("c")} {channel}
        WHERE {" AND ".join(where)}
        ORDER BY {sql.bytewise("d." + scope.order)}, d.id, c.number"""  # noqa: S608
    return query, params


def _channel_sql(selection: Selection) -> tuple[str, list[Any]]:
    condition, params = "", []
    for column, chosen in (("number", selection.channels), ("unit", selection.units)):
        if chosen:
            condition += f" AND c.{column} IN ({', '.join(['%s'] * len(chosen))})"
            params += chosen
    return condition, params


class Piece(NamedTuple):
    """A channel over a part (start, end] of the period, for the device at `index`."""

    channel_id: int
    channel: readings.Channel
    index: int
    start: int
    end: int


Eras = dict[int, list[tuple[Any, ...]]]


def _eras(scope: Scope) -> Eras:
    """Channels that began or ended within the period, by device: few in any period."""
    rows = during(Channel.objects.all(), scope.start, scope.end)
    rows = rows.filter(Q(valid_from__gt=scope.start) | Q(valid_to__lt=scope.end))
    if scope.selection.channels:
        rows = rows.filter(number__in=scope.selection.channels)
    if scope.selection.units:
        rows = rows.filter(unit__in=scope.selection.units)
    found: Eras = {}
    for device, *row in rows.values_list(
        *("device_id", "pk", "valid_from", "valid_to", "number", "unit", "flow", "seconds"),
        *("value_type", "resolution", "multiplier", "multiplier_applied"),
        *("grid_offset", "zone"),
    ):
        found.setdefault(device, []).append(tuple(row))
    return found


class _Part:
    """A part under assembly: stays in the file's order, channels of them by grid."""

    def __init__(self, scope: Scope, rows: Sequence[tuple[Any, ...]], eras: Eras) -> None:
        self.scope = scope
        self.rows = rows
        self.eras = eras
        self.infos: list[readings.DeviceInfo] = []
        self.cut: dict[int, list[tuple[int, Stay]]] = {}  # devices that changed in the period
        self.place: dict[int, int] = {}  # device → its one stay, for the rest
        self.kinds: dict[tuple[str, str | None], readings.Channel] = {}
        self._place_devices()

    def _place_devices(self) -> None:
        changed = {row[0]: row for row in self.rows if not row[11]}
        whos = [Who(*row[:4], row[7], row[8]) for row in changed.values()]
        scope = self.scope
        stays = stays_of(whos, scope.start, scope.end, scope.selection.groups) if whos else {}
        infos, place, make = self.infos, self.place, readings.DeviceInfo._make
        for row in self.rows:
            pk = row[0]
            if pk in place or pk in self.cut:
                continue
            if row[11]:
                place[pk] = len(infos)
                infos.append(make((*row[INFO], (), "")))
            else:
                here = stays.get(pk, [])
                self.cut[pk] = list(enumerate(here, len(infos)))
                infos.extend(stay.info for stay in here)

    def channel(self, kind: str, multiplier: str | None) -> readings.Channel:
        """The channel of a kind; where it states no multiplier, the installation's."""
        channel = self.kinds.get((kind, multiplier))
        if channel is None:
            what = kind.split("|")
            own = what[6] or multiplier
            channel = self.kinds[kind, multiplier] = readings.Channel(
                *(int(what[0]), what[1], what[2], int(what[3]), what[4], Decimal(what[5])),
                None if own is None else Decimal(own),
                what[7] in ("true", "1", "True"),
                int(what[8]),
                what[9],
            )
        return channel

    def sheets(self) -> Iterator[readings.Sheet]:
        """Whole channels by grid, then those that are cut, one by one."""
        grids: dict[journal.Grid, tuple[list[int], list[int], list[readings.Channel]]] = {}
        cut: list[Piece] = []
        first, last = self.scope.first, self.scope.last
        place, kinds = self.place, self.kinds
        for row in self.rows:
            channel_id = row[13]
            if channel_id is None:
                continue
            index = place.get(row[0])
            if index is None:
                for index, stay in self.cut[row[0]]:
                    channel = self.channel(row[14], _text(stay.multiplier))
                    cut.append(Piece(channel_id, channel, index, stay.start, stay.end))
                continue
            channel = kinds.get((row[14], row[12])) or self.channel(row[14], row[12])
            grid = (channel.seconds, channel.grid_offset or 0, channel.zone)
            lists = grids.get(grid)
            if lists is None:
                lists = grids[grid] = ([], [], [])
            lists[0].append(channel_id)
            lists[1].append(index)
            lists[2].append(channel)
        for grid, (ids, places, channels) in grids.items():
            table = journal.grid_read(grid, ids, first, last, horizon=self.scope.horizon)
            yield readings.Sheet(np.array(places), channels, table.ends, table.counts, table.status)
        cut += self._eras()
        yield from self._cut_sheets(cut)

    def _eras(self) -> Iterator[Piece]:
        """Channels that began or ended within the period."""
        first, last = self.scope.first, self.scope.last
        for device in self.eras.keys() & (self.place.keys() | self.cut.keys()):
            for pk, opened, closed, *what in self.eras[device]:
                low, high = epoch_or(opened, first), epoch_or(closed, last)
                for index, stay in self.stays(device):
                    channel = self.channel(
                        "|".join("" if part is None else str(part) for part in what),
                        _text(stay.multiplier),
                    )
                    start, end = max(low, stay.start), min(high, stay.end)
                    if start < end:
                        yield Piece(pk, channel, index, start, end)

    def stays(self, device: int) -> list[tuple[int, Stay]]:
        """A device's stays with their places among the frame's devices."""
        if device not in self.place:
            return self.cut[device]
        index = self.place[device]
        row = next(row for row in self.rows if row[0] == device)
        stay = Stay(self.infos[index], Decimal(row[12]), self.scope.first, self.scope.last)
        return [(index, stay)]

    def _cut_sheets(self, cut: Sequence[Piece]) -> Iterator[readings.Sheet]:
        pieces: dict[journal.ChannelKey, list[Piece]] = {}
        for piece in cut:
            channel = piece.channel
            grid = (channel.seconds, channel.grid_offset or 0, channel.zone)
            pieces.setdefault(journal.ChannelKey(piece.channel_id, *grid), []).append(piece)
        asked = list(pieces.values())
        for table in journal.tables_read(
            list(pieces), self.scope.first, self.scope.last, horizon=self.scope.horizon
        ):
            for row, place in enumerate(table.index.tolist()):
                for piece in asked[place]:
                    yield from _piece_sheet(table, row, piece)

    def reads(self) -> dict[int, list[readings.RegisterRead]]:
        """Register reads by stay; one on the border of two stays belongs to both when reads at
        the end are in (it closes the one and opens the other)."""
        scope = self.scope
        found: dict[int, list[readings.RegisterRead]] = {}
        for device, reads in journal.registers_read(
            [*self.place, *self.cut],
            scope.start,
            scope.end,
            closed=scope.reads_at_end,
            horizon=scope.horizon,
        ).items():
            if device in self.place:
                found[self.place[device]] = reads
                continue
            for index, stay in self.cut[device]:
                here = [read for read in reads if _inside(read, stay, scope.reads_at_end)]
                if here:
                    found[index] = here
        return found


def _piece_sheet(table: journal.Table, row: int, piece: Piece) -> Iterator[readings.Sheet]:
    """The piece's part of a table's row, as a sheet of its own."""
    low, high = np.searchsorted(table.ends, (piece.start, piece.end), side="right").tolist()
    if low < high:
        yield readings.Sheet(
            np.array([piece.index]),
            [piece.channel],
            table.ends[low:high],
            table.counts[row : row + 1, low:high],
            None if table.status is None else table.status[row : row + 1, low:high],
        )


def _inside(read: readings.RegisterRead, stay: Stay, at_end: bool) -> bool:
    at = read.time.timestamp()
    return stay.start <= at < stay.end or (at_end and at == stay.end)


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _frame(scope: Scope, rows: Sequence[tuple[Any, ...]], eras: Eras) -> readings.Frame:
    part = _Part(scope, rows, eras)
    sheets = list(part.sheets()) if scope.intervals else []
    reads = part.reads() if scope.registers else {}
    return readings.Frame(part.infos, sheets, reads)
