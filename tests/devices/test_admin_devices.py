"""Devices in the admin: list, search, filters, download, page; flat however many there are."""

import csv
import io
from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import selectors
from devices.admin.downloads import safe_cell
from devices.models import Device, Installation, Membership
from tests.devices import fleet
from tests.devices.plans import scans

pytestmark = pytest.mark.django_db
LIST = "/devices/device/"
LAST = datetime(2026, 11, 8, 6, tzinfo=UTC)  # a midnight of the grid of Chicago's channels


@pytest.fixture
def chief(client):
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    client.get("/")  # content types and permissions are looked up once a process
    return client


def shown(answer) -> list[str]:
    return [device.device_id for device in answer.context["cl"].result_list]


def cells(answer) -> list[list[str]]:
    text = b"".join(answer.streaming_content).decode()
    return list(csv.reader(io.StringIO(text)))


# --- list and paging -----------------------------------------------------------------------------


def test_the_list_goes_on_by_key_and_back(chief):
    fleet.make_devices(120)
    first = chief.get(LIST)
    assert shown(first) == [f"SSI{n:07}" for n in range(50)]
    second = chief.get(LIST + first.context["cl"].page_links["next"])
    assert shown(second)[0] == "SSI0000050"
    third = chief.get(LIST + second.context["cl"].page_links["next"])
    assert (len(shown(third)), third.context["cl"].page_links["next"]) == (20, None)
    back = chief.get(LIST + third.context["cl"].page_links["previous"])
    assert shown(back) == shown(second)


def test_an_empty_list_says_what_to_do_next(chief):
    page = chief.get(LIST).content.decode()
    assert "No devices yet" in page
    assert "--provision" in page


def test_a_search_without_result_says_what_was_searched(chief):
    fleet.make_devices(1)
    page = chief.get(LIST, {"q": "nothing"}).content.decode()
    assert "Nothing found" in page
    assert "transformer or feeder" in page


def test_rows_show_where_a_device_hangs_now(chief):
    (device,) = fleet.make_devices(1)
    place = device.installations.get()
    Installation.objects.filter(pk=place.pk).update(valid_to=datetime(2025, 1, 1, tzinfo=UTC))
    Installation.objects.create(
        device=device, valid_from=datetime(2025, 1, 1, tzinfo=UTC), account_id="NEWTENANT"
    )
    page = chief.get(LIST).content.decode()
    assert "NEWTENANT" in page
    assert "ACC0000000" not in page


@pytest.mark.parametrize(
    "text",
    [
        *("SSI0000007", "M00000007", "SN-000007", "SP00000007", "ACC0000007", "PR00000007"),
        *("ssi0000007", "acc0000007", " ACC0000007 "),
    ],
)
def test_a_device_is_found_by_any_identifier(chief, text):
    fleet.make_devices(30)
    answer = chief.get(LIST, {"q": text})
    assert shown(answer) == ["SSI0000007"]


def test_a_transformer_or_feeder_finds_its_devices_and_says_why(chief):
    fleet.make_devices(30)
    answer = chief.get(LIST, {"q": "TX000001"})
    assert shown(answer) == [f"SSI{n:07}" for n in range(8, 16)]
    assert "transformer id TX000001" in answer.content.decode()
    assert len(shown(chief.get(LIST, {"q": "F000"}))) == 30


def test_a_past_account_still_finds_its_device(chief):
    (device,) = fleet.make_devices(1)
    device.installations.update(valid_to=timezone.now())
    assert shown(chief.get(LIST, {"q": "ACC0000000"})) == ["SSI0000000"]


@pytest.mark.parametrize("text", ["%", "_", "SSI%", "'", "\x00", "é", "~", "\U0010ffff"])
def test_odd_characters_find_nothing_and_break_nothing(chief, text):
    fleet.make_devices(3)
    answer = chief.get(LIST, {"q": text})
    assert answer.status_code == 200
    assert shown(answer) == ([] if text != "\x00" else shown(answer))


def test_a_search_for_too_much_is_cut_and_says_so(chief, monkeypatch):
    monkeypatch.setattr(selectors, "SEARCH_LIMIT", 10)
    monkeypatch.setattr(selectors.devices_for_search, "__defaults__", (10,))
    fleet.make_devices(30)
    answer = chief.get(LIST, {"q": "SSI"})
    assert len(shown(answer)) == 10
    assert "Type more of the identifier" in answer.content.decode()


def test_the_header_finds_a_device_a_group_or_the_list(chief):
    device, *_ = fleet.make_devices(12)
    page = f"/devices/device/{device.pk}/change/"
    for text in ("SSI0000000", "M00000000", "ACC0000000"):
        assert chief.get("/search/", {"q": text}).headers["Location"] == page
    assert "/functionalgroup/" in chief.get("/search/", {"q": "cycle01"}).headers["Location"]
    assert chief.get("/search/", {"q": "TX0&"}).headers["Location"] == f"{LIST}?q=TX0%26"
    assert chief.get("/search/", {"q": ""}).headers["Location"] == "/"


# --- filters -------------------------------------------------------------------------------------


def test_filters_narrow_the_list(chief):
    devices = fleet.make_devices(10)
    fleet.make_devices(5, start=100, group=fleet.make_group("CYCLE02"))
    Device.objects.filter(pk=devices[3].pk).update(state="unprovisioned")
    assert shown(chief.get(LIST, {"state__exact": "unprovisioned"})) == ["SSI0000003"]
    assert len(shown(chief.get(LIST, {"cycle": "CYCLE02"}))) == 5
    both = {"cycle": "CYCLE01", "state__exact": "provisioned"}
    assert len(shown(chief.get(LIST, both))) == 9


