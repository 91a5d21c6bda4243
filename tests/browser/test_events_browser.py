"""Events in a real browser: a route and rules made by hand, an outage posted, what comes of it.

Screenshots go to test-artifacts/ to be looked at.
"""

import json
import urllib.request
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from devices.services.keys import api_key_create
from events.models import AlarmRule, Mail
from events.services.alarms import alarms_detect
from events.services.delivery import mails_send
from events.services.incidents import incidents_follow
from events.services.notices import notifications_make
from events.services.routes import routes_write
from tests.browser.test_admin_browser import NARROW, PASSWORD, WIDE, Visit, overflow
from tests.events.arriving import device_placed, events_of, lines_of

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def visit(browser: Browser, live_server, request):
    wish = getattr(request, "param", {})
    with browser.new_context(
        viewport=wish.get("viewport", WIDE), color_scheme=wish.get("scheme", "light")
    ) as context:
        made = Visit(context, live_server.url)
        yield made
        assert made.complaints == []


@pytest.fixture
def fleet(settings, tmp_path) -> list[str]:
    """Some meters on two feeders, and a user."""
    settings.DATA_DIR = tmp_path
    User.objects.create_superuser("ada", password=PASSWORD, email="ada@example.com")
    names = [f"SSI{n:07}" for n in range(12)]
    for n, name in enumerate(names):
        device_placed(
            *(name, "NORTH" if n % 2 else "SOUTH", "CYCLE05"),
            feeder_id=f"FDR-{n % 2 + 1}",
            transformer_id=f"TX-{n // 3}",
            service_point_id=f"SP-{n}",
        )
    return names


def post(address: str, events: dict[str, list[dict]]) -> None:
    """Post events as a gateway does."""
    _, secret = api_key_create(name=f"gw{timezone.now():%H%M%S%f}", scopes=["ingest"])
    meters = [{"device": device, "events": rows} for device, rows in events.items()]
    body = json.dumps({"source": "near-term", "meters": meters}).encode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/api/v1/batches", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201


def work() -> None:
    """What the worker does."""
    for step in (routes_write, incidents_follow, alarms_detect, notifications_make, mails_send):
        while step():
            pass


def make_route(page: Page, name: str) -> None:
    page.get_by_role("link", name="Message routes").first.click()
    page.get_by_role("link", name="Add message route").click()
    page.get_by_label("Name:").fill(name)
    page.get_by_label("Default selection").check()
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def make_rule(page: Page, name: str, category: str, address: str) -> None:
    page.get_by_role("link", name="Alarm rules").first.click()
    page.get_by_role("link", name="Add alarm rule").click()
    page.get_by_label("Name:").fill(name)
    page.get_by_label(category).check()
    page.get_by_label("Addresses:").fill(address)
    page.get_by_role("button", name="Save and continue editing").click()
    expect(page.get_by_text("was added successfully")).to_be_visible()


def test_from_a_route_and_two_rules_to_incident_record_and_mail(
    visit, fleet, live_server, postbox, tmp_path
):
    page = visit.login()
    make_route(page, "OMS")
    visit.shot("route-1280")
    make_rule(page, "Outages", "Outage", "oms@example.com")
    make_rule(page, "Tamper", "Tamper", "revenue@example.com")
    visit.shot("rule-1280")
    page.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("Sent to revenue@example.com: accepted")).to_be_visible()

    now = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    out = [
        {"code": "PWR_OUTAGE", "time": now.isoformat(), "id": "e-1"},
        {"code": "26.26.0.85", "time": now.isoformat(), "id": "e-2"},  # said twice
    ]
    back = {"code": "PWR_RESTORE", "time": (now + timedelta(seconds=1283)).isoformat()}
    post(
        live_server.url,
        {fleet[0]: out, fleet[1]: out, fleet[2]: [{"code": "47", "time": now.isoformat()}]},
    )
    work()
    post(live_server.url, {fleet[0]: [back]})
    work()

    assert events_of(lines_of(tmp_path / "mrc" / "MRC_OMS.dat")) == [
        *((1, "PWR_OUTAGE", fleet[0]), (2, "PWR_OUTAGE", fleet[1])),
        (3, "PWR_RESTORE", fleet[0]),
    ]
    assert sorted(postbox.subjects()) == sorted(
        [
            "[TMS] Test of Tamper",
            *(f"[TMS] PWR_OUTAGE {fleet[n]}" for n in (0, 1)),
            *(f"[TMS] TAMPER {fleet[2]}", f"[TMS] PWR_RESTORE {fleet[0]}"),
        ]
    )
    cache.clear()  # who is out is looked up every few seconds, and was when she logged in
    visit.open("/")
    expect(page.get_by_text("1 meter without power")).to_be_visible()
    visit.shot("events-dashboard-1280")
    page.get_by_role("link", name="Out now").click()
    expect(page.get_by_role("heading", name="1 out now")).to_be_visible()
    visit.shot("outages-1280")
    page.get_by_role("link", name="Incidents").first.click()
    page.locator("#result_list tbody tr", has_text=fleet[0]).get_by_role("link").first.click()
    expect(page.get_by_text("21 min 23 s")).to_be_visible()
    visit.shot("incident-1280")
    page.get_by_role("link", name="Message routes").first.click()
    page.get_by_role("link", name="OMS", exact=True).click()
    page.get_by_role("link", name="All records").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(3)
    visit.shot("records-1280")
    page.get_by_role("link", name="Notifications").first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(5)
    visit.shot("notifications-1280")
    page.get_by_role("link", name=f"[TMS] PWR_RESTORE {fleet[0]}").click()
    expect(page.get_by_role("heading", name="Source")).to_be_visible()
    visit.shot("notification-1280")


def dark(fleet: list[str], address: str) -> None:
    """Most of the fleet goes dark, and nobody has said who is to be told."""
    AlarmRule.objects.update(hourly_limit=None)
    now = datetime.now(UTC) - timedelta(minutes=40)
    gasps = {
        name: [{"code": "PWR_OUTAGE", "time": (now + timedelta(seconds=n)).isoformat()}]
        for n, name in enumerate(fleet[:9])
    }
    post(address, gasps)
    work()


@pytest.mark.parametrize(
    "visit",
    [{"scheme": "dark"}, {"viewport": NARROW}],
    indirect=True,
    ids=["dark", "narrow"],
)
def test_dark_and_narrow_the_pages_hold(visit, fleet, live_server, postbox, request):
    dark(fleet, live_server.url)
    assert Mail.objects.count() > 0
    kind = request.node.callspec.id
    page = visit.login()
    for name, path in (
        *(("dashboard", "/"), ("outages", "/events/incident/now/")),
        *(("incidents", "/events/incident/"), ("rule", "/events/alarmrule/add/")),
        *(("route", "/events/route/add/"), ("notifications", "/events/notification/")),
    ):
        visit.open(path)
        assert overflow(page) <= 0, path
        visit.shot(f"events-{name}-{kind}")
