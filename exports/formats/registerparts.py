"""What the writer of register reads puts together of a meter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import NamedTuple, TypeVar

from devices.readings import DeviceInfo, RegisterRead
from exports.formats.shapes import Shape

T = TypeVar("T")
KEPT = 4096  # shapes, and heads of reads, that are remembered


@dataclass(slots=True)
class Part:
    """What one meter makes, kept only if all of it can be written."""

    texts: list[str] = field(default_factory=list)
    amounts: tuple[list[Decimal], ...] = field(default_factory=lambda: ([], [], []))
    reads: int = 0
    rows: int = 0
    values: int = 0
    missing: int = 0
    estimated: int = 0
    warnings: list[tuple[str, str]] = field(default_factory=list)
    devices: set[str] = field(default_factory=set)
    seen: dict[tuple[object, ...], list[Shape]] = field(default_factory=dict)


class Chosen(NamedTuple):
    """A read that is written, and which of its classes."""

    device: DeviceInfo
    read: RegisterRead
    classes: tuple[str, ...]


def kept(known: dict[tuple[object, ...], T], key: tuple[object, ...], made: T) -> T:
    """Remember what was made, and not too much."""
    if len(known) >= KEPT:
        known.clear()
    known[key] = made
    return made


def devices_of_names(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The devices [low, high) of each name, where those of one stand together."""
    high = 0
    for _, group in groupby(names):
        low, high = high, high + sum(1 for _ in group)
        yield low, high


def stretches(names: Sequence[str]) -> Iterator[tuple[int, int, bool]]:
    """The same, those that have a name each put together, as they are told by the flag."""
    if names and names[0] and len(set(names)) == len(names):
        yield 0, len(names), True
        return
    alone = 0  # the first of those that have a name each
    for low, high in devices_of_names(names):
        if high - low == 1 and names[low]:
            continue
        if alone < low:
            yield alone, low, True
        yield low, high, False
        alone = high
    if alone < len(names):
        yield alone, len(names), True
