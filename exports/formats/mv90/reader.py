"""The reader: meters of a file in batches, their headers one by one, their cells all at once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from devices.readings import Channel, DeviceInfo, Ints, MeterData
from exports.formats.base import Inventory
from exports.formats.issues import ReadReport
from exports.formats.mv90.parse import Header, MeterHeader, Parser, RecordError, Registers
from exports.formats.mv90.tables import MDR_WARNINGS
from exports.formats.records216.gather import Draft, Gatherer
from exports.formats.records216.layouts import (
    CHANNEL,
    FIRST_INTERVALS,
    HEADER,
    INTERVALS,
    LAST_INTERVALS,
    LENGTH,
    TRAILER,
    TRAILER_CODE,
)
from exports.formats.records216.scan import FileError, Records, Wanted, records_of
from exports.formats.records216.units import UnitReader, resolutions

KEY = INTERVALS.field("device")
KEY_BYTES = slice(KEY.start, KEY.start + KEY.size)
BATCH = 2048  # records whose cells are in memory at once, about
NUMBERS = range(1, 1000)
FILE_ERRORS = {"large": "RD02", "size": "MDR01", "length": "MDR02", "first": "MDR03"}
# What cells may be, by the names of scan.py and gather.py.
CELL_WARNINGS = {
    "no_number": "MDR57",
    "no_fill": "MDR58",
    "fewer": "MDR59",
    "held": "MDR61",
    "stray_bits": "MDR62",
    "rounded": "MDR63",
}
CELL_ERRORS = {"rounded": "MDR14", "huge": "MDR15"}


class Meter(NamedTuple):
    """A meter's device and its channels, as places among the drafts of the batch."""

    device: DeviceInfo
    drafts: list[int]


class Counted(NamedTuple):
    """The records that count, in order: places in the file, codes, and sums up to each of what
    is wrong with interval records: a code out of sequence, another key than the record before."""

    places: Ints
    codes: Ints
    broken: Ints
    strange: Ints

    @classmethod
    def of(cls, records: Records, places: Ints) -> Counted:
        codes = records.codes[places].astype(np.int64)
        intervals = (codes >= FIRST_INTERVALS) & (codes <= LAST_INTERVALS)
        before = np.concatenate(([0], codes[:-1]))
        first = (before == CHANNEL) & (codes == FIRST_INTERVALS)
        broken = intervals & ~first & (codes != before + 1)
        keys = np.ascontiguousarray(records.table[places, KEY_BYTES]).view(f"V{KEY.size}")[:, 0]
        strange = np.concatenate(([False], keys[1:] != keys[:-1])) & intervals
        sums = (np.concatenate(([0], np.cumsum(wrong))) for wrong in (broken, strange))
        return cls(places, codes, *sums)