def test_a_bill_cycle_shows_who_is_in_it_now(chief):
    stays, left, *_ = fleet.make_devices(2)
    Membership.objects.filter(device=left).update(valid_to=timezone.now())
    assert shown(chief.get(LIST, {"cycle": "CYCLE01"})) == [stays.device_id]


def test_a_filtered_list_is_paged_too(chief):
    fleet.make_devices(70)
    first = chief.get(LIST, {"cycle": "CYCLE01"})
    second = chief.get(LIST + first.context["cl"].page_links["next"])
    assert (len(shown(first)), len(shown(second))) == (50, 20)
    back = chief.get(LIST + second.context["cl"].page_links["previous"])
    assert shown(back) == shown(first)


# --- flat ----------------------------------------------------------------------------------------

FLAT = [
    *("", "?q=ACC0000003", "?q=SSI", "?q=nothing", "?state__exact=provisioned"),
    *("?cycle=CYCLE01", "?after=SSI0000002", "?cycle=CYCLE01&after=3", "?cycle=CYCLE01&q=SSI"),
]


@pytest.mark.parametrize("query", FLAT)
def test_the_list_takes_as_many_queries_for_many_devices_as_for_few(chief, query):
    fleet.make_devices(5)
    with CaptureQueriesContext(
        connection,
    ) as few:
        chief.get(LIST + query)
    fleet.make_devices(55, start=5)
    with CaptureQueriesContext(connection) as many:
        chief.get(LIST + query)
    assert len(many) == len(few)
    assert "COUNT(" not in str(many.captured_queries)
    assert "OFFSET" not in str(many.captured_queries)


@pytest.mark.parametrize("query", FLAT)
def test_no_list_reads_a_table_from_end_to_end(chief, query):
    fleet.make_devices(60)
    with CaptureQueriesContext(connection) as captured:
        chief.get(LIST + query)
    assert scans(captured.captured_queries) == []


def test_the_page_is_flat_and_reads_no_table_from_end_to_end(chief):
    device = fleet.make_story(LAST)
    with CaptureQueriesContext(connection) as few:
        chief.get(f"{LIST}{device.pk}/change/")
    fleet.make_devices(60)
    with CaptureQueriesContext(connection) as many:
        chief.get(f"{LIST}{device.pk}/change/")
    assert len(many) == len(few)
    assert scans(many.captured_queries) == []


# --- downloads -----------------------------------------------------------------------------------


def test_the_list_is_downloaded_as_it_is_filtered(chief):
    fleet.make_devices(3)
    fleet.make_devices(2, start=100, group=fleet.make_group("CYCLE02"))
    answer = chief.get(f"{LIST}download.csv", {"cycle": "CYCLE02"})
    assert answer.headers["Content-Disposition"] == 'attachment; filename="devices.csv"'
    header, *rows = cells(answer)
    assert header[0] == "device"
    assert [row[0] for row in rows] == ["SSI0000100", "SSI0000101"]
    assert rows[0][7:] == ["ACC0000100", "PR00000100", "TX000012", "F000", "CYCLE02"]


def test_chosen_devices_are_downloaded(chief):
    _, second, third = fleet.make_devices(3)
    form = {"action": "download_selected", "_selected_action": [second.pk, third.pk]}
    rows = cells(chief.post(LIST, form))
    assert [row[0] for row in rows[1:]] == ["SSI0000001", "SSI0000002"]


def test_a_large_list_is_fetched_in_stretches(chief):
    fleet.make_devices(2100)
    with CaptureQueriesContext(connection) as captured:
        answer = chief.get(f"{LIST}download.csv")
        assert len(cells(answer)) == 2101
    assert len(captured) < 20


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        *(("=1+1", "'=1+1"), ("+49", "'+49"), ("-5", "'-5"), ("@x", "'@x"), ("\tx", "'\tx")),
        *(("A=1", "A=1"), ("", ""), (None, ""), (7, "7")),
    ],
)
def test_no_cell_is_taken_for_a_formula(value, cell):
    assert safe_cell(value) == cell


def test_an_identifier_that_looks_like_a_formula_is_guarded_in_the_download(chief):
    (device,) = fleet.make_devices(1)
    Device.objects.filter(pk=device.pk).update(serial_number="=HYPERLINK(1)")
    assert cells(chief.get(f"{LIST}download.csv"))[1][2] == "'=HYPERLINK(1)"


def test_the_readings_of_a_device_are_downloaded(chief):
    device = fleet.make_story(LAST)
    query = {"period": "custom", "from": "2026-11-06", "to": "2026-11-06", "channel": "1"}
    header, *rows = cells(chief.get(f"{LIST}{device.pk}/readings.csv", query))
    assert header[-3:] == ["status", "revision", "batch"]
    assert len(rows) == 96
    assert rows[0][5:7] == ["2026-11-06T06:15:00Z", "2026-11-06T00:15:00-06:00"]
    missing = [row for row in rows if row[7] == ""]
    assert {row[8] for row in missing} == {"missing+power_outage"}
    assert len(missing) == 6


def test_slots_that_never_came_are_not_in_the_download(chief):
    device = fleet.make_story(LAST)
    query = {"period": "custom", "from": "2026-11-03", "to": "2026-11-03", "channel": "1"}
    assert len(cells(chief.get(f"{LIST}{device.pk}/readings.csv", query))) == 1 + 96 - 34
