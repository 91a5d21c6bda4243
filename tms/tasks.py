"""Tasks of the house itself, run by a Celery worker where there is a broker."""

from celery import shared_task
from django.conf import settings
from django.utils.module_loading import import_string

from tms.loops import beat


@shared_task
def worker_beat() -> None:
    """Show that tasks are taken and done."""
    beat("worker")


@shared_task
def sweep(name: str) -> None:
    """Do a step of a sweep; send itself again while there is more."""
    if name not in settings.TMS_SWEEPS:
        raise ValueError(f"{name} is not in TMS_SWEEPS")
    if import_string(name)():
        sweep.apply_async([name], retry=False)
