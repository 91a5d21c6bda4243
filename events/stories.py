"""What events tell of a device's life (settings.TMS_STORIES)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import Q
from django.urls import reverse

from devices.models import Device
from devices.story import MOST, Entry, Link, Source, Span, Told, told
from events.models import Alarm, Event, Incident


def incidents(request: Any, device: Device, span: Span) -> Told:
    """Conditions such as outages: when it went out, and when it was back."""
    entries = []
    ended = Incident.objects.filter(device=device, ended__isnull=False)
    began = Incident.objects.filter(device=device)
    if span.last is not None:
        began = began.filter(began__lt=span.last)
        ended = ended.filter(began__lt=span.last)
    rows = {
        row.pk: row
        for some in (began, ended)
        for row in some.select_related("type").order_by("-began")[: MOST + 1]
    }
    for row in rows.values():
        link = Link(reverse("admin:events_incident_change", args=[row.pk]), "the incident")
        where = " ".join(filter(None, ("on feeder" if row.feeder_id else "", row.feeder_id)))
        what = row.type.meaning or row.type.mnemonic
        entries.append(Entry(row.began, f"Began: {what}", where, (link,)))
        if row.ended is not None:
            over = f"lasted {row.duration_words}" + (", momentary" if row.momentary else "")
            why = f"closed by {row.closed_by}" if row.closed_by else over
            entries.append(Entry(row.ended, f"Over: {what}", why, (link,)))
    return told(entries, span)


def events(request: Any, device: Device, span: Span) -> Told:
    """Each event, as it was told."""
    rows = Event.objects.filter(device=device).select_related("type")
    if span.last is not None:
        rows = rows.filter(time__lt=span.last)
    entries = []
    for row in rows.order_by("-time", "-id")[: MOST + 1]:
        link = Link(reverse("admin:events_event_change", args=[row.pk]), "the event")
        title = f"Event: {row.type.mnemonic}"
        entries.append(Entry(row.time, title, row.text or row.type.meaning or "", (link,)))
    return told(entries, span)


def mails(request: Any, device: Device, span: Span) -> Told:
    """Alarms of it that somebody was told of by mail; repeats that were held back say so."""
    rows = Alarm.objects.filter(device=device).filter(
        Q(state=Alarm.State.REPEATED) | Q(notification__isnull=False)
    )
    if span.last is not None:
        rows = rows.filter(accepted__lt=span.last)
    may = request.user.has_perm("events.view_notification")
    entries = []
    for row in rows.select_related("rule", "notification").order_by("-accepted")[: MOST + 1]:
        told_of = row.notification is not None
        links = ()
        if told_of and may:
            address = reverse("admin:events_notification_change", args=[row.notification_id])
            links = (Link(address, "the mail"),)
        title = f"Mailed about: {row.mnemonic}" if told_of else f"No mail about: {row.mnemonic}"
        why = f"rule {row.rule.name}" + ("" if told_of else ", a repeat of one before")
        entries.append(Entry(row.accepted, title, why, links))
    return told(entries, span)


def sources() -> Iterator[Source]:
    """The kinds that this app tells."""
    yield Source("outage", "Out and back", incidents, "events.view_incident")
    yield Source("event", "Events", events, "events.view_event")
    yield Source("mail", "Mailed about", mails, "events.view_event")
