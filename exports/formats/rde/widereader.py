"""Rows of profile wide back to registers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from devices.readings import (
    FLOWS,
    READ_TYPES,
    DeviceInfo,
    RegisterRead,
    RegisterValue,
)
from exports.formats.csvtext import unguarded
from exports.formats.quality import LETTER_MASKS
from exports.formats.rde.tables import (
    BLOCK,
    ENERGY_KINDS,
    WIDE_DEVICE,
    WIDE_NAMES,
    WIDE_RATES,
    WIDE_REQUIRED,
)
from exports.formats.registerreader import Cells, Complaints, RowError, Rows, cells_named

WIDE_ERRORS = {"RDE14": "{demand} does not go with {energy}"}
DEMANDS = {kind.energy: kind.demand for kind in ENERGY_KINDS}
WIDTHS = dict(
    zip(WIDE_DEVICE, ("meter_number", "service_point_id", "account_id", "group_code"), strict=True)
)


@dataclass(slots=True)
class WideReader:
    """The rows of one file, by the names of its first line."""

    options: Mapping[str, Any]
    notes: Complaints
    rows: Rows
    names: Sequence[str] = WIDE_NAMES
    usable: bool = True

    def columns(self, cells: Sequence[bytes]) -> None:
        """The line of names."""
        known = {name.lower(): name for name in WIDE_NAMES}
        names = [cell.decode("latin-1") for cell in cells]
        self.names = [known.get(name.lower(), name) for name in names]
        for name in self.names:
            if name not in WIDE_NAMES:
                self.notes.warn("RDE60", name[:40], name=name[:40])
        lacking = [name for name in WIDE_REQUIRED if name not in self.names]
        self.usable = not lacking
        if lacking:
            raise RowError("RDE12", name=", ".join(lacking))

    def row(self, cells: Sequence[bytes]) -> None:
        """One row's registers. They come without numbers."""
        if not self.usable:
            return
        if len(cells) != len(self.names):
            raise RowError("REG11", count=len(cells), wanted=len(self.names))
        found = Cells(cells_named(self.names, cells), self.notes.warn)
        device = self._device(found)
        head = self._read(found)
        for value in list(self._values(found)):
            key = (value.unit, value.flow, value.register_class, value.rate)
            self.rows.put(device, head, value, key)

    def _device(self, found: Cells) -> DeviceInfo:
        guarded = {name: unguarded(found.text(name)).encode() for name in WIDE_DEVICE}
        plain = Cells(guarded, found.warn)
        texts = [plain.identifier(name, kind) for name, kind in WIDTHS.items()]
        if not texts[0]:
            raise RowError("REG14", "MeterNumber")
        return DeviceInfo(
            "",
            meter_number=texts[0],
            service_point_id=texts[1],
            account_id=texts[2],
            time_zone="",
            bill_cycle=texts[3],
        )

    def _read(self, found: Cells) -> RegisterRead:
        zone = self.options["zone"]
        time = found.instant("ReadTime", zone)
        if time is None:
            raise RowError("REG14", "ReadTime")
        return RegisterRead(
            time,
            found.word("ReadType", READ_TYPES),
            (),
            reset_count=found.integer("DemandResetCount", 99999),
            reset_time=found.instant("DemandResetTime", zone),
            received=found.instant("ReceivedTime", zone),
        )

    def _values(self, found: Cells) -> Iterator[RegisterValue]:
        energy = found.word("EnergyUOM", DEMANDS)
        demand = found.text("DemandUOM").strip().upper() or DEMANDS[energy]
        if demand != DEMANDS[energy]:
            raise RowError("RDE14", "DemandUOM", demand=demand[:20], energy=energy)
        common: dict[str, Any] = {
            "flow": found.word("Flow", FLOWS, default="DEL"),
            "multiplier": found.number("Multiplier"),
            "multiplier_applied": found.word("MultiplierApplied", ("Y", "N"), default="Y") == "Y",
        }
        for rate in WIDE_RATES:
            yield from self._block(found, rate, energy, demand, common)

    def _block(
        self, found: Cells, rate: str, energy: str, demand: str, common: Mapping[str, Any]
    ) -> Iterator[RegisterValue]:
        """The registers of a rate. Letter M is of the first one without a value; the others of
        the block then count as actual, for the letter says no more."""
        letter = ""
        if found.raw(f"{rate}_Quality"):
            letter = found.word(f"{rate}_Quality", LETTER_MASKS)
        missing = letter == "M"
        mask = 0 if missing else LETTER_MASKS[letter or "A"]
        for name, cell in BLOCK:
            unit = energy if name == "SUM" else demand
            amount: Decimal | None = found.number(f"{rate}_{cell}")
            peak: datetime | None = None
            if name == "MAX":
                peak = found.instant(f"{rate}_{cell}Time", self.options["zone"])
            if not unit or (amount is None and not missing):
                continue
            if amount is None:
                missing = False
            status = LETTER_MASKS["M"] if amount is None else mask
            yield RegisterValue(
                name, unit, rate=rate, value=amount, peak_time=peak, status=status, **common
            )
