"""The reader: all records of a file gathered by meter, duplicates settled, values made counts.

A file is held until its end, as arrays: a later line may replace what an earlier one said
(section 10, "duplicate meter + unit + end").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from devices.longwork import collector_resting
from devices.readings import (
    DAY,
    Channel,
    DeviceInfo,
    IntervalSeries,
    Ints,
    MeterData,
    RegisterRead,
    RegisterValue,
    instant,
)
from exports.formats.base import Inventory
from exports.formats.cmep.gather import Piece, pieces_series
from exports.formats.cmep.parse import Parsed, Parser, RecordError
from exports.formats.cmep.plain import Plain, Plainly
from exports.formats.cmep.tables import CMR_WARNINGS, KVARH_SIGNS, Unit
from exports.formats.issues import ReadReport
from exports.formats.linearrays import line_arrays
from exports.formats.text import TextLine, product
from exports.formats.zones import local_date, midnight

HOUR = 3600
KEPT = 1 << 17  # ways and grids remembered


class Quantity(NamedTuple):
    """What a unit code stands for at this meter: canonical unit, flow, sign of the values."""

    unit: str
    flow: str
    sign: int


class Point(NamedTuple):
    """A register's reading with what settles duplicates: record time stamp, order of lines."""

    stamp: int
    order: int
    value: RegisterValue


class Way(NamedTuple):
    """What becomes of plain records: their channel and factor, its unit and flow, the grid's offset
    where their ends are held against it."""

    channel: Channel
    factor: Decimal
    name: tuple[str, str]
    offset: int | None


