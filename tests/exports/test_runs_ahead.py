"""A run's file is begun while others write its last parts; what may go wrong then does no harm."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from devices import leases
from exports import places, services
from exports.models import ExportRun
from exports.services import plan, worker
from tests.exports.factories import definition_make, file_text, meters_make, readings_post, run_now

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State, Phase = ExportRun.State, ExportRun.Phase


@pytest.fixture
def run(monkeypatch):
    """A run of ten parts: five are written, the sixth is another worker's."""
    monkeypatch.setattr(plan, "PART_DEVICES", 1)
    readings_post(meters_make(10))
    run = services.definition_run(definition_make())
    for _ in range(6):
        assert services.work()
    other = leases.me() + "1"
    until = timezone.now() + timedelta(minutes=1)
    run.parts.filter(position=6).update(worker=other, lease_until=until)
    return run


def other_ends(run, monkeypatch, do):
    """Call `do` once nothing is left to write but what the other worker has."""
    write = worker._write

    def write_or_end(of):
        if write(of):
            return True
        do()
        return False

    monkeypatch.setattr(worker, "_write", write_or_end)


def other_dies(run):
    run.parts.filter(position=6).update(lease_until=timezone.now() - timedelta(seconds=1))


def unstamped(run) -> list[list[str]]:
    """The fields of a file's lines but the time it was made."""
    lines = [line.split(",") for line in file_text(run).splitlines()]
    return [[*fields[:6], *fields[7:]] for fields in lines]


def drafts() -> list[Path]:
    return [path for path in places.produced().iterdir() if path.name.startswith(".")]


def test_the_file_is_begun_before_all_parts_are_written(run, monkeypatch):
    phases = []

    def look():
        run.refresh_from_db()
        phases.append((run.phase, run.parts_done, len(drafts())))
        other_dies(run)

    other_ends(run, monkeypatch, look)
    assert services.work()
    run.refresh_from_db()
    assert phases == [(Phase.WRITE, 9, 1)]
    assert (run.state, run.phase, run.parts_done, run.meters) == (State.DONE, Phase.JOIN, 10, 10)
    file = run.files.get()
    data = Path(file.path).read_bytes()
    assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert drafts() == []
    assert not services.work()
    monkeypatch.undo()
    again = run_now(run.definition)
    assert unstamped(again) == unstamped(run)


def test_it_is_not_begun_for_parts_that_nobody_writes(run):
    other_dies(run)
    assert services.work()
    run.refresh_from_db()
    assert (run.phase, run.parts_done, drafts()) == (Phase.WRITE, 6, [])


def test_nobody_else_takes_the_run_while_its_file_is_begun(run, monkeypatch):
    def look():
        fresh = ExportRun.objects.select_related("definition").get(pk=run.pk)
        run.parts.update(done=True)
        assert not services.write.run_written(fresh)
        assert not worker._claim(fresh, Phase.JOIN)
        run.parts.filter(position=6).update(done=False)
        other_dies(run)

    other_ends(run, monkeypatch, look)
    assert services.work()
    run.refresh_from_db()
    assert run.state == State.DONE


def test_a_run_that_is_stopped_meanwhile_leaves_nothing(run, monkeypatch):
    def stop():
        assert services.run_cancel(run)

    other_ends(run, monkeypatch, stop)
    assert services.work()
    run.refresh_from_db()
    assert (run.state, run.files.count(), drafts()) == (State.RUNNING, 0, [])
    leased = ExportRun.objects.select_related("definition").get(pk=run.pk)
    assert worker.run_step(leased)
    run.refresh_from_db()
    assert run.state == State.CANCELLED


def test_a_damaged_part_is_written_again(run, monkeypatch):
    path = places.work(run.pk) / run.parts.get(position=2).path
    path.write_bytes(b"x")
    assert services.work()
    run.refresh_from_db()
    assert (run.state, run.phase, drafts()) == (State.RUNNING, Phase.WRITE, [])
    assert not run.parts.get(position=2).done
    other_dies(run)
    while services.work():
        pass
    run.refresh_from_db()
    assert (run.state, run.meters) == (State.DONE, 10)
