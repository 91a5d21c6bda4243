"""The quality gate: what falls short is held, seen, released and sent, once."""

import csv
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse

from devices import journal
from devices.readings import (
    ABSENT,
    Channel,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
)
from exports import services
from exports.coverage import State as Covered
from exports.gate import Figures, Limits, devices_with, figures_of
from exports.models import ExportDefinition, ExportRun, Hold
from exports.services import ready
from tests.devices.factories import batch_post, entry_of
from tests.exports.factories import (
    START,
    D,
    definition_make,
    file_text,
    meters_make,
    readings_post,
    run_now,
    work_all,
)
from tests.exports.test_coverage import states
from tests.people import log_in
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
E, Q = int(Status.ESTIMATED), int(Status.QUESTIONABLE)
State = ExportRun.State
GATE = {"gate": "meter", "gate_estimated": 10}


@pytest.fixture
def ada(db) -> User:
    return User.objects.create_superuser("ada", password="long enough")


@pytest.fixture
def looking(ada, client) -> Client:
    client.force_login(ada)
    return client


def since(**fields) -> ExportDefinition:
    return definition_make("SINCE", period="since_last", **{**GATE, **fields})


def estimated_post(channel, *, day: int = D, count: int = 24) -> None:
    rest = [entry_of(channel, day, count, list(range(24 - count)))] if count < 24 else []
    batch_post([entry_of(channel, day, 0, list(range(count)), E), *rest])


def held(definition) -> list[tuple[str | None, str]]:
    rows = Hold.objects.filter(definition=definition).order_by("pk")
    return [(row.device and row.device.device_id, row.state) for row in rows]


def release(ada, **which) -> Hold:
    hold = Hold.objects.get(state="held", **which)
    assert services.hold_release(hold, user=ada, note="seen and believed")
    return hold


# --- figures --------------------------------------------------------------------------------------


def test_limits_are_in_percent_or_as_counts():
    some = Figures(96, missing=10, estimated=5, questionable=0)
    assert Limits("percent", missing=10).reasons(some) == ["10.4 % missing, at most 10 % may be"]
    assert Limits("percent", missing=11, estimated=5).reasons(some) == [
        "5.21 % estimated, at most 5 % may be"
    ]
    assert Limits("count", missing=10, questionable=0).reasons(some) == []
    assert Limits("count", missing=9).reasons(some) == ["10 missing, at most 9 may be"]
    assert Limits("count", missing=0).reasons(Figures(0)) == ["no reading at all"]
    assert Limits("count", estimated=0).reasons(Figures(0)) == []


def test_figures_are_of_intervals_and_register_values_of_all_stays():
    def series(*status: int) -> IntervalSeries:
        channel = Channel(1, "KWH", "DEL", 3600, "U", 1)
        many = np.array(status, np.uint16)
        return IntervalSeries(channel, np.arange(len(many)) * 3600, np.zeros(len(many)), many)

    read = RegisterRead(
        START,
        "CUR",
        (RegisterValue("SUM", "KWH", "DEL"), RegisterValue("MAX", "KW", "DEL", value=1, status=Q)),
    )
    frame = Frame.of(
        [
            MeterData(DeviceInfo("A"), (series(0, E, ABSENT | 1),), (read,)),
            MeterData(DeviceInfo("A"), (series(1, Q),)),
            MeterData(DeviceInfo("B"), (series(ABSENT | 1),)),
        ]
    )
    assert figures_of(frame, whole=True) == {"A": (7, 3, 1, 2), "B": (1, 1, 0, 0)}
    assert figures_of(frame, whole=False) == {"A": (6, 2, 1, 2), "B": (0, 0, 0, 0)}
    assert devices_with(frame) == {"A"}


# --- meters ---------------------------------------------------------------------------------------


