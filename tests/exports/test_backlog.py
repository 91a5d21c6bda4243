"""Promise P2: what a since-last export has covered is sent once, or listed as owed."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from devices import journal
from devices.blocks import day_date
from devices.models import Device, FunctionalGroup, Membership
from devices.readings import Status
from devices.services.memberships import MembershipChange, memberships_changed
from exports import services
from exports.coverage import Days, State as Covered, coverage_read
from exports.models import Backlog, ExportDefinition, ExportRun, Hold
from exports.services.scopes import subtract
from tests.devices.factories import batch_post, entry_of
from tests.exports.factories import (
    LONG_AGO,
    START,
    D,
    definition_make,
    file_text,
    join,
    meters_make,
    readings_post,
    run_now,
    work_all,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
State = ExportRun.State
CLERK = SimpleNamespace(get_username=lambda: "bill")


def since(**fields) -> ExportDefinition:
    return definition_make("SINCE", period="since_last", **fields)


def owed(definition) -> list[tuple[str, int | None, str, int]]:
    return [
        (row.device.device_id, row.channel and row.channel.number, row.reason, row.since)
        for row in definition.backlog.select_related("device", "channel").order_by("id")
    ]


def edit(definition: ExportDefinition, *, groups=(), devices=(), **fields) -> None:
    for name, value in fields.items():
        setattr(definition, name, value)
    services.definition_save(
        definition,
        groups=FunctionalGroup.objects.filter(code__in=groups),
        devices=devices,
        destinations=[],
    )


# --- left out ----------------------------------------------------------------------------------


def test_a_meter_left_out_by_an_error_is_owed_and_sent_when_the_error_is_gone():
    channels = meters_make(2)
    readings_post(channels)
    Device.objects.filter(device_id="D0001").update(meter_number="A,B")
    definition = since(on_error="skip_meter")
    first = run_now(definition)
    assert (first.state, first.intervals) == (State.DONE, 24)
    assert owed(definition) == [("D0001", 1, "left_out", 0), ("D0001", None, "left_out", 0)]
    readings_post(channels, day=D + 1)
    second = run_now(definition)  # the meter is tried again, and left out again
    assert second.intervals == 24
    assert [since for *_, since in owed(definition)] == [0, 0]
    Device.objects.filter(device_id="D0001").update(meter_number="M0001")
    third = run_now(definition)
    assert third.intervals == 48
    assert "M0001" in file_text(third)
    assert owed(definition) == []
    assert run_now(definition).state == State.EMPTY


def test_a_channel_the_format_cannot_carry_is_owed_but_not_tried_before_an_edit():
    volts = meters_make(1, unit="HZ", value_type="V")
    readings_post(volts)
    definition = since()
    assert run_now(definition).state == State.EMPTY
    assert owed(definition) == [("D0000", 1, "unsupported", 0)]
    readings_post(volts, day=D + 1)
    second = run_now(definition)
    assert second.state == State.EMPTY
    assert not second.owed.exists()
    assert {reason for _, _, reason, _ in owed(definition)} == {"unsupported"}
    definition.refresh_from_db()
    edit(definition, options={"dialect": "sensus"})
    before = Backlog.objects.order_by("pk").first()
    run_now(definition)
    assert not Backlog.objects.filter(pk=before.pk).exists()  # it was taken up, and is owed anew
    assert {since for *_, since in owed(definition)} == {0}


def test_what_a_failed_run_took_up_is_owed_as_before(monkeypatch):
    from exports.formats.cmep import Cmep

    channels = meters_make(1)
    readings_post(channels)
    definition = since()
    run_now(definition)
    Backlog.objects.create(
        definition=definition, device_id=channels[0].device_id, channel=channels[0], version=1
    )
    monkeypatch.setattr(Cmep, "verify", lambda self, stream, ctx: ["wrong"])
    assert run_now(definition).state == State.FAILED
    assert definition.backlog.get().run is None
    monkeypatch.undo()


def test_only_days_that_hold_something_are_read_for_what_is_owed():
    channels = meters_make(1)
    readings_post(channels)
    journal.fold_all()
    definition = since()
    run_now(definition)
    day = datetime(2026, 3, 13, tzinfo=UTC).date()
    row = {"definition": definition, "device_id": channels[0].device_id, "version": 1}
    Backlog.objects.create(channel=channels[0], first_day=day, last_day=day, **row)
    assert run_now(definition).state == State.EMPTY
    Backlog.objects.create(channel=channels[0], first_day=day, **row)
    assert run_now(definition).intervals == 24


# --- scope -------------------------------------------------------------------------------------


def test_a_group_added_to_a_definition_brings_what_it_had_before():
    old, new = meters_make(1, group="G1"), meters_make(1, first=1, group="G2")
    readings_post([*old, *new])
    definition = since(groups=["G1"])
    assert run_now(definition).intervals == 24
    definition.refresh_from_db()
    edit(definition, groups=["G1", "G2"])
    assert owed(definition) == [("D0001", None, "scope", 0), ("D0001", 1, "scope", 0)]
    run = run_now(definition)
    assert run.intervals == 24
    assert "M0001" in file_text(run)
    assert run_now(definition).state == State.EMPTY


def test_another_unit_or_all_meters_bring_what_they_had_before():
    kwh, gas = meters_make(1), meters_make(1, first=1, unit="THERM")
    readings_post([*kwh, *gas])
    definition = since(units=["KWH"])
    assert run_now(definition).intervals == 24
    definition.refresh_from_db()
    edit(definition, units=[])
    run = run_now(definition)
    assert (run.intervals, "THERM" in file_text(run)) == (24, True)


def test_a_narrower_selection_owes_nothing():
    readings_post(meters_make(2, group="G1"))
    definition = since(groups=["G1"])
    run_now(definition)
    definition.refresh_from_db()
    edit(definition, groups=["G1"], devices=Device.objects.filter(device_id="D0000"))
    assert owed(definition) == []


def test_a_membership_entered_later_than_it_holds_brings_the_days_between():
    (one,), (other,) = meters_make(1, group="G1"), meters_make(1, first=1)
    readings_post([one, other])
    readings_post([one, other], day=D + 1)
    definition = since(groups=["G1"])
    assert run_now(definition).intervals == 48
    start = START + timedelta(days=1)
    stay = join(other.device, "G1", start)
    memberships_changed([MembershipChange(other.device_id, stay.group_id, None, (start, None))])
    run = run_now(definition)
    assert run.intervals == 24  # the second day, whose readings are stamped by their ends
    assert "202603150000," not in file_text(run)
    assert run_now(definition).state == State.EMPTY


def test_a_move_between_two_groups_of_one_definition_owes_nothing():
    (channel,) = meters_make(1, group="G1")
    readings_post([channel])
    FunctionalGroup.objects.create(code="G2")
    definition = since(groups=["G1", "G2"])
    run_now(definition)
    old = Membership.objects.get()
    at = START + timedelta(hours=3)
    old.valid_to = at
    old.save()
    new = join(channel.device, "G2", at)
    memberships_changed(
        [
            MembershipChange(channel.device_id, old.group_id, (LONG_AGO, None), (LONG_AGO, at)),
            MembershipChange(channel.device_id, new.group_id, None, (at, None)),
        ]
    )
    assert owed(definition) == []


def test_changes_before_the_first_run_owe_nothing():
    (channel,) = meters_make(1)
    readings_post([channel])
    definition = since(groups=["G1"])
    stay = join(channel.device, "G1")
    definition.groups.add(stay.group)
    memberships_changed([MembershipChange(channel.device_id, stay.group_id, None, (None, None))])
    assert owed(definition) == []
    assert run_now(definition).intervals == 24


def test_windows_are_subtracted():
    assert subtract([(0, 10)], [(2, 4), (6, 8)]) == [(0, 2), (4, 6), (8, 10)]
    assert subtract([(0, 10)], [(0, 10)]) == []
    assert subtract([(0, 10), (20, 30)], [(5, 25)]) == [(0, 5), (25, 30)]
    assert subtract([], [(1, 2)]) == []


def test_a_membership_edited_in_the_admin_is_noticed(client):
    from django.contrib.auth.models import User
    from django.urls import reverse

    (one,), (other,) = meters_make(1, group="G1"), meters_make(1, first=1)
    readings_post([one, other])
    definition = since(groups=["G1"])
    run_now(definition)
    client.force_login(User.objects.create_superuser("ada", password="long enough"))
    group = FunctionalGroup.objects.get(code="G1")
    device = other.device
    place = device.installations.get()
    form = {
        **{name: getattr(device, name) for name in ("meter_number", "time_zone", "state")},
        **{"device_class": device.device_class_id, "installations-TOTAL_FORMS": 0},
        **{"installations-INITIAL_FORMS": 0, "memberships-TOTAL_FORMS": 1},
        **{"memberships-INITIAL_FORMS": 0, "memberships-0-group": group.pk},
        **{"memberships-0-valid_from_0": "2026-03-14", "memberships-0-valid_from_1": "12:00:00"},
        "memberships-0-device": device.pk,
    }
    address = reverse("admin:devices_device_edit", args=[device.pk])
    assert client.post(address, form).status_code == 302
    assert place.pk == device.installations.get().pk
    assert run_now(definition).intervals == 12


# --- all together ------------------------------------------------------------------------------


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("post"), st.integers(0, 2), st.integers(0, 23), st.integers(0, 9)),
            st.tuples(st.just("doubt"), st.integers(0, 2), st.integers(0, 23), st.integers(10, 12)),
            st.tuples(st.sampled_from(["run", "correct", "fold", "fail", "break", "mend"])),
            st.just(("release",)),
        ),
        max_size=18,
    )
)
def test_whatever_happens_the_files_together_hold_the_latest_version_once(steps, request):
    """Each file overlays the ones before it: what a receiver then has is what the store has. A
    correction file holds only what was sent before, and all of it that has changed. Meters with a
    doubtful value are held until they are released, or the value is put right."""
    from django.db import transaction

    class Undo(Exception):
        pass

    try:
        with transaction.atomic():
            _play(steps)
            raise Undo
    except Undo:
        pass


def _play(steps) -> None:
    channels = meters_make(3)
    definition = since(on_error="skip_meter", gate="meter", gate_questionable=0)
    received: dict[tuple[str, str], str] = {}
    broken = False
    for step in [*steps, ("mend",), ("run",), ("release",), ("run",)]:
        if step[0] in ("post", "doubt"):
            day, slot = divmod(step[2] * 5, 24)  # on five days, so that some hold both
            status = int(Status.QUESTIONABLE) if step[0] == "doubt" else 0
            batch_post([entry_of(channels[step[1]], D + day, slot, [step[3]], status)])
        elif step[0] == "fold":
            journal.fold_all()
        elif step[0] == "break":
            broken = True
            Device.objects.filter(device_id="D0002").update(meter_number="A,B")
        elif step[0] == "mend":
            broken = False
            Device.objects.filter(device_id="D0002").update(meter_number="M0002")
        elif step[0] == "release":
            for hold in Hold.objects.filter(state=Hold.State.HELD):
                services.hold_release(hold, user=CLERK, note="it is so")
        elif step[0] == "fail":
            run = services.definition_run(definition)
            services.work()
            services.run_cancel(run)
            work_all()
        elif step[0] == "correct" and not definition.runs.filter(state=State.DONE).exists():
            with pytest.raises(services.NotNow):
                services.definition_run(definition, corrections=True)
        else:
            run = run_now(definition, corrections=step[0] == "correct")
            text = file_text(run) if run.state == State.DONE else ""
            sent = {key: str(round(float(v) * 1000)) for key, v in _triplets(text).items()}
            assert all(received.get(key) != value for key, value in sent.items())
            if step[0] == "correct":
                assert sent.keys() <= received.keys()
            received |= sent
            stored = _stored(channels)
            held = definition.backlog.filter(reason="held").values_list("device__device_id")
            held = {f"M{name[1:]}" for (name,) in held}
            behind = {k for k in received if received[k] != stored[k] and k[0] not in held}
            assert broken or not behind
            definition.refresh_from_db()
            _compare(definition, received, stored, held)
    assert not Hold.objects.filter(state__in=Hold.OPEN).exists()
    assert received == _stored(channels)
    assert owed(definition) == []


def _compare(definition, received, stored, held) -> None:
    """The coverage page says of each meter and day what the files say."""
    devices = list(Device.objects.order_by("device_id").values_list("pk", "device_id"))
    days = Days(day_date(D), day_date(D + 5), "UTC")
    seen = coverage_read(definition, devices, days)
    for place, (_, name) in enumerate(devices):
        for n, day in enumerate(days.dates):
            first, last = f"{day:%Y%m%d}0000", f"{day + timedelta(days=1):%Y%m%d}0000"
            mine = {k for k in stored if k[0] == f"M{name[1:]}" and first < k[1] <= last}
            if any(k in received and received[k] != stored[k] for k in mine):
                expected = Covered.CHANGED
            elif mine - received.keys():
                expected = Covered.PENDING
            else:
                expected = Covered.SENT if mine else Covered.MISSING
            if f"M{name[1:]}" in held and expected in (Covered.CHANGED, Covered.PENDING):
                expected = Covered.HELD
            cell = seen.cell(place, n)
            assert cell.state == expected
            assert bool(cell.runs) == bool(mine & received.keys()) or expected != Covered.SENT


def _stored(channels) -> dict[tuple[str, str], str]:
    start, end = D * 86400, (D + 6) * 86400
    return {
        (f"M{n:04}", f"{datetime.fromtimestamp(end_, UTC):%Y%m%d%H%M}"): f"{count}"
        for n, series in enumerate(journal.series_read(channels, start, end))
        for end_, count, status in zip(
            series.ends.tolist(), series.counts.tolist(), series.status.tolist(), strict=True
        )
        if not status & 1
    }


def _triplets(text: str) -> dict[tuple[str, str], str]:
    found = {}
    for line in text.splitlines():
        fields = line.split(",")
        for time, _, value in zip(*[iter(fields[14:])] * 3, strict=True):
            found[fields[7], time] = value
    return found
