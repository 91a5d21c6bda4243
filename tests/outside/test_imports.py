"""Imports from outside: a worker is killed in the midst of one; files that are too much arrive."""

import http.client
import io
import re
import signal
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from django.conf import settings

from tests import servers
from tests.installation import PATIENCE
from tests.outside.site import Site

ROWS = 10_000
PASSWORD = "long enough for a test"
CLERK = """
from django.contrib.auth.models import Group, User
user = User.objects.create_user("clerk", password={password!r}, is_staff=True)
user.groups.add(Group.objects.get(name="Billing"))
"""
RECEIVE = """
from devices.imports.options import Options
from devices.services.imports import jobs
job = jobs.import_create(
    kind="devices", filename="fleet.csv", options=Options(row_by_row={row_by_row})
)
head = "Action,DeviceID,MeterNumber,DeviceClass,ServicePointID,Notes\\r\\n"
rows = (f"A,{prefix}{{n:06}},{prefix}{{n:06}},PLAIN,SP{{n:06}},pole\\r\\n" for n in range({rows}))
jobs.pieces_store(job, [head.encode(), *(row.encode() for row in rows)])
print(job.pk)
"""
CLASS = """
from devices.models import DeviceClass
DeviceClass.objects.get_or_create(code="PLAIN")
"""
YES = """
from devices.models import ImportJob
from devices.services.imports.apply import import_queue
import_queue(ImportJob.objects.get(pk={job}), user=None)
"""
UNDO = """
from devices.models import ImportJob
from devices.services.imports.undo import import_undo
import_undo(ImportJob.objects.get(pk={job}))
"""
KEPT = "SELECT (SELECT COUNT(*) FROM devices_importpiece), (SELECT COUNT(*) FROM devices_importrow)"


class Clerks(Site):
    """An installation whose database is looked into from beside."""

    def ask(self, query: str) -> tuple[Any, ...]:
        """The one row of a query, as what is committed has it."""
        url = self.environment.get("TMS_DATABASE_URL")
        if url:
            with psycopg.connect(url) as connection:
                return connection.execute(query).fetchone()
        with closing(sqlite3.connect(self.data_dir / "tms.sqlite3", timeout=30)) as connection:
            return connection.execute(query).fetchone()

    def shell(self, text: str) -> str:
        return self.done("shell", "-v", "0", "-c", text).strip()

    def job(self, job: int) -> dict[str, Any]:
        names = ("state", "progress", "steps", "done_to", "tries")
        row = self.ask(f"SELECT {', '.join(names)} FROM devices_importjob WHERE id = {job}")
        return dict(zip(names, row, strict=True))

    def devices(self, prefix: str) -> tuple[int, int]:
        """How many of a file's devices there are, and how many have all that belongs to them."""
        (there,) = self.ask(
            f"SELECT COUNT(*) FROM devices_device WHERE device_id LIKE '{prefix}0%'"
        )
        (whole,) = self.ask(
            "SELECT COUNT(*) FROM devices_device d JOIN devices_installation i ON i.device_id = "
            "d.id JOIN devices_historicaldevice h ON h.id = d.id "
            f"WHERE d.device_id LIKE '{prefix}0%'"
        )
        return there, whole

    def kill_worker(self, job: int, when: Any) -> dict[str, Any]:
        """Start a worker, kill -9 it as soon as the import is as wanted; how it then stands."""
        worker = self.begin("worker")
        deadline = time.monotonic() + PATIENCE
        while not when(self.job(job)):
            assert time.monotonic() < deadline, self.log.read_text()
            assert worker.poll() is None, self.log.read_text()
        worker.send_signal(signal.SIGKILL)
        worker.wait(PATIENCE)
        return self.job(job)

    def finish(self, job: int, state: str) -> None:
        """Let another worker go on until the import has come to a state."""
        worker = self.begin("worker")
        self.wait_for(lambda: self.job(job)["state"] == state)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory, request) -> Iterator[Clerks]:
    with Clerks(tmp_path_factory.mktemp("imports") / "var") as made:
        if settings.DATABASES["default"]["ENGINE"].endswith("postgresql"):
            server = request.getfixturevalue("postgres_server")
            with servers.postgres_database(server, f"tms_imports_{time.time_ns()}") as url:
                made.environment["TMS_DATABASE_URL"] = url
                made.open()
                made.shell(CLASS)
                yield made
                made.__exit__(None, None, None)
        else:
            made.open()
            made.shell(CLASS)
            yield made


def test_a_worker_killed_while_it_reads_and_applies_has_applied_nothing(site):
    job = int(site.shell(RECEIVE.format(row_by_row=False, prefix="W", rows=ROWS)))
    seen = site.kill_worker(job, lambda now: now["state"] == "reading" and now["progress"] > 20)
    assert seen["state"] == "reading"
    site.finish(job, "preview")  # the rows are read anew, none twice
    assert site.ask(f"SELECT COUNT(*) FROM devices_importrow WHERE job_id = {job}") == (ROWS,)
    site.shell(YES.format(job=job))
    seen = site.kill_worker(job, lambda now: now["state"] == "applying" and now["progress"] >= 10)
    if seen["state"] == "applying":  # else it was quicker than the kill
        assert site.devices("W") == (0, 0)
    print(f"killed while {seen['state']}")
    site.finish(job, "applied")
    assert site.devices("W") == (ROWS, ROWS)
    site.shell(UNDO.format(job=job))
    assert site.devices("W") == (0, 0)


