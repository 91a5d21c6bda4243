"""Runs read from a real streaming replica while it is far enough, else from the primary."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.installation import PATIENCE, ROOT
from tests.outside.site import Site

pytestmark = pytest.mark.postgres
MAKE = """
from exports import services
from exports.models import ExportDefinition
it = ExportDefinition(name="DAY", format="cmep", period="fixed", zone="UTC",
                      start="2026-03-14T00:00Z", end="2026-03-15T00:00Z")
it.full_clean()
services.definition_save(it, groups=[], devices=[], destinations=[])
"""
SERVED = """
import json
from exports.models import ExportRun
run = ExportRun.objects.latest("pk")
from exports import services
same = [rebuilt.same for rebuilt in services.run_rebuild(run)]
print(json.dumps([run.state, run.horizon, [p.replica for p in run.parts.all()], same]))
"""
# A run whose second frame asks a query of the replica that does not end by itself.
SLOW = """
from devices.journal import sql
from exports.scope import frames
from exports.services import write
frames.FRAME_CELLS = 24
asked = []
def slow(data, scope, *more):
    for n, frame in enumerate(frames.frames_read(data, scope, *more)):
        if n == 2 and sql.read_alias() == "replica":
            asked.append(n)
            sql.rows("SELECT pg_sleep(600) FROM devices_watermark")
        yield frame
write.frames_read = slow
from django.core.management import call_command
call_command("run", "DAY")
assert asked == [2]
"""
SLEEPING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
METERS = [f"M{n:02}" for n in range(6)]


class Replicated(Site):
    """An installation on a primary, with a replica."""

    posted = 0
    primary = replica = ""

    def batch(self) -> dict[str, Any]:
        self.posted += 1
        hours = [f"{self.posted}.{n}" for n in range(24)]
        run = {"channel": 1, "start": "2026-03-14T00:00:00Z", "seconds": 3600}
        run |= {"uom": "KWH", "flow": "DEL", "values": hours}
        return {
            "source": "scheduled",
            "meters": [{"device": meter, "intervals": [run]} for meter in METERS],
        }

    def post(self) -> None:
        status, answer = self.call("POST", "/batches", self.batch())
        assert status == 201, answer

    def newest(self, url: str) -> int:
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT number FROM devices_watermark WHERE name = 'batch'")
            return found.fetchone()[0]

    def caught_up(self) -> bool:
        return self.newest(self.replica) == self.newest(self.primary)

    def on_replica(self, query: str) -> Any:
        with psycopg.connect(self.replica, autocommit=True) as connection:
            return connection.execute(query).fetchone()

    def run(self) -> None:
        self.done("run", "DAY")

    def served(self) -> list[Any]:
        """State, horizon, which parts the replica served; that the files can be made anew."""
        *told, same = json.loads(self.done("shell", "-v", "0", "-c", SERVED))
        assert same == [True]
        return told


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[Replicated]:
    made = Replicated(tmp_path_factory.mktemp("replica") / "var")
    with (
        servers.postgres_started() as (primary, _),
        servers.postgres_database(primary, "tms") as url,
        servers.postgres_replica(primary) as (replica, _),
        made,
    ):
        made.primary, made.replica = url, f"{replica}/tms"
        made.environment["TMS_DATABASE_URL"] = made.primary
        made.environment["TMS_REPLICA_URL"] = made.replica
        made.open()
        file = made.data_dir / "first.json"
        file.write_text(json.dumps(made.batch()))
        made.ingest(file, "--format", "json", "--provision", "CENTRON")
        made.done("shell", "-v", "0", "-c", MAKE)
        yield made
        made.__exit__(None, None, None)


def test_a_replica_that_is_far_enough_serves_and_one_that_is_behind_does_not(site):
    site.wait_for(site.caught_up)
    site.run()
    assert site.served() == ["done", site.newest(site.primary), [True]]

    site.on_replica("SELECT pg_wal_replay_pause()")
    site.post()
    assert not site.caught_up()
    site.run()
    assert site.served() == ["done", site.newest(site.primary), [False]]
    assert figures(site)["tms_replica_behind"] == 1

    site.on_replica("SELECT pg_wal_replay_resume()")
    site.wait_for(site.caught_up)
    site.run()
    assert site.served() == ["done", site.newest(site.primary), [True]]
    told = figures(site)
    assert told["tms_replica_behind"] == 0
    assert told['tms_run_parts_read{from="replica"}'] == 2
    assert told['tms_run_parts_read{from="primary"}'] == 1


def lock_replayed(site: Replicated) -> None:
    """Replay must have a lock that the query's table has not free: recovery cancels the query."""
    with psycopg.connect(site.primary) as connection:
        connection.execute("LOCK TABLE devices_watermark IN ACCESS EXCLUSIVE MODE")
        connection.execute("SELECT pg_current_xact_id()")


def connection_ended(site: Replicated) -> None:
    """What a conflict on the database, or a restart, does to a connection."""
    site.on_replica(f"SELECT pg_terminate_backend(({SLEEPING}))")


@pytest.mark.parametrize(
    ("conflict", "code"), [(lock_replayed, "40001"), (connection_ended, "57P01")]
)
def test_a_query_that_is_cancelled_is_asked_of_the_primary_and_the_file_is_whole(
    site, conflict, code
):
    site.wait_for(site.caught_up)
    running = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", SLOW],
        cwd=ROOT,
        env=site.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    site.wait_for(lambda: running.poll() is not None or site.on_replica(SLEEPING))
    conflict(site)
    output, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, output
    assert f"the replica is left for the primary: {code}" in output
    assert site.served() == ["done", site.newest(site.primary), [False]]


def test_a_replica_that_is_away_costs_a_warning(site):
    site.environment["TMS_REPLICA_URL"] = "postgresql://tms@127.0.0.1:1/tms"
    try:
        site.run()
        assert site.served() == ["done", site.newest(site.primary), [False]]
    finally:
        site.environment["TMS_REPLICA_URL"] = site.replica


def test_nothing_is_ever_written_to_it(site):
    """Not by a router that errs, not by a migration, not by a promoted replica."""
    write = """
from django.db import InternalError, connections, router
from devices.models import Device
assert router.db_for_write(Device) == "default"
from devices.journal import sql
with sql.reading_from("replica"):
    assert router.db_for_read(Device) == "replica"
    assert router.db_for_write(Device) == "default"
assert not router.allow_migrate("replica", "devices")
try:
    Device.objects.using("replica").update(address="x")
except InternalError as error:
    print(error.__cause__.sqlstate)
"""
    assert site.done("shell", "-v", "0", "-c", write).strip() == "25006"
    site.environment["TMS_REPLICA_URL"] = site.primary  # as if it had been promoted
    try:
        assert site.done("shell", "-v", "0", "-c", write).strip() == "25006"
    finally:
        site.environment["TMS_REPLICA_URL"] = site.replica
    assert "Applying" not in site.manage("migrate", "--database", "replica").stdout


def figures(site: Replicated) -> dict[str, float]:
    status, text = site.get("/metrics")
    assert status == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
