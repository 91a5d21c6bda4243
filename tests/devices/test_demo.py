"""The virtual utility: the same seed gives the same data, and what it sends agrees with itself."""

import zoneinfo
from datetime import UTC, date, datetime
from decimal import Decimal
from io import StringIO

import numpy as np
import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db.models import Count

from devices import batchform, journal
from devices.blocks import day_date, day_number
from devices.demo import batches, fleet, registers, troubles
from devices.demo.load import RATES, Fleet, Shape
from devices.management.commands import demo as command
from devices.models import (
    Batch,
    Channel,
    Device,
    FunctionalGroup,
    IntervalBlock,
    Membership,
    RegisterSnapshot,
    RegisterTemplate,
    Watermark,
)
from devices.readings import Status, status_parse
from events.models import Event
from tests.devices.factories import device_make

ZONE = "America/Chicago"
SPRING, AUTUMN = date(2026, 3, 8), date(2025, 11, 2)  # 23 and 25 hours there


def sent(count=20, seed=0, zone=ZONE, start=date(2026, 2, 27), days=3) -> list[batchform.Delivery]:
    bodies = batches.bodies(fleet.meters(count, seed), seed=seed, zone=zone, start=start, days=days)
    return [batchform.decode(body) for body in bodies]


def runs_of(deliveries):
    """(device, channel, start) → run of intervals."""
    return {
        (meter.device, run.channel, run.start): run
        for delivery in deliveries
        for meter in delivery.meters
        for run in meter.intervals
    }


def reads_of(deliveries):
    """(device, type, time) → read."""
    return {
        (meter.device, read.type, read.time): read
        for delivery in deliveries
        for meter in delivery.meters
        for read in meter.registers
    }


def valued(read) -> dict[int, Decimal]:
    return {value.no: value.value for value in read.values}


# --- the same again ------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bodies_and_another_seed_others():
    once, again, other = sent(), sent(), sent(seed=1)
    assert once == again
    assert not {d.batch for d in once} & {d.batch for d in other}
    assert not set(runs_of(once)) & set(runs_of(other))


def test_a_larger_fleet_begins_with_the_smaller():
    few, many = sent(count=20), sent(count=33)
    assert fleet.meters(33, 0)[:20] == fleet.meters(20, 0)
    assert runs_of(few).items() <= runs_of(many).items()
    assert reads_of(few).items() <= reads_of(many).items()


def test_periods_agree_where_they_overlap():
    longer, shorter = sent(days=5), sent(start=date(2026, 3, 1), days=2)
    assert runs_of(shorter).items() <= runs_of(longer).items()
    assert reads_of(shorter).items() <= reads_of(longer).items()


# --- what a day holds ----------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "hours"), [(SPRING, 23), (date(2026, 3, 9), 24), (AUTUMN, 25)])
def test_registers_move_by_what_the_intervals_add_up_to(day, hours):
    meters = fleet.meters(10, 0)
    shape, loads = Shape.of(day_number(day), ZONE), Fleet(meters, 0)
    load = loads.load(shape, np.ones((10, len(shape.ends))))
    before = loads.totals(shape.day)
    assert load.delivered.shape == (10, 4 * hours)
    for rate in range(len(RATES)):
        moved = load.totals.delivered[:, rate] - before.delivered[:, rate]
        assert (load.delivered[:, shape.rates == rate].sum(axis=1) == moved).all()
    assert (load.received.sum(axis=1) == load.totals.received - before.received).all()
    assert (load.reactive.sum(axis=1) == load.totals.reactive - before.reactive).all()
    assert (load.delivered >= 0).all()
    assert (load.totals.delivered > before.delivered).all()


def test_what_is_sent_has_the_totals_of_its_intervals():
    deliveries = sent(count=10, start=date(2026, 2, 20), days=4)
    reads = reads_of(deliveries)
    checked = 0
    for (device, channel, start), run in runs_of(deliveries).items():
        end = datetime.fromtimestamp(start.timestamp() + run.seconds * len(run.counts), UTC)
        opening, closing = reads.get((device, "CUR", start)), reads.get((device, "CUR", end))
        if channel != fleet.DELIVERED or None in run.counts or not (opening and closing):
            continue
        moved = valued(closing)[1] - valued(opening)[1]
        assert sum(run.counts) * Decimal("0.001") == moved
        checked += 1
    assert checked > 20


def test_the_highest_demand_is_that_of_the_highest_interval_since_the_reset():
    deliveries = sent(count=10, start=date(2026, 2, 1), days=28)
    midnight = datetime(2026, 3, 1, 6, tzinfo=UTC)
    reads = reads_of(deliveries)
    frozen = {key[0]: read for key, read in reads.items() if key[1:] == ("SR", midnight)}
    assert len(frozen) >= 8
    for device, read in frozen.items():
        peak = next(value for value in read.values if value.no == 2)
        per_hour, end = 0, None
        for (whose, channel, start), run in runs_of(deliveries).items():
            if whose != device or channel != fleet.DELIVERED:
                continue
            for slot, count in enumerate(run.counts):
                if count is not None and count * 3600 // run.seconds > per_hour:
                    per_hour = count * 3600 // run.seconds
                    end = start.timestamp() + run.seconds * (slot + 1)
        assert peak.value >= per_hour * Decimal("0.001")  # a gap may hide the peak
        if peak.value == per_hour * Decimal("0.001"):
            assert peak.peak_time.timestamp() == end


