"""Files of readings dropped into the inbox: taken once, read by their settings, put aside."""

import json
import os
from pathlib import Path

import pytest
from django.db import OperationalError
from django.urls import reverse
from django.utils import timezone

from devices.models import Batch, Device, DeviceClass, JournalEntry
from events.models import SystemAlarm
from exports import formats, tasks
from exports.models import InboxFile, ReaderSetting
from exports.services import inbox
from exports.services.archive import files_purge
from exports.services.inbox import folders, inbox_step
from tests.exports.factories import abandon, definition_make, meters_make, readings_post, run_now
from tests.people import log_in
from tms import roles

pytestmark = pytest.mark.django_db
State = InboxFile.State
READABLE = [form.code for form in formats.every() if form.readable]


@pytest.fixture(autouse=True)
def reads(settings, data_dir) -> Path:
    settings.TMS_INBOX_SECONDS = 0
    return data_dir / "inbox" / "reads"


def drop(reads: Path, code: str, name: str, data: bytes) -> Path:
    inbox_step()  # makes the folders
    path = reads / code / name
    path.write_bytes(data)
    return path


def take() -> InboxFile:
    """Let it be seen, then taken."""
    assert not inbox_step()
    assert inbox_step()
    return InboxFile.objects.first()


def cmep_file() -> bytes:
    """A day of one meter, which the inventory knows."""
    readings_post(meters_make(1))
    return Path(run_now(definition_make()).files.get().path).read_bytes()


def body(device: str = "D0000", value: str = "1.5", **more) -> bytes:
    block = {
        **{"channel": 1, "start": "2026-03-15T00:00:00Z", "seconds": 3600, "values": [value]},
        **{"uom": "KWH", "flow": "DEL"},
    }
    return json.dumps({"meters": [{"device": device, "intervals": [block]}], **more}).encode()


def result_of(row: InboxFile, data_dir: Path) -> dict:
    return json.loads((data_dir / f"{row.kept}.result.json").read_text())


def test_each_readable_format_has_a_folder(reads):
    inbox_step()
    there = sorted(path.name for path in reads.iterdir() if not path.name.startswith("."))
    assert there == sorted(["json", *READABLE])


def test_a_file_is_taken_read_and_put_aside_with_its_result(reads, data_dir):
    data = cmep_file()
    drop(reads, "cmep", "march.cmep", data)
    row = take()
    assert (row.state, row.devices, row.intervals, row.put_aside) == (State.DONE, 1, 24, True)
    assert row.kept == "inbox/done/march.cmep"
    assert (data_dir / row.kept).read_bytes() == data
    assert Batch.objects.get(pk=row.batch).key == f"inbox-{row.pk}"
    told = result_of(row, data_dir)
    assert (told["file"], told["format"], told["sha256"]) == ("march.cmep", "cmep", row.sha256)
    assert (told["status"], told["intervals"], told["refused"]) == ("accepted", 24, [])
    assert not any((reads / "cmep").iterdir())
    assert not inbox_step()


def test_the_same_name_again_is_kept_beside_the_first(reads, data_dir):
    meters_make(1)
    for value in ("1.5", "2.5"):
        drop(reads, "json", "a.json", body(value=value))
        take()
    kept = list(InboxFile.objects.order_by("pk").values_list("kept", flat=True))
    assert kept == ["inbox/done/a.json", "inbox/done/a_2.json"]
    assert len(list((data_dir / "inbox/done").iterdir())) == 4


def test_a_file_that_is_none_goes_to_failed_with_its_reason_and_an_alarm(reads, data_dir):
    drop(reads, "cmep", "bad.cmep", b"MEPMD01,nonsense\n")
    row = take()
    assert (row.state, row.kept) == (State.FAILED, "inbox/failed/bad.cmep")
    assert row.message.startswith("nothing was stored: record 1")
    told = result_of(row, data_dir)
    assert told["status"] == "refused"
    assert told["refused"][0]["path"] == "record 1"
    assert not Batch.objects.exists()
    said = SystemAlarm.objects.get()
    assert (said.code, said.title) == ("TMS_INBOX", "bad.cmep of the inbox was not taken")
    assert said.link.endswith(f"/exports/inboxfile/{row.pk}/change/")


def test_a_half_written_file_is_not_taken(reads):
    meters_make(1)
    whole = body()
    path = drop(reads, "json", "slow.json", b"")
    with path.open("wb") as partner:  # writes slowly, and rests in between
        for n in range(0, len(whole), 40):
            partner.write(whole[n : n + 40])
            partner.flush()
            assert not inbox_step()
            assert not inbox_step()
    assert path.exists()
    while not inbox_step():
        pass
    assert InboxFile.objects.get().state == State.DONE


