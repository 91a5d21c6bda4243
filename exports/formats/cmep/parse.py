"""One line read: its fields checked, its triplets as arrays (section 10)."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from devices.readings import INTERVAL_SECONDS, Status, identifier_fault
from exports.formats.cmep import totalsreader
from exports.formats.cmep.fields import split_fields
from exports.formats.cmep.flags import VALUE_MARKS, Flags
from exports.formats.cmep.tables import (
    BASE,
    CMR_ERRORS,
    COMMODITIES,
    IDENTIFIERS,
    MAX_TRIPLETS,
    MEPMD01,
    PURPOSES,
    RECORD_TYPES,
    SENSUS,
    SENSUS_UNITS,
    UNITS,
    Unit,
)
from exports.formats.kinds import Number
from exports.formats.text import TextLine, whole
from exports.formats.zones import local_instants

HEADER = len(MEPMD01.columns)
PRINTABLE = bytes(range(0x20, 0x7F))
ALL_UNITS = UNITS | SENSUS_UNITS
STAMP = MEPMD01.column("time_stamp")
INTERVAL = MEPMD01.column("interval")
NUMBER = Number(10, 5)
SCALE = 5  # decimals that CMEP writes
KEPT = 1 << 18  # texts remembered at most
LARGEST = 18  # digits on either side of the point beyond which a number is refused
YEAR_3000 = 32503680000
Warn = Callable[..., None]
T = TypeVar("T")


class RecordError(Exception):
    """The record is refused; `field` is the column's name."""

    def __init__(self, code: str, field: str = "", **words: object) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.message = CMR_ERRORS[code].format(**words)


class Stamps(dict[bytes, int]):
    """Times read, each text looked at once."""

    def __missing__(self, text: bytes) -> int:
        seconds = _in_range(STAMP.get(text))
        if len(self) < KEPT:
            self[text] = seconds
        return seconds


class Amount(NamedTuple):
    """A number read: its value, and how many of 10**-SCALE it is (None: no whole number)."""

    value: Decimal
    units: int | None


class Amounts(dict[bytes, Amount]):
    """Numbers read, each text looked at once."""

    def __missing__(self, text: bytes) -> Amount:
        value: Decimal = NUMBER.get(text)
        shift = int(value.as_tuple().exponent)
        if (value and value.adjusted() > LARGEST) or shift < -LARGEST:
            raise RecordError("CMR12", "value", value=text.decode())
        amount = Amount(value, whole(value, SCALE))
        if len(self) < KEPT:
            self[text] = amount
        return amount


@dataclass(frozen=True, slots=True)
class Parsed:
    """A record of interval data or register reads; lists are as long as its triplets.

    `seconds` None: Interval empty. `values` None where missing.
    """

    line: TextLine
    meter: str
    code: str
    unit: Unit
    stamp: int
    constant: Decimal
    seconds: int | None
    ends: list[int]
    masks: list[int]
    values: list[Amount | None]


