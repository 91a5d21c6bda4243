"""Imports in the background: claimed, interrupted, taken up, cancelled; and the inbox folders."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from devices.imports.options import Options
from devices.models import Device, ImportJob, ImportPiece, ImportRow
from devices.services.imports import apply, inbox, jobs, work
from devices.services.imports.undo import import_undo
from devices.tasks import imports
from tests.devices.imports.files import codes, device, inventory, lines, preview

pytestmark = pytest.mark.django_db
TEXT = lines("Action,DeviceID,Notes", "U,D1,new", "U,D9,")


class Killed(BaseException):
    """What a test does to a worker: no handler of ours runs as after kill -9."""


def received(text: str = TEXT, **options) -> ImportJob:
    job = jobs.import_create(kind="devices", filename="f.csv", options=Options(**options))
    jobs.pieces_store(job, [text.encode()])
    return job


def lapse(job: ImportJob) -> None:
    """Let the lease of a dead worker run out."""
    ImportJob.objects.filter(pk=job.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def state_of(job: ImportJob) -> str:
    job.refresh_from_db()
    return job.state


def test_a_worker_reads_what_was_uploaded_and_applies_what_was_said_yes_to():
    device("D1")
    job = received()
    assert imports()
    assert state_of(job) == "preview"
    assert codes(job) == ["OK", "ERROR DEV15"]
    assert not ImportPiece.objects.exists()
    assert not imports()
    apply.import_queue(job, user=None)
    assert imports()
    assert state_of(job) == "applied"
    assert Device.objects.get().notes == "new"


def test_the_kept_pieces_of_a_file_are_encrypted_and_make_it_again(monkeypatch):
    monkeypatch.setattr(jobs, "PIECE", 10)
    job = received("Action,DeviceID,PIN\r\nU,D1,4711\r\n")
    assert b"".join(jobs.pieces_of(job)) == b"Action,DeviceID,PIN\r\nU,D1,4711\r\n"
    stored = b"".join(bytes(piece.data) for piece in ImportPiece.objects.all())
    assert b"Action" not in stored


def test_a_worker_killed_while_reading_is_followed_by_another(monkeypatch):
    device("D1")
    job = received()

    def die(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("devices.services.imports.stage._staged_end", die)
        with pytest.raises(Killed):
            imports()
    assert state_of(job) == "reading"
    assert not imports()  # another may be at it still
    lapse(job)
    assert imports()
    assert state_of(job) == "preview"
    assert ImportRow.objects.filter(job=job).count() == 2


def test_a_worker_killed_while_applying_has_applied_nothing(monkeypatch):
    device("D1", notes="old")
    job = preview(TEXT)
    apply.import_queue(job, user=None)

    def die(*arguments, **more):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("devices.services.imports.apply.rows_done", die)
        with pytest.raises(Killed):
            imports()
    assert Device.objects.get().notes == "old"
    lapse(job)
    assert imports()
    assert state_of(job) == "applied"
    assert Device.objects.get().notes == "new"


def test_row_by_row_goes_on_after_what_was_applied(monkeypatch):
    monkeypatch.setattr(apply, "SLICE", 1)
    for n in range(3):
        device(f"D{n}", notes="old")
    before = inventory()
    job = preview(
        lines("Action,DeviceID,Notes", *(f"U,D{n},new" for n in range(3))), row_by_row="yes"
    )
    apply.import_queue(job, user=None)
    beats = iter([None, None])

    def beat(*arguments, **more):
        if next(beats, Killed) is Killed:
            raise Killed
        return real(*arguments, **more)

    real = apply.job_beat
    with monkeypatch.context() as patch:
        patch.setattr(apply, "job_beat", beat)
        with pytest.raises(Killed):
            imports()
    job.refresh_from_db()
    assert (job.state, job.steps, job.done_to) == ("applying", 2, 3)
    assert Device.objects.filter(notes="new").count() == 2
    lapse(job)
    assert imports()
    assert state_of(job) == "applied"
    assert job.steps == 3
    import_undo(job)
    assert inventory() == before


def test_who_has_lost_the_lease_changes_nothing():
    device("D1", notes="old")
    job = preview(TEXT)
    apply.import_queue(job, user=None)
    assert jobs.job_claim(job, work.TO_APPLY, "applying")
    ImportJob.objects.filter(pk=job.pk).update(worker="elsewhere/0/1/1/1")
    with pytest.raises(jobs.Lost):
        apply.import_apply(job)
    assert Device.objects.get().notes == "old"


def test_two_cannot_claim_one_import():
    job = received()
    assert jobs.job_claim(job, work.TO_READ, "reading")
    assert not jobs.job_claim(job, work.TO_READ, "reading")


def test_a_cancelled_import_is_cleared_by_who_was_at_it():
    job = received()
    assert jobs.job_claim(job, work.TO_READ, "reading")
    assert jobs.import_cancel(job)
    assert state_of(job) == "reading"
    with pytest.raises(jobs.Lost):
        jobs.job_beat(job)
    lapse(job)
    imports()
    assert state_of(job) == "cancelled"
    assert not ImportPiece.objects.exists()


def test_an_import_over_which_workers_die_is_given_up(caplog):
    job = received()
    ImportJob.objects.filter(pk=job.pk).update(tries=work.MAX_TRIES)
    imports()
    assert state_of(job) == "refused"
    assert "was given up" in caplog.text


def test_numbers_rise_also_within_a_second():
    numbers = [
        jobs.import_create(kind="groups", filename="f", options=Options()).batch for _ in range(3)
    ]
    assert numbers == sorted(set(numbers))


def test_staged_rows_are_let_go_after_their_term(settings):
    device("D1")
    job = preview(TEXT)
    assert work.imports_expire() == 0
    old = timezone.now() - timedelta(days=settings.TMS_IMPORT_DAYS + 1)
    ImportJob.objects.filter(pk=job.pk).update(created=old)
    assert work.imports_expire() == 2
    assert ImportJob.objects.get().counts["rows"] == 2


# --- the inbox -----------------------------------------------------------------------------------


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.TMS_INBOX_SECONDS = 0
    made = tmp_path / "inbox" / "devices"
    made.mkdir(parents=True)
    return made


def test_a_file_is_taken_when_it_has_stopped_growing(folder):
    device("D1")
    path = folder / "march.csv"
    path.write_text(TEXT)
    assert not inbox.inbox_sweep()
    with path.open("a") as more:
        more.write("U,D1,newer\r\n")
    assert not inbox.inbox_sweep()
    assert inbox.inbox_sweep()
    assert Device.objects.get().notes == "newer"
    job = ImportJob.objects.get()
    done = sorted(p.name for p in (folder.parent / "done").iterdir())
    assert done == ["march.csv", f"march_result_{job.batch}.csv"]
    assert not any(p.is_file() for p in folder.iterdir())
    assert not inbox.inbox_sweep()


def test_a_file_that_is_none_goes_to_failed_with_its_reason(folder, caplog):
    (folder.parent / "groups").mkdir()
    (folder.parent / "groups" / "g.csv").write_text("Nonsense\r\n")
    (folder / ".hidden.csv").write_text(TEXT)
    (folder / "f.csv.part").write_text(TEXT)
    assert not inbox.inbox_sweep()
    assert inbox.inbox_sweep()
    names = sorted(p.name for p in (folder.parent / "failed").iterdir())
    assert names[0] == "g.csv"
    assert "GRP02" in (folder.parent / "failed" / names[1]).read_text()
    assert "was not applied" in caplog.text
    assert not inbox.inbox_sweep()


def test_the_same_name_again_is_kept_beside_the_first(folder):
    for _ in range(2):
        (folder / "f.csv").write_text(TEXT)
        inbox.inbox_sweep()
        inbox.inbox_sweep()
    names = {p.name for p in (folder.parent / "done").iterdir()}
    assert {"f.csv", "f_2.csv"} <= names


def test_what_a_dead_worker_had_taken_is_given_back(folder):
    taken = folder / ".taken"
    taken.mkdir()
    (taken / "f.csv").write_text(TEXT)
    assert not inbox.inbox_sweep()
    long_ago = time.time() - inbox.LEFT - 1
    os.utime(taken / "f.csv", (long_ago, long_ago))
    assert not inbox.inbox_sweep()
    assert inbox.inbox_sweep()
    assert (folder.parent / "done" / "f.csv").exists()