def test_row_by_row_another_worker_goes_on_behind_what_was_applied(site):
    job = int(site.shell(RECEIVE.format(row_by_row=True, prefix="R", rows=ROWS // 4)))
    site.finish(job, "preview")
    site.shell(YES.format(job=job))
    seen = site.kill_worker(job, lambda now: now["steps"] >= 3)
    assert seen["state"] == "applying"
    done = seen["done_to"] - 1  # the first row is the second line
    assert 0 < done < ROWS // 4
    assert site.devices("R") == (done, done)
    print(f"killed after {done} rows in {seen['steps']} steps")
    site.finish(job, "applied")
    assert site.devices("R") == (ROWS // 4, ROWS // 4)
    assert site.job(job)["steps"] == -(-(ROWS // 4) // 500)
    site.shell(UNDO.format(job=job))
    assert site.devices("R") == (0, 0)


# --- too much ----------------------------------------------------------------------------------


class Browser:
    """What of a browser is needed to upload a file."""

    def __init__(self, port: int) -> None:
        self.port, self.cookies = port, {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        """Status, and the text or where it leads to."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        with closing(connection):
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, {"Cookie": cookies, **named})
            answer = connection.getresponse()
            for line in answer.headers.get_all("Set-Cookie", []):
                self.cookies |= {n: m.value for n, m in SimpleCookie(line).items()}
            text = answer.read().decode()
            return answer.status, answer.headers.get("Location") or text

    def log_in(self) -> None:
        self.ask("GET", "/login/")
        form = {"username": "clerk", "password": PASSWORD, "next": "/"}
        body = urlencode({**form, "csrfmiddlewaretoken": self.cookies["csrftoken"]})
        kind = "application/x-www-form-urlencoded"
        assert self.ask("POST", "/login/", body, Content_Type=kind) == (302, "/")

    def upload(self, name: str, blocks: Iterator[bytes], size: int) -> str:
        """The page that an uploaded file leads to."""
        edge = "edge-of-a-part"
        fields = {"csrfmiddlewaretoken": self.cookies["csrftoken"], "how": "good"}
        head = "".join(
            f'--{edge}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'
            for field, value in fields.items()
        )
        head += (
            f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        )
        start, end = head.encode(), f"\r\n--{edge}--\r\n".encode()

        def body() -> Iterator[bytes]:
            yield start
            yield from blocks
            yield end

        status, place = self.ask(
            *("POST", "/devices/importjob/add/?kind=devices", body()),
            Content_Type=f"multipart/form-data; boundary={edge}",
            Content_Length=str(len(start) + size + len(end)),
        )
        assert status == 302, place
        status, page = self.ask("GET", place)
        assert status == 200
        return page


def peak(site: Site) -> int:
    """The most memory that a process of the web server has had, in bytes."""
    pids = [site.web.pid]
    tasks = Path(f"/proc/{site.web.pid}/task").glob("*/children")
    pids += [int(pid) for path in tasks for pid in path.read_text().split()]
    status = [Path(f"/proc/{pid}/status").read_text() for pid in pids]
    return max(int(re.search(r"VmHWM:\s+(\d+) kB", text)[1]) for text in status) * 1024


def bomb() -> bytes:
    """A workbook of 400 KB whose sheet unpacks to 400 MB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        with packed.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(400):
                sheet.write(bytes(1 << 20))
    return made.getvalue()


def wide() -> bytes:
    """A header of 10,000 columns."""
    names = ["Action", "DeviceID", *(f"C{n}" for n in range(10_000))]
    return (",".join(names) + "\r\nD,D1" + "," * 10_000 + "\r\n").encode()


def test_files_that_are_too_much_are_refused_and_leave_nothing(site):
    site.shell(CLERK.format(password=PASSWORD))
    browser = Browser(site.port)
    browser.log_in()
    browser.upload("small.csv", iter([b"Action,DeviceID\r\nD,NONE\r\n"]), 25)
    before, stored = peak(site), site.ask(KEPT)
    size = 300 << 20
    line = b"A,D1,M1,PLAIN,SP1,as long as it takes\r\n"
    block = (line * (1 + (1 << 20) // len(line)))[: 1 << 20]
    page = browser.upload("large.csv", (block for _ in range(300)), size)
    assert "DEV29" in page
    assert "file larger than" in page
    data = bomb()
    assert "DEV29" in browser.upload("bomb.xlsx", iter([data]), len(data))
    data = bytes(range(256)) * 100
    assert "DEV" in browser.upload("noise.csv", iter([data]), len(data))
    data = wide()
    browser.upload("wide.csv", iter([data]), len(data))
    grown = peak(site) - before
    print(f"memory grew by {grown / 2**20:.0f} MiB, to {peak(site) / 2**20:.0f} MiB")
    assert grown < 100 << 20
    pieces, rows = site.ask(KEPT)
    assert (pieces, rows - stored[1]) == (0, 1)  # that of the wide file
    assert list((site.data_dir / "uploads").iterdir()) == []
    assert site.get("/healthz")[0] == 200
