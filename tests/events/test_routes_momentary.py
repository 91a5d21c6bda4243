"""Outages that wait whether they prove momentary."""

from zoneinfo import ZoneInfo

import pytest
import time_machine

from events.models import Event, Held
from events.services.routes import route_write
from tests.devices.factories import device_make
from tests.events.arriving import (
    TIME,
    arrive,
    at,
    outage,
    path_of,
    read,
    restore,
    route_make,
    written,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
CHICAGO = ZoneInfo("America/Chicago")


def test_an_outage_waits_and_is_written_after_its_hold():
    route = route_make(momentary_seconds=60)
    device = device_make("D")
    arrive((device, outage()), received=at(5))
    with time_machine.travel(at(64), tick=False):
        assert not route_write(route.pk)
        assert not path_of(route).exists()
        assert Held.objects.count() == 1
    with time_machine.travel(at(66), tick=False):
        assert written(route) == [(1, "PWR_OUTAGE", "D")]
    assert Held.objects.count() == 0


@pytest.mark.parametrize("batches", [1, 2])
def test_restored_within_the_hold_both_are_one_momentary(batches):
    route = route_make(momentary_seconds=60)
    device = device_make("D")
    if batches == 1:
        arrive((device, outage()), (device, restore(30)), received=at(40))
    else:
        arrive((device, outage()), received=at(5))
        with time_machine.travel(at(10), tick=False):
            route_write(route.pk)
        arrive((device, restore(30)), received=at(40))
    with time_machine.travel(at(50), tick=False):
        [record] = read(route)
    assert (record.code, record.oms, record.duration) == ("PWR_MOMENTARY", "Instantaneou", 30)
    assert (record.origin, record.state, record.time, record.received) == (
        *("T", "P"),
        *(TIME, at(40)),
    )
    event = Event.objects.get(type__mnemonic="PWR_MOMENTARY")
    assert (event.batch, str(event.pk)) == (None, record.event_id)
    with time_machine.travel(at(500), tick=False):
        assert len(read(route)) == 1


@pytest.mark.parametrize(("restored", "received"), [(61, 62), (30, 70)])
def test_a_restoration_too_late_leaves_both(restored, received):
    route = route_make(momentary_seconds=60)
    device = device_make("D")
    arrive((device, outage()), received=at(2))
    arrive((device, restore(restored)), received=at(received))
    with time_machine.travel(at(500), tick=False):
        assert [name for _, name, _ in written(route)] == ["PWR_OUTAGE", "PWR_RESTORE"]


def test_what_arrives_after_a_hold_comes_behind_it():
    route = route_make(momentary_seconds=60)
    one, two = device_make("D1"), device_make("D2")
    arrive((one, outage()), received=at(0))
    arrive((two, restore(10)), received=at(30))
    arrive((two, restore(90)), received=at(90))
    with time_machine.travel(at(500), tick=False):
        assert written(route) == [
            (1, "PWR_RESTORE", "D2"),
            (2, "PWR_OUTAGE", "D1"),
            (3, "PWR_RESTORE", "D2"),
        ]


def test_two_routes_share_one_momentary_event():
    routes = [route_make(name, momentary_seconds=60) for name in ("a", "b")]
    device = device_make("D")
    arrive((device, outage()), (device, restore(30)), received=at(40))
    found = {read(route)[0].event_id for route in routes}
    assert len(found) == Event.objects.filter(type__mnemonic="PWR_MOMENTARY").count() == 1
