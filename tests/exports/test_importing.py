"""What an import of devices or groups means for exports: warnings, readings owed, files cut."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from devices.models import Device, DeviceClass, FunctionalGroup, ImportRow
from devices.readings import RegisterRead, RegisterValue
from devices.services.imports.later import rows_due
from devices.services.imports.undo import import_undo
from events.models import SystemAlarm
from exports import services
from exports.models import ExportDefinition, ExportRun
from tests.devices.factories import batch_post
from tests.devices.imports.files import codes, lines, preview, send
from tests.exports.factories import (
    START,
    definition_make,
    file_text,
    join,
    meters_make,
    readings_post,
    run_now,
)
from tests.exports.test_scope import frames_for_scope, scope

pytestmark = pytest.mark.django_db
NOON = "2026-03-14T12:00:00Z"


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path):
    settings.DATA_DIR = tmp_path / "var"
    settings.DATA_DIR.mkdir()


def since(**fields) -> ExportDefinition:
    return definition_make("SINCE", period="since_last", **fields)


def dangers(job) -> dict[int, str]:
    rows = ImportRow.objects.filter(job=job).exclude(danger="")
    return dict(rows.values_list("number", "danger"))


def times(run: ExportRun) -> dict[str, list[str]]:
    """Meter → ends of its intervals in a run's file; nothing when it made none."""
    found: dict[str, list[str]] = {}
    for line in file_text(run).splitlines() if run.files.exists() else ():
        fields = line.split(",")
        found.setdefault(fields[7], []).extend(fields[14::3])
    return found


def ends(first: int, last: int) -> list[str]:
    """The hours of the 14th, as CMEP writes them."""
    return [f"20260314{hour:02}00" for hour in range(first, last + 1)]


def gone(device_id: str, at: str = NOON):
    job = send(lines("Action,DeviceID,EffectiveTime", f"D,{device_id},{at}"))
    assert codes(job) == ["OK"]
    return job


def group(code: str) -> FunctionalGroup:
    return FunctionalGroup.objects.get_or_create(code=code, defaults={"kind": "BILL_CYCLE"})[0]


# --- warned of ---------------------------------------------------------------------------------


def test_a_device_with_readings_that_no_file_has_had_is_dangerous_to_unprovision():
    channels = meters_make(3)
    readings_post(channels[:2])
    definition = since()
    text = lines("Action,DeviceID", "D,D0000", "D,D0001", "D,D0002")
    assert dangers(preview(text)) == {
        2: "has readings not yet exported by SINCE",
        3: "has readings not yet exported by SINCE",
    }
    run_now(definition)
    assert dangers(preview(text)) == {}
    readings_post(channels[1:2], slot=3, values=[77])
    assert list(dangers(preview(text))) == [3]


def test_register_reads_that_no_file_has_had_count_too():
    (channel,) = meters_make(1)
    since()
    value = RegisterValue("SUM", "KWH", "DEL", "T", Decimal(1))
    batch_post([], [(channel.device_id, RegisterRead(START, "CUR", (value,)))])
    assert list(dangers(preview(lines("Action,DeviceID", "D,D0000")))) == [2]


def test_only_exports_that_the_device_is_in_count():
    channels = meters_make(3)
    join(channels[0].device, "SOLAR")
    readings_post(channels)
    definition_make("OF_GROUP", period="since_last", groups=["SOLAR"])
    chosen = Device.objects.filter(device_id="D0001")
    definition_make("OF_DEVICE", period="since_last", devices=chosen)
    definition_make("NIGHTLY")
    assert dangers(preview(lines("Action,DeviceID", "D,D0000", "D,D0001", "D,D0002"))) == {
        2: "has readings not yet exported by OF_GROUP",
        3: "has readings not yet exported by OF_DEVICE",
    }


