"""A live export whose worker is killed ten times: no number is missed, no version is sent twice."""

import csv
import json
import signal
from typing import Any

from exports.failpoints import POINTS
from tests.installation import PATIENCE
from tests.outside.site import Site, in_database

# The last first: so that a worker comes to where it dies by ending what the one before began.
DEADLY = (
    *("delivery copied", "run committed, in the transaction", "file published", "file renamed"),
    *("file reserved", "draft written", "part stored", "part written, not stored"),
    *("scope stored", "scope frozen, not stored"),
)
MAKE = """
from exports import services
from exports.models import Destination, ExportDefinition
to = Destination(name="CIS", receiver="CIS1", path={outbox!r})
to.full_clean()
to.save()
it = ExportDefinition(
    name="LIVE", format="rte", period="since_last", zone="UTC", flush_seconds=1, flush_rows=20
)
it.full_clean()
services.definition_save(it, groups=[], devices=[], destinations=[to])
"""
METERS = ("M1", "M2", "M3")


class Gateway:
    """A head-end that sends two hours of three meters, again and again, each time other values."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.accepted: list[tuple[str, str, str]] = []  # device, hour, value: in their order

    def batch(self) -> dict[str, Any]:
        n = len(self.accepted)
        hour = n // 6 % 12
        meters = []
        for place, meter in enumerate(METERS):
            values = [f"{n}.{place}01", f"{n}.{place}02"]
            self.accepted += [(meter, f"{hour + 1 + k:02}:00", v) for k, v in enumerate(values)]
            interval = {"channel": 1, "start": f"2026-03-14T{hour:02}:00:00Z", "values": values}
            interval |= {"seconds": 3600, "uom": "KWH", "flow": "DEL"}
            meters.append({"device": meter, "intervals": [interval]})
        return {"source": "near-term", "meters": meters}

    def post(self) -> None:
        status, answer = self.site.call("POST", "/batches", self.batch())
        assert status == 201, answer

    def provision(self) -> None:
        file = self.site.data_dir / "first.json"
        file.write_text(json.dumps(self.batch()))
        self.site.ingest(file, "--format", "json", "--provision", "CENTRON")


def test_a_live_export_outlives_its_workers(tmp_path, request):
    site = Site(tmp_path / "var")
    with in_database(site, request):
        outbox = site.data_dir / "outbox" / "cis"
        site.open()
        site.done("shell", "-v", "0", "-c", MAKE.format(outbox=str(outbox)))
        gateway = Gateway(site)
        gateway.provision()
        for name in DEADLY:
            site.environment["TMS_FAIL_AT"] = str(POINTS.index(name) + 1)
            dying = site.begin("worker")
            gateway.post()
            site.wait_for(lambda dying=dying: gateway.post() or dying.poll() is not None)
            assert dying.returncode == -signal.SIGKILL, name
        del site.environment["TMS_FAIL_AT"]
        last = site.begin("worker")
        site.wait_for(lambda: len(rows_in(outbox)) >= len(gateway.accepted))
        last.send_signal(signal.SIGTERM)
        assert last.wait(PATIENCE) == 0

        rows = rows_in(outbox)
        assert [int(row["Seq"]) for row in rows] == list(range(1, len(gateway.accepted) + 1))
        sent = [(row["DeviceID"], row["Timestamp"][11:16], row["Value"]) for row in rows]
        assert sent == gateway.accepted
        times: dict[tuple[str, str], int] = {}
        for row in rows:
            key = row["DeviceID"], row["Timestamp"]
            assert int(row["Revision"]) == times.setdefault(key, 0)
            times[key] += 1
        made = sorted(path.name for path in (site.data_dir / "exports").glob("[!.]*"))
        assert made == sorted(path.name for path in outbox.iterdir())  # no twin
        assert len(made) > 5
        print(f"{len(rows)} rows in {len(made)} files, the worker killed {len(DEADLY)} times")


def rows_in(folder) -> list[dict[str, str]]:
    """What the partner has by now, file by file in the order of their numbers."""
    found = []
    paths = list(folder.glob("[!.]*.csv")) if folder.exists() else []
    for path in sorted(paths, key=lambda path: path.stem.rpartition("_")[2]):
        with path.open(newline="") as lines:
            found += list(csv.DictReader(lines))
    return found
