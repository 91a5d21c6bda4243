"""The command `ingest`: files go through the same service, and say in one line why not."""

import gzip
import json
from pathlib import Path

import pytest

from devices.models import Batch, Channel, Device, DeviceClass
from tests.exports.ingesting import fails, ingest

pytestmark = pytest.mark.django_db
DATA = Path(__file__).resolve().parent.parent / "data"
START = "2026-03-14T00:00:00Z"


@pytest.fixture(autouse=True)
def device_class():
    return DeviceClass.objects.get_or_create(code="PLAIN")[0]


def file_of(tmp_path, *meters, packed=False, **members):
    body = json.dumps({"meters": meters, **members}).encode()
    path = tmp_path / "batch.json"
    path.write_bytes(gzip.compress(body) if packed else body)
    return path


def run(**members):
    return {"start": START, "seconds": 900, "uom": "KWH", "counts": [1], **members}


def test_real_intervals_make_their_devices_and_channels_once():
    path = DATA / "real-consumption.json.gz"
    first = ingest(path, "--format", "json", "--provision", "PLAIN")
    assert (first["devices"], first["intervals"]) == (3, 62_342)
    assert first["created"] == {"devices": 3, "channels": 3}
    assert ingest(path, "--format", "json", "--provision", "PLAIN") == first
    assert Batch.objects.count() == 1


def test_real_register_reads_need_no_channel():
    path = DATA / "cmep.dat"
    report = ingest(path, "--format", "cmep", "--provision", "PLAIN")
    assert (report["devices"], report["registers"]) == (5, 125)
    assert report["created"] == {"devices": 5, "channels": 0}
    assert Batch.objects.get().source == "imported"


@pytest.mark.parametrize("packed", [False, True])
def test_a_json_file_may_be_plain_or_gzip(tmp_path, packed):
    path = file_of(tmp_path, {"device": "N", "intervals": [run()]}, packed=packed)
    assert ingest(path, "--format", "json", "--provision", "PLAIN")["intervals"] == 1


def test_resolution_and_zone_are_of_what_is_made(tmp_path):
    path = file_of(tmp_path, {"device": "N", "intervals": [run()]})
    ingest(path, "--format", "json", "--provision", "PLAIN", "--resolution", "0.25",
           "--zone", "America/Chicago", "--source", "manual")  # fmt: skip
    assert str(Channel.objects.get().resolution.normalize()) == "0.25"
    assert Device.objects.get().time_zone == "America/Chicago"
    assert Batch.objects.get().source == "manual"


def test_on_error_meter_goes_before_what_the_file_says(tmp_path):
    path = file_of(
        tmp_path,
        {"device": "N", "intervals": [run()]},
        {"device": "M", "intervals": [run(counts=[])]},
        on_error="batch",
    )
    report = ingest(path, "--format", "json", "--provision", "PLAIN", "--on-error", "meter")
    assert (report["status"], report["devices"]) == ("partial", 1)
    assert [p["code"] for p in report["refused"]] == ["NO_VALUES"]


def test_unknown_meters_are_refused_without_provision():
    assert fails(DATA / "cmep.dat", "--format", "cmep").returncode == 1


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = file_of(tmp_path, {"device": "N", "intervals": [run()]}, packed=True)
    path.write_bytes(path.read_bytes()[:-9])
    assert fails(path, "--format", "json", "--provision", "PLAIN").returncode == 1


def test_a_file_that_is_not_there(tmp_path):
    assert fails(tmp_path / "none", "--format", "cmep").returncode == 1


def test_an_option_that_the_format_does_not_have():
    assert fails(DATA / "cmep.dat", "--format", "cmep", "--option", "colour=red").returncode == 2
