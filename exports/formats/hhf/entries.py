"""Register and event entries (codes 20 and 30): which are written, in what order, and how."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from devices.readings import (
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    Event,
    Frame,
    RegisterRead,
    RegisterValue,
)
from exports.formats.context import Tally
from exports.formats.hhf.tables import (
    CLASSES,
    EVENT,
    EVENT_CODES,
    EVENTS_RECORD,
    MISSING_EVENT,
    MOST,
    REGISTER,
    REGISTERS_RECORD,
    TAMPER_EVENT,
)
from exports.formats.issues import FormatError, refusal
from exports.formats.kinds import MINUTE
from exports.formats.options import OptionError
from exports.formats.records216.book import Book, Gaps
from exports.formats.records216.layouts import CELLS_SIZE
from exports.formats.records216.plan import Meter, Span
from exports.formats.records216.units import ONE, open_multiplier, unit_code
from exports.formats.records216.words import words_of
from exports.formats.text import product

CLASS_ORDER = tuple(REGISTER_CLASSES)
NUMBERS = range(1, MOST + 1)
REGISTERS_TEMPLATE, EVENTS_TEMPLATE = REGISTERS_RECORD.template({}), EVENTS_RECORD.template({})
Values = dict[str, Any]


def types_of(text: str) -> list[str]:
    """`CUR OD`, `CUR,OD` → read types."""
    return [word.upper() for word in re.split(r"[\s,;]+", text) if word]


def types_check(text: str) -> None:
    """OptionError for a word that is no read type."""
    if wrong := [word for word in types_of(text) if word not in READ_TYPES]:
        listed = ", ".join(READ_TYPES)
        raise OptionError("read_types", f"option read_types: {wrong[0]} is none of {listed}")


def read_of(
    frame: Frame, devices: Sequence[int], book: Book, tally: Tally | None = None
) -> RegisterRead | None:
    """The register read that is written: the latest of the period of the types asked for.

    The period's end belongs to it, since the closing read is what it is billed by.
    """
    if not frame.reads or not book.options["registers"]:
        return None
    reads = [read for device in devices for read in frame.reads.get(device, ())]
    types = types_of(book.options["read_types"])
    inside = [read for read in reads if book.start <= read.time.timestamp() <= book.end]
    fitting = [read for read in inside if read.read_type in types]
    last = max(fitting, key=lambda read: read.time, default=None)
    for read in inside if tally is not None else ():
        if tally is not None and read is not last:
            tally.warn(book.warning("reads"), f"{read.read_type} {read.time.isoformat()}")
    return last


def register_entries(read: RegisterRead, meter: Meter, book: Book, tally: Tally) -> list[Values]:
    """The entries of a read, in order. FormatError."""
    carried = []
    for value in read.values:
        left_out = value.register_class not in CLASSES or value.occurrence != 1
        if left_out or value.value is None:
            tally.warn(book.warning("registers"), f"{value.register_class} {value.unit}")
            continue
        try:
            code, _ = unit_code(value.unit, value.flow, book.codes)
        except FormatError as error:
            if not book.options["skip_registers"]:
                raise error.at(where=f"{value.register_class} {value.unit}") from None
            tally.warn(book.warning("units"), f"{value.unit} {value.flow}")
            continue
        carried.append((value, code))
    used = {value.number for value, _ in carried}
    free = (number for number in NUMBERS if number not in used)
    numbered = [
        (next(free) if value.number is None else value.number, value, code)
        for value, code in carried
    ]
    numbered.sort(key=lambda entry: (entry[0], *_rank(entry[1])))
    if len(numbered) > MOST:
        raise book.refusal("records", what=f"{len(numbered)} register entries")
    return [_register(*entry, read, meter.span, book, tally) for entry in numbered]


def reading_check(amount: Decimal) -> None:
    """FMT09, FMT10 for a reading that is negative or no number."""
    if not amount.is_finite():
        raise refusal("FMT10")
    if amount < 0:
        raise refusal("FMT09", value=amount)


def _rank(value: RegisterValue) -> tuple[int, int]:
    return RATES.index(value.rate), CLASS_ORDER.index(value.register_class)


def _register(
    number: int,
    value: RegisterValue,
    code: str,
    read: RegisterRead,
    span: Span,
    book: Book,
    tally: Tally,
) -> Values:
    amount = product(value.value or Decimal(0), open_multiplier(value))
    try:
        reading_check(amount)
    except FormatError as error:
        raise error.at(where=f"register {number}") from None
    time = value.peak_time if value.register_class == "MAX" else read.time
    return {
        "number": number,
        "unit": code,
        "rate": str(RATES.index(value.rate)),
        "class": CLASSES[value.register_class],
        "quality": words_of(value.status & ~1, "OR")[0],
        "reading": amount,
        "time": None if time is None else cut_minute(time, span.offset, book, tally),
        "multiplier": ONE if value.multiplier is None else value.multiplier,
    }


def cut_minute(time: datetime, offset: int, book: Book, tally: Tally) -> int:
    """A register's time in local seconds, cut to the minute with a warning."""
    seconds = time.timestamp()
    if seconds % MINUTE:
        tally.warn(book.warning("seconds"), time.isoformat())
    return int(seconds) // MINUTE * MINUTE + offset


