"""What was stored by somebody with bad intent: shown on every page, run on none, in no download."""

import csv
import io
import re

import openpyxl
import pytest
from django.contrib.auth.models import User
from django.db import models

from devices.models import Device, FunctionalGroup, Installation
from tests.security.rows import rows_make
from tests.security.test_headers import faults_of_page
from tests.security.test_matrix import PAGES
from tests.security.visit import address

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
SCRIPT = "<b id=own onclick=a()>\"'`{{7*7}}"
FORMULAS = ["=1+1", "+cmd|' /C'!A0", "-2+3", "@SUM(1)"]
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
# Names that lead to code or addresses; what they hold is never text of somebody's.
NOT_TEXT = {"password", "digest", "sha256", "path", "archive", "time_zone", "zone", "schedule"}
NOT_TEXT |= {"format", "code", "mnemonic", "prefix", "message_id", "link", "ip_address", "period"}
NOT_TEXT |= {"flow", "unit", "read_type", "answer", "values", "head", "kind", "worker"}


@pytest.fixture
def chief(client):
    client.force_login(User.objects.create_superuser("chief", password="long enough"))
    return client


def hostile(rows, text: str) -> int:
    """Put a text into every field of every shown row that may hold any; how many."""
    from django.apps import apps

    count = 0
    for label, key in rows.items():
        model = apps.get_model(label)
        for field in model._meta.concrete_fields:
            free = isinstance(field, models.CharField | models.TextField) and not field.choices
            if not free or field.name in NOT_TEXT or field.primary_key:
                continue
            if model is User and field.name in ("username",):
                continue
            value = text if not field.unique else f"{text}{key}"
            if field.max_length is not None and len(value) > field.max_length:
                value = value[: field.max_length]
            count += model.objects.filter(pk=key).update(**{field.name: value})
    return count


def test_no_page_runs_what_was_stored(chief, settings, tmp_path):
    rows = rows_make(settings, tmp_path)
    assert hostile(rows, SCRIPT) > 40
    wrong = []
    for way in PAGES:
        answer = chief.get(address(way, rows))
        if answer.streaming:
            b"".join(answer.streaming_content)
        elif answer["Content-Type"].startswith("text/html") and answer.content:
            text = answer.content.decode()
            wrong += [f"{way}: {fault}" for fault in faults_of_page(text)]
            if "<b id=own" in text or "49" in re.findall(r"`(49)", text):
                wrong.append(f"{way}: as markup")
        elif "json" in answer["Content-Type"]:
            assert "text/html" not in answer["Content-Type"]
    assert wrong == []


def cells_of(answer) -> list[str]:
    """All cells of a table that is downloaded; empty for what is none."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    kind = answer["Content-Type"]
    if kind.startswith("text/csv"):
        return [cell for row in csv.reader(io.StringIO(body.decode("utf-8-sig"))) for cell in row]
    if "spreadsheetml" in kind:
        book = openpyxl.load_workbook(io.BytesIO(body))
        found = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
        assert not [cell for cell in found if cell.data_type == "f"]
        return [str(cell.value or "") for cell in found]
    return []


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_download_holds_a_formula(chief, settings, tmp_path, formula):
    rows = rows_make(settings, tmp_path)
    device = Device.objects.get()
    Device.objects.filter(pk=device.pk).update(
        device_id=formula, meter_number=formula, serial_number=formula, address=formula
    )
    Installation.objects.filter(device=device).update(account_id=formula, premise_id=formula)
    groups = FunctionalGroup.objects.filter(memberships__device=device)
    groups.update(name=formula, code=formula[:12])
    seen, wrong = 0, []
    for way in PAGES:
        if not re.search(r"csv|xlsx|download|template|present|readings", way.name):
            continue
        answer = chief.get(address(way, rows))
        cells = cells_of(answer)
        seen += bool(cells)
        bad = {
            cell for cell in cells if re.match(r"[=+\-@\t\r]", cell) and not NUMBER.fullmatch(cell)
        }
        if bad:
            wrong.append(f"{way}: {bad}")
        named = answer.get("Content-Disposition", "")
        assert re.fullmatch(r'(attachment; filename="[\w.=+@ \-]*")?', named), (way, named)
    assert seen >= 7
    assert wrong == []
