"""A utility's own format is a module outside the tree, named in TMS_FORMATS."""

import json
import os

import pytest

from exports import formats
from tests.installation import ROOT

EXAMPLES = str(ROOT / "docs" / "examples")
BATCH = {
    "source": "scheduled",
    "meters": [
        {
            "device": "A1",
            "intervals": [
                {
                    "channel": 1,
                    "start": "2026-03-14T00:00:00Z",
                    "seconds": 3600,
                    "uom": "KWH",
                    "flow": "DEL",
                    "values": ["0.312", "0.305", None],
                    "status": ["", "", "missing"],
                },
                {
                    "channel": 9,
                    "start": "2026-03-14T00:00:00Z",
                    "seconds": 3600,
                    "uom": "HZ",
                    "flow": "DEL",
                    "values": ["50"],
                },
            ],
        }
    ],
}


@pytest.fixture
def acme(installation, tmp_path):
    """An installation with the example of the documentation, and readings."""
    path = os.pathsep.join(filter(None, (EXAMPLES, os.environ.get("PYTHONPATH"))))
    installation.environment |= {"TMS_FORMATS": "acme_daily", "PYTHONPATH": path}
    assert installation.manage("migrate", "-v", "0").returncode == 0
    file = tmp_path / "batch.json"
    file.write_text(json.dumps(BATCH))
    done = installation.manage("ingest", str(file), "--format", "json", "--provision", "CENTRON")
    assert done.returncode == 0, done.stderr
    return installation


def test_the_documented_example_is_listed_and_exports(acme, tmp_path):
    listed = json.loads(acme.manage("formats", "--json").stdout)
    (own,) = [row for row in listed if row["code"] == "acme"]
    assert (own["label"], own["writable"], own["readable"]) == ("Acme daily totals", True, False)
    assert "acme" not in formats.codes()
    target = tmp_path / "totals.txt"
    period = ("--start", "2026-03-14", "--end", "2026-03-14T03:00:00Z")
    made = acme.manage("export", "acme", *period, "--output", str(target), "--json")
    assert made.returncode == 0, made.stderr
    assert target.read_bytes() == (
        b"A1;KWH;DEL;2026-03-14T01:00:00Z;2026-03-14T03:00:00Z;3;1;0.617\r\nTOTAL;1;0.617\r\n"
    )
    report = json.loads(made.stdout)
    assert (report["meters"], report["intervals"], report["missing"]) == (1, 3, 1)
    assert report["warnings"] == [
        "FMT08 (1): left out: FMT08 ACME A1: unit HZ (flow DEL) has no code in this format"
    ]
    stopped = acme.manage(
        *("export", "acme", *period, "--output", str(target), "--option", "on_unsupported=stop")
    )
    assert stopped.returncode == 1
    assert "FMT08 ACME A1: unit HZ" in stopped.stderr


def test_the_documentation_leads_to_the_example():
    page = (ROOT / "docs/formats/own.md").read_text()
    assert "docs/examples/acme_daily.py" in page
    assert "own.md" in (ROOT / "docs/formats/README.md").read_text()


def test_a_module_without_a_format_stops_the_start_and_is_named(installation, tmp_path):
    (tmp_path / "empty_tms.py").write_text("")
    installation.environment |= {"TMS_FORMATS": "empty_tms", "PYTHONPATH": str(tmp_path)}
    ended = installation.manage("formats")
    assert ended.returncode != 0
    assert "empty_tms has neither FORMAT nor FORMATS" in ended.stderr
