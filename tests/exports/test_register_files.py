"""Files of registers that come in: bad ones are refused and explained, nothing is stored."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from devices.models import Batch, Device
from exports.models import RunFile
from tests.devices import fleet
from tests.exports.factories import definition_make, run_now

pytestmark = pytest.mark.django_db


def run(name: str, *arguments: str) -> dict:
    out = io.StringIO()
    call_command(name, *arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def ingest_refused(path: Path, code: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("ingest", str(path), "--format", code, "--provision", "CENTRON",
                     stderr=io.StringIO())  # fmt: skip
    assert (Device.objects.count(), Batch.objects.count()) == (0, 0)
    return str(caught.value)


@pytest.fixture
def golden(tmp_path):
    """Copies an example to a file, with some bytes changed."""

    def copy(name: str, old: bytes, new: bytes) -> Path:
        data = (Path(__file__).parents[1] / "golden" / name).read_bytes()
        assert old in data
        (tmp_path / "file").write_bytes(data.replace(old, new, 1))
        return tmp_path / "file"

    return copy


BOMB = b'<!DOCTYPE SXML [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>\n<SXML'
OUTSIDE = b'<!DOCTYPE SXML [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<SXML'


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("sxml/autumn.xml", b"<SXML", BOMB, "a document type declaration"),
        ("sxml/autumn.xml", b"<SXML", OUTSIDE, "a document type declaration"),
        (
            "sxml/autumn.xml",
            b"<Value>48213.5</Value>",
            b"<Value>many</Value>",
            "(line 30, column 11)",
        ),
        (
            "sxml/autumn.xml",
            b"<Value>48213.5</Value>",
            b"<Value>48213.6</Value>",
            "EnergyControlTotal",
        ),
        ("btf/1_self_read.txt", b" \r\nBTFR", b"\r\nBTFR", "199 characters, not 200"),
        ("btf/1_self_read.txt", b"70133.9480", b"70133.9481", "energy total: the file says"),
        ("rde/1_self_read.csv", b"70133.948", b"70133.949", "EnergyTotal: the file says"),
        ("rde/1_self_read.csv", b"SSI0004711", b"SSI0004712", "reused meter number 00123456"),
        ("idf/1_self_read.idf", b",KWH,", b",BTU,", "'BTU' is not in the list"),
    ],
)
def test_a_bad_file_is_refused_explained_and_nothing_stored(golden, name, old, new, why):
    assert why in ingest_refused(golden(name, old, new), name.partition("/")[0])


def test_devices_named_by_their_ids_alone_are_kept_apart(tmp_path):
    head = "RDEC,DeviceID,ReadType,ReadTime,RegisterNo,RegisterClass,UOM,Value"
    rows = [f"RDED,D{n},SR,2026-03-01T00:00:00Z,1,SUM,KWH,{n}" for n in range(3)]
    (tmp_path / "file").write_text("\n".join([head, *rows]))
    answer = run("ingest", str(tmp_path / "file"), "--format", "rde", "--provision", "CENTRON",
                 "--option", "strict=no")  # fmt: skip
    assert (answer["devices"], answer["registers"]) == (3, 3)
    assert set(Device.objects.values_list("device_id", flat=True)) == {"D0", "D1", "D2"}


def test_more_rates_than_the_wide_layout_holds_stop_the_file(data_dir):
    (device,) = fleet.make_devices(1)
    at = datetime(2026, 3, 14, 5, tzinfo=UTC)
    fleet.store_total(device, at, "1", rate="E")
    run = run_now(definition_make(format="rde", options={"profile": "wide"}))
    assert run.state == "failed"
    assert run.error.startswith("RDE02 RDE M00000000")
    assert not RunFile.objects.exists()