@dataclass(slots=True)
class Parser:
    """Lines to records, by the reader's options."""

    options: Mapping[str, Any]
    stamps: Stamps = field(default_factory=Stamps)
    numbers: Amounts = field(default_factory=Amounts)
    flags: dict[bool, Flags] = field(init=False)

    def __post_init__(self) -> None:
        self.flags = {sensus: Flags(sensus, self.options["a_means"]) for sensus in (False, True)}

    def parse(self, line: TextLine, warn: Warn) -> Parsed | None:
        """The record, None for one that is skipped; RecordError for one that is refused."""
        if line.text.translate(None, PRINTABLE):
            raise RecordError("CMR11")
        fields = self._fields(line.text)
        record_type = fields[0].decode()
        if record_type not in RECORD_TYPES:
            raise RecordError("CMR01", "record_type", value=record_type)
        if record_type == "MEPMD02":
            self._totals(fields, warn)
            return None
        if record_type != "MEPMD01":
            warn("CMR51", "record_type", value=record_type)
            return None
        if len(fields) < HEADER:
            raise RecordError("CMR02", count=len(fields), least=HEADER)
        head = dict(zip(_NAMES, fields[:HEADER], strict=True))
        sensus = self._version(head["record_version"], warn)
        meter = self._meter(head, sensus, warn)
        unit = self._words(head, warn)
        stamp = _got("time_stamp", self.stamps.__getitem__, head["time_stamp"])
        constant = self._constant(head["calculation_constant"], warn)
        interval = self._interval(head["interval"], unit, warn)
        times, flags, values = _triplets(head["count"], fields, warn)
        ends = self._ends(times, interval, unit.register, warn)
        masks, numbers = self._readings(flags, values, self.flags[sensus], warn)
        code = head["units"].decode()
        if head["purpose"] == b"REJECT":
            warn("CMR65", "purpose")
            return None
        seconds = None if interval is None or interval < 0 else interval
        return Parsed(line, meter, code, unit, stamp, constant, seconds, ends, masks, numbers)

    def _totals(self, fields: Sequence[bytes], warn: Warn) -> None:
        """A record of totals (section 8): checked and listed."""
        if len(fields) < totalsreader.HEADER:
            raise RecordError("CMR02", count=len(fields), least=totalsreader.HEADER)
        head = dict(zip(totalsreader.NAMES, fields[: totalsreader.HEADER], strict=True))
        sensus = self._version(head["record_version"], warn)
        meter = self._meter(head, sensus, warn)
        self._words(head, warn)
        _got("time_stamp", self.stamps.__getitem__, head["time_stamp"])
        self._constant(head["calculation_constant"], warn)
        text = totalsreader.totals_text(
            fields, meter, lambda raw: self.numbers[raw].value, self.flags[sensus], RecordError
        )
        warn("CMR68", value=text)

    # --- header ---------------------------------------------------------------------------------
    def _fields(self, text: bytes) -> list[bytes]:
        if b'"' not in text and b" " not in text:
            return text.split(b",")
        return _got("", split_fields, text)

    def _version(self, version: bytes, warn: Warn) -> bool:
        """The dialect: True for sensus."""
        if version not in (BASE.encode(), SENSUS.encode()):
            warn("CMR52", "record_version", value=version.decode())
        return version == SENSUS.encode()

    def _meter(self, head: Mapping[str, bytes], sensus: bool, warn: Warn) -> str:
        meter = head["meter_id"].decode()
        if not meter and sensus and (meter := head["receiver_customer_id"].decode()):
            warn("CMR53", "meter_id", value=meter)
        if not meter:
            raise RecordError("CMR03", "meter_id")
        if fault := identifier_fault(IDENTIFIERS[self.options["meter_id"]], meter):
            raise RecordError("CMR04", "meter_id", why=fault)
        return meter

    def _words(self, head: Mapping[str, bytes], warn: Warn) -> Unit:
        """The unit; purpose and commodity are checked."""
        purpose, commodity = head["purpose"].decode(), head["commodity"].decode()
        code = head["units"].decode()
        for name, value, known in (
            ("purpose", purpose, PURPOSES),
            ("commodity", commodity, COMMODITIES),
            ("units", code, ALL_UNITS),
        ):
            if value not in known:
                raise RecordError("CMR05", name, value=value)
        if commodity not in ALL_UNITS[code].commodities:
            warn("CMR67", "commodity", value=code, commodity=commodity)
        return ALL_UNITS[code]

    def _constant(self, text: bytes, warn: Warn) -> Decimal:
        if not text:
            warn("CMR54", "calculation_constant")
            return Decimal(1)
        constant = _got("calculation_constant", self.numbers.__getitem__, text).value
        if constant <= 0:
            raise RecordError("CMR12", "calculation_constant", value=constant)
        return constant

    def _interval(self, text: bytes, unit: Unit, warn: Warn) -> int | None:
        """Seconds, minus the months, or None when empty."""
        interval: int | None = _got("interval", INTERVAL.get, text)
        if len(text) == 6:
            warn("CMR55", "interval", value=text.decode())
        if interval is not None and not unit.register and interval not in INTERVAL_SECONDS:
            raise RecordError("FMT17", "interval", value=text.decode())
        return interval

    # --- triplets -------------------------------------------------------------------------------
    def _ends(
        self, times: Sequence[bytes], interval: int | None, register: bool, warn: Warn
    ) -> list[int]:
        if not times[0]:
            raise RecordError("CMR08", "time")
        if b"" not in times and self.options["times"] == "UTC":
            ends = _got("time", self._all_stamps, times)
        else:
            ends = self._given_and_filled(times, interval)
        if interval and not register and not _even(ends, interval):
            for place in range(1, len(ends)):
                if ends[place] - ends[place - 1] != interval:
                    warn("CMR58", "time", place=place + 1)
        return ends

    def _all_stamps(self, times: Sequence[bytes]) -> list[int]:
        return list(map(self.stamps.__getitem__, times))

    def _given_and_filled(self, times: Sequence[bytes], interval: int | None) -> list[int]:
        """Times where some are blank or local: the last given one plus k times Interval."""
        ends: list[int] = []
        given, since = 0, 0
        for place, text in enumerate(times):
            if text:
                before = ends[-1] if ends else None
                given = _got("time", self._instant, text, before, interval)
                since = 0
                ends.append(given)
            elif interval is None:
                raise RecordError("CMR09", "time", place=place + 1)
            else:
                since += 1
                ends.append(_got("time", _plus, given, since, interval))
        return ends

    def _instant(self, text: bytes, before: int | None, interval: int | None) -> int:
        """A time given; a local one that occurs twice follows the one before, else is the first."""
        seconds = self.stamps[text]
        zone = self.options["times"]
        if zone == "UTC":
            return seconds
        found = local_instants(zone, datetime.fromisoformat(_local(text)))
        if not found:
            raise RecordError("FMT15", "time", value=text.decode())
        if before is not None and interval is not None and before + interval in found:
            return before + interval
        return found[0]

    def _readings(
        self, flags: Sequence[bytes], texts: Sequence[bytes], known: Flags, warn: Warn
    ) -> tuple[list[int], list[Amount | None]]:
        """Masks and values, None where missing."""
        found = {text: known[text] for text in set(flags)}
        masks = [found[text].mask for text in flags]
        if any(flag.warnings for flag in found.values()):
            for text in flags:
                for code in found[text].warnings:
                    warn(code, "flag", value=text.decode(), letter=text[:1].decode())
        missing = int(Status.MISSING)
        if b"" not in texts and not any(flag.mask & missing for flag in found.values()):
            return masks, _got("value", self._all_numbers, texts)
        values: list[Amount | None] = []
        for place, text in enumerate(texts):
            if masks[place] & missing:
                values.append(None)
            elif text:
                values.append(_got("value", self.numbers.__getitem__, text))
            else:
                warn("CMR61", "value")
                zero = self.options["empty_value"] == "zero"
                values.append(self.numbers[b"0"] if zero else None)
                if not zero:
                    masks[place] = masks[place] & ~VALUE_MARKS | missing
        return masks, values

    def _all_numbers(self, texts: Sequence[bytes]) -> list[Amount | None]:
        return list(map(self.numbers.__getitem__, texts))


