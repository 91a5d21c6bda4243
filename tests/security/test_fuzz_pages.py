"""Garbage sent to every page: never a fault of ours, and nothing stored that could not be entered.

Forms are filled as they are shown, then some fields with what nobody should send. Each example is
rolled back, so that every one meets the same house.
"""

import unicodedata
from typing import Any

import lxml.html
import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.security import nasty
from tests.security.rows import Rows, rows_make
from tests.security.test_matrix import PAGES
from tests.security.visit import KEYS, address
from tests.security.ways import Way

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
CALM = {200, 301, 302, 400, 403, 404, 405, 413, 429}
LONG = {"admin:exports_exportrun_rebuild", "admin:events_alarmrule_test"}  # nothing is filled in
OURS = [way for way in PAGES if way.name not in ("healthz", "readyz", "metrics")]
WITH_KEY = [way for way in OURS if way.name and set(KEYS) & set(way.parameters)]


def fuzz(examples: int):
    """So many examples, however long one takes, all against one house."""
    calm = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=examples, deadline=None, suppress_health_check=calm)


class House:
    """A superuser's browser, one row of each model, and what each page's form holds."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.client = Client()
        chief = User.objects.create_superuser("chief", password="long enough")
        self.client.force_login(chief)
        self.forms: dict[Way, dict[str, Any]] = {}
        registered = admin.site._registry
        self.before = {model: rubbish_in(model) for model in registered}

    def form_of(self, way: Way) -> dict[str, Any]:
        """The fields of a page's main form, filled as it shows them."""
        if way not in self.forms:
            answer = self.client.get(address(way, self.rows))
            html = b"" if answer.streaming else answer.content
            is_page = answer.status_code == 200 and b"<form" in html
            forms = lxml.html.fromstring(html).forms if is_page else []
            main = max(forms, key=lambda form: len(list(form.inputs)), default=None)
            self.forms[way] = {} if main is None else _filled(main)
        return dict(self.forms[way])

    def harmless(self, method: str, *asked: Any) -> None:
        """Ask, look at what is stored, forget it."""
        path = asked[1] if method == "generic" else asked[0]
        with transaction.atomic():
            answer = getattr(self.client, method)(*asked)
            if answer.streaming:
                b"".join(answer.streaming_content)
                for close in answer._resource_closers:  # as a server does; an answer to HEAD, too
                    close()
            assert answer.status_code in CALM, (method, asked, answer.status_code)
            model = model_of(path)
            if method != "get" and answer.status_code == 302 and model is not None:
                stored = rubbish_in(model) - self.before.setdefault(model, set())
                assert not stored, (asked, stored)
            transaction.set_rollback(True)


def _filled(form: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in form.inputs:
        name, kind = element.get("name"), element.get("type", "")
        if not name or name == "csrfmiddlewaretoken":
            continue
        if kind in ("checkbox", "radio"):
            if element.get("checked") is not None:
                found.setdefault(name, []).append(element.get("value", "on"))
        elif kind != "file":
            value = element.value
            found[name] = list(value) if isinstance(value, set) else (value or "")
    return found


def rubbish_in(model: type[models.Model]) -> set[tuple[Any, str]]:
    """What in the rows of a model is not valid by its own rules, or holds control characters."""
    found = set()
    for row in model._default_manager.all()[:20]:
        try:
            row.clean_fields()
        except ValidationError as error:
            empty = (None, "", [], {})
            found |= {(row.pk, n) for n in error.message_dict if getattr(row, n) not in empty}
        for field in model._meta.concrete_fields:
            value = getattr(row, field.attname)
            text = value if isinstance(field, models.CharField) and value else ""
            if any(unicodedata.category(character) in ("Cc", "Cs") for character in text):
                found.add((row.pk, f"{field.name} {value!r}"))
    return found


def model_of(path: str) -> type[models.Model] | None:
    """The model that a page is about."""
    try:
        return apps.get_model(".".join(path.strip("/").split("/")[:2]))
    except (LookupError, ValueError):
        return None


@pytest.fixture
def house(settings, tmp_path) -> House:
    settings.AXES_ENABLED = False
    return House(rows_make(settings, tmp_path))


@fuzz(120)
@given(way=st.sampled_from(OURS), data=st.data())
def test_forms_filled_with_anything_are_harmless(house, way, data):
    form = house.form_of(way)
    for name in sorted(form):
        if data.draw(st.integers(0, 2)) == 0:
            form[name] = data.draw(nasty.texts)
    if way.name.endswith("_changelist"):
        form = {"action": data.draw(nasty.texts), "_selected_action": data.draw(nasty.texts)}
    if way.name == "admin:devices_importjob_add":
        body = data.draw(st.one_of(st.binary(max_size=200), st.just(b"Action,DeviceID\r\nA,\0")))
        form["file"] = SimpleUploadedFile(data.draw(nasty.texts).strip("\0/.") or "x", body)
    house.harmless("post", address(way, house.rows), form)


@fuzz(80)
@given(way=st.sampled_from(OURS), query=nasty.queries)
def test_addresses_with_any_query_are_harmless(house, way, query):
    house.harmless("get", address(way, house.rows), query)


@fuzz(60)
@given(way=st.sampled_from(WITH_KEY), key=nasty.keys, method=st.sampled_from(["get", "post"]))
def test_addresses_of_rows_that_are_none_are_harmless(house, way, key, method):
    path = (
        address(way, {**house.rows, **dict.fromkeys(house.rows, 987654321)})
        if ("group" not in way.parameters)
        else f"/devices/device/987654321/history/{key}/"
    )
    house.harmless(method, path.replace("987654321", key))


# fmt: off
BODIES = [
    (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
    (b"a=%FF%FE&b=%", "application/x-www-form-urlencoded; charset=nonsense"),
    (b"a=1", "multipart/form-data"),
    (b"--x\r\nContent-Disposition: form-data\r\n\r\n", "multipart/form-data; boundary=x"),
    (b'--x\r\nContent-Disposition: form-data; name="\xff"; filename="/../x"\r\n\r\n1\r\n--x--',
     "multipart/form-data; boundary=x"),
    (b'{"a": 1}', "application/json"),
    (b"<a/>", "text/xml"),
    (b"&".join(b"a=1" for _ in range(5001)), "application/x-www-form-urlencoded"),
    (b"a=" + b"x" * (10 * 1024 * 1024 + 1), "application/x-www-form-urlencoded"),
]
# fmt: on


def test_bodies_of_any_kind_are_harmless(house):
    for place, (body, kind) in enumerate(BODIES):
        for way in OURS[place % 3 :: 3]:  # each page meets three of them
            if way.name not in LONG:
                house.harmless("generic", "POST", address(way, house.rows), body, kind)
