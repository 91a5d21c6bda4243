"""The reader of MV-90: what its headers say of meters and channels (section 7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, ClassVar

from devices.readings import Channel, DeviceInfo
from exports.formats.mv90.parse import Header, MeterHeader, Parser, Registers
from exports.formats.mv90.tables import MDR_ERRORS, MDR_WARNINGS
from exports.formats.records216.book import IDENTIFIERS
from exports.formats.records216.gather import Draft
from exports.formats.records216.layouts import CHANNEL, HEADER
from exports.formats.records216.reading import (
    KEY_BYTES,
    NUMBERS,
    FileReader,
    Meter,
    RecordError,
)
from exports.formats.records216.scan import FileError, Wanted, cells_a_record

MOST_ABSENT = 50_000  # intervals of a channel without a cell; more is a broken header


@dataclass(slots=True)
class Reader(FileReader):
    head = HEADER
    codes = frozenset((HEADER, CHANNEL))
    texts: ClassVar = MDR_ERRORS | MDR_WARNINGS
    error_codes: ClassVar = {
        "large": "RD02",
        "size": "MDR01",
        "length": "MDR02",
        "first": "MDR03",
        "unknown": "MDR04",
        "orphan": "MDR05",
        "broken": "MDR08",
        "strange": "MDR17",
        "rounded": "MDR14",
        "huge": "MDR15",
    }
    warning_codes: ClassVar = {
        "count": "MDR50",
        "no_trailer": "MDR51",
        "past_trailer": "MDR52",
        "no_number": "MDR57",
        "no_fill": "MDR58",
        "fewer": "MDR59",
        "held": "MDR61",
        "stray_bits": "MDR62",
        "rounded": "MDR63",
    }

    parser: Parser = field(init=False)

    def begin(self) -> None:
        if self.records.codes[0] != HEADER:
            raise FileError("first", code=int(self.records.codes[0]))
        self.parser = Parser(self.options["zone"] or "UTC", self.units)

    def end(self, meters: int) -> None:
        """The file does not say how many meters it holds."""

    def meter(self, low: int, high: int) -> Meter | None:
        """A meter's records; None if its header cannot be read."""
        head = int(self.counted.places[low])
        raw = self.records.raw(head)
        try:
            header = self.parser.meter(raw)
        except RecordError as error:
            self.error(head, error)
            return None
        starts = self.marks_of(low, high)
        if len(starts) != header.CM_LOGCHANS:
            words = {"stated": header.CM_LOGCHANS, "count": len(starts)}
            self.warn(head, "MDR50", field="CM_LOGCHANS", **words)
        for place in self.counted.places[low + 1 : starts[0] if starts else high].tolist():
            self.orphan(place)
        found = []
        for start, stop in pairwise([*starts, high]):
            try:
                found.append((*self._channel(header, raw[KEY_BYTES], start, stop), start, stop))
            except RecordError as error:
                self.error(int(self.counted.places[start]), error)
        attribute = IDENTIFIERS[self.options["custid"]]
        names: dict[str, Any] = {"account_id": header.CM_ACCOUNT, attribute: header.CM_CUSTID}
        drafts = list(self._drafts(header.CM_CUSTID, found))
        before = len(self.drafts)
        self.drafts.extend(drafts)
        return Meter(DeviceInfo("")._replace(**names), list(range(before, len(self.drafts))))

    def _channel(
        self, meter: MeterHeader, key: bytes, start: int, stop: int
    ) -> tuple[Header, Registers]:
        """A channel's header and readings, its interval records looked at. RecordError."""
        place = int(self.counted.places[start])
        raw = self.records.raw(place)
        own = raw[KEY_BYTES]
        if own.rstrip(b" \0") != key.rstrip(b" \0"):
            words = {"value": own.decode("latin-1"), "wanted": meter.CM_CUSTID}
            raise RecordError("MDR07", field="DC_CUSTID", **words)
        if meter.DST_FLAG == "Y" and self.options["dst_flag_y"] == "refuse":
            raise RecordError("MDR13")
        header = self.parser.channel(raw, meter.DST_FLAG == "Y")
        registers = self.parser.channel_readings(raw)
        self.sequence_check(start, stop)
        there = (stop - start - 1) * cells_a_record(header.form)
        if header.cells - there > MOST_ABSENT:
            raise RecordError("MDR18", cells=header.cells, there=there)
        if header.first != meter.TA_START or header.last != meter.TA_STOP:
            self.warn(place, "MDR54", field="TA_START or TA_STOP")
        if header.zero_stop:
            self.warn(place, "MDR56")
        if not header.agrees:
            self.warn(place, "MDR60", letter=header.letter, flow=header.flow)
        return header, registers

    def _drafts(
        self, meter: str, found: Sequence[tuple[Header, Registers, int, int]]
    ) -> Iterator[Draft]:
        """Channels by their numbers; one without a number of its own is an error."""
        known = (self.inventory(meter) if self.inventory else None) or ()
        taken: set[int] = set()
        for header, registers, start, stop in found:
            place = int(self.counted.places[start])
            number = header.logical
            if header.physical != header.logical:
                words = {"physical": header.physical, "logical": header.logical}
                self.warn(place, "MDR53", **words)
            if number in taken:
                others = [one for one, _, other, _ in found if other != start]
                if not _is_free(header.physical, others, taken):
                    self.error(place, RecordError("MDR11", number=header.logical))
                    continue
                number = header.physical
                self.warn(place, "MDR55", number=number)
            if number not in NUMBERS:
                self.error(place, RecordError("MDR16", number=number))
                continue
            taken.add(number)
            channel, resolved = self._resolve(header, number, known)
            wanted = Wanted(self.counted.places[start + 1 : stop], header.form, header.cells)
            yield Draft(
                *(channel, resolved, wanted, header.start, registers, None),
                partial(self.cell_warn, place),
                partial(self.cell_error, place),
            )

    def _resolve(
        self, header: Header, number: int, known: Sequence[Channel]
    ) -> tuple[Channel, bool]:
        """The channel, and whether its resolution is known."""
        key = (header, number)
        if not known and key in self.resolved:
            return self.resolved[key]
        quantity = (number, header.unit, header.flow, header.seconds)
        value_type, resolution = self.resolve(quantity, header.usage, known)
        applied = bool(self.options["multiplier_applied"])
        shape = (*quantity, value_type, resolution or Decimal(1), header.multiplier, applied)
        result = Channel(*shape), resolution is not None
        if not known:
            self.resolved[key] = result
        return result


def _is_free(number: int, others: Sequence[Header], taken: set[int]) -> bool:
    """No other channel has the number, as its logical or as its physical one."""
    return number not in taken.union(*((one.logical, one.physical) for one in others))
