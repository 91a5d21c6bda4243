"""Keeps the child processes of `manage.py start` running, and stops them all together."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tms.stop import Stop

POLL = 0.2  # seconds between two looks at the children
GRACE = 15.0  # seconds from TERM to KILL
STEADY = 60.0  # a child that ran so long has forgotten its earlier failures
TRIES = 5  # deaths in a row, none of them after STEADY, before everything is given up
_PR_SET_PDEATHSIG = 1  # prctl(2)


@dataclass
class Child:
    """One process, in a process group of its own so that it can be ended with its children."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen | None = None
    deaths: int = 0
    started: float = 0.0
    due: float = field(default=0.0, repr=False)

    def start(self) -> None:
        """Start it; where the system can, it ends when we are killed."""
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            process_group=0,
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )

    def end(self, signal_number: int) -> None:
        """Send a signal to the process; KILL goes to its whole group, with what it started."""
        if self.process is None:
            return
        if signal_number == signal.SIGKILL:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        elif self.process.poll() is None:
            self.process.send_signal(signal_number)

    def died(self, now: float) -> int | None:
        """The exit code of a child that has just died, which is then due to start again."""
        if self.process is None or (code := self.process.poll()) is None:
            return None
        self.end(signal.SIGKILL)  # what it has left behind, such as a listening socket
        self.process = None
        self.deaths = 1 if now - self.started > STEADY else self.deaths + 1
        self.due = now + min(2 ** (self.deaths - 1), 30)
        return code


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def supervise(
    children: Sequence[Child],
    stop: Stop,
    report: Callable[[str], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> bool:
    """Run the children until asked to stop (true) or until one cannot be kept alive (false).

    `meanwhile` is called at each look at them.
    """
    try:
        for child in children:
            child.start()
        while not stop.wait(POLL):
            if not all(_tended(child, report) for child in children):
                return False
            meanwhile()
        return True
    finally:
        stop_all(children)


def _tended(child: Child, report: Callable[[str], None]) -> bool:
    """Start a dead child again when its time has come; false when it died too often."""
    now = time.monotonic()
    if (code := child.died(now)) is not None:
        if child.deaths >= TRIES:
            report(f"{child.name} ended {child.deaths} times (exit code {code}): giving up")
            return False
        report(f"{child.name} ended (exit code {code}); again in {child.due - now:.0f} s")
    elif child.process is None and now >= child.due:
        child.start()
    return True


def stop_all(children: Sequence[Child]) -> None:
    """Ask every child to end, wait for GRACE, then kill what is left of each group."""
    for child in children:
        child.end(signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for child in children:
        if child.process is not None:
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            child.end(signal.SIGKILL)
            child.process.wait()
