"""Hints to the workers that there is something to do; nothing depends on them."""

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils.module_loading import import_string

WORKERS = 8  # that are woken at most for the parts of a run
LOOK_AGAIN = 1  # second between two looks for flows


def wake_run(pieces: int = 1) -> None:
    """After the commit: as many workers as there are pieces of work, up to eight."""
    _hint("exports.tasks.run", min(pieces, WORKERS))


def wake_deliver() -> None:
    """After the commit: a worker for the deliveries."""
    _hint("exports.tasks.deliver", 1)


def wake_flush() -> None:
    """After a batch's commit: look for flows in a second; one hint a second, of however many."""
    if settings.BROKER_URL and cache.add("flush-hinted", True, LOOK_AGAIN):
        import_string("exports.tasks.flush").apply_async(countdown=LOOK_AGAIN, retry=False)


def _hint(name: str, times: int) -> None:
    if not settings.BROKER_URL:
        return  # the worker looks at the tables by itself, all the time

    def send() -> None:
        for _ in range(times):
            import_string(name).apply_async(retry=False)

    transaction.on_commit(send, robust=True)
