"""The main job from outside: readings come in, CMEP goes out, nothing acknowledged is lost."""

import gzip
import http.client
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.outside.site import Site

DATA = Path(__file__).parent.parent / "data"
DAY = "start=2026-03-14T00:00:00Z&end=2026-03-15T00:00:00Z"


@pytest.fixture
def sites(tmp_path):
    """Two installations with empty databases."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    with Site(tmp_path / "one" / "var") as one, Site(tmp_path / "two" / "var") as two:
        one.open()
        two.open()
        yield one, two


def device_add(site, tmp_path, device="X1"):
    """A device, by way of a file that brings one reading of another day."""
    path = tmp_path / "first.json"
    interval = {"uom": "KWH", "start": "2026-03-01T00:00:00Z", "seconds": 900, "values": ["0.001"]}
    path.write_text(json.dumps({"meters": [{"device": device, "intervals": [interval]}]}))
    assert site.ingest(path, "--format", "json", "--provision", "SENTINEL")["created"] == {
        "devices": 1,
        "channels": 1,
    }


STATUS = ["", "estimated", "edited", "raw", "missing"]


def test_a_days_readings_make_the_way_through_cmep_into_another_house(sites, tmp_path):
    one, two = sites
    device_add(one, tmp_path)
    words = [STATUS[n % 5] for n in range(96)]
    values = [None if word == "missing" else f"0.{n:03}" for n, word in enumerate(words)]
    block = {"channel": 1, "start": "2026-03-14T00:00:00Z", "seconds": 900}
    batch = {
        "batch": "gw7-1",
        "source": "scheduled",
        "meters": [{"device": "X1", "intervals": [{**block, "values": values, "status": words}]}],
    }
    status, answer = one.call("POST", "/batches", batch)
    assert (status, answer["intervals"], answer["refused"]) == (201, 96, [])
    assert one.call("POST", "/batches", batch) == (200, answer)

    target = tmp_path / "day.txt"
    period = ("--start", "2026-03-14", "--end", "2026-03-15")
    report = one.export(target, *period, "--option", "meter_id=DeviceID")
    assert (report["intervals"], report["missing"]) == (96, 19)
    two.ingest(
        target, "--format", "cmep", "--provision", "SENTINEL", "--option", "meter_id=DeviceID"
    )
    sent = one.all_of(f"/devices/X1/intervals?{DAY}")
    got = two.all_of(f"/devices/X1/intervals?{DAY}")
    seen = [(i["end"], i["value"], i["status"]) for i in sent]
    assert len(seen) == 96
    assert [(i["end"], i["value"], i["status"]) for i in got] == seen


def test_real_register_reads_of_a_head_end_come_out_as_they_came_in(sites, tmp_path):
    one, two = sites
    source = DATA / "cmep.dat"
    report = one.ingest(source, "--format", "cmep", "--provision", "I210")
    assert (report["registers"], report["created"]["devices"]) == (125, 5)
    target = tmp_path / "again.txt"
    one.export(
        target,
        *("--start", "2011-09-20", "--end", "2011-09-22"),
        *("--option", "dialect=sensus", "--option", "include=registers"),
    )

    def triplets(path):
        found = {}
        for line in path.read_text().splitlines():
            cells = line.split(",")
            meter = cells[7] or cells[5]
            for n in range(14, len(cells) - 2, 3):
                found[meter, cells[10], cells[n]] = cells[n + 1 : n + 3]
        return found

    assert triplets(target) == triplets(source)
    assert len(triplets(source)) == 125
    two.ingest(target, "--format", "cmep", "--provision", "I210")
    period = "start=2011-09-20T00:00:00Z&end=2011-09-22T00:00:00Z"
    for device in [item["device"] for item in one.all_of("/devices")]:
        reads = [site.all_of(f"/devices/{device}/registers?{period}") for site in sites]
        assert len(reads[0]) == 25
        seen = [
            [(read["time"], [v["value"] for v in read["values"]]) for read in of] for of in reads
        ]
        assert seen[0] == seen[1]


def test_years_of_real_consumption_come_back_equal(sites, tmp_path):
    one, two = sites
    source = DATA / "real-consumption.json.gz"
    report = one.ingest(source, "--format", "json", "--provision", "SENTINEL")
    assert (report["intervals"], report["devices"]) == (62342, 3)
    target = tmp_path / "years.txt"
    one.export(target, "--start", "2010-01-01", "--end", "2026-01-01")
    two.ingest(
        target,
        *("--format", "cmep", "--provision", "SENTINEL"),
        *("--resolution", "0.000001"),
    )
    posted = json.loads(gzip.decompress(source.read_bytes()))
    total = 0
    for meter in posted["meters"]:
        expected = {}
        for block in meter["intervals"]:
            start = datetime.fromisoformat(block["start"])
            for n, value in enumerate(block["values"], 1):
                end = start + n * timedelta(seconds=block["seconds"])
                if value is not None:
                    expected[end] = float(value)
        period = "start=2010-01-01T00:00:00Z&end=2026-01-01T00:00:00Z&limit=5000"
        got = {
            datetime.fromisoformat(i["end"]): float(i["value"])
            for i in two.all_of(f"/devices/{meter['device']}/intervals?{period}")
            if i["value"] is not None
        }
        assert got == expected
        total += len(got)
    assert total == 62342


def test_every_acknowledged_batch_survives_a_killed_web_server(tmp_path):
    with Site(tmp_path / "var") as site:
        site.open()
        device_add(site, tmp_path)
        start = datetime(2026, 3, 14, tzinfo=UTC)
        batches = [
            {
                "batch": f"b-{n:03}",
                "source": "near-term",
                "meters": [
                    {
                        "device": "X1",
                        "intervals": [
                            {
                                "channel": 1,
                                "start": (start + n * timedelta(minutes=15)).isoformat(),
                                "seconds": 900,
                                "counts": [n],
                            }
                        ],
                    }
                ],
            }
            for n in range(200)
        ]
        acknowledged = {}
        killed = False

        def send(batch):
            nonlocal killed
            try:
                status, answer = site.call("POST", "/batches", batch)
            except (OSError, http.client.HTTPException):
                return
            assert status == 201
            acknowledged[batch["batch"]] = answer
            if len(acknowledged) >= 60 and not killed:
                killed = True
                site.kill()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(send, batches))
        assert 60 <= len(acknowledged) < 200
        site.serve()
        counts = {
            item["value"]
            for item in site.all_of(
                "/devices/X1/intervals?start=2026-03-14T00:00:00Z&end=2026-03-17T00:00:00Z"
            )
        }
        for name in acknowledged:
            n = int(name[2:])
            assert (f"{n / 1000:.3f}".rstrip("0").rstrip(".") or "0") in counts
        random.shuffle(batches)
        for batch in batches:
            status, answer = site.call("POST", "/batches", batch)
            if batch["batch"] in acknowledged:
                assert (status, answer) == (200, acknowledged[batch["batch"]])
            else:
                assert status in (200, 201)
        assert len({b["batch"] for b in batches}) == 200
        items = site.all_of(
            "/devices/X1/intervals?start=2026-03-14T00:00:00Z&end=2026-03-17T00:00:00Z"
        )
        assert [item["revision"] for item in items] == [0] * 200