def test_demand_counts_anew_after_a_reset():
    meters = fleet.meters(4, 0)
    peaks = registers.Peaks(meters)
    shape = Shape.of(day_number(date(2026, 3, 9)), ZONE)
    peaks.see(shape, np.full((4, 96), 7))
    hourly = [meter.hourly for meter in meters].index(True)
    assert peaks.watts[0].tolist() == [28, 28, 28]
    assert peaks.watts[hourly].tolist() == [28, 28, 28]
    peaks.reset()
    peaks.see(shape, np.zeros((4, 96), np.int64))
    assert not peaks.watts.any()
    assert not peaks.times.any()


def test_half_measure_three_quantities_a_few_volts_and_some_are_hourly():
    meters = fleet.meters(200, 0)
    three = [m for m in meters if m.measures(fleet.RECEIVED) and m.measures(fleet.REACTIVE)]
    assert len(three) == 100
    assert 0 < sum(meter.measures(fleet.VOLTS) for meter in meters) < 60
    assert 0 < sum(meter.hourly for meter in meters) < 60
    for delivery in sent(count=10):
        for meter in delivery.meters:
            for run in meter.intervals:
                kind = meters[int(meter.device[-6:]) - 1].kind
                assert run.channel in kind.channels
                assert run.seconds == (3600 if kind.device_class == "I210" else 900)


def test_gaps_estimates_silences_and_outages_occur():
    deliveries = sent(count=100, days=14)
    words = {
        word
        for run in runs_of(deliveries).values()
        for slot in run.status or ()
        for word in slot.split("+")
    }
    assert {"missing", "estimated", "power_outage"} <= words
    daily = [d for d in deliveries if d.source == "scheduled"]
    assert min(len(delivery.meters) for delivery in daily) < 100
    for run in runs_of(deliveries).values():
        for count, slot in zip(run.counts, run.status or [""] * len(run.counts), strict=True):
            assert (count is None) == bool(status_parse(slot) & Status.MISSING)


