"""Reading a part from the streaming replica, if it is far enough; else from the primary (0102).

A replica replays commits in their order and batches are numbered in the order of their commits: one
whose newest number is at or past a run's horizon shows all that the run may read. What is read of a
horizon is the same from either, so a reader that loses the replica half-way begins again.
"""

import logging
from collections.abc import Callable
from typing import BinaryIO, TypeVar

import psycopg
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import Error, connections

from devices import journal
from devices.journal import sql
from devices.router import REPLICA

logger = logging.getLogger(__name__)
T = TypeVar("T")
# The last: a row younger than the newest batch that the replica shows, such as a definition.
Lost = (Error, psycopg.Error, ObjectDoesNotExist)


def replica_horizon() -> int | None:
    """The newest batch number that the replica shows; None: there is none, or it is away."""
    if REPLICA not in settings.DATABASES:
        return None
    try:
        with sql.reading_from(REPLICA):
            return journal.horizon()
    except Lost as error:
        _give_up(error)
        return None


def replica_or_primary(horizon: int | None, read: Callable[[], T], out: BinaryIO) -> tuple[T, bool]:
    """What `read` makes of the store as of a horizon (None: of nothing), and whether the replica
    served.

    `out` is what it writes to: emptied before it is read from the primary what the replica did not
    finish (it was cancelled for the sake of replay, restarted, or lost).
    """
    newest = None if horizon is None else replica_horizon()
    if newest is None or newest < horizon:
        return read(), False
    try:
        with sql.reading_from(REPLICA):
            return read(), True
    except Lost as error:
        _give_up(error)
    out.seek(0)
    out.truncate()
    return read(), False


def _give_up(error: Exception) -> None:
    """Note why the primary is read, and let the connection go."""
    code = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    logger.warning("the replica is left for the primary: %s %s", code or "", error)
    connections[REPLICA].close()
