"""Exports of the reads that a bill needs: those that the page shows, in every register format."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from devices.bestread import WINDOW, bill_reads
from devices.billing import Cycle, lines_for_cycle, members_for_cycle
from devices.models import FunctionalGroup, Installation
from devices.readings import Status
from exports import formats
from exports.services.archive import run_rebuild
from exports.services.requests import RunRequest, run_create
from tests.devices import fleet
from tests.exports.factories import definition_make, run_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
OPENS, CLOSES = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BORDER = OPENS + 10 * DAY
REGISTER_FORMATS = {
    "btf": {},
    "idf": {},
    "rde": {},
    "rde wide": {"profile": "wide"},
    "sxml": {"intervals": "no"},
}


@pytest.fixture
def cycle():
    """Two meters with a month, one exchanged for another in it, one without a closing read."""
    devices = fleet.make_devices(5)
    for device in devices[:2]:
        fleet.store_total(device, OPENS, "100")
        fleet.store_total(device, CLOSES - 2 * HOUR, "148", "CUR")
        fleet.store_total(device, CLOSES, "150")
    old, new, without = devices[2:]
    Installation.objects.filter(device=old).update(valid_to=BORDER)
    Installation.objects.filter(device=new).update(valid_from=BORDER)
    for device, at, amount, kind in (
        *((old, OPENS, "500", "SR"), (old, BORDER, "520", "OD"), (old, CLOSES, "9", "SR")),
        *((new, BORDER, "3", "OD"), (new, CLOSES + HOUR, "40", "SR")),
        (without, CLOSES + 9 * DAY, "1", "SR"),
    ):
        fleet.store_total(device, at, amount, kind)
    return devices


def billed(days: timedelta = timedelta(days=3)) -> set[tuple[str, datetime, str]]:
    """What the page shows as taken, of what an export sends."""
    group = FunctionalGroup.objects.get(code="CYCLE01")
    cycle = Cycle(group, OPENS, CLOSES, WINDOW._replace(before=days))
    return {
        (line.device.meter_number, read.time, read.read_type)
        for line in lines_for_cycle(cycle, members_for_cycle(cycle))
        for read in bill_reads(line.bill, line.came)
    }


def sent(run) -> set[tuple[str, datetime, str]]:
    form = formats.get(run.format)
    with open(run.files.get().path, "rb") as stream:
        meters = list(form.read(io.BytesIO(stream.read()), form.options_clean({}, "read")))
    return {
        (meter.device.meter_number, read.time, read.read_type)
        for meter in meters
        for read in meter.reads
    }


def exported(name: str, title: str = "BILL", **options):
    code, given = name.split()[0], {**REGISTER_FORMATS[name], "reads": "bill", **options}
    definition = definition_make(
        *(title,), groups=["CYCLE01"], format=code, options=given, start=OPENS, end=CLOSES
    )
    run = run_now(definition)
    assert run.state == "done", run.error
    return run


@pytest.mark.parametrize("name", REGISTER_FORMATS)
def test_a_file_has_just_the_reads_that_the_page_shows(cycle, name):
    found = sent(exported(name))
    assert found == billed()
    assert found == {
        ("M00000000", CLOSES, "SR"),
        ("M00000001", CLOSES, "SR"),
        ("M00000002", BORDER, "OD"),
        ("M00000003", BORDER, "OD"),
        ("M00000003", CLOSES + HOUR, "SR"),
    }


def test_the_window_and_the_types_are_the_definitions(cycle):
    fleet.store_total(cycle[4], CLOSES - 9 * DAY, "1")
    found = sent(exported("btf", days_before=10))
    assert found == billed(timedelta(days=10))
    assert ("M00000004", CLOSES - 9 * DAY, "SR") in found
    assert sent(exported("btf", "CURRENT", read_types="CUR")) == {
        ("M00000000", CLOSES - 2 * HOUR, "CUR"),
        ("M00000001", CLOSES - 2 * HOUR, "CUR"),
    }


def test_a_better_read_that_came_after_the_horizon_does_not_change_the_file(cycle):
    run = exported("rde")
    before = sent(run)
    fleet.store_total(cycle[4], CLOSES, "2", status=Status.EDITED)
    [file] = run_rebuild(run)
    assert file.same
    assert ("M00000004", CLOSES, "SR") in billed() - before


def test_what_is_new_has_no_period_to_bill(cycle):
    with pytest.raises(ValidationError, match="reads=all"):
        definition_make("X", format="btf", period="since_last", options={"reads": "bill"})
    with pytest.raises(ValueError, match="reads=all"):
        run_create(RunRequest("btf", OPENS, CLOSES, options={"reads": "bill"}, since=0))
