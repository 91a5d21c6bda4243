"""What `manage.py worker` (without a broker) and `manage.py scheduler` do between start and stop.

The database is the truth, the broker a hint: due work stands in the tables. Without a broker the
worker looks for it itself, with one the scheduler sends each sweep as a task once a minute, so
that a lost hint costs a minute and nothing else.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.conf import settings
from django.db import close_old_connections, connections
from django.db.models import Q
from django.utils import timezone
from django.utils.module_loading import import_string

from devices import tracing
from tms.stop import Stop

logger = logging.getLogger(__name__)

IDLE = 0.25  # seconds between two looks at the tables when there was nothing to do
BEAT = 15.0  # seconds between two heartbeats of a worker
BACKOFF_MAX = 60.0  # the longest pause of a step that keeps failing
MINUTE = timedelta(minutes=1)
FORGOTTEN = timedelta(hours=1)  # after which a worker that is silent is no longer spoken of


@dataclass
class Step:
    """Something done again and again. True from `function`: there may be more to do at once.

    `every` is the pause after a success, `rest` that after one that found nothing to do, in
    seconds. A failure is logged, does not stop the other steps, and is tried again after a pause
    that doubles up to BACKOFF_MAX.
    """

    name: str
    function: Callable[[], object]
    every: float = 0.0
    rest: float = 0.0
    failures: int = 0
    due: float = 0.0

    def run(self, now: float) -> bool:
        """Do it if it is due at `now` (monotonic seconds)."""
        if now < self.due:
            return False
        close_old_connections()
        with tracing.bound(task=self.name):
            return self._done(now)

    def _done(self, now: float) -> bool:
        try:
            more = bool(self.function())
        except Exception:
            self.failures += 1
            pause = min(IDLE * 2 ** min(self.failures, 10), BACKOFF_MAX)
            self.due = now + pause
            logger.exception("%s failed; again in %g s", self.name, pause)
            return False
        self.failures = 0
        self.due = now + (self.every if more else max(self.every, self.rest))
        return more


def beat(name: str) -> None:
    """Note that this process is alive, for /readyz and the dashboard."""
    heartbeat = apps.get_model("devices", "Heartbeat")
    heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


def worker_name() -> str:
    """The heartbeat of this worker, among all of them."""
    return f"worker:{socket.gethostname()[:80]}:{os.getpid()}"


def worker_beat(alone: bool = True) -> None:
    """Note that this worker is alive; `alone`: and so that there is one at all."""
    if alone:
        beat("worker")
    beat(worker_name())


def worker_end() -> None:
    """This worker ends as it was asked to: nobody need miss it."""
    apps.get_model("devices", "Heartbeat").objects.filter(name=worker_name()).delete()


def workers_forget() -> None:
    """Let go of workers that were silent for an hour: they died, and others took over."""
    before = timezone.now() - FORGOTTEN
    heartbeats = apps.get_model("devices", "Heartbeat").objects
    heartbeats.filter(name__startswith="worker:", at__lt=before).delete()


# --- the worker without a broker ---------------------------------------------------------------


def sweep_until(stop: Stop) -> None:
    """Call the functions of TMS_SWEEPS in turn; at once again those that say there is more."""
    steps = [Step("heartbeat", worker_beat, every=BEAT)]
    steps += [Step(name, import_string(name), rest=IDLE) for name in settings.TMS_SWEEPS]
    while not stop.asked:
        more = False
        for step in steps:
            more |= step.run(time.monotonic())
            if stop.asked:
                break
        stop.wait(0.0 if more else IDLE)
    Step("heartbeat", worker_end).run(time.monotonic())
    connections.close_all()


# --- the scheduler -----------------------------------------------------------------------------


def tick_until(stop: Stop) -> None:
    """At start and at each full minute: what is to be done every minute."""
    step = Step("tick", tick)
    while not stop.asked:
        step.due = 0.0  # a failed minute is made good by the next one, not earlier
        step.run(time.monotonic())
        stop.wait(60.0 - time.time() % 60.0)
    connections.close_all()


def tick() -> None:
    """Do this minute's ticks, unless another scheduler has them."""
    if not minute_claim(timezone.now()):
        return
    steps = _steps_sent() if settings.BROKER_URL else _steps_here()
    for step in [Step("heartbeats", workers_forget), *steps]:
        step.run(time.monotonic())


def minute_claim(now: datetime) -> bool:
    """Take the minute of `now`: true once a minute, however many schedulers run.

    The claim is the heartbeat. A heartbeat of the future (the clock was set back) holds nobody up.
    """
    heartbeat = apps.get_model("devices", "Heartbeat").objects
    minute = now.replace(second=0, microsecond=0)
    stale = Q(at__lt=minute) | Q(at__gte=minute + MINUTE)
    if heartbeat.filter(stale, name="scheduler").update(at=now):
        return True
    return heartbeat.get_or_create(name="scheduler", defaults={"at": now})[1]


def _steps_here() -> list[Step]:
    """Without a broker: the ticks in this process, with a sign of life after each."""
    steps = []
    for name in settings.TMS_TICKS:
        steps += [Step(name, import_string(name)), Step("heartbeat", lambda: beat("scheduler"))]
    return steps


def _steps_sent() -> list[Step]:
    """With a broker: ticks, sweeps and the worker's heartbeat as tasks.

    They expire with their minute, so a broker without workers does not fill up.
    """
    options = {"expires": MINUTE.total_seconds(), "retry": False}

    def sent(name: str, *args: str) -> Step:
        return Step(name, lambda: import_string(name).apply_async(args, **options) and False)

    return [
        sent("tms.tasks.worker_beat"),
        *(sent(name) for name in settings.TMS_TICKS),
        *(sent("tms.tasks.sweep", name) for name in settings.TMS_SWEEPS),
    ]
