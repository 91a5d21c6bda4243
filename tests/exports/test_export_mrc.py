"""`export mrc`: what a message route wrote in a period, again, with its own sequences."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from events.models import RouteRecord
from events.services.routes import route_write
from tests.events.arriving import (
    TIME,
    arrive,
    device_placed,
    lines_of,
    outage,
    path_of,
    restore,
    route_make,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings, tmp_path):
    settings.DATA_DIR = tmp_path


def export(target, *arguments, route="oms"):
    period = [(TIME - timedelta(days=1)).isoformat(), (TIME + timedelta(days=1)).isoformat()]
    out = io.StringIO()
    call_command(
        *("export", "mrc", "--start", period[0], "--end", period[1], "--option", f"route={route}"),
        *("--output", str(target), "--json", *arguments),
        stdout=out,
    )
    return json.loads(out.getvalue())


@pytest.fixture
def route():
    """A route that has written three records."""
    made = route_make()
    device = device_placed("SSI0004711", service_point_id="SP-1")
    for report, seconds in ((outage(), 9), (restore(1283), 1294), (outage(9000), 9012)):
        arrive((device, report), received=TIME + timedelta(seconds=seconds))
    route_write(made.pk)
    return made


def test_the_records_of_the_period_are_written_as_they_were(route, tmp_path):
    target = tmp_path / "again.dat"
    report = export(target)
    assert lines_of(target) == lines_of(path_of(route))
    assert (report["status"], report["records"]) == ("done", 3)
    assert [RouteRecord.objects.count(), len(lines_of(path_of(route)))] == [3, 3]


def test_a_folder_gets_the_routes_own_name(route, tmp_path):
    report = export(f"{tmp_path}/made/")
    assert report["files"][0]["path"].endswith("/made/MRC_oms.dat")


def test_only_what_was_received_in_the_period(route, tmp_path):
    RouteRecord.objects.filter(sequence=1).update(received=TIME - timedelta(days=2))
    export(tmp_path / "again.dat")
    assert lines_of(tmp_path / "again.dat") == lines_of(path_of(route))[1:]


def test_a_route_that_is_not_there_is_named_with_those_that_are(route, tmp_path):
    with pytest.raises(CommandError, match=r"--option route=nobody: there are: .*oms"):
        export(tmp_path / "x.dat", route="nobody")
    assert not (tmp_path / "x.dat").exists()


def test_a_definition_cannot_be_of_it():
    from django.core.exceptions import ValidationError

    from tests.exports.factories import definition_make

    with pytest.raises(ValidationError, match="mrc is not written by exports"):
        definition_make(format="mrc")
