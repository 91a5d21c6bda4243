"""The reads that a bill cycle needs, on the screen: which, why, what lacks; what was used."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.admin import bills
from devices.models import Installation, Membership
from devices.readings import Status
from tests.devices import fleet
from tests.devices.plans import scans
from tests.people import log_in

pytestmark = pytest.mark.django_db
PAGE, FILE = "/devices/registersnapshot/bill/", "/devices/registersnapshot/bill.csv"
OPENS, CLOSES = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
ASKED = {"cycle": "CYCLE01", "opens": "2026-03-01", "closes": "2026-04-01"}
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def billing(client):
    log_in(client, "Billing")
    client.get("/")
    return client


def page_of(client, **params) -> str:
    answer = client.get(PAGE, ASKED | params)
    assert answer.status_code == 200
    return answer.content.decode()


def lines(client, **params) -> list[dict[str, str]]:
    answer = client.get(FILE, ASKED | params)
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


def month(device, first="100", last="150", **more) -> None:
    fleet.store_total(device, OPENS, first, **more)
    fleet.store_total(device, CLOSES, last, **more)


def test_each_meter_has_its_read_and_why(billing):
    one, two = fleet.make_devices(2)
    month(one)
    fleet.store_total(one, CLOSES - HOUR, "149", "CUR")
    fleet.store_total(two, OPENS, "7")
    fleet.store_total(two, CLOSES - 5 * DAY, "8")
    page = page_of(billing)
    for words in (
        *("Taken: self-read, actual, at the due time", "50 KWH"),
        *("current registers comes after self-read", "No closing read: nothing was read"),
    ):
        assert words in page
    first, second = lines(billing)
    assert (first["used"], first["closing_value"], first["opening_value"]) == ("50", "150", "100")
    assert (second["used"], second["closing_type"], second["opening_type"]) == ("", "", "SR")
    assert second["why"].startswith("no closing read")


def test_why_a_meter_has_none_is_told_of_each_read(billing):
    (device,) = fleet.make_devices(1)
    fleet.store_total(device, OPENS, "7")
    fleet.store_total(device, CLOSES, "")
    fleet.store_total(device, CLOSES + HOUR, "9", "PSN")
    page = page_of(billing)
    assert "a value is missing; a read of type previous season closes no bill" in page


def test_the_read_at_the_midnight_between_two_cycles_closes_the_old_one(billing):
    """Of a meter that moves from one cycle to another at that midnight, too."""
    (device,) = fleet.make_devices(1)
    Membership.objects.filter(device=device).update(valid_to=CLOSES)
    new = fleet.make_group("CYCLE02")
    Membership.objects.create(device=device, group=new, valid_from=CLOSES)
    month(device)
    fleet.store_total(device, CLOSES + 30 * DAY, "170")
    [old] = lines(billing)
    [after] = lines(billing, cycle="CYCLE02", opens="2026-04-01", closes="2026-05-01")
    assert lines(billing, cycle="CYCLE02") == []
    assert (old["closing_value"], after["opening_value"]) == ("150", "150")
    assert (old["used"], after["used"]) == ("50", "20")


def test_a_meter_exchanged_in_mid_cycle_bills_right(billing):
    old, new = fleet.make_devices(2)
    border = OPENS + 10 * DAY + 7 * HOUR
    Installation.objects.filter(device=old).update(valid_to=border)
    Installation.objects.filter(device=new).update(valid_from=border, service_point_id="SP00000000")
    fleet.store_total(old, OPENS, "500")
    fleet.store_total(old, border - 7 * HOUR, "519")  # a self-read, but not the last one
    fleet.store_total(old, border, "520", "OD")
    fleet.store_total(old, CLOSES, "9999")  # elsewhere by then
    fleet.store_total(new, border - DAY, "1", "OD")  # on the workbench
    fleet.store_total(new, border, "3", "OD")
    fleet.store_total(new, CLOSES, "40")
    found = lines(billing)
    assert [line["used"] for line in found] == ["20", "37"]
    assert {line["service_point"] for line in found} == {"SP00000000"}
    page = page_of(billing, show="moved")
    assert ">went <time" in page
    assert ">came <time" in page
    assert page.count(">2026-03-11 02:00<") >= 4


def test_a_register_that_rolled_over_bills_right(billing):
    (device,) = fleet.make_devices(1)
    device.device_class.registers.filter(number=1).update(dials=6)
    month(device, "999980", "35")
    [line] = lines(billing)
    assert (line["used"], line["marks"]) == ("55", "rollover")
    assert "rolled over" in page_of(billing)


def test_a_tenant_who_moves_out_splits_the_line(billing):
    (device,) = fleet.make_devices(1)
    moved = OPENS + 12 * DAY
    Installation.objects.filter(device=device).update(valid_to=moved)
    Installation.objects.create(device=device, valid_from=moved, account_id="NEW")
    month(device)
    fleet.store_total(device, moved + HOUR, "111", "OD")
    fleet.store_total(device, moved, "110", "OD")
    assert [(line["account"], line["used"]) for line in lines(billing)] == [
        ("ACC0000000", "10"),
        ("NEW", "40"),
    ]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"show": "none"}, ["1"]),
        ({"show": "inexact"}, ["2"]),
        ({"show": "moved"}, []),
        ({"show": "nonsense"}, ["0", "1", "2"]),
        ({"q": "acc0000002"}, ["2"]),
        ({"q": "nobody"}, []),
    ],
)
def test_lines_can_be_filtered_and_searched(billing, params, found):
    devices = fleet.make_devices(3)
    month(devices[0])
    month(devices[2], status=Status.ESTIMATED)
    assert [line["device"][-1] for line in lines(billing, **params)] == found
    page = page_of(billing, **params)
    assert [str(n) for n in range(3) if f"SSI000000{n}</a>" in page] == found
    assert found or "Nothing found" in page


def test_pages_go_on_and_a_filter_looks_further(billing, monkeypatch):
    devices = fleet.make_devices(130)
    for device in devices[100:]:
        month(device)
    first = billing.get(PAGE, ASKED)
    second = billing.get(PAGE + first.context["links"]["next"])
    assert [len(page.context["lines"]) for page in (first, second)] == [50, 50]
    assert second.context["lines"][0]["line"].device.device_id == "SSI0000050"
    monkeypatch.setattr(bills, "CHUNK", 20)
    monkeypatch.setattr(bills, "CHUNKS", 2)
    params = {**ASKED, "show": "inexact"}
    answer = billing.get(PAGE, params)
    assert "Look at the next ones" in answer.content.decode()
    for _ in range(3):
        answer = billing.get(PAGE + answer.context["links"]["next"])
    assert answer.context["links"]["next"] is None
    assert len(lines(billing)) == 130


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"cycle": ""}, "Choose a bill cycle"),
        ({"cycle": "NOPE"}, "There is no group NOPE"),
        ({"cycle": "a\0"}, "There is no group"),
        ({"closes": "31.3."}, "Choose both days"),
        ({"closes": "2026-02-01"}, "has to open before it closes"),
        ({"opens": "2025-02-01"}, "at most 100 days"),
        ({"days_before": "99"}, "0 to 31"),
        ({"days_after": "x"}, "0 to 31"),
        ({}, "No device was in CYCLE01"),
    ],
)
def test_what_cannot_be_shown_says_why(billing, params, said):
    fleet.make_group()
    assert said in page_of(billing, **params)
    assert billing.get(FILE, ASKED | params).status_code == 200


def test_the_days_are_those_of_the_last_month_unless_told(billing):
    fleet.make_group()
    page = billing.get(PAGE, {"cycle": "CYCLE01"})
    asked = page.context["asked"]
    assert (asked.closes.day, asked.opens.day) == (1, 1)
    assert bills._month_before(asked.closes.replace(month=3, day=31)).month == 2


def test_the_page_costs_the_same_with_more_meters(billing):
    counts = []
    for start in (0, 20):
        for device in fleet.make_devices(20, start=start):
            month(device)
        with CaptureQueriesContext(connection) as captured:
            page_of(billing)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 16
    assert scans(captured.captured_queries) == []
