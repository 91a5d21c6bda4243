"""The suite itself: with CI set a skipped test is a failed one."""

import os
import subprocess
import sys

import pytest

from tests import __main__ as runner, servers
from tests.installation import ROOT

SKIPPED_TEST = "import pytest\n\n@pytest.mark.skip(reason='no such thing here')\ndef test(): ...\n"
SKIPPED_MODULE = "import pytest\n\npytest.importorskip('no_such_module')\n"
EXPECTED = "import pytest\n\n@pytest.mark.xfail\ndef test(): raise AssertionError\n"


@pytest.mark.parametrize(
    ("source", "ci", "code"),
    [
        (SKIPPED_TEST, "", 0),
        (SKIPPED_TEST, "true", 1),
        (SKIPPED_MODULE, "true", 2),
        (EXPECTED, "true", 0),
    ],
)
def test_a_skip_is_a_failure_in_ci(tmp_path, source, ci, code):
    (tmp_path / "test_it.py").write_text(source)
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", "pyproject.toml"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "TMS_"))}
    ended = subprocess.run(
        [*command, str(tmp_path), "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**environment, "CI": ci},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == code, ended.stdout
    if code:
        assert "which CI does not allow" in ended.stdout


def missing_server():
    raise servers.Unavailable("not installed")


@pytest.mark.parametrize(("ci", "code"), [("", 0), ("true", 1)])
def test_a_pass_that_cannot_be_run_is_told_and_fails_ci(monkeypatch, capsys, ci, code):
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(servers, "postgres", missing_server)
    monkeypatch.setattr(servers, "redis_server", missing_server)
    monkeypatch.setattr(runner, "suite_run", lambda *arguments: 0)
    assert runner.main([]) == code
    assert "PostgreSQL pass skipped, PostgreSQL: not installed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("codes", "arguments", "code"),
    [
        ([0, 0], [], 0),
        ([0, 1], [], 1),
        ([runner.NO_TESTS, 0], [], 1),
        ([runner.NO_TESTS, 0], ["-k", "partitions"], 0),
    ],
)
def test_the_passes_are_green_together(monkeypatch, codes, arguments, code):
    left = list(codes)
    monkeypatch.setattr(runner, "suite_run", lambda *_: left.pop(0))
    assert runner.main(arguments) == code
    assert not left
