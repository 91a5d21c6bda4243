"""What became of each meter's day in an export: sent, pending, held, changed, nothing there.

Nothing of it is stored. What there is comes from the blocks with the number of the batch that
brought each slot; what was sent follows from cursor and backlog, or from the periods, scopes and
horizons of the runs.
"""

from exports.coverage.days import Days
from exports.coverage.facts import Facts
from exports.coverage.grid import Coverage, coverage_read
from exports.coverage.runs import SentRun
from exports.coverage.states import KINDS, State

__all__ = ["KINDS", "Coverage", "Days", "Facts", "SentRun", "State", "coverage_read"]