def test_a_move_out_of_a_cycle_about_to_be_billed_is_dangerous():
    (channel,) = meters_make(1)
    group("CYCLE06")
    join(channel.device, group("CYCLE05").code)
    definition = definition_make("BILLS", groups=["CYCLE05"])
    move = lines("Action,DeviceID,GroupCode", "M,D0000,CYCLE06")
    update = lines("Action,DeviceID,BillCycle", "U,D0000,CYCLE06")
    assert dangers(preview(move, "groups")) == dangers(preview(update)) == {}
    rows = ExportDefinition.objects.filter(pk=definition.pk)
    rows.update(next_due=timezone.now() + timedelta(hours=25))
    assert dangers(preview(move, "groups")) == {}
    rows.update(next_due=timezone.now() + timedelta(hours=23))
    due = {2: "leaves CYCLE05, whose export BILLS is due"}
    assert dangers(preview(move, "groups")) == dangers(preview(update)) == due
    rows.update(active=False)
    assert dangers(preview(move, "groups")) == {}
    services.definition_run(definition)  # and is still open
    assert dangers(preview(move, "groups")) == due


# --- owed --------------------------------------------------------------------------------------


def test_a_backdated_membership_brings_the_readings_since_then_and_its_undo_nothing():
    channels = meters_make(2)
    join(channels[0].device, "G1")
    readings_post(channels)
    definition = since(groups=["G1"])
    assert times(run_now(definition)) == {"M0000": [*ends(1, 23), "202603150000"]}
    job = send(lines("Action,DeviceID,GroupCode,EffectiveDate", f"A,D0001,G1,{NOON}"), "groups")
    assert codes(job) == ["OK"]
    assert times(run_now(definition)) == {"M0001": [*ends(13, 23), "202603150000"]}
    import_undo(job)
    assert run_now(definition).state == ExportRun.State.EMPTY


def test_an_undone_removal_owes_what_arrived_meanwhile():
    channels = meters_make(1, group="G1")
    readings_post(channels, values=[1] * 12)
    definition = since(groups=["G1"])
    run_now(definition)
    job = send(lines("Action,DeviceID,GroupCode,EffectiveDate", f"R,D0000,G1,{NOON}"), "groups")
    readings_post(channels, slot=12, values=[2] * 6)
    assert run_now(definition).state == ExportRun.State.EMPTY
    import_undo(job)
    # Days at the border of what is owed are sent whole.
    assert times(run_now(definition)) == {"M0000": ends(1, 18)}


def test_an_undo_that_insists_owes_what_the_later_change_had_taken_out():
    channels = meters_make(1, group="G1")
    readings_post(channels, values=[1] * 6)
    definition = since()
    run_now(definition)
    first = send(lines("Action,DeviceID,Notes,EffectiveTime", "U,D0000,x,2026-03-14T06:00:00Z"))
    gone("D0000")
    readings_post(channels, slot=6, values=[2] * 12)
    assert times(run_now(definition)) == {"M0000": ends(7, 12)}
    assert import_undo(first).conflicts == ["D0000"]
    assert run_now(definition).state == ExportRun.State.EMPTY
    import_undo(first, force=True)
    assert Device.objects.get(device_id="D0000").ended is None
    assert times(run_now(definition)) == {"M0000": ends(1, 18)}


def test_what_a_new_device_brings_needs_no_backlog():
    DeviceClass.objects.get_or_create(code="SENTINEL")
    readings_post(meters_make(1))
    definition = since()
    run_now(definition)
    group("CYCLE05")
    send(lines("Action,DeviceID,MeterNumber,DeviceClass,BillCycle", "A,N1,N1,SENTINEL,CYCLE05"))
    assert not definition.backlog.exists()


# --- files end with the device -----------------------------------------------------------------


def test_a_file_of_the_period_has_the_readings_before_and_none_after():
    readings_post(meters_make(2))
    definition = definition_make()
    job = gone("D0000")
    whole = [*ends(1, 23), "202603150000"]
    assert times(run_now(definition)) == {"M0000": ends(1, 12), "M0001": whole}
    later = definition_make(
        "LATER", start=START + timedelta(hours=12), end=START + timedelta(days=1)
    )
    assert times(run_now(later)) == {"M0001": whole[12:]}
    import_undo(job)
    assert times(run_now(definition)) == {"M0000": whole, "M0001": whole}


