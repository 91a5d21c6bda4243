"""Coverage: what became of each meter's day, from horizons, scopes, journal and backlog alone."""

import csv
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from devices import journal
from devices.blocks import day_date
from devices.models import Device
from devices.readings import RegisterRead, RegisterValue
from exports import services
from exports.coverage import Days, State, coverage_read
from exports.coverage.detail import meter_day
from exports.models import Backlog
from tests.devices.factories import batch_post
from tests.exports.factories import (
    START,
    D,
    definition_make,
    join,
    meters_make,
    readings_post,
    run_now,
)
from tests.exports.test_backlog import since
from tests.people import log_in
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
FIRST = day_date(D)
O, S, P, C, H, M = (  # noqa: E741
    *(State.OUTSIDE, State.SENT, State.PENDING, State.CHANGED, State.HELD, State.MISSING),
)


def states(definition, days: int = 3) -> list[list[State]]:
    """A line a device, in order of their ids."""
    definition.refresh_from_db()
    devices = list(Device.objects.order_by("device_id").values_list("pk", "device_id"))
    days = Days(FIRST, FIRST + timedelta(days=days - 1), "UTC")
    seen = coverage_read(definition, devices, days)
    return [[seen.cell(d, n).state for n in range(len(days))] for d in range(len(devices))]


def url(name: str, *args) -> str:
    return reverse(f"admin:exports_exportdefinition_{name}", args=args)


@pytest.fixture
def looking(client):
    client.force_login(User.objects.create_superuser("ada", password="long enough"))
    return client


# --- states ---------------------------------------------------------------------------------------


def test_a_since_last_export_from_first_reading_to_correction():
    channels = meters_make(2)
    definition = since()
    assert states(definition) == [[M, M, M], [M, M, M]]
    readings_post(channels)
    assert states(definition) == [[P, M, M], [P, M, M]]
    first = run_now(definition)
    readings_post(channels[:1], day=D + 1)
    readings_post(channels[1:], slot=3, values=[99])
    assert states(definition) == [[S, P, M], [C, M, M]]
    journal.fold_all()
    assert states(definition) == [[S, P, M], [C, M, M]]
    correction = run_now(definition, corrections=True)
    assert states(definition) == [[S, P, M], [S, M, M]]
    last = run_now(definition)
    assert states(definition) == [[S, S, M], [S, M, M]]
    seen = meter_day(definition, channels[1].device, FIRST)
    by = [(one.count, one.run.pk) for one in seen.stretches]
    assert by == [(3, first.pk), (1, correction.pk), (20, first.pk)]
    assert [run.pk for run in seen.runs] == [first.pk, correction.pk]
    seen = meter_day(definition, channels[0].device, FIRST + timedelta(days=1))
    assert [run.pk for run in seen.runs] == [last.pk]
    assert [one.run.pk for one in seen.stretches] == [last.pk]


def test_an_export_of_periods():
    channels = meters_make(2, group="G1")
    readings_post(channels[:1])
    definition = definition_make(groups=["G1"])
    assert states(definition, 2) == [[P, M], [M, M]]
    run = run_now(definition)
    readings_post(channels)
    readings_post(channels, day=D + 1)
    assert states(definition, 2) == [[S, P], [C, P]]
    assert [r.pk for r in meter_day(definition, channels[0].device, FIRST).runs] == [run.pk]
    run_now(definition, corrections=True)
    assert states(definition, 2) == [[S, P], [S, P]]


def test_what_is_owed_is_pending_or_held_and_says_why():
    channels = meters_make(2)
    readings_post(channels)
    definition = since(on_error="skip_meter")
    Device.objects.filter(device_id="D0001").update(meter_number="A,B")
    run_now(definition)
    assert states(definition, 1) == [[S], [P]]
    Backlog.objects.update(reason=Backlog.Reason.HELD)
    assert states(definition, 1) == [[S], [H]]
    seen = meter_day(definition, Device.objects.get(device_id="D0001"), FIRST)
    assert [(row.reason, row.code) for row in seen.owed] == [("held", "CMP02")] * 2 or seen.owed