def test_a_meter_that_falls_short_is_held_and_passes_when_it_has_come():
    good, bad = meters_make(2)
    readings_post([good])
    estimated_post(bad)
    definition = since()
    run = run_now(definition)
    assert (run.meters, "M0001" in file_text(run)) == (1, False)
    assert held(definition) == [("D0001", "held")]
    hold = Hold.objects.get()
    assert hold.reasons == "100 % estimated, at most 10 % may be"
    assert (hold.readings, hold.estimated) == (24, 24)
    assert {row.reason for row in definition.backlog.all()} == {"held"}
    assert states(definition, 1) == [[Covered.SENT], [Covered.HELD]]
    readings_post([bad], day=D + 1)  # one day in two is estimated: still too many
    run_now(definition)
    assert held(definition) == [("D0001", "held")]
    readings_post([bad], slot=0, values=list(range(100, 124)))
    last = run_now(definition)
    assert last.intervals == 48
    assert held(definition) == [("D0001", "passed")]
    assert not definition.backlog.exists()
    assert services.run_rebuild(run)[0].same
    assert services.run_rebuild(last)[0].same


def test_a_released_meter_goes_out_with_the_next_run_and_no_correction_before(ada):
    good, bad = meters_make(2)
    readings_post([good, bad], day=D - 1)
    definition = since()
    run_now(definition)
    estimated_post(bad)
    run_now(definition)
    readings_post([bad], day=D - 1, slot=3, values=[999])
    assert run_now(definition, corrections=True).state == State.EMPTY
    with pytest.raises(ValueError, match="in a note"):
        services.hold_release(Hold.objects.get(), user=ada, note=" ")
    hold = release(ada)
    assert not services.hold_release(hold, user=ada, note="again")
    estimated_post(bad, day=D + 1)
    (run,) = services.released_send(definition, user=ada)
    work_all()
    run.refresh_from_db()
    assert run.intervals == 24 + 1 + 24
    hold.refresh_from_db()
    assert (hold.state, hold.sent_in, hold.decided_by) == ("sent", run, "ada")
    assert run_now(definition).state == State.EMPTY
    estimated_post(bad, day=D + 2)  # it was let pass once
    run_now(definition)
    assert held(definition) == [("D0001", "sent"), ("D0001", "held")]


def test_a_meter_of_a_period_goes_out_in_a_run_of_its_own(ada):
    good, bad = meters_make(2, group="G1")
    readings_post([good])
    estimated_post(bad, count=12)
    definition = definition_make(groups=["G1"], **GATE)
    run = run_now(definition)
    assert run.meters == 1
    assert states(definition, 1) == [[Covered.SENT], [Covered.HELD]]
    assert services.released_send(definition) == []
    release(ada)
    (own,) = services.released_send(definition, user=ada)
    assert services.released_send(definition, user=ada) == []
    services.run_cancel(own)
    work_all()
    (own,) = services.released_send(definition, user=ada)
    work_all()
    own.refresh_from_db()
    assert (own.state, own.meters, own.start, own.end) == (State.DONE, 1, run.start, run.end)
    assert held(definition) == [("D0001", "sent")]
    assert states(definition, 1) == [[Covered.SENT], [Covered.SENT]]


def test_a_period_that_is_exported_again_holds_a_meter_once():
    good, bad = meters_make(2)
    readings_post([good])
    estimated_post(bad)
    definition = definition_make(**GATE)
    for _ in range(2):
        last = run_now(definition)
    assert held(definition) == [("D0001", "held")]
    assert Hold.objects.get().run == last
    readings_post([bad], slot=0, values=list(range(100, 124)))
    assert run_now(definition).meters == 2
    assert held(definition) == [("D0001", "passed")]


def test_who_has_no_reading_at_all_falls_short_too(looking):
    meters = meters_make(3)
    readings_post(meters[:1])
    run = run_now(definition_make(gate="meter", gate_missing=5))
    assert run.meters == 1
    address = reverse("admin:exports_exportrun_meters", args=[run.pk])
    rows = list(csv.reader(b"".join(looking.get(address).streaming_content).decode().splitlines()))
    assert rows[1] == ["D0000", "yes", ""]
    assert rows[2] == ["D0001", "no", "held: 100 % missing, at most 5 % may be"]
    page = looking.get(reverse("admin:exports_exportrun_change", args=[run.pk])).content.decode()
    assert "held: 100 % missing" in page
    plain = run_now(definition_make("PLAIN"))
    page = looking.get(reverse("admin:exports_exportrun_change", args=[plain.pk])).content.decode()
    assert page.count("nothing there") == 2


