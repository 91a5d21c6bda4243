"""What a row of the Bill Cycle/Group Information Interface means for a device's memberships."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from devices.blocks import local_midnight
from devices.imports.cells import BAD, Chunk
from devices.imports.codes import ERROR, GROUP_CODES, Issue
from devices.imports.outcome import (
    ADDED,
    LEAVES_CYCLE,
    MOVED,
    REFUSED,
    REMOVED,
    UNCHANGED,
    Fact,
    Outcome,
)
from devices.imports.state import State
from devices.imports.stays import BILL_CYCLE, Stay, entered, lane_of, last_change, left, stay_at

_FIRST = ("cells", "action", "role")  # such a row gets this one message
Values = dict[str, Any]


@dataclass(slots=True)
class _Row:
    """A row under way."""

    action: str
    values: Values
    at: datetime
    outcome: Outcome
    warnings: list[Issue] = field(default_factory=list)

    def issue(self, symbol: str, **values: Any) -> None:
        self.outcome.issues.append(Issue(symbol, -1, values))

    def text(self, name: str) -> str:
        """A good cell's text, else an empty one."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    @property
    def good(self) -> bool:
        return not any(GROUP_CODES[i.symbol].level == ERROR for i in self.outcome.issues)


@dataclass
class GroupBook:
    """The devices that some rows are about, as they stand; changed by each good row.

    `groups`: code → kind, with those that the rows before create. `state_at`: a device at an
    instant to come, with the rows of the device interface stored until then.
    """

    moment: datetime
    groups: dict[str, str]
    create_groups: bool = False
    auto_move: bool = False
    states: dict[str, State] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    state_at: Callable[[str, datetime], State | None] = lambda device_id, at: None
    created: dict[str, str] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)

    def rows(self, chunk: Chunk) -> list[Outcome]:
        """The outcomes of a chunk's rows, in order."""
        columns = [(name, values) for name, values in chunk.values.items() if name != "action"]
        made = []
        for index, number in enumerate(chunk.numbers):
            values = {name: cell for name, cells in columns if (cell := cells[index]) is not None}
            issues = list(chunk.issues.get(index, ()))
            made.append(self.row(number, chunk.actions[index], values, issues))
        return made

    def row(self, number: int, action: str, values: Values, issues: list[Issue]) -> Outcome:
        """The outcome of a row; a good one changes the book."""
        outcome = Outcome(number, "", REFUSED, issues)
        first = [issue for issue in issues if issue.symbol in _FIRST]
        if first:
            outcome.issues = sorted(first, key=lambda issue: _FIRST.index(issue.symbol))[:1]
            return outcome
        if action != "M":  # FromGroup is ignored, not even checked
            issues[:] = [i for i in issues if i.values.get("name") != "FromGroup"]
            values.pop("source", None)
        row = _Row(action, values, self.moment, outcome)
        if "device_id" not in values and "meter_number" not in values:
            row.issue("no_key", name="DeviceID")
        if "group" not in values:
            row.issue("no_key", name="GroupCode")
        state = self._device(row)
        if state is not None:
            outcome.device_id = state.device_id
        self._groups_check(row)
        if state is None or not row.good:
            return outcome
        return self._membership(row, state)

    # --- the device ---

    def _device(self, row: _Row) -> State | None:
        """The one device of a row; None with a message when there is none."""
        values = row.values
        if BAD in (values.get("device_id"), values.get("meter_number")):
            return None
        named, meter = values.get("device_id"), values.get("meter_number")
        state = self.states.get(named) if named else None
        if named and state is None:
            row.issue("unknown", v=named)
            return None
        if meter:
            owner = self.owners.get(meter)
            if owner is None:
                row.issue("unknown", v=meter)
                return None
            if named and owner != named:
                row.issue("two_devices", a=named, b=meter)
                return None
            state = self.states[owner]
        if state is None:
            return None
        row.outcome.device_id = state.device_id
        if values.get("effective") is BAD:
            return state if state.active else self._unprovisioned(row, state)
        row.at = self._effective(state, values.get("effective"))
        later = self.state_at(state.device_id, row.at) if row.at > self.moment else state
        if not state.active or (later is not None and not later.active):
            return self._unprovisioned(row, state)
        return state

    @staticmethod
    def _unprovisioned(row: _Row, state: State) -> None:
        row.issue("unprovisioned", id=state.device_id)

    def _effective(self, state: State, given: Any) -> datetime:
        if isinstance(given, date):
            zone = str(state.record["time_zone"])
            return datetime.fromtimestamp(local_midnight(zone, given), UTC)
        return datetime.fromtimestamp(given, UTC) if isinstance(given, int) else self.moment

    # --- the groups ---

    def _groups_check(self, row: _Row) -> None:
        """Whether the groups exist, or may be made, and fit each other."""
        code, source = row.text("group"), row.text("source")
        given = row.text("type")
        kind = self.groups.get(code, "")
        if code and not kind:
            if not self.create_groups or row.action == "R":
                row.issue("group", v=code)
            elif row.values.get("type") is None:
                row.issue("type_needed", g=code)
            else:
                kind = given
        elif code and given and given != kind:
            row.issue("type", g=code, type=kind, v=given)
        if row.action != "M" or row.values.get("source") is BAD:
            return
        if source and source not in self.groups:
            row.issue("group", v=source)
        elif source and kind and self.groups[source] != kind:
            row.issue("types")
        elif not source and kind and kind != BILL_CYCLE:
            row.issue("from_needed")

    # --- the membership ---

    def _membership(self, row: _Row, state: State) -> Outcome:
        code = row.text("group")
        kind = self.groups.get(code) or row.text("type")
        lane = lane_of(state.stays, code, kind)
        held = stay_at(lane, row.at)
        inside = held is not None and held.group == code
        source = self._source(row, state, kind, held)
        if self._is_nothing(row, code, inside, source, held):
            row.issue("nothing")
            row.outcome.kind = UNCHANGED
            return row.outcome
        leaving = self._leaving(row, kind, held, source)
        if not row.good:
            return row.outcome
        self._order_check(row, state, code, kind, leaving)
        if not row.good:
            return row.outcome
        return self._good(row, state, code, kind, leaving)

    @staticmethod
    def _source(row: _Row, state: State, kind: str, held: Stay | None) -> Stay | None:
        """The membership that a move leaves."""
        source = row.text("source")
        if row.action != "M":
            return None
        if not source:
            return held if kind == BILL_CYCLE else None
        found = stay_at(lane_of(state.stays, source, kind), row.at)
        return found if found is not None and found.group == source else None

    @staticmethod
    def _is_nothing(
        row: _Row, code: str, inside: bool, source: Stay | None, held: Stay | None
    ) -> bool:
        if row.action == "A":
            return inside
        if row.action == "R":
            return held is None or not inside
        if row.text("source") == code or (source is not None and source.group == code):
            return True
        return inside and source is None

    def _leaving(self, row: _Row, kind: str, held: Stay | None, source: Stay | None) -> Stay | None:
        """The stay that ends by the row; what forbids it is noted."""
        device_id = row.outcome.device_id
        if row.action == "R":
            return held
        if row.action == "A":
            if held is None:
                return None
            if not self.auto_move:
                row.issue("in_cycle", id=device_id, g=held.group)
                return None
            row.warnings.append(Issue("moved", -1, {"g": held.group}))
            return held
        if source is None and row.text("source"):
            row.issue("not_in", id=device_id, g=row.text("source"))
        elif source is None and kind == BILL_CYCLE:
            row.warnings.append(Issue("added", -1, {}))
        return source

    def _order_check(
        self, row: _Row, state: State, code: str, kind: str, leaving: Stay | None
    ) -> None:
        """Changes of a set come in the order of time."""
        lanes = [lane_of(state.stays, code, kind)]
        if leaving is not None and kind != BILL_CYCLE and leaving.group != code:
            lanes.append(lane_of(state.stays, leaving.group, kind))
        last = max((t for lane in lanes if (t := last_change(lane)) is not None), default=None)
        if last is not None and row.at < last and "effective" not in row.values:
            # The time of the import, cut to the second: the change came in this very second.
            row.at = last if (last - row.at).total_seconds() < 1 else row.at
        if last is not None and row.at < last:
            zone = ZoneInfo(str(state.record["time_zone"]))
            at, then = (t.astimezone(zone).isoformat() for t in (row.at, last))
            row.issue("early", v=at, t=then)

    def _good(self, row: _Row, state: State, code: str, kind: str, leaving: Stay | None) -> Outcome:
        outcome, at = row.outcome, row.at
        stays = left(state.stays, leaving, at) if leaving is not None else state.stays
        if row.action != "R" and stay_at(lane_of(stays, code, kind), at) is None:
            stays = entered(stays, code, kind, at)
        if code not in self.groups:
            self.groups[code] = self.created[code] = kind
            row.warnings.append(Issue("created", -1, {"g": code}))
        outcome.issues.extend(row.warnings)
        entering = code if row.action != "R" else ""
        outcome.changes = {"GroupCode": (leaving.group if leaving else "", entering)}
        outcome.kind = REMOVED if row.action == "R" else MOVED if leaving else ADDED
        outcome.due = at if at > self.moment and "effective" in row.values else None
        if leaving is not None and kind == BILL_CYCLE:
            fact = Fact(outcome.number, state.key, LEAVES_CYCLE, at, leaving.group)
            outcome.facts.append(fact)
        self.states[state.device_id] = state._replace(stays=stays)
        self.touched.add(state.device_id)
        return outcome

    def load(self, states: Sequence[State]) -> None:
        """Take in what the inventory and the rows before have."""
        for state in states:
            self.states[state.device_id] = state
            if state.active:
                self.owners[state.record["meter_number"]] = state.device_id
