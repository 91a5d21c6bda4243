"""Runs: planned, written, finished by workers; whatever happens, a file is whole or not there."""

import hashlib
import zlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from devices import leases
from exports import places, services
from exports.formats.cmep import Cmep
from exports.models import ExportRun, RunFile, RunPart
from exports.services import join, plan, worker
from tests.exports.factories import (
    abandon,
    definition_make,
    file_text,
    meters_make,
    readings_post,
    run_now,
    work_all,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State, Phase = ExportRun.State, ExportRun.Phase


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(plan, "PART_DEVICES", 2)


def visible() -> list[str]:
    """The names that a partner who looks into the folder sees as files."""
    return sorted(p.name for p in places.produced().iterdir() if not p.name.startswith("."))


def test_a_run_is_planned_written_and_finished_in_pieces(small_parts):
    readings_post(meters_make(5))
    run = services.definition_run(definition_make())
    assert (run.state, run.phase) == (State.QUEUED, Phase.PLAN)
    seen = []
    while services.work():
        run.refresh_from_db()
        seen.append((run.state, run.phase, run.parts_done, visible()))
    assert seen == [
        ("running", "write", 0, []),
        ("running", "write", 1, []),
        ("running", "write", 2, []),
        ("running", "write", 3, []),
        ("running", "join", 3, []),
        ("done", "join", 3, [f"CMEP_NIGHTLY_{run.batch_id}.txt"]),
    ]
    assert (run.expected, run.meters, run.intervals, run.missing) == (5, 5, 120, 0)
    file = run.files.get()
    data = Path(file.path).read_bytes()
    assert data.count(b"\r\n") == 5
    assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (places.data() / file.archive).read_bytes() == data
    assert not list(places.work(run.pk).iterdir())


def test_parts_make_the_same_bytes_as_one_piece(small_parts, monkeypatch):
    readings_post(meters_make(5))
    definition = definition_make()
    in_parts = file_text(run_now(definition))
    monkeypatch.setattr(plan, "PART_DEVICES", 2500)
    assert file_text(run_now(definition)) == in_parts


def test_pressing_twice_makes_one_run():
    meters_make(1)
    definition = definition_make()
    first = services.definition_run(definition)
    assert services.definition_run(definition) == first
    assert ExportRun.objects.count() == 1


def test_one_run_of_a_definition_at_a_time_and_the_next_one_after_it(small_parts):
    readings_post(meters_make(3))
    definition = definition_make()
    first = services.definition_run(definition)
    services.work()
    second = services.definition_run(definition)
    assert second != first
    while not ExportRun.objects.filter(pk=first.pk, state=State.DONE).exists():
        services.work()
        assert ExportRun.objects.get(pk=second.pk).state == State.QUEUED
    work_all()
    assert ExportRun.objects.get(pk=second.pk).state == State.DONE


def test_a_run_by_hand_does_not_wait_for_a_nightly_one_that_has_begun(small_parts):
    readings_post(meters_make(6))
    nightly = services.definition_run(
        definition_make("NIGHT"), trigger="schedule", due=timezone.now()
    )
    services.work()  # it is planned
    by_hand = services.definition_run(definition_make("NOW"))
    while not ExportRun.objects.filter(pk=by_hand.pk, state=State.DONE).exists():
        assert services.work()
    nightly.refresh_from_db()
    assert (nightly.state, nightly.parts_done) == (State.RUNNING, 0)


def test_priority_decides_before_the_order_of_asking():
    meters_make(1)
    late = services.definition_run(definition_make("LATE", priority=5))
    first = services.definition_run(definition_make("FIRST", priority=1))
    assert [run.pk for run in worker.runs_open()] == [first.pk, late.pk]


# --- what goes wrong -----------------------------------------------------------------------------


def test_a_refusal_ends_the_run_and_nothing_is_sent(monkeypatch):
    readings_post(meters_make(2))
    definition = definition_make(options={"max_triplets": 48})
    run = services.definition_run(definition)
    device = definition_device("D0001")
    device.meter_number = "A,B"
    device.save()
    work_all()
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert run.error.startswith("FMT11 CMEP A,B")
    assert visible() == []
    assert not RunFile.objects.exists()


def definition_device(device_id):
    from devices.models import Device

    return Device.objects.get(device_id=device_id)


def test_what_may_pass_is_tried_again_and_then_given_up(monkeypatch):
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    services.work()
    tries = []

    def fail(*_):
        tries.append(timezone.now())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(worker, "part_write", fail)
    for _ in range(worker.ATTEMPTS):
        assert services.work()
        assert not services.work()  # it rests for a while
        RunPart.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    run.refresh_from_db()
    assert len(tries) == worker.ATTEMPTS
    assert (run.state, run.error) == (State.FAILED, "[Errno 28] No space left on device")


def test_a_failure_that_passes_does_no_harm(monkeypatch):
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    services.work()
    real = worker.part_write

    def once(*args):
        monkeypatch.setattr(worker, "part_write", real)
        raise OperationalError("the server was restarted")

    monkeypatch.setattr(worker, "part_write", once)
    assert services.work()
    RunPart.objects.update(lease_until=None)
    work_all()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert run.parts.get().attempts == 2


def test_the_piece_of_a_worker_that_died_is_done_by_another(small_parts):
    readings_post(meters_make(4))
    run = services.definition_run(definition_make())
    assert leases.claim(run, state=State.RUNNING)
    assert not services.work()
    abandon(run)
    services.work()
    part = run.parts.first()
    assert leases.claim(part)
    services.work()
    assert not run.parts.get(pk=part.pk).done
    abandon(part)
    work_all()
    run.refresh_from_db()
    assert run.state == State.DONE


def test_a_worker_of_this_machine_that_is_gone_is_known_at_once():
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    gone = f"{leases.machine()}/999999999/1/1"
    ExportRun.objects.update(worker=gone, lease_until=timezone.now() + timedelta(hours=1))
    work_all()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert leases.is_gone(gone)
    assert not leases.is_gone(leases.me())
    assert not leases.is_gone("elsewhere/1/1/1/1")
    assert not leases.is_gone("")


def test_who_lost_its_lease_stores_nothing(monkeypatch):
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    services.work()
    part = run.parts.get()
    leases.claim(part)
    RunPart.objects.update(worker="another")
    with pytest.raises(leases.LeaseLost):
        services_write(run, part)
    part.refresh_from_db()
    assert not part.done


def services_write(run, part):
    from exports.services.write import part_write

    part_write(ExportRun.objects.get(pk=run.pk), part)


def test_a_part_whose_bytes_were_lost_is_written_again(small_parts):
    readings_post(meters_make(4))
    run = services.definition_run(definition_make())
    for _ in range(4):
        services.work()
    run.refresh_from_db()
    assert (run.phase, run.parts_done) == (Phase.JOIN, 2)
    damaged = next(iter(places.work(run.pk).glob("000002-*")))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    services.work()
    run.refresh_from_db()
    assert (run.phase, run.parts_done) == (Phase.WRITE, 1)
    work_all()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert b"?" not in Path(run.files.get().path).read_bytes()


def test_a_retry_adopts_its_own_file_and_makes_no_twin(monkeypatch):
    readings_post(meters_make(2))
    run = services.definition_run(definition_make())
    for _ in range(3):
        services.work()
    real = join._run_commit

    def die(*args):
        monkeypatch.setattr("exports.services.join._run_commit", real)
        raise OperationalError("the connection is gone")

    monkeypatch.setattr("exports.services.join._run_commit", die)
    services.work()
    first = RunFile.objects.get()
    assert visible() == [first.name]
    ExportRun.objects.update(lease_until=None)
    work_all()
    run.refresh_from_db()
    assert run.state == State.DONE
    assert list(run.files.values_list("pk", flat=True)) == [first.pk]
    assert visible() == [first.name]


def test_a_name_that_is_taken_gets_a_number():
    readings_post(meters_make(1))
    definition = definition_make(file_name="{export}.txt")
    names = [run_now(definition).files.get().name for _ in range(3)]
    assert names == ["NIGHTLY.txt", "NIGHTLY_2.txt", "NIGHTLY_3.txt"]


def test_a_finished_file_that_is_wrong_is_not_sent(monkeypatch):
    readings_post(meters_make(1))
    monkeypatch.setattr(Cmep, "verify", lambda self, stream, ctx: ["the control total is off"])
    run = run_now(definition_make())
    assert run.state == State.FAILED
    assert "the control total is off" in run.error
    assert visible() == []


# --- limits, stopping, nothing to send -----------------------------------------------------------


def test_more_meters_than_the_definition_allows_are_refused_before_anything_is_written():
    readings_post(meters_make(3))
    run = run_now(definition_make(meters_limit=2))
    assert run.state == State.FAILED
    assert run.error == (
        "3 meters are selected, the definition allows 2; narrow the selection or raise the limit"
    )
    assert not run.parts.exists()


def test_a_run_that_takes_too_long_is_stopped(small_parts):
    readings_post(meters_make(4))
    run = services.definition_run(definition_make(minutes_limit=5))
    services.work()
    ExportRun.objects.update(started=timezone.now() - timedelta(minutes=6))
    work_all()
    run.refresh_from_db()
    assert (run.state, run.error) == (
        State.FAILED,
        "not done within 5 minutes, as the export allows",
    )


def test_a_run_can_be_stopped_until_its_files_are_being_finished(small_parts):
    readings_post(meters_make(4))
    run = services.definition_run(definition_make())
    services.work()
    services.work()
    assert services.run_cancel(run)
    work_all()
    run.refresh_from_db()
    assert run.state == State.CANCELLED
    assert visible() == []
    done = run_now(definition_make("OTHER"))
    assert not services.run_cancel(done)


def test_nothing_to_send_makes_no_file_where_the_format_has_no_empty_one():
    meters_make(2)
    run = run_now(definition_make())
    assert (run.state, run.expected, run.meters) == (State.EMPTY, 2, 0)
    assert visible() == []


def test_a_damaged_segment_is_known_by_its_checksum(tmp_path):
    from exports.assemble import Segment, SegmentDamaged, _segment_read

    path = tmp_path / "part"
    path.write_bytes(b"hello")
    good = Segment("", 1, path, 0, 5, zlib.crc32(b"hello"), {})
    assert b"".join(_segment_read(good)) == b"hello"
    for wrong in (
        Segment("", 1, path, 0, 5, 0, {}),
        Segment("", 1, path, 0, 6, zlib.crc32(b"hello"), {}),
        Segment("", 1, tmp_path / "none", 0, 5, 0, {}),
    ):
        with pytest.raises(SegmentDamaged, match="part 1"):
            list(_segment_read(wrong))
