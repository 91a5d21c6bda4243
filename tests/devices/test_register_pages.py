"""Register reads in the admin: the list, one read with its versions, the registers of a device."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device, Installation, RegisterSnapshot
from devices.readings import Status
from tests.devices import fleet
from tests.devices.plans import scans
from tests.people import log_in

pytestmark = pytest.mark.django_db
LIST = "/devices/registersnapshot/"
NOON = datetime(2026, 3, 1, 18, tzinfo=UTC)


@pytest.fixture
def billing(client):
    log_in(client, "Billing")
    client.get("/")
    return client


def store(device: Device, day: float, amount: str, *words, **more) -> int:
    """A read of a total, so many days after noon; the batch's number."""
    return fleet.store_total(device, NOON + timedelta(days=day), amount, *words, **more)


def rows(answer) -> list[tuple[str, str]]:
    found = answer.context["cl"].result_list
    return [(row.device.device_id[-1], row.read_type) for row in found]


def text_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def registers(client, device: Device, **params) -> str:
    return text_of(client.get(f"/devices/device/{device.pk}/registers/", params))


# --- the list ------------------------------------------------------------------------------------


def test_the_list_shows_what_stands_the_newest_first(billing):
    one, two = fleet.make_devices(2)
    store(one, 0, "10")
    store(two, 1, "20", "CUR")
    store(one, 0, "11", status=Status.EDITED)
    answer = billing.get(LIST)
    assert rows(answer) == [("1", "CUR"), ("0", "SR")]
    page = text_of(answer)
    assert "11 KWH" in page
    assert "10 KWH" not in page
    assert "2026-03-01 12:00 CST" in page


def test_an_empty_list_says_where_reads_come_from(billing):
    assert "ingest FILE --format btf" in text_of(billing.get(LIST))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"type": "CUR"}, ["1"]),
        ({"quality": "E"}, ["2"]),
        ({"quality": "M"}, ["3"]),
        ({"quality": "A"}, ["1", "0"]),
        ({"group": "CYCLE02"}, ["3"]),
        ({"group": "NONE"}, []),
        ({"q": "acc0000002"}, ["2"]),
        ({"q": "nobody"}, []),
        ({"from": "2026-03-02"}, ["3", "2", "1"]),
        ({"to": "2026-03-01"}, ["0"]),
        ({"from": "2026-03-03", "to": "2026-03-03"}, ["2"]),
        ({"from": "yesterday"}, ["3", "2", "1", "0"]),
        ({"from": "0001-01-01"}, ["3", "2", "1", "0"]),
    ],
)
def test_filters_and_search(billing, query, found):
    devices = fleet.make_devices(3)
    devices += fleet.make_devices(1, start=3, group=fleet.make_group("CYCLE02"))
    kinds = [("SR", "1", 0), ("CUR", "1", 0), ("SR", "1", Status.ESTIMATED), ("SR", "", 0)]
    for day, (device, (kind, amount, status)) in enumerate(zip(devices, kinds, strict=True)):
        store(device, day, amount, kind, status)
    assert [name for name, _ in rows(billing.get(LIST, query))] == found


def test_days_that_are_none_are_explained(billing):
    assert "as 2026-03-29" in text_of(billing.get(LIST, {"from": "29.3."}))
    page = text_of(billing.get(LIST, {"from": "2026-03-02", "to": "2026-03-01"}))
    assert "Swap them" in page


def test_pages_go_on_by_time_or_by_device(billing):
    devices = fleet.make_devices(30)
    for day in range(2):
        for device in devices:
            store(device, day, "1")
    for query in ({}, {"group": "CYCLE01"}):
        first = billing.get(LIST, query)
        more = billing.get(LIST + first.context["cl"].page_links["next"])
        seen = [row.pk for page in (first, more) for row in page.context["cl"].result_list]
        assert sorted(seen) == sorted(RegisterSnapshot.objects.values_list("pk", flat=True))
        back = billing.get(LIST + more.context["cl"].page_links["previous"])
        assert rows(back) == rows(first)
    by_device = rows(first)
    assert [kind for kind, _ in by_device[:4]] == ["9", "9", "8", "8"]


QUERIES = (
    *({}, {"type": "SR"}, {"quality": "E"}, {"q": "SSI"}, {"from": "2026-03-01"}),
    {"after": "2026-03-02 18:00:00+00:00,99"},
    {"type": "SR", "after": "2026-03-02 18:00:00+00:00,99"},
)


@pytest.mark.parametrize("query", QUERIES)
def test_the_list_costs_the_same_with_more_reads_and_scans_nothing(billing, query):
    counts = []
    for start in (0, 10):
        for device in fleet.make_devices(10 + start, start=start):
            store(device, 0, "1", status=Status.ESTIMATED)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert billing.get(LIST, query).status_code == 200
        counts.append(len(captured))
    assert counts[0] == counts[1]
    found = scans(captured.captured_queries)
    # Walking in the order of time is what the list is: it ends with the page.
    assert [step for step in found if query or "INDEX snapshot_time" not in step] == []


def test_the_download_has_a_row_a_value_and_follows_the_filters(billing):
    one, two = fleet.make_devices(2)
    fleet.store_read(one, NOON)
    store(two, 0, "", "CUR")
    answer = billing.get(f"{LIST}download.csv", {"type": "SR"})
    cells = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert len(cells) == 1 + 4
    _, total, *_, peak = (dict(zip(cells[0], row, strict=True)) for row in cells)
    assert (total["value"], total["peak_utc"], total["season"]) == ("45812.347", "", "1")
    assert (peak["class"], peak["peak_utc"]) == ("MAX", "2026-02-20T15:00:00Z")
    answer = billing.get(f"{LIST}download.csv", {"q": two.device_id})
    [_, row] = csv.reader(io.StringIO(b"".join(answer.streaming_content).decode()))
    assert row[cells[0].index("value")] == ""
    assert row[cells[0].index("quality")] == "M"


