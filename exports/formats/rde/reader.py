"""RDE read: both profiles, blocks of header, rows and trailer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

from devices.readings import (
    FLOWS,
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    SOURCES,
    UNITS,
    DeviceInfo,
    MeterData,
    RegisterRead,
    RegisterValue,
    status_letter,
)
from exports.formats.csvtext import csv_split
from exports.formats.issues import FormatError, ReadReport
from exports.formats.quality import LETTER_MASKS, codes_mask, settled
from exports.formats.rde.tables import (
    MOST_OF_ID,
    MOST_REVISIONS,
    NAMES,
    REQUIRED,
    VERSION,
    WIDE_NAMES,
)
from exports.formats.rde.widereader import WIDE_ERRORS, WideReader
from exports.formats.registerreader import (
    ERRORS,
    READ_WARNINGS,
    Cells,
    Complaints,
    Counted,
    RowError,
    Rows,
    Tape,
    cells_named,
    value_settled,
)
from exports.formats.registers import number_key
from exports.formats.text import TextLine, text_lines
from exports.formats.zones import zone_of

RDE_ERRORS = ERRORS | WIDE_ERRORS | {
    "RDE10": "record type {value!r} is not in the list",
    "RDE11": "version {value!r} is not known",
    "RDE12": "no column {name}",
    "RDE13": "no line RDEH",
}  # fmt: skip
RDE_READ_WARNINGS = READ_WARNINGS | {
    "RDE13": RDE_ERRORS["RDE13"],
    "RDE60": "column {name} is not known, ignored",
    "RDE61": "quality code {value} is not known",
    "RDE62": "letter {letter} and codes {codes} disagree, the codes count",
}
SOURCE_CODES = tuple(SOURCES.values())


@dataclass(slots=True)
class Block(Counted):
    """What was counted between a header and its trailer."""

    zone: str = ""
    known: bool = True  # the version is
    rows: int = 0
    reads: set[tuple[bytes, ...]] = field(default_factory=set)


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    report: ReadReport
    rows: Rows = field(default_factory=Rows)
    notes: Complaints = field(init=False)
    block: Block | None = None
    names: Sequence[str] = NAMES
    usable: bool = True  # the columns of the line of names are enough
    wide: WideReader | None = None

    def __post_init__(self) -> None:
        strict = bool(self.options["strict"])
        self.notes = Complaints(self.report, RDE_ERRORS, RDE_READ_WARNINGS, strict)

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's meters, in the order in which they first appear."""
        tape = Tape(stream)
        sha256 = hashlib.sha256()
        for line in text_lines(cast(BinaryIO, tape), self.report):
            self.notes.line = line
            if not line.text:
                continue
            self.report.records += 1
            before = tape.upto(line.offset)
            if line.text.startswith(b"RDEH"):
                sha256 = hashlib.sha256()
            elif self.report.records > 1:
                sha256.update(before)
            try:
                self._line(line, sha256.hexdigest if line.text.startswith(b"RDET") else None)
            except RowError as error:
                self.notes.refuse(error)
        if self.block is not None:
            self.notes.judge("REG19")
        yield from self.rows.meters()

    # --- lines ----------------------------------------------------------------------------------
    def _line(self, line: TextLine, digest: Any) -> None:
        try:
            cells = csv_split(line.text)
        except ValueError as error:
            raise RowError("REG10", why=str(error)) from error
        kind = cells[0].upper()
        if self.wide is not None:
            self.wide.row(cells)
        elif kind == b"RDED":
            self._row(cells)
        elif kind == b"RDEH":
            self._header(cells)
        elif kind == b"RDEC":
            self._columns(cells)
        elif kind == b"RDET":
            self._trailer(cells, digest())
        elif WIDE_NAMES[0].encode() in cells and self.report.records == 1:
            self.wide = WideReader(self.options, self.notes, self.rows)
            self.wide.columns(cells)
        else:
            raise RowError("RDE10", "RecType", value=kind[:20].decode("latin-1"))

    def _header(self, cells: Sequence[bytes]) -> None:
        if self.block is not None:
            self.notes.judge("REG19")
        self.names, self.usable = NAMES, True
        version = cells[1].decode("latin-1") if len(cells) > 1 else ""
        zone = cells[11].decode("latin-1") if len(cells) > 11 else ""
        self.block = Block(zone=_zone(zone))
        if version != VERSION:
            self.block.known = False
            raise RowError("RDE11", "Version", value=version[:20])

    def _columns(self, cells: Sequence[bytes]) -> None:
        """The line of names: columns are then taken by name."""
        known = {name.lower(): name for name in NAMES}
        names = [cell.decode("latin-1") for cell in cells]
        self.names = [known.get(name.lower(), name) for name in names]
        self.names[0] = "RecType"
        for name in self.names:
            if name not in NAMES:
                self.notes.warn("RDE60", name[:40], name=name[:40])
        lacking = [name for name in REQUIRED if name not in self.names]
        if not {"MeterNumber", "DeviceID"} & set(self.names):
            lacking.append("MeterNumber")
        self.usable = not lacking
        if lacking:
            raise RowError("RDE12", "RDEC", name=", ".join(lacking))

    def _row(self, cells: Sequence[bytes]) -> None:
        if self.block is None:
            self.notes.judge("RDE13")
            self.block = Block()
        self.block.rows += 1
        if len(cells) != len(self.names):
            raise RowError("REG11", count=len(cells), wanted=len(self.names))
        found = Cells(cells_named(self.names, cells), self.notes.warn)
        self.block.reads.add(
            tuple(map(found.raw, ("DeviceID", "MeterNumber", "ReadType", "ReadTime")))
        )
        if not (self.usable and self.block.known):
            return
        value = self._value(found, self.block)
        device = self._device(found)
        key = (*number_key(value), value.register_class, value.rate, value.occurrence)
        self.rows.put(device, self._read(found), value, key)

    def _trailer(self, cells: Sequence[bytes], digest: str) -> None:
        block, self.block = self.block, None
        if block is None:
            self.notes.judge("RDE13")
            return
        said = [cell.decode("latin-1") for cell in (*cells, *([b""] * 9))]
        totals = (("EnergyTotal", said[4], block.energy), ("DemandTotal", said[5], block.demand))
        counts = (
            *(("Reads", said[2], len(block.reads)), ("Rows", said[3], block.rows)),
            *(("Estimated", said[6], block.estimated), ("Missing", said[7], block.missing)),
        )
        for what, text, count in counts:
            self.notes.check(what, text, str(count))
        for what, text, total in totals:
            self.notes.check(what, text, f"{total.normalize() + 0:f}")
        self.notes.check("SHA256", said[8], digest)

    # --- a row ----------------------------------------------------------------------------------
    def _device(self, found: Cells) -> DeviceInfo:
        device = DeviceInfo(
            found.identifier("DeviceID", "device_id"),
            meter_number=found.identifier("MeterNumber", "meter_number"),
            serial_number=found.identifier("SerialNumber", "serial_number"),
            service_point_id=found.identifier("ServicePointID", "service_point_id"),
            account_id=found.identifier("AccountID", "account_id"),
            time_zone="",
            bill_cycle=found.identifier("FunctionalGroup", "group_code"),
        )
        if not device.device_id and not device.meter_number:
            raise RowError("REG14", "MeterNumber")
        return device

    def _read(self, found: Cells) -> RegisterRead:
        zone, check = self.options["zone"], self.block.zone if self.block else ""
        time = found.instant("ReadTime", zone, check)
        if time is None:
            raise RowError("REG14", "ReadTime")
        number = found.integer("ReadID", MOST_OF_ID)
        return RegisterRead(
            time,
            found.word("ReadType", READ_TYPES),
            (),
            season=found.integer("Season", 99),
            reset_count=found.integer("DemandResetCount", 99999),
            reset_time=found.instant("DemandResetTime", zone),
            received=found.instant("ReceivedTime", zone),
            read_id="" if number is None else str(number),
            revision=found.integer("Revision", MOST_REVISIONS) or 0,
        )

    def _value(self, found: Cells, block: Block) -> RegisterValue:
        amount = found.number("Value")
        name = found.word("RegisterClass", REGISTER_CLASSES)
        mask = self._mask(found, amount is None)
        letter = status_letter(mask)
        block.count(name, letter, amount)
        applied = found.word("MultiplierApplied", ("Y", "N"), default="Y") == "Y"
        source = found.word("Source", SOURCE_CODES) if found.raw("Source") else ""
        value = RegisterValue(
            name,
            found.word("UOM", UNITS),
            found.word("Flow", FLOWS, default="DEL"),
            rate=found.word("Rate", RATES, default="T"),
            value=amount,
            number=found.integer("RegisterNo", 999) or None,
            occurrence=found.integer("Occurrence", 99) or 1,
            peak_time=found.instant("PeakTime", self.options["zone"], block.zone),
            multiplier=found.number("Multiplier"),
            multiplier_applied=applied,
            dials=found.integer("Dials", 99),
            decimals=found.integer("Decimals", 99),
            status=mask,
            source=source,
        )
        return value_settled(value, found.warn)

    def _mask(self, found: Cells, null: bool) -> int:
        """The mask by the codes, else by the letter, else by the value (README 2.6)."""
        letter = found.word("Quality", LETTER_MASKS) if found.raw("Quality") else ""
        text = found.text("QualityCodes")
        if not text:
            return LETTER_MASKS[letter or ("M" if null else "A")]
        mask, unknown = codes_mask(text, null)
        for code in unknown:
            found.warn("RDE61", "QualityCodes", value=code[:20])
        if letter and status_letter(settled(mask, null)) != letter:
            found.warn("RDE62", "Quality", letter=letter, codes=text[:40])
        return mask


def _zone(name: str) -> str:
    """The header's zone, to compare offsets with; none for `DEVICE` and what nobody knows."""
    if not name or name == "DEVICE":
        return ""
    try:
        return zone_of(name).key
    except FormatError:
        return ""
