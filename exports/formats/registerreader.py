"""What the readers of the register formats share: cells parsed, rows gathered to reads."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

from msgspec import structs

from devices.readings import (
    DeviceInfo,
    MeterData,
    RegisterRead,
    RegisterValue,
    identifier_fault,
)
from exports.formats.issues import FormatError, ReadReport
from exports.formats.quality import settled
from exports.formats.stamps import Instant
from exports.formats.text import TextLine
from exports.formats.zones import local_instants, zone_of

EDITED = "ED"
LARGEST = 18  # digits on either side of the point beyond which a number is refused
NO_PEAK_BEFORE = datetime(1970, 1, 2, tzinfo=UTC)  # an epoch date says "none"
_PLAIN = re.compile(rb"(-?)(\d+)(?:\.(\d+))?")
INSTANT = Instant()
NO_LINE = TextLine(0, 0, b"")
Warn = Callable[..., None]

ERRORS = {
    "REG10": "{why}",
    "REG11": "{count} fields instead of {wanted}",
    "REG12": "{value!r} is not in the list",
    "REG13": "number {value!r} is not plain or too long",
    "REG14": "is empty",
    "REG15": "time without offset",
    "REG16": "a second row of one key",
    "REG17": "reused meter number {meter}: that of devices {one} and {other}",
    "REG18": "{what}: the file says {said}, counted {counted}",
    "REG19": "no trailer",
    "FMT15": "local time {time} does not exist in {zone}",
}
READ_WARNINGS = {
    "REG18": ERRORS["REG18"],
    "REG19": ERRORS["REG19"],
    "REG50": "no value without letter M, taken as missing",
    "REG51": "value beside letter M dropped",
    "REG52": "fraction of a second cut off",
    "REG53": "{time} is not in zone {zone}; its offset counts",
    "REG54": "{time} has no offset, the first pass of the repeated hour is taken",
}


class RowError(Exception):
    """The record is refused; `field` is the name of the column at fault."""

    def __init__(self, code: str, field: str = "", **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.words = words


# --- cells ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Cells:
    """A record's cells by column name; what is not there is empty."""

    cells: Mapping[str, bytes]
    warn: Warn

    def raw(self, name: str) -> bytes:
        return self.cells.get(name, b"")

    def text(self, name: str) -> str:
        """The text as it is; REG10 when it is not UTF-8."""
        try:
            return self.raw(name).decode()
        except UnicodeDecodeError as error:
            raise RowError("REG10", name, why="not UTF-8") from error

    def identifier(self, name: str, kind: str) -> str:
        """An identifier, checked as those of the inventory are."""
        text = self.text(name)
        if fault := identifier_fault(kind, text):
            raise RowError("REG10", name, why=fault)
        return text

    def word(self, name: str, words: Collection[str], default: str = "") -> str:
        """One of these words, in any case; the default when empty."""
        text = self.text(name).strip()
        if not text and default:
            return default
        if text.upper() not in words:
            raise RowError("REG12" if text else "REG14", name, value=text[:20])
        return text.upper()

    def integer(self, name: str, high: int) -> int | None:
        raw = self.raw(name)
        if not raw:
            return None
        if not (raw.isdigit() and len(raw) <= LARGEST and int(raw) <= high):
            raise RowError("REG13", name, value=_shown(raw))
        return int(raw)

    def number(self, name: str) -> Decimal | None:
        """A plain number; None when empty."""
        raw = self.raw(name)
        if not raw:
            return None
        match = _PLAIN.fullmatch(raw)
        if match is None or max(len(match[2]), len(match[3] or b"")) > LARGEST:
            raise RowError("REG13", name, value=_shown(raw))
        return Decimal(raw.decode())

    def instant(self, name: str, zone: str | None, check: str = "") -> datetime | None:
        """An ISO time; `zone` is that of times without offset, `check` the one to compare with."""
        raw = self.raw(name)
        if not raw:
            return None
        time = self.got(name, INSTANT.get, raw)
        if time.microsecond:
            self.warn("REG52", name)
            time = time.replace(microsecond=0)
        if time.tzinfo is None:
            return self.local(name, time, None, zone)
        return self.aware(time.astimezone(UTC), time.utcoffset(), check, name)

    def local(
        self, name: str, time: datetime, offset: timedelta | None, zone: str | None, check: str = ""
    ) -> datetime:
        """The instant of a local time with its offset, or without one by the zone."""
        if offset is not None:
            at = (time - offset).replace(tzinfo=UTC)
            return self.aware(at, offset, check, name)
        if not zone:
            raise RowError("REG15", name)
        passes = local_instants(self.known_zone(name, zone), time)
        if not passes:
            raise RowError("FMT15", name, time=time.isoformat(), zone=zone)
        if len(passes) > 1:
            self.warn("REG54", name, time=time.isoformat())
        return datetime.fromtimestamp(min(passes), UTC)

    def aware(self, at: datetime, offset: timedelta | None, check: str, name: str) -> datetime:
        """The instant; a warning where the zone has another offset then."""
        if check and at.astimezone(zone_of(check)).utcoffset() != offset:
            self.warn("REG53", name, time=f"{at + (offset or timedelta(0)):%Y-%m-%dT%H:%M:%S}",
                      zone=check)  # fmt: skip
        return at

    def known_zone(self, name: str, zone: str) -> str:
        try:
            return zone_of(zone).key
        except FormatError as error:
            raise RowError("REG12", name, value=zone[:32]) from error

    def got(self, name: str, get: Callable[[bytes], Any], raw: bytes) -> Any:
        """What a kind makes of the cell; its ValueError becomes the row's."""
        try:
            return get(raw)
        except (ValueError, OverflowError) as error:
            raise RowError("REG10", name, why=str(error)) from error


