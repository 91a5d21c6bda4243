"""Hints to the workers that there is something to do; nothing depends on them."""

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

WORKERS = 8  # that are woken at most for the parts of a run


def wake_run(pieces: int = 1) -> None:
    """After the commit: as many workers as there are pieces of work, up to eight."""
    _hint("exports.tasks.run", min(pieces, WORKERS))


def wake_deliver() -> None:
    """After the commit: a worker for the deliveries."""
    _hint("exports.tasks.deliver", 1)


def _hint(name: str, times: int) -> None:
    if not settings.BROKER_URL:
        return  # the worker looks at the tables by itself, all the time

    def send() -> None:
        for _ in range(times):
            import_string(name).apply_async(retry=False)

    transaction.on_commit(send, robust=True)
