"""The pages of routes, rules, notifications and incidents: forms, actions, roles, few queries."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from events.models import (
    AlarmRule,
    Event,
    Incident,
    Mail,
    Notification,
    Route,
    RouteRecord,
    SystemAlarm,
)
from events.services.alarms import alarms_detect
from events.services.incidents import incidents_follow
from events.services.notices import notifications_make
from events.services.routes import route_write
from events.services.system import system_alarm_raise
from tests.devices.factories import device_make
from tests.events.arriving import device_placed, gasps, route_make
from tests.events.pages import page
from tests.people import log_in
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
ROUTE = {
    "name": "OMS north",
    "active": "on",
    "catalogue_default": "on",
    "rotation": "never",
    "rotate_bytes": "1000000",
    "line_end": "CRLF",
    "zone": "",
    "momentary_seconds": "0",
    "late": "write",
}
RULE = {
    "name": "Outages",
    "active": "on",
    "categories": ["OUTG"],
    "severities": ["A"],
    "zone": "America/Chicago",
    "addresses": "a@example.com, b@example.com",
    "way": "immediate",
    "digest_minutes": "60",
    "repeat_minutes": "0",
    "hourly_limit": "12",
}


def errors(answer) -> dict[str, list[str]]:
    return dict(answer.context["adminform"].form.errors)


# --- routes -------------------------------------------------------------------------------------


def test_a_route_is_made_and_begins_with_what_arrives_from_then_on(admin_client):
    gasps([device_make()])
    answer = admin_client.post(reverse("admin:events_route_add"), ROUTE)
    assert answer.status_code == 302
    route = Route.objects.get(name="OMS north")
    gasps([device_make("D2")])
    route_write(route.pk)
    assert Event.objects.get(records__route=route).device.device_id == "D2"
    shown = page(admin_client, "route_change", route.pk)
    assert "<code>mrc/MRC_OMS_north.dat</code>" in shown
    assert "322" in shown
    assert "D2" in page(admin_client, "routerecord_changelist", route=route.pk)


def test_a_route_that_is_switched_on_again_begins_anew(admin_client):
    route = route_make("OMS north", active=False)
    gasps([device_make()])
    address = reverse("admin:events_route_change", args=[route.pk])
    assert admin_client.post(address, ROUTE).status_code == 302
    assert not route_write(route.pk)
    assert RouteRecord.objects.count() == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "OMS_north"}, "name"),  # the file of another route
        ({"zone": "Nowhere"}, "zone"),
        ({"momentary_seconds": "3601"}, "momentary_seconds"),
        ({"categories": ["XXXX"]}, "categories"),
        ({"severities": ["Q"]}, "severities"),
        ({"rotate_bytes": "10"}, "rotate_bytes"),
        ({"rotation": "hourly"}, "rotation"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(admin_client, wrong, field):
    route_make("OMS north")
    answer = admin_client.post(reverse("admin:events_route_add"), ROUTE | {"name": "other"} | wrong)
    assert field in errors(answer)


def test_a_route_that_has_written_keeps_its_line_end_and_stays(admin_client):
    route = route_make()
    gasps([device_make()])
    route_write(route.pk)
    assert 'name="line_end"' not in page(admin_client, "route_change", route.pk)
    address = reverse("admin:events_route_delete", args=[route.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403


def test_a_route_that_cannot_write_says_why(admin_client, settings):
    route = route_make()
    (settings.DATA_DIR / "mrc").mkdir()
    (settings.DATA_DIR / "mrc" / "MRC_oms.dat").write_text("something else")
    gasps([device_make()])
    route_write(route.pk)
    assert "MRC04" in page(admin_client, "route_change", route.pk)
    assert "Cannot write" in page(admin_client, "route_changelist")
    dashboard = admin_client.get("/").content.decode()
    assert "Message route oms cannot write" in dashboard


def test_an_operator_writes_a_record_again(admin_client):
    route = route_make()
    gasps([device_make("D1"), device_make("D2")])
    route_write(route.pk)
    row = RouteRecord.objects.order_by("sequence").first()
    address = reverse("admin:events_routerecord_changelist")
    form = {"action": "send_again", "_selected_action": [row.pk]}
    answer = admin_client.post(address, form, follow=True)
    assert "1 records of oms will be written again, marked R." in answer.content.decode()
    again = RouteRecord.objects.get(resent=True)
    assert (again.sequence, again.state, again.event_id) == (3, "p", row.event_id)


def test_records_are_searched_by_device(admin_client):
    route = route_make()
    gasps([device_make("D1"), device_make("D2")])
    route_write(route.pk)
    shown = page(admin_client, "routerecord_changelist", q="D2")
    assert ">D2<" in shown
    assert ">D1<" not in shown


# --- rules --------------------------------------------------------------------------------------


def test_a_rule_is_made_and_says_whom_it_reaches(admin_client):
    assert admin_client.post(reverse("admin:events_alarmrule_add"), RULE).status_code == 302
    rule = AlarmRule.objects.get(name="Outages")
    assert (rule.categories, rule.severities, rule.days) == (["OUTG"], ["A"], [])
    assert "a@example.com, b@example.com" in page(admin_client, "alarmrule_change", rule.pk)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"categories": [], "severities": []}, "__all__"),
        ({"addresses": "a@example.com, nonsense"}, "addresses"),
        ({"addresses": "a@example.com\nBcc: b@example.com"}, "addresses"),
        ({"hours_from": "08:00"}, "hours_to"),
        ({"quiet_to": "08:00"}, "quiet_to"),
        ({"zone": "Nowhere"}, "zone"),
        ({"hourly_limit": "1"}, "hourly_limit"),
        ({"days": ["7"]}, "days"),
        ({"digest_minutes": "0"}, "digest_minutes"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(admin_client, wrong, field):
    answer = admin_client.post(reverse("admin:events_alarmrule_add"), RULE | wrong)
    assert field in errors(answer)


def test_the_systems_own_alarms_may_be_chosen(admin_client):
    form = RULE | {"categories": ["SYST"], "days": ["0", "6"]}
    admin_client.post(reverse("admin:events_alarmrule_add"), form)
    rule = AlarmRule.objects.get(name="Outages")
    assert (rule.categories, rule.days) == (["SYST"], [0, 6])


def test_the_fallback_has_no_conditions_and_stays(admin_client):
    rule = AlarmRule.objects.get(fallback=True)
    shown = page(admin_client, "alarmrule_change", rule.pk)
    assert 'name="categories"' not in shown
    assert "Hears of each alarm that no other rule takes" in shown
    assert "nobody: no recipient has an address" in shown
    address = reverse("admin:events_alarmrule_delete", args=[rule.pk])
    assert admin_client.post(address, {"post": "yes"}).status_code == 403


def test_a_test_message_is_sent_at_once(admin_client, mailoutbox):
    rule = AlarmRule.objects.create(name="r", categories=["OUTG"], addresses="a@example.com")
    address = reverse("admin:events_alarmrule_test", args=[rule.pk])
    assert admin_client.get(address).status_code == 405
    answer = admin_client.post(address, follow=True)
    assert "Sent to a@example.com: accepted" in answer.content.decode()
    assert [message.subject for message in mailoutbox] == ["[TMS] Test of r"]
    assert admin_client.post(address.replace(str(rule.pk), "999999")).status_code == 404


# --- notifications ------------------------------------------------------------------------------


@pytest.fixture
def told() -> Notification:
    AlarmRule.objects.create(name="r", categories=["OUTG"], addresses="a@example.com")
    gasps([device_placed("D1", "NORTH", feeder_id="F1")])
    alarms_detect()
    notifications_make()
    return Notification.objects.get()


def test_a_notification_shows_the_life_of_each_mail(admin_client, told):
    shown = page(admin_client, "notification_change", told.pk)
    assert "not tried yet" in shown
    assert f"Message-ID: &lt;{told.uid.hex}.0@localhost&gt;" in shown
    assert ">D1</a>" in shown
    log = [
        {"at": "2026-04-02T19:31:07+00:00", "outcome": "later", "words": "451 Try <later>"},
        {"at": "2026-04-02T19:33:07+00:00", "outcome": "failed", "words": "550 Never"},
    ]
    Mail.objects.update(state="failed", log=log, words="550 Never")
    shown = page(admin_client, "notification_change", told.pk)
    assert "451 Try &lt;later&gt;" in shown
    assert "Failed" in page(admin_client, "notification_changelist", state="failed")
    Notification.objects.update(created=timezone.now())
    assert "1 alarm mail failed" in admin_client.get("/").content.decode()


def test_a_failed_mail_is_sent_again(admin_client, told):
    Mail.objects.update(state="failed")
    form = {"action": "send_again", "_selected_action": [told.pk]}
    answer = admin_client.post(reverse("admin:events_notification_changelist"), form, follow=True)
    assert "1 mail is queued." in answer.content.decode()
    assert Mail.objects.get().state == "queued"


def test_one_that_reached_nobody_has_a_page(admin_client, told):
    Mail.objects.update(address="", state="failed", words="no recipient has an address")
    shown = page(admin_client, "notification_change", told.pk)
    assert "no recipient has an address" in shown
    assert "Source" not in shown


def test_the_list_asks_as_much_for_many_as_for_one(admin_client, told):
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(admin_client, "notification_changelist")
        return len(captured)

    few = queries()
    gasps([device_make() for _ in range(5)])
    alarms_detect()
    Notification.objects.bulk_create(
        [Notification(rule=told.rule, kind="alarm", subject=f"n{n}") for n in range(20)]
    )
    assert queries() <= few


def test_what_the_house_says_is_listed_and_taken_as_over(admin_client):
    system_alarm_raise(code="TMS_DISK", key="data", title="Full")
    assert "Full" in page(admin_client, "systemalarm_changelist")
    assert "Full" in admin_client.get("/").content.decode()
    form = {"action": "clear", "_selected_action": [SystemAlarm.objects.get().pk]}
    admin_client.post(reverse("admin:events_systemalarm_changelist"), form)
    assert SystemAlarm.objects.get().cleared is not None
    assert "Needs attention" not in admin_client.get("/").content.decode()


# --- roles --------------------------------------------------------------------------------------

KEEPERS = {roles.OPERATOR, roles.ADMINISTRATOR}
PAGES = [
    ("incident_changelist", set(roles.ROLES)),
    ("incident_now", set(roles.ROLES)),
    ("systemalarm_changelist", set(roles.ROLES)),
    ("route_changelist", KEEPERS),
    ("route_add", KEEPERS),
    ("routerecord_changelist", KEEPERS),
    ("alarmrule_changelist", KEEPERS),
    ("alarmrule_add", KEEPERS),
    ("notification_changelist", KEEPERS),
]


@pytest.mark.parametrize("role", roles.ROLES)
def test_each_role_reaches_the_pages_that_are_its_own(client, role):
    log_in(client, role)
    for name, allowed in PAGES:
        answer = client.get(reverse(f"admin:events_{name}"))
        assert answer.status_code == (200 if role in allowed else 403), name


@pytest.mark.parametrize("role", roles.ROLES)
def test_only_keepers_send_tests_and_close(client, role, mailoutbox):
    log_in(client, role)
    rule = AlarmRule.objects.create(name="r", categories=["OUTG"], addresses="a@example.com")
    client.post(reverse("admin:events_alarmrule_test", args=[rule.pk]))
    assert len(mailoutbox) == (role in KEEPERS)
    gasps([device_make()])
    incidents_follow()
    form = {"action": "close", "_selected_action": [Incident.objects.get().pk]}
    client.post(reverse("admin:events_incident_changelist"), form)
    assert Incident.objects.filter(ended=None).count() == (role not in KEEPERS)
