"""A worker is killed at each numbered point of a run and its delivery; promises P2, P3, P4 hold."""

import hashlib
import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exports.failpoints import POINTS
from tests.installation import PATIENCE, ROOT
from tests.outside.site import Site, in_database
from tests.smtp import Postbox, smtp_server
from tests.sshd import Sshd, sshd_running

MAKE = """
from devices.models import FunctionalGroup
from devices.services.secrets import secret_seal
from exports import services
from exports.models import Destination, ExportDefinition
it = ExportDefinition(
    name="SINCE", format="cmep", period="since_last", gate="meter", gate_questionable=0
)
it.full_clean()
to = [
    Destination(name="CIS", path={outbox!r}, ok_file=True),
    Destination(
        name="BANK", kind="sftp", host="127.0.0.1", port={port}, username={user!r}, auth="key",
        private_key=secret_seal({key!r}), host_key={host_key!r}, folder={folder!r}, ok_file=True,
    ),
    Destination(name="PEOPLE", kind="email", addresses="a@example.com b@example.com"),
]
for one in to:
    one.receiver = "CIS1"
    one.full_clean()
    one.save()
services.definition_save(it, groups=[], devices=[], destinations=to)
"""
REBUILD = """
from exports import services
from exports.models import ExportRun, Hold
same = [rebuilt.same for rebuilt in services.run_rebuild(ExportRun.objects.get(pk={run}))]
held = list(Hold.objects.values_list("device__device_id", "state"))
owed = set(Hold.objects.get().definition.backlog.values_list("device__device_id", "reason"))
print(same, held, owed)
"""
MAKE_HOLDING = """
from exports import services
from exports.models import ExportDefinition
it = ExportDefinition(
    name="HOLDING", format="cmep", period="since_last", gate="run", gate_questionable=0
)
if not ExportDefinition.objects.filter(name=it.name).exists():
    it.full_clean()
    services.definition_save(it, groups=[], devices=[], destinations=[])
"""
RELEASE = """
from django.contrib.auth import get_user_model
from events.models import SystemAlarm
from exports import services
from exports.models import Hold
(hold,) = Hold.objects.filter(run={run}, device=None, state="held")
(alarm,) = SystemAlarm.objects.filter(code="TMS_HELD", cleared=None)
services.hold_release(hold, user=get_user_model()(username="ada"), note="seen")
print(hold.reasons, alarm.times, SystemAlarm.objects.filter(cleared=None).exists())
"""
HOLDING = [number for number, name in enumerate(POINTS, 1) if name.startswith("run held")]
HELD = "M99"  # questionable, always: the gate keeps it out of every file
METERS = [f"M{n:02}" for n in range(6)]


class Watcher(threading.Thread):
    """A partner who looks into folders every 10 ms: each name's first content, for good."""

    def __init__(self, *folders: Path) -> None:
        super().__init__(daemon=True)
        self.folders, self.ended = folders, threading.Event()
        self.seen: dict[Path, str] = {}

    def run(self) -> None:
        while not self.ended.wait(0.01):
            for folder in self.folders:
                for path in sorted(folder.glob("[!.]*")) if folder.exists() else ():
                    if path not in self.seen and path.suffix != ".tmp":
                        self.seen[path] = hashlib.sha256(path.read_bytes()).hexdigest()


