"""Garbage sent to every call that the OpenAPI description names: never a fault of ours.

What is sent follows from the description, so a new call is met as soon as it is described.
The bodies of batches have tests of their own (tests/devices/test_api_fuzz.py).
"""

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.db import transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.models import ApiKey
from devices.services.keys import api_key_create
from exports.models import ExportRun
from tests.devices.test_api_fuzz import TREES
from tests.security import nasty
from tests.security.matrix import CALLS
from tests.security.rows import rows_make
from tms.api import api

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
CALM = {200, 201, 202, 400, 404, 409, 410, 413, 415, 422, 429}
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [
    (path, method, operation)
    for path, methods in api.get_openapi_schema()["paths"].items()
    for method, operation in methods.items()
    if method in METHODS
]
KNOWN = {"device_id": "D0000", "name": "NIGHTLY", "run_id": "0", "n": "1"}


@pytest.fixture
def caller(settings, tmp_path) -> Client:
    rows_make(settings, tmp_path)
    _, key = api_key_create("all", ApiKey.Scope.values)
    return Client(headers={"Authorization": f"Bearer {key}"}, raise_request_exception=False)


def test_every_call_is_described():
    wanted = [op for _, _, op in OPERATIONS if op.get("security")]
    assert len(wanted) == len(CALLS)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(place=st.sampled_from(range(len(OPERATIONS))), data=st.data())
def test_calls_with_anything_are_harmless(caller, place, data):
    path, method, operation = OPERATIONS[place]
    query: dict[str, Any] = {}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        known = {**KNOWN, "run_id": str(ExportRun.objects.latest("pk").pk)}
        if parameter["in"] == "path":
            value = data.draw(st.one_of(st.just(known[name]), nasty.texts))
            path = path.replace(f"{{{name}}}", quote(value, safe="") or "x")
        elif parameter["in"] == "query" and data.draw(st.booleans()):
            query[name] = data.draw(nasty.texts)
    options: dict[str, Any] = {"query_params": query}
    if "requestBody" in operation or method in ("post", "put", "patch"):
        body = data.draw(st.one_of(TREES.map(json.dumps), nasty.texts, st.binary(max_size=30)))
        options["data"] = body if isinstance(body, bytes) else body.encode("utf-8", "replace")
        options["content_type"] = "application/json"
    if data.draw(st.booleans()):
        options["headers"] = {"Idempotency-Key": data.draw(st.text("ab é,\t", max_size=4))}
    with transaction.atomic():
        before = ExportRun.objects.count()
        answer = getattr(caller, method)(path, **options)
        if answer.streaming:
            assert b"".join(answer.streaming_content)
        assert answer.status_code in CALM, (method, path, options, answer.content[:300])
        if answer.status_code >= 400:
            assert answer["Content-Type"].startswith("application/json"), (path, answer.content)
            assert ExportRun.objects.count() == before
        transaction.set_rollback(True)


@pytest.mark.parametrize(
    "value",
    ["Bearer", "Bearer  ", "Basic eDp5", "Bearer " + "x" * 10000, "Bearer \x7f", "Bearer tms_a_b"],
)
def test_authorisations_of_any_kind_are_harmless(value):
    for path, method, _ in OPERATIONS:
        answer = getattr(Client(), method)(
            path.replace("{run_id}", "1").replace("{n}", "1"), headers={"Authorization": value}
        )
        assert answer.status_code == (404 if "schemas" in path else 401)
