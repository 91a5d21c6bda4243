"""`manage.py start`, `worker` and `scheduler` as processes: they start, come back, stop."""

import json
import os
import signal
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command

from tests.installation import Installation
from tms.management.commands import start, worker


def children_of(pid: int) -> dict[str, int]:
    """Process ids of the children of a process, by the last word of their command line."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        found["web" if "gunicorn" in words else words[-2]] = int(child)
    return found


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def ready(installed: Installation) -> bool:
    status, body = installed.get("/readyz")
    return status == 200 and json.loads(body)["ready"]


def test_start_brings_up_everything_and_stops_it_cleanly(installation):
    started = installation.begin("start", "--no-demo", "--port", str(installation.port))
    installation.wait_for(lambda: ready(installation))
    greeting = installation.log.read_text()
    assert f"http://127.0.0.1:{installation.port}/" in greeting
    for name in ("admin", "operator", "billing", "support"):
        assert f"  {name:10}tms-demo-2026" in greeting

    second = installation.manage("start", "--no-demo", "--port", str(installation.port))
    assert second.returncode == 1
    assert f"port {installation.port} of 127.0.0.1 cannot be used" in second.stderr
    assert "make run PORT=" in second.stderr

    children = children_of(started.pid)
    assert set(children) == {"web", "worker", "scheduler"}
    started.send_signal(signal.SIGINT)
    assert started.wait(30) == 0
    assert all(gone(pid) for pid in children.values())
    assert "Stopped." in installation.log.read_text()
    assert {path.name for path in installation.data_dir.parent.iterdir()} == {"var", "output.txt"}


def test_a_process_that_was_killed_comes_back(installation):
    started = installation.begin("start", "--no-demo", "--port", str(installation.port))
    installation.wait_for(lambda: ready(installation))
    before = children_of(started.pid)
    for name in ("web", "worker"):
        os.kill(before[name], signal.SIGKILL)
    installation.wait_for(lambda: installation.get("/healthz")[0] == 0)
    installation.wait_for(lambda: installation.get("/healthz")[0] == 200)
    after = children_of(started.pid)
    assert set(after) == set(before)
    assert after["scheduler"] == before["scheduler"]
    assert after["web"] != before["web"]
    assert after["worker"] != before["worker"]


@pytest.mark.postgres
def test_the_same_runs_on_postgresql_and_redis(installation, postgres_url, redis_url):
    """Three processes: ready means that a task went through the broker and was done."""
    installation.environment |= {"TMS_DATABASE_URL": postgres_url, "TMS_BROKER_URL": redis_url}
    started = installation.begin("start", "--port", str(installation.port))
    installation.wait_for(lambda: ready(installation))
    assert json.loads(installation.get("/readyz")[1])["broker"] == "ok"
    printed = installation.log.read_text()
    assert "tms-demo-2026" not in printed
    assert "manage.py createsuperuser" in printed
    started.terminate()
    assert started.wait(30) == 0


def test_a_port_that_cannot_be_used_is_refused_before_anything_is_done():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} of .* Another port: make run PORT="):
            call_command("start", port=port)
    with pytest.raises(CommandError, match="there is no port 99999"):
        call_command("start", port=99999)


def test_the_worker_takes_tasks_from_the_broker_one_at_a_time(settings, monkeypatch):
    settings.BROKER_URL = "redis://broker"
    replaced = []
    monkeypatch.setattr(worker.os, "execv", lambda path, words: replaced.append(words))
    monkeypatch.setattr(worker, "sweep_until", lambda stop: None)
    monkeypatch.setattr(worker, "Stop", lambda: None)
    call_command("worker", concurrency=3)
    words = " ".join(replaced[0])
    assert "-m celery --app tms" in words
    assert "--concurrency 3 --prefetch-multiplier 1" in words


def test_the_web_has_one_process_on_sqlite_and_more_elsewhere(monkeypatch):
    def workers(vendor: str) -> int:
        monkeypatch.setattr(start, "connection", SimpleNamespace(vendor=vendor))
        command = start.web_command("127.0.0.1", 8000)
        return int(command[command.index("--workers") + 1])

    monkeypatch.setattr(start.os, "cpu_count", lambda: 16)
    assert (workers("sqlite"), workers("postgresql")) == (1, 4)
