"""The log: plain and JSON, with the ids of what is worked on, and never a secret."""

import io
import json
import logging
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User

from devices import tracing
from devices.models import Batch, Device, ImportRow
from devices.services.keys import api_key_create
from exports.services.worker import run_step
from tests.devices.factories import channel_make, device_make
from tests.devices.imports.files import send
from tests.exports.factories import definition_make
from tests.installation import ROOT
from tms import celery, logs

PASSWORD, PIN = "correct-horse-9", "73920114"


@contextmanager
def captured(shape: str):
    """Everything that any logger says meanwhile, as it would stand on standard error."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.FORMATTERS[shape]())
    root, requests = logging.getLogger(), logging.getLogger("tms.requests")
    levels = root.level, requests.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    requests.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        requests.setLevel(levels[1])


def said(stream: io.StringIO, logger: str) -> list[dict]:
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    return [line for line in lines if line["logger"] == logger]


# --- shape --------------------------------------------------------------------------------------


def test_a_line_is_one_object_with_the_ids_that_stand():
    with captured("json") as stream, tracing.bound(run=7), tracing.bound(task="t", run=8):
        logging.getLogger("house").warning("two\nlines “%s”", "é")
    (line,) = said(stream, "house")
    assert stream.getvalue().count("\n") == 1
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "WARNING",
        "logger": "house",
        "message": "two\nlines “é”",
        "process": os.getpid(),
        "run": 8,
        "task": "t",
    }


def test_a_traceback_is_a_member_of_its_line():
    with captured("json") as stream:
        try:
            raise ValueError("of a cell")
        except ValueError:
            logging.getLogger("house").exception("failed")
    (line,) = said(stream, "house")
    assert line["error"].endswith("ValueError: of a cell")


def test_a_plain_line_names_the_ids():
    with captured("plain") as stream, tracing.bound(run=7):
        logging.getLogger("house").warning("late")
    assert stream.getvalue().endswith(" WARNING house [run=7]: late\n")


def test_ids_end_with_their_block_and_a_note_outside_of_any_is_nothing():
    tracing.note(batch=1)
    with tracing.bound(run=7):
        tracing.note(batch=2)
        assert tracing.ids() == {"run": 7, "batch": 2}
    assert tracing.ids() == {}


def test_another_shape_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="TMS_LOG_FORMAT is xml; there are: plain, json"):
        logs.configuration("xml", "INFO")


def test_a_process_writes_what_the_setting_says(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TMS_", "DJANGO_"))}
    environment |= {"TMS_LOG_FORMAT": "json", "TMS_DATA_DIR": str(tmp_path)}
    code = "import logging; logging.getLogger('x').info('hello')"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stderr.splitlines()[-1])["message"] == "hello"


# --- ids ----------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_request_has_an_id_and_a_line_with_its_batch(client):
    channel_make(device_make("D1"))
    _, key = api_key_create("gateway", ["ingest"])
    meter = {"channel": 1, "start": "2026-03-14T00:00:00Z", "seconds": 900, "values": ["1"]}
    body = {"source": "near-term", "meters": [{"device": "D1", "intervals": [meter]}]}
    with captured("json") as stream:
        answer = client.post(
            "/api/v1/batches?note=private",
            json.dumps(body),
            "application/json",
            headers={"Authorization": f"Bearer {key}", "X-Request-ID": "proxy-17"},
        )
    assert (answer.status_code, answer["X-Request-ID"]) == (201, "proxy-17")
    (line,) = said(stream, "tms.requests")
    assert (line["request"], line["batch"]) == ("proxy-17", Batch.objects.get().pk)
    assert (line["path"], line["status"], line["key"]) == ("/api/v1/batches", 201, "gateway")
    assert "private" not in stream.getvalue()
    assert key not in stream.getvalue()


@pytest.mark.django_db
@pytest.mark.parametrize("given", ["", "a b", "x" * 65, 'q"}\\', "<script>"])
def test_an_id_that_is_no_plain_one_is_replaced(client, given):
    answer = client.get("/healthz", headers={"X-Request-ID": given})
    assert len(answer["X-Request-ID"]) == 32
    assert answer["X-Request-ID"] != client.get("/healthz")["X-Request-ID"]


@pytest.mark.django_db
def test_what_is_asked_all_the_time_has_no_line(client):
    with captured("json") as stream:
        for path in ("/healthz", "/readyz", "/metrics"):
            client.get(path)
    assert said(stream, "tms.requests") == []


@pytest.mark.django_db
def test_a_run_that_fails_says_which_it_is(data_dir, monkeypatch):
    from exports.services import worker
    from exports.services.definitions import definition_run

    run = definition_run(definition_make())

    def fails(run) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(worker, "run_plan", fails)
    with captured("json") as stream:
        run_step(run)
    (line,) = said(stream, "exports.services.worker")
    assert line["run"] == run.pk
    assert "a fault of ours" in line["error"]


def test_a_task_stands_while_it_runs():
    class Task:
        name = "exports.tasks.run"

    celery.task_begins(task_id="abc", task=Task)
    assert tracing.ids() == {"task": "exports.tasks.run", "task_id": "abc"}
    celery.task_ends(task_id="abc")
    celery.task_ends(task_id="abc")
    assert tracing.ids() == {}


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer tms_0a1b2c3d4e5f_" + "ab" * 24, "ab" * 24),
        ("{'Authorization': 'Bearer abcdefgh12345'}", "abcdefgh12345"),
        ("authorization: basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        ("the key tms_0a1b2c3d4e5f_" + "0f" * 24 + " is unknown", "0f" * 24),
        ("postgresql://tms:s3cr-t!@db7/tms refused", "s3cr-t!"),
        ("smtp+tls://:only-one@mail:587", "only-one"),
        ("{'username': 'eve', 'password': 'hunter two'}", "hunter two"),
        ('{"new_password": "hunter2", "x": 1}', "hunter2"),
        ("password=hunter2&next=/", "hunter2"),
        ("PIN: 4711", "4711"),
        ("Cookie: sessionid=zzzyyyxxx; csrftoken=aaabbb", "zzzyyyxxx"),
        ("Cookie: sessionid=zzzyyyxxx; csrftoken=aaabbb", "aaabbb"),
    ],
)
def test_what_looks_like_a_secret_is_not_written(text, secret):
    assert secret in text
    assert secret not in logs.redacted(text)
    assert logs.STARS in logs.redacted(text)


@pytest.mark.parametrize(
    "text", ["pinned to page 3", "Bearer realm=TMS", "https://tms.example.com/x:1", "tokens=3 left"]
)
def test_what_is_none_stays(text):
    assert logs.redacted(text) == text


@pytest.mark.django_db
@pytest.mark.parametrize("shape", ["plain", "json"])
def test_passwords_keys_and_pins_that_pass_through_are_never_written(client, shape, caplog):
    """At DEBUG, with every query of the database: nothing that was sent as a secret is in it."""
    User.objects.create_user("eve", password=PASSWORD, is_staff=True)
    _, key = api_key_create("gateway", ["ingest"])
    with captured(shape) as stream:
        client.post("/login/", {"username": "eve", "password": PASSWORD + "x"})
        client.post("/login/", {"username": "eve", "password": PASSWORD})
        client.post("/api/v1/batches", b"{", "application/json", headers={"Authorization": key})
        for token in (key, key[:-1] + "0", "Bearer"):
            client.post(
                "/api/v1/batches",
                b"{",
                "application/json",
                headers={"Authorization": f"Bearer {token}"},
            )
        job = send(f"Action,DeviceID,PIN\r\nA,D9,{PIN}\r\n")
        logging.getLogger("house").error("%r", {"password": PASSWORD, "headers": f"Bearer {key}"})
        logging.getLogger("house").error("posted %s", key)
    text = stream.getvalue()
    assert "house" in text
    for secret in (PASSWORD, key, key.rpartition("_")[2], PIN):
        assert secret not in text
    assert PIN not in str(list(ImportRow.objects.filter(job=job).values()))
    assert not Device.objects.filter(pin=PIN).exists()
    assert PASSWORD not in str(list(AccessAttempt.objects.values()))
