"""Alarms: who hears of what, when, in how many messages; the house's own among them."""

from datetime import time, timedelta

import pytest
from django.contrib.auth.models import Group, User

from devices.models import DeviceClass
from devices.readings import Event as Report
from events.models import Alarm, AlarmRule, EventType, Mail, Notification, Reader
from events.services.notices import NOBODY, recipients_of
from tests.devices.factories import device_make
from tests.events.arriving import (
    NOON,
    TIME,
    alarms_follow,
    arrive,
    device_placed,
    fallback,
    gasps,
    outage,
    rule_make,
    subjects,
)

pytestmark = pytest.mark.django_db


# --- detection ----------------------------------------------------------------------------------


def test_an_event_is_told_of_by_each_rule_that_takes_it(clock):
    rule_make("one")
    rule_make("two", severities=["A"], categories=[])
    rule_make("three", categories=["TAMP"])
    rule_make("off", active=False)
    gasps([device_make("D1")])
    alarms_follow()
    assert sorted(Alarm.objects.values_list("rule__name", flat=True)) == ["one", "two"]
    assert subjects() == ["[TMS] PWR_OUTAGE D1"] * 2


def test_an_event_is_matched_once(clock):
    rule_make()
    gasps([device_make()])
    alarms_follow()
    Reader.objects.filter(name="alarms").update(number=0)  # as if it had died before
    alarms_follow()
    assert Alarm.objects.count() == Notification.objects.count() == 1


def test_rules_look_at_class_and_group(clock):
    north = device_placed("N1", "NORTH")
    other = device_make("K1", device_class="KV2C")
    rule = rule_make("north")
    rule.groups.add(north.memberships.get().group)
    kv2c = rule_make("kv2c")
    kv2c.device_classes.add(DeviceClass.objects.get(code="KV2C"))
    gasps([north, other])
    alarms_follow()
    found = set(Alarm.objects.values_list("rule__name", "device__device_id"))
    assert found == {("north", "N1"), ("kv2c", "K1")}


def test_a_rule_may_name_types(clock):
    rule = rule_make(categories=[])
    rule.mnemonics.add(EventType.objects.get(mnemonic="V_SAG_START"))
    arrive((device_make(), Report("V_SAG_START", TIME)))
    alarms_follow()
    assert Alarm.objects.get().rule == rule


def test_what_no_rule_takes_the_fallback_hears(clock):
    fallback().user_groups.clear()
    AlarmRule.objects.filter(fallback=True).update(addresses="boss@example.com")
    arrive((device_make("D1"), Report("TAMPER", TIME)), (device_make(), Report("PROGRAMMED", TIME)))
    alarms_follow()
    alarm = Alarm.objects.get()
    assert (alarm.rule, alarm.why, alarm.mnemonic) == (fallback(), "no rule takes it", "TAMPER")
    assert Mail.objects.get().address == "boss@example.com"
    assert "because no rule takes it" in Notification.objects.get().text


def test_a_rule_that_breaks_is_heard_of_too(clock):
    rule_make("broken", hours_from=time(1), hours_to=time(2), zone="Gone/Away")
    gasps([device_make()])
    alarms_follow()
    alarm = Alarm.objects.get()
    assert alarm.rule == fallback()
    assert alarm.why == "rule “broken” cannot be evaluated: 'Gone/Away' is no time zone"


def test_unknown_codes_are_counted_for_whoever_maps_them(clock):
    device = device_make()
    for n in range(3):
        arrive((device, Report("999", TIME + timedelta(seconds=n), origin="M")))
    alarms_follow()
    kind = EventType.objects.get(mnemonic="MFG_00999")
    assert (kind.arrived, kind.last_arrived) == (3, NOON)
    assert Alarm.objects.count() == 0


def test_a_repeat_is_kept_and_not_told(clock):
    rule_make(repeat_minutes=10)
    device = device_make("D1")
    for n in range(3):
        arrive((device, outage(n)))
    gasps([device_make("D2")])
    alarms_follow()
    assert subjects() == ["[TMS] PWR_OUTAGE D1", "[TMS] PWR_OUTAGE D2"]
    assert Alarm.objects.filter(state="r").count() == 2
    clock.shift(timedelta(minutes=9))
    arrive((device, outage(540)))
    alarms_follow()
    assert len(subjects()) == 2
    clock.shift(timedelta(minutes=1))
    arrive((device, outage(600)))
    alarms_follow()
    assert len(subjects()) == 3


# --- recipients ---------------------------------------------------------------------------------


def test_recipients_are_users_roles_and_addresses_each_once(clock):
    ada = User.objects.create_user("ada", email="ada@example.com")
    ben = User.objects.create_user("ben", email="ben@example.com")
    gone = User.objects.create_user("gone", email="gone@example.com", is_active=False)
    silent = User.objects.create_user("silent")
    role = Group.objects.get(name="Operator")
    for user in (ada, ben, gone, silent):
        user.groups.add(role)
    rule = rule_make(addresses="Ada@example.com, post@example.com")
    rule.users.add(ada, gone)
    rule.user_groups.add(role)
    found, why = recipients_of(rule)
    assert found == ["ada@example.com", "ben@example.com", "post@example.com"]
    assert why == ""
    gasps([device_make()])
    alarms_follow()
    ids = list(Mail.objects.order_by("pk").values_list("message_id", flat=True))
    assert len(set(ids)) == 3


