"""Redis is emptied and PostgreSQL restarted in the middle of a run: it goes on by itself."""

import json
import os
import signal
import subprocess
import time

import psycopg
import pytest
import redis

from tests import servers
from tests.outside.site import Site

MAKE = """
from datetime import datetime, UTC
from exports import services
from exports.models import ExportDefinition
it = ExportDefinition(name="YEAR", format="cmep", period="fixed",
    start=datetime(2026, 1, 1, tzinfo=UTC), end=datetime(2026, 12, 31, tzinfo=UTC))
it.full_clean()
services.definition_save(it, groups=[], devices=[], destinations=[])
print(services.definition_run(it).pk)
"""
LOOK = """
import json
from exports.models import ExportRun
run = ExportRun.objects.get()
print(json.dumps([run.state, run.phase, run.parts_done, run.parts_total, run.intervals, run.error]))
"""
DEVICES = 30


def batch() -> dict:
    run = {"channel": 1, "start": "2026-03-14T00:00:00Z", "seconds": 900, "uom": "KWH"}
    values = {"flow": "DEL", "values": ["1"] * 96}
    return {
        "source": "scheduled",
        "meters": [
            {"device": f"M{n:03}", "intervals": [{**run, **values}]} for n in range(DEVICES)
        ],
    }


@pytest.mark.postgres
def test_a_run_survives_its_broker_and_its_database(tmp_path):
    with (
        servers.postgres_started() as (url, restart),
        servers.redis_server() as broker,
        Site(tmp_path / "var") as site,
    ):
        with psycopg.connect(f"{url}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE tms")
        site.environment |= {
            "TMS_DATABASE_URL": f"{url}/tms",
            "TMS_BROKER_URL": f"{broker}/0",
            "TMS_LEASE_SECONDS": "3",
        }
        site.done("migrate", "-v", "0")
        file = tmp_path / "batch.json"
        file.write_text(json.dumps(batch()))
        site.ingest(file, "--format", "json", "--provision", "CENTRON")
        site.done("shell", "-v", "0", "-c", MAKE)
        scheduler, worker = site.begin("scheduler"), site.begin("worker", "--concurrency", "2")

        def seen() -> list:
            ended = site.manage("shell", "-v", "0", "-c", LOOK)
            return json.loads(ended.stdout) if ended.returncode == 0 else [""]

        site.wait_for(lambda: _stopped_in_the_middle(site, worker))
        state, phase, done, total, *_ = seen()
        assert (state, phase) == ("running", "write")
        assert done < total
        redis.Redis.from_url(f"{broker}/0").flushall()
        restart()
        _signal(worker, signal.SIGCONT)
        site.wait_for(lambda: seen()[0] == "done")
        assert seen()[4] == DEVICES * 364 * 96
        assert [p.suffix for p in (site.data_dir / "exports").glob("[!.]*")] == [".txt"]
        scheduler.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGTERM)


def _stopped_in_the_middle(site: Site, worker: subprocess.Popen) -> bool:
    """Whether the workers were stopped while a part was being written; else they go on."""
    parts = site.data_dir / "work"
    if not list(parts.glob("*/*.part")):
        time.sleep(0.005)
        return False
    _signal(worker, signal.SIGSTOP)
    return True


def _signal(worker: subprocess.Popen, number: int) -> None:
    """Send a signal to a Celery worker and its processes."""
    for pid in [*_children(worker.pid), worker.pid]:
        os.kill(pid, number)


def _children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]
