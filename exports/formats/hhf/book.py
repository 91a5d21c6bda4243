"""What HHF-X1 writes: identities, meter and channel headers, registers and events of one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from devices.readings import ABSENT, Channel, DeviceInfo, Frame, RegisterRead, Sheet, instant
from exports.formats.binary import Key, shortest
from exports.formats.context import Tally, WriteContext
from exports.formats.hhf.entries import (
    cut_minute,
    event_entries,
    event_records,
    events_of,
    read_of,
    reading_check,
    register_entries,
    register_records,
)
from exports.formats.hhf.tables import CHANNEL_HEADER, ERRORS, METER_HEADER, WARNINGS
from exports.formats.kinds import MINUTE
from exports.formats.layout import Field
from exports.formats.options import OptionError
from exports.formats.records216.book import IDENTIFIERS, Book, Gaps
from exports.formats.records216.borders import Reading, border_readings, total_register
from exports.formats.records216.plan import Lane, Meter
from exports.formats.records216.units import ONE, PER_HOUR, Target, quantity_of

DEVICE, RECORDER = METER_HEADER.field("device"), METER_HEADER.field("recorder")
SERIAL, CLASS = METER_HEADER.field("serial"), METER_HEADER.field("class")
OF_CHANNEL = (
    *("device", "start_register", "stop_register", "dials", "decimals"),
    *("start_time", "stop_time"),
)
CHANNEL_FIELDS = [CHANNEL_HEADER.field(name) for name in OF_CHANNEL]
OF_METER = (
    *("device", "recorder", "serial", "class", "read_time"),
    *("registers", "events", "status_word"),
)
NUMBERS = [METER_HEADER.field(name) for name in OF_METER[4:]]
KEY = Key()
NONE: dict[str, Any] = {
    "start_register": Decimal(0),
    "stop_register": Decimal(0),
    "dials": 0,
    "decimals": 0,
    "start_time": None,
    "stop_time": None,
}
NO_REGISTER = [field.put(NONE[field.name]) for field in CHANNEL_FIELDS[1:]]
WORD = 1 << 32


def pulse_multipliers(given: Mapping[str, str] | None) -> dict[Any, Decimal]:
    """By channel number, unit and flow, or two empty texts for all. OptionError."""
    found: dict[Any, Decimal] = {}
    for text, number in (given or {}).items():
        if text.isascii() and text.isdigit():
            key: Any = int(text)
        else:
            key = ("", "") if text == "*" else quantity_of("pulse_multipliers", text)
        try:
            value = Decimal(number)
        except ArithmeticError:
            value = Decimal(0)
        if not (value.is_finite() and value > 0 and shortest(float(value)) == value):
            raise OptionError(
                "pulse_multipliers", f"option pulse_multipliers: {text}={number} is none"
            )
        found[key] = value
    return found


class Newest(NamedTuple):
    """The last slot of a row that arrived: its end and the batch that brought it."""

    end: int
    batch: int


class HhfBook(Book):
    format = "hhf"
    errors, warnings = ERRORS, WARNINGS
    most_channels = 999

    def __init__(self, ctx: WriteContext) -> None:
        super().__init__(ctx)
        self.attribute = "device_id"
        self._recorder = attrgetter(IDENTIFIERS[ctx.options["recorder"]])
        self._pulses = ctx.options["value_kind"] == "P"
        self._weights = pulse_multipliers(ctx.options["pulse_multipliers"])
        self._templates: dict[tuple[Any, ...], bytes] = {}
        self._newest: dict[int, list[Newest | None]] = {}  # by sheet
        self.wants_gaps = bool(ctx.options["events"])

    # --- meters ---------------------------------------------------------------------------------
    def key(self, device: DeviceInfo) -> tuple[str, ...]:
        return (device.device_id,)

    def name(self, device: DeviceInfo) -> str:
        return device.device_id

    def identity(self, device: DeviceInfo, tally: Tally) -> tuple[bytes, ...]:
        return (
            self.identifier(DEVICE, device.device_id, tally),
            self.identifier(RECORDER, self._recorder(device), tally),
            self.identifier(SERIAL, device.serial_number, tally),
            self.identifier(CLASS, device.device_class, Tally()),
        )

    def bare(self, frame: Frame, devices: Sequence[int]) -> bool:
        """A meter that has only registers or events is written without channels."""
        has_events = any(code for _, code in events_of(frame, devices, self))
        return has_events or read_of(frame, devices, self) is not None

    def channel_target(self, channel: Channel) -> Target:
        target = super().channel_target(channel)
        if not self._pulses:
            return target
        keys = (channel.number, target[:2], ("", ""))
        weight = next((w for key in keys if (w := self._weights.get(key))), target.scale)
        return target._replace(pulse=weight)

    # --- channels -------------------------------------------------------------------------------
    def channel(
        self, frame: Frame, meter: Meter, lane: Lane, tally: Tally, declared: bool
    ) -> bytes:
        start, stop = border_readings(frame, meter, lane)
        register = total_register(frame, meter, lane)
        tally.registers += (start is not None) + (stop is not None)
        own = {
            "device": KEY.get(meter.ids[0]),
            "start_register": self._reading(start),
            "stop_register": self._reading(stop),
            "dials": (register and register.dials) or 0,
            "decimals": (register and register.decimals) or 0,
            "start_time": self._time(start, meter, tally),
            "stop_time": self._time(stop, meter, tally),
        }
        if declared:
            return CHANNEL_HEADER.put(self._shared(meter, lane) | own)
        key = (id(lane.target), lane.number, meter.span)
        template = self._templates.get(key)
        if template is None:
            template = CHANNEL_HEADER.template(self._shared(meter, lane))
            self._templates[key] = template
        if start is None and stop is None and register is None:
            return template % (meter.ids[0], *NO_REGISTER)
        return template % tuple(field.put(own[field.name]) for field in CHANNEL_FIELDS)

    def _reading(self, reading: Reading | None) -> Decimal:
        if reading is None:
            return Decimal(0)
        reading_check(reading.value)
        return reading.value

    def _time(self, reading: Reading | None, meter: Meter, tally: Tally) -> int | None:
        if reading is None:
            return None
        return cut_minute(instant(reading.time), meter.span.offset, self, tally)

    def _shared(self, meter: Meter, lane: Lane) -> dict[str, Any]:
        """What the channel headers of one target, number and span share."""
        target = lane.target
        return {
            **_period(meter),
            "number": lane.number,
            "unit": target.code,
            "flow": target.letter,
            "channel_status": "Y",
            "interval_status": "Y",
            "value_type": "F" if target.pulse is None else "U",
            "intervals": meter.span.cells,
            "pulse": ONE if target.pulse is None else target.pulse,
            "multiplier": target.multiplier,
            "label": target.label,
        }

    # --- around the channels --------------------------------------------------------------------
    def around(
        self, frame: Frame, meter: Meter, gaps: Gaps, tally: Tally, declared: bool
    ) -> tuple[bytes, bytes]:
        """The meter's record, its registers and its events."""
        read = read_of(frame, meter.devices, self, tally)
        registers = register_entries(read, meter, self, tally) if read else []
        events = event_entries(frame, meter, gaps, self, tally) if self.options["events"] else []
        tally.registers += len(registers)
        tally.totals[f"route {_group(meter.info)}"] = ONE
        time = self._read_time(frame, meter, read) + meter.span.offset
        own = {
            "read_time": time,
            "registers": len(registers),
            "events": len(events),
            "status_word": self._status_word(read, tally),
        }
        tail = register_records(meter.ids[0], registers) + event_records(meter.ids[0], events)
        return self._head(meter, own, declared), tail

    def _head(self, meter: Meter, own: dict[str, Any], declared: bool) -> bytes:
        if declared:
            pairs = zip(OF_METER, meter.ids, strict=False)
            texts = {name: KEY.get(data) for name, data in pairs}
            return METER_HEADER.put(_shared_of(meter) | texts | own)
        key = (meter.span, len(meter.lanes))
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = METER_HEADER.template(_shared_of(meter))
        return template % (*meter.ids, *(_put(field, own[field.name]) for field in NUMBERS))

    def _status_word(self, read: RegisterRead | None, tally: Tally) -> int:
        text = read.status_word if read else ""
        if not text:
            return 0
        try:
            word = int(text, 16)
        except ValueError:
            word = -1
        if not 0 <= word < WORD:
            tally.warn(self.warning("status"), repr(text))
            return 0
        return word

    def _read_time(self, frame: Frame, meter: Meter, read: RegisterRead | None) -> int:
        """When the read written was received, else the newest interval; seconds, cut."""
        received = read.received if read else None
        if received is None:
            newest = max(filter(None, self._newest_slots(frame, meter)), default=None)
            arrival = frame.arrivals.get(newest.batch) if newest else None
            received = arrival.received if arrival else None
        if received is None:
            received = read.time if read else self.ctx.created
        return int(received.timestamp()) // MINUTE * MINUTE

    def _newest_slots(self, frame: Frame, meter: Meter) -> Iterator[Newest | None]:
        for lane in meter.lanes:
            for place in lane.places:
                if place.sheet not in self._newest:
                    self._newest[place.sheet] = _newest(frame.sheets[place.sheet])
                yield self._newest[place.sheet][place.row]


