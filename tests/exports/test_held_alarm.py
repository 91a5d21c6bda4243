"""People hear of a run that is held back, until it is released, dropped or replaced."""

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from events.models import SystemAlarm
from exports import services
from exports.models import ExportRun, Hold
from exports.services import worker
from tests.exports.factories import D, definition_make, meters_make, readings_post, run_now
from tests.exports.test_gate import estimated_post, since

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]


def standing() -> list[SystemAlarm]:
    return list(SystemAlarm.objects.filter(code="TMS_HELD", cleared=None))


@pytest.fixture
def run() -> ExportRun:
    good, bad = meters_make(2)
    readings_post([good])
    estimated_post(bad)
    return run_now(definition_make(gate="run", gate_estimated=10))


def test_the_alarm_says_which_run_and_why(run):
    (told,) = standing()
    assert told.title == "Export NIGHTLY is held back"
    assert told.text == "1 of 2 meters fall short: D0001"
    assert told.link == reverse("admin:exports_exportrun_change", args=[run.pk])


def test_it_is_over_when_the_run_is_released(run):
    ada = User.objects.create_superuser("ada", password="long enough")
    assert services.hold_release(Hold.objects.get(), user=ada, note="seen")
    assert standing() == []


def test_it_is_over_when_the_run_is_dropped(run):
    assert worker.run_cancel(run)
    assert standing() == []


def test_it_is_over_when_a_newer_run_replaces_it():
    (bad,) = meters_make(1)
    estimated_post(bad)
    definition = since(gate="run")
    run_now(definition)
    assert len(standing()) == 1
    readings_post([bad], day=D, slot=0, values=list(range(100, 124)))
    run_now(definition)
    assert standing() == []