# --- events -------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """An event entry, in the order of entries. `time` in local seconds."""

    time: int
    channel: int
    code: int
    argument: int


def events_of(frame: Frame, devices: Sequence[int], book: Book) -> Iterator[tuple[Event, int]]:
    """The device events of the period, with their codes; 0 for those that have none."""
    if not frame.events or not book.options["events"]:
        return
    for device in devices:
        for event in frame.events.get(device, ()):
            if event.time is not None and book.start <= event.time.timestamp() < book.end:
                tamper = TAMPER_EVENT if event.category == "TAMP" else 0
                yield event, EVENT_CODES.get(event.code, tamper)


def event_entries(frame: Frame, meter: Meter, gaps: Gaps, book: Book, tally: Tally) -> list[Entry]:
    """Device events and runs of missing intervals, in order."""
    span, found = meter.span, []
    for event, code in events_of(frame, meter.devices, book):
        if code and event.time is not None:
            time = int(event.time.timestamp()) + span.offset
            found.append(Entry(time, 0, code, max(0, event.duration or 0)))
        else:
            tally.warn(book.warning("events"), event.code)
    for channel, runs in gaps.items():
        for place, size in runs:
            time = span.start + (place + 1) * span.seconds + span.offset
            found.append(Entry(time, channel, MISSING_EVENT, size * span.seconds))
    if len(found) > MOST:
        raise book.refusal("records", what=f"{len(found)} event entries")
    return sorted(found)


# --- records ------------------------------------------------------------------------------------


def _records(key: bytes, entries: Sequence[bytes], template: bytes) -> bytes:
    """Entries in records of as many as go into one."""
    many = CELLS_SIZE // len(entries[0]) if entries else 1
    bodies = [b"".join(entries[at : at + many]) for at in range(0, len(entries), many)]
    return b"".join([template % (key, body.ljust(CELLS_SIZE, b"\0")) for body in bodies])


def register_records(key: bytes, entries: Sequence[Values]) -> bytes:
    """Records of code 20."""
    return _records(key, list(map(REGISTER.put, entries)), REGISTERS_TEMPLATE)


def event_records(key: bytes, entries: Sequence[Entry]) -> bytes:
    """Records of code 30."""
    return _records(key, list(map(_event_bytes, entries)), EVENTS_TEMPLATE)


@lru_cache(maxsize=1 << 16)
def _event_bytes(entry: Entry) -> bytes:
    """An event entry; the same gap stands at many meters."""
    return EVENT.put(entry._asdict())