@dataclass(slots=True)
class Reader:
    """One file on its way in. `attribute`: of a device, that CM_CUSTID is."""

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    attribute: str
    parser: Parser = field(init=False)
    resolutions: dict[tuple[str, str], Decimal] = field(init=False)
    records: Records = field(init=False)
    counted: Counted = field(init=False)
    channels: list[int] = field(init=False)  # where channel headers stand among those that count
    drafts: list[Draft] = field(default_factory=list)
    resolved: dict[tuple[Header, int], tuple[Channel, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        zone = self.options["zone"] or "UTC"
        self.parser = Parser(self.options, zone, UnitReader(self.options))
        self.resolutions = resolutions(self.options["resolutions"])

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's meters in its order; one without a good channel is given without any."""
        try:
            self.records = records_of(stream)
            if self.records.codes[0] != HEADER:
                raise FileError("first", code=int(self.records.codes[0]))
        except FileError as error:
            self._refuse_file(error)
            return
        self.report.records = len(self.records.codes)
        codes = self.records.codes[: self._trailer()]
        known = (codes == HEADER) | (codes == CHANNEL)
        known |= (codes >= FIRST_INTERVALS) & (codes <= LAST_INTERVALS)
        for place in np.flatnonzero(~known).tolist():
            self._error(place, RecordError("MDR04", code=int(codes[place])))
        self.counted = Counted.of(self.records, np.flatnonzero(known))
        self.channels = np.flatnonzero(self.counted.codes == CHANNEL).tolist()
        heads = np.flatnonzero(self.counted.codes == HEADER).tolist()
        waiting: list[Meter] = []
        begun = 0
        for low, high in pairwise([*heads, len(self.counted.codes)]):
            meter = self._meter(low, high)
            if meter is not None:
                waiting.append(meter)
            if high - begun >= BATCH or high == len(self.counted.codes):
                yield from self._finish(waiting)
                waiting, begun = [], high

    # --- notes ----------------------------------------------------------------------------------
    def _error(self, place: int, error: RecordError) -> None:
        record, offset = place + 1, place * LENGTH
        self.report.error(error.code, error.message, record=record, offset=offset)

    def _warn(self, place: int, code: str, **words: object) -> None:
        text = MDR_WARNINGS[code].format(**words)
        self.report.warn(code, text, record=place + 1, offset=place * LENGTH)

    def _cell_error(self, place: int, about: str, **words: object) -> None:
        self._error(place, RecordError(CELL_ERRORS[about], **words))

    def _cell_warn(self, place: int, about: str, **words: object) -> None:
        self._warn(place, CELL_WARNINGS[about], **words)

    def _refuse_file(self, error: FileError) -> None:
        if error.about == "large":
            self.report.error("RD02", "file over 2 GiB", record=1, offset=0)
        else:
            self._error(error.record, RecordError(FILE_ERRORS[error.about], **error.words))

    # --- records --------------------------------------------------------------------------------
    def _trailer(self) -> int:
        """How many records count; says what is wrong with the trailer."""
        found = np.flatnonzero(self.records.codes == TRAILER_CODE)
        total = len(self.records.codes)
        if not len(found):
            self._warn(total - 1, "MDR51")
            return total
        place = int(found[0])
        count = TRAILER.field("records")
        raw = self.records.raw(place)
        try:
            stated = count.get(raw)
        except ValueError:
            stated = repr(count.raw(raw).decode("latin-1"))
        if stated != place + 1:
            self._warn(place, "MDR50", field="TOT_REC", stated=stated, count=place + 1)
        if place + 1 < total:
            self._warn(place + 1, "MDR52")
        return place

    def _meter(self, low: int, high: int) -> Meter | None:
        """A meter's records; None if its header cannot be read."""
        head = int(self.counted.places[low])
        raw = self.records.raw(head)
        try:
            header = self.parser.meter(raw)
        except RecordError as error:
            self._error(head, error)
            return None
        channels = self.channels
        first, past = bisect_left(channels, low), bisect_left(channels, high)
        starts = channels[first:past]
        if len(starts) != header.CM_LOGCHANS:
            words = {"stated": header.CM_LOGCHANS, "count": len(starts)}
            self._warn(head, "MDR50", field="CM_LOGCHANS", **words)
        for place in self.counted.places[low + 1 : starts[0] if starts else high].tolist():
            self._error(place, RecordError("MDR05"))
        found = []
        for start, stop in pairwise([*starts, high]):
            try:
                found.append((*self._channel(header, raw[KEY_BYTES], start, stop), start, stop))
            except RecordError as error:
                self._error(int(self.counted.places[start]), error)
        names: dict[str, Any] = {"account_id": header.CM_ACCOUNT, self.attribute: header.CM_CUSTID}
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
        if self.counted.broken[stop] > self.counted.broken[start + 1]:
            raise RecordError("MDR08")
        if self.counted.strange[stop] > self.counted.strange[start + 1]:
            words = {"value": "another", "wanted": meter.CM_CUSTID}
            raise RecordError("MDR07", field="CUSTID of an interval record", **words)
        if header.first != meter.TA_START or header.last != meter.TA_STOP:
            self._warn(place, "MDR54", field="TA_START or TA_STOP")
        if header.zero_stop:
            self._warn(place, "MDR56")
        if not header.agrees:
            self._warn(place, "MDR60", letter=header.letter, flow=header.flow)
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
                self._warn(place, "MDR53", **words)
            if number in taken:
                others = [one for one, _, other, _ in found if other != start]
                if not _is_free(header.physical, others, taken):
                    self._error(place, RecordError("MDR11", number=header.logical))
                    continue
                number = header.physical
                self._warn(place, "MDR55", number=number)
            if number not in NUMBERS:
                self._error(place, RecordError("MDR16", number=number))
                continue
            taken.add(number)
            channel, resolved = self._resolve(header, number, known)
            wanted = Wanted(self.counted.places[start + 1 : stop], header.form, header.cells)
            yield Draft(
                *(channel, resolved, wanted, header.start, registers, None),
                partial(self._cell_warn, place),
                partial(self._cell_error, place),
            )

    def _resolve(
        self, header: Header, number: int, known: Sequence[Channel]
    ) -> tuple[Channel, bool]:
        """The channel, and whether its resolution is known: from the inventory, or an option."""
        key = (header, number)
        if not known and key in self.resolved:
            return self.resolved[key]
        quantity = (number, header.unit, header.flow, header.seconds)
        held = next((one for one in reversed(known) if one[:4] == quantity), None)
        value_type = "U" if header.usage else "D"
        if held is not None:
            resolution: Decimal | None = held.resolution
            if (held.value_type == "U") == header.usage:
                value_type = held.value_type  # V and P are written as D
        else:
            keys = ((header.unit, header.flow), ("", ""))
            resolution = next((r for k in keys if (r := self.resolutions.get(k))), None)
        applied = bool(self.options["multiplier_applied"])
        shape = (*quantity, value_type, resolution or Decimal(1), header.multiplier, applied)
        result = Channel(*shape), resolution is not None
        if not known:
            self.resolved[key] = result
        return result

    def _finish(self, meters: Sequence[Meter]) -> Iterator[MeterData]:
        """The batch's meters with their series."""
        made = Gatherer(self.records, self.drafts, self.options["round_cells"]).series()
        self.drafts = []
        for meter in meters:
            series = tuple(one for place in meter.drafts if (one := made[place]) is not None)
            yield MeterData(meter.device, series)


def _is_free(number: int, others: Sequence[Header], taken: set[int]) -> bool:
    """No other channel has the number, as its logical or as its physical one."""
    return number not in taken.union(*((one.logical, one.physical) for one in others))