def test_days_outside_of_the_selection_are_not_asked_for():
    (channel,) = meters_make(1)
    readings_post([channel])
    readings_post([channel], day=D + 1)
    join(channel.device, "G1", START + timedelta(days=1))
    definition = since(groups=["G1"])
    assert states(definition, 2) == [[O, P]]
    late = definition_make("LATE", period="since_last", from_now=True)
    assert states(late, 2) == [[O, O]]


def test_register_reads_have_days_too():
    (channel,) = meters_make(1)
    values = (RegisterValue("SUM", "KWH", "DEL", value=100, number=1),)
    batch_post([], [(channel.device_id, RegisterRead(START + timedelta(hours=5), "CUR", values))])
    definition = since(format="rde")
    assert states(definition, 2) == [[P, O]]
    run_now(definition)
    assert states(definition, 2) == [[S, O]]


def test_a_flow_is_known_by_its_cursor():
    channels = meters_make(1)
    definition = definition_make("LIVE", period="since_last", format="rte")
    readings_post(channels)
    run = run_now(definition)
    readings_post(channels, day=D + 1)
    assert states(definition, 2) == [[S, P]]
    assert meter_day(definition, channels[0].device, FIRST).stretches[0].run.pk == run.pk


# --- pages ----------------------------------------------------------------------------------------


def test_the_map_leads_to_the_day_and_says_each_state_in_words(looking):
    channels = meters_make(2)
    readings_post(channels)
    definition = definition_make()
    run = run_now(definition)
    readings_post(channels[:1], slot=3, values=[99])
    page = looking.get(url("coverage", definition.pk)).content.decode()
    assert f"D0000, {FIRST}: Changed, 24 of 24 readings, by {run.batch_id}" in page
    assert f"D0001, {FIRST}: Sent, 24 of 24 readings" in page
    assert "style=" not in page.partition("<main")[2]
    day = looking.get(url("day", definition.pk, "D0000", FIRST)).content.decode()
    assert "A correction file sends the change" in day
    assert run.batch_id in day
    for wrong in (("D9999", FIRST), ("D0000", "yesterday")):
        assert looking.get(url("day", definition.pk, *wrong)).status_code == 404
    bundles = looking.get(url("coverage", definition.pk) + "?rows=groups").content.decode()
    assert "D0000 – D0001" in bundles
    assert "1 sent, 1 changed" in bundles


def test_the_map_is_narrowed_paged_and_downloaded(looking, monkeypatch):
    monkeypatch.setattr("exports.coverage.pages.METERS", 2)
    monkeypatch.setattr("exports.coverage.pages.SCAN", 2)
    channels = meters_make(5, group="G1")
    readings_post(channels[3:])
    definition = definition_make(groups=["G1"])
    address = url("coverage", definition.pk)

    def meters(query: str) -> tuple[list[str], str, str]:
        context = looking.get(address + query).context
        return [row.label for row in context["rows"]], context["previous"], context["next"]

    labels, previous, following = meters("")
    assert (labels, previous) == (["D0000", "D0001"], "")
    labels, previous, following = meters(following)
    assert labels == ["D0002", "D0003"]
    assert meters(previous)[0] == ["D0000", "D0001"]
    assert meters(following)[0] == ["D0004"]
    assert meters("?state=pending")[0] == ["D0003", "D0004"]
    assert meters("?q=D0002")[0] == ["D0002"]
    assert meters("?group=OTHER")[0] == []
    assert "D0004" in meters("?at=D0004")[0]
    for query, fault in (
        ("?from=2026-01-01&to=2026-12-01", "At most 62 days"),
        ("?from=soon", "Write days as"),
        ("?from=2026-03-02&to=2026-03-01", "must not come after"),
        ("?from=1900-01-01", "between 2000 and 2100"),
    ):
        assert fault in looking.get(address + query).content.decode()
    answer = looking.get(url("coverage_csv", definition.pk) + "?state=pending")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert [(row["device"], row["day"], row["state"], row["pending"]) for row in rows] == [
        ("D0003", str(FIRST), "pending", "24"),
        ("D0004", str(FIRST), "pending", "24"),
    ]


