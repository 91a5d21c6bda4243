"""Children are kept alive, given up when they cannot be, and ended with all they started."""

import signal
import subprocess
import sys
import time

import pytest

from tms import supervisor
from tms.supervisor import Child, supervise

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
DEAF = [
    *(sys.executable, "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('deaf', flush=True); time.sleep(60)",
]


class Stopped:
    """A Stop that asks after so many looks at the children; `between` is done at each."""

    def __init__(self, at: int, between=lambda: None) -> None:
        self._left, self._between = at, between

    def wait(self, seconds: float) -> bool:
        time.sleep(0.05)
        self._between()
        self._left -= 1
        return self._left < 0


@pytest.fixture
def impatient(monkeypatch):
    """No back-off between two starts."""
    monkeypatch.setattr(supervisor, "min", lambda *_: 0, raising=False)


def test_all_children_end_when_asked_to():
    children = [Child("one", SLEEP), Child("two", SLEEP)]
    assert supervise(children, Stopped(at=2), report=print)
    assert [child.process.returncode for child in children] == [-signal.SIGTERM] * 2


def test_a_child_that_was_killed_comes_back(impatient):
    reports, processes, child = [], [], Child("worker", SLEEP)

    def between() -> None:
        if child.process and child.process not in processes:
            processes.append(child.process)
            if len(processes) == 1:
                child.process.kill()

    assert supervise([child], Stopped(at=20, between=between), reports.append)
    assert len(processes) == 2
    assert reports == ["worker ended (exit code -9); again in 0 s"]


def test_a_child_that_never_lives_is_given_up_and_the_others_are_ended(impatient):
    reports, other = [], Child("web", SLEEP)
    failing = Child("worker", [sys.executable, "-c", "raise SystemExit(3)"])
    assert not supervise([other, failing], Stopped(at=600), reports.append)
    assert reports[-1] == "worker ended 5 times (exit code 3): giving up"
    assert other.process.returncode == -signal.SIGTERM


def test_the_pause_between_two_starts_doubles_and_a_steady_run_forgives():
    child, pauses = Child("it", [sys.executable, "-c", ""]), []
    for steady in (False, False, False, True):
        child.start()
        child.process.wait()
        now = child.started + (supervisor.STEADY + 1 if steady else 0)
        assert child.died(now) == 0
        pauses.append(child.due - now)
    assert pauses == pytest.approx([1, 2, 4, 1])


def test_a_child_that_does_not_listen_is_killed(monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    child = Child("it", DEAF)
    child.start()
    time.sleep(0.5)
    supervisor.stop_all([child])
    assert child.process.returncode in (-signal.SIGKILL, -signal.SIGTERM)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
def test_children_end_with_a_supervisor_that_was_killed(tmp_path):
    code = (
        "import sys, time; from tms.supervisor import Child\n"
        f"child = Child('it', {SLEEP!r}); child.start()\n"
        "print(child.process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while _alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