def test_an_outage_shows_in_the_intervals_and_as_events():
    deliveries = sent(count=100, days=14)
    alarms = [d for d in deliveries if d.source == "pushed"]
    assert alarms
    runs = runs_of(deliveries)
    for meter in alarms[0].meters:
        lost, back = meter.events
        assert (lost.code, back.code) == ("PWR_OUTAGE", "PWR_RESTORE")
        assert lost.time < back.time
        for (device, _, start), run in runs.items():
            end = start.timestamp() + run.seconds * len(run.counts)
            if device == meter.device and start <= lost.time and back.time.timestamp() < end:
                first = int((lost.time - start).total_seconds() // run.seconds)
                assert "power_outage" in run.status[first]


def test_an_hour_is_missing_when_a_quarter_is():
    quarters = np.array([[Status.MISSING, Status.ESTIMATED, 0, 0, Status.POWER_OUTAGE, 0, 0, 0]])
    hours = troubles.hour_masks(quarters.astype(np.uint16))
    assert hours.tolist() == [[Status.MISSING, Status.POWER_OUTAGE]]


def test_only_zones_whose_days_begin_on_hours_will_do():
    assert batches.begins_on_hours("Asia/Kathmandu", date(2026, 1, 1), 365)
    assert batches.begins_on_hours("Africa/Cairo", date(2026, 1, 1), 365)
    assert not batches.begins_on_hours("Australia/Lord_Howe", date(2026, 1, 1), 365)


# --- the command ---------------------------------------------------------------------------------


def demo(**given) -> str:
    out = StringIO()
    given = {"devices": 12, "start": date(2026, 3, 7), "days": 3, "zone": ZONE} | given
    call_command("demo", stdout=out, **given)
    return out.getvalue()


@pytest.mark.django_db
def test_registers_are_those_of_the_device_classes():
    template = RegisterTemplate.objects.filter(device_class__code="SENTINEL")
    shipped = set(template.values_list("number", "register_class", "unit", "flow", "rate"))
    of_ours = (registers.TOTAL, registers.DEMAND, registers.INFEED, registers.VARH)
    assert {*of_ours, *registers.RATED, *registers.RATED_KW} <= shipped


@pytest.mark.django_db
def test_it_fills_an_empty_database():
    said = demo()
    assert "12 meters (12 new)" in said
    device = Device.objects.get(device_id="DEMO000004")
    assert device.device_class.code == "SENTINEL"
    assert device.time_zone == ZONE
    assert device.history.count() == 1
    home = device.installations.get()
    assert home.multiplier == 40
    assert home.service_point_id
    assert home.feeder_id
    assert [c.unit for c in device.channels.all()] == ["KWH", "KWH", "KVARH", "V"]
    assert Membership.objects.filter(kind="BILL_CYCLE").count() == 12
    assert FunctionalGroup.objects.filter(kind="GENERAL").count() == len(fleet.GROUPS)
    assert Channel.objects.filter(seconds=3600).count() == 2
    assert journal.folded_to() == journal.horizon() > 0
    assert IntervalBlock.objects.exists()
    assert RegisterSnapshot.objects.filter(read_type="CUR").count() > 36
    totals = Batch.objects.values_list("source").annotate(Count("pk"))
    assert dict(totals)["scheduled"] == 4


@pytest.mark.django_db
def test_sent_twice_it_changes_nothing():
    demo()
    horizon = journal.horizon()
    said = demo()
    assert "12 meters (0 new)" in said
    assert "batches (0 new)" in said
    assert journal.horizon() == horizon
    assert Device.objects.count() == 12


@pytest.mark.django_db
def test_more_of_the_same_utility_makes_no_second_versions():
    demo()
    said = demo(devices=15, start=date(2026, 3, 8))
    assert "15 meters (3 new)" in said
    assert not RegisterSnapshot.objects.filter(revision__gt=0).exists()
    revised = IntervalBlock.objects.values_list("revisions", flat=True)
    assert not any(bytes(packed) for packed in revised)


@pytest.mark.django_db
def test_another_seed_is_another_utility_beside_it():
    demo()
    demo(seed=2, devices=3)
    assert Device.objects.filter(device_id__startswith="DEMO2").count() == 3
    assert Device.objects.count() == 15


@pytest.mark.django_db
def test_events_come_with_it():
    demo(devices=80, days=10)
    kinds = set(Event.objects.values_list("type__mnemonic", flat=True))
    assert {"PWR_OUTAGE", "PWR_RESTORE"} <= kinds


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zone": "Nowhere/Land"}, "not an IANA time zone"),
        ({"zone": "Australia/Lord_Howe"}, "standard time"),
        ({"start": date(2199, 1, 1)}, "the period ends after"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_made(given, message):
    with pytest.raises(CommandError, match=message):
        demo(**given)
    assert not Device.objects.exists()


@pytest.mark.django_db
def test_meters_of_another_zone_are_not_fed():
    demo()
    with pytest.raises(CommandError, match="give --zone America/Chicago"):
        demo(zone="Europe/London")


@pytest.mark.django_db
def test_a_meter_number_in_use_is_said():
    kind = Device.objects.model._meta.get_field("device_class").related_model.objects.first()
    Device.objects.create(device_id="OTHER", meter_number="04100001", device_class=kind)
    with pytest.raises(CommandError, match="meter numbers is in use"):
        demo()


@pytest.mark.django_db
def test_without_a_zone_clocks_change(settings):
    settings.TIME_ZONE = "UTC"
    demo(zone="", devices=1)
    assert Device.objects.get().time_zone == ZONE


@pytest.mark.django_db
def test_without_a_start_it_ends_with_yesterday():
    demo(start=None, devices=1, days=2)
    today = datetime.now(zoneinfo.ZoneInfo(ZONE)).date()
    last = max(Batch.objects.filter(source="scheduled").values_list("key", flat=True))
    assert last.startswith(f"demo-0-{day_date(day_number(today) - 1)}-")


@pytest.mark.django_db
def test_once_finishes_what_was_cut_off_with_the_same_days_and_then_does_nothing(monkeypatch):
    given = {"devices": 3, "days": 2, "zone": ZONE, "verbosity": 0}
    accept = command.batch_accept

    def cut_off(form, **options):
        if Batch.objects.count() == 2:
            raise KeyboardInterrupt
        return accept(form, **options)

    with time_machine.travel("2026-03-10T12:00:00Z", tick=False):
        monkeypatch.setattr(command, "batch_accept", cut_off)
        with pytest.raises(KeyboardInterrupt):
            call_command("demo", "--once", **given, stdout=StringIO())
        monkeypatch.undo()
    with time_machine.travel("2026-03-12T12:00:00Z", tick=False):
        for _ in range(2):
            call_command("demo", "--once", **given, stdout=StringIO())
        once = sorted(Batch.objects.values_list("key", flat=True))
        call_command("demo", start=date(2026, 3, 8), **given, stdout=StringIO())
        assert sorted(Batch.objects.values_list("key", flat=True)) == once
    assert not Watermark.objects.filter(name=command.BEGUN).exists()
    assert len(once) > 2


@pytest.mark.django_db
def test_once_leaves_a_house_with_devices_alone():
    device_make("A")
    call_command("demo", "--once", stdout=StringIO())
    assert Batch.objects.count() == 0
