"""The Celery application: tasks are found in the apps' `tasks` modules.

A worker shows itself in the database by a thread of its main process, whatever its children do.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from celery import Celery, signals

from devices import tracing

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tms.settings")

logger = logging.getLogger(__name__)
app = Celery("tms")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_ended = threading.Event()
_beating: list[threading.Thread] = []
_bound: dict[str, ExitStack] = {}


@signals.setup_logging.connect
def logging_is_ours(**kwargs: Any) -> None:
    """Leave what Django's LOGGING has set up."""


@signals.worker_ready.connect
def beating_begin(**kwargs: Any) -> None:
    thread = threading.Thread(target=_beat, name="heartbeat", daemon=True)
    _beating.append(thread)
    thread.start()


@signals.worker_shutdown.connect
def beating_end(**kwargs: Any) -> None:
    _ended.set()
    for thread in _beating:
        thread.join(5)


def _beat() -> None:
    """The heartbeat of this worker. While the database is away there is none, as it should be."""
    from django.db import DatabaseError, connections

    from tms import loops

    def told(do: Callable[[], None]) -> None:
        try:
            do()
        except DatabaseError as error:
            logger.warning("heartbeat: %s", error)
        finally:
            connections.close_all()

    told(lambda: loops.worker_beat(alone=False))
    while not _ended.wait(loops.BEAT):
        told(lambda: loops.worker_beat(alone=False))
    told(loops.worker_end)


@signals.task_prerun.connect
def task_begins(task_id: str, task: Any, **kwargs: Any) -> None:
    """Lines of the log name the task while it runs."""
    stack = _bound[task_id] = ExitStack()
    stack.enter_context(tracing.bound(task=task.name, task_id=task_id))


@signals.task_postrun.connect
def task_ends(task_id: str, **kwargs: Any) -> None:
    if stack := _bound.pop(task_id, None):
        stack.close()
