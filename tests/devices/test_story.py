"""The story of a device: its life in order, with the why of each, page by page."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import Device, Installation, Membership
from devices.story import Entry, Span, Told, page, told
from events.models import Alarm, AlarmRule, Event, Notification
from events.services.incidents import incidents_follow
from exports.models import ExportRun
from tests.devices import fleet
from tests.devices.imports.files import lines as rows, send
from tests.devices.plans import scans
from tests.events.arriving import arrive, outage
from tests.exports.factories import definition_make, directory_make, run_now
from tests.people import log_in

pytestmark = pytest.mark.django_db
LAST = datetime(2026, 11, 8, 6, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def support(client):
    log_in(client, "Customer support")
    client.get("/")
    return client


def story(client, device: Device, **params) -> str:
    answer = client.get(f"/devices/device/{device.pk}/story/", params)
    assert answer.status_code == 200
    return answer.content.decode()


def lines(client, device: Device, **params) -> list[dict[str, str]]:
    answer = client.get(f"/devices/device/{device.pk}/story.csv", params)
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


# --- pages of several sources --------------------------------------------------------------------


def entries(*hours: int) -> list[Entry]:
    return [Entry(LAST + timedelta(hours=hour), f"{hour}") for hour in hours]


def titles(found) -> list[str]:
    return [line.entry.title for line in found.lines]


def test_a_page_goes_back_as_far_as_all_sources_came():
    every = Span(None, None)
    busy, calm = entries(*range(10)), entries(9, 3, 0)
    first = page([("busy", told(busy, every, 4)), ("calm", told(calm, every, 4))])
    assert titles(first) == ["9", "9", "8", "7", "6"]
    span = Span(None, first.older)
    second = page([("busy", told(busy, span, 4)), ("calm", told(calm, span, 4))])
    assert titles(second) == ["5", "4", "3", "3", "2"]
    span = Span(None, second.older)
    last = page([("busy", told(busy, span, 4)), ("calm", told(calm, span, 4))])
    assert (titles(last), last.older) == (["1", "0", "0"], None)


def test_more_at_one_instant_than_a_page_holds_end_all_the_same():
    many = entries(*[5] * 9, 1)
    first = told(many, Span(None, None), 4)
    assert (len(first.entries), first.reached) == (4, LAST + timedelta(hours=5))
    rest = told(many, Span(None, first.reached), 4)
    assert ([e.title for e in rest.entries], rest.reached) == (["1"], None)
    assert page([("a", Told(()))]) == ([], None)


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.usefixtures("data_dir")
def test_the_life_of_a_device_is_told_in_order_each_with_its_why(support, settings, tmp_path):
    device = fleet.make_story(LAST)
    moved = LAST - 10 * DAY
    Membership.objects.filter(device=device).update(valid_to=moved)
    Membership.objects.create(device=device, group=fleet.make_group("CYCLE02"), valid_from=moved)
    arrive((device, outage()))
    incidents_follow()
    export = definition_make(
        "BILLS", groups=["CYCLE02"], destinations=[directory_make(settings, tmp_path)],
        start=LAST - 3 * DAY, end=LAST,
    )  # fmt: skip
    run = run_now(export)
    rule = AlarmRule.objects.create(name="outages", categories=["OUTG"], addresses="a@b.cd")
    mail = Notification.objects.create(kind="alarm", subject="Out")
    for number, notification in enumerate((mail, None)):
        Alarm.objects.create(
            rule=rule, event=number, device=device, mnemonic="PWR_OUTAGE", severity="A", time=LAST,
            notification=notification, state="t" if notification else "r",
        )  # fmt: skip
    told_of = lines(support, device)
    times = [line["time_utc"] for line in told_of]
    assert times == sorted(times, reverse=True)
    what = {(line["kind"], line["what"]): line["why"] for line in told_of}
    assert what["group", "Moved from CYCLE01 to CYCLE02"] == "bill cycle"
    assert "group", "Left CYCLE01" in what
    assert any("Installed: service point SP00004711" in title for _, title in what)
    assert what["mail", "Mailed about: PWR_OUTAGE"] == "rule outages"
    assert "a repeat" in what["mail", "No mail about: PWR_OUTAGE"]
    [name] = [title for kind, title in what if kind == "file"]
    assert name == f"Exported: {run.files.get().name}"
    assert what["file", name] == "BILLS, by hand; to CIS"
    reads = [line["what"] for line in told_of if line["kind"] == "reading"]
    all_of = "intervals of 1 KWH DEL, 2 KWH REC, 3 V DEL; registers (self-read)"
    assert f"Readings of 6 Nov: {all_of}" in reads
    assert len(reads) == 14
    assert {line["kind"] for line in told_of} >= {"outage", "event", "place"}
    shown = story(support, device)
    assert f"/exports/exportrun/{run.pk}/files/1" not in shown  # support may not download it
    assert "the mail</a>" not in shown
    log_in(support, "Billing")
    assert f"/exports/exportrun/{run.pk}/files/1" in story(support, device)


def test_an_import_is_told_with_its_file_and_row(client):
    log_in(client, "Billing")
    job = send(rows("Action,DeviceID,MeterNumber,DeviceClass,ServicePointID,BillCycle",
                    "A,D0,M0,SENTINEL,SP0,CYCLE05", "A,D1,M1,SENTINEL,SP1,CYCLE05"))  # fmt: skip
    device = Device.objects.get(device_id="D1")
    why = {line["what"]: line["why"] for line in lines(client, device)}
    named = f"import {job.batch}: {job.filename}"
    assert why["Imported"] == f"{named}, row 3"
    assert why["Installed: service point SP1"] == named
    assert why["Entered CYCLE05"] == named
    assert f"/devices/importjob/{job.pk}/change/" in story(client, device)
    log_in(client, "Customer support")
    assert "/devices/importjob/" not in story(client, device)


def test_edits_by_hand_name_what_and_who(client):
    user = log_in(client, "Operator")
    (device,) = fleet.make_devices(1)
    device.notes = "in the cellar"
    device._history_user = user
    device.save()
    device.notes = "in the attic"
    device.save()
    whats = [line["what"] for line in lines(client, device, kind="change")]
    assert whats[0] == "Changed: notes"


# --- asking --------------------------------------------------------------------------------------


def test_kinds_and_days_narrow_it(support):
    device = fleet.make_story(LAST)
    only = lines(support, device, kind="reading", **{"from": "2026-11-01", "to": "2026-11-02"})
    assert {line["kind"] for line in only} == {"reading"}
    assert 1 <= len(only) <= 3
    assert "Nothing of this kind happened" in story(support, device, kind="mail")
    assert lines(support, device, kind="nonsense") == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"from": "1.1."}, "Choose the days"),
        ({"from": "2026-03-02", "to": "2026-03-01"}, "Swap them"),
        ({"older": "yesterday"}, "Installed"),
        ({"older": "2026-01-01T00:00:00"}, "Installed"),
    ],
)
def test_what_cannot_be_asked_is_explained_or_passed_over(support, params, said):
    (device,) = fleet.make_devices(1)
    assert said in story(support, device, **params)


def test_a_long_life_is_told_page_by_page_without_a_gap(support):
    (device,) = fleet.make_devices(1)
    for day in range(100):
        fleet.store_total(device, LAST - day * DAY, str(1000 - day))
    whole = [line["time_utc"] for line in lines(support, device, kind="reading")]
    assert len(whole) == 99  # two are of the day of 25 hours
    seen, address = [], ""
    for _ in range(9):
        path = f"/devices/device/{device.pk}/story/{address or '?kind=reading'}"
        answer = support.get(path)
        seen += re.findall(r"Readings of [^:]*: registers", answer.content.decode())
        address = answer.context["older"]
        if not address:
            break
    assert len(seen) == len(whole)


def test_it_costs_the_same_however_long_the_life_and_large_the_fleet(support, data_dir):
    (device,) = fleet.make_devices(1)
    fleet.make_channel(device)
    definition = definition_make("X", groups=["CYCLE01"], start=LAST - DAY, end=LAST)
    counts = []
    for days in (range(2), range(2, 60)):
        for day in days:
            fleet.store_total(device, LAST - day * DAY, str(1000 - day))
        ExportRun.objects.filter(pk=run_now(definition).pk).update(state="done")
        story(support, device)
        with CaptureQueriesContext(connection) as captured:
            story(support, device)
        counts.append(len(captured))
    assert counts[0] == counts[1]
    found = scans(captured.captured_queries)
    assert [step for step in found if "historicaldevice" not in step] == []  # one device's own


def test_it_is_found_from_the_device_and_the_search(support):
    (device,) = fleet.make_devices(1)
    address = f"/devices/device/{device.pk}/story/"
    assert address in support.get(f"/devices/device/{device.pk}/change/").content.decode()
    answer = support.get("/search/", {"q": "story M00000000"})
    assert answer.headers["Location"] == address
    assert Event.objects.count() == 0
    assert Installation.objects.count() == 1