@dataclass(slots=True)
class Meter:
    """What a file said about one meter."""

    intervals: dict[tuple[str, str], list[Piece]] = field(default_factory=lambda: defaultdict(list))
    registers: dict[int, dict[tuple[str, str], Point]] = field(
        default_factory=lambda: defaultdict(dict)
    )


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    meters: dict[str, Meter] = field(default_factory=lambda: defaultdict(Meter))
    known: dict[str, Sequence[Channel] | None] = field(default_factory=dict)
    kinds: dict[tuple[Quantity, str, Decimal, int], tuple[Channel, Decimal]] = field(
        default_factory=dict
    )
    ways: dict[tuple[int, str], Way | None] = field(default_factory=dict)
    grids: dict[tuple[int, int, int], bool] = field(default_factory=dict)

    def read(self, stream: BinaryIO, attribute: str) -> Iterator[MeterData]:
        """The file's meters, in the order in which they first appear."""
        parser = Parser(self.options)
        plainly = Plainly(parser)
        with collector_resting():
            for lines in line_arrays(stream, self.report):
                found = plainly.records(lines)
                row = 0
                while row < len(lines):
                    plain = found[row]
                    if plain is None:
                        self._line(lines.line(row), parser)
                    elif self._quick(plain):
                        self.report.records += plain.lines
                    else:
                        for count, one in enumerate(plain.records()):
                            self._line(lines.line(row + count), parser, one)
                    row += 1 if plain is None else plain.lines
        for name, meter in self.meters.items():
            place: dict[str, Any] = {attribute: name}
            yield MeterData(
                DeviceInfo("")._replace(**place), tuple(_series(meter)), tuple(_reads(meter))
            )

    def _line(self, line: TextLine, parser: Parser, plain: Plain | None = None) -> None:
        """Keeps what a line says, or notes why not."""
        warn = partial(self._warn, line)
        if not line.text:
            warn("CMR50")
            return
        self.report.records += 1
        try:
            if plain is not None:
                self._take(plain.parsed(line), warn, plain)
            else:
                parsed = parser.parse(line, warn)
                if parsed is not None:
                    self._take(parsed, warn)
        except RecordError as error:
            self.report.error(
                error.code,
                error.message,
                record=line.number,
                offset=line.offset,
                field=error.field,
            )

    def _warn(self, line: TextLine, code: str, field: str = "", **words: object) -> None:
        text = CMR_WARNINGS[code].format(**words)
        self.report.warn(code, text, record=line.number, offset=line.offset, field=field)

    # --- plain records --------------------------------------------------------------------------
    def _quick(self, plain: Plain) -> bool:
        """Keeps plain records of which there is nothing to be said; False for others."""
        key = (plain.head.place, plain.meter if self.inventory else "")
        if key not in self.ways:
            if len(self.ways) > KEPT:
                self.ways.clear()
            self.ways[key] = self._way(plain)
        way = self.ways[key]
        if way is None or not (way.offset is None or self._on_grid(plain, way.offset)):
            return False
        piece = Piece.quick(way.channel, way.factor, plain)
        self.meters[plain.meter].intervals[way.name].append(piece)
        return True

    def _way(self, plain: Plain) -> Way | None:
        """What becomes of a meter's plain records of a header; None if that differs."""
        head = plain.head
        quantity = self._quantity(plain.meter, head.code, head.unit)
        if quantity is None:
            return None
        channels = self._channels(plain.meter)
        offset, zone = _grid(channels)
        channel, factor = self._kind(quantity, head.unit, head.constant, head.seconds)
        if factor not in (1, -1) or (head.seconds == DAY and zone):
            return None
        name = (quantity.unit, quantity.flow)
        return Way(channel, factor, name, None if head.seconds == DAY else offset)

    def _on_grid(self, plain: Plain, offset: int) -> bool:
        key = (plain.run, plain.head.seconds, offset)
        if key not in self.grids:
            if len(self.grids) > KEPT:
                self.grids.clear()
            self.grids[key] = not ((plain.ends + offset) % plain.head.seconds).any()
        return self.grids[key]

    # --- one record -----------------------------------------------------------------------------
    def _take(self, parsed: Parsed, warn: Any, plain: Plain | None = None) -> None:
        quantity = self._quantity(parsed.meter, parsed.code, parsed.unit)
        if quantity is None:
            warn("CMR66", "units", value=parsed.code)
            return
        if parsed.unit.register:
            self._take_reads(parsed, quantity)
            return
        channels = self._channels(parsed.meter)
        own = [c for c in channels if (c.unit, c.flow) == (quantity.unit, quantity.flow)]
        seconds = parsed.seconds or _length(parsed.ends, own)
        self._check_grid(parsed.ends if plain is None else plain.ends, seconds, channels, warn)
        channel, factor = self._kind(quantity, parsed.unit, parsed.constant, seconds)
        if plain is None:
            piece = Piece.of(channel, parsed, factor)
        else:
            piece = Piece.plain(channel, parsed, factor, plain)
        self.meters[parsed.meter].intervals[quantity.unit, quantity.flow].append(piece)

    def _kind(
        self, quantity: Quantity, unit: Unit, constant: Decimal, seconds: int
    ) -> tuple[Channel, Decimal]:
        """The channel of such records, and what their values are multiplied by."""
        kind = (quantity, unit.value_type, constant, seconds)
        if kind not in self.kinds:
            self.kinds[kind] = _channel(*kind)
        return self.kinds[kind]

    def _channels(self, meter: str) -> Sequence[Channel]:
        if meter not in self.known:
            self.known[meter] = self.inventory(meter) if self.inventory else None
        return self.known[meter] or ()

    def _quantity(self, meter: str, code: str, kind: Unit) -> Quantity | None:
        """Canonical unit, flow and sign; None for a unit that is only listed (section 5, 10)."""
        unit, flow = kind.unit, kind.flow
        if code == "GASREG":
            unit = self.options["gasreg_unit"] or ""
        if not unit:
            return None
        if unit not in ("KVARH", "KVAR") or kind.register:
            return Quantity(unit, flow, 1)
        signs = KVARH_SIGNS[self.options["kvarh_sign"]]
        if flow not in signs:
            return Quantity(unit, flow, 1)
        prefix = signs[flow][0]
        held = {c.flow for c in self._channels(meter) if c.unit == unit}
        fitting = [q for q, (p, _) in signs.items() if p == prefix and q[0] == "Q" and q in held]
        if len(fitting) == 1 and not held & {"DEL", "REC"}:
            flow = fitting[0]
        return Quantity(unit, flow, signs[flow][1])

    def _check_grid(
        self, ends: Sequence[int] | Ints, seconds: int, channels: Sequence[Channel], warn: Any
    ) -> None:
        """Ends off the known device's grid: by a minute a warning, by more an error."""
        offset, zone = _grid(channels)
        if (zone if seconds == DAY else offset) is None:
            return
        if seconds != DAY and not ((np.asarray(ends) + (offset or 0)) % seconds).any():
            return
        for place, end in enumerate(map(int, ends), start=1):
            if seconds == DAY:
                away = _from_midnight(end, zone or "")
            else:
                after = (end + (offset or 0)) % seconds
                away = min(after, seconds - after)
            if away > 60:
                time = f"{instant(end):%Y-%m-%dT%H:%M:%SZ}"
                raise RecordError("FMT03", "time", time=time, seconds=seconds)
            if away:
                warn("CMR64", "time", place=place)

    def _take_reads(self, parsed: Parsed, quantity: Quantity) -> None:
        registers = self.meters[parsed.meter].registers
        constant = parsed.constant
        multiplier = None if constant == 1 else constant
        applied = None if multiplier is None else True
        for end, mask, amount in zip(parsed.ends, parsed.masks, parsed.values, strict=True):
            value = None if amount is None else amount.value
            if value is not None and multiplier is not None:
                value = product(value, multiplier)
            register = RegisterValue(
                "SUM",
                quantity.unit,
                quantity.flow,
                value=value,
                multiplier=multiplier,
                multiplier_applied=applied,
                status=mask,
            )
            kept = registers[end]
            key = (quantity.unit, quantity.flow)
            point = Point(parsed.stamp, parsed.line.number, register)
            if key not in kept or kept[key][:2] <= point[:2]:
                kept[key] = point


