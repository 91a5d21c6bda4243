"""Finished files as mails: a row for each address, then the message, then its mark (P5)."""

from __future__ import annotations

import smtplib

from django.db.models import F, Q
from django.utils import timezone

from events.mail import address_of, message_id_of
from events.services.delivery import Post, outcome_of
from events.services.notices import addresses_of
from exports.delivery import (
    DeliveryRefused,
    DestinationFault,
    Parcel,
    attachment,
    file_message,
    words_fill,
)
from exports.delivery.message import MIB
from exports.failpoints import point
from exports.models import Delivery, Destination, FileMail

NOBODY = "none of its recipients has an address"
State = FileMail.State


def recipients_of(destination: Destination) -> list[str]:
    """The addresses that its files go to."""
    people = Q(groups__in=destination.user_groups.all())
    return addresses_of(people, destination.addresses)


def mails_deliver(delivery: Delivery, parcel: Parcel) -> None:
    """Send a file to each address that has not had it. DeliveryRefused, DestinationFault.

    Handed over and not marked is handed over once more, under the same Message-ID.
    """
    destination, run = delivery.destination, delivery.file.run
    attached = attachment(
        parcel, zipped=destination.zipped, limit=destination.limit_mib * MIB, stamp=run.created
    )
    _rows_make(delivery)
    point("mail rows stored")
    values = _values(delivery)
    post, faults = Post(), []
    try:
        for row in delivery.mails.filter(state=State.QUEUED).order_by("id"):
            message = file_message(
                words_fill(destination.subject, values),
                words_fill(destination.body, values),
                address=row.address,
                message_id=message_id_of(row.uid, 0),
                created=delivery.created,
                attached=attached,
            )
            if fault := _hand(post, row, message):
                faults.append(fault)
    finally:
        post.close()
    refused = [fault for fault in faults if isinstance(fault, DeliveryRefused)]
    for fault in (*refused, *faults):
        raise fault


def _rows_make(delivery: Delivery) -> None:
    """A row for each address that the destination has now; those that had it keep theirs."""
    wanted = recipients_of(delivery.destination)
    if not wanted:
        raise DestinationFault(NOBODY)
    delivery.mails.filter(state=State.QUEUED).exclude(address__in=wanted).delete()
    there = set(delivery.mails.values_list("address", flat=True))
    FileMail.objects.bulk_create(
        FileMail(delivery=delivery, address=address) for address in wanted if address not in there
    )


def _hand(post: Post, row: FileMail, message) -> Exception | None:
    """Hand a mail over and mark it; what was wrong with it."""
    rows = FileMail.objects.filter(pk=row.pk)
    try:
        post.hand(message)
    except Exception as error:
        outcome = outcome_of(error)
        rows.update(attempts=F("attempts") + 1, words=outcome.words[:255])
        words = f"{row.address}: {outcome.words}"
        # What the server says of the message, not of the line or an address, stays true.
        of_message = isinstance(error, smtplib.SMTPDataError | smtplib.SMTPSenderRefused)
        if of_message and outcome.result == "failed":
            return DeliveryRefused(words)
        return DestinationFault(words)
    point("mail handed over")
    rows.update(state=State.SENT, sent=timezone.now(), words="accepted", attempts=F("attempts") + 1)
    point("mail stored")
    return None


def _values(delivery: Delivery) -> dict[str, str]:
    file = delivery.file
    run = file.run
    return {
        "name": file.name,
        "export": run.name,
        "format": run.format.upper(),
        "batch": run.batch_id,
        "bytes": f"{file.bytes:,}",
        "sha256": file.sha256,
        "from": f"{run.start:%Y-%m-%d %H:%M}Z",
        "to": f"{run.end:%Y-%m-%d %H:%M}Z",
        "created": f"{run.created:%Y-%m-%d %H:%M}Z",
    }


def trial_send(destination: Destination, by: str) -> str:
    """Send a mail without a file to each address now; what was found. DestinationFault."""
    wanted = recipients_of(destination)
    if not wanted:
        raise DestinationFault(NOBODY)
    now = timezone.now()
    page = address_of("admin:exports_destination_change", destination.pk)
    body = f"{by} asked for this. Files for “{destination}” will reach this address.\n\n{page}\n"
    post, faults = Post(), []
    try:
        for number, address in enumerate(wanted):
            message = file_message(
                f"[TMS] Test of {destination}",
                body,
                address=address,
                message_id=message_id_of(FileMail().uid, number),
                created=now,
                attached=None,
            )
            try:
                post.hand(message)
            except Exception as error:
                faults.append(f"{address}: {outcome_of(error).words}")
    finally:
        post.close()
    if faults:
        raise DestinationFault("; ".join(faults))
    return f"A mail was sent to {', '.join(wanted)}."
