"""The demo utility begins with an export, so that “Export now” can be pressed at once."""

from io import StringIO

import pytest
from django.core.management import call_command

from exports.models import ExportDefinition, ExportRun
from exports.services import demo
from tests.exports.factories import definition_make

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
ZONE = "America/Chicago"


def demo_begin(*words: str) -> None:
    call_command("demo", *words, devices=3, days=2, zone=ZONE, verbosity=0, stdout=StringIO())


def test_a_new_house_has_a_nightly_export_that_runs():
    demo_begin("--once")
    made = ExportDefinition.objects.get()
    assert (made.name, made.zone, made.schedule_zone) == (demo.NAME, ZONE, ZONE)
    assert [group.code for group in made.groups.all()] == ["CYCLE01"]
    assert made.next_due is not None
    call_command("run", demo.NAME, stdout=StringIO())
    run = ExportRun.objects.get()
    assert (run.state, run.meters) == ("done", 3)
    assert run.warnings == []


def test_it_is_made_once_and_not_beside_an_export_of_somebodys_own():
    demo_begin()
    assert not ExportDefinition.objects.exists()
    definition_make(name="OURS")
    demo.definition_create(ZONE)
    assert [row.name for row in ExportDefinition.objects.all()] == ["OURS"]
