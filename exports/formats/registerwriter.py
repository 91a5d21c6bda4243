"""The writer that the register formats share: a frame's reads, meter by meter.

A format fills in what its lines are made of. Sums are those of the numbers as written, after
rounding (README 2.16); they and the counts stand in the tally's totals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from operator import attrgetter
from typing import Any, BinaryIO, ClassVar

from devices.readings import (
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    DeviceInfo,
    Frame,
    RegisterRead,
    RegisterValue,
    status_conflict,
)
from devices.rosters import column_of
from devices.storedreads import StoredRead, StoredReads
from exports.formats.alike import AlikeReads
from exports.formats.alikelines import Columns
from exports.formats.amounts import Amounts
from exports.formats.context import SUMS, ZERO, Tally, WriteContext
from exports.formats.decimals import DECIMALS
from exports.formats.issues import FormatError, refusal
from exports.formats.linecells import Cells
from exports.formats.registerparts import Chosen, Part, devices_of_names, kept, stretches
from exports.formats.registers import (
    LINE_ENDS,
    VALUE_WIDTH,
    Picks,
    is_plain,
    number_text,
    reads_order,
    register_name,
    split_words,
)
from exports.formats.shapes import (
    DEMAND,
    ENERGY,
    NOTHING,
    OWN,
    SCOPES,
    Plan,
    Shape,
    Shaper,
    estimated_of,
)
from exports.formats.stamps import Clock
from exports.formats.text import ROUNDING

SEVERAL = 64  # reads that are handed on together: few enough to stay in the cache
WARNINGS = {
    "REG01": "negative value of a flow other than NET",
    "REG02": "peak time of a class other than MAX and COIN, not written",
}
# All that a line says of a register beside its value and peak time, and of a read but its id.
_alike = attrgetter(
    *("number", "register_class", "unit", "flow", "rate", "occurrence", "multiplier"),
    *("multiplier_applied", "dials", "decimals", "status", "source"),
)
_head = attrgetter(
    *("read_type", "time", "season", "reset_count", "reset_time", "status_word", "source"),
    *("received", "revision"),
)


class FrameWriter:
    """One frame on its way out."""

    format: ClassVar[str]
    of_device: ClassVar[Mapping[str, str]]  # fields that depend on the device: which of its own
    twice: ClassVar[str]  # code of the refusal of two rows with one key
    width: ClassVar[int] = VALUE_WIDTH  # of a plain number, before `cells` makes a cell of it

    def __init__(self, ctx: WriteContext, tally: Tally) -> None:
        self.ctx = ctx
        self.tally = tally
        self.reads = self.estimated = 0
        self.texts: list[str] = []
        self.amounts: tuple[list[Decimal], ...] = ([], [], [])
        self.shapes: dict[tuple[object, ...], Shape] = {}
        self.heads: dict[tuple[object, ...], list[list[str]]] = {}
        self.clocks: dict[str, Clock] = {}
        self.last_device: tuple[DeviceInfo | None, list[list[str]]] = (None, [])
        options = ctx.options
        self.read_types = split_words(options["read_types"], READ_TYPES)
        self.picks = Picks(
            self.classes(options),
            split_words(options["rates"], RATES),
            self.peaks(options),
            options["null_registers"] == "line",
        )
        self.remove = bool(options["remove_multiplier"])
        self.line_end = LINE_ENDS[options["line_end"]]
        self.plans = self.plans_of(options)
        self.pieces = self.plans[-1].last  # how many pieces a line is made of

    # --- what a format fills in -----------------------------------------------------------------
    def plans_of(self, options: Mapping[str, Any]) -> Sequence[Plan]:
        """The plans of its lines."""
        raise NotImplementedError

    def shape(self, read: RegisterRead, places: Sequence[int]) -> Shape:
        """The shape of reads like this one, of the values at these places, in the file's order."""
        raise NotImplementedError

    def shaped(
        self,
        shaper: Shaper,
        written: Sequence[RegisterValue],
        warnings: Sequence[tuple[str, str]] = (),
    ) -> Shape:
        """What the shaper put together of the values that are written; no two rows of one key."""
        if len(set(shaper.keys)) < len(shaper.keys):
            raise FormatError(self.twice, "two values of one read with one key")
        return shaper.shape(estimated_of(written), warnings)

    def device_values(self, device: DeviceInfo) -> Mapping[str, Any]:
        """The fields that depend on the device, see `of_device`."""
        return {name: getattr(device, own) for name, own in self.of_device.items()}

    def device_columns(self, column: Columns) -> Mapping[str, Sequence[Any]]:
        """The same of many devices, a column a field."""
        return {name: column(own) for name, own in self.of_device.items()}

    def extra_pieces(self, device: DeviceInfo) -> Sequence[str]:
        """Pieces beyond those of the plans."""
        return ()

    def extra_columns(self, column: Columns) -> Sequence[Sequence[str]]:
        """The same of many devices, a column a piece."""
        return ()

    def read_values(self, read: RegisterRead, clock: Clock) -> Mapping[str, Any]:
        """The fields that depend on the read, and the zone that its times are written in."""
        raise NotImplementedError

    def own_values(self, read: RegisterRead) -> Mapping[str, Any]:
        """The fields that differ from read to read."""
        return {}

    def clock(self, zone: str) -> Clock:
        """The cells of a peak time in this zone; the same clock for the same zone."""
        raise NotImplementedError

    def classes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """The classes that are written."""
        return split_words(options["classes"], REGISTER_CLASSES)

    def peaks(self, options: Mapping[str, Any]) -> int:
        """The last occurrence of a peak that is written."""
        return 1

    def cells(self, texts: list[str]) -> list[str]:
        """The cells of numbers that are plain but for zeros at their ends."""
        return [
            text.rstrip("0").rstrip(".") if text[-1] == "0" and "." in text else text
            for text in texts
        ]

    def amount_cells(self, amounts: Amounts) -> Sequence[Cells]:
        """The cells of plain numbers, see `cells`: a column for each of the values."""
        return amounts.plain()

    def takes_alike(self) -> bool:
        """Whether each read is written for what it is, whichever else the meter has."""
        return True

    def chosen(self, reads: Sequence[tuple[DeviceInfo, RegisterRead]]) -> Iterator[Chosen]:
        """A meter's reads that are written, in the file's order."""
        for device, read in reads:
            if read.read_type in self.read_types:
                yield Chosen(device, read, self.picks.classes)

    # --- the frame ------------------------------------------------------------------------------
    def write(self, frame: Frame, out: BinaryIO) -> None:
        """All of it. FormatError if the run stops at a refusal."""
        names = column_of(frame.devices, "meter_number")
        if list(names) != sorted(names):
            raise ValueError("devices are not sorted by meter_number")
        self.out, self.texts = out, []
        stored = frame.reads.texts if isinstance(frame.reads, StoredReads) else None
        if stored is not None and self.takes_alike():
            alike = AlikeReads(self, frame, stored)
            for low, high, alone in stretches(names):
                if alone:
                    alike.write(low, high)
                else:
                    self.one(frame, low, high)
        else:
            for low, high in devices_of_names(names):
                self.one(frame, low, high)
        self.tally.add("reads", self.reads)
        self.tally.add("estimated", self.estimated)
        with localcontext(SUMS):
            self.tally.add("energy", sum(self.amounts[ENERGY], ZERO))
            self.tally.add("demand", sum(self.amounts[DEMAND], ZERO))
        self._hand_on()

    def put(self, text: bytes) -> None:
        """Write what has been made by now, then this."""
        self._hand_on()
        self.out.write(text)

    def _hand_on(self) -> None:
        self.out.write("".join(self.texts).encode())
        self.texts.clear()

    def one(self, frame: Frame, low: int, high: int) -> None:
        """One meter, these devices', kept only if all of it can be written."""
        part = Part()
        devices = [(index, frame.devices[index]) for index in range(low, high)]
        name = devices[0][1].meter_number
        try:
            if not name:
                raise FormatError(self.twice, "meter number is empty")
            self._meter(frame, devices, part)
        except FormatError as error:
            error.at(format=self.format, meter=name)
            if self.ctx.on_error != "skip_meter":
                raise
            self.tally.leave_out(devices[0][1], None, error)
            return
        self._count(part)
        self.texts += part.texts
        if len(self.texts) >= SEVERAL:
            self._hand_on()
        for total, more in zip(self.amounts, part.amounts, strict=True):
            total += more

    def count_alike(self, shape: Shape, reads: int, energy: int, demand: int) -> None:
        """What reads of a shape add up to, the sums in units of the last decimal."""
        tally = self.tally
        tally.records += shape.rows * reads
        tally.registers += len(shape.slots) * reads
        tally.add("reads", reads)
        tally.add("estimated", shape.estimated * reads)
        tally.add("energy", Decimal(energy).scaleb(-DECIMALS))
        tally.add("demand", Decimal(demand).scaleb(-DECIMALS))

    def _count(self, part: Part) -> None:
        tally = self.tally
        for code, text in part.warnings:
            tally.warn(code, text)
        tally.meters += bool(part.rows)
        self.reads += part.reads
        self.estimated += part.estimated
        tally.records += part.rows
        tally.registers += part.values
        tally.missing += part.missing

    def _meter(self, frame: Frame, devices: Sequence[tuple[int, DeviceInfo]], part: Part) -> None:
        """All reads of the devices of one meter number: one device, before and after a move."""
        reads = [(device, read) for index, device in devices for read in frame.reads.get(index, ())]
        for _, read in reads:
            if read.time.tzinfo is None:
                raise refusal("FMT01", time=read.time.isoformat())
        if len(reads) > 1:
            reads.sort(key=lambda pair: reads_order(pair[1]))
        for device, read, classes in self.chosen(reads):
            try:
                self._read(device, read, classes, part)
            except FormatError as error:
                raise error.at(instant=read.time) from error

    # --- one read -------------------------------------------------------------------------------
    def _read(
        self, device: DeviceInfo, read: RegisterRead, classes: tuple[str, ...], part: Part
    ) -> None:
        shape = self.shape_of(read, classes)
        part.warnings += shape.warnings
        if not shape.rows:
            return
        self._check_keys(device, read, shape, part)
        zone = self.ctx.zone or device.time_zone
        clock = self.clock_of(zone)
        cells = self._cells(read, shape, clock, part)
        pieces = self._pieces(device, read, zone, clock)
        part.texts.append(shape.template % shape.fill([*pieces, *cells]))
        part.reads += 1
        part.rows += shape.rows
        part.values += len(shape.slots)
        part.estimated += shape.estimated

    def shape_of(self, read: RegisterRead, classes: tuple[str, ...]) -> Shape:
        """The shape of a read, of which some classes are written."""
        key = (classes, read.read_type, read.source, *map(_alike, read.values))
        shape = self.shapes.get(key)
        if shape is None:
            places = self.picks._replace(classes=classes).of(read.values)
            shape = self.shape(read, places) if places else NOTHING
            kept(self.shapes, key, shape)
        return shape

    def clock_of(self, zone: str) -> Clock:
        """The clock of a zone."""
        if zone not in self.clocks:
            self.clocks[zone] = self.clock(zone)
        return self.clocks[zone]

    def head_parts(self, stored: StoredRead, zone: str) -> list[list[str]]:
        """The texts of a stored read's head, but for its id."""
        key = (zone, *stored.head_key())
        if key not in self.heads:
            values = self.read_values(stored.bare(), self.clock_of(zone))
            kept(self.heads, key, self._parts("read", values))
        return self.heads[key]

    def own_parts(self, read: RegisterRead) -> list[list[str]]:
        """The texts of what differs from read to read."""
        return self._parts(OWN, self.own_values(read))

    def _pieces(self, device: DeviceInfo, read: RegisterRead, zone: str, clock: Clock) -> list[str]:
        """The pieces of all plans, in the order of their numbers."""
        if self.last_device[0] is not device:
            self.last_device = (device, self._parts("device", self.device_values(device)))
        key = (zone, *_head(read))
        of_read = self.heads.get(key)
        if of_read is None:
            of_read = kept(self.heads, key, self._parts("read", self.read_values(read, clock)))
        own = self.own_parts(read)
        pieces = []
        for plan, *parts in zip(self.plans, self.last_device[1], of_read, own, strict=True):
            pieces += plan.pieces(dict(zip(SCOPES, parts, strict=True)))
        return [*pieces, *self.extra_pieces(device)]

    def _parts(self, scope: str, values: Mapping[str, Any]) -> list[list[str]]:
        return [plan.parts(scope, values) for plan in self.plans]

    def _check_keys(self, device: DeviceInfo, read: RegisterRead, shape: Shape, part: Part) -> None:
        """No two rows of one key, no two devices of one meter number."""
        part.devices.add(device.device_id)
        if len(part.devices) > 1:
            both = " and ".join(sorted(part.devices))
            raise FormatError(self.twice, f"reused meter number: that of devices {both}")
        others = part.seen.setdefault((read.time, read.read_type), [])
        if any(shape.keys & other.keys for other in others):
            raise FormatError(self.twice, f"two {read.read_type} reads with one register")
        others.append(shape)

    def _cells(self, read: RegisterRead, shape: Shape, clock: Clock, part: Part) -> list[str]:
        """The cells of a shape's values, then those of their peak times.

        FMT07, FMT10, FMT12 of values, FMT01, FMT02 of peaks.
        """
        values = read.values
        cells: list[str] = []
        peaks: list[str] = []
        for place, total, peaked, signed, missing, divisor in shape.slots:
            value = values[place]
            amount = value.value
            try:
                if (amount is None) is not missing:
                    raise refusal("FMT12", why=status_conflict(value.status, amount is None))
                if amount is None:
                    part.missing += 1
                else:
                    text = str(amount)
                    if divisor is not None or not is_plain(text):
                        text, amount = self._number(value, amount, divisor, signed, part)
                    part.amounts[total].append(amount)
                    cells += self.cells([text])
                if peaked:
                    peaks += clock[value.peak_time]
                elif value.peak_time is not None:
                    part.warnings.append(("REG02", register_name(value)))
            except FormatError as error:
                raise error.at(where=register_name(value)) from error
        return cells + peaks

    def _number(
        self,
        value: RegisterValue,
        amount: Decimal,
        divisor: Decimal | None,
        signed: bool,
        part: Part,
    ) -> tuple[str, Decimal]:
        """A number that is not written as it stands: its text, and what that is."""
        if divisor is not None and amount.is_finite():
            amount = ROUNDING.divide(amount, divisor)
        text = number_text(amount, self.width)
        if text.startswith("-") and not signed:
            part.warnings.append(("REG01", f"{register_name(value)} {text}"))
        return text, Decimal(text)