def test_a_rule_that_reaches_nobody_is_heard_of_by_the_fallback(clock):
    AlarmRule.objects.filter(fallback=True).update(addresses="boss@example.com")
    rule_make("deaf", addresses="")
    gasps([device_make()])
    alarms_follow()
    assert Mail.objects.get().address == "boss@example.com"
    assert "rule “deaf” has no recipient" in Notification.objects.get().text


def test_what_reaches_nobody_at_all_has_failed_in_sight(clock):
    gasps([device_make()])
    alarms_follow()
    mail = Mail.objects.get()
    assert (mail.state, mail.words, mail.address) == ("failed", NOBODY, "")


# --- in how many messages -----------------------------------------------------------------------


def test_a_storm_is_a_handful_of_messages_with_counts(clock):
    rule_make(hourly_limit=12)
    feeders = [
        *[device_placed(f"A{n:03}", cycle="CYCLE01", feeder_id="FDR-1") for n in range(30)],
        *[device_placed(f"B{n:03}", cycle="CYCLE02", feeder_id="FDR-2") for n in range(12)],
    ]
    for second in range(60):
        gasps(feeders, seconds=3600 * second)
        alarms_follow()
        clock.shift(timedelta(seconds=1))
    for _ in range(60):
        clock.shift(timedelta(seconds=60))
        alarms_follow()
    assert Alarm.objects.filter(state="t").count() == 60 * 42
    assert 2 <= len(subjects()) <= 6
    counts = Notification.objects.values_list("alarms", flat=True)
    assert sum(counts) == 60 * 42
    text = Notification.objects.order_by("-alarms").first().text
    assert "By feeder\n" in text
    assert "  FDR-1\n" in text
    assert "  CYCLE02\n" in text
    assert "By event\n" in text


def test_few_alarms_come_one_by_one_then_gathered(clock):
    rule_make(hourly_limit=4)
    for n in range(6):
        gasps([device_make(f"D{n}")])
        alarms_follow()
        clock.shift(timedelta(seconds=5))
    assert subjects() == [
        "[TMS] PWR_OUTAGE D0",
        "[TMS] PWR_OUTAGE D1",
        "[TMS] 3 alarms: summary of rule",
    ]
    for _ in range(90):
        clock.shift(timedelta(minutes=1))
        alarms_follow()
    assert len(subjects()) == 4
    assert Alarm.objects.exclude(state="t").count() == 0


def test_a_digest_comes_when_it_is_time(clock):
    rule_make(way="digest", digest_minutes=30)
    gasps([device_make("D1")])
    alarms_follow()
    clock.shift(timedelta(minutes=29))
    gasps([device_make("D2")])
    alarms_follow()
    assert subjects() == []
    clock.shift(timedelta(minutes=1))
    alarms_follow()
    assert subjects() == ["[TMS] 2 alarms: digest of rule"]
    notification = Notification.objects.get()
    assert (notification.kind, notification.alarms) == ("digest", 2)
    assert "PWR_OUTAGE  D2" in notification.text


def test_quiet_hours_delay_what_is_told_and_not_what_is_seen(clock):
    rule_make(quiet_from=time(11), quiet_to=time(13))
    gasps([device_make("D1")])
    alarms_follow()
    assert subjects() == []
    assert Alarm.objects.get().accepted == NOON
    clock.shift(timedelta(hours=1))
    alarms_follow()
    assert subjects() == ["[TMS] PWR_OUTAGE D1"]


def test_a_long_table_is_cut_with_the_rest_in_one_row(clock):
    rule_make(way="digest", digest_minutes=1)
    gasps([device_placed(f"D{n:02}", feeder_id=f"F{n:02}") for n in range(18)])
    alarms_follow()
    clock.shift(timedelta(minutes=2))
    alarms_follow()
    text = Notification.objects.get().text
    assert "3  3 others" in text
    assert "… and" not in text.split("By group")[0].split("Alarms")[0]


def test_repeats_are_told_in_a_summary_as_a_number(clock):
    rule_make(way="digest", digest_minutes=1, repeat_minutes=60)
    device = device_make("D1")
    for n in range(4):
        arrive((device, outage(n)))
    alarms_follow()
    clock.shift(timedelta(minutes=2))
    alarms_follow()
    assert "3 repeats are not counted." in Notification.objects.get().text


@pytest.mark.parametrize(
    "text", ["Bcc: all@example.com", "<b>bold</b> & {{ more }}", "x\u2028y\u200bz"]
)
def test_words_of_an_event_stay_words(clock, text):
    rule_make()
    Alarm.objects.all()
    device = device_make("D1")
    EventType.objects.filter(mnemonic="PWR_OUTAGE").update(meaning=text)
    gasps([device])
    alarms_follow()
    notification = Notification.objects.get()
    assert notification.subject == "[TMS] PWR_OUTAGE D1"
    assert "<b>" not in notification.html.replace("<body>", "")
    assert text in notification.text