def _shown(raw: bytes) -> str:
    return raw[:40].decode("latin-1")


# --- values ---------------------------------------------------------------------------------------


def value_settled(value: RegisterValue, warn: Warn) -> RegisterValue:
    """A value and its mask made to agree (README 2.6); an epoch peak time is none (2.7)."""
    null = value.value is None
    mask = settled(value.status, null)
    if null and mask != value.status:
        warn("REG50", "value")
    elif mask & 1 and not null:
        warn("REG51", "value")
    peak = value.peak_time
    return structs.replace(
        value,
        value=None if mask & 1 else value.value,
        status=mask,
        peak_time=None if peak is None or peak < NO_PEAK_BEFORE else peak,
    )


# --- rows gathered --------------------------------------------------------------------------------


@dataclass(slots=True)
class Rows:
    """The rows of a file, put together to reads, and those to meters, in the order of the file.

    A row's key is that of its format; `put` refuses a second one, and a meter number of two
    devices.
    """

    reads: dict[DeviceInfo, dict[tuple[object, ...], RegisterRead]] = field(default_factory=dict)
    values: dict[tuple[object, ...], dict[tuple[object, ...], RegisterValue]] = field(
        default_factory=dict
    )
    owners: dict[str, str] = field(default_factory=dict)

    def own(self, device: DeviceInfo) -> None:
        """REG17 when the meter number is another device's."""
        meter, one = device.meter_number, device.device_id
        other = self.owners.setdefault(meter, one) if meter and one else one
        if other != one:
            raise RowError("REG17", "meter_number", meter=meter, one=other, other=one)

    def put(
        self,
        device: DeviceInfo,
        head: RegisterRead,
        value: RegisterValue,
        key: tuple[object, ...],
    ) -> None:
        """One value of a read; `key` is what tells it from the read's others."""
        self.own(device)
        who = (device.device_id or device.meter_number, head.read_type, head.time)
        known = self.values.setdefault(who, {})
        if key in known:
            raise RowError("REG16", "register_no")
        known[key] = value
        self.reads.setdefault(device, {}).setdefault(who, head)

    def meters(self) -> Iterator[MeterData]:
        """The meters; a read belongs to the device as the first of its rows had it."""
        taken: set[tuple[object, ...]] = set()
        for device, heads in self.reads.items():
            reads = []
            for who, head in heads.items():
                if who not in taken:
                    taken.add(who)
                    reads.append(_sourced(head, self.values[who].values()))
            if reads:
                yield MeterData(device, reads=tuple(reads))


def _sourced(head: RegisterRead, values: Collection[RegisterValue]) -> RegisterRead:
    """The read with its values. A file tells the source of each value; what all have in common
    but for those edited is the read's, and theirs is empty then (README 2.1)."""
    sources = dict.fromkeys(value.source for value in values)
    common = next((source for source in sources if source != EDITED), EDITED)
    if not any(sources):
        return replace(head, values=tuple(values))
    return replace(
        head,
        source=common,
        values=tuple(
            structs.replace(value, source="") if value.source == common else value
            for value in values
        ),
    )


# --- lines ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Complaints:
    """A report with the texts of a format, and the line that is being read."""

    report: ReadReport
    errors: Mapping[str, str]
    warnings: Mapping[str, str]
    strict: bool = False  # counts and totals that are wrong are errors
    line: TextLine = NO_LINE

    def warn(self, code: str, field: str = "", **words: object) -> None:
        text = self.warnings[code].format(**words)
        place = {"record": self.line.number, "offset": self.line.offset}
        self.report.warn(code, text, **place, field=field)

    def error(self, code: str, field: str = "", **words: object) -> None:
        text = self.errors[code].format(**words)
        place = {"record": self.line.number, "offset": self.line.offset}
        self.report.error(code, text, **place, field=field)

    def refuse(self, error: RowError) -> None:
        self.error(error.code, error.field, **error.words)

    def judge(self, code: str, **words: object) -> None:
        """An error if strict, else a warning."""
        note = self.error if self.strict else self.warn
        note(code, **words)  # type: ignore[arg-type]

    def check(self, what: str, said: object, counted: object) -> None:
        """A count or total of the file against what was counted."""
        if said != counted:
            self.judge("REG18", what=what, said=said, counted=counted)


@dataclass(slots=True)
class Counted:
    """What a trailer says of the registers before it (README 2.16)."""

    estimated: int = 0
    missing: int = 0
    energy: Decimal = Decimal(0)
    demand: Decimal = Decimal(0)

    def count(self, register_class: str, letter: str, amount: Decimal | None) -> None:
        self.estimated += letter in "EV"
        self.missing += letter == "M"
        if amount is not None and register_class == "SUM":
            self.energy += amount
        elif amount is not None and register_class == "MAX":
            self.demand += amount


class Tape(io.RawIOBase):
    """A stream whose bytes are also handed to `take`, up to where the reader says, in order."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.held = bytearray()
        self.start = 0  # offset of the first byte held

    def read(self, size: int = -1, /) -> bytes:
        data = self.stream.read(size)
        self.held += data
        return data

    def upto(self, offset: int) -> bytes:
        """The bytes from where it was before up to this offset of the file."""
        data = bytes(self.held[: offset - self.start])
        del self.held[: offset - self.start]
        self.start = max(offset, self.start)
        return data


def cells_named(names: Sequence[str], cells: Sequence[bytes]) -> dict[str, bytes]:
    """Cells by name, as far as both go."""
    return dict(zip(names, cells, strict=False))
