"""Promise P3: a file again byte for byte, and made anew from what its run froze."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from devices.models import Batch, Device, Installation
from exports import places, services
from exports.models import Backlog, ExportRun, RunFile, RunPart
from exports.services import archive
from exports.services.archive import NotKept
from tests.exports.factories import (
    D,
    definition_make,
    file_text,
    meters_make,
    readings_post,
    run_now,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()


def test_a_file_is_had_again_though_its_folder_was_emptied():
    readings_post(meters_make(1))
    file = run_now(definition_make()).files.get()
    data = Path(file.path).read_bytes()
    Path(file.path).unlink()
    with services.file_open(file) as stream:
        assert stream.read() == data


def test_bytes_that_are_not_what_they_were_are_not_handed_out():
    readings_post(meters_make(1))
    file = run_now(definition_make()).files.get()
    kept = places.data() / file.archive
    kept.chmod(0o644)
    kept.write_bytes(b"?")
    with pytest.raises(NotKept, match="not those of its SHA-256"):
        services.file_open(file)
    kept.unlink()
    with pytest.raises(NotKept, match="are gone: No such file"):
        services.file_open(file)


def test_a_file_that_a_command_wrote_is_not_kept(tmp_path):
    file = RunFile(path="/somewhere/x.txt", sha256="", bytes=0)
    with pytest.raises(NotKept, match="written by a command"):
        services.file_open(file)


def test_made_anew_it_is_the_same_whatever_came_and_changed_since():
    channels = meters_make(3, group="G1")
    readings_post(channels)
    run = run_now(definition_make(groups=["G1"]))
    readings_post(channels, values=[999] * 24)
    Device.objects.filter(device_id="D0001").update(meter_number="ZZZ")
    Installation.objects.update(service_point_id="ELSEWHERE")
    channels[2].device.memberships.all().delete()
    (rebuilt,) = services.run_rebuild(run)
    assert rebuilt.same
    assert rebuilt.first_difference is None
    assert rebuilt.bytes == run.files.get().bytes


def test_what_differs_is_told_by_its_first_byte():
    readings_post(meters_make(1))
    run = run_now(definition_make())
    file = run.files.get()
    kept = places.data() / file.archive
    data = bytearray(kept.read_bytes())
    data[40] ^= 1
    kept.unlink()
    kept.write_bytes(data)
    RunFile.objects.update(sha256="0" * 64)
    (rebuilt,) = services.run_rebuild(run)
    assert (rebuilt.same, rebuilt.first_difference) == (False, 40)
    kept.write_bytes(data[:10])
    assert services.run_rebuild(run)[0].first_difference == 10
    kept.unlink()
    assert services.run_rebuild(run)[0].first_difference == 0


def test_a_since_last_run_is_made_anew_too():
    channels = meters_make(2)
    readings_post(channels)
    definition = definition_make("SINCE", period="since_last")
    run_now(definition)
    readings_post(channels[:1], slot=3, values=[5])
    run = run_now(definition)
    readings_post(channels[:1], slot=3, values=[6])
    run_now(definition)
    assert services.run_rebuild(run)[0].same


def test_the_same_readings_once_more_are_a_batch_of_their_own():
    channels = meters_make(2)
    readings_post(channels)
    definition = definition_make()
    first = run_now(definition)
    readings_post(channels, values=[999] * 24)
    again = services.run_again(first)
    while services.work():
        pass
    again.refresh_from_db()
    assert (again.state, again.mode, again.original_batch) == ("done", "RE", first.batch_id)
    assert again.horizon == first.horizon
    stamp = slice(6, 7)
    for old, new in zip(file_text(first).splitlines(), file_text(again).splitlines(), strict=True):
        one, other = old.split(","), new.split(",")
        assert (one[8], other[8]) == ("OK", "RESEND")
        one[8], one[stamp], other[stamp] = "RESEND", [""], [""]
        assert one == other


def test_a_repeat_of_a_since_last_run_leaves_the_cursor_where_it_is():
    channels = meters_make(1)
    readings_post(channels)
    definition = definition_make("SINCE", period="since_last")
    first = run_now(definition)
    readings_post(channels, day=D + 1)
    run_now(definition)
    definition.refresh_from_db()
    cursor = definition.cursor
    again = services.run_again(first)
    while services.work():
        pass
    again.refresh_from_db()
    definition.refresh_from_db()
    assert (again.intervals, definition.cursor) == (24, cursor)


def test_only_a_finished_run_whose_scope_is_kept_can_be_repeated():
    readings_post(meters_make(1))
    run = services.definition_run(definition_make())
    with pytest.raises(services.NotNow, match="finished"):
        services.run_again(run)
    while services.work():
        pass
    run.refresh_from_db()
    RunPart.objects.all().delete()
    with pytest.raises(services.NotNow, match="no longer kept"):
        services.run_again(run)
    with pytest.raises(NotKept, match="no longer kept"):
        services.run_rebuild(run)


def test_a_repeat_whose_scope_goes_before_it_begins_fails_and_says_so():
    readings_post(meters_make(1))
    first = run_now(definition_make())
    again = services.run_again(first)
    RunPart.objects.all().delete()
    while services.work():
        pass
    again.refresh_from_db()
    assert again.state == "failed"
    assert "is kept for 400 days only" in again.error


# --- retention -----------------------------------------------------------------------------------


def test_files_past_their_term_are_let_go_and_say_until_when_they_were_kept():
    readings_post(meters_make(1))
    old, new = run_now(definition_make("OLD")), run_now(definition_make("NEW"))
    ExportRun.objects.filter(pk=old.pk).update(finished=timezone.now() - timedelta(days=401))
    assert archive.files_purge() == 1
    assert archive.files_purge() == 0
    gone, kept = old.files.get(), new.files.get()
    assert not Path(gone.path).exists()
    assert not old.parts.exists()
    with pytest.raises(NotKept, match="was kept until"):
        services.file_open(gone)
    services.file_open(kept).close()


def test_parts_of_runs_that_have_ended_are_removed_and_those_of_open_ones_kept():
    readings_post(meters_make(1))
    done = run_now(definition_make("DONE"))
    running = services.definition_run(definition_make("OPEN"))
    services.work()
    for run in (done, running):
        (places.work(run.pk) / "left").write_text("x")
    (places.data() / "work" / "notes").mkdir()
    archive.files_purge()
    assert {path.name for path in places.work_all()} == {str(running.pk), "notes"}


def test_the_journal_is_not_purged_past_what_is_still_to_be_sent():
    assert archive.purge_bound() is None
    channels = meters_make(1)
    for day in range(4):
        readings_post(channels, day=D + day)
    definition = definition_make("SINCE", period="since_last")
    assert archive.purge_bound() == 0
    run_now(definition)
    assert archive.purge_bound() == 4
    Backlog.objects.create(
        definition=definition, device_id=channels[0].device_id, since=3, version=1
    )
    assert archive.purge_bound() == 3
    Backlog.objects.all().delete()
    assert Batch.objects.count() == 4
    ExportRun.objects.create(
        batch_id="20260101000000",
        format="cmep",
        start=timezone.now(),
        end=timezone.now(),
        created=timezone.now(),
        state="running",
        horizon=2,
    )
    assert archive.purge_bound() == 2
