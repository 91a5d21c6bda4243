"""IDF read: header, lines, several files in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from devices.readings import (
    FLOWS,
    RATES,
    READ_TYPES,
    UNITS,
    DeviceInfo,
    MeterData,
    RegisterRead,
    RegisterValue,
)
from exports.formats.base import Inventory
from exports.formats.csvtext import csv_split
from exports.formats.idf.tables import (
    CLASSES,
    DETAIL,
    FEWEST_FIELDS,
    LETTER_OF_VALIDATION,
    OFFSET,
    SOURCE_OF_METHOD,
    TIME,
    fields_order,
)
from exports.formats.issues import ReadReport
from exports.formats.quality import LETTER_MASKS
from exports.formats.registerreader import (
    ERRORS,
    READ_WARNINGS,
    Cells,
    Complaints,
    RowError,
    Rows,
    cells_named,
    value_settled,
)
from exports.formats.text import TextLine, text_lines

END = b"\x1a"
CHANNEL = DETAIL.column("register_channel_id")
IDF_ERRORS = ERRORS | {
    "IDF10": "no header {word}",
}
IDF_WARNINGS = READ_WARNINGS | {
    "IDF50": "the header counts {said} lines, there are {counted}",
    "IDF51": "{count} fields, those that are not there are empty",
    "IDF52": "{count} fields, those beyond 27 are ignored",
    "IDF53": "record type {value!r} is skipped",
    "IDF54": "flow is empty, DEL taken",
    "IDF55": "header field {value!r} is no count",
    "IDF56": "letter {value} without a reading, taken as missing",
}


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    inventory: Inventory | None
    report: ReadReport
    rows: Rows = field(default_factory=Rows)
    notes: Complaints = field(init=False)
    names: list[str] = field(init=False)
    said: int | None = None  # lines that the header counts
    lines: int = 0
    open: bool = False  # within a block
    known: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.notes = Complaints(self.report, IDF_ERRORS, IDF_WARNINGS)
        self.names = [column.name for column in fields_order(self.options["fields"])]

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's meters, in the order in which they first appear."""
        self.open = bool(self.options["headerless"])
        for line in text_lines(stream, self.report):
            self.notes.line = line
            if not line.text or line.text == END:
                continue
            self.report.records += 1
            try:
                self._line(line)
            except RowError as error:
                self.notes.refuse(error)
        self._close()
        yield from self.rows.meters()

    def _line(self, line: TextLine) -> None:
        try:
            cells = csv_split(line.text)
        except ValueError as error:
            raise RowError("REG10", why=str(error)) from error
        word = self.options["header_word"]
        if cells[0] == word.encode():
            self._close()
            self._header(cells)
            return
        if not self.open:
            self.open = True  # said once
            self.notes.error("IDF10", "flag", word=word)
        self.lines += 1
        self._detail(cells)

    def _header(self, cells: Sequence[bytes]) -> None:
        self.open = True
        count = cells[3] if len(cells) > 3 else b""
        if count.isdigit() and len(count) <= 9:
            self.said = int(count)
        else:
            self.notes.warn("IDF55", "count", value=count[:20].decode("latin-1"))

    def _close(self) -> None:
        """The end of a block: its header's count against its lines."""
        if self.said is not None and self.said != self.lines:
            self.notes.warn("IDF50", "count", said=self.said, counted=self.lines)
        self.said, self.lines = None, 0

    def _detail(self, cells: Sequence[bytes]) -> None:
        warn = self.notes.warn
        if len(cells) < FEWEST_FIELDS:
            raise RowError("REG11", count=len(cells), wanted=len(self.names))
        if len(cells) != len(self.names):
            warn("IDF51" if len(cells) < len(self.names) else "IDF52", count=len(cells))
        found = Cells(cells_named(self.names, cells), warn)
        kind = found.text("record_type")
        if kind.upper() != "REG":
            warn("IDF53", "record_type", value=kind[:20])
            return
        zone = found.text("time_zone") or self.options["zone"] or ""
        if zone:
            found.known_zone("time_zone", zone)
        value = self._value(found, zone)
        device = self._device(found)
        key = (value.unit, value.flow, value.register_class, value.rate)
        self.rows.put(device, self._read(found, zone), value, key)

    def _device(self, found: Cells) -> DeviceInfo:
        """The device; one that the inventory knows has its zone from there, since field 26 may be
        the export's."""
        meter = found.identifier("meter_id", "meter_number")
        if not meter:
            raise RowError("REG14", "meter_id")
        if meter not in self.known:
            self.known[meter] = self.inventory is not None and self.inventory(meter) is not None
        return DeviceInfo(
            "",
            meter_number=meter,
            service_point_id=found.identifier("service_point_id", "service_point_id"),
            account_id=found.identifier("account_id", "account_id"),
            time_zone="" if self.known[meter] else found.text("time_zone"),
            bill_cycle=found.identifier("route_id", "group_code"),
        )

    def _read(self, found: Cells, zone: str) -> RegisterRead:
        time = self._time(found, "read_timestamp", "gmt_offset", zone)
        if time is None:
            raise RowError("REG14", "read_timestamp")
        return RegisterRead(
            time,
            found.word("read_reason", READ_TYPES),
            (),
            reset_count=found.integer("demand_reset_count", 99999),
            reset_time=self._time(found, "demand_reset_timestamp", "", zone),
        )

    def _value(self, found: Cells, zone: str) -> RegisterValue:
        warn = found.warn
        reading = found.number("reading")
        flow = found.word("energy_flow", FLOWS, default="DEL")
        if not found.raw("energy_flow"):
            warn("IDF54", "energy_flow")
        letter = self._letter(found, reading is None)
        value = RegisterValue(
            CLASSES[found.word("register_type", CLASSES)],
            found.word("text_prompt", UNITS),
            flow,
            rate=found.word("tou_rate", RATES),
            value=reading,
            number=CHANNEL.get(found.raw("register_channel_id")),
            peak_time=self._time(found, "peak_timestamp", "peak_gmt_offset", zone),
            multiplier=found.number("meter_constant"),
            multiplier_applied=found.word("constant_flag", ("1", "0"), default="1") == "1",
            dials=found.integer("dials", 99),
            decimals=found.integer("decimals", 99),
            status=LETTER_MASKS[letter],
            source=_source(found, letter),
        )
        return value_settled(value, warn)

    def _letter(self, found: Cells, null: bool) -> str:
        """Field 20; when empty, by field 21, else by the reading."""
        if found.raw("read_code"):
            return found.word("read_code", LETTER_MASKS)
        said = found.text("source_validation").strip().lower()
        return LETTER_OF_VALIDATION.get(said, "M" if null else "A")

    def _time(self, found: Cells, name: str, beside: str, zone: str) -> Any:
        """A local time with the offset beside it, else by the zone; None for none."""
        local = found.got(name, TIME.get, found.raw(name))
        if local is None:
            return None
        if not beside:
            return _first_pass(found, name, local, zone)
        offset = found.got(beside, OFFSET.get, found.raw(beside))
        return found.local(name, local, offset, zone, check=found.text("time_zone"))


def _first_pass(found: Cells, name: str, local: Any, zone: str) -> Any:
    """The demand reset has no offset; in the repeated hour the first pass is meant."""
    quiet = Cells(found.cells, lambda *_, **__: None)
    return quiet.local(name, local, None, zone)


def _source(found: Cells, letter: str) -> str:
    """Field 22 back; what was edited or estimated is known by its letter (section 2)."""
    method = found.word("read_method", SOURCE_OF_METHOD, default="R")
    return "ED" if method == "M" and letter in "EV" else SOURCE_OF_METHOD[method]
