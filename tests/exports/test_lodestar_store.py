"""LodeStar between store and file: exported, ingested as other devices, compared."""

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from devices import journal
from devices.models import Device, DeviceClass, Installation
from devices.readings import RegisterRead, RegisterValue
from exports.intake import Inventory
from exports.models import ExportRun
from exports.scope import Scope, Selection, frames_read, parts_freeze
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of

pytestmark = pytest.mark.django_db
CHICAGO = "America/Chicago"
FIRST = day_of(2024, 11, 2)
ESTIMATED, OUTAGE = 0x0002, 0x0020
START = datetime(2024, 11, 2, 5, tzinfo=UTC)  # local midnight
MAP = "channel_map=KWH DEL=1;KWH REC=2"


@pytest.fixture(autouse=True)
def _system_zone(settings):
    settings.TIME_ZONE = "UTC"  # not that of the devices


def fleet_make():
    """Two devices in Chicago, three hourly days of standard time over the end of summer time."""
    for n, place in enumerate(("SP-B", "SP-A"), start=1):
        device = device_make(f"D{n}", meter_number=f"M{n}", time_zone=CHICAGO)
        Installation.objects.create(
            device=device, valid_from=START - timedelta(days=9), service_point_id=place
        )
        entries = []
        for number, flow in ((1, "DEL"), (2, "REC")):
            channel = channel_make(
                device, number=number, flow=flow, seconds=3600, grid_offset=-21600
            )
            for day in range(3):
                values = [None if day == 0 and slot == 7 else n + slot for slot in range(24)]
                entries.append(entry_of(channel, FIRST + day, 0, values, (0, 2, OUTAGE)[day]))
        total = n + 23 + sum(n + slot for slot in range(24))
        reads = [
            (device.pk, RegisterRead(at, "CUR", (RegisterValue("SUM", "KWH", "DEL", value=v),)))
            for at, v in (
                (START + timedelta(days=1), Decimal(100)),
                (START + timedelta(hours=49), 100 + Decimal(total) / 1000),
            )
        ]
        batch_post(entries, reads)


def command(*arguments):
    out = io.StringIO()
    call_command(*arguments, "--json", stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue())


def export(path, *options, start="2024-11-02T05:00:00Z", end="2024-11-05T06:00:00Z"):
    given = [word for option in options for word in ("--option", option)]
    return command("export", "lodestar", "--start", start, "--end", end, *given, "--output", path)


def intervals(**names):
    """Every interval that arrived, by meter number, flow and end. With names those of the new."""
    far = timedelta(days=9)
    scope = Scope(Selection(), START - far, START + far, journal.horizon(), order="meter_number")
    found = {}
    frozen = parts_freeze(scope)
    for frame in (frame for part in frozen for frame in frames_read(part.data, scope)):
        for meter in frame.meters():
            name = meter.device.meter_number
            if names and name not in names:
                continue
            for series in meter.series:
                rows = zip(series.ends.tolist(), series.values(), series.status, strict=True)
                for end, value, mask in rows:
                    if not mask & 0x8000:
                        found[names.get(name, name), series.channel.flow, end] = (value, int(mask))
    return found


def test_what_was_exported_comes_back_as_other_devices(tmp_path):
    fleet_make()
    path = tmp_path / "a.lse"
    report = export(str(path))
    # The store's days are of standard time: the first local hour is of a day without readings.
    assert (report["meters"], report["missing"]) == (2, 4 + 4)
    data = path.read_bytes()
    assert b"20241103000000,20241103235959,Y,N\r\n00000002,100.000,100.324,1,0," in data
    copy = tmp_path / "b.lse"
    copy.write_bytes(data.replace(b",M1,", b",N1,").replace(b",M2,", b",N2,"))
    DeviceClass.objects.create(code="PLAIN")
    before = intervals()
    answer = command(
        *("ingest", str(copy), "--format", "lodestar", "--provision", "PLAIN", "--option", MAP)
    )
    assert answer["created"] == {"devices": 2, "channels": 4}
    assert set(Device.objects.values_list("time_zone", flat=True)) == {CHICAGO}
    after = intervals(N1="M1", N2="M2")
    sent = {key: (value, mask & ~OUTAGE) for key, (value, mask) in before.items()}
    assert {key: after[key] for key in sent} == sent
    assert {after[key] for key in after.keys() - sent.keys()} == {(None, 1)}
    made = Device.objects.get(meter_number="N1").pk
    [reads] = journal.registers_read([made], START, START + timedelta(days=9)).values()
    assert [(read.time, read.values[0].value) for read in reads] == [
        (START + timedelta(days=1), Decimal(100)),
        (START + timedelta(hours=49), Decimal("100.324")),
    ]


