"""One line read: a row's cells checked, each text looked at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from devices.readings import (
    FLOWS,
    INTERVAL_SECONDS,
    SOURCES,
    UNITS,
    VALUE_TYPES,
    Channel,
    DeviceInfo,
    Status,
    identifier_fault,
)
from exports.formats.iso import Read, stamp_read
from exports.formats.quality import Quality, quality_read
from exports.formats.rte.tables import LAST_REVISION, LAST_SEQ, REGISTER, RTR_ERRORS, TOTAL

KEPT = 1 << 17  # texts of a kind remembered
MOST_DECIMALS = 9
LARGEST = 1 << 62  # counts that are kept
VALUE_MARKS = int(Status.ESTIMATED | Status.EDITED)
_PLAIN = re.compile(rb"(-?)(\d{1,30})(?:\.(\d{0,30}))?")
Warn = Callable[..., None]


class RowError(Exception):
    """The row is refused; `field` is the column's name."""

    def __init__(self, code: str, field: str = "", **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.message = RTR_ERRORS[code].format(**words)


class Amount(NamedTuple):
    """A number read: `units` times ten to the minus `decimals`, no zeros at the end."""

    units: int
    decimals: int


class Parsed(NamedTuple):
    """A row; `device` and `channel` are places in the parser's lists. `units` 0 where missing."""

    device: int
    channel: int
    seq: int
    end: int
    units: int
    decimals: int
    mask: int
    revision: int
    source: int
    received: int  # epoch seconds, -1 where empty


NO_AMOUNT = Amount(0, 0)


@lru_cache(maxsize=KEPT)
def amount_read(text: bytes) -> Amount:
    """A plain number; ValueError or RowError where it is none, or none that is kept."""
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40].decode('latin-1')!r} is no plain number")
    part = (match[3] or b"").rstrip(b"0")
    count = int(match[1] + match[2] + part)
    if len(part) > MOST_DECIMALS or abs(count) >= LARGEST:
        raise RowError("RTR04", "Value", value=text.decode())
    return Amount(count, len(part))


@lru_cache(maxsize=KEPT)
def _quality(letter: bytes, codes: bytes, null: bool) -> Quality:
    listed = tuple(code for code in codes.decode("latin-1").split(";") if code)
    return quality_read(letter.decode("latin-1"), listed, null)


