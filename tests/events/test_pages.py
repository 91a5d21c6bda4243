"""The pages of events: lists that stay cheap, the catalogue, the dashboard, a device's section."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from devices.readings import Event as Report
from events import selectors
from events.dashboard import cards
from events.models import Event, EventAlias, EventType
from events.sections import SHOWN, device_events
from events.services import batch_events_store

pytestmark = pytest.mark.django_db

EVENTS = "admin:events_event_changelist"
TYPES = "admin:events_eventtype_changelist"


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def store(device, batch_make):
    """Store events of some codes, as if received so long ago."""

    def store(*codes: str, ago: timedelta = timedelta(0), per_code: int = 1) -> None:
        received = timezone.now() - ago
        reports = [
            (device.pk, Report(code, received - timedelta(seconds=n)))
            for code in codes
            for n in range(per_code)
        ]
        batch_events_store(batch_make(received=received), reports)

    return store


@pytest.fixture
def request_of(rf: RequestFactory):
    def request_of(user: User):
        request = rf.get("/")
        request.user = user
        return request

    return request_of


@pytest.fixture
def looker(django_user_model) -> User:
    user = django_user_model.objects.create_user("looker", is_staff=True)
    names = ["view_event", "view_eventtype", "view_eventalias"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def listed(response) -> list[str]:
    return [event.type.mnemonic for event in response.context["cl"].result_list]


# --- the list ----------------------------------------------------------------------------------


def test_the_list_shows_the_newest_arrivals_first(admin_client, store):
    store("PWR_OUTAGE")
    store("PWR_RESTORE")
    assert listed(admin_client.get(reverse(EVENTS))) == ["PWR_RESTORE", "PWR_OUTAGE"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({"category": "TAMP"}, ["TAMPER"]),
        ({"severity": "A"}, ["TAMPER", "PWR_OUTAGE"]),
        ({"severity": "A", "category": "OUTG"}, ["PWR_OUTAGE"]),
        ({"received": "day"}, ["DEMAND_RESET", "TAMPER"]),
        ({"received": "month", "category": "OUTG"}, ["PWR_OUTAGE"]),
        ({"category": "x", "received": "x"}, ["DEMAND_RESET", "TAMPER", "PWR_OUTAGE"]),
        ({"q": "SSI0004711"}, ["DEMAND_RESET", "TAMPER", "PWR_OUTAGE"]),
        ({"q": "S00123456"}, ["DEMAND_RESET", "TAMPER", "PWR_OUTAGE"]),
        ({"q": "SSI000471"}, []),
        ({"q": "\0"}, ["DEMAND_RESET", "TAMPER", "PWR_OUTAGE"]),
    ],
)
def test_the_list_is_filtered_and_searched(admin_client, store, query, shown):
    store("PWR_OUTAGE", ago=timedelta(days=2))
    store("TAMPER", "DEMAND_RESET")
    assert sorted(listed(admin_client.get(reverse(EVENTS), query))) == sorted(shown)


def test_the_list_asks_as_much_for_a_page_as_for_a_row(admin_client, store):
    store("PWR_OUTAGE", "TAMPER")
    address = reverse(EVENTS)
    admin_client.get(address)  # fills the caches
    counts = []
    for per_code in (0, 40):
        store("PWR_DOWN", "49", "MFG_00001", per_code=per_code)
        with CaptureQueriesContext(connection) as captured:
            admin_client.get(address, {"received": "day", "severity": "I"})
        counts.append(len(captured))
        assert not any(
            "COUNT(" in query["sql"] and "events_event" in query["sql"] for query in captured
        )
    assert counts[0] == counts[1]


def test_an_event_has_a_page_and_no_form(admin_client, store):
    store("3.26.132.223")
    event = Event.objects.get()
    response = admin_client.get(reverse("admin:events_event_change", args=[event.pk]))
    page = response.content.decode()
    assert "V_SAG_START" in page
    assert "3.26.38.223" in page
    assert response.context["has_change_permission"] is False
    assert admin_client.get(reverse("admin:events_event_add")).status_code == 403


# --- the catalogue -----------------------------------------------------------------------------


def test_the_severity_is_edited_in_the_list(admin_client):
    kinds = list(EventType.objects.filter(mnemonic__startswith="PWR_").order_by("mnemonic"))
    form = {"form-TOTAL_FORMS": len(kinds), "form-INITIAL_FORMS": len(kinds), "_save": "Save"}
    for index, kind in enumerate(kinds):
        form |= {f"form-{index}-id": kind.pk, f"form-{index}-severity": "W"}
    response = admin_client.post(f"{reverse(TYPES)}?q=PWR_", form)
    assert response.status_code == 302
    assert set(EventType.objects.filter(mnemonic__startswith="PWR_").values_list("severity")) == {
        ("W",)
    }


def test_codes_that_wait_to_be_described_are_found(admin_client, store):
    store("49", "50", "7")
    EventAlias.objects.create(code="STD_00050", type=EventType.objects.get(mnemonic="TAMPER"))
    response = admin_client.get(reverse(TYPES), {"unmapped": "yes"})
    assert [kind.mnemonic for kind in response.context["cl"].result_list] == ["STD_00049"]
    response = admin_client.get(reverse(TYPES), {"unmapped": "no"})
    assert "STD_" not in str([kind.mnemonic for kind in response.context["cl"].result_list])


def test_the_mnemonic_is_not_edited(admin_client):
    kind = EventType.objects.get(mnemonic="TAMPER")
    response = admin_client.get(reverse("admin:events_eventtype_change", args=[kind.pk]))
    assert "mnemonic" not in response.context["adminform"].form.fields
    assert "3.33.1.257" in response.content.decode()


def test_an_alias_is_added(admin_client):
    kind = EventType.objects.get(mnemonic="V_SAG_END")
    form = {"code": "mfg_2061".upper(), "type": kind.pk, "phases": ""}
    response = admin_client.post(reverse("admin:events_eventalias_add"), form)
    assert response.status_code == 302
    assert EventAlias.objects.get(code="MFG_02061").type == kind
    assert admin_client.get(reverse("admin:events_eventalias_changelist")).status_code == 200


# --- dashboard and device page -----------------------------------------------------------------


def test_the_dashboard_counts_the_last_day_by_category(request_of, looker, store):
    store("PWR_OUTAGE", "PWR_DOWN", "TAMPER")
    store("DEMAND_RESET", ago=timedelta(hours=25))
    (card,) = cards(request_of(looker))
    rows = [(row["label"], row["count"]) for row in card["context"]["rows"]]
    assert rows == [("Outage", "2"), ("Tamper", "1")]
    page = render_to_string(card["template"], {"context": card["context"]})
    assert "category=TAMP&amp;received=day" in page


def test_the_dashboard_stops_counting_at_a_limit(request_of, looker, store, monkeypatch):
    monkeypatch.setattr(selectors, "COUNT_LIMIT", 3)
    monkeypatch.setattr("events.dashboard.COUNT_LIMIT", 3)
    store("PWR_OUTAGE", per_code=9)
    (card,) = cards(request_of(looker))
    assert card["context"]["rows"][0]["count"] == "3+"


def test_an_empty_dashboard_says_so(request_of, looker):
    (card,) = cards(request_of(looker))
    assert "No event" in render_to_string(card["template"], {"context": card["context"]})


def test_a_device_shows_its_newest_events(request_of, looker, store, device):
    store("PWR_OUTAGE", "3.26.132.223", per_code=SHOWN)
    section = device_events(request_of(looker), device)
    assert len(section["context"]["events"]) == SHOWN
    with CaptureQueriesContext(connection) as captured:
        page = render_to_string(section["template"], {"context": section["context"]})
    assert not captured.captured_queries
    assert "V_SAG_START" in page
    assert "All events of this device" in page


def test_a_device_without_events_says_so(request_of, looker, device):
    section = device_events(request_of(looker), device)
    assert "None yet" in render_to_string(section["template"], {"context": section["context"]})


def test_who_may_not_look_at_events_sees_none(request_of, django_user_model, device):
    request = request_of(django_user_model.objects.create_user("other"))
    assert cards(request) == []
    assert device_events(request, device) is None


# --- plans -------------------------------------------------------------------------------------


def plan_of(queryset) -> str:
    """How the database finds a queryset's rows; PostgreSQL as if the table were large."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return queryset.explain()


@pytest.mark.parametrize(
    "query",
    [
        lambda device, now: selectors.events_for_device(device, start=now, end=now),
        lambda device, now: selectors.events_for_device(device, after=selectors.Place(now, 7)),
        lambda device, now: Event.objects.filter(device=device).order_by("-time", "-id")[:20],
        lambda device, now: Event.objects.filter(category="TAMP").order_by("-pk")[:50],
        lambda device, now: Event.objects.filter(severity="A", pk__lt=9).order_by("-pk")[:50],
        lambda device, now: selectors.events_received_since(
            Event.objects.order_by("-pk"), now - timedelta(days=1)
        )[:50],
    ],
)
def test_no_list_of_events_reads_the_whole_table(device, store, now, query):
    store("PWR_OUTAGE", "TAMPER")
    plan = plan_of(query(device, now))
    assert "Seq Scan on events_event " not in plan
    assert "SCAN events_event\n" not in f"{plan}\n"
