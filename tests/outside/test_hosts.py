"""Workers on two hosts, one database, one broker, one data directory; one host is cut off.

The hosts are network namespaces with a name of their own, on a bridge where PostgreSQL and Redis
listen. Only root makes such; elsewhere this is skipped, but in CI nothing is.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests import servers
from tests.installation import PATIENCE, ROOT
from tests.outside.site import Site

pytestmark = pytest.mark.postgres
NETWORK = f"10.213.{os.getpid() % 250}"
HERE = f"{NETWORK}.1"
METERS = [f"M{n:03}" for n in range(48)]
# So long a period that a part has only some meters.
MAKE = """
from exports import services
from exports.models import ExportDefinition
it = ExportDefinition(name="YEAR", format="cmep", period="fixed", zone="UTC",
                      start="2025-03-01T00:00Z", end="2026-04-01T00:00Z")
it.full_clean()
services.definition_save(it, groups=[], devices=[], destinations=[])
"""
REBUILD = """
from exports import services
from exports.models import ExportRun
print([rebuilt.same for rebuilt in services.run_rebuild(ExportRun.objects.get(pk={run}))])
"""


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, (arguments, done.stderr)


class Host:
    """A namespace with a cable to the bridge, and the processes on it."""

    def __init__(self, name: str, number: int, bridge: str) -> None:
        self.name, self.bridge = name, bridge
        self.address = f"{NETWORK}.{number}"
        self.cable = f"{name}-{os.getpid() % 10_000}"

    def __enter__(self) -> "Host":
        ip("netns", "add", self.name)
        inside = ("netns", "exec", self.name, "ip")
        ip("link", "add", self.cable, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        ip("link", "set", self.cable, "master", self.bridge, "up")
        ip(*inside, "addr", "add", f"{self.address}/24", "dev", "eth0")
        ip(*inside, "link", "set", "eth0", "up")
        ip(*inside, "link", "set", "lo", "up")
        return self

    def __exit__(self, *error: object) -> None:
        subprocess.run(["ip", "link", "del", self.cable], capture_output=True)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True)

    def cut(self) -> None:
        ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        ip("link", "set", self.cable, "up")

    def worker(self, site: Site) -> subprocess.Popen:
        """A worker of one process on this host; its output goes to a log of its own."""
        here = f"hostname {self.name}; exec {sys.executable} manage.py worker --concurrency 1"
        command = ["ip", "netns", "exec", self.name, "unshare", "--uts", "sh", "-c", here]
        with (site.data_dir.parent / f"{self.name}.txt").open("a") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=site.environment, stdout=log, stderr=log, process_group=0
            )
        site._processes.append(process)
        return process


@pytest.fixture
def network() -> Iterator[tuple[Host, Host]]:
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("iproute2 or util-linux is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root makes network namespaces")
    bridge = f"tms{os.getpid() % 100_000}"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "del", bridge)
        ip("addr", "add", f"{HERE}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        names = [f"tms-{letter}-{os.getpid() % 10_000}" for letter in "ab"]
        one, other = (Host(name, n, bridge) for n, name in enumerate(names, 2))
        yield stack.enter_context(one), stack.enter_context(other)


def batch() -> dict[str, Any]:
    run = {"channel": 1, "start": "2026-03-14T00:00:00Z", "seconds": 3600}
    run |= {"uom": "KWH", "flow": "DEL", "values": [f"{n}.5" for n in range(24)]}
    return {
        "source": "scheduled",
        "meters": [{"device": meter, "intervals": [run]} for meter in METERS],
    }


def test_two_hosts_share_a_run_and_one_finishes_it_when_the_other_is_cut_off(tmp_path, network):
    one, other = network
    site = Site(tmp_path / "var")
    with (
        servers.postgres_started(also=HERE) as (postgres, _),
        servers.postgres_database(postgres, "tms"),
        servers.redis_server(also=HERE) as redis,
        site,
    ):
        port, broker = postgres.rpartition(":")[2], redis.rpartition(":")[2]
        site.environment |= {
            "TMS_DATABASE_URL": f"postgresql://tms@{HERE}:{port}/tms",
            "TMS_BROKER_URL": f"redis://{HERE}:{broker}/0",
            "TMS_LEASE_SECONDS": "6",
        }
        try:
            cut_off(site, one, other)
        finally:
            one.mend()
            site.__exit__(None, None, None)


def cut_off(site: Site, one: Host, other: Host) -> None:
    site.open()
    file = site.data_dir / "first.json"
    file.write_text(json.dumps(batch()))
    site.ingest(file, "--format", "json", "--provision", "CENTRON")
    site.done("fold")
    site.done("shell", "-v", "0", "-c", MAKE)
    key = site.done("api_key", "create", "exporter", "--scope", "export").splitlines()[-1]
    workers = [host.worker(site) for host in (one, other)]
    with psycopg.connect(site.environment["TMS_DATABASE_URL"], autocommit=True) as database:

        def ask(query: str) -> list[tuple]:
            return database.execute(query).fetchall()

        def alive() -> bool:
            names = [row[0] for row in ask("SELECT name FROM devices_heartbeat")]
            return all(any(host.name in name for name in names) for host in (one, other))

        site.wait_for(alive)
        # Nobody gets on with a part while the blocks are locked: each host takes one, and stays.
        with psycopg.connect(site.environment["TMS_DATABASE_URL"]) as holding:
            holding.execute("LOCK TABLE ONLY devices_intervalblock IN ACCESS EXCLUSIVE MODE")
            site.key = key
            status, answer = site.call("POST", "/exports/YEAR/runs", {})
            assert status in (200, 201), answer
            run = answer["run"]
            claimed = "SELECT split_part(worker, '/', 1) FROM exports_runpart WHERE worker <> ''"
            both = {one.name, other.name}
            site.wait_for(lambda: {row[0] for row in ask(claimed)} == both)
            one.cut()
        site.begin("scheduler")  # not sooner: its other tasks would take the workers' time
        site.wait_for(lambda: site.call("GET", f"/runs/{run}")[1]["status"] == "done")
        parts = ask("SELECT done, attempts FROM exports_runpart ORDER BY position")
        assert len(parts) > 3
        assert all(done for done, _ in parts)
        assert max(attempts for _, attempts in parts) == 2  # the part that the first could not end
        one.mend()
        # It comes back, finds that its part is another's, and lives on.
        log = site.data_dir.parent / f"{one.name}.txt"
        site.wait_for(
            lambda: "worked on by another" in log.read_text() or "lease" in log.read_text()
        )
        assert [worker.poll() for worker in workers] == [None, None]
    one_file(site, run)
    for worker in workers:
        os.killpg(worker.pid, signal.SIGTERM)
    for worker in workers:
        worker.wait(PATIENCE)
    one_file(site, run)


def one_file(site: Site, run: int) -> None:
    """One file, each meter's lines once, as it can be made anew; nothing half and no twin."""
    names = sorted(path.name for path in (site.data_dir / "exports").iterdir())
    assert len(names) == 1, names
    lines = (site.data_dir / "exports" / names[0]).read_text().splitlines()
    assert list(dict.fromkeys(line.split(",")[7] for line in lines)) == METERS
    assert len(set(lines)) == len(lines)
    assert site.done("shell", "-v", "0", "-c", REBUILD.format(run=run)).strip() == "[True]"
