"""What is shipped for production fits what there is: units, their settings, `check --deploy`."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.installation import ROOT

UNITS = sorted((ROOT / "docs/examples/systemd").glob("*.service"))
ENVIRONMENT = ROOT / "docs/examples/systemd/tms.env"


def settings_of_example() -> dict[str, str]:
    lines = ENVIRONMENT.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_units_are_what_systemd_understands(unit, tmp_path):
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/opt/tms/.venv/bin/", f"{tmp_path}/"))
    for name in ("python", "gunicorn"):
        (tmp_path / name).symlink_to(sys.executable)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, timeout=60
    )
    assert [line for line in done.stderr.splitlines() if unit.name.split("@")[0] in line] == []
    assert done.returncode == 0, done.stderr


def test_there_is_a_unit_for_each_kind_of_process():
    commands = " ".join(re.findall(r"^ExecStart=(.*)$", "\n".join(map(_text, UNITS)), re.MULTILINE))
    for process in ("gunicorn tms.wsgi", "manage.py worker", "manage.py scheduler"):
        assert process in commands


def _text(path) -> str:
    return path.read_text()


def test_the_example_names_settings_that_there_are():
    told = set(re.findall(r"^\| `(TMS_\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert settings_of_example().keys() <= told


def test_production_settings_pass_the_deployment_checks(tmp_path):
    """With Django's warnings as errors, and a secret key as long as it should be."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TMS_", "DJANGO_"))}
    environment = kept | settings_of_example() | {"TMS_DATA_DIR": str(tmp_path)}
    environment |= {"TMS_SECRET_KEY": "a9!" * 20 + "bcdefghijkl", "TMS_REPLICA_URL": ""}
    del environment["TMS_DATABASE_URL"]  # nobody answers there
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
