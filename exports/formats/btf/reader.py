"""BTF read: records, and the trailer's counts, totals and CRC against them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, cast

from devices.readings import DeviceInfo, MeterData, RegisterRead, RegisterValue, identifier_fault
from exports.formats.btf.tables import BTFH, BTFM, BTFR, BTFT, EXPLICIT, LENGTH
from exports.formats.issues import ReadReport
from exports.formats.layout import Record
from exports.formats.quality import LETTER_MASKS
from exports.formats.registerreader import (
    ERRORS,
    READ_WARNINGS,
    Cells,
    Complaints,
    Counted,
    RowError,
    Rows,
    Tape,
    value_settled,
)
from exports.formats.registers import number_key
from exports.formats.text import TextLine, text_lines

BTF_ERRORS = ERRORS | {
    "BTF10": "{count} characters, not 200",
    "BTF11": "record type {value!r} is not in the list",
    "BTF12": "no BTFH",
    "BTF13": "BTFR is not of the read of the BTFM before it",
    "BTF14": "{name}: {why}",
}
BTF_WARNINGS = READ_WARNINGS | {
    "BTF12": BTF_ERRORS["BTF12"],
    "BTF13": BTF_ERRORS["BTF13"],
    "BTF60": "record type {value!r} is skipped",
    "BTF61": "trailing blanks are cut off; length and CRC are not checked",
    "BTF62": "the CRC is that of other line ends",
}
IDENTIFIERS = {
    "meter_number": "meter_number",
    "service_point_id": "service_point_id",
    "account_id": "account_id",
    "device_id": "device_id",
    "group": "group_code",
    "device_class": "device_class",
}
LINE_ENDS = (b"\r\n", b"\n")


class Crc:
    """The CRC-32 of the bytes as they are, and of the same lines with either line end."""

    def __init__(self) -> None:
        self.plain = 0
        self.others = [0] * len(LINE_ENDS)
        self.padded = False

    def line(self, text: bytes) -> None:
        self.others = [
            zlib.crc32(text + end, crc) for crc, end in zip(self.others, LINE_ENDS, strict=True)
        ]


@dataclass(slots=True)
class Block(Counted):
    """What was counted since the header."""

    layout: str = EXPLICIT
    usable: bool = True
    lines: int = 0
    reads: int = 0
    registers: int = 0
    expected: int = 0  # BTFRs that the last BTFM promised and that have not come
    crc: Crc = field(default_factory=Crc)


@dataclass(slots=True)
class Reader:
    """One file on its way in."""

    options: Mapping[str, Any]
    report: ReadReport
    rows: Rows = field(default_factory=Rows)
    notes: Complaints = field(init=False)
    block: Block | None = None
    device: DeviceInfo | None = None
    head: RegisterRead | None = None

    def __post_init__(self) -> None:
        strict = bool(self.options["strict"])
        self.notes = Complaints(self.report, BTF_ERRORS, BTF_WARNINGS, strict)

    def read(self, stream: BinaryIO) -> Iterator[MeterData]:
        """The file's meters, in the order in which they first appear."""
        tape = Tape(stream)
        for line in text_lines(cast(BinaryIO, tape), self.report):
            self.notes.line = line
            if not line.text:
                continue
            self.report.records += 1
            before = tape.upto(line.offset)
            try:
                self._line(line, before)
            except RowError as error:
                self.notes.refuse(error)
        if self.block is not None:
            self.notes.judge("REG19")
        yield from self.rows.meters()

    # --- records --------------------------------------------------------------------------------
    def _line(self, line: TextLine, before: bytes) -> None:
        kind = line.text[:4]
        if kind == b"BTFH" or self.block is None:
            self._open(kind)
        elif self.block is not None:
            self.block.crc.plain = zlib.crc32(before, self.block.crc.plain)
        block = cast(Block, self.block)
        block.lines += 1
        try:
            record = self._whole(line.text, block)
            self._sequence(record, block)
            if kind == b"BTFH":
                self._header(record, block)
            elif not block.usable:
                return
            elif kind == b"BTFM":
                self._meter(record, block)
            elif kind == b"BTFR":
                self._register(record, block)
            elif kind == b"BTFT":
                self._trailer(record, block)
            else:
                self._other(kind)
        finally:
            block.crc.line(line.text)

    def _open(self, kind: bytes) -> None:
        if self.block is not None:
            self.notes.judge("REG19")
        self.block, self.device, self.head = Block(), None, None
        if kind != b"BTFH":
            self.notes.judge("BTF12")

    def _whole(self, text: bytes, block: Block) -> bytes:
        """The record at its full length. One without any blank at its end has been trimmed; one
        that is short otherwise is damaged."""
        if len(text) == LENGTH:
            return text
        if len(text) > LENGTH or text.endswith(b" "):
            block.crc.padded = True
            raise RowError("BTF10", count=len(text))
        if not block.crc.padded:
            self.notes.warn("BTF61")
        block.crc.padded = True
        return text.ljust(LENGTH)

    def _sequence(self, record: bytes, block: Block) -> None:
        digits = record[4:13].strip()
        said = int(digits) if digits.isdigit() else -1
        self.notes.check("sequence", said, block.lines)

    def _other(self, kind: bytes) -> None:
        value = kind.decode("latin-1")
        if not kind.startswith(b"BTF"):
            raise RowError("BTF11", value=value)
        self.notes.warn("BTF60", value=value)

    def _fields(self, layout: Record, record: bytes) -> dict[str, Any]:
        try:
            return layout.get(record)
        except ValueError as error:
            name, _, why = str(error).partition(": ")
            raise RowError("BTF14", name.partition(".")[2], name=name, why=why) from error

    def _header(self, record: bytes, block: Block) -> None:
        block.usable = False
        block.layout = self._fields(BTFH, record)["layout"]
        block.usable = True

    def _meter(self, record: bytes, block: Block) -> None:
        self._promised(block)
        block.reads += 1
        self.device = self.head = None
        found = self._fields(BTFM, record)
        block.expected = found["registers"]
        self._identifiers(found)
        self.device = DeviceInfo(
            found["device_id"],
            meter_number=found["meter_number"],
            service_point_id=found["service_point_id"],
            account_id=found["account_id"],
            device_class=found["device_class"],
            time_zone="",
            bill_cycle=found["group"],
        )
        self.head = RegisterRead(
            self._time(found, "time", "time_offset"),
            found["read_type"],
            (),
            season=found["season"],
            reset_count=found["reset_count"],
            reset_time=self._instant(found, "reset_time", "reset_offset"),
            status_word=found["status_word"] or "",
        )

    def _promised(self, block: Block) -> None:
        if self.head is not None:
            self.notes.check("registers of the read before", block.expected, 0)
        block.expected = 0

    def _register(self, record: bytes, block: Block) -> None:
        block.registers += 1
        block.expected -= 1
        found = self._fields(BTFR[block.layout], record)
        self._identifiers(found)
        letter, amount, name = found["quality"], found["value"], found["register_class"]
        block.count(name, letter, amount)
        value = RegisterValue(
            name,
            found["unit"],
            found["flow"],
            rate=found["rate"],
            value=amount,
            number=found["number"] or None,
            peak_time=self._instant(found, "peak", "peak_offset"),
            multiplier=found["multiplier"],
            multiplier_applied=found["applied"] == "Y",
            dials=found["dials"],
            decimals=found["decimals"],
            status=LETTER_MASKS[letter],
            source=found["source"],
        )
        device, head = self._read_of(found)
        key = (*number_key(value), value.register_class, value.rate)
        self.rows.put(device, head, value_settled(value, self.notes.warn), key)

    def _read_of(self, found: Mapping[str, Any]) -> tuple[DeviceInfo, RegisterRead]:
        """Device and read of a BTFR: its BTFM's, or where that is another's and the reading is
        not strict, what the line itself tells."""
        time = self._time(found, "time", "time_offset")
        device, head = self.device, self.head
        if (
            device is not None
            and head is not None
            and (device.meter_number, head.read_type, head.time)
            == (found["meter_number"], found["read_type"], time)
        ):
            return device, head
        if self.notes.strict:
            raise RowError("BTF13")
        self.notes.warn("BTF13")
        alone = DeviceInfo(
            "",
            meter_number=found["meter_number"],
            service_point_id=found["service_point_id"],
            account_id=found["account_id"],
            time_zone="",
        )
        return alone, RegisterRead(time, found["read_type"], ())

    def _trailer(self, record: bytes, block: Block) -> None:
        self._promised(block)
        self.block = self.device = self.head = None
        found = self._fields(BTFT[block.layout], record)
        for what, counted in (
            ("reads", block.reads),
            ("registers", block.registers),
            ("lines", block.lines),
            ("estimated", block.estimated),
            ("missing", block.missing),
        ):
            self.notes.check(what, found[what], counted)
        for what, total in (("energy", block.energy), ("demand", block.demand)):
            self.notes.check(f"{what} total", f"{found[what]:f}", f"{total:.4f}")
        self._crc(found["crc"], block.crc)

    def _crc(self, said: str, crc: Crc) -> None:
        if crc.padded:
            return
        if said not in (f"{crc.plain:08X}", *(f"{other:08X}" for other in crc.others)):
            self.notes.check("CRC-32", said, f"{crc.plain:08X}")
        elif said != f"{crc.plain:08X}":
            self.notes.warn("BTF62")

    # --- fields ---------------------------------------------------------------------------------
    def _identifiers(self, found: Mapping[str, Any]) -> None:
        for name, kind in IDENTIFIERS.items():
            if fault := identifier_fault(kind, found.get(name) or ""):
                raise RowError("BTF14", name, name=name, why=fault)
        if not found["meter_number"]:
            raise RowError("REG14", "meter_number")

    def _time(self, found: Mapping[str, Any], name: str, beside: str) -> datetime:
        time = self._instant(found, name, beside)
        if time is None:
            raise RowError("REG14", name)
        return time

    def _instant(self, found: Mapping[str, Any], name: str, beside: str) -> datetime | None:
        """A local time with the offset beside it, else by the setting `zone`."""
        if found[name] is None:
            return None
        cells = Cells({}, self.notes.warn)
        return cells.local(name, found[name], found[beside], self.options["zone"])
