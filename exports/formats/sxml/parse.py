"""Elements read: their attributes by the declared kinds, a meter's data with its checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec import structs

from devices.readings import (
    Event,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports.formats.iso import Instant, Read, stamp, stamp_read
from exports.formats.kinds import Integer, Kind
from exports.formats.quality import Quality, quality_read
from exports.formats.sxml.markup import Attribute, Digits, Element, Leaf
from exports.formats.sxml.tables import (
    DEVICE_ZONE,
    NAMESPACE,
    NUMBER,
    PEAK,
    REGISTER,
    REGISTER_READ,
    SXM,
    SXR_ERRORS,
    SXR_WARNINGS,
)

PREFIX = "{" + NAMESPACE + "}"
MISSING = int(Status.MISSING)
TEXTS = SXM | SXR_ERRORS | SXR_WARNINGS
Say = Callable[..., None]


class Wrong(Exception):
    """The file is refused at this element."""

    def __init__(self, element: Any, code: str, **words: object) -> None:
        super().__init__(code)
        self.element = element
        self.code = code
        self.message = TEXTS[code].format(**words)


@dataclass(slots=True)
class Counts:
    """What Trailer is held against."""

    counts: dict[str, int] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)

    def add(self, name: str, amount: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + amount

    def sum(self, name: str, amount: Decimal) -> None:
        self.totals[name] = self.totals.get(name, Decimal(0)) + amount

    def merge(self, other: Counts) -> None:
        """What others counted."""
        for name, amount in other.counts.items():
            self.add(name, amount)
        for name, total in other.totals.items():
            self.sum(name, total)

    def quality(self, mask: int) -> None:
        """An estimated or missing interval or register."""
        if mask & MISSING:
            self.add("MissingCount")
        elif mask & (Status.ESTIMATED | Status.EDITED):
            self.add("EstimatedCount")


class Place(NamedTuple):
    """How a file is read: what to do with what is odd, and its zone."""

    warn: Say  # (element, code, **words)
    lenient: bool
    zone: str
    counts: Counts


def local_name(element: Any) -> str:
    """An element's name without its namespace; with it where it is another."""
    tag = str(element.tag)
    return tag.removeprefix(PREFIX)


def attributes(element: Any, declared: Element, place: Place) -> dict[str, Any]:
    """An element's attributes by name, checked."""
    found: dict[str, Any] = {}
    known = {attribute.name: attribute for attribute in declared.attributes}
    for name, text in element.attrib.items():
        attribute = known.get(name)
        if attribute is None:
            place.warn(element, "SXR50", name=f"{local_name(element)}/@{name}")
            continue
        found[name] = value_read(element, attribute, text, place)
    for attribute in declared.attributes:
        if attribute.required and attribute.name not in found:
            name = f"{local_name(element)}/@{attribute.name}"
            raise Wrong(element, "SXR06", name=name, why="is not there")
    return found


def text_of(element: Any, leaf: Leaf, place: Place) -> Any:
    """An element's text, checked."""
    return value_read(element, leaf.text, element.text or "", place)


def value_read(element: Any, attribute: Attribute, text: str, place: Place) -> Any:
    """A value by its kind; Wrong names element and attribute."""
    try:
        if isinstance(attribute.kind, Instant):
            return instant_read(element, text, place)
        return _value(_reading_kind(attribute.kind), text)
    except ValueError as error:
        name = f"{local_name(element)} {attribute.name}"
        raise Wrong(element, "SXR06", name=name, why=str(error)) from error


def _reading_kind(kind: Kind) -> Kind:
    """Registers are written with fewer decimals than the schema allows."""
    return NUMBER if isinstance(kind, Digits) and not kind.exact else kind


@lru_cache(maxsize=1 << 16)
def _value(kind: Kind, text: str) -> Any:
    if isinstance(kind, Integer):
        text = text.strip().removeprefix("+")
    return kind.get(text.encode())


@lru_cache(maxsize=1 << 17)
def _stamp(text: str) -> Read:
    read = stamp_read(text.strip())
    if read.cut:
        raise ValueError(f"{text!r} has a fraction of a second")
    return read


@lru_cache(maxsize=1 << 17)
def _usual(text: str, seconds: int, zone: str) -> bool:
    """Whether the offset is the zone's at that instant."""
    usual = stamp(seconds, zone)
    return usual[19:].replace("Z", "+00:00") == text[-6:].replace("Z", "+00:00")[-6:]


def seconds_read(element: Any, text: str, place: Place) -> int:
    """Epoch seconds of an instant with an offset; SXM08 where the offset is not the zone's."""
    seconds = _stamp(text).seconds
    if place.zone != DEVICE_ZONE and not _usual(text, seconds, place.zone):
        place.warn(element, "SXM08", text=text, zone=place.zone)
    return seconds


def instant_read(element: Any, text: str, place: Place) -> datetime:
    """The same as an aware instant."""
    return datetime.fromtimestamp(seconds_read(element, text, place), UTC)


@lru_cache(maxsize=8192)
def _quality(letter: str, codes: str, null: bool) -> Quality:
    return quality_read(letter, tuple(codes.split()), null)


