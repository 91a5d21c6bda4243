"""What the writer of register reads puts together of a meter."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
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
