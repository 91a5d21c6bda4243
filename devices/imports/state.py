"""What a device is to the rules: its record, where it hangs, its groups, what is stored for later.

States are values: a rule makes a new one and touches none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from devices.imports.columns import PLACE_FIELDS
from devices.imports.stays import Stays

PLACED, PROVISIONED, UNPROVISIONED = "placed", "provisioned", "unprovisioned"
# A device's own columns, as the inventory keeps them; the defaults are those of a new device.
RECORD_DEFAULTS: Mapping[str, Any] = {
    "meter_number": "",
    "serial_number": "",
    "device_class": "",
    "time_zone": "",
    "state": PLACED,
    "notes": "",
    "pin": "",
    "comm_type": "",
    "comm_address": "",
    "address": "",
    "city": "",
    "region": "",
    "postal_code": "",
    "latitude": None,
    "longitude": None,
    "ct_ratio": None,
    "pt_ratio": None,
    "phase": "",
    "install_date": None,
    "removal_date": None,
    "schedule_profile": "",
    "provision_at": None,
    "ended": None,
}
PLACE_DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(PLACE_FIELDS, ""),
    "multiplier": Decimal(1),
}


class Place(NamedTuple):
    """An installation: from when to when, and its columns in the order of PLACE_FIELDS."""

    start: datetime
    end: datetime | None
    values: tuple[Any, ...]


class State(NamedTuple):
    """A device as it stands. `key` 0: not in the inventory yet. `changed`: its last change."""

    device_id: str
    key: int = 0
    record: Mapping[str, Any] = RECORD_DEFAULTS
    places: tuple[Place, ...] = ()
    stays: Stays = ()
    changed: datetime | None = None

    @property
    def active(self) -> bool:
        return bool(self.record["state"] != UNPROVISIONED)

    def place_at(self, at: datetime) -> Place | None:
        """The installation that holds at an instant."""
        held = (p for p in self.places if p.start <= at and (p.end is None or at < p.end))
        return next(held, None)

    def place_values(self, at: datetime) -> dict[str, Any]:
        """The columns of the installation of an instant, or of none."""
        place = self.place_at(at)
        if place is None:
            return dict(PLACE_DEFAULTS)
        return dict(zip(PLACE_FIELDS, place.values, strict=True))

    def last_change(self, now: datetime) -> datetime | None:
        """When the last change that is in effect by `now` took effect."""
        if not self.places and not self.stays:
            return self.changed if self.changed is not None and self.changed <= now else None
        times = [t for p in self.places for t in (p.start, p.end)]
        times += [t for s in self.stays for t in (s.start, s.end)]
        return max((t for t in (*times, self.changed) if t is not None and t <= now), default=None)

    def moved(self, values: Mapping[str, Any], at: datetime) -> State:
        """With another installation from an instant on, until the next one that is stored.

        None where all its columns are default; one that began at that instant is replaced.
        """
        held = self.place_at(at)
        kept = [place for place in self.places if place is not held]
        if held is not None and held.start < at:
            kept.append(held._replace(end=at))
        if values != PLACE_DEFAULTS:
            end = min((place.start for place in kept if place.start > at), default=None)
            kept.append(Place(at, end, tuple(values[name] for name in PLACE_FIELDS)))
        return self._replace(places=tuple(kept))

    def taken_down(self, at: datetime) -> State:
        """Without any installation from an instant on."""
        kept = (p._replace(end=at) if p.end is None or p.end > at else p for p in self.places)
        return self._replace(places=tuple(place for place in kept if place.start < at))
