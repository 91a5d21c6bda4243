"""The pages of exports: a form made from a format's options, run pages, what each role may do."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from devices.models import FunctionalGroup
from exports import places, services
from exports.models import Delivery, ExportDefinition, ExportRun
from exports.services.deliveries import deliver_next
from tests.exports.factories import (
    definition_make,
    directory_make,
    meters_make,
    readings_post,
    run_now,
    work_all,
)
from tests.people import log_in
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
S, B, O, A = roles.ROLES  # noqa: E741


@pytest.fixture
def operator(client):
    log_in(client, O)
    return client


@pytest.fixture
def billing(client):
    log_in(client, B)
    return client


def page(answer) -> str:
    assert answer.status_code == 200, answer.status_code
    return answer.content.decode()


def url(name: str, *args) -> str:
    return reverse(f"admin:exports_{name}", args=args)


ADD = "/exports/exportdefinition/add/?format=cmep"
FORM = {
    "name": "NIGHTLY",
    "active": "on",
    "period": "yesterday",
    "missed": "run_once",
    "priority": "3",
    "on_error": "stop",
    "on_unsupported": "skip",
}


# --- the form ----------------------------------------------------------------------------------


def test_first_the_format_then_its_options(operator):
    text = page(operator.get(url("exportdefinition_add")))
    assert "?format=cmep" in text
    text = page(operator.get(ADD))
    assert 'name="option_dialect"' in text
    assert "sensus" in text
    assert 'name="option_a_means"' not in text  # an option of the reader


def test_a_definition_is_made_with_what_was_chosen(operator):
    meters_make(2, group="CYCLE01")
    group = FunctionalGroup.objects.get(code="CYCLE01")
    form = FORM | {
        "groups": [group.pk],
        "device_ids": "D0000, D0001",
        "channel_numbers": "1 2",
        "unit_names": ["KWH"],
        "schedule": "15 2 * * *",
        "zone": "America/Chicago",
        "option_dialect": "sensus",
        "option_max_triplets": "12",
        "option_quote_ids": "on",
    }
    answer = operator.post(ADD, form)
    made = ExportDefinition.objects.get()
    assert answer.url == url("exportdefinition_change", made.pk)
    assert (made.channels, made.units) == ([1, 2], ["KWH"])
    assert made.options == {"dialect": "sensus", "max_triplets": 12, "quote_ids": True}
    assert list(made.groups.all()) == [group]
    assert made.devices.count() == 2
    assert made.next_due is not None
    text = page(operator.get(answer.url))
    assert text.count("<time datetime=") >= 5
    assert "Export now" in text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": ""}, "This field is required"),
        ({"device_ids": "NOBODY"}, "There is no device NOBODY"),
        ({"channel_numbers": "1000"}, "is no channel number"),
        ({"option_max_triplets": "49"}, "a whole number 1 to 48"),
        ({"schedule": "x"}, "errors"),
        ({"period": "last_n_days"}, "“Last N days” needs this"),
        ({"zone": "Nowhere"}, "not an IANA time zone"),
        ({"file_name": "a/b"}, "FMT16"),
        ({"option_sender_id": "x" * 300}, "Every file would be refused: CME03"),
    ],
)
def test_a_mistake_is_shown_beside_its_field_and_nothing_is_saved(operator, fields, said):
    text = page(operator.post(ADD, FORM | fields))
    assert "The export is not saved" in text
    assert said in text
    assert not ExportDefinition.objects.exists()


def test_editing_shows_what_is_set_and_keeps_it(operator):
    meters_make(1)
    definition = definition_make(
        options={"dialect": "sensus", "quote_ids": True}, channels=[1], units=["KWH"]
    )
    address = url("exportdefinition_edit", definition.pk)
    text = page(operator.get(address))
    assert '<option value="sensus" selected>' in text
    form = FORM | {
        **{"period": "fixed", "start": "2026-03-14 00:00", "end": "2026-03-15 00:00"},
        **{"channel_numbers": "1", "unit_names": ["KWH"]},
        **{"option_dialect": "sensus", "option_quote_ids": "on"},
    }
    assert operator.post(address, form).status_code == 302
    definition.refresh_from_db()
    assert (definition.options["dialect"], definition.channels) == ("sensus", [1])


def test_the_next_runs_are_shown_before_saving_also_without_script(operator):
    form = FORM | {"schedule": "30 2 * * *", "zone": "Europe/London", "preview": "1"}
    text = page(operator.post(ADD, form))
    assert "<ol><li><time>" in text
    assert not ExportDefinition.objects.exists()


def test_the_next_runs_as_they_are_typed(operator):
    address = url("exportdefinition_next")
    found = operator.get(address, {"schedule": "0 2 29 3 *", "zone": "Europe/London"}).json()
    assert len(found["runs"]) == 5
    assert found["error"] == ""
    assert "write" in operator.get(address, {"schedule": "0 25 * * *"}).json()["error"]
    assert operator.get(address, {"schedule": ""}).json()["runs"] == []


def test_clock_changes_are_marked(operator):
    found = operator.get(
        url("exportdefinition_next"), {"schedule": "30 1 * 3 SUN#5", "zone": "Europe/London"}
    ).json()
    notes = {run["notes"] for run in found["runs"]}
    assert any("day of 23 hours" in note and "is skipped" in note for note in notes)


# --- running -----------------------------------------------------------------------------------


def test_export_now_watch_download_rebuild_export_again(client):
    readings_post(meters_make(2))
    definition = definition_make()
    log_in(client, B)
    answer = client.post(url("exportdefinition_run", definition.pk))
    run = ExportRun.objects.get()
    assert answer.url == url("exportrun_change", run.pk)
    assert (run.trigger, run.user.username) == ("hand", "billing")
    text = page(client.get(answer.url))
    assert f'data-progress="{url("exportrun_progress", run.pk)}"' in text
    assert "Stop this run" in text
    services.work()
    progress = client.get(url("exportrun_progress", run.pk)).json()
    assert progress == {
        "working": True,
        "progress": 0,
        "label": "Writing 0 of 1 parts",
    }
    work_all()
    assert client.get(url("exportrun_progress", run.pk)).json()["working"] is False
    text = page(client.get(answer.url))
    file = run.files.get()
    assert file.sha256 in text
    got = client.get(url("exportrun_file", run.pk, 1))
    assert b"".join(got.streaming_content) == (places.data() / file.archive).read_bytes()
    assert got["X-Content-SHA256"] == file.sha256
    assert file.name in got["Content-Disposition"]
    assert "as it was sent" in page(client.post(url("exportrun_rebuild", run.pk)))
    again = client.post(url("exportrun_again", run.pk))
    assert again.url == url("exportrun_change", run.pk + 1)


def test_stopping_a_run(billing):
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    assert billing.post(url("exportrun_cancel", run.pk)).status_code == 302
    work_all()
    text = page(billing.get(url("exportrun_change", run.pk)))
    assert "Cancelled" in text
    assert "It was too late" in page(billing.post(url("exportrun_cancel", run.pk), follow=True))


def test_why_a_run_failed_stands_on_its_page_and_on_the_dashboard(billing):
    readings_post(meters_make(2))
    run = run_now(definition_make(meters_limit=1))
    text = page(billing.get(url("exportrun_change", run.pk)))
    assert "the definition allows 1" in text
    assert "Exports failed today" in page(billing.get("/"))


def test_a_run_that_cannot_be_asked_for_says_why(billing):
    definition = definition_make()
    ExportDefinition.objects.update(options={"gone": 1})
    text = page(billing.post(url("exportdefinition_run", definition.pk), follow=True))
    assert "The export was not started" in text


def test_a_file_that_is_gone_and_one_that_never_was(billing):
    readings_post(meters_make(1))
    run = run_now(definition_make())
    assert billing.get(url("exportrun_file", run.pk, 2)).status_code == 404
    run.files.update(purged=timezone.now())
    text = page(billing.get(url("exportrun_file", run.pk, 1), follow=True))
    assert "is no longer kept" in text
    run.parts.all().delete()
    assert "no longer kept" in page(billing.post(url("exportrun_rebuild", run.pk), follow=True))
    assert "no longer kept" in page(billing.post(url("exportrun_again", run.pk), follow=True))


def test_nothing_to_send_says_since_when(billing):
    meters_make(1)
    run = run_now(definition_make("SINCE", period="since_last"))
    assert "nothing arrived or changed since batch 0" in page(
        billing.get(url("exportrun_change", run.pk))
    )


def test_a_file_is_delivered_again_at_the_push_of_a_button(operator, settings, tmp_path):
    readings_post(meters_make(1))
    run = run_now(definition_make(destinations=[directory_make(settings, tmp_path)]))
    deliver_next()
    row = Delivery.objects.get()
    assert "Deliver again" in page(operator.get(url("exportrun_change", run.pk)))
    text = page(operator.post(url("delivery_again", row.pk), follow=True))
    assert "once more" in text
    row.refresh_from_db()
    assert row.state == Delivery.State.WAITING
    assert "on its way already" in page(operator.post(url("delivery_again", row.pk), follow=True))
    assert row.file.name in page(operator.get(url("delivery_change", row.pk)))
    Delivery.objects.update(attempts=2, error="disk full")
    assert "Files not delivered" in page(operator.get("/"))


def test_what_was_sent_or_is_to_be_sent_to_is_not_deleted(operator, settings, tmp_path):
    destination = directory_make(settings, tmp_path)
    definition = definition_make(destinations=[destination])
    assert (
        operator.post(url("destination_delete", destination.pk), {"post": "yes"}).status_code == 403
    )
    run_now(definition)
    address = url("exportdefinition_delete", definition.pk)
    assert operator.post(address, {"post": "yes"}).status_code == 403


def test_a_device_shows_the_files_it_went_into(billing):
    (channel, other) = meters_make(2)
    readings_post([channel, other])
    definition = definition_make(devices=[channel.device])
    file = run_now(definition).files.get()
    address = reverse("admin:devices_device_change", args=[channel.device_id])
    assert file.name in page(billing.get(address))
    address = reverse("admin:devices_device_change", args=[other.device_id])
    assert file.name not in page(billing.get(address))


def test_lists_are_searched_and_filtered(billing):
    readings_post(meters_make(1))
    run = run_now(definition_make("ALPHA"))
    run_now(definition_make("BETA"))
    runs = url("exportrun_changelist")
    for query, found in (
        ({"q": "alp"}, ["ALPHA"]),
        ({"q": run.batch_id}, ["ALPHA"]),
        ({"q": "\0"}, ["ALPHA", "BETA"]),
        ({"state__exact": "failed"}, []),
    ):
        text = page(billing.get(runs, query))
        assert [name for name in ("ALPHA", "BETA") if f">{name}<" in text] == found, query
    definitions = url("exportdefinition_changelist")
    assert ">BETA<" not in page(billing.get(definitions, {"q": "al"}))


@pytest.mark.parametrize("name", ["exportrun_changelist", "exportdefinition_changelist"])
def test_lists_are_flat(billing, name):
    readings_post(meters_make(1))
    counts = []
    for number in range(3):
        for n in range(4):
            run_now(definition_make(f"D{number}{n}"))
        billing.get(url(name))
        with CaptureQueriesContext(connection) as captured:
            billing.get(url(name))
        counts.append(len(captured))
    assert counts[1] == counts[2]


def test_the_dashboard_says_what_runs_next(billing):
    definition_make("TONIGHT", period="yesterday", schedule="0 3 * * *")
    run = services.definition_run(definition_make("NOW"))
    text = page(billing.get("/"))
    assert ">TONIGHT<" in text
    assert url("exportrun_progress", run.pk) in text
