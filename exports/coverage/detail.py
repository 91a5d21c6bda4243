"""One meter's day in an export: which runs sent it, what changed, what is pending, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from devices.journal import sql
from devices.models import Batch, Device
from devices.readings import instant
from exports.coverage import runs
from exports.coverage.days import Days
from exports.coverage.grid import Cell, coverage_read
from exports.coverage.runs import SentRun
from exports.coverage.states import State
from exports.models import Backlog, ExportDefinition


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings that follow upon each other and share state, batch and run. `first`: the end of the
    first one."""

    number: int  # of the channel, 0: a register read
    first: datetime
    last: datetime
    count: int
    state: State
    batch: int
    received: datetime | None
    source: str
    run: SentRun | None


@dataclass(frozen=True, slots=True)
class MeterDay:
    """Everything about one cell of the map."""

    cell: Cell
    stretches: Sequence[Stretch]
    runs: Sequence[SentRun]
    owed: Sequence[Backlog]


def meter_day(definition: ExportDefinition, device: Device, day: date) -> MeterDay:
    """What became of a device's day."""
    days = Days(day, day, definition.zone)
    of = [(device.pk, device.device_id)]
    made = coverage_read(definition, of, days, one_by_one=True)
    rows: list[tuple[Any, ...]] = []
    for facts, judged in made.parts:
        valid = (facts.place == 0) & (judged.state > State.OUTSIDE)
        for row in range(len(facts.device)):
            at = np.flatnonzero(valid[row])
            if not len(at):
                continue
            columns = (judged.state[row], facts.numbers[row], judged.run[row])
            picked = np.stack([column[at].astype(np.int64) for column in columns])
            broken = (np.diff(picked, axis=1) != 0).any(axis=0) | (np.diff(at) > 1)
            ends = (facts.ends[0] if len(facts.ends) == 1 else facts.ends[row])[at]
            cuts = [0, *(np.flatnonzero(broken) + 1).tolist(), len(at)]
            for low, high in pairwise(cuts):
                times = int(ends[low]), int(ends[high - 1])
                what = picked[:, low].tolist()
                rows.append((int(facts.number[row]), *times, high - low, *what))
    known = _batches([row[5] for row in rows])
    stretches = [
        Stretch(
            *(number, instant(first), instant(last), count, State(state), batch),
            *known.get(batch, (None, "")),
            made.runs[run] if run >= 0 else None,
        )
        for number, first, last, count, state, batch, run in sorted(rows)
    ]
    channels = {int(c) for facts, _ in made.parts for c in facts.channel.tolist()}
    owed = [row for row in made.owed if _is_of(row, channels, day)]
    concerned = _concerned(made.runs, made.parts, definition.began)
    return MeterDay(made.cell(0, 0), stretches, concerned, owed)


def _is_of(row: Backlog, channels: set[int], day: date) -> bool:
    """Whether a row of the backlog may be about this day, whatever the channel's days are."""
    if row.channel_id is not None and row.channel_id not in channels:
        return False
    near = timedelta(days=1)
    after = row.first_day is None or row.first_day - near <= day
    return after and (row.last_day is None or day <= row.last_day + near)


def _batches(numbers: Sequence[int]) -> dict[int, tuple[datetime, str]]:
    rows = Batch.objects.filter(number__in=sql.id_set(sorted(set(numbers) - {0})))
    found = rows.values_list("number", "received", "source")
    return {number: (received, source) for number, received, source in found}


def _concerned(sent: Sequence[SentRun], parts: Any, began: int) -> list[SentRun]:
    """Runs that had something of the device in their scope, around that day."""
    found = []
    for run in sent:
        for facts, _ in parts:
            on_day = facts.place == 0
            if run.windows:
                mine = runs.in_windows(run, facts) & on_day
            elif run.since is None:
                mine = runs.covers(run, facts) & on_day
            else:
                mine = runs.newer(run, facts, began) & on_day
            if mine.any():
                found.append(run)
                break
    return found