def mask_read(element: Any, letter: str, codes: str, null: bool, place: Place) -> int:
    """Letter and codes as a mask: SXM07 where they disagree, SXM01 where the value does."""
    if null != (letter == "M"):
        why = f"quality {letter} without a value" if null else "a value with quality M"
        raise Wrong(element, "SXM01", why=why)
    found = _quality(letter, codes, null)
    if found.unknown:
        place.warn(element, "SXR52", codes=" ".join(found.unknown))
    if found.conflict:
        place.warn(element, "SXM07", letter=letter, codes=codes)
    mask = found.mask
    if null:
        return (mask | MISSING) & ~int(Status.ESTIMATED | Status.EDITED)
    return mask & ~MISSING


# --- registers and events -------------------------------------------------------------------------


def read_read(element: Any, place: Place) -> RegisterRead:
    """A RegisterRead."""
    words = attributes(element, REGISTER_READ, place)
    values: list[RegisterValue] = []
    for child in children(element, place, "Register"):
        values += register_read(child, place)
    place.counts.add("RegisterReadCount")
    return RegisterRead(
        time=words["time"],
        read_type=words["type"],
        values=tuple(values),
        season=words.get("season"),
        reset_count=words.get("resetCount"),
        reset_time=words.get("resetTime"),
        status_word=words.get("status", ""),
        source=words["source"],
        received=words["received"],
        read_id=str(words["id"]),
    )


def register_read(element: Any, place: Place) -> list[RegisterValue]:
    """A Register: its occurrences."""
    words = attributes(element, REGISTER, place)
    value: Decimal | None = None
    peaks: list[tuple[Any, dict[str, Any], Decimal]] = []
    codes: list[str] = []
    for child in children(element, place, "Value", "Peak", "QualityCode"):
        name = local_name(child)
        if name == "Value":
            value = _number(child)
        elif name == "Peak":
            peaks.append((child, attributes(child, PEAK.element, place), _number(child)))
        else:
            codes.append((child.text or "").strip())
    mask = mask_read(element, words["quality"], " ".join(codes), value is None, place)
    first = RegisterValue(
        register_class=words["class"],
        unit=words["uom"],
        flow=words["flow"],
        rate=words["rate"],
        value=value,
        number=words["no"],
        multiplier=words["multiplier"],
        multiplier_applied=words["multiplierApplied"],
        dials=words.get("dials"),
        decimals=words.get("decimals"),
        status=mask,
    )
    _count(first, place)
    return _occurrences(element, first, peaks, place)


def _count(value: RegisterValue, place: Place) -> None:
    place.counts.add("RegisterCount")
    place.counts.quality(value.status)
    if value.value is not None:
        totals = {"SUM": "EnergyControlTotal", "MAX": "DemandControlTotal"}
        if value.register_class in totals:
            place.counts.sum(totals[value.register_class], value.value)


def _occurrences(
    element: Any, first: RegisterValue, peaks: list[Any], place: Place
) -> list[RegisterValue]:
    """The register with its peaks (SXM02)."""
    kind = first.register_class
    why = _peaks_wrong(first, [(words["occurrence"], amount) for _, words, amount in peaks])
    if why:
        if not place.lenient:
            raise Wrong(element, "SXM02", why=why)
        place.warn(element, "SXM02", why=why)
    amounts = [amount for *_, amount in peaks]
    if amounts != sorted(amounts, reverse=True):
        place.warn(element, "SXM02", why="values do not descend")
    if kind not in ("MAX", "COIN") or first.value is None or not peaks:
        return [first]
    found = {1: first}
    for _, words, amount in peaks:
        base = first if words["occurrence"] == 1 else structs.replace(first, status=0, value=amount)
        found[words["occurrence"]] = structs.replace(
            base, occurrence=words["occurrence"], peak_time=words.get("time")
        )
    return [found[occurrence] for occurrence in sorted(found)]


def _peaks_wrong(first: RegisterValue, peaks: list[tuple[int, Decimal]]) -> str:
    kind = first.register_class
    if peaks and (kind not in ("MAX", "COIN") or first.value is None):
        return f"there are some in a register of class {kind}, or without a value"
    if first.value is None or kind not in ("MAX", "COIN"):
        return ""
    if kind == "MAX" and not peaks:
        return "a maximum has none"
    if kind == "COIN" and len(peaks) > 1:
        return "a coincident value has more than one"
    numbers = [occurrence for occurrence, _ in peaks]
    if numbers != sorted(set(numbers)):
        return "occurrences do not rise"
    if peaks and (numbers[0] != 1 or peaks[0][1] != first.value):
        return "the first is not occurrence 1 with the register's value"
    return ""


def _number(element: Any) -> Decimal:
    try:
        value: Decimal = _value(NUMBER, element.text or "")
    except ValueError as error:
        raise Wrong(element, "SXR06", name=local_name(element), why=str(error)) from error
    return value


def event_read(element: Any, declared: Element, place: Place) -> Event:
    """An Event."""
    words = attributes(element, declared, place)
    place.counts.add("EventCount")
    return Event(
        code=words["code"],
        time=words["time"],
        received=words["received"],
        iec=words.get("iec", ""),
        severity=words["severity"],
    )


# --- shared ---------------------------------------------------------------------------------------


def children(element: Any, place: Place, *known: str) -> list[Any]:
    """An element's children of known names; others are skipped with a warning."""
    found = []
    for child in element:
        if local_name(child) in known:
            found.append(child)
        else:
            place.warn(child, "SXR50", name=local_name(child))
    return found