@lru_cache(maxsize=1 << 12)
def _put(field: Field, value: int) -> bytes:
    """A number of meter headers; meters are much alike."""
    return field.put(value)


def _shared_of(meter: Meter) -> dict[str, Any]:
    """What the records of meters of one span and number of channels share."""
    return {
        **_period(meter),
        "channels": len(meter.lanes),
        "per_hour": PER_HOUR[meter.span.seconds] if meter.lanes else 0,
        "method": "A",
        "status": "A",
        "meter_clock": None,
        "reader_clock": None,
    }


def _period(meter: Meter) -> dict[str, int]:
    span = meter.span
    return {"start": span.start + span.offset + MINUTE, "stop": span.stop + span.offset}


def _group(device: DeviceInfo) -> str:
    """The bill cycle, else the only group."""
    return device.bill_cycle or (device.groups[0] if len(device.groups) == 1 else "")


def _newest(sheet: Sheet) -> list[Newest | None]:
    """The newest slot of each row; None where nothing arrived or no batch is known."""
    rows = len(sheet.devices)
    if sheet.numbers is None or not len(sheet.ends):
        return [None] * rows
    last = np.full(rows, len(sheet.ends) - 1)
    some = np.ones(rows, np.bool_)
    if sheet.status is not None:
        there = sheet.status & ABSENT == 0
        some = there.any(axis=1)
        last = len(sheet.ends) - 1 - there[:, ::-1].argmax(axis=1)
    ends = sheet.ends[last].tolist()
    batches = sheet.numbers[np.arange(rows), last].tolist()
    found = zip(some.tolist(), ends, batches, strict=True)
    return [Newest(end, batch) if arrived else None for arrived, end, batch in found]
