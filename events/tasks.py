"""Background work of events: sweeps and ticks. What is to be done stands in the tables."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from devices.beside import Beside
from events.services.alarms import alarms_detect
from events.services.delivery import mails_send
from events.services.incidents import incidents_follow
from events.services.notices import notifications_make
from events.services.reading import Overtaken
from events.services.retention import events_expire
from events.services.routes import routes_write
from events.services.watch import disk_watch, gateways_watch

DAY = 24 * 3600


@shared_task
def events_follow() -> None:
    """After a batch: write routes, pair incidents, detect alarms; the rest goes by sweeps."""
    for step in (routes, incidents, alarms):
        if step():
            step.apply_async(retry=False)


@shared_task
def routes() -> bool:
    """Write what waits for the message routes."""
    return routes_write()


@shared_task
def incidents() -> bool:
    """Pair events into incidents."""
    try:
        return incidents_follow()
    except Overtaken:
        return True


@shared_task
def alarms() -> bool:
    """Match events against the rules, and decide what people are told."""
    try:
        more = alarms_detect()
    except Overtaken:
        more = True
    more = notifications_make() or more
    if settings.BROKER_URL:
        mails.apply_async(retry=False)
    return more


_sender = Beside("mails", mails_send)


@shared_task
def mails() -> bool:
    """Send what is due. The one worker of the embedded default sends beside its other work, so
    that a mail server that stalls holds up nothing else."""
    if settings.BROKER_URL:
        return mails_send()
    _sender.begin()
    return False


@shared_task
def maintain() -> None:
    """Let go of what is past its term, once a day, again when that failed."""
    done = f"events:maintained:{timezone.now():%F}"
    if not cache.get(done):
        events_expire()
        cache.set(done, True, DAY)


@shared_task
def watch() -> None:
    """Look after the house: disk and gateways."""
    disk_watch()
    gateways_watch()
