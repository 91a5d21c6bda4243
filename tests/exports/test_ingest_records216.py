"""MV-90 and HHF-X1 files into the store by `ingest`, and out of it again."""

import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from devices.models import Channel, ChannelTemplate, Device, DeviceClass, Installation
from tests.devices.factories import channel_make, device_make
from tests.exports.formats.golden import GOLDEN
from tests.exports.formats.mv90_cases import quarters
from tests.exports.formats.records216_tools import METER, at, frame, sheet, write
from tests.exports.ingesting import fails, ingest

pytestmark = pytest.mark.django_db
MV90 = GOLDEN / "mv90/1_day_one_missing.MDE"
HHF = GOLDEN / "hhf/1_day_register_event.hhx"
EASTERN = ("--zone", "America/New_York")


@pytest.fixture(autouse=True)
def device_class():
    return DeviceClass.objects.get_or_create(code="PLAIN")[0]


def export(tmp_path, code, *arguments):
    path = tmp_path / "out.bin"
    call_command(
        *("export", code, "--start", "2024-03-01", "--end", "2024-03-02", *EASTERN),
        *("--output", str(path), *arguments),
        stdout=io.StringIO(),
        stderr=io.StringIO(),
    )
    return path.read_bytes()


@pytest.mark.parametrize(
    ("code", "path", "registers"), [("mv90", MV90, 2), ("hhf", HHF, 2)], ids=["mv90", "hhf"]
)
def test_a_file_makes_its_devices_and_comes_out_again(tmp_path, code, path, registers):
    made = ingest(path, "--format", code, "--provision", "PLAIN", *EASTERN)
    assert (made["devices"], made["intervals"], made["registers"]) == (1, 96, registers)
    assert made["created"] == {"devices": 1, "channels": 1}
    channel = Channel.objects.get()
    assert (channel.number, channel.resolution) == (1, Decimal("0.01"))
    again = export(tmp_path, code)
    assert len(again) == path.stat().st_size
    first = path.read_bytes()
    cells = slice(first.index(b"\xe9\x03") - 2, first.index(b"\xec\x03") + 214)
    assert again[cells] == first[cells]


def test_the_start_and_stop_readings_are_kept(tmp_path):
    ingest(MV90, "--format", "mv90", "--provision", "PLAIN", *EASTERN)
    header = export(tmp_path, "mv90")[216:432]
    assert header[101:125] == b"00001000.000" + b"00001996.000"


def test_times_are_of_the_system_zone_unless_told(settings):
    settings.TIME_ZONE = "America/Chicago"
    ingest(MV90, "--format", "mv90", "--provision", "PLAIN")
    assert Channel.objects.get().grid_offset == -6 * 3600
    other = str(fails(MV90, "--format", "mv90", "--option", "zone=Nowhere"))
    assert "option zone" in other


@pytest.mark.parametrize(
    ("arguments", "resolution"),
    [
        ([], "0.01"),
        (["--resolution", "0.005"], "0.005"),
        (["--option", "resolutions=*=0.05"], "0.05"),
    ],
)
def test_a_made_channel_has_the_resolution_asked_for_or_the_cells_own(arguments, resolution):
    ingest(MV90, "--format", "mv90", "--provision", "PLAIN", *arguments)
    assert Channel.objects.get().resolution == Decimal(resolution)


def test_a_made_channel_has_the_resolution_of_its_classes_template(device_class):
    ChannelTemplate.objects.create(
        device_class=device_class,
        number=1,
        unit="KWH",
        flow="DEL",
        seconds=900,
        value_type="U",
        resolution=Decimal("0.001"),
    )
    ingest(MV90, "--format", "mv90", "--provision", "PLAIN")
    assert Channel.objects.get().resolution == Decimal("0.001")


def test_a_known_device_keeps_what_it_is():
    device = device_make("UTIL000123", meter_number="M1", time_zone="America/New_York")
    channel_make(device, resolution=Decimal("0.001"), grid_offset=-18000)
    made = ingest(MV90, "--format", "mv90", *EASTERN)
    assert made["created"] == {"devices": 0, "channels": 0}
    assert made["intervals"] == 96


def test_a_device_may_be_named_by_its_account(tmp_path):
    data, _ = write("mv90", frame(sheet(quarters(96))), custid="AccountID")
    path = tmp_path / "account.MDE"
    path.write_bytes(data)
    device = device_make("D77", time_zone="America/New_York")
    channel_make(device, resolution=Decimal("0.01"), grid_offset=-18000)
    Installation.objects.create(
        device=device, valid_from=datetime(2020, 1, 1, tzinfo=UTC), account_id="ACC-0001"
    )
    options = ("--format", "mv90", "--option", "custid=AccountID", *EASTERN)
    made = ingest(path, *options)
    assert (made["devices"], made["created"]) == (1, {"devices": 0, "channels": 0})
    other = tmp_path / "other.MDE"
    other.write_bytes(data.replace(b"ACC-0001", b"ACC-0002"))
    assert "ACC-0002" in str(fails(other, *options))
    ingest(other, *options, "--provision", "PLAIN")
    assert Device.objects.filter(device_id="ACC-0002").exists()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data[:-1], "MDR01, record 1, byte 0"),
        (lambda data: data[:648] + b"\xd7" + data[649:], "MDR02, record 4, byte 648"),
        (lambda data: data[:650] + b"\xf0" + data[651:], "MDR08, record 2, byte 216"),
        (lambda data: data[:313] + b"99" + data[315:], "MDR12, record 2, byte 216"),
        (lambda data: data[:4] + b"\xff" + data[5:], "MDR06, record 1, byte 0"),
    ],
    ids=["truncated", "length", "sequence", "unit", "identifier"],
)
def test_a_bad_file_leaves_nothing_and_says_where(tmp_path, change, why):
    path = tmp_path / "bad.MDE"
    path.write_bytes(change(MV90.read_bytes()))
    assert why in str(fails(path, "--format", "mv90", "--provision", "PLAIN"))


def test_a_file_that_is_not_ours_is_told_so():
    assert "not HHF-X1; Itron HHF is not supported" in str(fails(MV90, "--format", "hhf"))


def test_options_of_kind_map_reach_the_run(tmp_path):
    ingest(MV90, "--format", "mv90", "--provision", "PLAIN", *EASTERN)
    assert export(tmp_path, "mv90", "--option", "unit_codes=KWH=31")[313:315] == b"31"


def test_a_second_meter_needs_its_option(tmp_path):
    for name in ("A", "B"):
        path = tmp_path / f"{name}.MDE"
        one = frame(sheet([100] * 96), device=METER._replace(device_id=name))
        path.write_bytes(write("mv90", one, created=at("202403020015"))[0])
        ingest(path, "--format", "mv90", "--provision", "PLAIN", *EASTERN)
    with pytest.raises(CommandError, match="2 files are made: give a folder"):
        export(tmp_path, "mv90")
    assert export(tmp_path, "mv90", "--option", "multi_meter=yes").count(b"\xd8\x00\x01\x00") == 2
