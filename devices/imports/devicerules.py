"""What a row of the Device Information Interface means for the state the rows before it left."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from devices.blocks import local_midnight
from devices.imports.cells import BAD, CLEARED, MASKED, Chunk
from devices.imports.codes import DEVICE_CODES, ERROR, Issue
from devices.imports.columns import DEVICE_COLUMNS, PLACE_FIELDS
from devices.imports.differences import NAMES, state_changes
from devices.imports.outcome import (
    ADDED,
    CHANGED,
    LEAVES_CYCLE,
    REFUSED,
    REMOVED,
    UNCHANGED,
    UNPROVISIONS,
    Fact,
    Outcome,
)
from devices.imports.state import PLACE_DEFAULTS, RECORD_DEFAULTS, UNPROVISIONED, Place, State
from devices.imports.stays import BILL_CYCLE, Stay, ended_all, entered, lane_of, left, stay_at

_NOT_CLEARED = [column.field for column in DEVICE_COLUMNS if column.clear == "no"]
_FIRST = ("cells", "action", "no_key", "role")  # such a row gets this one message


class Patch(NamedTuple):
    """What a row asks for: its action and its cells that are not empty."""

    action: str
    values: Mapping[str, Any]


class Waiting(NamedTuple):
    """A row stored for later. `order`: of rows that are due at one instant."""

    due: datetime
    order: tuple[int, int]
    device_id: str
    patch: Patch


@dataclass
class DeviceBook:
    """The devices that some rows are about, as they stand; changed by each good row.

    `moment`: the time of the import. `seal` and `opened` keep a PIN: encrypted, and read again.
    `owners`: meter number → device, of active devices.
    """

    moment: datetime
    system_zone: str
    seal: Callable[[str], str]
    opened: Callable[[str], str]
    check_ratios: bool = False
    job: int = 0
    places: Mapping[str, int] = field(default_factory=dict)  # field → its column's place
    states: dict[str, State] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, list[Waiting]] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def load(self, states: Sequence[State], waiting: Sequence[Waiting] = ()) -> None:
        """Take in what the inventory and the rows before have."""
        for state in states:
            self.states[state.device_id] = state
            if state.active:
                self.owners[state.record["meter_number"]] = state.device_id
        for row in waiting:
            self.waiting.setdefault(row.device_id, []).append(row)

    # --- the present and the stored future ---

    def state_at(self, device_id: str, at: datetime) -> State | None:
        """A device at an instant that is not past, with the rows stored until then."""
        state = self.states.get(device_id)
        stored = [row for row in self.waiting.get(device_id, ()) if row.due <= at]
        for row in sorted(stored, key=lambda row: (row.due, row.order)):
            if not self._state_end(row.patch, state):
                state = self.patched(state, device_id, row.patch, row.due)
        return state

    def owner_at(self, meter: str, at: datetime, future: bool) -> str | None:
        """The active device that has a meter number."""
        owner = self.owners.get(meter)
        if not future:
            return owner
        named = {owner} if owner else set()
        for device_id, rows in self.waiting.items():
            if any(row.patch.values.get("meter_number") == meter for row in rows):
                named.add(device_id)
        for device_id in sorted(named):
            state = self.state_at(device_id, at)
            if state and state.active and state.record["meter_number"] == meter:
                return device_id
        return None

    # --- a row ---

    def rows(self, chunk: Chunk) -> list[Outcome]:
        """The outcomes of a chunk's rows, in order."""
        columns = [(name, values) for name, values in chunk.values.items() if name != "action"]
        made = []
        for index, number in enumerate(chunk.numbers):
            values = {name: cell for name, cells in columns if (cell := cells[index]) is not None}
            action = chunk.actions[index]
            if action == "A":
                values = {name: cell for name, cell in values.items() if cell is not CLEARED}
            issues = chunk.issues.get(index, [])
            made.append(self.row(number, Patch(action, values), list(issues)))
        return made

    def row(self, number: int, patch: Patch, issues: list[Issue]) -> Outcome:
        """The outcome of a row; a good one changes the book."""
        device_id = patch.values.get("device_id")
        if device_id is None and patch.action:
            issues.append(Issue("no_key", -1, {"name": "DeviceID"}))
        first = [issue for issue in issues if issue.symbol in _FIRST]
        if first:
            first.sort(key=lambda issue: DEVICE_CODES[issue.symbol].code)
            named = device_id if isinstance(device_id, str) else ""
            return Outcome(number, named, REFUSED, first[:1])
        if patch.action != "D":
            self._cells_check(patch, issues)
        outcome = Outcome(number, device_id if isinstance(device_id, str) else "", REFUSED, issues)
        if not isinstance(device_id, str):
            return outcome
        at = self._effective(device_id, patch.values)
        future = at > self.moment
        state = self.state_at(device_id, at) if future else self.states.get(device_id)
        if state is not None and "effective" not in patch.values:
            at = max(at, state.last_change(self.moment) or at)
        end = self._state_end(patch, state)
        if end:
            outcome.issues.append(Issue(end, -1, {"id": device_id}))
            if end == "gone" and not _has_error(issues):
                outcome.kind = UNCHANGED
            return outcome
        self._state_check(patch, state, device_id, at, future, issues)
        if _has_error(issues):
            return outcome
        return self._good(outcome, patch, state, at, future)

    def _cells_check(self, patch: Patch, issues: list[Issue]) -> None:
        """What the cells of an add or an update must be together, without any state."""
        values = patch.values
        if patch.action == "A":
            if "meter_number" not in values:
                issues.append(Issue("no_meter", -1, {}))
            if "device_class" not in values:
                issues.append(Issue("class", -1, {"v": ""}))
        else:
            for name in _NOT_CLEARED:
                if values.get(name) is CLEARED:
                    place = self.places.get(name, -1)
                    issues.append(Issue("not_cleared", place, {"name": NAMES[name]}))
        one, other = values.get("latitude"), values.get("longitude")
        cleared = (one is CLEARED) != (other is CLEARED)
        if (one is None) != (other is None) or cleared:
            _pair_note(issues)
        if values.get("pin") is MASKED and patch.action == "A":
            issues.append(Issue("masked", -1, {}))

    def _effective(self, device_id: str, values: Mapping[str, Any]) -> datetime:
        """When a row takes effect; a date is its first instant in the device's zone."""
        given = values.get("effective")
        if isinstance(given, date):
            return datetime.fromtimestamp(local_midnight(self._zone(device_id, values), given), UTC)
        return datetime.fromtimestamp(given, UTC) if isinstance(given, int) else self.moment

    def _zone(self, device_id: str, values: Mapping[str, Any]) -> str:
        zone = values.get("time_zone")
        if isinstance(zone, str):
            return zone
        state = self.states.get(device_id)
        return str(state.record["time_zone"]) if state and zone is None else self.system_zone

    @staticmethod
    def _state_end(patch: Patch, state: State | None) -> str:
        """What ends the checks of a row: the device is not in a state for it."""
        if patch.action == "A":
            return "active" if state is not None and state.active else ""
        if state is None:
            return "unknown"
        if state.active:
            return ""
        return "unprovisioned" if patch.action == "U" else "gone"

    def _state_check(
        self,
        patch: Patch,
        state: State | None,
        device_id: str,
        at: datetime,
        future: bool,
        issues: list[Issue],
    ) -> None:
        values = patch.values
        if state is not None and not future and "effective" in values:
            last = state.last_change(self.moment)
            if last is not None and at < last and values["effective"] is not BAD:
                zone = ZoneInfo(self._zone(device_id, values))
                issues.append(Issue("early", -1, {"v": at.astimezone(zone).isoformat()}))
        if patch.action == "D":
            return
        meter = values.get("meter_number")
        if isinstance(meter, str):
            owner = self.owner_at(meter, at, future)
            if owner is not None and owner != device_id:
                issues.append(Issue("meter_taken", -1, {"v": meter, "id": owner}))
        if "install_date" in values or "removal_date" in values:
            held = state.record if state and patch.action == "U" else {}
            begun, removed = (
                values.get(name, held.get(name)) for name in ("install_date", "removal_date")
            )
            if isinstance(begun, date) and isinstance(removed, date) and removed < begun:
                issues.append(Issue("removal", -1, {}))
        if self.check_ratios and BAD not in values.values():
            self._ratios_check(self.patched(state, device_id, patch, at), at, issues)

    @staticmethod
    def _ratios_check(wanted: State, at: datetime, issues: list[Issue]) -> None:
        ct, pt = wanted.record["ct_ratio"], wanted.record["pt_ratio"]
        multiplier = wanted.place_values(at)["multiplier"]
        if (ct or pt) and (ct or 1) * (pt or 1) != multiplier:
            said = {"name": "Multiplier", "v": f"{multiplier.normalize():f}"}
            issues.append(Issue("number", -1, said))

    # --- a good row ---

    def _good(
        self, outcome: Outcome, patch: Patch, before: State | None, at: datetime, future: bool
    ) -> Outcome:
        after = self.patched(before, outcome.device_id, patch, at)
        outcome.changes = state_changes(before, after, at)
        if patch.action == "A":
            outcome.kind = ADDED
            if before is not None:
                outcome.issues.append(Issue("reactivated", -1, {"id": outcome.device_id}))
            else:
                outcome.changes = {}
        elif patch.action == "D":
            outcome.kind, outcome.changes = REMOVED, {}
            if before is not None and before.key:
                outcome.facts.append(Fact(outcome.number, before.key, UNPROVISIONS, at))
        elif not outcome.changes:
            outcome.kind = UNCHANGED
            outcome.issues.append(Issue("nothing", -1, {}))
            return outcome
        else:
            outcome.kind = CHANGED
            self._leaving(outcome, before, after, at)
        if future:
            outcome.due = at
            row = Waiting(at, (self.job, outcome.number), outcome.device_id, patch)
            self.waiting.setdefault(outcome.device_id, []).append(row)
        else:
            self._put(before, after._replace(changed=at))
        return outcome

    @staticmethod
    def _leaving(outcome: Outcome, before: State | None, after: State, at: datetime) -> None:
        """Note the bill cycle that a device leaves."""
        if before is None or not before.key:
            return
        cycles = [s for s in before.stays if s.kind == BILL_CYCLE and s.holds(at)]
        kept = {s.group for s in after.stays if s.holds(at)}
        for stay in cycles:
            if stay.group not in kept:
                fact = Fact(outcome.number, before.key, LEAVES_CYCLE, at, stay.group)
                outcome.facts.append(fact)

    def _put(self, before: State | None, after: State) -> None:
        if before is not None and self.owners.get(before.record["meter_number"]) == after.device_id:
            del self.owners[before.record["meter_number"]]
        if after.active:
            self.owners[after.record["meter_number"]] = after.device_id
        self.states[after.device_id] = after
        self.touched.add(after.device_id)

    def patched(self, state: State | None, device_id: str, patch: Patch, at: datetime) -> State:
        """The state a row leaves."""
        values = patch.values
        if state is None and patch.action == "A":
            return self._fresh(device_id, values, at)
        start = state or State(device_id)
        record, place = dict(start.record), None
        if patch.action != "U":
            stays = ended_all(start.stays, at)
            start = start.taken_down(at)._replace(stays=stays)
            if patch.action == "D":
                record |= {"state": UNPROVISIONED, "provision_at": None, "ended": at}
                return start._replace(record=record)
            record = {**RECORD_DEFAULTS, "time_zone": self.system_zone}
        for name, value in values.items():
            if value is BAD or value is MASKED:
                continue
            if name in record:
                if value != record[name]:
                    record[name] = self._record_value(name, value, record)
            elif name in PLACE_DEFAULTS:
                place = start.place_values(at) if place is None else place
                place[name] = PLACE_DEFAULTS[name] if value is CLEARED else value
        if values.get("provision") is True:
            record["provision_at"] = at
        start = start._replace(record=record)
        if place is not None and place != start.place_values(at):
            start = start.moved(place, at)
        return self._grouped(start, values, at)

    def _fresh(self, device_id: str, values: Mapping[str, Any], at: datetime) -> State:
        """A device that was not there: as `patched` of an add, without a state to respect."""
        record, place = {**RECORD_DEFAULTS, "time_zone": self.system_zone}, dict(PLACE_DEFAULTS)
        for name, value in values.items():
            if name in record:
                if value is not BAD and value is not MASKED:
                    record[name] = value if name != "pin" else self.seal(value)
            elif name in place and value is not BAD:
                place[name] = value
        if values.get("provision") is True:
            record["provision_at"] = at
        hung = tuple(place[name] for name in PLACE_FIELDS)
        places = (Place(at, None, hung),) if place != PLACE_DEFAULTS else ()
        stays = []
        if isinstance(cycle := values.get("bill_cycle"), str):
            stays.append(Stay(cycle, BILL_CYCLE, at, None))
        if isinstance(groups := values.get("groups"), tuple):
            stays += [Stay(group, "GENERAL", at, None) for group in groups]
        return State(device_id, 0, record, places, tuple(stays))

    def _record_value(self, name: str, value: Any, record: Mapping[str, Any]) -> Any:
        if value is CLEARED:
            return self.system_zone if name == "time_zone" else RECORD_DEFAULTS[name]
        if name == "pin":
            # The same PIN stays the same secret, so that nothing seems to have changed.
            same = record["pin"] and self.opened(record["pin"]) == value
            return record["pin"] if same else self.seal(value)
        return value

    @staticmethod
    def _grouped(state: State, values: Mapping[str, Any], at: datetime) -> State:
        """In the groups that a row names; a bill cycle takes the place of the present one."""
        stays = state.stays
        cycle = values.get("bill_cycle")
        if isinstance(cycle, str) or cycle is CLEARED:
            held = stay_at(lane_of(stays, "", BILL_CYCLE), at)
            if held is not None and held.group != cycle:
                stays = left(stays, held, at)
            if isinstance(cycle, str) and (held is None or held.group != cycle):
                stays = entered(stays, cycle, BILL_CYCLE, at)
        groups = values.get("groups")
        for group in groups if isinstance(groups, tuple) else ():
            if stay_at(lane_of(stays, group, "GENERAL"), at) is None:
                stays = entered(stays, group, "GENERAL", at)
        return state._replace(stays=stays) if stays is not state.stays else state


_PAIR = {"Latitude", "Longitude"}


def _pair_note(issues: list[Issue]) -> None:
    """Half a position; a cell's own error of a lower code stands, one of a higher does not."""
    own = [issue for issue in issues if issue.values.get("name") in _PAIR]
    if any(issue.symbol == "character" for issue in own):
        return
    issues[:] = [issue for issue in issues if issue.symbol != "number" or issue not in own]
    issues.append(Issue("pair", -1, {}))


def _has_error(issues: Sequence[Issue]) -> bool:
    return any(DEVICE_CODES[issue.symbol].level == ERROR for issue in issues)
