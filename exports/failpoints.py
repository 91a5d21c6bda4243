"""Where a process may die: before and after each side effect of a run and of a delivery.

Each point has a number and a name. The tests start a worker with TMS_FAIL_AT set to a number and it
kills itself there, as `kill -9` would; without the variable a point does nothing. The outcome of
each is in docs/reliability.md.
"""

import os
import signal

POINTS = (
    "run claimed",
    "scope frozen, not stored",
    "scope stored",
    "part claimed",
    "part written, not stored",
    "part stored",
    "files claimed",
    "draft written",
    "file reserved",
    "file renamed",
    "file archived",
    "file published",
    "run committed, in the transaction",
    "run committed",
    "delivery claimed",
    "delivery copied",
    "delivery renamed",
    "trigger file renamed",
    "sftp connected",
    "sftp draft written",
    "sftp renamed",
    "sftp trigger renamed",
    "mail rows stored",
    "mail handed over",
    "mail stored",
    "delivery stored",
    "run held, in the transaction",
    "run held",
)
_NUMBERS = {name: number for number, name in enumerate(POINTS, 1)}
_FATAL = os.environ.get("TMS_FAIL_AT", "")


def point(name: str) -> None:
    """A place where the worker may die. KeyError for a name that is not in the table."""
    number = _NUMBERS[name]
    if str(number) == _FATAL:
        os.kill(os.getpid(), signal.SIGKILL)