_NAMES = tuple(column.name for column in MEPMD01.columns)


def _triplets(
    count: bytes, fields: Sequence[bytes], warn: Warn
) -> tuple[Sequence[bytes], Sequence[bytes], Sequence[bytes]]:
    """Times, flags and values; the field count tells a CRC slot and a record cut short."""
    if not count.isdigit() or not int(count[:6]):
        raise RecordError("CMR04", "count", why=f"count {count.decode()!r} is no number from 1")
    size, wanted = int(count[:6]), HEADER + 3 * int(count[:6])
    surplus = len(fields) - wanted
    if surplus < -2:
        raise RecordError("CMR06", count=len(fields), wanted=wanted)
    if surplus > 1 or (surplus == 1 and not _crc_slot(fields[-1])):
        raise RecordError("CMR07", count=len(fields), wanted=wanted)
    if size > MAX_TRIPLETS:
        warn("CMR56", "count", count=size)
    if surplus < 0:
        warn("CMR57", "value", missing=-surplus)
        fields = [*fields, *[b""] * -surplus]
    return fields[HEADER:wanted:3], fields[HEADER + 1 : wanted : 3], fields[HEADER + 2 : wanted : 3]


def _crc_slot(text: bytes) -> bool:
    return not text or (
        len(text) == 5
        and text[:1] == b"H"
        and not text[1:].translate(None, b"0123456789abcdefABCDEF")
    )


def _got(name: str, get: Callable[..., T], *arguments: object) -> T:
    """What `get` gives; a ValueError becomes the record's error in this column."""
    try:
        return get(*arguments)
    except ValueError as error:
        raise RecordError("CMR04", name, why=str(error)) from error


def _even(ends: Sequence[int], step: int) -> bool:
    return ends == list(range(ends[0], ends[0] + len(ends) * step, step))


def _local(text: bytes) -> str:
    """`CCYYMMDDHHMM` as ISO 8601."""
    digits = text.decode()
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:8]}T{digits[8:10]}:{digits[10:12]}"


def _plus(start: int, count: int, interval: int) -> int:
    """`start` plus `count` intervals; months by the calendar, the day clamped to their end."""
    if interval > 0:
        return _in_range(start + count * interval)
    time = datetime.fromtimestamp(start, UTC)
    years, month = divmod(time.month - 1 - count * interval, 12)
    year = time.year + years
    last = monthrange(year, month + 1)[1]
    moved = time.replace(year=year, month=month + 1, day=min(time.day, last))
    return _in_range(int(moved.timestamp()))


def _in_range(seconds: int) -> int:
    if not 0 <= seconds < YEAR_3000:
        raise ValueError("time before 1970 or after 2999")
    return seconds
