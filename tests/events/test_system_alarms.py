"""The house's own alarms through the same rules; the sweeps; what goes after its term."""

from collections import namedtuple
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from devices.models import ApiKey
from events import tasks
from events.models import Alarm, Mail, Notification, SystemAlarm
from events.services import alarms as service
from events.services.retention import events_expire
from events.services.system import system_alarm_clear, system_alarm_raise
from events.services.watch import disk_watch, gateways_watch
from tests.devices.factories import device_make
from tests.events.arriving import NOON, alarms_follow, fallback, gasps, rule_make, subjects

pytestmark = pytest.mark.django_db


def test_a_title_cannot_break_out_of_the_subject(clock):
    rule_make(categories=["SYST"])
    system_alarm_raise(code="TMS_RUN_FAILED", title="Run\r\nBcc: x@example.com failed")
    alarms_follow()
    assert subjects() == ["[TMS] Run Bcc: x@example.com failed"]


def test_the_house_raises_an_alarm_once_until_it_is_over(clock):
    rule_make(categories=["SYST"])
    told = {"code": "TMS_DISK", "key": "data", "title": "Full", "text": "No space."}
    assert system_alarm_raise(**told)
    clock.shift(timedelta(minutes=1))
    assert not system_alarm_raise(**told)
    standing = SystemAlarm.objects.get()
    assert (standing.times, standing.seen - standing.raised) == (2, timedelta(minutes=1))
    alarms_follow()
    assert subjects() == ["[TMS] Full"]
    assert "No space." in Notification.objects.get().text
    assert system_alarm_clear(code="TMS_DISK", key="data")
    assert not system_alarm_clear(code="TMS_DISK", key="data")
    assert system_alarm_raise(**told)
    alarms_follow()
    assert len(subjects()) == 2


def test_an_alarm_without_a_key_is_one_of_its_own(clock):
    for _ in range(2):
        assert system_alarm_raise(code="TMS_RUN_FAILED", title="Run 7 failed")
    assert SystemAlarm.objects.filter(cleared=NOON).count() == 2


def test_what_no_rule_takes_of_the_house_the_fallback_hears(clock):
    system_alarm_raise(code="TMS_MISSED", title="Schedule missed")
    assert Alarm.objects.get().rule == fallback()


def test_an_unknown_code_is_refused():
    with pytest.raises(ValueError, match="TMS_COFFEE is none of"):
        system_alarm_raise(code="TMS_COFFEE", title="Out of coffee")


def test_other_apps_find_the_hooks_in_the_settings(clock):
    [name], [clear] = django_settings.TMS_ALARM_HOOKS, django_settings.TMS_ALARM_CLEAR_HOOKS
    import_string(name)(code="TMS_DESTINATION", key="sftp", title="Down")
    assert import_string(clear)(code="TMS_DESTINATION", key="sftp")


def test_a_disk_that_fills_is_told_of(clock, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100 << 30, 96 << 30, 4 << 30))
    disk_watch()
    disk_watch()
    assert SystemAlarm.objects.get().title == (
        "The disk of the data directory is nearly full: 4.0 % free"
    )
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(100 << 30, 0, 100 << 30))
    disk_watch()
    assert SystemAlarm.objects.get().cleared == NOON


def test_a_gateway_that_falls_silent_is_told_of(clock, settings):
    keys = {
        "old": {"scopes": ["ingest"], "last_used": NOON - timedelta(hours=25)},
        "new": {"scopes": ["ingest"], "last_used": NOON - timedelta(hours=23)},
        "never": {"scopes": ["ingest"]},
        "reader": {"scopes": ["read"], "last_used": NOON - timedelta(hours=99)},
        "revoked": {"scopes": ["ingest"], "last_used": NOON - timedelta(99), "revoked": NOON},
    }
    for name, fields in keys.items():
        ApiKey.objects.create(name=name, prefix=name, **fields)
    gateways_watch()
    assert SystemAlarm.objects.get().title == "Gateway old has gone silent"
    ApiKey.objects.filter(name="old").update(last_used=NOON)
    gateways_watch()
    assert SystemAlarm.objects.get().cleared == NOON
    settings.TMS_GATEWAY_HOURS = 0
    ApiKey.objects.filter(name="old").update(last_used=NOON - timedelta(99))
    gateways_watch()
    assert SystemAlarm.objects.count() == 1


# --- tasks, retention ---------------------------------------------------------------------------


def test_the_sweeps_do_all_of_it(clock, monkeypatch):
    rule_make()
    gasps([device_make("D1")])
    assert tasks.routes() in (True, False)
    while tasks.incidents():
        pass
    while tasks.alarms():
        pass
    assert subjects() == ["[TMS] PWR_OUTAGE D1"]

    def overtaken(*arguments):
        raise service.reader_place.__globals__["Overtaken"]("alarms")

    monkeypatch.setattr(tasks, "alarms_detect", overtaken)
    monkeypatch.setattr(tasks, "incidents_follow", overtaken)
    assert tasks.alarms()
    assert tasks.incidents()
    tasks.watch()


def test_what_is_past_its_term_goes(clock, settings):
    rule_make()
    gasps([device_make("D1")])
    alarms_follow()
    Mail.objects.update(state="sent")
    clock.shift(timedelta(days=settings.TMS_MAIL_DAYS - 1))
    assert sum(events_expire().values()) == 0
    clock.shift(timedelta(days=2))
    tasks.maintain()
    assert Alarm.objects.count() == Notification.objects.count() == 0
    tasks.maintain()


def test_what_is_still_to_be_sent_stays(clock, settings):
    rule_make()
    gasps([device_make("D1")])
    alarms_follow()
    clock.shift(timedelta(days=settings.TMS_MAIL_DAYS + 1))
    assert events_expire()["notifications"] == 0
