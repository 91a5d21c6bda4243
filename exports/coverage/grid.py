"""Meters down, days across: the states of a page of devices, with counts and runs."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from django.utils import timezone

from devices import journal
from devices.journal import sql
from devices.readings import DeviceInfo, Ints, instant
from exports import formats
from exports.coverage.days import Days
from exports.coverage.facts import Facts, facts_read, roster_of
from exports.coverage.holding import held_of
from exports.coverage.judge import Judged, judge
from exports.coverage.runs import SentRun, runs_read
from exports.coverage.states import State
from exports.models import Backlog, ExportDefinition
from exports.scope import Scope
from exports.scope.definitions import selection_of

STATES = len(State)
ZONE = DeviceInfo._fields.index("time_zone")


class Cell(NamedTuple):
    """A meter's day: its state, how many readings are in which state, and the runs that sent any
    of it."""

    state: State
    counts: tuple[int, ...]
    runs: tuple[SentRun, ...]

    @property
    def there(self) -> int:
        """Readings that are there."""
        return sum(self.counts[State.SENT :])

    @property
    def expected(self) -> int:
        """Those, and those that are missing."""
        return sum(self.counts[State.MISSING :])


@dataclass(frozen=True, slots=True)
class Coverage:
    """d devices over n days. `state` (d, n); `counts` (d, n, states); `by`: for each cell the runs.

    `parts`: the facts with what became of each, for who wants the readings one by one.
    """

    days: Days
    devices: Sequence[int]
    horizon: int
    state: npt.NDArray[np.int8]
    counts: Ints
    by: dict[tuple[int, int], list[SentRun]] = field(default_factory=dict)
    parts: list[tuple[Facts, Judged]] = field(default_factory=list)
    runs: Sequence[SentRun] = ()
    owed: Sequence[Backlog] = ()

    def cell(self, device: int, day: int) -> Cell:
        """The cell of the places of a device and a day."""
        return Cell(
            State(int(self.state[device, day])),
            tuple(self.counts[device, day].tolist()),
            tuple(self.by.get((device, day), ())),
        )

    def totals(self) -> list[tuple[date, list[int]]]:
        """For each day, how many meters are in each state."""
        tallies = [np.bincount(self.state[:, n], minlength=STATES) for n in range(len(self.days))]
        return list(zip(self.days.dates, [one.tolist() for one in tallies], strict=True))


def coverage_read(
    definition: ExportDefinition,
    devices: Sequence[tuple[int, str]],
    days: Days,
    *,
    one_by_one: bool = False,
) -> Coverage:
    """What became of the days of some devices, given as primary keys and device ids.

    As many queries for one device as for hundreds; those of readings as they stood before are made
    only where something has changed. `one_by_one`: keep what became of each reading, too.
    """
    form = formats.get(definition.format)
    options = form.options_clean(definition.options, "write")
    pks = [pk for pk, _ in devices]
    horizon = journal.horizon()
    chosen = replace(selection_of(definition), devices=tuple(name for _, name in devices))
    first, last = days.hull
    scope = Scope(
        chosen,
        instant(first),
        instant(last),
        horizon,
        order=form.order(options),
        intervals=form.wants_intervals(options),
        registers=form.wants_registers(options),
    )
    part = roster_of(scope)
    zones = list(part.infos[ZONE]) if len(part.device) else []
    facts = list(facts_read(part, scope, days, zones))
    oldest = min((int(f.numbers[f.arrived].min()) for f in facts if f.arrived.any()), default=0)
    sent = runs_read(definition, (first, last), oldest, part, form.order(options))
    owed = list(definition.backlog.filter(device__in=sql.id_set(pks)))
    held = held_of(definition, pks)
    shape = len(devices), len(days)
    made = Coverage(
        *(days, pks, horizon),
        np.zeros(shape, np.int8),
        np.zeros((*shape, STATES), np.int64),
        runs=sent,
        owed=owed,
    )
    for one in facts:
        judged = judge(definition, one, sent, owed, held)
        _count(made, one, judged)
        if one_by_one:
            made.parts.append((one, judged))
    _summarise(made)
    return made


def _count(made: Coverage, facts: Facts, judged: Judged) -> None:
    """Add the readings to their cells; what is still to come is none that is missing."""
    places = {pk: place for place, pk in enumerate(made.devices)}
    row = np.array([places[pk] for pk in facts.device.tolist()], np.int64)[:, None]
    due = facts.ends <= int(timezone.now().timestamp())
    valid = (facts.place >= 0) & (judged.state != State.OUTSIDE)
    valid &= due | (judged.state != State.MISSING)
    cell = row * len(made.days) + facts.place
    keys = (cell * STATES + judged.state)[valid]
    made.counts.reshape(-1)[:] += np.bincount(keys, minlength=made.counts.size)
    sent = valid & (judged.run >= 0)
    for key in np.unique(cell[sent] * len(made.runs) + judged.run[sent]).tolist():
        at, run = divmod(key, len(made.runs))
        mine = made.by.setdefault(divmod(at, len(made.days)), [])
        if made.runs[run] not in mine:
            mine.append(made.runs[run])


def _summarise(made: Coverage) -> None:
    """The worst state of any reading is that of the day; something missing beside what is there is
    told by the counts alone."""
    for state in (State.MISSING, State.SENT, State.PENDING, State.CHANGED, State.HELD):
        made.state[made.counts[:, :, state] > 0] = state
