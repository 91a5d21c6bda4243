"""Incidents out of events: paired over batches, momentary ones, closed by hand, who is out now."""

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache

from devices.readings import Event as Report
from events.models import Incident, Reader
from events.selectors.incidents import (
    incidents_for_device,
    outages_now,
    outages_over_time,
)
from events.services import incidents as service
from events.services.incidents import incidents_close, incidents_follow
from events.services.reading import Overtaken, reader_move, reader_place
from events.timeline import outage_timeline
from tests.devices.factories import device_make
from tests.events.arriving import TIME, arrive, device_placed, gasps, outage, restore

pytestmark = pytest.mark.django_db


def follow() -> None:
    while incidents_follow():
        pass


def told() -> list[tuple[int, int | None]]:
    rows = Incident.objects.order_by("began").values_list("began", "ended")
    return [
        (int((b - TIME).total_seconds()), e and int((e - TIME).total_seconds())) for b, e in rows
    ]


def test_outage_and_restoration_are_one_incident():
    device = device_placed("D", feeder_id="F1", transformer_id="T1")
    arrive((device, outage()))
    follow()
    [row] = Incident.objects.all()
    assert (row.ended, row.category, row.type.mnemonic) == (None, "OUTG", "PWR_OUTAGE")
    assert (row.feeder_id, row.transformer_id) == ("F1", "T1")
    arrive((device, restore(1283)))
    follow()
    row.refresh_from_db()
    assert (row.ended, row.duration, row.momentary) == (TIME + timedelta(seconds=1283), 1283, False)
    assert row.duration_words == "21 min 23 s"


def test_two_outages_forty_seconds_apart_stay_two():
    device = device_make()
    arrive(*((device, r) for r in (outage(), restore(20), outage(40), restore(55))))
    follow()
    assert told() == [(0, 20), (40, 55)]


def test_an_end_that_overtakes_its_beginning_is_found():
    device = device_make()
    arrive((device, restore(30)))
    follow()
    assert told() == []
    arrive((device, outage()))
    follow()
    assert told() == [(0, 30)]


def test_the_log_of_a_meter_does_not_double_an_outage():
    device = device_make()
    arrive((device, outage()), (device, restore(300)))
    follow()
    log = [Report("1", TIME + timedelta(seconds=2)), Report("2", TIME + timedelta(seconds=299))]
    arrive(*((device, report) for report in log), source="scheduled")
    follow()
    assert told() == [(0, 299)]


def test_a_hold_makes_momentaries(settings):
    settings.TMS_MOMENTARY_SECONDS = 30
    one, two = device_make(), device_make()
    arrive(
        *((one, r) for r in (outage(), restore(30))), *((two, r) for r in (outage(), restore(31)))
    )
    follow()
    assert dict(Incident.objects.values_list("device", "momentary")) == {
        one.pk: True,
        two.pk: False,
    }


def test_other_conditions_are_incidents_and_mere_information_is_none():
    device = device_make()
    reports = [Report(code, TIME) for code in ("V_SAG_START", "DST_ON", "TAMPER")]
    arrive(*((device, report) for report in reports))
    follow()
    [row] = Incident.objects.all()
    assert (row.type.mnemonic, row.category) == ("V_SAG_START", "PQLT")


def test_an_operator_closes_what_never_ends():
    device = device_make()
    arrive((device, outage()))
    follow()
    assert incidents_close(Incident.objects.all(), by="olga") == 1
    assert incidents_close(Incident.objects.all(), by="olga") == 0
    closed = Incident.objects.get()
    assert closed.closed_by == "olga"
    with time_machine.travel(closed.ended + timedelta(hours=1)):
        later = (closed.ended - TIME).total_seconds() + 600
        arrive((device, outage(later)))
        follow()
    assert Incident.objects.filter(ended=None).count() == 1
    closed.refresh_from_db()
    assert (closed.closed_by, closed.ended is None) == ("olga", False)


def test_a_storm_is_followed_in_steps(monkeypatch):
    monkeypatch.setattr(service, "STEP", 7)
    devices = [device_make() for _ in range(20)]
    gasps(devices, batches=3)
    follow()
    arrive(*((device, restore(100)) for device in devices))
    follow()
    assert Incident.objects.filter(duration=100).count() == 20


def test_a_place_that_another_has_moved_is_told():
    here = reader_place("incidents")
    Reader.objects.filter(name="incidents").update(number=9)
    with pytest.raises(Overtaken):
        reader_move("incidents", here, here._replace(number=5))


# --- who is out now -----------------------------------------------------------------------------


@pytest.fixture
def dark():
    """Five devices out on two feeders, one of them back; as of a quarter of an hour later."""
    cache.clear()
    places = [("N", "F1", "T1"), ("N", "F1", "T2"), ("N", "F1", "T2"), ("S", "F2", "T3")]
    devices = [
        device_placed(f"D{n}", group, feeder_id=feeder, transformer_id=transformer)
        for n, (group, feeder, transformer) in enumerate([*places, ("S", "F2", "T3")])
    ]
    gasps(devices)
    arrive((devices[-1], restore(300)))
    follow()
    with time_machine.travel(TIME + timedelta(minutes=15), tick=False):
        yield devices


def test_who_is_out_is_counted_by_group_feeder_and_transformer(dark):
    now = outages_now()
    assert (now.total, now.since) == (4, TIME)
    assert now.by_group == [("N", 3), ("S", 1)]
    assert now.by_feeder == [("F1", 3), ("F2", 1)]
    assert now.by_transformer == [("T2", 2), ("T1", 1), ("T3", 1)]


def test_the_counts_are_kept_for_some_seconds(dark, django_assert_num_queries):
    outages_now()
    with django_assert_num_queries(0):
        outages_now()


def test_nobody_is_out_at_first():
    cache.clear()
    assert outages_now().total == 0


def test_how_many_were_out_over_time(dark):
    start, step = TIME - timedelta(minutes=2), timedelta(minutes=1)
    counts = outages_over_time(start, TIME + timedelta(minutes=8), step)
    assert counts == [0, 0, 5, 5, 5, 5, 5, 4, 4, 4]
    assert outages_over_time(TIME + step, TIME + 2 * step, step) == [5]
    plot = outage_timeline(start, step, counts, "America/Chicago")
    assert "4 out at the end; most, 5, at 02 Apr 14:32." in plot
    assert plot.count("<path") >= 4


def test_a_plot_of_nobody_says_so():
    assert "Nobody was out" in outage_timeline(TIME, timedelta(minutes=1), [0, 0], "UTC")


def test_a_device_shows_its_open_incidents_first(dark):
    arrive((dark[0], Report("V_SAG_START", TIME - timedelta(days=1))))
    arrive((dark[0], Report("V_SAG_END", TIME - timedelta(hours=23))))
    follow()
    assert [str(row.type) for row in incidents_for_device(dark[0].pk, 5)] == [
        "PWR_OUTAGE",
        "V_SAG_START",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, ""), (5, "5 s"), (65, "1 min 05 s"), (7261, "2 h 01 min")]
)
def test_durations_are_said_in_words(seconds, words):
    assert Incident(duration=seconds).duration_words == words
