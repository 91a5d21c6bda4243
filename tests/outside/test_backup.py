"""A backup taken while batches arrive, restored beside: what was acknowledged before it is there.

As docs/operations.md says: first the database, then the data directory, since files are only added.
"""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import servers
from tests.installation import PATIENCE
from tests.outside.site import Site

pytestmark = pytest.mark.postgres
METERS = [f"M{n:02}" for n in range(5)]
MAKE = """
from exports import services
from exports.models import ExportDefinition
it = ExportDefinition(name="SINCE", format="cmep", period="since_last", zone="UTC")
it.full_clean()
services.definition_save(it, groups=[], devices=[], destinations=[])
"""
KEYS = """
from devices.models import Batch
print(*Batch.objects.exclude(key=None).values_list("key", flat=True))
"""


def batch(number: int) -> dict[str, Any]:
    """Another value for one hour of each meter; the batch is named by its number."""
    run = {"channel": 1, "start": f"2026-03-14T{number % 24:02}:00:00Z", "seconds": 3600}
    run |= {"uom": "KWH", "flow": "DEL", "values": [f"{number}.5"]}
    return {
        "batch": f"b{number}",
        "source": "scheduled",
        "meters": [{"device": meter, "intervals": [run]} for meter in METERS],
    }


class Arriving(threading.Thread):
    """Posts batches one after another; what was acknowledged, in its order."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.site, self.ended = site, threading.Event()
        self.acknowledged: list[str] = []

    def run(self) -> None:
        number = 1
        while not self.ended.is_set():
            status, answer = self.site.call("POST", "/batches", batch(number))
            if status == 201:
                self.acknowledged.append(answer["batch"])
            number += 1


@pytest.fixture
def site(tmp_path, postgres_url) -> Iterator[Site]:
    made = Site(tmp_path / "var")
    made.environment["TMS_DATABASE_URL"] = postgres_url
    with made:
        made.open()
        file = made.data_dir / "first.json"
        file.write_text(json.dumps(batch(0)))
        made.ingest(file, "--format", "json", "--provision", "CENTRON")
        made.done("shell", "-v", "0", "-c", MAKE)
        yield made
        made.__exit__(None, None, None)


def program(name: str) -> str:
    return str(servers._postgres_programs() / name)


def called(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


def test_a_backup_taken_while_batches_arrive_holds_what_was_acknowledged(
    site, tmp_path, postgres_server
):
    arriving = Arriving(site)
    arriving.start()
    for _ in range(2):
        before = len(arriving.acknowledged)
        site.wait_for(lambda before=before: len(arriving.acknowledged) > before + 3)
        site.done("run", "SINCE")

    acknowledged = list(arriving.acknowledged)
    dump = tmp_path / "tms.dump"
    url = site.environment["TMS_DATABASE_URL"]
    called(program("pg_dump"), "--format=custom", f"--file={dump}", url)
    site.done("run", "SINCE")  # after the dump: its file is in the copy, and in no row
    called("cp", "-a", str(site.data_dir), str(tmp_path / "copy"))
    later = len(arriving.acknowledged)
    site.wait_for(lambda: len(arriving.acknowledged) > later + 3)
    arriving.ended.set()
    arriving.join(PATIENCE)

    with servers.postgres_database(postgres_server, f"restored_{tmp_path.name[-20:]}") as restored:
        called(
            program("pg_restore"),
            "--no-owner",
            "--exit-on-error",
            f"--dbname={restored}",
            str(dump),
        )
        shutil.move(tmp_path / "copy", tmp_path / "elsewhere")
        other = Site(tmp_path / "elsewhere")
        other.environment["TMS_DATABASE_URL"] = restored
        with other:
            look_at_the_restored(other, acknowledged, arriving.acknowledged, site)
            other.__exit__(None, None, None)


def look_at_the_restored(
    other: Site, acknowledged: list[str], sent: list[str], first: Site
) -> None:
    assert "No migrations to apply" in other.done("migrate")
    assert other.done("verify_files") == "2 kept files are whole\n"
    stored = set(other.done("shell", "-v", "0", "-c", KEYS).split())
    assert set(acknowledged) <= stored <= {"b0", *sent, f"b{len(sent) + 1}"}
    other.serve()
    other.key = first.key  # keys are in the backup
    newest = {}
    for number in sorted(int(key.removeprefix("b")) for key in stored):
        newest[number % 24] = f"{number}.5"
    day = "start=2026-03-14T00:00:00Z&end=2026-03-15T00:00:00Z"
    for meter in METERS:
        items = other.all_of(f"/devices/{meter}/intervals?{day}")
        values = {item["end"][11:13]: item["value"] for item in items if item["value"]}
        assert values == {f"{(hour + 1) % 24:02}": value for hour, value in newest.items()}
    # A sender that had no answer sends again, and the next file goes on where the last one ended.
    status, _ = other.call("POST", "/batches", batch(int(acknowledged[-1][1:])))
    assert status == 200
    report = json.loads(other.done("run", "SINCE", "--json"))
    assert report["status"] in ("done", "empty")
    assert other.done("verify_files").split()[0] in ("2", "3")


def test_a_file_that_is_damaged_or_gone_is_named(site):
    site.done("run", "SINCE")
    assert site.done("verify_files") == "1 kept files are whole\n"
    (kept,) = [path for path in (site.data_dir / "archive").rglob("*") if path.is_file()]
    whole = Path(kept).read_bytes()
    kept.write_bytes(whole[:-1] + b"x")
    told = site.manage("verify_files")
    assert told.returncode == 1
    assert "are not those of its SHA-256" in told.stderr
    kept.unlink()
    told = site.manage("verify_files")
    assert (told.returncode, "are gone" in told.stderr) == (1, True)
    assert told.stderr.splitlines()[-1].endswith("1 of 1 kept files are not whole")
