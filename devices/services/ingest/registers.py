"""Register reads of a batch: their words, widths and times; readings that came with intervals."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal

from devices import readings
from devices.batchform import Meter, Registers, RegisterValue as Posted
from devices.readings import (
    FLOWS,
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    SOURCES,
    UNITS,
    RegisterRead,
    RegisterValue,
    Status,
    status_conflict,
    status_parse,
)
from devices.services.ingest.layout import AHEAD, Places
from devices.services.ingest.numbers import Slots
from devices.services.ingest.problems import Faults

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
NO_PEAK_BEFORE = datetime(1970, 1, 2, tzinfo=UTC)  # 1969-12-31 and 1970-01-01 say "none"
WHOLE_DIGITS, DECIMALS = 15, 9  # of a value that is kept
TEXT_WIDTHS = {"id": 64, "status_word": 32}
Fault = tuple[str, str, str]  # member, code, message
ReadKey = tuple[int, str, datetime]  # device, read type, time
ValueKey = tuple[str, str, str, str, int]


@dataclass(frozen=True, slots=True)
class Desk:
    """What holds for all reads of a batch."""

    source: str  # two-letter code
    now: datetime
    faults: Faults

    def reads(self, index: int, meter: Meter) -> list[RegisterRead]:
        """The reads of a meter; what is wrong with them is noted."""
        found = []
        for place, read in enumerate(meter.registers):
            wrong = list(_read_faults(read, self.now))
            values = []
            for number, value in enumerate(read.values):
                for member, code, message in _value_faults(value, self.now):
                    wrong.append((f"values[{number}].{member}", code, message))
                if not wrong:
                    values.append(self._value(value))
            if not wrong:
                wrong = list(_twice(values))
            if not wrong:
                found.append(self._read(read, values))
            for member, code, message in wrong:
                self.faults.add(
                    *(index, f"registers[{place}].{member}", code),
                    f"{meter.name} {read.time.isoformat()}: {message}",
                )
        return found

    def _read(self, read: Registers, values: Sequence[RegisterValue]) -> RegisterRead:
        return RegisterRead(
            time=read.time,
            read_type=read.type,
            values=tuple(values),
            season=read.season,
            reset_count=read.reset_count,
            reset_time=read.reset_time,
            status_word=read.status_word,
            source=SOURCES[read.source] if read.source else self.source,
            received=self.now,
            read_id=read.id,
        )

    def _value(self, value: Posted) -> RegisterValue:
        status = status_parse(value.status)
        if value.value is None:
            status |= Status.MISSING
        elif self.source == "ED" and not status & Status.ESTIMATED:
            status |= Status.EDITED
        peak = value.peak_time
        return RegisterValue(
            register_class=value.register_class,
            unit=value.uom,
            flow=value.flow,
            rate=value.rate,
            value=value.value,
            number=value.no,
            occurrence=value.occurrence,
            peak_time=None if peak is None or peak < NO_PEAK_BEFORE else peak,
            multiplier=value.multiplier,
            multiplier_applied=value.multiplier_applied,
            dials=value.dials,
            decimals=value.decimals,
            status=int(status),
            source=SOURCES[value.source] if value.source else "",
        )


# --- checks -------------------------------------------------------------------------------------


def time_faults(member: str, time: datetime | None, now: datetime) -> Iterator[Fault]:
    """What is wrong with a time that a meter gives."""
    if time is None:
        return
    if time.microsecond:
        yield member, "FRACTION", f"{member} {time.isoformat()} has a fraction of a second"
    if not EARLIEST <= time <= now + AHEAD:
        yield (
            *(member, "IMPLAUSIBLE_TIME"),
            f"{member} {time.isoformat()} is not within 2000 and a day from now; check the clock",
        )


def _word_fault(member: str, word: str, words: Sequence[str], code: str) -> Iterator[Fault]:
    if word not in words:
        yield member, code, f"{member} “{word[:20]}” is none of {', '.join(words)}"


def _text_faults(member: str, text: str) -> Iterator[Fault]:
    width = TEXT_WIDTHS[member]
    if len(text) > width or not (text.isascii() and (text.isprintable())):
        message = f"{member} “{text[:20]}…”: at most {width} printable ASCII characters"
        yield member, "TOO_LONG", message


def _number_faults(member: str, value: Decimal | None, decimals: int) -> Iterator[Fault]:
    if value is None:
        return
    if not value.is_finite():
        yield member, "NOT_FINITE", f"{member} {value} is not a finite number"
    elif value and value.adjusted() >= WHOLE_DIGITS:
        yield member, "OVERFLOW", f"{member} {str(value)[:40]} has over {WHOLE_DIGITS} digits"
    elif _exponent(value) < -decimals:
        yield member, "TOO_FINE", f"{member} {str(value)[:40]} has over {decimals} decimals"


def _exponent(value: Decimal) -> int:
    """That of the last digit that is not 0."""
    _, digits, exponent = value.as_tuple()
    for digit in reversed(digits):
        if digit or not value:
            break
        exponent = int(exponent) + 1
    return int(exponent) if value else 0


def _read_faults(read: Registers, now: datetime) -> Iterator[Fault]:
    yield from time_faults("time", read.time, now)
    yield from time_faults("reset_time", read.reset_time, now)
    yield from _word_fault("type", read.type, tuple(READ_TYPES), "UNKNOWN_WORD")
    yield from _word_fault("source", read.source, ("", *SOURCES), "UNKNOWN_SOURCE")
    for member in TEXT_WIDTHS:
        yield from _text_faults(member, getattr(read, member))
    if not read.values:
        yield "values", "NO_VALUES", "no values; leave the read out"


def _value_faults(value: Posted, now: datetime) -> Iterator[Fault]:
    yield from _word_fault("class", value.register_class, tuple(REGISTER_CLASSES), "UNKNOWN_WORD")
    yield from _word_fault("rate", value.rate, RATES, "UNKNOWN_WORD")
    yield from _word_fault("source", value.source, ("", *SOURCES), "UNKNOWN_SOURCE")
    yield from _word_fault("uom", value.uom, tuple(UNITS), "UNKNOWN_UNIT")
    yield from _word_fault("flow", value.flow, tuple(FLOWS), "UNKNOWN_FLOW")
    if value.flow != "DEL" and value.uom in UNITS and not UNITS[value.uom].directed:
        yield "flow", "UNKNOWN_FLOW", f"flow {value.flow[:20]}: {value.uom} has no direction, DEL"
    yield from _number_faults("value", value.value, DECIMALS)
    yield from _number_faults("multiplier", value.multiplier, 4)
    if value.multiplier is not None and value.multiplier.is_finite() and value.multiplier <= 0:
        yield "multiplier", "OUT_OF_RANGE", f"multiplier {value.multiplier} is not above 0"
    if value.peak_time is not None and value.peak_time >= NO_PEAK_BEFORE:
        yield from time_faults("peak_time", value.peak_time, now)
    try:
        status = status_parse(value.status)
    except KeyError as unknown:
        yield "status", "UNKNOWN_STATUS", f"“{str(unknown.args[0])[:40]}” is no status"
        return
    null = value.value is None
    if why := status_conflict(status | (Status.MISSING if null else 0), null):
        yield "status", "STATUS_CONFLICT", f"status {value.status}: {why}"


def _twice(values: Sequence[RegisterValue]) -> Iterator[Fault]:
    seen: set[ValueKey] = set()
    for number, value in enumerate(values):
        if value.key in seen:
            message = f"register {' '.join(map(str, value.key))} is in the read twice"
            yield f"values[{number}]", "DUPLICATE_REGISTER", message
        seen.add(value.key)


# --- readings with intervals ----------------------------------------------------------------------


@dataclass(slots=True)
class Shelf:
    """All reads of a batch by their key, so that none is there twice."""

    reads: dict[ReadKey, RegisterRead] = field(default_factory=dict)

    def put(self, device: int, read: RegisterRead) -> RegisterValue | None:
        """Add a read, or its values to the one of that key; a value that is there otherwise."""
        key = (device, read.read_type, read.time)
        there = self.reads.get(key)
        if there is None:
            self.reads[key] = read
            return None
        values = {value.key: value for value in there.values}
        for value in read.values:
            other = values.setdefault(value.key, value)
            if other is not value and (other.value, other.status) != (value.value, value.status):
                return value
        self.reads[key] = replace(there, values=tuple(values.values()))
        return None


def reads_shelve(
    slots: Slots,
    places: Places,
    posted: dict[int, list[RegisterRead]],
    devices: dict[int, int],
    desk: Desk,
) -> list[tuple[int, RegisterRead]]:
    """All reads of good meters with their devices: posted ones, then start and end readings.

    `devices`: place in the batch → device. A reading that the batch has twice, differently, is
    noted and its meter left out.
    """
    numbered = [
        place
        for place, (_, _, block, *_) in enumerate(slots.runs)
        if block.start_register is not None or block.end_register is not None
    ]
    if not posted and not numbered:
        return []
    _interval_numbers_check(slots, numbered, desk.faults)
    while True:
        shelf = Shelf()
        clash = False
        for meter, path, read in [
            *_posted(posted),
            *_interval_reads(slots, numbered, places, desk),
        ]:
            if meter in desk.faults:
                continue
            if twice := shelf.put(devices[meter], read):
                clash = True
                message = f"register {' '.join(map(str, twice.key))} at {read.time.isoformat()}"
                message += " is in the batch twice, with different values"
                desk.faults.add(meter, path, "DUPLICATE_REGISTER", message)
        if not clash:  # else values of meters that are now left out may be on the shelf
            return [(key[0], read) for key, read in shelf.reads.items()]


Source = tuple[int, str, RegisterRead]


def _posted(posted: dict[int, list[RegisterRead]]) -> Iterator[Source]:
    for meter, reads in posted.items():
        for place, read in enumerate(reads):
            yield meter, f"registers[{place}]", read


def _interval_numbers_check(slots: Slots, numbered: list[int], faults: Faults) -> None:
    for run in map(slots.runs.__getitem__, numbered):
        for member in ("start_register", "end_register"):
            value: Decimal | None = getattr(run.block, member)
            for name, code, message in _number_faults(member, value, DECIMALS):
                faults.add(run.meter, f"intervals[{run.index}].{name}", code, message)


def _interval_reads(
    slots: Slots, numbered: list[int], places: Places, desk: Desk
) -> Iterator[Source]:
    """Start and end readings of runs, as SUM/T values of CUR reads."""
    for index in numbered:
        run, block = slots.runs[index], slots.runs[index].block
        for member, value, at in (
            ("start_register", block.start_register, run.start),
            ("end_register", block.end_register, int(places.ends[index])),
        ):
            if value is None or run.meter in desk.faults:
                continue
            register = RegisterValue(
                "SUM", run.channel.unit, run.channel.flow, value=value,
                status=int(Status.EDITED) if desk.source == "ED" else 0,
            )  # fmt: skip
            read = RegisterRead(
                readings.instant(at), "CUR", (register,), source=desk.source, received=desk.now
            )
            yield run.meter, f"intervals[{run.index}].{member}", read
