"""How fast do events become records of the outage file, and alarms mails?

Last gasps posted over HTTP to gunicorn, written by a worker process of their own; timed from the
first byte to the last record in the file, flushed. The alternative does for each event what the
promise asks for and no more: insert a row, commit, append a line, fsync.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from django.conf import settings
from django.db import connection, transaction

from benchmarks import web
from benchmarks.tables import Line
from devices.models import DeviceClass, FunctionalGroup
from devices.services.inventory import NewDevice, devices_create
from devices.services.keys import api_key_create
from events.models import Alarm, AlarmRule, Mail, Route
from events.services.routes import route_file, route_start
from exports.formats import mrc
from tests.smtp import smtp_server

EVENTS, BATCH = 50_000, 1000
BARE = 1000  # rows of the alternative
SINGLES = 200  # batches whose way is timed one by one
ALARMS, MINUTE = 1000, 60.0
AIM = 5
WAIT = 300.0
FIRST = datetime(2026, 4, 2, 19, 31, 7, tzinfo=UTC)
NOTES = {"postgresql": [], "sqlite": []}


def measure(quick: bool) -> Iterator[Line]:
    events = EVENTS // 10 if quick else EVENTS
    names = _fleet(events)
    route = Route.objects.create(name="bench", catalogue_default=True)
    Route.objects.exclude(pk=route.pk).update(active=False)
    route_start(route)
    AlarmRule.objects.create(
        name="digest", categories=["OUTG"], addresses="a@example.com", way="digest"
    )
    path = route_file(route).path
    _, key = api_key_create("benchmark", ["ingest"])
    with smtp_server() as (_, mail_port), web.server() as port, _worker(mail_port):
        web.post_all(port, key, [_body(names[:1], 0)])  # the first answer is slow
        _grown(path, 1)
        yield _storm(port, key, names, path)
        yield from _latencies(port, key, names, path)
        yield from _mails(port, key, names, quick)


def _storm(port: int, key: str, names: Sequence[str], path: Path) -> Line:
    before = _records(path)
    bodies = [_body(names[n : n + BATCH], 1) for n in range(0, len(names), BATCH)]
    began = time.perf_counter()
    web.post_all(port, key, bodies)
    posted = time.perf_counter() - began
    _grown(path, before + len(names))
    ours = (time.perf_counter() - began) / len(names)
    bare = _bare() / BARE
    what = f"{len(names):,} last gasps in batches of {BATCH:,} (taken in {posted:.1f} s)"
    return Line(what, f"{1 / ours:,.0f}/s", f"{1 / bare:,.0f}/s", bare / ours, AIM)


def _bare() -> float:
    """Seconds of the bare loop."""
    line = b"x" * mrc.LENGTH + b"\r\n"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (id bigint PRIMARY KEY, device text, line text)")
    path = Path(settings.DATA_DIR) / "bare.dat"
    began = time.perf_counter()
    with path.open("ab", buffering=0) as file:
        for n in range(BARE):
            with transaction.atomic(), connection.cursor() as cursor:
                text = line.decode()
                cursor.execute("INSERT INTO bare VALUES (%s, %s, %s)", [n, f"D{n}", text])
            file.write(line)
            os.fsync(file.fileno())
    return time.perf_counter() - began


def _latencies(port: int, key: str, names: Sequence[str], path: Path) -> Iterator[Line]:
    """From each 201 to its record on disk, one event a batch."""
    found = []
    for n in range(SINGLES):
        before = _records(path)
        web.post_all(port, key, [_body(names[n : n + 1], 2)])
        began = time.perf_counter()
        _grown(path, before + 1)
        found.append(time.perf_counter() - began)
    yield _percentiles("From the 201 to the record on disk", found)


def _mails(port: int, key: str, names: Sequence[str], quick: bool) -> Iterator[Line]:
    """From alarm accepted to taken by the mail server, at a thousand a minute."""
    AlarmRule.objects.exclude(fallback=True).delete()
    AlarmRule.objects.create(
        name="each", categories=["OUTG"], addresses="b@example.com", hourly_limit=None
    )
    alarms = ALARMS // 5 if quick else ALARMS
    newest = Alarm.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    began = time.perf_counter()
    for n in range(alarms):
        due = began + n * MINUTE / ALARMS
        time.sleep(max(due - time.perf_counter(), 0))
        web.post_all(port, key, [_body(names[n : n + 1], 3)])
    mails = Mail.objects.filter(notification__kind="alarm", state="sent")
    _until(lambda: mails.count() >= alarms, "mails")
    told = Alarm.objects.filter(pk__gt=newest, notification__mails__state="sent")
    times = told.values_list("accepted", "notification__mails__sent")
    found = [(sent - accepted).total_seconds() for accepted, sent in times]
    yield _percentiles(f"From alarm accepted to handed to SMTP, {ALARMS:,} a minute", found)


def _percentiles(what: str, seconds: Sequence[float]) -> Line:
    half, most = np.percentile(seconds, [50, 99])
    return Line(f"{what}: median, 99th percentile", f"{half:.2f} s, {most:.2f} s")


# --- what it stands on --------------------------------------------------------------------------


def _fleet(count: int) -> list[str]:
    DeviceClass.objects.get_or_create(code="PLAIN")
    for n in range(4):
        FunctionalGroup.objects.get_or_create(code=f"G{n}")
    names = [f"D{n:06}" for n in range(count)]
    devices_create(
        [
            NewDevice(
                *(name, name.replace("D", "M"), "PLAIN", "America/Chicago"),
                feeder_id=f"FDR-{n % 40}",
                transformer_id=f"TX-{n // 9}",
                groups=(f"G{n % 4}",),
            )
            for n, name in enumerate(names)
        ],
        since=datetime(2020, 1, 1, tzinfo=UTC),
    )
    return names


def _body(names: Sequence[str], hour: int) -> bytes:
    gasp = {"code": "PWR_OUTAGE", "time": (FIRST + timedelta(hours=hour)).isoformat()}
    meters = [{"device": name, "events": [gasp]} for name in names]
    return json.dumps({"source": "near-term", "meters": meters}).encode()


@contextmanager
def _worker(mail_port: int) -> Iterator[None]:
    environment = os.environ | {"TMS_EMAIL_URL": f"smtp://127.0.0.1:{mail_port}"}
    manage = str(settings.BASE_DIR / "manage.py")
    process = subprocess.Popen([sys.executable, manage, "worker"], env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _records(path: Path) -> int:
    return path.stat().st_size // (mrc.LENGTH + 2) if path.exists() else 0


def _grown(path: Path, records: int) -> None:
    _until(lambda: _records(path) >= records, "records")


def _until(condition, what: str) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} in {WAIT:g} s")
        time.sleep(0.002)
