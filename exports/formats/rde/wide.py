"""The rows of profile wide: one a read, flow and energy kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from devices.readings import FLOWS, DeviceInfo, RegisterRead, RegisterValue
from exports.formats.alikelines import Columns
from exports.formats.csvtext import guarded
from exports.formats.quality import worst
from exports.formats.rde.tables import (
    BLOCK,
    ENERGY_KINDS,
    WIDE,
    WIDE_DEVICE,
    WIDE_RATES,
    WIDE_READ,
    EnergyKind,
    rde,
)
from exports.formats.rde.writer import RdeWriter
from exports.formats.registers import multiplier_of, register_name
from exports.formats.shapes import Plan, Shape, Shaper, slot_of
from exports.formats.stamps import Clock

_CELLS = dict(BLOCK)
_FLOW_ORDER = {flow: place for place, flow in enumerate(FLOWS)}
SLOTS = tuple(
    f"{rate}_{cell}"
    for rate in WIDE_RATES
    for cell in ("Energy", "MaxDemand", "MaxDemandTime", "CumDemand")
)


class RowKey(NamedTuple):
    """A row of a read; sorted as rows are."""

    flow: int
    kind: int


class WideWriter(RdeWriter):
    """Profile wide. A register's place is its row, its rate's block and its class's cell."""

    of_device = {
        "MeterNumber": "meter_number",
        "ServicePointID": "service_point_id",
        "AccountID": "account_id",
        "FunctionalGroup": "bill_cycle",
    }

    def plans_of(self, options: Mapping[str, Any]) -> Sequence[Plan]:
        return [Plan(WIDE.columns, device=WIDE_DEVICE, read=WIDE_READ, slots=SLOTS, delimiter=",")]

    def shape(self, read: RegisterRead, places: Sequence[int]) -> Shape:
        warnings, kept = [], []
        rows: dict[RowKey, dict[str, int]] = {}
        for place in places:
            value = read.values[place]
            key = self._row(value)
            if key is None:
                warnings.append(("RDE50", register_name(value)))
                continue
            if value.rate not in WIDE_RATES:
                raise rde("RDE02", rate=value.rate).at(where=register_name(value))
            cell = f"{value.rate}_{_CELLS[value.register_class]}"
            if cell in rows.setdefault(key, {}):
                why = f"two registers for {cell}"
                raise rde("RDE03", why=why).at(where=register_name(value))
            rows[key][cell] = place
            kept.append(value)
        shaper = Shaper(self.pieces, self.line_end)
        for key in sorted(rows):
            self._line(shaper, read, key, rows[key])
        return self.shaped(shaper, kept, warnings)

    def _row(self, value: RegisterValue) -> RowKey | None:
        """The row of a register; None for what this profile does not carry."""
        if value.register_class not in _CELLS or value.occurrence != 1:
            return None
        for place, kind in enumerate(ENERGY_KINDS):
            unit = kind.energy if value.register_class == "SUM" else kind.demand
            if value.unit == unit:
                if value.flow.startswith("Q") and value.register_class != "SUM":
                    why = f"flow {value.flow} with demand unit {value.unit}"
                    raise rde("RDE03", why=why).at(where=register_name(value))
                return RowKey(_FLOW_ORDER[value.flow], place)
        return None

    def _line(
        self, shaper: Shaper, read: RegisterRead, key: RowKey, cells: Mapping[str, int]
    ) -> None:
        """A row with its slots in the order of the columns."""
        values, divisor = self.row_values(read, key, cells)
        shaper.keys += [(key, cell) for cell in cells]
        slots = [
            (slot_of(read.values, cells[cell], divisor), (cell, f"{cell}Time"))
            for cell in SLOTS
            if cell in cells
        ]
        shaper.add(self.plans[0], values, slots)

    def row_values(
        self, read: RegisterRead, key: RowKey, cells: Mapping[str, int]
    ) -> tuple[dict[str, Any], Any]:
        """The columns that depend on a row's registers but their values, and the divisor."""
        kind: EnergyKind = ENERGY_KINDS[key.kind]
        there = [read.values[place] for place in cells.values()]
        multipliers = {multiplier_of(value, self.remove) for value in there}
        if len(multipliers) > 1:
            raise rde("RDE05").at(where=f"{kind.energy} {list(FLOWS)[key.flow]}")
        [(multiplier, applied, divisor)] = multipliers
        values: dict[str, Any] = {
            "EnergyUOM": kind.energy,
            "DemandUOM": kind.demand,
            "Flow": list(FLOWS)[key.flow],
            "Multiplier": multiplier,
            "MultiplierApplied": "Y" if applied else "N",
        }
        for rate in WIDE_RATES:
            masks = [value.status for value in there if value.rate == rate]
            values[f"{rate}_Quality"] = worst(masks)
        return values, divisor

    def device_values(self, device: DeviceInfo) -> Mapping[str, Any]:
        texts = super().device_values(device)
        if not self.ctx.options["formula_guard"]:
            return texts
        return {name: guarded(text) for name, text in texts.items()}

    def device_columns(self, column: Columns) -> Mapping[str, Sequence[Any]]:
        columns = super().device_columns(column)
        if not self.ctx.options["formula_guard"]:
            return columns
        return {name: list(map(guarded, texts)) for name, texts in columns.items()}

    def read_values(self, read: RegisterRead, clock: Clock) -> Mapping[str, Any]:
        return {
            "ReadType": read.read_type,
            "ReadTime": clock.local(read.time),
            "DemandResetCount": read.reset_count,
            "DemandResetTime": read.reset_time and clock.local(read.reset_time),
            "ReceivedTime": read.received and clock.local(read.received),
        }
