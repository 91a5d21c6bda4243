"""What a writer is given and what it gives back: the frozen context of a run, and its tally."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Context, Decimal, Inexact
from typing import Any, Literal, NamedTuple

from devices.readings import Channel, DeviceInfo
from exports.formats.issues import FormatError, refusal

Mode = Literal["OR", "IN", "RE", "CO"]
MODES: dict[str, str] = {
    "OR": "Original",
    "IN": "Incremental",
    "RE": "ReExport",
    "CO": "Correction",
}
EXAMPLES_KEPT = 5
COUNTS = ("meters", "records", "intervals", "registers", "missing")
ZERO = Decimal(0)
SUMS = Context(prec=120, traps=[Inexact])  # control totals are exact or an error


@dataclass(frozen=True, slots=True)
class WriteContext:
    """What a run froze when it started; the same for each of its parts and retries.

    `created`, `start` and `end` are aware; a value belongs to the period if start < its end ≤ end.
    `zone` is the output zone, None = each device's own (headers then use `system_zone`).
    `options` come from `Format.options_clean`. `destination`: the definition has one.
    """

    created: datetime
    batch_id: str
    start: datetime
    end: datetime
    options: Mapping[str, Any]
    mode: Mode = "OR"
    sender: str = ""
    receiver: str = ""
    export: str = ""
    zone: str | None = None
    system_zone: str = "UTC"
    destination: bool = False
    original_batch: str = ""  # RE and CO: the batch that is sent again or corrected
    part: int = 1  # which of the run's files, where it has several
    groups: tuple[str, ...] = ()  # those that the run selected, by code
    on_error: Literal["stop", "skip_meter"] = "stop"
    on_unsupported: Literal["skip", "stop"] = "skip"

    def __post_init__(self) -> None:
        for time in (self.created, self.start, self.end):
            if time.tzinfo is None:
                raise refusal("FMT01", time=time)
        if self.mode not in MODES:
            raise ValueError(f"mode {self.mode!r} is none of {', '.join(MODES)}")
        if not (len(self.batch_id) == 14 and self.batch_id.isascii() and self.batch_id.isdigit()):
            raise ValueError(f"batch id {self.batch_id!r} is not 14 digits")

    @property
    def gaps_are_missing(self) -> bool:
        """A slot that never arrived counts as missing (README 2.7); else nothing is made up."""
        return self.mode in ("OR", "RE")


class LeftOut(NamedTuple):
    """Something a run did not send. `channel` None: the whole meter."""

    device: DeviceInfo
    channel: Channel | None
    code: str


@dataclass(slots=True)
class Warnings:
    """Warnings counted by code; only the first few of each keep their text."""

    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, code: str, text: str, count: int = 1) -> None:
        self.counts[code] = self.counts.get(code, 0) + count
        kept = self.examples.setdefault(code, [])
        if len(kept) < EXAMPLES_KEPT:
            kept.append(text)

    def merge(self, other: Warnings) -> None:
        for code, count in other.counts.items():
            self.counts[code] = self.counts.get(code, 0) + count
            kept = self.examples.setdefault(code, [])
            kept.extend(other.examples[code][: EXAMPLES_KEPT - len(kept)])

    def lines(self) -> list[str]:
        """One line a code, for a run's summary."""
        return [
            f"{code} ({self.counts[code]}): {'; '.join(self.examples[code])}"
            for code in sorted(self.counts)
        ]


@dataclass(slots=True)
class Tally:
    """What went into a file. Parts of a run have one each; `merge` in the parts' order."""

    meters: int = 0
    records: int = 0
    intervals: int = 0
    registers: int = 0
    missing: int = 0
    warnings: Warnings = field(default_factory=Warnings)
    left_out: list[LeftOut] = field(default_factory=list)
    # What only this format counts, by name: control totals and the like.
    totals: dict[str, Decimal] = field(default_factory=dict)

    def add(self, name: str, amount: Decimal | int) -> None:
        """Adds to one of the format's own totals."""
        self.totals[name] = SUMS.add(self.totals.get(name, ZERO), Decimal(amount))

    def total(self, name: str) -> Decimal:
        """One of the format's own totals; 0 if nothing was added to it."""
        return self.totals.get(name, ZERO)

    def warn(self, code: str, text: str, count: int = 1) -> None:
        self.warnings.add(code, text, count)

    def leave_out(self, device: DeviceInfo, channel: Channel | None, error: FormatError) -> None:
        """Notes a meter or channel that was not written, and why."""
        self.left_out.append(LeftOut(device, channel, error.code))
        self.warnings.add(error.code, f"left out: {error}")

    def merge(self, other: Tally) -> None:
        self.meters += other.meters
        self.records += other.records
        self.intervals += other.intervals
        self.registers += other.registers
        self.missing += other.missing
        self.warnings.merge(other.warnings)
        self.left_out.extend(other.left_out)
        for name, amount in other.totals.items():
            self.add(name, amount)

    def as_dict(self) -> dict[str, Any]:
        """Everything but who exactly was left out, in JSON's types; see `from_dict`."""
        return {
            **{name: getattr(self, name) for name in COUNTS},
            "warnings": {"counts": self.warnings.counts, "examples": self.warnings.examples},
            "totals": {name: str(amount) for name, amount in self.totals.items()},
            "left_out": [
                [one.device.device_id, one.channel.number if one.channel else None, one.code]
                for one in self.left_out
            ],
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Tally:
        """The tally of `as_dict`, without `left_out`, which is then read from the dict itself."""
        return cls(
            **{name: stored[name] for name in COUNTS},
            warnings=Warnings(**stored["warnings"]),
            totals={name: Decimal(amount) for name, amount in stored["totals"].items()},
        )
