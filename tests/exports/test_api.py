"""Exports over HTTP: start, watch, fetch; by key, and by the groups that a key may see."""

import pytest

from devices.models import FunctionalGroup
from exports import services
from exports.formats.sxml import SCHEMA_PATH
from exports.models import ExportRun, RunFile
from tests.devices.callers import Caller, codes, key_make
from tests.exports.factories import definition_make, meters_make, readings_post, run_now, work_all
from tests.people import log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]


@pytest.fixture
def caller():
    return Caller(key_make("export"))


def start(caller, name="NIGHTLY", body=None, **headers):
    return caller.post(body or {}, path=f"/exports/{name}/runs", **headers)


def test_start_watch_and_fetch(caller):
    readings_post(meters_make(2))
    definition_make()
    made = start(caller)
    assert made.status_code == 201
    run = made.json()
    assert (run["status"], run["export"], run["files"]) == ("queued", "NIGHTLY", [])
    work_all()
    seen = caller.get(f"/runs/{run['run']}").json()
    assert (seen["status"], seen["progress"], seen["meters"]) == ("done", 100, 2)
    (file,) = seen["files"]
    got = caller.get(f"/runs/{run['run']}/files/{file['n']}")
    data = b"".join(got.streaming_content)
    assert len(data) == file["bytes"]
    assert got["X-Content-SHA256"] == file["sha256"] == RunFile.objects.get().sha256


def test_a_key_starts_one_run_however_often_it_is_sent(caller):
    meters_make(1)
    definition_make()
    definition_make("OTHER")
    first = start(caller, Idempotency_Key="a-1")
    work_all()
    again = start(caller, Idempotency_Key="a-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["run"] == again.json()["run"]
    assert ExportRun.objects.count() == 1
    assert codes(start(caller, "OTHER", Idempotency_Key="a-1")) == [("Idempotency-Key", "KEY_USED")]
    other = Caller(key_make("export", name="another"))
    assert start(other, Idempotency_Key="a-1").status_code == 201


def test_a_period_of_its_own(caller):
    meters_make(1)
    definition_make()
    body = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    run = ExportRun.objects.get(pk=start(caller, body=body).json()["run"])
    assert f"{run.start:%F} {run.end:%F}" == "2026-03-01 2026-03-02"
    del body["end"]
    assert codes(start(caller, body=body)) == [("end", "PERIOD")]
    body = {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"}
    assert codes(start(caller, body=body)) == [("start", "NO_RUN")]
    body = {"start": "2026-03-02T00:00:00", "end": "2026-03-03T00:00:00Z"}
    assert start(caller, body=body).status_code == 422


@pytest.mark.parametrize("path", ["/runs/0", "/runs/99999999999999999999", "/runs/1/files/1"])
def test_what_is_not_there_is_404(caller, path):
    assert caller.get(path).status_code == 404


def test_an_export_that_is_not_there_and_a_file_that_is_not(caller):
    assert start(caller, "NOBODY").status_code == 404
    readings_post(meters_make(1))
    run = run_now(definition_make())
    assert caller.get(f"/runs/{run.pk}/files/2").status_code == 404


def test_a_file_past_its_term_is_gone(caller):
    readings_post(meters_make(1))
    run = run_now(definition_make())
    RunFile.objects.update(purged=run.finished)
    answer = caller.get(f"/runs/{run.pk}/files/1")
    assert (answer.status_code, "was kept until" in answer.json()["detail"]) == (410, True)


def test_a_key_needs_the_scope_and_its_groups(caller):
    readings_post(meters_make(1, group="G1"))
    mine = FunctionalGroup.objects.get(code="G1")
    whole = run_now(definition_make("WHOLE"))
    run = run_now(definition_make("MINE", groups=["G1"]))
    for wrong in (Caller(key_make("read", name="reader")), Caller(None)):
        assert start(wrong, "MINE").status_code in (401, 403)
        assert wrong.get(f"/runs/{run.pk}").status_code in (401, 403)
    limited = Caller(key_make("export", name="limited", groups=(mine,)))
    assert limited.get(f"/runs/{run.pk}").status_code == 200
    assert limited.get(f"/runs/{whole.pk}").status_code == 404
    assert limited.get(f"/runs/{whole.pk}/files/1").status_code == 404
    assert start(limited, "WHOLE").status_code == 404
    assert start(limited, "MINE").status_code == 201


def test_a_bad_key_is_refused(caller):
    definition_make()
    assert codes(start(caller, Idempotency_Key="ü")) == [("Idempotency-Key", "BAD_KEY")]
    assert not services.work()


def test_anybody_has_the_published_schema(client):
    answer = client.get("/api/v1/schemas/tms-sxml-1.xsd")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.content == SCHEMA_PATH.read_bytes()
    for name in ("other.xsd", "..%2Fsettings.py", "base.py"):
        assert client.get(f"/api/v1/schemas/{name}").status_code == 404


def test_the_pages_of_an_export_lead_to_its_schema(client, data_dir):
    log_in(client, "Customer support")
    readings_post(meters_make(1))
    for code, there in (("sxml", True), ("cmep", False)):
        run = run_now(definition_make(f"X {code}", format=code))
        for page in (
            f"/exports/exportrun/{run.pk}/change/",
            f"/exports/exportdefinition/{run.definition_id}/change/",
        ):
            shown = client.get(page).content.decode()
            assert ("/api/v1/schemas/tms-sxml-1.xsd" in shown) is there
