"""A signal asks a process to stop, at once even while it waits."""

import os
import signal
import threading
import time

import pytest

from tms.stop import SIGNALS, Stop


@pytest.fixture
def stop():
    """A Stop of the test process; its signal handlers are taken away afterwards."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield Stop()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_wait(stop, number):
    threading.Timer(0.1, os.kill, (os.getpid(), number)).start()
    began = time.monotonic()
    assert stop.wait(30)
    assert time.monotonic() - began < 10
    assert stop.asked


def test_who_is_not_asked_waits_his_time(stop):
    assert not stop.wait(0.01)
    assert not stop.wait(-5)


def test_who_was_asked_waits_no_more(stop):
    stop.ask()
    stop.ask()
    assert stop.wait(30)
    assert stop.wait(30)
