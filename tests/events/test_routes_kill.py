"""P6: each record once, in order, whole, whatever is killed, moved, full or rotated, and when."""

import errno
import os
import signal
import time
from pathlib import Path

import pytest
from django.db import connections

from events import failpoints
from events.models import Alarm, Route, RouteRecord, SystemAlarm
from events.services import routes
from events.services.routes import route_write
from exports.formats import mrc
from tests.devices.factories import device_make
from tests.events.arriving import gasps, killed_at, lines_of, path_of, route_make

pytestmark = pytest.mark.django_db(transaction=True)
DEVICES = 10


@pytest.fixture(autouse=True)
def small_groups(settings, tmp_path, monkeypatch):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(routes, "GROUP", 4)


@pytest.fixture
def storm() -> list:
    """A few devices whose gasps come in four batches."""
    return [device_make(f"D{n:02}") for n in range(DEVICES)]


def pieces(route: Route) -> list[Path]:
    """Everything that was the route's file, oldest first."""
    old = sorted(path_of(route).parent.glob(f"MRC_{route.name}.dat.*"))
    return [*old, path_of(route)] if path_of(route).exists() else old


def check(route: Route, total: int = DEVICES) -> None:
    """Each record once, in order, whole; all rows done."""
    lines = lines_of(*pieces(route))
    assert [mrc.sequence_of(line) for line in lines] == list(range(1, total + 1))
    assert len({line[15:27] for line in lines}) == total
    rows = RouteRecord.objects.filter(route=route)
    assert rows.filter(state=RouteRecord.State.DONE).count() == rows.count() == total
    assert [bytes(row.line) for row in rows.order_by("sequence")] == lines


@pytest.mark.parametrize("rotation", ["never", "size"])
def test_killed_at_any_step_each_record_is_written_once(storm, rotation):
    killed = step = 0
    while True:
        step += 1
        route = route_make(f"r{step}", rotation=rotation, rotate_bytes=322 * 3)
        gasps(storm, batches=4, seconds=step)
        if not killed_at(step, lambda pk=route.pk: route_write(pk)):
            break
        killed += 1
        while route_write(route.pk):
            pass
        check(route)
        route.delete()
    check(route)
    assert killed > (20 if rotation == "size" else 15)
    if rotation == "size":
        assert [path.stat().st_size // 322 for path in pieces(route)] == [3, 3, 3, 1]


def test_killed_again_and_again_it_comes_to_its_end(storm):
    route = route_make()
    gasps(storm, batches=4)
    kills = 0
    while killed_at(3, lambda: route_write(route.pk)):  # each comes two steps further
        kills += 1
    check(route)
    assert kills > 5


def test_moved_away_at_any_step_nothing_is_lost(storm, monkeypatch):
    """At the most the lines of the write under way come once more, to the byte."""
    step = 0
    while True:
        step += 1
        route = route_make(f"r{step}")
        gasps(storm, batches=4, seconds=step)
        moved, passed = [], iter(range(1, 1000))

        def move(name: str, route=route, moved=moved, passed=passed, step=step) -> None:
            if next(passed) == step and path_of(route).exists():
                path_of(route).rename(f"{path_of(route)}.taken")
                moved.append(name)

        monkeypatch.setattr(failpoints, "hook", move)
        route_write(route.pk)
        monkeypatch.setattr(failpoints, "hook", None)
        lines = lines_of(*pieces(route))
        rows = RouteRecord.objects.filter(route=route, state=RouteRecord.State.DONE)
        assert list(dict.fromkeys(lines)) == [bytes(r.line) for r in rows.order_by("sequence")]
        repeated = len(lines) - DEVICES
        assert repeated <= (4 if moved == ["write"] else 0)
        if next(passed) < step:
            break
        route.delete()


def test_killed_and_moved_away_between_write_and_mark_the_same_lines_come_again(storm):
    route = route_make()
    gasps(storm[:1])
    steps = ["store", "stored", "write", "written", "flushed"]
    assert killed_at(steps.index("flushed") + 1, lambda: route_write(route.pk))
    taken = path_of(route).rename(f"{path_of(route)}.taken")
    route_write(route.pk)
    assert lines_of(taken) == lines_of(path_of(route)) == [bytes(RouteRecord.objects.get().line)]


def test_a_full_disk_keeps_the_order_and_is_told_of(storm, monkeypatch):
    route = route_make()
    gasps(storm[:5])
    route_write(route.pk)
    write = os.write

    def full(handle: int, data: bytes) -> int:
        if len(data) > 100 and data.startswith(b"MRC01"):
            return write(handle, data[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("events.mrc.os.write", full)
    gasps(storm[5:])
    assert not route_write(route.pk)
    stuck = Route.objects.get(pk=route.pk)
    assert stuck.problem.startswith("MRC03 MRC: disk full")
    assert len(lines_of(path_of(route))) == 5
    assert RouteRecord.objects.filter(state="p").count() == 4  # a group waits
    monkeypatch.setattr("events.mrc.os.write", write)
    assert not route_write(route.pk)  # not before its minute
    alarm = SystemAlarm.objects.get()
    assert (alarm.code, alarm.cleared) == ("TMS_ROUTE", None)
    assert Alarm.objects.get().why == "no rule takes it"
    Route.objects.filter(pk=route.pk).update(retry_at=None)
    route_write(route.pk)
    check(route)
    assert Route.objects.get(pk=route.pk).problem == ""
    assert SystemAlarm.objects.get().cleared is not None


def test_a_file_that_is_not_the_routes_stops_it(storm):
    route = route_make()
    path_of(route).parent.mkdir(exist_ok=True)
    path_of(route).write_bytes(b"something else")
    gasps(storm)
    assert not route_write(route.pk)
    assert Route.objects.get(pk=route.pk).problem.startswith("MRC04")
    path_of(route).unlink()
    Route.objects.filter(pk=route.pk).update(retry_at=None)
    while route_write(route.pk):
        pass
    check(route)


def test_only_one_writer_is_at_a_route_and_its_death_frees_it(storm):
    """A second process leaves it to the first, and goes on at once when that is dead."""
    route = route_make()
    gasps(storm)
    told, tell = os.pipe()
    connections.close_all()
    child = os.fork()
    if child == 0:
        with routes.writer_lock(route.pk) as mine:
            os.write(tell, b"mine" if mine else b"lost")
            signal.pause()
    assert os.read(told, 4) == b"mine"
    os.close(told)
    os.close(tell)
    assert not route_write(route.pk)
    assert not path_of(route).exists()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deadline = time.monotonic() + 30
    while not path_of(route).exists():  # the database notices a moment later
        assert time.monotonic() < deadline
        route_write(route.pk)
    while route_write(route.pk):
        pass
    check(route)
