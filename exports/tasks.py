"""Background work of exports. The broker only hints: what is to be done stands in the rows."""

from celery import shared_task
from django.conf import settings
from django.core.cache import cache

from devices.beside import Beside
from exports.services.archive import files_purge
from exports.services.definitions import schedules_tick
from exports.services.deliveries import deliver_next
from exports.services.flows import flows_flush, flows_wait
from exports.services.inbox import inbox_step
from exports.services.ready import ready_tick
from exports.services.wake import wake_deliver, wake_flush, wake_run
from exports.services.worker import work

DAY = 24 * 3600


@shared_task
def run() -> None:
    """Do a piece of the most urgent run, and see to it that the next one is done."""
    if work():
        wake_run()


@shared_task
def flush() -> None:
    """Make the runs of flows that are due, and look again soon while any waits."""
    flows_flush()
    if flows_wait():
        wake_flush()


@shared_task
def deliver() -> None:
    """Try one delivery that is due, and see to it that the next one is tried."""
    if deliver_next():
        wake_deliver()


def _deliver_all() -> None:
    while deliver_next():
        pass


_delivering = Beside("deliveries", _deliver_all)


@shared_task
def deliveries() -> bool:
    """Try what is due. The one worker of the embedded default does it beside its other work, so
    that a server that stalls holds up nothing else."""
    if settings.BROKER_URL:
        return deliver_next()
    _delivering.begin()
    return False


@shared_task
def inbox() -> bool:
    """Take in a file of readings that was dropped into the inbox; True: there may be another."""
    return inbox_step()


@shared_task
def tick() -> None:
    """Make the runs that schedules want now."""
    schedules_tick()


@shared_task
def ready() -> None:
    """Make the runs of exports whose meters are all complete."""
    ready_tick()


@shared_task
def maintain() -> None:
    """Once a day: let go of files that are past their term."""
    if cache.add("exports-maintained", True, DAY):
        files_purge()