def test_one_that_is_opened_again_as_it_is_taken_is_given_back(reads, monkeypatch):
    path = drop(reads, "json", "a.json", body())
    inbox_step()
    monkeypatch.setattr(inbox, "is_being_written", lambda path: True)
    assert not inbox_step()
    assert path.exists()
    assert not InboxFile.objects.exists()


def test_parts_of_uploads_and_hidden_files_stay_until_they_are_renamed(reads):
    meters_make(1)
    drop(reads, "json", ".a.json.tmp", body())
    part = drop(reads, "json", "b.json.part", body())
    for _ in range(3):
        assert not inbox_step()
    part.rename(part.with_suffix(""))
    assert take().name == "b.json"


def test_a_file_that_cannot_be_taken_is_left_and_told(reads, monkeypatch, caplog):
    drop(reads, "json", "a.json", body())
    inbox_step()

    def refuse(self, target):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    assert not inbox_step()
    assert "a.json cannot be taken" in caplog.text
    assert not InboxFile.objects.exists()


# --- settings ------------------------------------------------------------------------------------


def test_unknown_devices_are_made_where_the_folder_says_so(reads):
    drop(reads, "json", "a.json", body(device="NEW1"))
    assert take().state == State.FAILED
    ReaderSetting.objects.create(
        format="json", provision=DeviceClass.objects.get(code="CENTRON"), source="manual"
    )
    drop(reads, "json", "a.json", body(device="NEW1"))
    row = take()
    assert row.state == State.DONE
    assert row.report["created"] == {"devices": 1, "channels": 1}
    assert Device.objects.get().device_id == "NEW1"
    assert Batch.objects.get().source == "manual"


def test_good_meters_are_taken_where_the_folder_says_so(reads, data_dir):
    meters_make(1)
    ReaderSetting.objects.create(format="json", on_error="meter")
    both = json.loads(body())
    both["meters"] += json.loads(body(device="D0000", value="x"))["meters"]
    both["meters"][1]["intervals"][0]["start"] = "2026-03-16T00:00:00Z"
    drop(reads, "json", "a.json", json.dumps(both).encode())
    row = take()
    assert (row.state, row.refused) == (State.PARTIAL, 1)
    assert row.message.startswith("1 refused, the first: ")
    assert row.kept == "inbox/done/a.json"
    assert not SystemAlarm.objects.exists()


def test_the_readers_options_are_those_of_the_folder(reads):
    ReaderSetting.objects.create(format="cmep", options={"nonsense": "1"})
    drop(reads, "cmep", "a.cmep", cmep_file())
    row = take()
    assert row.state == State.FAILED
    assert "nonsense" in row.message


def test_a_folder_that_rests_keeps_its_files(reads):
    meters_make(1)
    setting = ReaderSetting.objects.create(format="json", active=False)
    path = drop(reads, "json", "a.json", body())
    for _ in range(3):
        assert not inbox_step()
    assert path.exists()
    setting.active = True
    setting.save()
    assert take().state == State.DONE


@pytest.mark.parametrize("code", READABLE)
def test_every_format_goes_through_the_folder_of_its_own(reads, code):
    golden = Path(__file__).parent.parent / "golden" / code
    files = sorted(p for p in golden.iterdir() if p.is_file() and p.suffix != ".json")
    setting = ReaderSetting(format=code, provision=DeviceClass.objects.get(code="CENTRON"))
    setting.save()
    drop(reads, code, files[0].name, files[0].read_bytes())
    row = take()
    assert (row.state, row.message) == (State.DONE, "")
    assert row.devices


# --- workers that die ----------------------------------------------------------------------------


class Died(BaseException):
    """What a kill is to the code: nothing after it is done."""


@pytest.mark.parametrize("at", ["Path.rename", "file_ingest", "_taken_in", "_put_aside", "alarm"])
def test_a_file_is_stored_once_wherever_its_worker_dies(reads, data_dir, monkeypatch, at):
    """Killed as it begins, and as it has ended, each of the steps; another goes on."""
    data = cmep_file() if at != "alarm" else b"nonsense"
    before = JournalEntry.objects.count()
    for when in ("before", "after"):
        place = Path if at == "Path.rename" else inbox
        name = at.removeprefix("Path.")
        real = getattr(place, name)

        def dying(*given, real=real, when=when, **named):
            if when == "after":
                real(*given, **named)
            raise Died

        drop(reads, "cmep", f"{when}.cmep", data)
        inbox_step()
        monkeypatch.setattr(place, name, dying)
        with pytest.raises(Died):
            inbox_step()
        monkeypatch.setattr(place, name, real)
        for row in InboxFile.objects.filter(put_aside=False):
            abandon(row)
        for _ in range(4):
            inbox_step()
    assert not InboxFile.objects.filter(put_aside=False).exists()
    names = sorted(path.name for path in (data_dir / "inbox/reads/cmep").iterdir())
    assert names == []
    folder = "failed" if at == "alarm" else "done"
    there = sorted(p.name for p in (data_dir / "inbox" / folder).iterdir())
    assert there == [
        *("after.cmep", "after.cmep.result.json", "before.cmep", "before.cmep.result.json")
    ]
    assert JournalEntry.objects.count() - before == (0 if at == "alarm" else 2)


