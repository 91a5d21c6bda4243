"""The interface as a whole: its documentation works offline, its errors have one shape."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.db import OperationalError

from devices.api import devices
from tests.devices.callers import Caller, key_make

pytestmark = pytest.mark.django_db


def test_the_documentation_page_needs_nothing_from_elsewhere_and_no_inline_script():
    page = Caller().get("/docs")
    html = page.content.decode()
    assert page.status_code == 200
    assert "default-src 'self'" in page["Content-Security-Policy"]
    links = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert links
    for link in links:
        assert link.startswith("/static/")
        assert finders.find(link.removeprefix("/static/"))
    for attributes, body in re.findall(r"<script([^>]*)>(.*?)</script>", html, re.DOTALL):
        assert 'type="application/json"' in attributes or not body.strip()
    assert "<style" not in html
    assert not re.search(r"\son\w+=", html)


def test_the_description_names_every_call_with_its_answers():
    schema = Caller().get("/openapi.json").json()
    paths = schema["paths"]
    assert {
        "/api/v1/batches",
        "/api/v1/devices",
        "/api/v1/devices/{device_id}",
        "/api/v1/devices/{device_id}/intervals",
        "/api/v1/devices/{device_id}/registers",
        "/api/v1/exports/{name}/runs",
        "/api/v1/runs/{run_id}",
        "/api/v1/runs/{run_id}/files/{n}",
    } <= set(paths)
    assert "security" not in paths.pop("/api/v1/schemas/{name}")["get"]  # for anybody
    for path, calls in paths.items():
        for call in calls.values():
            assert call["security"], path
            assert {"401", "403"} <= set(call["responses"]), path
            for answer in call["responses"].values():
                (content,) = answer["content"].values()
                assert content["schema"], path
    post = paths["/api/v1/batches"]["post"]
    assert {"200", "201", "400", "409", "413", "415", "422", "429"} <= set(post["responses"])
    assert post["requestBody"]["content"]["application/json"]["schema"]["properties"]["meters"]
    assert "$defs" not in str(schema)


@pytest.mark.parametrize("path", ["/nothing", "/batches/", "/devices/", "/a/b/c"])
def test_what_is_not_there_is_404_in_json(path):
    caller = Caller(key_make())
    assert caller.get(path).status_code == 404
    assert list(caller.get(path).json()) == ["detail"]


def test_another_method_is_405_in_json_and_says_which_are_possible():
    caller = Caller(key_make())
    for answer, allowed in (
        (caller.get("/batches"), "POST"),
        (caller.post({}, path="/devices"), "GET"),
    ):
        assert answer.status_code == 405
        assert answer["Allow"] == allowed
        assert list(answer.json()) == ["detail"]


def test_a_fault_of_ours_is_500_in_json_and_logged(monkeypatch, caplog):
    monkeypatch.setattr(devices, "devices_visible", lambda key: 1 / 0)
    answer = Caller(key_make()).get("/devices")
    assert answer.status_code == 500
    assert answer.json() == {"detail": "Internal error."}
    assert "ZeroDivisionError" in caplog.text


def test_a_database_that_is_away_is_503_and_worth_another_try(monkeypatch):
    def fail(*args):
        raise OperationalError("no connection")

    monkeypatch.setattr(devices, "devices_visible", fail)
    answer = Caller(key_make()).get("/devices")
    assert answer.status_code == 503
    assert answer["Retry-After"]
    assert list(answer.json()) == ["detail"]