# --- runs -----------------------------------------------------------------------------------------


def test_a_whole_run_is_held_until_it_is_released(ada):
    good, bad = meters_make(2)
    readings_post([good])
    estimated_post(bad)
    definition = definition_make(**{**GATE, "gate": "run"})
    run = run_now(definition)
    assert (run.state, run.files.count(), held(definition)) == (State.HELD, 0, [(None, "held")])
    assert Hold.objects.get().reasons == "1 of 2 meters fall short: D0001"
    assert states(definition, 1) == [[Covered.HELD], [Covered.HELD]]
    release(ada)
    work_all()
    run.refresh_from_db()
    assert (run.state, run.meters, held(definition)) == (State.DONE, 2, [(None, "sent")])
    assert services.run_rebuild(run)[0].same
    assert services.run_again(run).state == State.QUEUED


def test_a_newer_run_of_what_is_new_replaces_one_that_is_held(ada):
    (bad,) = meters_make(1)
    estimated_post(bad)
    definition = since(gate="run")
    first = run_now(definition)
    assert states(definition, 1) == [[Covered.HELD]]
    readings_post([bad], slot=0, values=list(range(100, 124)))
    second = run_now(definition)
    first.refresh_from_db()
    assert (first.state, second.state, second.intervals) == (State.CANCELLED, State.DONE, 24)
    assert held(definition) == [(None, "replaced")]


