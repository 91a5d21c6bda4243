"""The reader of HHF-X1: what its records say of meters, channels, registers and events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import ClassVar

from devices.readings import (
    Channel,
    DeviceInfo,
    Event,
    RegisterRead,
    RegisterValue,
    instant,
)
from exports.formats.hhf.parse import (
    FileHeader,
    Header,
    Instant,
    MeterHeader,
    Parser,
    channel_readings,
    entries_of,
    event_read,
    file_header,
    reads_of,
    register_read,
    times_of,
)
from exports.formats.hhf.tables import EVENT, HHR_ERRORS, HHR_WARNINGS, REGISTER
from exports.formats.kinds import HOUR
from exports.formats.records216.gather import Draft
from exports.formats.records216.layouts import A_RECORD, CHANNEL, EVENTS, METER, REGISTERS
from exports.formats.records216.reading import KEY_BYTES, NUMBERS, FileReader, Meter, RecordError
from exports.formats.records216.scan import PULSES, FileError, Wanted
from exports.formats.records216.units import ONE, SECONDS

SINGLES = ("Y", "Y")
WHY = {
    "large": "over 2 GiB",
    "size": "{size} bytes are no multiple of 216",
    "length": "length word {length}, not 216{hint}",
    "signature": "no signature HHFX0001",
}


@dataclass(slots=True)
class Contents:
    """What the records of one meter say; `counts` of channels and entries by record code."""

    header: MeterHeader
    known: Sequence[Channel]
    drafts: list[Draft] = field(default_factory=list)
    borders: list[RegisterRead] = field(default_factory=list)
    registers: list[tuple[RegisterValue, datetime | None]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)


@dataclass(slots=True)
class Reader(FileReader):
    head = METER
    codes = frozenset((METER, CHANNEL, REGISTERS, EVENTS))
    texts: ClassVar = HHR_ERRORS | HHR_WARNINGS
    error_codes: ClassVar = {
        "orphan": "HHR03",
        "broken": "HHR05",
        "strange": "HHR06",
        "rounded": "HHR12",
        "huge": "HHR13",
    }
    warning_codes: ClassVar = {
        "count": "HHR50",
        "no_trailer": "HHR51",
        "past_trailer": "HHR52",
        "no_number": "HHR55",
        "held": "HHR57",
        "stray_bits": "HHR58",
        "rounded": "HHR59",
    }

    file: FileHeader = field(init=False)
    parser: Parser = field(init=False)
    instant: Instant = field(init=False)

    def begin(self) -> None:
        header = file_header(self.records.raw(0)) if self.records.codes[0] == 1 else None
        if header is None:
            raise FileError("signature")
        self.file = header
        zone = self.options["zone"] or "UTC"
        self.parser = Parser(self.units)
        self.instant = times_of(header, zone)
        if header.daylight:
            self.warn(0, "HHR60", zone=zone)

    def refuse_file(self, error: FileError) -> None:
        why = WHY[error.about].format(**error.words)
        self.error(error.record, RecordError("HHR01", why=why))

    def end(self, meters: int) -> None:
        if meters != self.file.meters:
            self.warn(0, "HHR50", field="meters", stated=self.file.meters, count=meters)

    def unknown(self, place: int) -> None:
        if place:  # the first record is the file's own
            self.warn(place, "HHR53", code=int(self.records.codes[place]))

    # --- meters ---------------------------------------------------------------------------------
    def meter(self, low: int, high: int) -> Meter | None:
        """None if its header cannot be read."""
        head = int(self.counted.places[low])
        try:
            header = self.parser.meter(self.records.raw(head))
            received = instant(self.instant(header.read_time))
        except RecordError as error:
            self.error(head, error)
            return None
        known = self.inventory(header.device) if self.inventory else None
        contents = Contents(header, known or ())
        marks = self.marks_of(low, high)
        self._orphans(low + 1, marks[0] if marks else high)
        for start, stop in pairwise([*marks, high]):
            try:
                self._record(contents, start, stop)
            except RecordError as error:
                self.error(int(self.counted.places[start]), error)
        self._check_counts(head, contents)
        first = len(self.drafts)
        self.drafts.extend(contents.drafts)
        device = DeviceInfo(header.device, serial_number=header.serial, time_zone=self._zone())
        reads = reads_of(contents.registers, header, received)
        drafts = list(range(first, len(self.drafts)))
        return Meter(device, drafts, (*contents.borders, *reads), tuple(contents.events))

    def _zone(self) -> str:
        """The file's fixed offset as a zone's name, where there is one; the name is lost."""
        hours, rest = divmod(self.file.offset, HOUR)
        if rest or not -12 <= hours <= 14:
            return "UTC"
        return f"Etc/GMT{-hours:+}"

    def _orphans(self, low: int, high: int) -> None:
        for place in self.counted.places[low:high].tolist():
            self.orphan(place)

    def _check_counts(self, place: int, contents: Contents) -> None:
        for code, name in ((CHANNEL, "channels"), (REGISTERS, "registers"), (EVENTS, "events")):
            stated, count = getattr(contents.header, name), contents.counts[code]
            if stated != count:
                self.warn(place, "HHR50", field=name, stated=stated, count=count)

    def _record(self, contents: Contents, start: int, stop: int) -> None:
        """A record with the interval records after it. RecordError."""
        place, code = int(self.counted.places[start]), int(self.counted.codes[start])
        raw = self.records.raw(place)
        own = raw[KEY_BYTES].rstrip(b" \0").decode("latin-1")
        if own != contents.header.device:
            raise RecordError("HHR04", value=own, wanted=contents.header.device)
        if code == CHANNEL:
            contents.counts[CHANNEL] += 1
            contents.drafts.append(self._channel(contents, raw, start, stop))
            return
        self._orphans(start + 1, stop)
        entries = entries_of(raw, REGISTER if code == REGISTERS else EVENT)
        contents.counts[code] += len(entries)
        for entry in entries:
            if code == REGISTERS:
                value, local = register_read(entry, self.units)
                when = None if local is None else instant(self.instant(local))
                contents.registers.append((value, when))
            elif (found := event_read(entry)) is not None:
                event, second, duration = found
                time = instant(self.instant(second))
                contents.events.append(Event(event, time, duration=duration))

    # --- channels -------------------------------------------------------------------------------
    def _channel(self, contents: Contents, raw: bytes, start: int, stop: int) -> Draft:
        place = int(self.counted.places[start])
        header = self.parser.channel(raw)
        if contents.header.per_hour not in SECONDS:
            raise RecordError("HHR09", per_hour=contents.header.per_hour)
        seconds = SECONDS[contents.header.per_hour]
        begin, end = self.instant(header.start), self.instant(header.stop)
        cells, rest = divmod(end - begin, seconds)
        if rest or cells < 1 or cells != header.cells:
            raise RecordError("HHR07", count=header.cells, cells=cells)
        self.sequence_check(start, stop)
        if cells > (stop - start - 1) * A_RECORD:
            raise RecordError("HHR08", count=cells, cells=(stop - start - 1) * A_RECORD)
        taken = {draft.channel.number for draft in contents.drafts}
        if header.number not in NUMBERS or header.number in taken:
            raise RecordError("HHR10", number=header.number)
        registers = self._borders(contents, raw, header, begin, end)
        if header.zero_stop:
            self.warn(place, "HHR54")
        if not header.agrees:
            self.warn(place, "HHR56", letter=header.letter, flow=header.flow)
        quantity = (header.number, header.unit, header.flow, seconds)
        value_type, resolution = self.resolve(quantity, None, contents.known)
        shape = (*quantity, value_type, resolution or ONE, header.multiplier, True)
        form = SINGLES if header.pulse is None else PULSES
        return Draft(
            Channel(*shape),
            resolution is not None,
            Wanted(self.counted.places[start + 1 : stop], form, cells),
            begin,
            registers,
            header.pulse,
            partial(self.cell_warn, place),
            partial(self.cell_error, place),
        )

    def _borders(
        self, contents: Contents, raw: bytes, header: Header, begin: int, end: int
    ) -> tuple[Decimal | None, Decimal | None]:
        """Start and stop reading; one of another minute than the border's is a read of its own."""
        found: list[Decimal | None] = []
        for reading, border in zip(channel_readings(raw), (begin, end), strict=True):
            time = border if reading is None or reading.time is None else self.instant(reading.time)
            value = None if reading is None else reading.value
            found.append(value if time == border else None)
            if time != border:
                total = RegisterValue("SUM", header.unit, header.flow, value=value)
                contents.borders.append(RegisterRead(instant(time), "CUR", (total,)))
        return found[0], found[1]
