"""Deciding what people are told, and when: alarms become notifications and mails, as rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone

from events.failpoints import passing
from events.mail import Counts, Words, alarm_words, message_id_of, summary_words, trial_words
from events.models import Alarm, AlarmRule, Event, Mail, Notification
from events.models.alarms import address_list
from events.rules import HOUR, Rate, Waiting, tell

SINGLES = 200  # alarms told one by one in one transaction
LISTED = 20  # alarms that a summary lists
ROWS = 15  # rows of a summary's table
NOBODY = "no recipient has an address"


def notifications_make() -> bool:
    """Tell of what waits, rule by rule, as far as it is time; True when there may be more."""
    waiting = Alarm.objects.filter(state=Alarm.State.WAITING)
    more = False
    for rule in waiting.order_by().values_list("rule", flat=True).distinct():
        more |= _rule_tell(rule)
    return more


def _rule_tell(pk: int) -> bool:
    passing("notify")
    with transaction.atomic():
        rule = AlarmRule.objects.select_for_update().filter(pk=pk).first()
        if rule is None:  # taken away meanwhile, its alarms with it
            return False
        waiting = Alarm.objects.filter(rule=rule, state=Alarm.State.WAITING)
        now = timezone.now()
        what = tell(_rate(rule), _waiting(rule, waiting, now), now)
        if what == "alarm":
            _singles(rule, waiting)
        elif what:
            _summary(rule, waiting, what)
    passing("notified")
    return what == "alarm"


def _rate(rule: AlarmRule) -> Rate:
    digest = rule.digest_minutes if rule.way == AlarmRule.Way.DIGEST else None
    return Rate(digest, rule.hourly_limit, (rule.quiet_from, rule.quiet_to), rule.zone)


def _waiting(rule: AlarmRule, waiting: QuerySet[Alarm], now: datetime) -> Waiting:
    counted = waiting.aggregate(alarms=Count("pk"), oldest=Min("accepted"))
    sent = Notification.objects.filter(rule=rule, created__gt=now - HOUR)
    told = sent.exclude(kind=Notification.Kind.TEST).aggregate(
        n=Count("pk"), summary=Max("created", filter=Q(kind=Notification.Kind.SUMMARY))
    )
    return Waiting(counted["alarms"], counted["oldest"] or now, told["n"], told["summary"])


def _singles(rule: AlarmRule, waiting: QuerySet[Alarm]) -> None:
    rows = list(waiting.select_related("device", "system").order_by("pk")[:SINGLES])
    events = Event.objects.select_related("type").in_bulk([a.event for a in rows if a.event])
    recipients, why = recipients_of(rule)
    for alarm in rows:
        alarm.why = alarm.why or why
        words = alarm_words(rule, alarm, events.get(alarm.event or 0))
        alarm.notification = _store(rule, Notification.Kind.ALARM, words, recipients, 1)
        alarm.state = Alarm.State.TOLD
    Alarm.objects.bulk_update(rows, ["notification", "state", "why"])


def _summary(rule: AlarmRule, waiting: QuerySet[Alarm], what: str) -> None:
    recipients, why = recipients_of(rule)
    notification = Notification.objects.create(rule=rule, kind=what)
    waiting.update(notification=notification, state=Alarm.State.TOLD)
    counts = _counts(rule, notification, why)
    words = summary_words(rule, counts, digest=what == "digest")
    notification.subject, notification.text, notification.html = words
    notification.alarms = counts.alarms
    notification.save()
    _mails(notification, recipients)


def _counts(rule: AlarmRule, notification: Notification, why: str) -> Counts:
    told = Alarm.objects.filter(notification=notification).order_by()
    whole = told.aggregate(n=Count("pk"), first=Min("time"), last=Max("time"), at=Min("accepted"))
    before = Notification.objects.filter(rule=rule, pk__lt=notification.pk).aggregate(
        at=Max("created")
    )["at"]
    repeats = Alarm.objects.filter(rule=rule, state=Alarm.State.REPEATED)
    since = before or whole["at"] - timedelta(hours=1)
    reasons = told.exclude(why="").values_list("why", flat=True).distinct()[:3]
    return Counts(
        whole["n"],
        repeats.filter(accepted__gte=since).count(),
        whole["first"],
        whole["last"],
        [
            (title, _table(told, field))
            for title, field in (
                *(("By event", "mnemonic"), ("By feeder", "feeder_id")),
                ("By group", "group"),
            )
        ],
        list(told.select_related("device", "system").order_by("-pk")[:LISTED]),
        [*filter(None, [why]), *reasons],
    )


def _table(told: QuerySet[Alarm], field: str) -> list[tuple[str, int]]:
    """How many alarms by one of their fields, the most first; the rest in one row."""
    rows = list(
        told.exclude(**{field: ""}).values_list(field).annotate(n=Count("pk")).order_by("-n", field)
    )
    shown, rest = rows[:ROWS], rows[ROWS:]
    if rest:
        shown.append((f"{len(rest)} others", sum(count for _, count in rest)))
    return shown


def _store(
    rule: AlarmRule, kind: str, words: Words, recipients: Sequence[str], alarms: int
) -> Notification:
    notification = Notification.objects.create(
        rule=rule, kind=kind, alarms=alarms, **words._asdict()
    )
    _mails(notification, recipients)
    return notification


def _mails(notification: Notification, recipients: Sequence[str]) -> None:
    """A mail for each address; where there is none, one that has failed, so that it is seen."""
    uid = notification.uid
    if not recipients:
        Mail.objects.create(
            notification=notification,
            message_id=message_id_of(uid, 0),
            state=Mail.State.FAILED,
            words=NOBODY,
        )
    Mail.objects.bulk_create(
        [
            Mail(notification=notification, address=address, message_id=message_id_of(uid, n))
            for n, address in enumerate(recipients)
        ]
    )


def recipients_of(rule: AlarmRule) -> tuple[list[str], str]:
    """The addresses of a rule; those of the fallback, and why, where it has none."""
    found = _addresses(rule)
    if found or rule.fallback:
        return found, ""
    fallback = AlarmRule.objects.filter(fallback=True).first()
    why = f"rule “{rule.name}” has no recipient with an address"
    return (_addresses(fallback) if fallback else []), why


def _addresses(rule: AlarmRule) -> list[str]:
    people = Q(pk__in=rule.users.values("pk")) | Q(groups__in=rule.user_groups.all())
    return addresses_of(people, rule.addresses)


def addresses_of(people: Q, text: str) -> list[str]:
    """The addresses of active users, and those of a text; each once."""
    found = User.objects.filter(people, is_active=True).exclude(email="")
    each: dict[str, str] = {}
    for address in (*found.order_by("pk").values_list("email", flat=True), *address_list(text)):
        each.setdefault(address.casefold(), address)
    return list(each.values())


def trial_make(rule: AlarmRule, *, by: str) -> Notification:
    """A test message of a rule, for its recipients."""
    with transaction.atomic():
        recipients, _ = recipients_of(rule)
        return _store(rule, Notification.Kind.TEST, trial_words(rule, by), recipients, 0)
