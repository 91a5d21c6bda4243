"""Each page and button of exports, by role: what the table of roles grants is what is reached."""

import pytest
from django.urls import reverse
from django.utils import timezone

from exports.models import Delivery, Destination, ExportRun, Hold, InboxFile, ReaderSetting
from tests.exports.factories import (
    definition_make,
    directory_make,
    meters_make,
    readings_post,
    run_now,
)
from tests.people import log_in
from tms import roles

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
S, B, O, A = roles.ROLES  # noqa: E741


def url(name: str, *args) -> str:
    return reverse(f"admin:exports_{name}", args=args)


EVERYONE, DOERS, KEEPERS = {S, B, O, A}, {B, O, A}, {O, A}
MATRIX = [
    ("exportdefinition_changelist", "get", EVERYONE),
    ("exportdefinition_change", "get", EVERYONE),
    ("exportdefinition_history", "get", EVERYONE),
    ("exportdefinition_next", "get", EVERYONE),
    ("exportdefinition_add", "get", KEEPERS),
    ("exportdefinition_edit", "get", KEEPERS),
    ("exportdefinition_edit", "post", KEEPERS),
    ("exportdefinition_run", "post", DOERS),
    ("exportdefinition_correct", "post", DOERS),
    ("exportdefinition_coverage", "get", EVERYONE),
    ("exportdefinition_coverage_csv", "get", DOERS),
    ("exportdefinition_day", "get", EVERYONE),
    ("exportrun_changelist", "get", EVERYONE),
    ("exportrun_change", "get", EVERYONE),
    ("exportrun_progress", "get", EVERYONE),
    ("exportrun_file", "get", DOERS),
    ("exportrun_cancel", "post", DOERS),
    ("exportrun_again", "post", DOERS),
    ("exportrun_rebuild", "post", DOERS),
    ("exportrun_add", "get", set()),
    ("exportrun_delete", "post", set()),
    ("exportrun_meters", "get", DOERS),
    ("exportdefinition_released", "post", DOERS),
    ("hold_changelist", "get", EVERYONE),
    ("hold_change", "get", EVERYONE),
    ("hold_download", "get", DOERS),
    ("hold_release", "post", {B, A}),
    ("hold_add", "get", set()),
    ("hold_delete", "post", set()),
    ("destination_changelist", "get", EVERYONE),
    ("destination_change", "get", EVERYONE),
    ("destination_add", "get", KEEPERS),
    ("destination_edit", "get", KEEPERS),
    ("destination_edit", "post", KEEPERS),
    ("destination_test", "post", KEEPERS),
    ("destination_accept", "post", KEEPERS),
    ("destination_resume", "post", KEEPERS),
    ("destination_delete", "get", set()),  # something was sent to it
    ("delivery_changelist", "get", EVERYONE),
    ("delivery_download", "get", DOERS),
    ("exportrun_download", "get", DOERS),
    ("inboxfile_changelist", "get", EVERYONE),
    ("inboxfile_change", "get", EVERYONE),
    ("inboxfile_download", "get", DOERS),
    ("inboxfile_add", "get", set()),
    ("inboxfile_delete", "post", set()),
    ("readersetting_changelist", "get", EVERYONE),
    ("readersetting_change", "get", EVERYONE),
    ("readersetting_change", "post", KEEPERS),
    ("readersetting_add", "get", KEEPERS),
    ("readersetting_delete", "get", KEEPERS),
    ("delivery_change", "get", EVERYONE),
    ("delivery_again", "post", KEEPERS),
    ("delivery_delete", "post", set()),
]


@pytest.mark.parametrize("role", [*roles.ROLES, None])
def test_each_role_reaches_the_pages_that_are_its_own(client, settings, tmp_path, role):
    readings_post(meters_make(1))
    definition = definition_make(destinations=[directory_make(settings, tmp_path)])
    run = run_now(definition)
    rows = {
        "exportdefinition": definition.pk,
        "exportrun": run.pk,
        "destination": Destination.objects.get().pk,
        "delivery": Delivery.objects.get().pk,
        "inboxfile": InboxFile.objects.create(
            format="cmep", name="a.cmep", bytes=1, taken=timezone.now(), put_aside=True
        ).pk,
        "readersetting": ReaderSetting.objects.create(format="cmep").pk,
        "hold": Hold.objects.create(
            definition=definition, run=run, start=run.start, end=run.end, reasons="so"
        ).pk,
    }
    if role:
        log_in(client, role)
    wrong = []
    for name, method, allowed in MATRIX:
        lists = ("changelist", "add", "next", "download")
        args = [] if name.endswith(lists) else [rows[name.split("_")[0]]]
        args += [1] if name.endswith("file") else []
        args += ["D0000", "2026-03-14"] if name.endswith("day") else []
        answer = getattr(client, method)(url(name, *args))
        away = answer.status_code == 302 and answer.url.startswith("/login/")
        reached = answer.status_code in (200, 302) and not away
        if reached != (role in allowed) or answer.status_code not in (200, 302, 403):
            wrong.append(f"{method} {name}: {answer.status_code}")
        if answer.streaming:
            assert b"".join(answer.streaming_content)
    assert wrong == []


@pytest.mark.parametrize(
    "name",
    [
        *("exportdefinition_run", "exportrun_cancel", "exportrun_again", "exportrun_rebuild"),
        *("destination_test", "destination_accept", "destination_resume"),
    ],
)
def test_nothing_is_done_by_a_link(client, settings, tmp_path, name):
    log_in(client, O)
    readings_post(meters_make(1))
    destination = directory_make(settings, tmp_path)
    run = run_now(definition_make(destinations=[destination]))
    rows = {"exportdefinition": run.definition_id, "destination": destination.pk}
    pk = rows.get(name.split("_")[0], run.pk)
    before = ExportRun.objects.count()
    assert client.get(url(name, pk)).status_code == 404
    assert ExportRun.objects.count() == before