# --- one read ------------------------------------------------------------------------------------


def test_a_read_shows_its_table_by_rate_and_a_peak_without_time_blank(billing):
    (device,) = fleet.make_devices(1)
    fleet.store_read(device, NOON)
    page = text_of(billing.get(f"{LIST}{RegisterSnapshot.objects.get().pk}/change/"))
    for words in ("Rate A", "20011.120", "12.480", "2026-02-20 09:00", "the first version"):
        assert words in page
    assert "1970" not in page


def test_superseded_versions_stay_to_be_seen(billing):
    (device,) = fleet.make_devices(1)
    store(device, 0, "100.5")
    second = store(device, 0, "101.5", status=Status.EDITED)
    first, newest = RegisterSnapshot.objects.order_by("number")
    page = text_of(billing.get(f"{LIST}{newest.pk}/change/"))
    assert "<del>100.5</del>" in page
    assert "<ins>101.5 V</ins>" in page
    assert f"batch {second}" in page
    assert "superseded" in page
    old = text_of(billing.get(f"{LIST}{first.pk}/change/"))
    assert "This is an earlier version" in old
    assert f"{newest.pk}/change/" in old


@pytest.mark.parametrize("key", ["0", "x", "9" * 30])
def test_a_read_that_is_none_is_not_found(billing, key):
    assert billing.get(f"{LIST}{key}/change/").status_code in (302, 404)


# --- the registers of a device -------------------------------------------------------------------


def test_use_between_reads_is_tabled_and_drawn(billing):
    (device,) = fleet.make_devices(1)
    for day, amount in enumerate(("100", "110.5", "130")):
        store(device, day, amount, dials=6)
        store(device, day, amount, "CUR", dials=6)
    page = registers(billing, device)
    assert "<strong>30.0 KWH</strong>" in page
    assert "19.5" in page
    assert page.count('class="block"') == 2
    assert "Used between reads" in page


def test_a_rollover_is_told_by_the_dials_of_the_class(billing):
    (device,) = fleet.make_devices(1)
    device.device_class.registers.filter(number=1).update(dials=6)
    store(device, 0, "999990")
    store(device, 1, "12")
    page = registers(billing, device)
    assert "<strong>22 KWH</strong>" in page
    assert "rolled over" in page


def test_a_meter_exchange_is_followed_and_marked(billing):
    old, new = fleet.make_devices(2)
    border = NOON + timedelta(days=10)
    Installation.objects.filter(device=old).update(valid_to=border)
    Installation.objects.filter(device=new).update(valid_from=border, service_point_id="SP00000000")
    store(old, 0, "500")
    store(old, 10, "520", "OD")
    store(old, 12, "9999", "OD")  # on the workbench
    store(new, 10, "3", "OD")
    store(new, 31, "40")
    for device, other in ((old, new), (new, old)):
        page = registers(
            billing, device, period="custom", **{"from": "2026-03-01", "to": "2026-04-30"}
        )
        assert "<strong>57 KWH</strong>" in page
        assert "meter exchanged" in page
        assert f"meter of {other.device_id}" in page


def test_two_meters_at_one_place_at_one_time_are_kept_apart(billing):
    one, two = fleet.make_devices(2)
    Installation.objects.update(service_point_id="SP1")
    for day in range(3):
        store(one, day, str(100 + day))
        store(two, day + 0.5, "7")
    page = registers(billing, one)
    assert "<strong>2 KWH</strong>" in page
    assert "only this one is shown" in page


def test_another_register_and_another_type_can_be_chosen(billing):
    (device,) = fleet.make_devices(1)
    for day in (0, 1):
        fleet.store_read(device, NOON + timedelta(days=day))
    page = registers(billing, device, register="KWH-DEL-B", type="SR")
    assert "25801.227" in page
    assert 'aria-current="true">KWH, rate B' in page
    assert "No register read in this period" in registers(billing, device, type="PSN")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"from": "x", "to": "2026-03-01"}, "Choose both days"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "Swap them"),
        ({"from": "2020-01-01", "to": "2026-03-01"}, "Choose at most 800 days"),
    ],
)
def test_days_that_cannot_be_are_explained_on_the_page(billing, params, said):
    (device,) = fleet.make_devices(1)
    assert said in registers(billing, device, period="custom", **params)


def test_a_device_without_reads_says_so(billing):
    (device,) = fleet.make_devices(1)
    assert "No register read in this period" in registers(billing, device, period="nonsense")
    store(device, 0, "1")
    assert "nothing to compare it with" in registers(billing, device)


def test_the_page_of_a_device_costs_the_same_with_more_reads(billing):
    (device,) = fleet.make_devices(1)
    counts = []
    for days in (range(3), range(3, 40)):
        for day in days:
            store(device, day, str(100 + day))
        with CaptureQueriesContext(connection) as captured:
            registers(billing, device)
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert scans(captured.captured_queries) == []


def test_the_reads_of_a_device_can_be_downloaded_by_support(client):
    log_in(client, "Customer support")
    (device,) = fleet.make_devices(1)
    store(device, 0, "1.50")
    answer = client.get(f"/devices/device/{device.pk}/registers.csv")
    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert len(lines) == 2
    assert ",1.50," in lines[1]
    assert "SSI0000000-registers-" in answer.headers["Content-Disposition"]
