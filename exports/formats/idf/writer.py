"""IDF's lines: what its fields are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from devices.readings import DeviceInfo, RegisterRead, RegisterValue, status_letter
from exports.formats.alikelines import Columns
from exports.formats.idf.tables import (
    CLASSES,
    DETAIL,
    METHOD_OF_TYPE,
    METHODS,
    OF_DEVICE,
    OF_READ,
    SLOTS,
    TYPES,
    VALIDATION,
    channel_ends,
    fields_order,
)
from exports.formats.registers import multiplier_of, split_words
from exports.formats.registerwriter import FrameWriter
from exports.formats.shapes import Plan, Shape, Shaper, extra_piece, slot_of
from exports.formats.stamps import Clock


def process_flag(read: RegisterRead, mode: str) -> str:
    """Field 27: `U` for what replaces an earlier line: a later version, or a file sent again."""
    return "U" if read.revision or mode in ("RE", "CO") else "I"


@lru_cache(maxsize=1024)
def peak_clock(zone: str) -> Clock:
    return Clock(zone, [DETAIL.column(name).put for name in SLOTS[1:]])


class IdfWriter(FrameWriter):
    format = "idf"
    of_device = {
        "meter_id": "meter_number",
        "service_point_id": "service_point_id",
        "account_id": "account_id",
        "route_id": "bill_cycle",
    }
    twice = "IDF01"

    def clock(self, zone: str) -> Clock:
        return peak_clock(zone)

    def classes(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(CLASSES[word] for word in split_words(options["register_types"], CLASSES))

    def plans_of(self, options: Mapping[str, Any]) -> Sequence[Plan]:
        columns = fields_order(options["fields"])
        return [Plan(columns, device=OF_DEVICE, read=OF_READ, slots=SLOTS, delimiter=",")]

    def shape(self, read: RegisterRead, places: Sequence[int]) -> Shape:
        [plan] = self.plans
        meter, end = extra_piece(self.pieces), extra_piece(self.pieces + 1)
        shaper = Shaper(self.pieces + 2, self.line_end)
        for place in places:
            value = read.values[place]
            values, divisor = self.register_values(read, value)
            values["register_channel_id"] = (meter, value.number or 0, end)
            shaper.add(plan, values, [(slot_of(read.values, place, divisor), SLOTS)])
            shaper.keys.append((value.unit, value.flow, value.register_class, value.rate))
        return self.shaped(shaper, [read.values[place] for place in places])

    def register_values(
        self, read: RegisterRead, value: RegisterValue
    ) -> tuple[dict[str, Any], Any]:
        """The fields that depend on the register but 3, 11, 14 and 15, and the divisor."""
        multiplier, applied, divisor = multiplier_of(value, self.remove)
        letter = status_letter(value.status)
        source = value.source or read.source
        return {
            "text_prompt": value.unit,
            "energy_flow": value.flow,
            "register_type": TYPES[value.register_class],
            "tou_rate": value.rate,
            "meter_constant": multiplier,
            "constant_flag": "1" if applied else "0",
            "dials": value.dials,
            "decimals": value.decimals,
            "read_code": letter,
            "source_validation": VALIDATION[letter],
            "read_method": METHODS.get(source) or METHOD_OF_TYPE.get(read.read_type, "R"),
        }, divisor

    def extra_pieces(self, device: DeviceInfo) -> Sequence[str]:
        """What RegisterChannelID takes of the meter."""
        return channel_ends(device.meter_number)

    def extra_columns(self, column: Columns) -> Sequence[Sequence[str]]:
        return list(zip(*map(channel_ends, column("meter_number")), strict=True))

    def read_values(self, read: RegisterRead, clock: Clock) -> Mapping[str, Any]:
        time = clock.local(read.time)
        return {
            "record_type": "REG",
            "read_timestamp": time,
            "gmt_offset": time,
            "read_reason": read.read_type,
            "demand_reset_count": read.reset_count,
            "demand_reset_timestamp": read.reset_time and clock.local(read.reset_time),
            "time_zone": clock.zone.key,
            "process_flag": process_flag(read, self.ctx.mode),
        }
