"""The worker's and the scheduler's loops: nothing due is forgotten, nothing stops the others."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from devices.models import Heartbeat
from tms import loops, tasks
from tms.loops import BACKOFF_MAX, IDLE, Step

MINUTE = datetime(2026, 3, 14, 10, 20, tzinfo=UTC)
calls: list[str] = []


def first() -> bool:
    """Something due that takes three steps."""
    calls.append("first")
    return calls.count("first") < 3


def failing() -> bool:
    calls.append("failing")
    raise RuntimeError("as asked")


def last() -> None:
    calls.append("last")


class Stopped:
    """A Stop that has nobody wait and asks to stop at the given wait."""

    def __init__(self, at: int) -> None:
        self.asked, self.waits, self._at = False, [], at

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self.asked = len(self.waits) >= self._at
        return self.asked


@pytest.fixture(autouse=True)
def no_calls(monkeypatch):
    """Calls are counted from nothing; the test's own connection stays open."""
    calls.clear()
    monkeypatch.setattr(loops, "close_old_connections", lambda: None)
    monkeypatch.setattr(loops.connections, "close_all", lambda: None)


@pytest.fixture
def named(settings):
    """The functions above as sweeps and ticks, by their dotted names."""
    names = [f"{__name__}.{function.__name__}" for function in (first, failing, last)]
    settings.TMS_SWEEPS = settings.TMS_TICKS = names
    settings.BROKER_URL = ""
    return names


# --- a step -------------------------------------------------------------------------------------


def test_a_step_that_fails_pauses_longer_each_time_and_recovers(caplog):
    outcomes = [RuntimeError("no"), RuntimeError("no"), None, RuntimeError("no")]

    def function() -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    step, dues = Step("it", function), []
    for now in (100.0, 200.0, 300.0, 400.0):
        step.run(now)
        dues.append(step.due - now)
    assert dues == [2 * IDLE, 4 * IDLE, 0.0, 2 * IDLE]
    assert caplog.messages[0] == "it failed; again in 0.5 s"


def test_no_pause_is_longer_than_the_longest():
    step = Step("it", failing, failures=5000)
    assert step.run(0.0) is False
    assert step.due == BACKOFF_MAX


def test_a_step_is_done_no_earlier_than_it_is_due():
    step = Step("it", last, every=15.0)
    for now in (1.0, 2.0, 15.9, 16.0):
        step.run(now)
    assert calls == ["last", "last"]


def test_a_step_that_found_nothing_rests_and_one_that_has_more_does_not():
    step = Step("it", first, rest=IDLE)
    for now in (1.0, 1.0, 1.0, 1.1, 1.0 + IDLE):
        step.run(now)
    assert calls == ["first"] * 4


# --- the worker without a broker ----------------------------------------------------------------


@pytest.mark.django_db
def test_the_sweeper_goes_on_at_once_with_what_has_more_and_no_failure_stops_it(named):
    stop = Stopped(at=3)
    loops.sweep_until(stop)
    assert stop.waits == [0.0, 0.0, IDLE]
    assert calls == ["first", "failing", "last", "first", "first"]
    assert timezone.now() - Heartbeat.objects.get(name="worker").at < timedelta(minutes=1)


@pytest.mark.django_db
def test_the_sweeper_stops_after_the_step_in_hand(named, monkeypatch):
    stop = Stopped(at=1)

    def asked_meanwhile() -> bool:
        stop.asked = True
        return first()

    monkeypatch.setattr(loops, "import_string", lambda name: asked_meanwhile)
    loops.sweep_until(stop)
    assert calls == ["first"]


# --- the scheduler ------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_minute_is_claimed_once_however_many_schedulers_run():
    assert loops.minute_claim(MINUTE)
    assert not loops.minute_claim(MINUTE + timedelta(seconds=59))
    assert loops.minute_claim(MINUTE + timedelta(seconds=60))
    assert Heartbeat.objects.get(name="scheduler").at == MINUTE + timedelta(seconds=60)


@pytest.mark.django_db
def test_a_clock_set_back_holds_nobody_up():
    assert loops.minute_claim(MINUTE)
    assert loops.minute_claim(MINUTE - timedelta(hours=1))


@pytest.mark.django_db
def test_without_a_broker_a_tick_is_done_here_once_a_minute_and_no_failure_stops_it(named):
    loops.tick()
    loops.tick()
    assert calls == ["first", "failing", "last"]


@pytest.mark.django_db
def test_with_a_broker_ticks_sweeps_and_heartbeat_are_sent_and_expire_with_their_minute(
    settings, monkeypatch
):
    sent = []

    class Task:
        def __init__(self, name: str) -> None:
            self.name = name

        def apply_async(self, args, **options):
            sent.append((self.name, args, options))

    monkeypatch.setattr(loops, "import_string", Task)
    settings.BROKER_URL = "redis://broker"
    settings.TMS_TICKS, settings.TMS_SWEEPS = ["a.tick"], ["a.sweep"]
    loops.tick()
    options = {"expires": 60.0, "retry": False}
    assert sent == [
        ("tms.tasks.worker_beat", (), options),
        ("a.tick", (), options),
        ("tms.tasks.sweep", ("a.sweep",), options),
    ]


@pytest.mark.django_db
def test_the_scheduler_wakes_at_full_minutes(named, monkeypatch):
    monkeypatch.setattr(loops.time, "time", lambda: 1_000_000_215.0)
    stop = Stopped(at=2)
    loops.tick_until(stop)
    assert stop.waits == [45.0, 45.0]


# --- tasks --------------------------------------------------------------------------------------


def test_a_sweep_sends_itself_again_while_there_is_more(named, monkeypatch):
    sent = []
    monkeypatch.setattr(tasks.sweep, "apply_async", lambda args, **options: sent.append(args))
    for _ in range(3):
        tasks.sweep(named[0])
    assert sent == [[named[0]]] * 2


def test_only_what_is_named_in_settings_is_swept(named):
    with pytest.raises(ValueError, match="not in TMS_SWEEPS"):
        tasks.sweep("os.getcwd")


@pytest.mark.django_db
def test_the_workers_heartbeat_task_shows_that_tasks_are_done():
    tasks.worker_beat()
    assert Heartbeat.objects.filter(name="worker").exists()
