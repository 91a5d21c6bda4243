"""The queue of deliveries: each claimed by a lease; what a destination does not take waits."""

import logging
from collections.abc import Callable
from datetime import timedelta
from threading import Event

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from devices import leases, tracing
from exports import places
from exports.delivery import (
    DeliveryRefused,
    DestinationFault,
    Draft,
    Parcel,
    directory_deliver,
    sftp_deliver,
    trigger_name,
)
from exports.delivery.parcel import draft_name
from exports.failpoints import point
from exports.hooks import DESTINATION, alarm, alarm_clear
from exports.models import Delivery, Destination, FileMail, RunFile
from exports.models.destinations import takes_files
from exports.services import destinations
from exports.services.destinations import failure_note, success_note, try_claim
from exports.services.filemails import mails_deliver
from exports.services.wake import wake_deliver

logger = logging.getLogger(__name__)
LOOKED_AT = 20  # deliveries that are due and tried to be claimed
BEHIND = timedelta(minutes=1)  # after a failure others are tried first
GIVEN_UP = 8  # attempts of a file that its destination refuses while it takes others
State, Kind = Delivery.State, Destination.Kind


def deliver_next() -> bool:
    """Try one delivery that is due; False when there is none."""
    due = (
        Delivery.objects.filter(takes_files(), state=State.WAITING, due__lte=timezone.now())
        .select_related("file__run", "destination")
        .order_by("due", "id")
    )
    for delivery in due[:LOOKED_AT]:
        drafts = [*delivery.drafts, draft_name(delivery.file.name)]
        if leases.claim(delivery, Q(state=State.WAITING), drafts=drafts):
            if not try_claim(delivery.destination):
                leases.release(delivery, drafts=drafts[:-1])
                continue
            point("delivery claimed")
            with tracing.bound(delivery=delivery.pk, run=delivery.file.run_id):
                _deliver(delivery)
            return True
    return False


def _deliver(delivery: Delivery) -> None:
    destination = delivery.destination
    try:
        with leases.held(delivery) as lost:
            _send(delivery, lost)
        leases.release(
            delivery,
            state=State.DELIVERED,
            delivered=timezone.now(),
            attempts=F("attempts") + 1,
            drafts=[],
            error="",
        )
        success_note(destination)
        alarm_clear(DESTINATION, f"delivery {delivery.pk}")
        point("delivery stored")
    except leases.LeaseLost as lost_it:
        logger.warning("%s", lost_it)
    except DeliveryRefused as error:
        _fail(delivery, error)
    except (DestinationFault, OSError) as error:
        _later(delivery, error)
    except Exception as error:  # a fault of ours must not be tried again and again at once
        logger.exception("%s", delivery)
        _later(delivery, error)


def _send(delivery: Delivery, lost: Event) -> None:
    """Send a file the way its destination says. DeliveryRefused, DestinationFault, OSError."""
    destination = delivery.destination
    parcel = parcel_of(delivery.file, destination)
    if destination.kind == Kind.EMAIL:
        mails_deliver(delivery, parcel)
        return
    *stale, name = delivery.drafts
    draft = Draft(name, tuple(stale), _checker(delivery, lost))
    if destination.kind == Kind.SFTP:
        sftp_deliver(parcel, destinations.server_of(destination), draft)
    else:
        directory_deliver(parcel, destinations.folder_of(destination), draft)


def _checker(delivery: Delivery, lost: Event) -> Callable[[], None]:
    def check() -> None:
        if lost.is_set():
            raise leases.LeaseLost(f"{delivery} is worked on by another")

    return check


def parcel_of(file: RunFile, destination: Destination) -> Parcel:
    """A kept file as it is delivered. DeliveryRefused when its term is over, or it is gone."""
    if file.purged or not file.archive:
        raise DeliveryRefused(f"{file.name} is no longer kept")
    trigger = trigger_name(file.name, destination.trigger_name) if destination.ok_file else ""
    source = places.data() / file.archive
    if not source.is_file():
        raise DeliveryRefused(f"the kept bytes of {file.name} are gone")
    return Parcel(source, file.name, file.bytes, file.sha256, trigger)


def _later(delivery: Delivery, error: Exception) -> None:
    """Note a failure of the destination; what it takes nothing of while it takes others, fails."""
    destination = delivery.destination
    attempts = delivery.attempts + 1
    if attempts >= GIVEN_UP and not destination.failures:
        _fail(delivery, error)
        return
    logger.warning("%s: %s", delivery, error)
    failure_note(destination, error, delivery.file.name)
    # Behind the others; when one of them is tried, the destination says.
    due = timezone.now() + BEHIND
    leases.release(delivery, due=due, attempts=attempts, error=str(error)[:500])


def _fail(delivery: Delivery, error: Exception) -> None:
    """This file will not be taken as it is."""
    text = str(error)[:500]
    logger.warning("%s: %s", delivery, text)
    leases.release(delivery, state=State.FAILED, attempts=delivery.attempts + 1, error=text)
    alarm(
        DESTINATION,
        f"{delivery.file.name} was not delivered to {delivery.destination}",
        key=f"delivery {delivery.pk}",
        text=f"{text}. Mend it, then press “Deliver again”.",
        link=reverse("admin:exports_delivery_change", args=[delivery.pk]),
    )


def delivery_again(delivery: Delivery) -> bool:
    """Send a file once more, under its name with its bytes; False while it is on its way.

    A destination that is paused takes it when it is resumed.
    """
    again = bool(
        Delivery.objects.filter(leases.free(delivery), pk=delivery.pk)
        .exclude(state=State.WAITING, attempts=0)
        .update(
            state=State.WAITING,
            due=timezone.now(),
            attempts=0,
            error="",
            delivered=None,
            worker="",
            lease_until=None,
        )
    )
    if again:
        FileMail.objects.filter(delivery=delivery).update(state=FileMail.State.QUEUED)
        alarm_clear(DESTINATION, f"delivery {delivery.pk}")
        wake_deliver()
    return again