def test_a_held_run_is_discarded_by_those_who_may(looking):
    (bad,) = meters_make(1)
    estimated_post(bad)
    run = run_now(definition_make(**{**GATE, "gate": "run"}))
    looking.post(reverse("admin:exports_exportrun_cancel", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert Hold.objects.get().state == "dropped"


# --- when ready -----------------------------------------------------------------------------------


def test_a_run_begins_when_all_meters_pass_and_at_the_latest_when_it_is_due():
    good, bad = meters_make(2, group="G1")
    readings_post([good])
    definition = definition_make(
        groups=["G1"],
        gate="meter",
        gate_missing=0,
        when_ready=True,
        schedule="0 6 20 * *",
        schedule_zone="UTC",
    )
    now = datetime(2026, 3, 16, 9, tzinfo=UTC)
    due = datetime(2026, 3, 20, 6, tzinfo=UTC)
    ExportDefinition.objects.update(next_due=due)
    assert ready.ready_tick(START + timedelta(hours=5)) == 0  # the period is not over
    assert ready.ready_tick(now) == 0
    definition.refresh_from_db()
    assert definition.ready_note == "D0001: 100 % missing, at most 0 % may be"
    ready.cache.clear()
    readings_post([bad])
    assert ready.ready_tick(now) == 1
    definition.refresh_from_db()
    assert (definition.next_due > due, definition.ready_note) == (True, "")
    run = definition.runs.get()
    assert (run.due, run.trigger) == (due, "schedule")
    ready.cache.clear()
    assert ready.ready_tick(now) == 0


def test_an_export_that_cannot_be_looked_at_keeps_no_other_waiting(caplog):
    readings_post(meters_make(1))
    for name in ("A", "B"):
        definition_make(name, gate="meter", gate_missing=0, when_ready=True, schedule="0 6 * * *")
    ExportDefinition.objects.update(next_due=datetime(2026, 3, 20, tzinfo=UTC))
    ExportDefinition.objects.filter(name="A").update(format="gone")
    assert ready.ready_tick(datetime(2026, 3, 16, tzinfo=UTC)) == 1
    assert "A cannot be looked at" in caplog.text


def test_what_cannot_be_ready_is_refused():
    for fields, fault in (
        ({"gate": "meter"}, "at least one limit"),
        ({"gate": "meter", "gate_missing": 101}, "0 to 100"),
        ({"when_ready": True}, "what a meter must have"),
        ({"gate": "meter", "gate_missing": 1, "when_ready": True}, "needs a schedule"),
        (
            {**GATE, "when_ready": True, "schedule": "0 6 * * *", "period": "since_last"},
            "has no period",
        ),
    ):
        with pytest.raises(ValidationError, match=fault):
            definition_make(**fields)


# --- pages ----------------------------------------------------------------------------------------


def test_the_work_list_is_searched_released_and_downloaded(looking):
    meters = meters_make(3)
    for meter in meters:
        estimated_post(meter)
    definition = since()
    run_now(definition)
    address = reverse("admin:exports_hold_changelist")
    assert "D0001" in looking.get(address + "?state__exact=held&q=D0001").content.decode()
    assert "D0000" not in looking.get(address + "?q=D0001").content.decode()
    pks = list(Hold.objects.order_by("pk").values_list("pk", flat=True))
    asked = looking.post(address, {"action": "release", "_selected_action": pks[:2]})
    assert "Why it may go out" in asked.content.decode()
    form = {"action": "release", "_selected_action": pks[:2], "note": "the field crew was there"}
    looking.post(address, form)
    assert [state for _, state in held(definition)] == ["released", "released", "held"]
    page = reverse("admin:exports_hold_change", args=[pks[2]])
    assert "Release it" in looking.get(page).content.decode()
    looking.post(reverse("admin:exports_hold_release", args=[pks[2]]), {"note": ""})
    assert Hold.objects.get(pk=pks[2]).state == "held"
    assert (
        "the field crew was there"
        in looking.get(reverse("admin:exports_hold_change", args=[pks[0]])).content.decode()
    )
    answer = looking.get(reverse("admin:exports_hold_download") + "?state__exact=released")
    rows = list(csv.DictReader(b"".join(answer.streaming_content).decode().splitlines()))
    assert [(row["meter"], row["note"]) for row in rows] == [
        ("D0001", "the field crew was there"),
        ("D0000", "the field crew was there"),
    ]
    board = looking.get(reverse("admin:index")).content.decode()
    assert "Meters held" in board
    shown = looking.get(reverse("admin:exports_exportdefinition_change", args=[definition.pk]))
    assert "estimated 10 %" in shown.content.decode()
    sent = looking.post(reverse("admin:exports_exportdefinition_released", args=[definition.pk]))
    assert sent.url == reverse(
        "admin:exports_exportrun_change", args=[definition.runs.order_by("-id").first().pk]
    )


def test_billing_releases_and_others_look(client):
    (bad,) = meters_make(1)
    estimated_post(bad)
    run_now(since())
    pk = Hold.objects.get().pk
    address = reverse("admin:exports_hold_release", args=[pk])
    for role, status in ((roles.SUPPORT, 403), (roles.OPERATOR, 403), (roles.BILLING, 302)):
        log_in(client, role)
        assert client.get(reverse("admin:exports_hold_change", args=[pk])).status_code == 200
        assert client.post(address, {"note": "it is so"}).status_code == status
        client.logout()
    assert Hold.objects.get().decided_by == "billing"


def test_the_form_of_an_export_has_the_gate(looking):
    definition = definition_make()
    address = reverse("admin:exports_exportdefinition_edit", args=[definition.pk])
    page = looking.get(address).content.decode()
    assert "Hold the meter, send the others" in page
    flow = definition_make("LIVE", period="since_last", format="rte")
    address = reverse("admin:exports_exportdefinition_edit", args=[flow.pk])
    assert "Hold the meter" not in looking.get(address).content.decode()


def test_horizons_of_held_runs_keep_the_journal():
    from exports.services.archive import purge_bound

    (bad,) = meters_make(1)
    estimated_post(bad)
    run = run_now(definition_make(**{**GATE, "gate": "run"}))
    readings_post([bad], day=D + 5)
    assert purge_bound() == run.horizon < journal.horizon()
