"""Pages of live exports: the form offers what makes sense, the dashboard tells their delay."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django.utils import timezone

from exports.models import ExportDefinition, ExportRun
from exports.services.flows import flows_flush
from tests.exports.factories import definition_make, meters_make, readings_post, work_all
from tms import roles

pytestmark = pytest.mark.django_db
ADD = "admin:exports_exportdefinition_add"


@pytest.fixture
def operator(client, settings, tmp_path):
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()
    user = User.objects.create_user("Operator", password="long enough", is_staff=True)
    user.groups.add(Group.objects.get(name=roles.ROLES[2]))
    client.force_login(user)
    return client


def test_only_a_format_that_flows_is_asked_when_to_flush(operator):
    live = operator.get(reverse(ADD) + "?format=rte").content.decode()
    assert 'name="flush_seconds" value="10"' in live
    assert 'name="flush_rows" value="1000"' in live
    assert '<option value="since_last" selected>' in live
    other = operator.get(reverse(ADD) + "?format=cmep").content.decode()
    assert "flush_seconds" not in other


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"flush_seconds": "0"}, "greater than or equal to 1"),
        ({"flush_seconds": "3601"}, "less than or equal to 3600"),
        ({"flush_rows": ""}, "This field is required"),
        ({"schedule": "*/5 * *"}, "errorlist"),
        ({}, ""),
    ],
)
def test_the_form_checks_them(operator, given, fault):
    posted = {
        **{"name": "LIVE", "active": "on", "period": "since_last", "from_now": "on"},
        **{"flush_seconds": "5", "flush_rows": "200", "missed": "run_once", "priority": "3"},
        **{"on_error": "stop", "on_unsupported": "skip", "option_names": "on"},
    }
    answer = operator.post(reverse(ADD) + "?format=rte", posted | given)
    if fault:
        assert fault in answer.content.decode()
        assert not ExportDefinition.objects.exists()
        return
    made = ExportDefinition.objects.get()
    assert (made.is_flow, made.flush_seconds, made.flush_rows) == (True, 5, 200)


def test_pages_of_a_live_export(operator):
    flow = definition_make("LIVE", format="rte", period="since_last", zone="UTC")
    assert "Readings as they arrive" not in operator.get("/").content.decode()
    readings_post(meters_make(), values=[1])
    flows_flush(timezone.now() + timedelta(seconds=11))
    work_all()
    received = flow.runs.get().first_received
    ExportRun.objects.update(finished=received + timedelta(seconds=10.4))
    text = operator.get("/").content.decode()
    assert "Readings as they arrive" in text
    assert "10.4 s" in text
    page = operator.get(reverse("admin:exports_exportdefinition_change", args=[flow.pk]))
    assert "<dt>Next Seq</dt><dd>4</dd>" in page.content.decode()
    assert "As soon as readings have arrived." in page.content.decode()
