"""`GET /devices/{id}/events`: a device's events, oldest first, a page at a time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from ninja.testing import TestClient

from devices.models import FunctionalGroup
from devices.readings import Event as Report
from devices.services.keys import api_key_create
from events.api import router
from events.services import batch_events_store
from tests.events.conftest import RECEIVED

pytestmark = pytest.mark.django_db

TIME = datetime(2026, 4, 2, 19, 31, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(router)


@pytest.fixture
def get(client, device):
    _, key = api_key_create("reader", ["read"])

    def get(path: str = f"/devices/{device.device_id}/events", token: str = key):
        return client.get(path, headers={"Authorization": f"Bearer {token}"})

    return get


@pytest.fixture
def outages(device, batch_make):
    """Ten outages, a minute apart; three of them at one instant with the restoration."""
    times = [TIME + timedelta(minutes=n) for n in range(10)]
    codes = ("PWR_OUTAGE", "PWR_RESTORE", "PWR_DOWN")
    reports = [(device.pk, Report("PWR_OUTAGE", time)) for time in times]
    reports += [(device.pk, Report(code, times[4])) for code in codes[1:]]
    batch_events_store(batch_make(), reports)


def test_an_event_has_the_members_that_were_posted(get, device, batch_make):
    report = Report("2061", TIME, "e-1", "M", "", "B", Decimal("101.40"), "V", 12, "Sag over")
    batch_events_store(batch_make(), [(device.pk, report)])
    (item,) = get().json()["items"]
    assert item.pop("event") > 0
    assert item == {
        "id": "e-1",
        "code": "MFG_02061",
        "time": "2026-04-02T19:31:07Z",
        "time_valid": True,
        "received": RECEIVED.isoformat().replace("+00:00", "Z"),
        "origin": "M",
        "native": "2061",
        "iec_code": "",
        "category": "CONF",
        "severity": "I",
        "state": "P",
        "phases": "B",
        "value": "101.4",
        "unit": "V",
        "duration": 12,
        "text": "Sag over",
        "replay": "",
    }


def test_pages_give_each_event_once_in_order(get, outages, device):
    address = f"/devices/{device.device_id}/events?limit=5"
    items, cursor, pages = [], "", 0
    while cursor is not None:
        page = get(address + (f"&cursor={cursor}" if cursor else "")).json()
        items, cursor, pages = items + page["items"], page["next"], pages + 1
    assert pages == 3
    assert len({item["event"] for item in items}) == len(items) == 12
    assert items == sorted(items, key=lambda item: (item["time"], item["event"]))


def test_start_is_included_and_end_is_not(get, outages, device):
    query = "?start=2026-04-02T14:32:07-05:00&end=2026-04-02T19:34:07Z"
    items = get(f"/devices/{device.device_id}/events{query}").json()["items"]
    assert [item["time"][14:19] for item in items] == ["32:07", "33:07"]


def test_a_device_without_events_gives_an_empty_page(get):
    assert get().json() == {"items": [], "next": None}


def test_a_page_costs_the_same_whatever_it_holds(get, device, outages):
    get()  # notes the use of the key
    counts = []
    for limit in (1, 12):
        with CaptureQueriesContext(connection) as captured:
            assert len(get(f"/devices/{device.device_id}/events?limit={limit}").json()) == 2
        counts.append(len(captured))
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    "query",
    [
        *("cursor=x", "cursor=WzFd", "cursor=WzEsLTEsMV0", "limit=0", "limit=1001"),
        "start=2026-04-02T00:00:00",
    ],
)
def test_a_query_that_cannot_be_used_is_refused(get, device, query):
    assert get(f"/devices/{device.device_id}/events?{query}").status_code == 422


def test_an_unknown_device_is_not_found(get):
    assert get("/devices/NOBODY/events").status_code == 404


def test_a_device_outside_the_keys_groups_is_not_found(get):
    group = FunctionalGroup.objects.create(code="OTHERS")
    _, narrow = api_key_create("narrow", ["read"], [group])
    assert get(token=narrow).status_code == 404


def test_the_scope_is_read(get):
    _, ingest = api_key_create("gateway", ["ingest"])
    assert get(token=ingest).status_code in (401, 403)
    assert get(token="nonsense").status_code == 401