@dataclass(slots=True)
class Parser:
    """Rows' cells, in the table's order, to values; what rows share is numbered."""

    zone: str | None
    devices: list[DeviceInfo] = field(default_factory=list)
    channels: list[tuple[str, Channel]] = field(default_factory=list)  # with their record type
    sources: list[str] = field(default_factory=list)
    _devices: dict[Any, int] = field(default_factory=dict)
    _channels: dict[Any, int] = field(default_factory=dict)
    _sources: dict[bytes, int] = field(default_factory=dict)
    stamps: dict[bytes, Read] = field(default_factory=dict)

    def row(self, cells: Sequence[bytes], seq: int, warn: Warn) -> Parsed:
        """A row of 19 cells; RowError for one that is refused."""
        kind, _, device_id, meter, point, number, unit, flow, time, seconds, text = cells[:11]
        value_type, multiplier, applied, letter, codes, received, origin, revision = cells[11:]
        who = (device_id, meter, point)
        device = self._devices.get(who)
        if device is None:
            device = self._devices[who] = self._device(who)
        what = (kind, number, unit, flow, seconds, value_type, multiplier, applied)
        channel = self._channels.get(what)
        if channel is None:
            channel = self._channels[what] = self._channel(what)
        end = self._stamp(time, "Timestamp", warn)
        amount = NO_AMOUNT
        if text:
            amount = _got("Value", amount_read, text)
        mask = 0 if letter == b"A" and not codes and text else self._mask(cells, warn)
        source = self._sources.get(origin)
        if source is None:
            source = self._source(origin)
        return Parsed(
            *(device, channel, seq, end, *amount, mask, _revision(revision), source),
            self._stamp(received, "ReceivedTime", warn) if received else -1,
        )

    def device(self, cells: bytes) -> int:
        """The device of three cells without quotes; RowError."""
        who = tuple(cells.split(b","))
        if who not in self._devices:
            self._devices[who] = self._device(who)  # type: ignore[arg-type]
        return self._devices[who]

    def _stamp(self, text: bytes, name: str, warn: Warn) -> int:
        read = self.stamps.get(text)
        if read is None:
            try:
                read = stamp_read(text.decode("latin-1"), self.zone)
            except ValueError as error:
                code = "FMT15" if "does not exist" in str(error) else "RTR03"
                raise RowError(code, name, why=str(error)) from error
            if len(self.stamps) < KEPT:
                self.stamps[text] = read
        if read.cut and name == "Timestamp":
            warn("RTR55", name)
        return read.seconds

    def _mask(self, cells: Sequence[bytes], warn: Warn) -> int:
        text, letter, codes = cells[10], cells[14], cells[15]
        found = _got("Quality", _quality, letter, codes, not text)
        mask = found.mask
        if found.unknown:
            warn("RTR52", "QualityCodes", value=";".join(found.unknown))
        if found.conflict:
            words = {"letter": letter.decode(), "value": codes.decode("latin-1")}
            warn("RTR53", "Quality", **words)
        if text:
            if mask & Status.MISSING:
                raise RowError("FMT12", "Value", value=text.decode())
        elif not mask & Status.MISSING:
            if letter != b"M":
                warn("RTR54", "Value")
            mask = mask & ~VALUE_MARKS | Status.MISSING
        return int(mask)

    def _device(self, cells: tuple[bytes, bytes, bytes]) -> int:
        names = ("DeviceID", "MeterNumber", "ServicePointID")
        widths = ("device_id", "meter_number", "service_point_id")
        texts = []
        for name, width, cell in zip(names, widths, cells, strict=True):
            text = _got(name, cell.decode)
            fault = identifier_fault(width, text) if text or name != "DeviceID" else "empty"
            if fault:
                raise RowError("RTR03", name, why=f"{name} {text[:40]!r}: {fault}")
            texts.append(text)
        self.devices.append(DeviceInfo(texts[0], texts[1], service_point_id=texts[2], time_zone=""))
        return len(self.devices) - 1

    def _channel(self, cells: tuple[bytes, ...]) -> int:
        kind, number, unit, flow, seconds, value_type, multiplier, applied = cells
        words: Mapping[str, tuple[bytes, Sequence[str]]] = {
            "UOM": (unit, tuple(UNITS)),
            "Flow": (flow, tuple(FLOWS)),
            "ValueType": (value_type, (*VALUE_TYPES, TOTAL)),
            "MultiplierApplied": (applied, ("Y", "N")),
        }
        for name, (cell, known) in words.items():
            _word(name, cell, known)
        if (value_type == TOTAL.encode()) != (kind == REGISTER.encode()):
            raise RowError("RTR06", "ValueType", value=value_type.decode(), kind=kind.decode())
        channel = Channel(
            _integer("Channel", number, 1, 999),
            unit.decode(),
            flow.decode(),
            self._seconds(kind, seconds),
            value_type.decode(),
            Decimal(1),
            _multiplier(multiplier),
            applied == b"Y",
        )
        same = (kind.decode(), channel)  # 1 and 1.0 are one multiplier
        if same not in self.channels:
            self.channels.append(same)
        return self.channels.index(same)

    def _seconds(self, kind: bytes, text: bytes) -> int:
        if kind == REGISTER.encode():
            return 0
        if not text:
            raise RowError("RTR05", "IntervalSeconds")
        if not text.isdigit() or int(text[:9]) not in INTERVAL_SECONDS:
            raise RowError("FMT17", "IntervalSeconds", value=text[:20].decode("latin-1"))
        return int(text)

    def _source(self, origin: bytes) -> int:
        _word("Origin", origin, ("", *SOURCES.values()))
        self.sources.append(origin.decode())
        self._sources[origin] = len(self.sources) - 1
        return len(self.sources) - 1


def seq_read(text: bytes) -> int:
    """A row's Seq; RowError where it is no number."""
    return _integer("Seq", text, 1, LAST_SEQ)


@lru_cache(maxsize=2048)
def _revision(text: bytes) -> int:
    return _integer("Revision", text, 0, LAST_REVISION)


def _integer(name: str, text: bytes, low: int, high: int) -> int:
    if not (text.isdigit() and len(text) <= 18 and low <= int(text) <= high):
        why = f"{text[:20].decode('latin-1')!r} is no integer {low}–{high}"
        raise RowError("RTR03", name, why=why)
    return int(text)


def _multiplier(text: bytes) -> Decimal:
    amount = _got("Multiplier", amount_read, text or b"1")
    if amount.units <= 0 or amount.decimals > 4:
        why = f"multiplier {text.decode()} is not above 0, of 4 decimals at most"
        raise RowError("RTR03", "Multiplier", why=why)
    return Decimal(amount.units).scaleb(-amount.decimals)


def _word(name: str, cell: bytes, known: Sequence[str]) -> None:
    text = cell.decode("latin-1")
    if text not in known:
        listed = ", ".join(word for word in known if word)
        raise RowError("RTR03", name, why=f"{text[:20]!r} is none of {listed}")


def _got(name: str, get: Callable[..., Any], *arguments: Any) -> Any:
    """What `get` gives; a ValueError becomes the row's error in this column."""
    try:
        return get(*arguments)
    except ValueError as error:
        raise RowError("RTR03", name, why=str(error)) from error
