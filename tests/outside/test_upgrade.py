"""A database of an earlier state, with data, is brought up to date: everything is still there."""

import json

from tests.outside.site import Site, in_database

# The schema as it was before imports, live exports and what came since, with what it could hold.
EARLIER = """
import datetime, hashlib
import numpy as np
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
state = [("devices", "0004_journal_by_batch"), ("events", "0002_routes_and_alarms"),
         ("exports", "0002_runs"), ("auth", "0012_alter_user_first_name_max_length"),
         ("sessions", "0001_initial"), ("axes", "0001_initial")]
executor = MigrationExecutor(connection)
executor.migrate(state)
apps = executor.loader.project_state(state).apps
of = apps.get_model
from devices import blocks, journal
from devices.journal.partitions import partitions_ensure
now = datetime.datetime.now(datetime.UTC)
day = datetime.date(2026, 3, 14)
kind, _ = of("devices", "DeviceClass").objects.get_or_create(code="CENTRON")
for n in range(20):
    device = of("devices", "Device").objects.create(
        device_id=f"M{n:02}", meter_number=f"M{n:02}", device_class=kind, time_zone="UTC",
        state="provisioned")
    of("devices", "Installation").objects.create(
        device=device, valid_from=datetime.datetime(2025, 1, 1, tzinfo=datetime.UTC),
        service_point_id=f"SP{n}")
    of("devices", "Channel").objects.create(
        device=device, number=1, unit="KWH", flow="DEL", seconds=3600, value_type="U",
        resolution="0.001", grid_offset=0)
digest = hashlib.sha256(b"secret").hexdigest()
of("devices", "ApiKey").objects.create(
    name="old", prefix="0a1b2c3d4e5f", scopes=["ingest", "read"],
    digest=hashlib.sha256(b"tms_0a1b2c3d4e5f_secret").hexdigest())
number = 0
channels = list(of("devices", "Channel").objects.order_by("pk"))
journal.prepare(now)
for value in (1, 2):
    number += 1
    batch = of("devices", "Batch").objects.create(
        number=number, key=f"b{number}", body_hash=b"x" * 32, source="scheduled", received=now,
        devices=20, intervals=480, answer="{}")
    journal.entries_append(batch, [
        journal.Entry(c.pk, day.toordinal() - 719163, 0,
                      blocks.pack_entry(np.arange(24, dtype=np.int64) + value * 1000),
                      blocks.pack_status(np.zeros(24, np.uint16)))
        for c in channels])
    of("devices", "Watermark").objects.update_or_create(
        name="batch", defaults={"number": number})
    if value == 1:
        journal.fold_all()
definition = of("exports", "ExportDefinition").objects.create(
    name="OLD", format="cmep", period="fixed", zone="UTC",
    start=datetime.datetime(2026, 3, 14, tzinfo=datetime.UTC),
    end=datetime.datetime(2026, 3, 15, tzinfo=datetime.UTC))
of("exports", "ExportRun").objects.create(
    definition=definition, format="cmep", name="OLD", batch_id="20260314000000", state="done",
    start=definition.start, end=definition.end, created=now, finished=now, horizon=1)
print("made")
"""
LOOK = """
import json
from devices import journal
from devices.models import Arrived, Batch, Device
from devices.services.arrivals import arrivals_count
from exports.models import ExportRun
arrivals_count()
told = Arrived.objects.get()
print(json.dumps([Device.objects.count(), Batch.objects.count(), journal.horizon(),
                  ExportRun.objects.get(batch_id="20260314000000").state,
                  told.batches, told.intervals]))
"""


def test_a_database_of_an_earlier_state_is_brought_up_to_date(tmp_path, request):
    site = Site(tmp_path / "var")
    with in_database(site, request):
        site.data_dir.mkdir(exist_ok=True)
        assert site.done("shell", "-v", "0", "-c", EARLIER).split()[-1] == "made"
        assert "[ ]" in site.done("showmigrations")
        site.done("migrate")
        assert "[ ]" not in site.done("showmigrations")
        told = json.loads(site.done("shell", "-v", "0", "-c", LOOK))
        assert told == [20, 2, 2, "done", 2, 960]
        site.serve()
        site.key = "tms_0a1b2c3d4e5f_secret"
        day = "start=2026-03-14T00:00:00Z&end=2026-03-15T00:00:00Z"
        items = site.all_of(f"/devices/M07/intervals?{day}")
        assert [item["value"] for item in items][:2] == ["2", "2.001"]
        assert {item["revision"] for item in items} == {1}
        site.done("fold")
        report = json.loads(site.done("run", "OLD", "--json"))
        assert (report["status"], report["meters"], report["intervals"]) == ("done", 20, 480)
        site.done("migrate")  # once more does nothing
