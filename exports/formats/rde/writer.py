"""Which reads and classes RDE takes, and the rows of profile long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from devices.readings import (
    REGISTER_CLASSES,
    DeviceInfo,
    RegisterRead,
    RegisterValue,
    status_letter,
)
from exports.formats.quality import codes_text
from exports.formats.rde.tables import (
    DEVICE_NAMES,
    MOST_OF_ID,
    MOST_REVISIONS,
    RDE_WARNINGS,
    RDED,
    READ_NAMES,
    SLOTS,
)
from exports.formats.registerparts import Chosen
from exports.formats.registers import multiplier_of, number_key
from exports.formats.registerwriter import FrameWriter
from exports.formats.shapes import Plan, Shape, Shaper, slot_of
from exports.formats.stamps import Clock

ENERGY = ("SUM",)
DEMAND = tuple(name for name in REGISTER_CLASSES if name != "SUM")


@lru_cache(maxsize=1024)
def peak_clock(zone: str) -> Clock:
    return Clock(zone, [RDED.column("PeakTime").put])


class RdeWriter(FrameWriter):
    """What both profiles share: the newest reads of energy_days and demand_days."""

    format = "rde"
    twice = "RDE01"

    def peaks(self, options: Mapping[str, Any]) -> int:
        return options["occurrences"] or 99

    def clock(self, zone: str) -> Clock:
        return peak_clock(zone)

    def takes_alike(self) -> bool:
        return not (self.ctx.options["energy_days"] or self.ctx.options["demand_days"])

    def chosen(self, reads: Sequence[tuple[DeviceInfo, RegisterRead]]) -> Iterator[Chosen]:
        options = self.ctx.options
        if not options["energy_days"] and not options["demand_days"]:
            yield from super().chosen(reads)
            return
        every = list(super().chosen(reads))
        energy = self._newest(every, ENERGY, options["energy_days"])
        demand = self._newest(every, DEMAND, options["demand_days"])
        for place, chosen in enumerate(every):
            classes = (*(ENERGY if place in energy else ()), *(DEMAND if place in demand else ()))
            wanted = tuple(name for name in chosen.classes if name in classes)
            if wanted:
                yield chosen._replace(classes=wanted)

    def _newest(
        self, every: Sequence[Chosen], classes: Sequence[str], days: int | None
    ) -> set[int]:
        """Places of the reads that these classes are taken from: of each device the newest of the
        last `days` that has one, at one time the last in the file's order; all without `days`."""
        if not days:
            return set(range(len(every)))
        last: datetime = self.ctx.created
        first = last - timedelta(hours=24 * days)
        found = {
            chosen.device.device_id: place
            for place, chosen in enumerate(every)
            if first <= chosen.read.time < last
            and self.picks._replace(
                classes=tuple(name for name in chosen.classes if name in classes)
            ).of(chosen.read.values)
        }
        return set(found.values())


class LongWriter(RdeWriter):
    """Profile long: a row a register."""

    of_device = {
        "DeviceID": "device_id",
        "MeterNumber": "meter_number",
        "SerialNumber": "serial_number",
        "ServicePointID": "service_point_id",
        "AccountID": "account_id",
        "FunctionalGroup": "bill_cycle",
    }

    def plans_of(self, options: Mapping[str, Any]) -> Sequence[Plan]:
        own = ("ReadID",)
        return [
            Plan(
                RDED.columns,
                device=DEVICE_NAMES,
                read=READ_NAMES,
                own=own,
                slots=SLOTS,
                delimiter=",",
            )
        ]

    def shape(self, read: RegisterRead, places: Sequence[int]) -> Shape:
        [plan] = self.plans
        shaper = Shaper(self.pieces, self.line_end)
        for place in places:
            value = read.values[place]
            values, divisor = self.register_values(read, value)
            shaper.add(plan, values, [(slot_of(read.values, place, divisor), SLOTS)])
            key = (*number_key(value), value.register_class, value.rate, value.occurrence)
            shaper.keys.append(key)
        return self.shaped(shaper, [read.values[place] for place in places])

    def register_values(
        self, read: RegisterRead, value: RegisterValue
    ) -> tuple[dict[str, Any], Any]:
        """The columns that depend on the register but 20 and 21, and the divisor."""
        multiplier, applied, divisor = multiplier_of(value, self.remove)
        return {
            "RegisterNo": value.number,
            "RegisterClass": value.register_class,
            "UOM": value.unit,
            "Flow": value.flow,
            "Rate": value.rate,
            "Occurrence": value.occurrence,
            "Multiplier": multiplier,
            "MultiplierApplied": "Y" if applied else "N",
            "Dials": value.dials,
            "Decimals": value.decimals,
            "Quality": status_letter(value.status),
            "QualityCodes": codes_text(value.status),
            "Source": value.source or read.source,
        }, divisor

    def read_values(self, read: RegisterRead, clock: Clock) -> Mapping[str, Any]:
        return {
            "ReadType": read.read_type,
            "ReadTime": clock.local(read.time),
            "Season": read.season,
            "DemandResetCount": read.reset_count,
            "DemandResetTime": read.reset_time and clock.local(read.reset_time),
            "ReceivedTime": read.received and clock.local(read.received),
            "Revision": min(read.revision, MOST_REVISIONS),
        }

    def own_values(self, read: RegisterRead) -> Mapping[str, Any]:
        return {"ReadID": self._read_id(read.read_id)}

    def _read_id(self, text: str) -> int | None:
        """The id as the number that the column holds; one that is none is left out."""
        if not text:
            return None
        number = int(text) if text.isdigit() and text.isascii() else -1
        if not 0 <= number <= MOST_OF_ID or str(number) != text:
            self.tally.warn("RDE51", f"{RDE_WARNINGS['RDE51']}: {text[:40]}")
            return None
        return number
