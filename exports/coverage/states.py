"""The states of a meter's day, as people see them: a mark beside the colour, and a sentence."""

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """The worst of a day's readings stands for it."""

    OUTSIDE = 0
    MISSING = 1
    SENT = 2
    PENDING = 3
    CHANGED = 4
    HELD = 5


class Kind(NamedTuple):
    """How a state is shown; `code` names it in addresses, style sheets and downloads."""

    state: State
    code: str
    mark: str
    label: str
    meaning: str


KINDS = tuple(
    Kind(*columns)
    for columns in (
        (State.SENT, "sent", "●", "Sent", "all that is there has been sent"),
        (State.PENDING, "pending", "○", "Pending", "there, and not sent yet"),
        (State.CHANGED, "changed", "◆", "Changed", "changed after it was sent"),
        (State.HELD, "held", "■", "Held", "held back until somebody decides"),
        (State.MISSING, "missing", "–", "Missing", "nothing is there to send"),
        (State.OUTSIDE, "outside", "", "Not asked for", "the meter is not in the export then"),
    )
)
OF_STATE = {kind.state: kind for kind in KINDS}
OF_CODE = {kind.code: kind for kind in KINDS}
