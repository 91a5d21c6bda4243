"""Register reads as elements, in the order of README 2.12."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from devices.readings import (
    RATES,
    READ_TYPES,
    REGISTER_CLASSES,
    RegisterRead,
    RegisterValue,
    status_conflict,
    status_letter,
)
from exports.formats.issues import FormatError
from exports.formats.quality import quality_codes
from exports.formats.sxml.run import Run, Sums
from exports.formats.sxml.tables import (
    HEX8,
    PEAK,
    QUALITY_CODE,
    REGISTER,
    REGISTER_READ,
    SXW,
    VALUE,
    sxm,
)
from exports.formats.values import ONE, is_applied, register_value
from exports.formats.zones import zone_of

TYPE_ORDER = {name: place for place, name in enumerate(READ_TYPES)}
CLASS_ORDER = {name: place for place, name in enumerate(REGISTER_CLASSES)}
RATE_ORDER = {name: place for place, name in enumerate(RATES)}
Key = tuple[int, str, str]


@dataclass(slots=True)
class Registers:
    """The reads of one meter as text, and what they add up to."""

    run: Run
    device: str
    zone: str
    sums: Sums
    text: list[bytes] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    unsupported: list[FormatError] = field(default_factory=list)
    keys: set[tuple[str, datetime]] = field(default_factory=set)

    def add(self, reads: Sequence[RegisterRead]) -> None:
        """All reads that are chosen and in the period. FormatError for what is refused."""
        ctx = self.run.ctx
        for read in reads:
            if read.time.tzinfo is None:
                raise sxm("FMT01", time=read.time)
        billed = ctx.options["reads"] == "bill"  # chosen before; the closing one is at the end
        for read in sorted(reads, key=read_order):
            chosen = read.read_type in self.run.chosen["read_types"]
            if chosen and (billed or ctx.start <= read.time < ctx.end):
                try:
                    self._add(read)
                except FormatError as error:
                    raise error.at(instant=read.time) from error

    def _add(self, read: RegisterRead) -> None:
        if read.time.microsecond:
            raise sxm("FMT02", time=read.time.isoformat(), limit="seconds")
        if (read.read_type, read.time) in self.keys:
            raise sxm("SXM10", what="read", which=f"{read.read_type} {read.time.isoformat()}")
        grouped = self.grouped(read)
        lines = [line for key, values in grouped for line in self.register(key, values)]
        if not lines:
            return
        self.keys.add((read.read_type, read.time))
        self.text += [b"      <%s>\r\n" % REGISTER_READ.tag(self.head(read)), *lines]
        self.text.append(b"      </RegisterRead>\r\n")
        self.sums.reads += 1

    def head(self, read: RegisterRead) -> dict[str, Any]:
        """The attributes of a read."""
        zone = zone_of(self.zone)
        received = read.received or self.run.ctx.created
        word = self._status_word(read)
        return {
            "id": self.read_id(read.read_type, read.time, read.read_id),
            "type": read.read_type,
            "time": read.time.astimezone(zone),
            "received": received if received.tzinfo is None else received.astimezone(zone),
            "source": read.source or "SC",
            "season": read.season,
            "resetCount": read.reset_count,
            "resetTime": read.reset_time and read.reset_time.astimezone(zone),
            "status": word,
        }

    def read_id(self, read_type: str, time: datetime, stored: str) -> int:
        """The read's stored id where it is a number, else one made from what it is known by."""
        if self.run.ctx.options["read_ids"] == "stored" and stored.isdigit() and stored.isascii():
            return int(stored)
        name = f"{self.device}/{read_type}/{int(time.timestamp())}"
        return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest()) >> 1

    def _status_word(self, read: RegisterRead) -> str | None:
        word = read.status_word.upper()
        if word and not HEX8.pattern.fullmatch(word):
            self.warnings.append(("SXW02", f"{self.device} {word}: {SXW['SXW02']}"))
        return word if HEX8.pattern.fullmatch(word) else None

    def grouped(self, read: RegisterRead) -> Iterator[tuple[Key, list[RegisterValue]]]:
        """The chosen registers in order, each with its occurrences, rising."""
        found: dict[Key, dict[int, RegisterValue]] = {}
        chosen = self.run.chosen
        for value in read.values:
            if value.register_class not in chosen["classes"] or value.rate not in chosen["rates"]:
                continue
            if value.number is None:
                lost = sxm("SXM09", unit=value.unit, flow=value.flow).at(instant=read.time)
                self.unsupported.append(lost)
                continue
            kept = found.setdefault((value.number, value.register_class, value.rate), {})
            if value.occurrence in kept:
                which = f"{value.number} {value.register_class} {value.rate} {value.occurrence}"
                raise sxm("SXM10", what="register", which=which)
            kept[value.occurrence] = value
        for key in sorted(found, key=lambda k: (k[0], RATE_ORDER[k[2]], CLASS_ORDER[k[1]])):
            yield key, [found[key][place] for place in sorted(found[key])]

    def register(self, key: Key, values: Sequence[RegisterValue]) -> list[bytes]:
        """A register's lines. FormatError for what is refused."""
        try:
            return self._register_lines(key, values)
        except FormatError as error:
            raise error.at(where=str(key[0])) from error

    def _register_lines(self, key: Key, values: Sequence[RegisterValue]) -> list[bytes]:
        first = values[0]
        for value in values:
            if why := status_conflict(value.status, value.value is None):
                raise sxm("FMT12", why=why)
        letter = status_letter(first.status)
        remove = self.run.ctx.options["remove_multiplier"]
        attributes = {
            "no": key[0],
            "class": key[1],
            "uom": first.unit,
            "flow": first.flow,
            "rate": key[2],
            "multiplier": ONE if first.multiplier is None else first.multiplier,
            "multiplierApplied": is_applied(first, remove),
            "dials": first.dials,
            "decimals": first.decimals,
            "quality": letter,
        }
        inner: list[bytes] = []
        if first.value is not None:
            amount = register_value(first, first.value, remove)
            inner.append(VALUE.line(10, amount))
            self._count(first, Decimal(VALUE.text.put(amount).decode()))
            inner += self._peaks(values, remove)
        if self.run.codes:
            inner += [QUALITY_CODE.line(10, code) for code in quality_codes(first.status)]
        self.sums.registers += 1
        self.sums.estimated += letter in "EV"
        self.sums.missing += letter == "M"
        tag = REGISTER.tag(attributes)
        if not inner:
            return [b"        <%s/>\r\n" % tag]
        return [b"        <%s>\r\n" % tag, *inner, b"        </Register>\r\n"]

    def _count(self, value: RegisterValue, written: Decimal) -> None:
        if value.register_class == "SUM":
            self.sums.energy += written
        elif value.register_class == "MAX":
            self.sums.demand += written
        if written < 0 and value.flow != "NET" and value.unit != "PF":
            self.warnings.append(("SXW01", f"{self.device}/{value.number}: {SXW['SXW01']}"))

    def _peaks(self, values: Sequence[RegisterValue], remove: bool) -> list[bytes]:
        """Of a maximum every occurrence that has a value, of a coincident value the first if its
        time is known (SXM02)."""
        first = values[0]
        if first.register_class == "COIN":
            if len(values) > 1:
                self.warnings.append(("SXW03", f"{self.device}/{first.number}: {SXW['SXW03']}"))
            values = [first] if first.peak_time is not None else []
        elif first.register_class != "MAX":
            values = []
        kept = [value for value in values if value.value is not None]
        amounts = [value.value for value in kept if value.value is not None]
        if kept and kept[0].occurrence != 1:
            raise sxm("SXM02", why=f"the first occurrence is {kept[0].occurrence}")
        if any(later > earlier for earlier, later in pairwise(amounts)):
            self.warnings.append(("SXW04", f"{self.device}/{first.number}: {SXW['SXW04']}"))
        pairs = zip(kept, amounts, strict=True)
        return [self._peak(value, amount, remove) for value, amount in pairs]

    def _peak(self, value: RegisterValue, amount: Decimal, remove: bool) -> bytes:
        time: Any = value.peak_time
        if time is not None and time.tzinfo is not None:
            time = time.astimezone(zone_of(self.zone))
        words = {"occurrence": value.occurrence, "time": time}
        return PEAK.line(10, register_value(value, amount, remove), words)


def read_order(read: RegisterRead) -> tuple[datetime, int, str]:
    """Reads of a meter stand by time, type, id."""
    return (read.time, TYPE_ORDER.get(read.read_type, len(TYPE_ORDER)), read.read_id)
