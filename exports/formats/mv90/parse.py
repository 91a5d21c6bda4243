"""Headers read: what channel headers say, remembered, since those of a file are much alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from exports.formats.binary import Pointed
from exports.formats.kinds import MINUTE
from exports.formats.mv90.tables import CHANNEL_HEADER, METER
from exports.formats.records216.reading import KEPT, RecordError, remembered
from exports.formats.records216.scan import Form, most_cells
from exports.formats.records216.units import SECONDS, UnitReader
from exports.formats.zones import local_instants, local_time, standard_offset, year_of

Registers = tuple[Decimal | None, Decimal | None]
READINGS = slice(CHANNEL_HEADER.field("STRTMTR").start, CHANNEL_HEADER.field("reserved_125").start)
TIMES = CHANNEL_HEADER.field("TA_START").start
STOP = CHANNEL_HEADER.field("TA_STOP")
CUSTID, ACCOUNT = METER.field("CM_CUSTID"), METER.field("CM_ACCOUNT")
AFTER_TEXTS = ACCOUNT.start + ACCOUNT.size
READING = Pointed()


class MeterHeader(NamedTuple):
    """What a meter header says. Times are local seconds."""

    CM_CUSTID: str
    CM_ACCOUNT: str
    CM_LOGCHANS: int
    TA_START: int
    TA_STOP: int
    DST_FLAG: str


class Header(NamedTuple):
    """What a channel header says beside identifiers and readings. `start`: of the first interval;
    `agrees`: unit code and flow do; `zero_stop`: TA_STOP ends in 0000."""

    physical: int
    logical: int
    unit: str
    flow: str
    agrees: bool
    letter: str
    form: Form
    multiplier: Decimal
    usage: bool
    seconds: int
    start: int
    cells: int
    zero_stop: bool
    first: int  # TA_START and TA_STOP as they stand
    last: int


@dataclass(slots=True)
class Parser:
    """Headers. `zone`: of the stamps."""

    zone: str
    units: UnitReader
    meters: dict[bytes, tuple[Any, ...]] = field(default_factory=dict)
    headers: dict[tuple[bytes, bool], Header | RecordError] = field(default_factory=dict)
    readings: dict[bytes, Registers] = field(default_factory=dict)

    def meter(self, record: bytes) -> MeterHeader:
        """RecordError."""
        rest = record[AFTER_TEXTS:]
        try:
            shared = self.meters.get(rest)
            if shared is None:
                values = METER.get(record[:4] + b" " * (AFTER_TEXTS - 4) + rest)
                shared = tuple(values[name] for name in MeterHeader._fields[2:])
                if len(self.meters) < KEPT:
                    self.meters[rest] = shared
            texts = (CUSTID.get(record), ACCOUNT.get(record))
        except ValueError as error:
            raise RecordError("MDR06", why=error) from error
        return MeterHeader(*texts, *shared)

    def channel(self, record: bytes, daylight: bool) -> Header:
        """RecordError."""
        key = (record[TIMES : READINGS.start] + record[READINGS.stop :], daylight)
        return remembered(self.headers, key, lambda: self._header(record, daylight))

    def channel_readings(self, record: bytes) -> Registers:
        """Start and stop reading; both 0: none. RecordError."""
        raw = record[READINGS]
        if raw not in self.readings:
            half = len(raw) // 2
            try:
                start, stop = READING.get(raw[:half]), READING.get(raw[half:])
            except ValueError as error:
                raise RecordError("MDR06", why=error) from error
            if len(self.readings) >= KEPT:
                self.readings.clear()
            self.readings[raw] = (start, stop) if start or stop else (None, None)
        return self.readings[raw]

    def _header(self, record: bytes, daylight: bool) -> Header:
        neutral = record[: READINGS.start] + b"0" * 24 + record[READINGS.stop :]
        blank = neutral[:4] + b" " * (TIMES - 4) + neutral[TIMES:]
        try:
            values = CHANNEL_HEADER.get(blank)
        except ValueError as error:
            raise RecordError("MDR06", why=error) from error
        found = self.units.unit_read(values["DC_UMCODE"], values["DC_FLOW"])
        if found is None:
            raise RecordError("MDR12", code=values["DC_UMCODE"])
        if values["DR_INPHR"] not in SECONDS:
            raise RecordError("MDR10", per_hour=values["DR_INPHR"])
        seconds = SECONDS[values["DR_INPHR"]]
        form = (values["CHANSTAT"], values["INTSTAT"])
        start, cells = self._period(values, seconds, form, daylight)
        unit, flow, agrees = found
        return Header(
            *(values["DC_PYSCHAN"], values["DC_LOGCHAN"], unit, flow, agrees, values["DC_FLOW"]),
            *(form, values["DC_MMULT"] or Decimal(1), values["DC_SERVTYPE"] == "W", seconds),
            *(start, cells, record[STOP.start + STOP.size - 4 :][:4] == b"0000"),
            *(values["TA_START"], values["TA_STOP"]),
        )

    def _period(
        self, values: Mapping[str, Any], seconds: int, form: Form, daylight: bool
    ) -> tuple[int, int]:
        """Start of the first interval (epoch seconds) and number of intervals."""
        first, last = values["TA_START"] - MINUTE, values["TA_STOP"]
        if daylight:
            start, stop = self._prevailing(first), self._prevailing(last)
        else:
            offsets = {standard_offset(self.zone, year_of(end)) for end in (first, last - 1)}
            if len(offsets) > 1:
                raise RecordError("FMT15", time=f"standard time of {self.zone} changes")
            start, stop = (end - min(offsets) for end in (first, last))
        cells, rest = divmod(stop - start, seconds)
        if rest or not 0 < cells <= most_cells(form):
            raise RecordError("MDR09")
        return start, cells

    def _prevailing(self, local: int) -> int:
        """The instant of a local prevailing time, of two the first."""
        found = local_instants(self.zone, local_time(local))
        if not found:
            raise RecordError("FMT15", time=f"{local_time(local)} in {self.zone}")
        return found[0]
