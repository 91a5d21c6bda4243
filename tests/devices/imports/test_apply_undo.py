"""What an import makes true, and what its undo gives back."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from devices.models import Channel, Device, ImportConflict, ImportJob, Installation, Membership
from devices.services.imports.jobs import ImportFault
from devices.services.imports.undo import import_undo
from devices.services.secrets import secret_open
from tests.devices.factories import batch_post, entry_of
from tests.devices.imports.files import (
    answers,
    codes,
    device,
    group,
    inventory,
    lines,
    memberships,
    send,
)

pytestmark = pytest.mark.django_db
HEAD = "Action,DeviceID,MeterNumber,DeviceClass,AccountID,ServicePointID,Multiplier,BillCycle,Notes"


def place(device_id: str) -> Installation:
    return Installation.objects.get(device__device_id=device_id, valid_to=None)


def test_an_added_device_has_its_place_its_cycle_its_channels_and_a_history():
    job = send(lines(HEAD, "A,D1,M1,SENTINEL,ACC1,SP1,40,CYCLE05,hello"))
    made = Device.objects.get(device_id="D1")
    assert (made.state, made.time_zone, made.notes) == ("placed", "UTC", "hello")
    assert (place("D1").account_id, place("D1").multiplier) == ("ACC1", Decimal(40))
    assert [stay.group.code for stay in made.memberships.all()] == ["CYCLE05"]
    assert [(c.number, c.unit, c.grid_offset) for c in made.channels.all()] == [(1, "KWH", 0)]
    (history,) = made.history.all()
    assert (history.history_type, history.history_change_reason) == ("+", f"import {job.batch}")


def test_an_update_changes_what_its_cells_say_and_dates_what_is_dated():
    send(lines(HEAD, "A,D1,M1,SENTINEL,ACC1,SP1,,CYCLE05,hello"))
    Installation.objects.update(valid_from=datetime(2024, 1, 1, tzinfo=UTC))
    Membership.objects.update(valid_from=datetime(2024, 1, 1, tzinfo=UTC))
    send(lines(HEAD, "U,D1,,,ACC2,,2.5,CYCLE06,<null>"))
    old, new = Installation.objects.order_by("valid_from")
    assert (old.account_id, new.account_id, new.service_point_id) == ("ACC1", "ACC2", "SP1")
    assert old.valid_to == new.valid_from
    assert new.multiplier == Decimal("2.5")
    assert Device.objects.get().notes == ""
    (first, second) = memberships("D1")
    assert (first[0], second[0], first[2], second[2]) == ("CYCLE05", "CYCLE06", second[1], "")


def test_a_meter_exchange_at_a_service_point_is_one_file():
    device("OLD", "M1", ("CYCLE05",))
    job = send(lines(HEAD, "D,OLD,,,,,,,", "A,NEW,M1,SENTINEL,ACC1,SP1,,CYCLE05,"))
    assert codes(job) == ["OK", "OK"]
    assert Device.objects.get(device_id="OLD").state == "unprovisioned"
    assert Device.objects.get(device_id="NEW").meter_number == "M1"
    assert memberships("OLD")[0][2] != ""


def test_rows_for_one_device_build_on_each_other_across_portions(monkeypatch):
    monkeypatch.setattr("devices.services.imports.stage.PORTION", 1)
    job = send(
        lines(
            "Action,DeviceID,MeterNumber,DeviceClass,BillCycle,Notes",
            "A,D1,M1,SENTINEL,CYCLE01,one",
            "U,D1,,,CYCLE02,two",
            "A,D2,M1,SENTINEL,,",
            "D,D1,,,,",
            "A,D2,M1,SENTINEL,,three",
            "U,D1,,,,",
        )
    )
    assert codes(job) == ["OK", "OK", "ERROR DEV12", "OK", "OK", "ERROR DEV24"]
    assert answers(job)[2][3] == "row 4: MeterNumber M1 belongs to active device D1"
    assert sorted(Device.objects.values_list("device_id", "state", "notes")) == [
        *(("D1", "unprovisioned", "two"), ("D2", "placed", "three")),
    ]
    assert memberships("D1") == []


def test_a_device_unprovisioned_and_added_again_begins_anew():
    device("D1", "M1", notes="old", serial_number="S1", pin="x", city="Jackson")
    send(lines("Action,DeviceID", "D,D1"))
    job = send(lines("Action,DeviceID,MeterNumber,DeviceClass", "A,D1,M2,SENTINEL"))
    assert codes(job) == ["WARN DEV52"]
    again = Device.objects.get()
    assert (again.state, again.notes, again.serial_number, again.pin) == ("placed", "", "", "")
    assert (again.meter_number, again.city, again.time_zone) == ("M2", "", "UTC")


# --- undo ---------------------------------------------------------------------------------------


def test_undo_gives_back_everything():
    device("D1", "M1", ("CYCLE05",), notes="old")
    device("D2", "M2", ("CYCLE05",))
    Installation.objects.create(
        device=Device.objects.get(device_id="D2"),
        valid_from=datetime(2024, 1, 1, tzinfo=UTC),
        account_id="ACC9",
    )
    before = inventory()
    job = send(
        lines(
            HEAD,
            "U,D1,,,ACC1,SP1,3,CYCLE06,new",
            "D,D2,,,,,,,",
            "A,D3,M2,SENTINEL,ACC3,SP3,,CYCLE07,",
        )
    )
    assert codes(job) == ["OK"] * 3
    undone = import_undo(job)
    assert (undone.conflicts, undone.kept) == ([], [])
    assert inventory() == before
    assert Channel.objects.filter(device__device_id="D3").count() == 0
    job.refresh_from_db()
    assert job.state == ImportJob.State.UNDONE
    with pytest.raises(ImportFault, match="is not applied: undone"):
        import_undo(job)


def test_two_swapped_meter_numbers_swap_back():
    device("D1", "M1")
    device("D2", "M2")
    before = inventory()
    job = send(lines("Action,DeviceID,MeterNumber", "U,D1,TMP", "U,D2,M1", "U,D1,M2"))
    assert dict(Device.objects.values_list("device_id", "meter_number")) == {"D1": "M2", "D2": "M1"}
    import_undo(job)
    assert inventory() == before


def test_an_added_device_with_readings_is_unprovisioned_by_undo():
    job = send(lines(HEAD, "A,D1,M1,SENTINEL,ACC1,,,CYCLE05,", "A,D2,M2,SENTINEL,,,,,"))
    channel = Channel.objects.get(device__device_id="D1")
    batch_post([entry_of(channel, 20500, 0, [1, 2, 3])])
    undone = import_undo(job)
    assert undone.kept == ["D1"]
    (kept,) = Device.objects.all()
    assert (kept.device_id, kept.state) == ("D1", "unprovisioned")
    assert not Membership.objects.filter(valid_to=None).exists()
    assert Channel.objects.filter(pk=channel.pk).exists()


def test_what_changed_since_is_left_alone_unless_insisted_on():
    device("D1", "M1", ("CYCLE05",), notes="a")
    device("D2", "M2", notes="b")
    before = inventory()
    first = send(lines("Action,DeviceID,BillCycle,Notes", "U,D1,CYCLE06,first", "U,D2,,first"))
    send(lines("Action,DeviceID,BillCycle,Notes", "U,D1,CYCLE07,second"))
    undone = import_undo(first)
    assert undone.conflicts == ["D1"]
    assert dict(Device.objects.values_list("device_id", "notes")) == {"D1": "second", "D2": "b"}
    assert memberships("D1")[-1][0] == "CYCLE07"
    assert import_undo(first, force=True).conflicts == []
    assert inventory() == before


def test_a_meter_number_that_another_has_taken_is_not_taken_back():
    device("D1", "M1")
    job = send(lines("Action,DeviceID", "D,D1"))
    device("D2", "M1")
    assert import_undo(job).conflicts == ["D1"]
    assert ImportConflict.objects.get().why == "taken"
    assert Device.objects.get(device_id="D1").state == "unprovisioned"


def test_a_created_group_goes_with_its_import():
    device("D1")
    text = lines("Action,DeviceID,GroupCode,GroupType", "A,D1,POOLS,GENERAL")
    job = send(text, "groups", create_groups="yes")
    assert codes(job) == ["WARN GRP56"]
    assert memberships("D1")[0][0] == "POOLS"
    before = inventory()
    import_undo(job)
    assert memberships("D1") == []
    assert inventory()["groups"] == [g for g in before["groups"] if g[0] != "POOLS"]


def test_the_pin_is_kept_encrypted_and_seen_nowhere():
    job = send(lines("Action,DeviceID,MeterNumber,DeviceClass,PIN", "A,D1,M1,SENTINEL,4711"))
    sealed = Device.objects.get().pin
    assert "4711" not in sealed
    assert secret_open(sealed) == "4711"
    row = job.rows.get()
    assert "4711" not in row.cells + row.changes + row.message
    assert codes(send(lines("Action,DeviceID,PIN", "U,D1,4711"))) == ["WARN DEV53"]
    assert codes(send(lines("Action,DeviceID,PIN", "U,D1,****"))) == ["WARN DEV53"]
    assert Device.objects.get().pin == sealed
    job = send(lines("Action,DeviceID,PIN", "U,D1,0815"))
    assert json.loads(job.rows.get().changes) == {"PIN": ["****", "****"]}
    assert secret_open(Device.objects.get().pin) == "0815"


# --- as chosen ----------------------------------------------------------------------------------


def test_all_or_nothing_applies_nothing_when_one_row_fails():
    device("D1")
    before = inventory()
    text = lines("Action,DeviceID,Notes", "U,D1,x", "U,D9,y")
    job = send(text, all_or_nothing="yes")
    assert codes(job) == ["SKIPPED DEV90", "ERROR DEV15"]
    assert answers(job)[0][3] == "another row failed (all or nothing)"
    assert inventory() == before
    assert job.state == ImportJob.State.REFUSED


def test_row_by_row_applies_in_steps_and_is_undone_as_a_whole(monkeypatch):
    monkeypatch.setattr("devices.services.imports.apply.SLICE", 2)
    before = inventory()
    job = send(
        lines(
            "Action,DeviceID,MeterNumber,DeviceClass,BillCycle",
            *("A,D1,M1,SENTINEL,CYCLE01", "U,D1,,,CYCLE02", "D,D1,,,"),
            *("A,D2,M1,SENTINEL,CYCLE01", "A,D1,M1,SENTINEL,", "A,D1,M3,SENTINEL,"),
        ),
        row_by_row="yes",
    )
    assert codes(job) == ["OK", "OK", "OK", "OK", "ERROR DEV12", "WARN DEV52"]
    assert job.steps == 3
    assert set(Device.objects.values_list("device_id", "meter_number", "state")) == {
        *(("D1", "M3", "placed"), ("D2", "M1", "placed")),
    }
    assert import_undo(job).conflicts == []
    assert inventory() == before


def test_what_changed_after_the_preview_is_shown_again_not_applied():
    from devices.services.imports.apply import Stale, import_queue
    from devices.services.imports.work import import_do
    from tests.devices.imports.files import preview

    device("D1", notes="a")
    job = preview(lines("Action,DeviceID,Notes", "U,D1,b", "U,D1,c"))
    import_queue(job, user=None)
    Device.objects.filter(device_id="D1").update(state="unprovisioned")
    with pytest.raises(Stale, match="has changed since the preview"):
        import_do(job)
    job.refresh_from_db()
    assert job.state == ImportJob.State.PREVIEW
    assert codes(job) == ["ERROR DEV24", "ERROR DEV24"]


def test_a_harmless_change_after_the_preview_is_built_upon():
    from devices.services.imports.apply import import_queue
    from devices.services.imports.work import import_do
    from tests.devices.imports.files import preview

    made = device("D1", notes="a")
    job = preview(lines("Action,DeviceID,Notes", "U,D1,b"))
    import_queue(job, user=None)
    Device.objects.filter(pk=made.pk).update(city="Jackson")
    import_do(job)
    made.refresh_from_db()
    assert (made.notes, made.city) == ("b", "Jackson")


# --- for later ----------------------------------------------------------------------------------


def test_a_row_for_later_waits_for_its_time_and_is_refused_when_it_does_not_fit_then():
    from devices.services.imports.later import rows_due

    device("D1", "M1", ("CYCLE05",))
    device("D2", "M2")
    later = timezone.now().replace(microsecond=0) + timedelta(days=2)
    stamp = later.isoformat()
    job = send(
        lines(
            "Action,DeviceID,MeterNumber,BillCycle,EffectiveTime",
            f"D,D1,,,{stamp}",
            f"U,D2,M1,CYCLE07,{stamp}",
            f"U,D1,,CYCLE06,{stamp}",
        )
    )
    assert codes(job) == ["OK", "OK", "ERROR DEV24"]
    assert list(job.rows.values_list("status", flat=True)) == ["waiting", "waiting", ""]
    assert not rows_due()
    assert Device.objects.get(device_id="D1").state == "provisioned"
    device("D3", "M7")
    Device.objects.filter(device_id="D2").update(state="unprovisioned")
    rows_due(later)
    job.refresh_from_db()
    assert Device.objects.get(device_id="D1").state == "unprovisioned"
    assert memberships("D1")[0][2] == f"{later:%FT%TZ}"
    assert list(job.rows.values_list("status", flat=True)) == ["applied", "refused", ""]
    assert job.rows.get(number=3).code == "DEV24"
    import_undo(job)
    assert Device.objects.get(device_id="D1").state == "provisioned"
    assert memberships("D1")[0][2] == ""


def test_a_change_before_the_last_one_is_refused():
    device("D1", groups=("CYCLE05",))
    send(lines("Action,DeviceID,BillCycle,EffectiveTime", "U,D1,CYCLE06,2026-03-01T12:00:00-06:00"))
    job = send(lines("Action,DeviceID,Notes,EffectiveTime", "U,D1,x,2026-03-01"))
    assert answers(job)[0][2:] == (
        "DEV28",
        "row 2: EffectiveTime 2026-03-01T00:00:00-06:00 before the device's last change",
    )
    equal = lines("Action,DeviceID,Notes,EffectiveTime", "U,D1,x,2026-03-01T18:00:00Z")
    assert codes(send(equal)) == ["OK"]


def test_a_correction_at_the_same_instant_leaves_no_trace_of_the_mistake():
    device("D1", groups=("CYCLE05",))
    head = "Action,DeviceID,GroupCode,EffectiveDate"
    send(lines(head, "M,D1,CYCLE06,2026-03-01"), "groups")
    send(lines(head, "M,D1,CYCLE07,2026-03-01"), "groups")
    at = "2026-03-01T06:00:00Z"
    assert memberships("D1") == [
        *(("CYCLE05", "2024-01-01T00:00:00Z", at), ("CYCLE07", at, "")),
    ]
    send(lines(head, "M,D1,CYCLE05,2026-03-01"), "groups")
    assert memberships("D1") == [("CYCLE05", "2024-01-01T00:00:00Z", "")]


def test_a_general_group_is_joined_and_left():
    device("D1")
    group("SOLAR", "GENERAL")
    group("POOLS", "GENERAL")
    head = "Action,DeviceID,GroupCode,FromGroup,EffectiveDate"
    job = send(
        lines(
            head,
            *("A,D1,SOLAR,,2026-03-01", "M,D1,POOLS,SOLAR,2026-03-02", "M,D1,POOLS,,2026-03-03"),
            *("M,D1,SOLAR,CYCLE05,2026-03-03", "R,D1,POOLS,,2026-03-01", "R,D1,POOLS,,2026-03-04"),
        ),
        "groups",
    )
    assert codes(job) == [
        *("OK", "OK", "ERROR GRP09", "ERROR GRP16", "WARN GRP51", "OK"),
    ]
    assert memberships("D1") == [
        ("SOLAR", "2026-03-01T06:00:00Z", "2026-03-02T06:00:00Z"),
        ("POOLS", "2026-03-02T06:00:00Z", "2026-03-04T06:00:00Z"),
    ]


def test_a_change_by_a_form_counts_as_the_last_one(client, django_user_model):
    made = device("D1")
    client.force_login(django_user_model.objects.create_superuser("ada", password="long enough"))
    form = {
        **{"meter_number": "D1", "device_class": made.device_class_id, "time_zone": "UTC"},
        **{"state": "provisioned", "notes": "by hand"},
    }
    for name in ("installations", "memberships"):
        form |= {f"{name}-TOTAL_FORMS": 0, f"{name}-INITIAL_FORMS": 0}
    assert client.post(f"/devices/device/{made.pk}/edit/", form).status_code == 302
    job = send(lines("Action,DeviceID,Notes,EffectiveTime", "U,D1,x,2026-03-01"))
    assert codes(job) == ["ERROR DEV28"]
    assert Device.objects.get().notes == "by hand"