def test_a_file_that_workers_die_over_is_given_up(reads):
    drop(reads, "json", "a.json", body())
    row = InboxFile.objects.create(
        format="json", name="a.json", bytes=1, taken=timezone.now(), tries=inbox.TRIES
    )
    (reads / "json" / "a.json").rename(inbox._taken_path(row))
    assert inbox_step()
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert "5 workers have died over it" in row.message


def away(request):
    raise OperationalError("the database is away")


def test_a_database_that_is_away_is_no_fault_of_the_file(reads, monkeypatch):
    meters_make(1)
    drop(reads, "json", "a.json", body())
    inbox_step()
    real = inbox.file_ingest
    monkeypatch.setattr(inbox, "file_ingest", away)
    with pytest.raises(OperationalError):
        inbox_step()
    monkeypatch.setattr(inbox, "file_ingest", real)
    row = InboxFile.objects.get()
    assert row.state == State.TAKEN
    abandon(row)
    assert tasks.inbox()
    row.refresh_from_db()
    assert row.state == State.DONE


def test_a_fault_of_ours_is_told_and_the_next_file_goes_on(reads, monkeypatch):
    drop(reads, "json", "a.json", body())
    inbox_step()
    monkeypatch.setattr(inbox, "file_ingest", lambda request: {}["ours"])
    inbox_step()
    assert InboxFile.objects.get().message == "KeyError: 'ours'"


def test_what_is_past_its_term_goes(reads, data_dir, settings):
    meters_make(1)
    drop(reads, "json", "a.json", body())
    row = take()
    files_purge()
    assert (data_dir / row.kept).exists()
    settings.TMS_FILE_DAYS = -1
    files_purge()
    assert not InboxFile.objects.exists()
    assert list((data_dir / "inbox/done").iterdir()) == []


# --- pages ---------------------------------------------------------------------------------------


def url(name: str, *args) -> str:
    return reverse(f"admin:exports_{name}", args=args)


def test_the_pages_show_what_was_taken_and_why_not(reads, client):
    log_in(client, roles.OPERATOR)
    assert "inbox/reads/&lt;format&gt;" in client.get(url("inboxfile_changelist")).content.decode()
    drop(reads, "cmep", "bad.cmep", b"MEPMD01,nonsense\n")
    row = take()
    text = client.get(url("inboxfile_change", row.pk)).content.decode()
    assert "Why it was not taken" in text
    assert "record 1" in text
    assert "inbox/failed/bad.cmep.result.json" in text
    assert "bad.cmep" in client.get(url("inboxfile_changelist"), {"q": "bad"}).content.decode()
    assert "bad.cmep" in client.get(reverse("admin:index")).content.decode()
    lines = b"".join(client.get(url("inboxfile_download")).streaming_content).decode().splitlines()
    assert lines[1].startswith("bad.cmep,cmep,")


def test_settings_are_made_by_format_with_its_readers_options(reads, client):
    log_in(client, roles.OPERATOR)
    add = url("readersetting_add")
    assert "?format=cmep" in client.get(add).content.decode()
    form = {"active": "on", "on_error": "meter", "source": "", "zone": "Europe/London"}
    wrong = client.post(f"{add}?format=cmep", form | {"resolution": "0.01"}).content.decode()
    assert "choose a class, too" in wrong
    assert client.post(f"{add}?format=cmep", form).status_code == 302
    setting = ReaderSetting.objects.get()
    assert (setting.on_error, setting.zone, str(setting)) == (
        *("meter", "Europe/London"),
        "inbox/reads/cmep",
    )
    assert "?format=cmep" not in client.get(add).content.decode()
    change = url("readersetting_change", setting.pk)
    assert client.post(change, form | {"zone": "Nowhere"}).status_code == 200
    assert client.post(change, form | {"active": ""}).status_code == 302
    setting.refresh_from_db()
    assert not setting.active
    assert len(folders()) == len(READABLE) + 1
    assert os.path.basename(str(setting)) == "cmep"
