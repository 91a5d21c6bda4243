"""The queue of deliveries: each claimed by a lease, tried again with growing pauses."""

import logging
from datetime import timedelta
from pathlib import Path

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from devices import leases, tracing
from exports import places
from exports.delivery import DeliveryRefused, Parcel, directory_deliver
from exports.failpoints import point
from exports.hooks import DESTINATION, alarm, alarm_clear
from exports.models import Delivery, RunFile
from exports.models.deliveries import directory_fault

logger = logging.getLogger(__name__)
PAUSES = [timedelta(minutes=minutes) for minutes in (1, 2, 5, 15, 30, 60, 120, 240)]
State = Delivery.State


def deliver_next() -> bool:
    """Try one delivery that is due; False when there is none."""
    now = timezone.now()
    due = (
        Delivery.objects.filter(state=State.WAITING, due__lte=now, destination__active=True)
        .select_related("file", "destination")
        .order_by("due", "id")
    )
    for delivery in due[:20]:
        if leases.claim(delivery, Q(state=State.WAITING)):
            point("delivery claimed")
            with tracing.bound(delivery=delivery.pk, run=delivery.file.run_id):
                _deliver(delivery)
            return True
    return False


def _deliver(delivery: Delivery) -> None:
    destination = delivery.destination
    try:
        with leases.held(delivery):
            if fault := directory_fault(destination.path):
                raise DeliveryRefused(fault)
            parcel = parcel_of(delivery.file)
            directory_deliver(parcel, Path(destination.path), ok_file=destination.ok_file)
        leases.release(
            delivery,
            state=State.DELIVERED,
            delivered=timezone.now(),
            attempts=F("attempts") + 1,
            error="",
        )
        alarm_clear(DESTINATION, f"destination {destination.pk}")
        point("delivery stored")
    except leases.LeaseLost as lost:
        logger.warning("%s", lost)
    except (DeliveryRefused, OSError) as error:
        _later(delivery, error)


def parcel_of(file: RunFile) -> Parcel:
    """A kept file as it is delivered. DeliveryRefused when its term is over."""
    if file.purged or not file.archive:
        raise DeliveryRefused(f"{file.name} is no longer kept")
    return Parcel(places.data() / file.archive, file.name, file.bytes, file.sha256)


def _later(delivery: Delivery, error: Exception) -> None:
    """Note a failure and when to try again; after the last pause the delivery has failed."""
    text = str(error)[:500]
    attempts = delivery.attempts + 1
    failed = isinstance(error, DeliveryRefused) or attempts > len(PAUSES)
    logger.warning("%s: %s", delivery, text)
    changes = {"attempts": attempts, "error": text}
    if failed:
        leases.release(delivery, state=State.FAILED, **changes)
    else:
        leases.release(delivery, due=timezone.now() + PAUSES[attempts - 1], **changes)
    alarm(
        DESTINATION,
        f"{delivery.destination} takes no files",
        key=f"destination {delivery.destination_id}",
        text=f"{delivery.file.name}: {text}",
        link=reverse("admin:exports_delivery_change", args=[delivery.pk]),
    )


def delivery_again(delivery: Delivery) -> bool:
    """Send a file once more, under its name with its bytes; False while it is on its way."""
    return bool(
        Delivery.objects.filter(pk=delivery.pk)
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
