"""The system's own alarms, through the same rules as events.

Other apps do not import this: they call what `settings.TMS_ALARM_HOOKS` names.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from events import rules
from events.models import Alarm, SystemAlarm
from events.services.matching import alarm_rules_load


def system_alarm_raise(
    *,
    code: str,
    title: str,
    key: str = "",
    text: str = "",
    link: str = "",
    severity: str = rules.ALARM,
) -> bool:
    """Raise an alarm of the house; False when it stands already.

    `code` is one of `rules.SYSTEM_CODES`; `key` names what it is about, and is raised once until
    it is cleared (empty: each is one of its own, and is cleared at once). Safe in a transaction of
    the caller's, and to repeat.
    """
    if code not in rules.SYSTEM_CODES:
        raise ValueError(f"{code} is none of {', '.join(rules.SYSTEM_CODES)}")
    now = timezone.now()
    if key:
        standing = SystemAlarm.objects.filter(code=code, key=key, cleared=None)
        if standing.update(seen=now, times=F("times") + 1):
            return False
    with transaction.atomic():
        values = {"severity": severity, "title": title[:200], "text": text, "link": link}
        if key:
            alarm, made = SystemAlarm.objects.get_or_create(
                code=code, key=key[:120], cleared=None, defaults=values
            )
        else:
            alarm, made = SystemAlarm.objects.create(code=code, cleared=now, **values), True
        if made:
            Alarm.objects.bulk_create(_alarms(alarm))
    return made


def system_alarm_clear(*, code: str, key: str) -> bool:
    """What it was about is over; it may be raised again. False when it did not stand."""
    standing = SystemAlarm.objects.filter(code=code, key=key[:120], cleared=None)
    return bool(standing.update(cleared=timezone.now()))


def _alarms(alarm: SystemAlarm) -> list[Alarm]:
    """What the rules make of it."""
    loaded = alarm_rules_load()
    fact = rules.Fact(alarm.code, rules.SYSTEM, alarm.severity, alarm.raised)
    return [
        Alarm(
            rule_id=match.rule,
            system=alarm,
            mnemonic=alarm.code,
            severity=alarm.severity,
            time=alarm.raised,
            why=match.why,
        )
        for match in rules.matches(fact, loaded.rules, loaded.fallback)
    ]