class Exporting(Site):
    """An installation with a since-last definition that delivers into a folder, to an SSH server
    and by mail."""

    sshd: Sshd
    box: Postbox
    received: dict[tuple[str, str], str]
    stored: dict[tuple[str, str], str]
    posted = 0

    def prepare(self) -> None:
        self.environment["TMS_LEASE_SECONDS"] = "5"
        self.outbox = self.data_dir / "outbox" / "cis"
        self.open()
        made = self.done("api_key", "create", "exporter", "--scope", "export")
        self.keys = {"ingest": self.key, "export": made.splitlines()[-1]}
        given = {
            "outbox": str(self.outbox),
            "port": self.sshd.port,
            "user": self.sshd.user,
            "key": self.sshd.client_key.read_text(),
            "host_key": self.sshd.host_key,
            "folder": str(self.sshd.home),
        }
        self.done("shell", "-v", "0", "-c", MAKE.format(**given))
        self.received, self.stored = {}, {}

    def as_(self, scope: str, method: str, path: str, body: Any = None) -> Any:
        self.key = self.keys[scope]
        status, answer = self.call(method, path, body)
        assert status in (200, 201), answer
        return answer

    def provision(self) -> None:
        """Meters, made by a file that a head-end might have sent."""
        file = self.data_dir / "first.json"
        file.write_text(json.dumps(self.batch()))
        self.ingest(file, "--format", "json", "--provision", "CENTRON")

    def batch(self) -> dict[str, Any]:
        """Another value for one hour of each meter."""
        self.posted += 1
        hour = self.posted % 24
        meters = []
        for n, meter in enumerate([*METERS, HELD]):
            value = f"{self.posted}.{n + 1}"
            end = f"20260314{hour + 1:02}00" if hour < 23 else "202603150000"
            if meter != HELD:
                self.stored[meter, end] = value
            meters.append(
                {
                    "device": meter,
                    "intervals": [
                        {
                            "channel": 1,
                            "start": f"2026-03-14T{hour:02}:00:00Z",
                            "seconds": 3600,
                            "uom": "KWH",
                            "flow": "DEL",
                            "values": [value],
                            "status": ["questionable" if meter == HELD else ""],
                        }
                    ],
                }
            )
        return {"source": "scheduled", "meters": meters}

    def run_start(self, name: str = "SINCE") -> int:
        return self.as_("export", "POST", f"/exports/{name}/runs", {})["run"]

    def run_see(self, run: int) -> dict[str, Any]:
        return self.as_("export", "GET", f"/runs/{run}")

    def files(self) -> set[str]:
        """What has been produced, by name."""
        return {path.name for path in (self.data_dir / "exports").glob("[!.]*")}

    def delivered(self, run: int) -> bool:
        """Whether the run is done and its file has reached each of the three partners."""
        seen = self.run_see(run)
        if seen["status"] != "done":
            return False
        names = [file["name"] for file in seen["files"]]
        folders = (self.outbox, self.sshd.home)
        there = all((folder / f"{name}.ok").exists() for folder in folders for name in names)
        return there and all(len(self.mails_of(name)) >= 2 for name in names)

    def mails_of(self, name: str) -> dict[str, bytes]:
        """The mails with a file, by Message-ID; one that came twice is the same both times."""
        found: dict[str, bytes] = {}
        for message in list(self.box.taken):
            for part in message.iter_attachments():
                if part.get_filename() == name:
                    known = found.setdefault(str(message["Message-ID"]), part.get_content())
                    assert known == part.get_content()
        return found

    def receive(self, run: int) -> None:
        """What the partner makes of the run's file: nothing in it was sent before."""
        (file,) = self.run_see(run)["files"]
        data = (self.outbox / file["name"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == file["sha256"]
        assert (self.sshd.home / file["name"]).read_bytes() == data
        assert list(self.mails_of(file["name"]).values()) == [data] * 2
        sent = {}
        for line in data.decode().splitlines():
            fields = line.split(",")
            for end, _, value in zip(*[iter(fields[14:])] * 3, strict=True):
                sent[fields[7], end] = value
        assert all(self.received.get(key) != value for key, value in sent.items())
        self.received |= sent


@pytest.fixture(scope="module")
def site(tmp_path_factory, request) -> Iterator[Exporting]:
    made = Exporting(tmp_path_factory.mktemp("faults") / "var")
    with (
        in_database(made, request),
        sshd_running(tmp_path_factory.mktemp("sshd")) as made.sshd,
        smtp_server() as (made.box, port),
    ):
        made.environment["TMS_EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
        made.prepare()
        made.provision()
        yield made


@pytest.fixture
def watcher(site) -> Iterator[Watcher]:
    watching = Watcher(site.data_dir / "exports", site.outbox, site.sshd.home)
    watching.start()
    yield watching
    watching.ended.set()
    watching.join()


@pytest.mark.parametrize("number", sorted({*range(1, len(POINTS) + 1)} - {*HOLDING}))
def test_a_worker_dies(site, watcher, number):
    if site.received:  # else what the file brought is still to be sent
        site.as_("ingest", "POST", "/batches", site.batch())
    run = site.run_start()
    site.environment["TMS_FAIL_AT"] = str(number)
    dying = site.begin("worker")
    del site.environment["TMS_FAIL_AT"]
    assert dying.wait(PATIENCE) == -signal.SIGKILL
    other = site.begin("worker")
    site.wait_for(lambda: site.delivered(run))
    site.receive(run)
    assert site.received == site.stored  # P2
    rebuilt = site.done("shell", "-v", "0", "-c", REBUILD.format(run=run))
    once = "[('M99', 'held')] {('M99', 'held')}"  # on the work list, and owed
    assert rebuilt.strip() == f"[True] {once}"  # P3
    other.send_signal(signal.SIGTERM)
    # Where the first one had done all, this one may not yet have come so far as to end itself.
    assert other.wait(PATIENCE) in (0, -signal.SIGTERM)
    names = sorted(path.name for path in (site.data_dir / "exports").glob("[!.]*"))
    for folder in (site.outbox, site.sshd.home):
        assert names == sorted(p.name for p in folder.glob("*.txt"))  # no twin
        assert list(folder.glob(".*")) == []  # nothing half is left
    for path, digest in watcher.seen.items():  # P4: as it was first seen, so it is
        assert hashlib.sha256(path.read_bytes()).hexdigest() == digest, path
    print(f"point {number}, {POINTS[number - 1]}: one file, whole, each version once")


@pytest.mark.parametrize("number", HOLDING)
def test_a_worker_dies_that_holds_a_run_as_a_whole(site, number):
    site.done("shell", "-v", "0", "-c", MAKE_HOLDING)
    site.as_("ingest", "POST", "/batches", site.batch())
    run, before = site.run_start("HOLDING"), site.files()
    site.environment["TMS_FAIL_AT"] = str(number)
    dying = site.begin("worker")
    del site.environment["TMS_FAIL_AT"]
    assert dying.wait(PATIENCE) == -signal.SIGKILL
    other = site.begin("worker")
    site.wait_for(lambda: site.run_see(run)["status"] == "held")
    assert site.files() == before
    released = site.done("shell", "-v", "0", "-c", RELEASE.format(run=run))
    assert released.strip() == "1 of 7 meters fall short: M99 1 False"
    site.wait_for(lambda: site.run_see(run)["status"] == "done")
    (file,) = site.run_see(run)["files"]
    assert site.files() - before == {file["name"]}
    other.send_signal(signal.SIGTERM)
    assert other.wait(PATIENCE) == 0
    print(f"point {number}, {POINTS[number - 1]}: held once, told once, whole when released")


def test_every_point_is_documented():
    lines = (ROOT / "docs/reliability.md").read_text().splitlines()
    rows = [line.split("|") for line in lines if line.startswith("| ") and line[2].isdigit()]
    assert [(int(row[1]), row[2].strip()) for row in rows] == list(enumerate(POINTS, 1))