def _channel(
    quantity: Quantity, value_type: str, constant: Decimal, seconds: int
) -> tuple[Channel, Decimal]:
    """The channel of such a record, its resolution open, and what values are multiplied by."""
    keeps = quantity.unit == "PULSE"
    multiplier = None if constant == 1 else constant
    applied = None if multiplier is None else not keeps
    channel = Channel(
        *(None, quantity.unit, quantity.flow, seconds, value_type),
        *(Decimal(1), multiplier, applied),
    )
    return channel, product(Decimal(quantity.sign), Decimal(1) if keeps else constant)


def _grid(channels: Sequence[Channel]) -> tuple[int | None, str | None]:
    """The offset of a device's grid and its zone, as far as its channels tell them."""
    offset = next((c.grid_offset for c in channels if c.grid_offset is not None), None)
    return offset, next((c.zone for c in channels if c.zone), None)


def _length(ends: Sequence[int], channels: Sequence[Channel]) -> int:
    """The interval length of a record that states none."""
    if channels:
        return channels[-1].seconds
    steps = {later - earlier for earlier, later in pairwise(ends)}
    if steps and all(23 * HOUR <= step <= 25 * HOUR for step in steps):
        return DAY
    if len(steps) == 1 and (step := steps.pop()) > 0:
        return step
    raise RecordError("CMR10", "interval")


def _from_midnight(end: int, zone: str) -> int:
    """Seconds to the nearest local midnight."""
    day = local_date(zone, end + DAY // 2).toordinal()
    return min(abs(end - midnight(zone, day + step)) for step in (-1, 0, 1))


def _series(meter: Meter) -> Iterator[IntervalSeries]:
    for key in sorted(meter.intervals):
        yield from pieces_series(meter.intervals[key])


def _reads(meter: Meter) -> Iterator[RegisterRead]:
    for end in sorted(meter.registers):
        kept = meter.registers[end]
        values = tuple(kept[key].value for key in sorted(kept))
        yield RegisterRead(instant(end), "CUR", values)
