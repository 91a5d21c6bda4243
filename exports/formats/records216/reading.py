"""Reading a file of 216-byte records: its records in order, meters in batches, what is wrong.

The headers of a meter are read one by one, the cells of a batch of meters all at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from typing import Any, BinaryIO, ClassVar, NamedTuple, TypeVar

import numpy as np

from devices.longwork import collector_resting
from devices.readings import UNITS, Channel, DeviceInfo, Event, Ints, MeterData, RegisterRead
from exports.formats.base import Inventory
from exports.formats.issues import ReadReport
from exports.formats.records216.gather import Draft, Gatherer
from exports.formats.records216.layouts import (
    A_RECORD,
    CHANNEL,
    FIRST_INTERVALS,
    INTERVALS,
    LAST_INTERVALS,
    LENGTH,
    TRAILER,
    TRAILER_CODE,
)
from exports.formats.records216.scan import FileError, Records, records_of
from exports.formats.records216.units import UnitReader, resolutions

KEY = INTERVALS.field("device")
KEY_BYTES = slice(KEY.start, KEY.start + KEY.size)
BATCH = 2048  # records whose cells are in memory at once, about
NUMBERS = range(1, 1000)  # of channels
KEPT = 1 << 16  # headers remembered at most
K = TypeVar("K")
H = TypeVar("H")


class RecordError(Exception):
    """A record, or the channel that it heads, is refused; `words` fill the code's text."""

    def __init__(self, code: str, /, **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.words = words


def remembered(known: dict[K, H | RecordError], key: K, make: Callable[[], H]) -> H:
    """What `make` reads, done once for all headers of one key. RecordError, each time anew."""
    header = known.get(key)
    if header is None:
        try:
            header = make()
        except RecordError as error:
            header = error
        if len(known) < KEPT:
            known[key] = header
    if isinstance(header, RecordError):
        raise header
    return header


class Meter(NamedTuple):
    """A meter's device, its channels as places among the drafts of the batch, and the rest."""

    device: DeviceInfo
    drafts: list[int]
    reads: tuple[RegisterRead, ...] = ()
    events: tuple[Event, ...] = ()


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
class FileReader(ABC):
    """One file on its way in. Codes of what may be wrong, by what it is about:

    large, size, length, first; no_trailer, past_trailer, count, unknown, orphan; broken, strange;
    of cells those of scan.py and gather.py.
    """

    head: ClassVar[int]  # code of the record that begins a meter
    codes: ClassVar[frozenset[int]]  # of all records beside intervals and trailer
    texts: ClassVar[Mapping[str, str]]
    error_codes: ClassVar[Mapping[str, str]]
    warning_codes: ClassVar[Mapping[str, str]]

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    units: UnitReader = field(init=False)
    resolutions: dict[tuple[str, str], Decimal] = field(init=False)
    records: Records = field(init=False)
    counted: Counted = field(init=False)
    marks: list[int] = field(init=False)  # where those that are no interval records stand
    drafts: list[Draft] = field(default_factory=list)
    resolved: dict[tuple[Any, ...], tuple[Channel, bool]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.units = UnitReader(self.options)
        self.resolutions = resolutions(self.options["resolutions"])

    @abstractmethod
    def begin(self) -> None:
        """Looks at the file's first record. FileError if it is none of this format."""

    @abstractmethod
    def end(self, meters: int) -> None:
        """Compares what the file says of itself; `meters`: how many there are."""

    @abstractmethod
    def meter(self, low: int, high: int) -> Meter | None:
        """A meter from its records among those that count; its drafts are taken along."""

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's meters in its order; one without a good channel is given without any."""
        try:
            self.records = records_of(stream)
            self.begin()
        except FileError as error:
            self.refuse_file(error)
            return
        self.report.records = len(self.records.codes)
        codes = self.records.codes[: self._trailer()]
        known = np.isin(codes, list(self.codes)) | self.records.intervals()[: len(codes)]
        for place in np.flatnonzero(~known).tolist():
            self.unknown(place)
        self.counted = Counted.of(self.records, np.flatnonzero(known))
        own, total = self.counted.codes, len(self.counted.codes)
        self.marks = np.flatnonzero((own < FIRST_INTERVALS) | (own > LAST_INTERVALS)).tolist()
        heads = np.flatnonzero(own == self.head).tolist()
        for place in self.counted.places[: heads[0] if heads else total].tolist():
            self.orphan(place)
        self.end(len(heads))
        bounds = pairwise([*heads, total])
        high = 0
        while heads and high < total:
            with collector_resting():
                high, meters = self._batch(bounds, high)
            yield from meters

    def _batch(self, bounds: Iterator[tuple[int, int]], begun: int) -> tuple[int, list[MeterData]]:
        """The meters of some records, and where these end."""
        waiting: list[Meter] = []
        high, pending = begun, 0
        for low, high in bounds:
            meter = self.meter(low, high)
            if meter is not None:
                waiting.append(meter)
                pending += sum(self.drafts[place].wanted.cells for place in meter.drafts)
            if high - begun >= BATCH or pending >= BATCH * A_RECORD:
                break
        return high, list(self._finish(waiting))

    def _finish(self, meters: Sequence[Meter]) -> Iterator[MeterData]:
        """The batch's meters with their series."""
        made = Gatherer(self.records, self.drafts, self.options["round_cells"]).series()
        self.drafts = []
        for meter in meters:
            series = tuple(one for place in meter.drafts if (one := made[place]) is not None)
            yield MeterData(meter.device, series, meter.reads, meter.events)

    # --- notes ----------------------------------------------------------------------------------
    def error(self, place: int, error: RecordError) -> None:
        """Notes that a record of the file, counted from 0, is refused."""
        text = self.texts[error.code].format(**error.words)
        self.report.error(error.code, text, record=place + 1, offset=place * LENGTH)

    def warn(self, place: int, code: str, /, **words: object) -> None:
        """Notes something odd about a record that was accepted."""
        text = self.texts[code].format(**words)
        self.report.warn(code, text, record=place + 1, offset=place * LENGTH)

    def cell_error(self, place: int, about: str, **words: object) -> None:
        """Notes that a channel is refused for its cells."""
        self.error(place, RecordError(self.error_codes[about], **words))

    def cell_warn(self, place: int, about: str, **words: object) -> None:
        """Notes something odd about a channel's cells, if this format minds."""
        if about in self.warning_codes:
            self.warn(place, self.warning_codes[about], **words)

    def unknown(self, place: int) -> None:
        """A record of a code that the format does not know is skipped."""
        code = int(self.records.codes[place])
        self.error(place, RecordError(self.error_codes["unknown"], code=code))

    def orphan(self, place: int) -> None:
        """A record that has no header is refused."""
        self.error(place, RecordError(self.error_codes["orphan"]))

    def refuse_file(self, error: FileError) -> None:
        """Says why the file is none of this format."""
        self.error(error.record, RecordError(self.error_codes[error.about], **error.words))

    # --- records --------------------------------------------------------------------------------
    def marks_of(self, low: int, high: int) -> list[int]:
        """The marks after `low` and before `high`."""
        return self.marks[bisect_left(self.marks, low + 1) : bisect_left(self.marks, high)]

    def _trailer(self) -> int:
        """How many records count; says what is wrong with the trailer."""
        found = np.flatnonzero(self.records.codes == TRAILER_CODE)
        total = len(self.records.codes)
        if not len(found):
            self.warn(total - 1, self.warning_codes["no_trailer"])
            return total
        place = int(found[0])
        count = TRAILER.field("records")
        raw = self.records.raw(place)
        try:
            stated = count.get(raw)
        except ValueError:
            stated = repr(count.raw(raw).decode("latin-1"))
        if stated != place + 1:
            words = {"stated": stated, "count": place + 1}
            self.warn(place, self.warning_codes["count"], field="the trailer", **words)
        if place + 1 < total:
            self.warn(place + 1, self.warning_codes["past_trailer"])
        return place

    def sequence_check(self, start: int, stop: int) -> None:
        """The interval records of the channel headed by the record at `start`. RecordError."""
        if self.counted.broken[stop] > self.counted.broken[start + 1]:
            raise RecordError(self.error_codes["broken"])
        if self.counted.strange[stop] > self.counted.strange[start + 1]:
            raise RecordError(self.error_codes["strange"])

    def resolve(
        self, quantity: tuple[int, str, str, int], usage: bool | None, known: Sequence[Channel]
    ) -> tuple[str, Decimal | None]:
        """Value type and resolution of a channel (number, unit, flow, seconds): the inventory's,
        then the options' resolution. `usage` None: the file does not tell the value type."""
        held = next((one for one in reversed(known) if one[:4] == quantity), None)
        value_type = UNITS[quantity[1]].value_type if usage is None else "U" if usage else "D"
        if held is None:
            keys = (quantity[1:3], ("", ""))
            return value_type, next((r for k in keys if (r := self.resolutions.get(k))), None)
        if usage is None or (held.value_type == "U") == usage:
            value_type = held.value_type  # a letter stands for several types
        return value_type, held.resolution
