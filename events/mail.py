"""The words of messages, from templates; sends nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from events import rules
from events.helping import help_for
from events.models import Alarm, AlarmRule, Event, Mail, Severity

SUBJECT_WIDTH = 180


class Words(NamedTuple):
    """A message before it has recipients."""

    subject: str
    text: str
    html: str


class Counts(NamedTuple):
    """What a summary tells: tables of (label, count), the alarms that are listed, the period."""

    alarms: int
    repeated: int
    first: datetime
    last: datetime
    tables: list[tuple[str, list[tuple[str, int]]]]
    listed: Sequence[Alarm]
    why: list[str]


def address_of(page: str, *args: Any) -> str:
    """The address of a page, for people outside."""
    return settings.TMS_URL.rstrip("/") + reverse(page, args=args)


def link_of(link: str) -> str:
    """A link for people outside: one that begins at our root gets our address before it."""
    return settings.TMS_URL.rstrip("/") + link if link.startswith("/") else link


def subject_of(text: str) -> str:
    """A subject on one line: what is no printable character becomes a blank."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(plain.split())[:SUBJECT_WIDTH]


def alarm_words(rule: AlarmRule, alarm: Alarm, event: Event | None) -> Words:
    """One alarm: of an event, or of the system itself."""
    context = {"why": alarm.why, "severity": Severity(alarm.severity).label}
    context |= _of_system(alarm) if alarm.system is not None else _of_event(alarm, event)
    return _render("alarm", rule, subject_of(f"[TMS] {context['headline']}"), context)


def _of_event(alarm: Alarm, event: Event | None) -> dict[str, Any]:
    device = alarm.device
    zone = ZoneInfo(device.time_zone if device is not None else settings.TIME_ZONE)
    facts = [("Device", str(device)), ("Meter", device.meter_number if device else "")]
    facts += [("Time", f"{alarm.time.astimezone(zone):%Y-%m-%d %H:%M:%S %z}")]
    facts += [("Feeder", alarm.feeder_id), ("Group", alarm.group)]
    meaning, text = "", ""
    if event is not None:
        meaning, text = event.type.meaning, event.text
        facts += [
            ("Received", f"{event.received.astimezone(zone):%Y-%m-%d %H:%M:%S %z}"),
            ("Phases", event.phases),
            ("Value", event.value_words),
            ("Duration", "" if event.duration is None else f"{event.duration} s"),
        ]
    if (found := help_for(alarm.mnemonic)) is not None:
        facts += [("Usual cause", found.cause), ("What to do", found.action)]
    return {
        "headline": f"{alarm.mnemonic} {device}",
        "name": alarm.mnemonic,
        "meaning": meaning,
        "text": text,
        "facts": [(label, value) for label, value in facts if value],
        "link": address_of("admin:devices_device_change", alarm.device_id),
        "link_name": f"The page of {device}",
    }


def _of_system(alarm: Alarm) -> dict[str, Any]:
    system = alarm.system
    raised = system.raised.astimezone(ZoneInfo(settings.TIME_ZONE))
    return {
        "headline": system.title,
        "name": system.title,
        "meaning": rules.SYSTEM_CODES[system.code],
        "text": system.text,
        "facts": [("Since", f"{raised:%Y-%m-%d %H:%M:%S %z}")],
        "link": link_of(system.link) or address_of("admin:index"),
        "link_name": "Look at it",
    }


def summary_words(rule: AlarmRule, counts: Counts, digest: bool) -> Words:
    """Many alarms: counts, and as many of them as are worth listing."""
    what = "alarm" if counts.alarms == 1 else "alarms"
    kind = "digest" if digest else "summary"
    subject = subject_of(f"[TMS] {counts.alarms:,} {what}: {kind} of {rule.name}")
    zone = ZoneInfo(settings.TIME_ZONE)
    listed = [
        {
            "time": f"{alarm.time.astimezone(zone):%Y-%m-%d %H:%M:%S %z}",
            "mnemonic": alarm.mnemonic,
            "device": alarm.device or alarm.system,
            "link": address_of("admin:devices_device_change", alarm.device_id)
            if alarm.device_id
            else "",
        }
        for alarm in counts.listed
    ]
    context = {
        "first": f"{counts.first.astimezone(zone):%Y-%m-%d %H:%M:%S %z}",
        "last": f"{counts.last.astimezone(zone):%Y-%m-%d %H:%M:%S %z}",
        "tables": [(title, rows) for title, rows in counts.tables if rows],
        "listed": listed,
        "more": counts.alarms - len(listed) if listed else 0,
        "repeated": counts.repeated,
        "why": counts.why,
        "link": address_of("admin:events_event_changelist"),
    }
    return _render("summary", rule, subject, context)


def trial_words(rule: AlarmRule, by: str) -> Words:
    """What the test button sends."""
    context = {
        "severity": "Test",
        "name": "This is a test",
        "meaning": f"{by} asked for it. Alarms of this rule reach this address.",
        "facts": [("Sent", f"{timezone.localtime():%Y-%m-%d %H:%M:%S %z}")],
    }
    return _render("alarm", rule, subject_of(f"[TMS] Test of {rule.name}"), context)


def _render(name: str, rule: AlarmRule, subject: str, context: dict[str, Any]) -> Words:
    whole = {
        **context,
        "subject": subject,
        "rule": rule.name,
        "rule_link": address_of("admin:events_alarmrule_change", rule.pk),
    }
    return Words(
        subject,
        render_to_string(f"events/mail/{name}.txt", whole),
        render_to_string(f"events/mail/{name}.html", whole),
    )


def message_id_of(uid: UUID, number: int) -> str:
    """The Message-ID of one of the mails of a row, under the domain of our sender."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    return f"<{uid.hex}.{number}@{domain}>"


def headers_of(message_id: str, created: datetime) -> dict[str, str]:
    """What each attempt to send a mail says alike, and that no person has written it."""
    return {
        "Message-ID": message_id,
        "Date": format_datetime(created),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }


def message_build(mail: Mail) -> EmailMultiAlternatives:
    """The message of a mail; each attempt's is the same, Message-ID and date included."""
    notification = mail.notification
    message = EmailMultiAlternatives(
        subject=notification.subject,
        body=notification.text,
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[mail.address],
        headers=headers_of(mail.message_id, notification.created),
    )
    if notification.html:
        message.attach_alternative(notification.html, "text/html")
    return message