def test_maps_stay_maps_in_a_run(tmp_path):
    fleet_make()
    export(str(tmp_path / "a.lse"), "channel_map=KWH DEL=7;KWH REC=8")
    assert ExportRun.objects.get().options["channel_map"] == {"KWH DEL": "7", "KWH REC": "8"}
    lines = (tmp_path / "a.lse").read_text().splitlines()
    assert {line.split(",")[2] for line in lines if line.startswith("00000001")} == {"7", "8"}


def ercot_make():
    """One 15-minute day of a device whose service point sorts otherwise than its number."""
    for n, place in enumerate(("2" * 17, "1" * 17), start=1):
        device = device_make(f"D{n}", meter_number=f"M{n}", time_zone=CHICAGO)
        Installation.objects.create(
            device=device, valid_from=START - timedelta(days=9), service_point_id=place
        )
        channel = channel_make(device, grid_offset=-21600)
        batch_post([entry_of(channel, FIRST + 3, 0, range(96))])


ERCOT = {"start": "2024-11-05T06:00:00Z", "end": "2024-11-06T06:00:00Z"}


def test_the_ercot_profile_names_its_file_and_finds_devices_by_service_point(tmp_path):
    ercot_make()
    with pytest.raises(CommandError, match="LSE05 LODESTAR: the ercot file name needs duns"):
        export(f"{tmp_path}/", "profile=ercot", **ERCOT)
    assert not list(tmp_path.iterdir())
    export(f"{tmp_path}/", "profile=ercot", "duns=123456789", **ERCOT)
    [path] = tmp_path.iterdir()
    assert path.name.startswith("123456789IntervalData")
    assert path.name.endswith("001.lse")
    heads = [line for line in path.read_text().splitlines() if line.startswith("00000001")]
    assert [head.split(",")[1] for head in heads] == ["1" * 17, "2" * 17]
    before = intervals()
    answer = command("ingest", str(path), "--format", "lodestar", "--option", "profile=ercot")
    assert (answer["devices"], answer["intervals"]) == (2, 192)
    assert intervals() == before


def test_a_service_point_without_a_device_may_become_one(tmp_path):
    ercot_make()
    export(str(tmp_path / "a.lse"), "profile=ercot", **ERCOT)
    data = (tmp_path / "a.lse").read_bytes()
    other = tmp_path / "b.lse"
    other.write_bytes(data.replace(b"1" * 17, b"3" * 17))
    given = ("ingest", str(other), "--format", "lodestar", "--option", "profile=ercot")
    with pytest.raises(CommandError, match=r"3{17}: the inventory has no such device"):
        command(*given)
    DeviceClass.objects.create(code="PLAIN")
    command(*given, "--provision", "PLAIN")
    made = Device.objects.get(device_id="3" * 17)
    assert made.installations.get().service_point_id == "3" * 17


def test_a_service_point_stands_for_the_device_that_is_there_now():
    old, new = (device_make(name, time_zone=CHICAGO) for name in ("OLD", "NEW"))
    place = {"service_point_id": "SP", "account_id": "A"}
    later = START + timedelta(days=1)
    Installation.objects.create(device=old, valid_from=START, valid_to=later, **place)
    inventory = Inventory("service_point_id")
    assert inventory("SP") is None
    assert inventory.zone("SP") == ""
    Installation.objects.create(device=new, valid_from=later, **place)
    inventory = Inventory("account_id")
    assert inventory("A") == []
    assert inventory.zone("A") == CHICAGO
    assert inventory.known("A").device_id == "NEW"