def test_an_identifier_may_hold_what_addresses_are_parted_by(looking):
    readings_post(meters_make(1))
    Device.objects.update(device_id="D/1 ?")
    definition = definition_make()
    assert "D/1 ?" in looking.get(url("coverage", definition.pk)).content.decode()
    assert looking.get(url("day", definition.pk, "D/1 ?", FIRST)).status_code == 200


def test_what_is_older_than_the_journal_is_still_shown(monkeypatch):
    channels = meters_make(1)
    readings_post(channels)
    definition = since()
    run_now(definition)
    readings_post(channels, slot=3, values=[99])
    assert states(definition, 1) == [[C]]
    monkeypatch.setattr(
        "devices.journal.read.marks.marks", lambda: {"batch": 9, "fold": 0, "base": 2}
    )
    assert states(definition, 1) == [[P]]


def test_a_device_leads_to_the_coverage_of_its_exports(looking):
    (mine,) = meters_make(1, group="G1")
    definitions = [
        definition_make(name, groups=groups)
        for name, groups in (("ALL", ()), ("MINE", ["G1"]), ("OTHER", ["G1"]))
    ]
    services.definition_save(definitions[2], groups=[], devices=meters_of("D0001"), destinations=[])
    page = looking.get(reverse("admin:devices_device_change", args=[mine.device_id]))
    for definition, there in zip(definitions, (True, True, False), strict=True):
        link = url("coverage", definition.pk) + "?q=D0000"
        assert (link in page.content.decode()) == there


def meters_of(name: str) -> list[Device]:
    return [channel.device for channel in meters_make(1, first=int(name[1:]))]


@pytest.mark.parametrize("period", ["since_last", "fixed"])
def test_no_query_grows_with_the_fleet(looking, period):
    counts = []
    for first, more in ((0, 3), (3, 30)):
        readings_post(meters_make(more, first=first))
        name = f"{period}{first}".upper()
        fixed = definition_make(name) if period == "fixed" else definition_make(name, period=period)
        run_now(fixed)
        readings_post(list(fixed_channels(first)), slot=2, values=[7])
        address = url("coverage", fixed.pk) + "?from=2026-03-10&to=2026-03-20"
        with CaptureQueriesContext(connection) as queries:
            assert looking.get(address).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 40


def fixed_channels(first: int):
    from devices.models import Channel

    return Channel.objects.filter(device__device_id=f"D{first:04}")


def test_a_correction_file_is_asked_for_by_a_button_of_those_who_may(client):
    readings_post(meters_make(1))
    definition = since()
    run_now(definition)
    log_in(client, roles.BILLING)
    assert client.get(url("correct", definition.pk)).status_code == 404
    answer = client.post(url("correct", definition.pk))
    run = definition.runs.order_by("-id").first()
    assert (run.corrections, answer.url) == (
        True,
        reverse("admin:exports_exportrun_change", args=[run.pk]),
    )
    services.run_cancel(run)
    client.logout()
    log_in(client, roles.SUPPORT)
    assert client.post(url("correct", definition.pk)).status_code == 403
    assert client.get(url("coverage", definition.pk)).status_code == 200
    assert client.get(url("coverage_csv", definition.pk)).status_code == 403


def test_a_correction_that_cannot_be_says_why(looking):
    definition = since()
    page = looking.post(url("correct", definition.pk), follow=True).content.decode()
    assert "has sent nothing yet" in page


def test_days_begin_at_the_devices_own_midnight_or_the_exports():
    days = Days(date(2026, 3, 8), date(2026, 3, 8))
    borders = days.borders("America/Chicago")  # the clock is put forward
    assert borders[1] - borders[0] == 23 * 3600
    assert Days(days.first, days.last, "UTC").borders("America/Chicago")[0] % 86400 == 0
