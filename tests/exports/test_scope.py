"""What a run reads: who, where, which channels, for which part of the period."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.utils import timezone

from devices import journal
from devices.models import Batch, FunctionalGroup, Installation, Membership
from devices.readings import DAY, NEVER, RegisterRead, RegisterValue
from devices.services.channels import channel_change
from events.models import Event, EventType
from exports.scope import Scope, Selection, frames, frames_read, parts_freeze
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of

pytestmark = pytest.mark.django_db

D = day_of(2026, 3, 14)
START = datetime(2026, 3, 14, tzinfo=UTC)
NOON = START + timedelta(hours=12)
END = START + timedelta(days=1)


def scope(order="device_id", intervals=True, **given):
    names = ("registers", "reads_at_end", "margin", "events")
    options = {k: given.pop(k) for k in names if k in given}
    start, end = given.pop("start", START), given.pop("end", END)
    return Scope(
        Selection(**given), start, end, journal.horizon(), order, intervals=intervals, **options
    )


def frames_for_scope(scope, devices=2500):
    for part in parts_freeze(scope, devices):
        yield from frames_read(part.data, scope)


def series_of(scope):
    """(device, service point, channel, values that arrived) of every series, in order."""
    found = []
    for frame in frames_for_scope(scope):
        for meter in frame.meters():
            for series in meter.series:
                arrived = series.counts[series.status != NEVER].tolist()
                found.append(
                    (
                        meter.device.device_id,
                        meter.device.service_point_id,
                        series.channel.number,
                        arrived,
                    )
                )
    return found


def home(device, service_point, start, end=None, multiplier="1"):
    return Installation.objects.create(
        device=device,
        valid_from=start,
        valid_to=end,
        service_point_id=service_point,
        multiplier=Decimal(multiplier),
    )


LONG_AGO = START - timedelta(days=400)


def event_post(device, when):
    """An outage, in a batch of its own; its number."""
    outage = EventType.objects.get_or_create(
        mnemonic="PWR_OUTAGE", defaults={"category": "OUTG", "severity": "A", "state": "S"}
    )[0]
    number = batch_post([])
    Event.objects.create(
        device=device, type=outage, batch=Batch.objects.get(number=number), time=when,
        received=timezone.now(), origin="S", category="OUTG", severity="A",
    )  # fmt: skip
    return number


def test_devices_come_in_the_order_of_the_key_as_bytes():
    for device_id, meter in (("b", "10"), ("A", "9"), ("a", "z"), ("_", "-")):
        device = device_make(device_id, meter_number=meter)
        home(device, "", LONG_AGO)
        channel_make(device)
    ids = [row[0] for row in series_of(scope())]
    meters = [
        meter.device.meter_number
        for frame in frames_for_scope(scope("meter_number"))
        for meter in frame.meters()
    ]
    assert ids == ["A", "_", "a", "b"]
    assert meters == ["-", "10", "9", "z"]


def test_a_file_is_sorted_by_known_keys_only():
    with pytest.raises(ValueError, match="notes"):
        scope("notes")


def test_a_move_in_the_period_makes_two_stays_with_their_own_multiplier():
    device = device_make("M")
    home(device, "SP1", LONG_AGO, NOON, "40")
    home(device, "SP2", NOON, None, "80")
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, list(range(96)))])
    assert series_of(scope()) == [
        ("M", "SP1", 1, list(range(48))),
        ("M", "SP2", 1, list(range(48, 96))),
    ]
    [frame] = frames_for_scope(scope())
    assert sorted(sheet.channels[0].multiplier for sheet in frame.sheets) == [40, 80]


def test_a_channel_states_its_own_multiplier():
    device = device_make()
    home(device, "SP", LONG_AGO, None, "40")
    channel_make(device, multiplier=Decimal("7.5"), multiplier_applied=False)
    channel_make(device, number=2)
    [frame] = frames_for_scope(scope())
    [sheet] = frame.sheets
    assert [(c.multiplier, c.multiplier_applied) for c in sheet.channels] == [
        (Decimal("7.5"), False),
        (40, True),
    ]


def test_a_device_without_installation_has_empty_identifiers():
    channel_make(device_make("X"))
    assert series_of(scope()) == [("X", "", 1, [])]


def test_before_and_between_installations_identifiers_are_empty():
    device = device_make("X")
    home(device, "SP", START + timedelta(hours=6), NOON)
    channel_make(device)
    assert [row[1] for row in series_of(scope())] == ["", "SP", ""]


def test_membership_is_judged_at_each_values_time():
    group = FunctionalGroup.objects.create(code="G")
    other = FunctionalGroup.objects.create(code="H")
    device, away = device_make("IN"), device_make("OUT")
    home(device, "", LONG_AGO)
    hours = (2, 4), (3, 5), (20, None)
    for (low, high), where in zip(hours, (group, other, group), strict=True):
        Membership.objects.create(
            device=device,
            group=where,
            valid_from=START + timedelta(hours=low),
            valid_to=high and START + timedelta(hours=high),
        )
    Membership.objects.create(device=away, group=group, valid_from=LONG_AGO, valid_to=START)
    channel = channel_make(device, seconds=3600)
    channel_make(away)
    batch_post([entry_of(channel, D, 0, list(range(24)))])
    assert [row[3] for row in series_of(scope(groups=("G",)))] == [[2, 3], [20, 21, 22, 23]]
    both = [row[3] for row in series_of(scope(groups=("G", "H")))]
    assert both == [[2, 3, 4], [20, 21, 22, 23]]
    assert series_of(scope(groups=("NONE",))) == []


def test_a_member_of_the_whole_period_is_whole():
    group = FunctionalGroup.objects.create(code="G")
    device = device_make("IN")
    home(device, "SP", LONG_AGO)
    Membership.objects.create(device=device, group=group, valid_from=LONG_AGO)
    channel = channel_make(device, seconds=3600)
    batch_post([entry_of(channel, D, 0, [1])])
    assert series_of(scope(groups=("G",), devices=("IN",))) == [("IN", "SP", 1, [1])]


def test_eras_of_a_channel_divide_the_period():
    device = device_make("E")
    home(device, "SP", LONG_AGO)
    old = channel_make(device, seconds=3600)
    batch_post([entry_of(old, D, 0, [1])])
    new = channel_change(old, at=NOON, resolution=Decimal("0.01"))
    batch_post([entry_of(new, D, 12, [2])])
    [frame] = frames_for_scope(scope())
    pieces = sorted(
        (int(sheet.ends[0]), len(sheet.ends), sheet.channels[0].resolution)
        for sheet in frame.sheets
    )
    assert pieces == [
        (D * DAY + 3600, 12, Decimal("0.001")),
        (D * DAY + 13 * 3600, 12, Decimal("0.01")),
    ]
    assert [row[3] for row in series_of(scope())] == [[1], [2]]


def test_channels_and_units_are_chosen():
    device = device_make()
    home(device, "SP", LONG_AGO)
    for number, unit in ((1, "KWH"), (2, "KVARH"), (3, "KWH")):
        channel_make(device, number=number, unit=unit)
    assert [row[2] for row in series_of(scope(units=("KWH",)))] == [1, 3]
    assert [row[2] for row in series_of(scope(channels=(2, 3)))] == [2, 3]


def test_parts_hold_whole_devices_and_join_to_the_whole(monkeypatch):
    for n in range(5):
        device = device_make(f"P{n}")
        home(device, "SP", LONG_AGO)
        for number in (1, 2):
            channel_make(device, number=number)
    whole = series_of(scope())
    parts = list(parts_freeze(scope(), 2))
    assert [(p.devices, p.first, p.last) for p in parts] == [
        (2, "P0", "P1"),
        (2, "P2", "P3"),
        (1, "P4", "P4"),
    ]
    assert [len(frame.devices) for frame in frames_for_scope(scope(), 2)] == [2, 2, 1]
    monkeypatch.setattr(frames, "FRAME_CELLS", 300)
    assert [len(frame.devices) for frame in frames_for_scope(scope())] == [1, 2, 1, 1]
    assert series_of(scope()) == whole


def test_a_run_reads_as_of_its_horizon():
    device = device_make("H")
    home(device, "SP", LONG_AGO)
    channel = channel_make(device, seconds=3600)
    batch_post([entry_of(channel, D, 0, [1])])
    asked = scope()
    batch_post([entry_of(channel, D, 0, [2])])
    journal.fold_all()
    assert [row[3] for row in series_of(asked)] == [[1]]
    assert [row[3] for row in series_of(scope())] == [[2]]


def test_wide_and_flagged_and_absent_blocks_are_read_alike():
    device = device_make("W")
    home(device, "SP", LONG_AGO)
    channels = [channel_make(device, number=n, seconds=3600) for n in (1, 2, 3)]
    batch_post([entry_of(channels[0], D, 0, [2**40]), entry_of(channels[1], D, 0, [5, None], 2)])
    journal.fold_all()
    [frame] = frames_for_scope(scope())
    [sheet] = frame.sheets
    assert sheet.counts[:, :2].tolist() == [[2**40, 0], [5, 0], [0, 0]]
    assert sheet.status[:, :3].tolist() == [[0, NEVER, NEVER], [2, 1, NEVER], [NEVER] * 3]
    narrow = next(iter(frames_for_scope(scope(channels=(2, 3))))).sheets[0]
    assert np.array_equal(narrow.status, sheet.status[1:])


def read_at(when, value):
    return RegisterRead(
        when, "CUR", (RegisterValue("SUM", "KWH", "DEL", "T", Decimal(value)),), source="SC"
    )


def test_a_read_at_the_border_of_two_stays_closes_one_and_opens_the_other():
    device, plain = device_make("M"), device_make("N")
    home(device, "SP1", LONG_AGO, NOON)
    home(device, "SP2", NOON)
    home(plain, "SP3", LONG_AGO)
    batch_post(
        [],
        [(device.pk, read_at(when, n)) for n, when in enumerate((START, NOON, END))]
        + [(plain.pk, read_at(END, 9))],
        received=timezone.now(),
    )

    def reads(**options):
        [frame] = frames_for_scope(scope(intervals=False, registers=True, **options))
        return [
            (meter.device.service_point_id, [int(r.values[0].value) for r in meter.reads])
            for meter in frame.meters()
        ]

    assert reads() == [("SP1", [0]), ("SP2", [1]), ("SP3", [])]
    assert reads(reads_at_end=True) == [("SP1", [0, 1]), ("SP2", [1, 2]), ("SP3", [9])]


def test_reads_around_the_period_come_where_a_margin_asks_for_them():
    device = device_make("M")
    home(device, "SP1", LONG_AGO, NOON)
    home(device, "SP2", NOON)
    times = [START - timedelta(minutes=16), START - timedelta(minutes=15), NOON,
             NOON + timedelta(minutes=5), END, END + timedelta(minutes=14)]  # fmt: skip
    batch_post([], [(device.pk, read_at(when, n)) for n, when in enumerate(times)])
    [frame] = frames_for_scope(scope(intervals=False, registers=True, margin=900))
    found = [[int(r.values[0].value) for r in meter.reads] for meter in frame.meters()]
    assert found == [[1], [2, 3, 4, 5]]


def test_groups_and_bill_cycle_are_those_of_the_stays_end():
    device, plain = device_make("A"), device_make("B")
    home(device, "SP1", LONG_AGO, NOON)
    home(device, "SP2", NOON)
    home(plain, "SP3", LONG_AGO)
    kinds = {"C1": "BILL_CYCLE", "C2": "BILL_CYCLE", "G2": "GENERAL", "G1": "GENERAL"}
    groups = {code: FunctionalGroup.objects.create(code=code, kind=kinds[code]) for code in kinds}
    hour = timedelta(hours=1)
    for owner, code, since, until in (
        (device, "C1", LONG_AGO, START + hour),
        (device, "C2", START + hour, None),
        (device, "G2", LONG_AGO, None),
        (device, "G1", LONG_AGO, NOON),
        (plain, "G2", LONG_AGO, None),
        (plain, "G1", LONG_AGO, None),
        (plain, "C1", END, None),
    ):
        Membership.objects.create(
            device=owner, group=groups[code], valid_from=since, valid_to=until
        )
    [frame] = frames_for_scope(scope())
    assert [(d.service_point_id, d.groups, d.bill_cycle) for d in frame.devices] == [
        ("SP1", ("G1", "G2"), "C2"),
        ("SP2", ("G2",), "C2"),
        ("SP3", ("G1", "G2"), ""),
    ]


def test_devices_of_one_key_are_in_one_part_and_one_frame(monkeypatch):
    for n, meter in enumerate(("1", "2", "2", "2", "3")):
        state = "unprovisioned" if n in (1, 2) else "provisioned"
        channel_make(device_make(f"D{n}", meter_number=meter, state=state))
    asked = scope("meter_number")
    assert [part.devices for part in parts_freeze(asked, 2)] == [4, 1]
    monkeypatch.setattr(frames, "FRAME_CELLS", 96)
    assert [len(frame.devices) for frame in frames_for_scope(asked)] == [1, 3, 1]


def test_freezing_again_gives_the_same_bytes():
    for n in range(3):
        device = device_make(f"F{n}")
        home(device, "SP", LONG_AGO, NOON if n else None)
        channel_make(device)
    assert list(parts_freeze(scope())) == list(parts_freeze(scope()))


def test_events_of_the_period_by_stay():
    device = device_make("E")
    home(device, "SP1", LONG_AGO, NOON)
    home(device, "SP2", NOON)
    for when in (START - timedelta(seconds=1), START, NOON, END):
        event_post(device, when)
    asked = scope(intervals=False, events=True)
    event_post(device, START + timedelta(hours=1))
    [frame] = frames_for_scope(asked)
    assert {stay: [e.time for e in mine] for stay, mine in frame.events.items()} == {
        0: [START],
        1: [NOON],
    }
    [first] = frame.events[0]
    assert (first.code, first.category, first.event_id) == ("PWR_OUTAGE", "OUTG", "")
