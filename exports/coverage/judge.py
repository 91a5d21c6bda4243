"""What became of each reading: its state, and the run that has sent it as it stands."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from devices.readings import Ints
from exports.coverage import runs
from exports.coverage.facts import Facts, Flags
from exports.coverage.runs import SentRun
from exports.coverage.states import State
from exports.models import Backlog, ExportDefinition
from exports.scope import Rest

NONE = -1


class Judged(NamedTuple):
    """State and place of the run among the runs, −1 none, of each reading, (m, n)."""

    state: npt.NDArray[np.int8]
    run: Ints


def judge(
    definition: ExportDefinition,
    facts: Facts,
    sent: Sequence[SentRun],
    owed: Sequence[Backlog],
    held: Callable[[Facts], Flags],
) -> Judged:
    """What became of the facts. `owed`: the backlog of their devices; `held`: what else is held."""
    if definition.is_since_last:
        return _since_last(definition, facts, sent, owed, held)
    return _periods(facts, sent, held)


def _states(facts: Facts, owed: Flags, changed: Flags, held: Flags, never: Flags) -> npt.NDArray:
    state = np.full(facts.numbers.shape, State.MISSING, np.int8)
    state[facts.arrived] = State.SENT
    state[facts.arrived & owed] = State.PENDING
    state[facts.arrived & changed] = State.CHANGED
    state[facts.arrived & held] = State.HELD
    state[facts.arrived & never] = State.OUTSIDE
    state[~facts.within] = State.OUTSIDE
    return state


# --- since the last export ------------------------------------------------------------------------


def _since_last(
    definition: ExportDefinition,
    facts: Facts,
    sent: Sequence[SentRun],
    rows: Sequence[Backlog],
    whole: Callable[[Facts], Flags],
) -> Judged:
    """Owed is what is newer than the cursor, and what the backlog speaks of."""
    numbers, cursor = facts.numbers, definition.cursor
    owed = numbers > cursor
    since = np.where(owed, cursor, 0)
    held = np.zeros(owed.shape, bool)
    for row in rows:
        extra = _of_row(facts, row, definition.began)
        if extra is None:
            continue
        since = np.where(extra & (~owed | (since > row.since)), row.since, since)
        owed |= extra
        if row.reason == Backlog.Reason.HELD:
            held |= extra
    held |= owed & whole(facts)
    changed = np.zeros(owed.shape, bool)
    for number in np.unique(since[owed]).tolist():
        if number > 0:
            changed |= owed & (since == number) & (facts.then(number) > definition.began)
    never = (numbers <= definition.began) & ~owed
    by = np.full(owed.shape, NONE)
    left = facts.arrived & facts.within & ~owed & ~never
    for place, run in enumerate(sent):
        mine = runs.newer(run, facts, definition.began) & ~runs.left_out(run, facts)
        by[mine & left & (by == NONE)] = place
    _by_horizon(facts, sent, by, left & (by == NONE))
    return Judged(_states(facts, owed, changed, held, never), by)


def _of_row(facts: Facts, row: Backlog, began: int) -> Flags | None:
    """What of the facts a row of the backlog speaks of."""
    rest = Rest(row.device_id, row.channel_id, row.first_day, row.last_day, row.since)
    inside = runs.within_rest(rest, facts)
    if inside is None:
        return None
    there = inside & (facts.numbers > row.since)
    if row.sent > row.since:
        between = there & (facts.numbers <= row.sent)
        if row.since > 0 and between.any():
            there &= ~(between & (facts.then(row.since) > began))
    return there


def _by_horizon(facts: Facts, sent: Sequence[SentRun], by: Ints, which: Flags) -> None:
    """The run that covers a number, where no scope tells more: a flow's, an older one's."""
    places = [place for place, run in enumerate(sent) if not run.corrections]
    horizons = np.array([sent[place].horizon for place in places], np.int64)
    if not which.any() or not places:
        return
    at = np.searchsorted(horizons, facts.numbers[which], side="left")
    known = np.where(at < len(places), at, 0)
    after = np.array([sent[place].since or 0 for place in places], np.int64)[known]
    covered = (at < len(places)) & (facts.numbers[which] > after)
    by[which] = np.where(covered, np.array(places)[known], NONE)


# --- periods --------------------------------------------------------------------------------------


def _periods(facts: Facts, sent: Sequence[SentRun], held: Callable[[Facts], Flags]) -> Judged:
    """Sent is what a run had in its scope, up to its horizon."""
    upto = np.zeros(facts.numbers.shape, np.int64)
    by = np.full(facts.numbers.shape, NONE)
    for place, run in enumerate(sent):
        cover = (upto > 0) & runs.in_windows(run, facts) if run.windows else runs.covers(run, facts)
        cover &= ~runs.left_out(run, facts)
        if not cover.any():
            continue
        first = cover & (by == NONE) & facts.arrived & (facts.numbers <= run.horizon)
        by[first] = place
        upto = np.where(cover, np.maximum(upto, run.horizon), upto)
    never = np.zeros(upto.shape, bool)
    owed = upto == 0
    changed = (upto > 0) & (facts.numbers > upto)
    return Judged(_states(facts, owed, changed, held(facts) & (owed | changed), never), by)
