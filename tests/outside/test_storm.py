"""A storm from outside: everything goes dark at once, and web and worker are killed in the midst.

`TMS_TEST_STORM=100000` makes it as large as the promise; by default it is a small one.
"""

import gzip
import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from exports.formats import mrc
from tests.installation import PATIENCE
from tests.outside.site import Site
from tests.smtp import Postbox, smtp_server

STORM = int(os.environ.get("TMS_TEST_STORM", "3000"))
BATCHES = 20
PATIENT = PATIENCE + STORM / 200  # seconds

FLEET = """
from django.utils import timezone
from datetime import timedelta
from devices.models import FunctionalGroup, DeviceClass
from devices.services.inventory import NewDevice, devices_create
from events.models import AlarmRule
DeviceClass.objects.get_or_create(code="PLAIN")
for n in range(4):
    FunctionalGroup.objects.get_or_create(code=f"G{{n}}")
devices_create(
    [
        NewDevice(
            f"D{{n:06}}", f"M{{n:06}}", "PLAIN", "America/Chicago",
            feeder_id=f"FDR-{{n % 7}}", transformer_id=f"TX-{{n // 9}}", groups=(f"G{{n % 4}}",),
        )
        for n in range({first}, {end})
    ],
    since=timezone.now() - timedelta(days=400),
)
AlarmRule.objects.get_or_create(
    name="Storm", defaults={{"categories": ["OUTG"], "addresses": "ops@example.com"}}
)
"""
AT_ONCE = 10_000  # devices made by one command
SENT = """
import json
from events.models import Alarm, Mail, Notification, RouteRecord
print(json.dumps({
    "waiting": Alarm.objects.filter(state="w").count(),
    "alarms": sum(Notification.objects.values_list("alarms", flat=True)),
    "sent": list(Mail.objects.filter(state="sent").values_list("message_id", flat=True)),
    "mails": Mail.objects.count(),
    "pending": RouteRecord.objects.exclude(state="d").count(),
}))
"""


class Gateway(threading.Thread):
    """Posts the storm batch by batch, each until it is acknowledged."""

    def __init__(self, site: Site) -> None:
        super().__init__(name="gateway")
        self.site = site
        self.done = 0
        self.fault: Exception | None = None

    def run(self) -> None:
        size = -(-STORM // BATCHES)
        try:
            for number in range(BATCHES):
                devices = range(number * size, min((number + 1) * size, STORM))
                self._post(number, gzip.compress(json.dumps(self._batch(number, devices)).encode()))
                self.done = number + 1
        except Exception as error:
            self.fault = error

    @staticmethod
    def _batch(number: int, devices: range) -> dict:
        gasp = {"code": "PWR_OUTAGE", "time": "2026-04-02T19:31:07Z"}
        meters = [{"device": f"D{n:06}", "events": [gasp, gasp]} for n in devices]
        return {"batch": f"storm-{number}", "source": "near-term", "meters": meters}

    def _post(self, number: int, body: bytes) -> None:
        deadline = time.monotonic() + PATIENT
        while time.monotonic() < deadline:
            try:
                if self._once(body) in (200, 201):
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.2)
        raise TimeoutError(f"batch {number} was not taken")

    def _once(self, body: bytes) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.site.key}", "Content-Encoding": "gzip"}
        try:
            connection.request("POST", "/api/v1/batches", body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


@pytest.fixture
def sky(tmp_path):
    """An installation with a fleet, its mail server, and its data directory."""
    with smtp_server() as (box, port), Site(tmp_path / "var") as site:
        site.environment["TMS_EMAIL_URL"] = f"smtp://127.0.0.1:{port}"
        site.open()
        for first in range(0, STORM, AT_ONCE):
            end = min(first + AT_ONCE, STORM)
            site.done("shell", "-c", FLEET.format(first=first, end=end))
        yield site, box


def pieces(folder: Path) -> list[Path]:
    """The route's file and what was taken away of it, oldest first."""
    live = folder / "MRC_Outage_and_power_quality.dat"
    return [path for path in (folder / "taken.dat", live) if path.exists()]


def lines_of(folder: Path) -> list[bytes]:
    """The whole lines of all pieces, in order."""
    width = mrc.LENGTH + 2
    found = []
    for path in pieces(folder):
        data = path.read_bytes()
        found += [data[n : n + mrc.LENGTH] for n in range(0, len(data) - width + 1, width)]
    return found


def wait(condition, what: str) -> None:
    deadline = time.monotonic() + PATIENT
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.1)


def kill(site: Site, worker) -> object:
    """kill -9 the worker; a new one."""
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    return site.begin("worker")


def test_each_event_once_in_order_over_all_pieces_and_a_handful_of_mails(sky):
    site, box = sky
    folder = site.data_dir / "mrc"
    worker = site.begin("worker")
    gateway = Gateway(site)
    gateway.start()
    for part in (1, 2):
        wait(lambda part=part: gateway.done >= part * BATCHES // 4, "the gateway")
        site.kill()
        site.serve()
        wait(lambda part=part: len(lines_of(folder)) > STORM * part // 8, "records")
        worker = kill(site, worker)
    live = folder / "MRC_Outage_and_power_quality.dat"
    live.rename(folder / "taken.dat")
    gateway.join(PATIENT)
    assert gateway.fault is None
    wait(lambda: len(set(lines_of(folder))) >= STORM, "all records")

    lines = lines_of(folder)
    once = list(dict.fromkeys(lines))
    assert [mrc.sequence_of(line) for line in once] == list(range(1, STORM + 1))
    assert len({line[15:27] for line in once}) == STORM
    assert len({line[127:147] for line in once}) == STORM
    assert len(lines) - len(once) <= 1000  # a write under way at the move comes once more
    check_mails(site, box)


def check_mails(site: Site, box: Postbox) -> None:
    """All alarms told, in a handful of mails, each of them taken under its Message-ID."""
    state: dict = {}

    def told() -> bool:
        state.update(json.loads(site.done("shell", "-c", SENT).splitlines()[-1]))
        return not state["waiting"] and len(state["sent"]) == state["mails"]

    wait(told, "mails")
    assert state["alarms"] == STORM
    assert state["pending"] == 0
    assert 1 <= state["mails"] <= 8
    assert set(box.ids()) == set(state["sent"])
    summary = max(box.taken, key=lambda message: len(str(message)))
    text = summary.get_body(("plain",)).get_content()
    assert "By feeder" in text
    assert "FDR-3" in text
    assert "By group" in text