def test_since_runs_hold_to_it_and_an_undo_owes_the_rest():
    channels = meters_make(2)
    readings_post(channels, values=[1] * 6)
    definition = since()
    run_now(definition)
    job = gone("D0000")
    readings_post(channels, slot=6, values=[2] * 12)
    assert times(run_now(definition)) == {"M0000": ends(7, 12), "M0001": ends(7, 18)}
    import_undo(job)
    # Days at the border of what is owed are sent whole.
    assert times(run_now(definition)) == {"M0000": ends(1, 18)}


def test_a_device_added_again_is_in_files_again_with_what_came_meanwhile():
    channels = meters_make(1)
    readings_post(channels, values=[1] * 6)
    definition = since()
    run_now(definition)
    gone("D0000", "2026-03-14T06:00:00Z")
    readings_post(channels, slot=6, values=[2] * 6)
    assert run_now(definition).state == ExportRun.State.EMPTY
    add = f"A,D0000,M0000,TEST,{NOON}"
    job = send(lines("Action,DeviceID,MeterNumber,DeviceClass,EffectiveTime", add))
    assert codes(job) == ["WARN DEV52"]
    assert Device.objects.get().ended is None
    assert times(run_now(definition)) == {"M0000": ends(1, 12)}


def test_register_reads_after_it_are_in_no_file_though_the_format_looks_beyond_the_period():
    channels = meters_make(1)
    value = RegisterValue("SUM", "KWH", "DEL", "T", Decimal(1))
    for hour in (11, 13):
        at = START + timedelta(hours=hour)
        batch_post([], [(channels[0].device_id, RegisterRead(at, "CUR", (value,)))])
    gone("D0000")
    for margin in (0, 86400):
        asked = scope(registers=True, reads_at_end=True, margin=margin)
        (meter,) = (meter for frame in frames_for_scope(asked) for meter in frame.meters())
        assert [read.time.hour for read in meter.reads] == [11]


def test_the_form_of_a_device_ends_it_too(client):
    channels = meters_make(1)
    readings_post(channels)
    definition = since()
    run_now(definition)
    client.force_login(User.objects.create_superuser("ada", password="long enough"))
    device = Device.objects.get()
    form = {"meter_number": "M0000", "device_class": device.device_class_id, "time_zone": "UTC"}
    for name in ("installations", "memberships"):
        form |= {f"{name}-TOTAL_FORMS": 0, f"{name}-INITIAL_FORMS": 0}
    address = reverse("admin:devices_device_edit", args=[device.pk])
    assert client.post(address, {**form, "state": "unprovisioned"}).status_code == 302
    ended = Device.objects.get().ended
    assert timezone.now() - ended < timedelta(minutes=1)
    assert client.post(address, {**form, "state": "unprovisioned", "notes": "x"}).status_code == 302
    assert Device.objects.get().ended == ended
    assert client.post(address, {**form, "state": "provisioned"}).status_code == 302
    assert Device.objects.get().ended is None
    assert run_now(definition).state == ExportRun.State.EMPTY  # nothing was measured meanwhile


# --- stored for later --------------------------------------------------------------------------


def test_a_row_refused_when_it_was_due_is_an_alarm(django_capture_on_commit_callbacks):
    meters_make(2)
    later = timezone.now() + timedelta(days=1)
    row = f"U,D0000,NEW1,{later:%FT%TZ}"
    job = send(lines("Action,DeviceID,MeterNumber,EffectiveTime", row))
    Device.objects.filter(device_id="D0001").update(meter_number="NEW1")
    with django_capture_on_commit_callbacks(execute=True):
        assert not rows_due(later)
    alarm = SystemAlarm.objects.get()
    assert (alarm.code, alarm.link) == ("TMS_IMPORT", f"/devices/importjob/{job.pk}/change/")
    assert alarm.text == "file.csv: DEV12 row 2: MeterNumber NEW1 belongs to active device D0001"
