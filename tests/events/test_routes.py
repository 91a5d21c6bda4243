"""What a route writes: which events, in which order, with which words."""

import fcntl
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine

from devices.models import FunctionalGroup
from devices.readings import Event as Report
from events import failpoints
from events.models import Event, EventType, Route, RouteRecord
from events.selectors.routes import route_for_export, route_records_for_period
from events.services.routes import route_resend, route_write, routes_write
from exports.formats import mrc
from tests.devices.factories import device_make
from tests.events.arriving import (
    TIME,
    arrive,
    at,
    device_placed,
    events_of,
    gasps,
    lines_of,
    outage,
    path_of,
    read,
    restore,
    route_make,
    written,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data_dir")]
CHICAGO = ZoneInfo("America/Chicago")


# --- which events -------------------------------------------------------------------------------


def test_an_outage_and_its_restoration_become_two_records():
    route = route_make()
    device = device_placed(
        *("SSI0004711", "", "CYCLE05"),
        service_point_id="SP-998877",
        transformer_id="TX-5521",
        feeder_id="FDR-12",
    )
    arrive((device, outage()), received=TIME + timedelta(seconds=12))
    arrive((device, restore(1283)), received=TIME + timedelta(seconds=1294))
    first, second = read(route)
    assert (first.sequence, first.code, first.oms, first.state) == (
        *(1, "PWR_OUTAGE", "Outage"),
        "S",
    )
    assert (
        first.line[83:226]
        == (
            f"{'SSI0004711':20}{'SP-998877':24}{'SSI0004711':20}{'TX-5521':16}{'FDR-12':12}"
            f"{'CYCLE05':12}20260402143107-050020260402143119-0500   "
        ).encode()[: 226 - 83]
    )
    assert first.text == "Last gasp: primary power lost"
    assert (second.oms, second.duration, second.text) == (
        *("Restoration", 1283),
        "Module reports power back",
    )
    assert (first.origin, first.iec, first.category) == ("T", "26.26.0.85", "OUTG")


def test_nothing_makes_no_file():
    route = route_make()
    assert not routes_write()
    assert not path_of(route).exists()


def test_what_is_not_selected_is_not_written():
    route = route_make()
    device = device_make()
    arrive((device, Report("TAMPER", TIME)), (device, Report("7", TIME)))
    assert not route_write(route.pk)
    assert not path_of(route).exists()
    assert route.number < Route.objects.get(pk=route.pk).number


def test_a_type_that_is_named_is_written_though_it_is_a_nuisance():
    kind = EventType.objects.get(mnemonic="SELF_READ")
    route = route_make(catalogue_default=False)
    route.mnemonics.add(kind)
    arrive((device_make("D1"), Report("SELF_READ", TIME)), (device_make(), outage()))
    assert written(route) == [(1, "SELF_READ", "D1")]


def test_categories_and_severities_narrow_each_other():
    route = route_make(catalogue_default=False, categories=["TAMP"], severities=["A"])
    device = device_make("D1")
    arrive((device, Report("TAMPER", TIME)), (device, Report("REV_ENERGY", TIME)))
    assert written(route) == [(1, "TAMPER", "D1")]


def test_groups_limit_a_route_and_are_named_in_its_records():
    inside, outside = device_placed("IN", "NORTH", "CYCLE01"), device_placed("OUT", "", "CYCLE01")
    route = route_make()
    route.groups.add(FunctionalGroup.objects.get(code="NORTH"))
    gasps([inside, outside])
    [record] = read(route)
    assert record.group == "NORTH"
    assert written(route) == [(1, "PWR_OUTAGE", "IN")]


def test_an_unknown_event_goes_where_it_is_selected():
    route = route_make(catalogue_default=False, categories=["CONF"])
    arrive((device_make(), Report("999", TIME, origin="M")))
    [record] = read(route)
    assert (record.code, record.native, record.origin, record.text) == (
        *("MFG_00999", "999", "M"),
        "MFG_00999",
    )


def test_two_routes_have_sequences_of_their_own():
    one, two = route_make("one"), route_make("two", catalogue_default=False, categories=["TAMP"])
    device = device_make("D")
    arrive((device, outage()), (device, Report("TAMPER", TIME)), (device, restore(5)))
    routes_write()
    assert written(one) == [(1, "PWR_OUTAGE", "D"), (2, "PWR_RESTORE", "D")]
    assert written(two) == [(1, "TAMPER", "D")]


def test_events_go_by_the_number_of_their_batch(monkeypatch):
    monkeypatch.setattr("events.services.routes.GROUP", 3)
    route = route_make()
    devices = [device_make(f"D{n}") for n in range(10)]
    gasps(devices[:7])
    gasps(devices[7:], batches=3)
    assert [name for _, _, name in written(route)] == [f"D{n}" for n in range(10)]


def test_an_inactive_route_writes_nothing():
    route = route_make(active=False)
    gasps([device_make()])
    assert not route_write(route.pk)
    assert not path_of(route).exists()


# --- words --------------------------------------------------------------------------------------


def test_an_event_without_a_time_says_so():
    route = route_make()
    arrive((device_make(), Report("PWR_OUTAGE", None, text="Ça été coupé à 5 €")))
    [record] = read(route)
    assert record.text == "TIME? Ca ete coupe a 5 ?"


def test_a_long_text_is_cut():
    route = route_make()
    arrive((device_make(), outage(text="x" * 60)))
    assert read(route)[0].text == "x" * 40


@pytest.mark.parametrize(
    ("late", "words"), [("write", ["Outage", "Outage"]), ("other", ["Outage", "Other"])]
)
def test_entries_of_a_log_are_marked(late, words):
    route = route_make(late=late)
    device = device_make()
    arrive((device, Report("1", TIME)))
    arrive((device, Report("1", TIME + timedelta(hours=1))), source="scheduled")
    records = read(route)
    assert [record.oms for record in records] == words
    assert [record.replay for record in records] == ["", "D"]


def test_entries_of_a_log_may_be_left_out():
    route = route_make(late="leave_out")
    arrive((device_make(), Report("1", TIME)), source="scheduled")
    route_write(route.pk)
    assert not path_of(route).exists()


def test_times_are_in_the_zone_of_the_route():
    route = route_make(zone="UTC")
    arrive((device_placed("D"), outage()))
    assert b"20260402193107+0000" in read(route)[0].line


def test_line_ends_may_be_lf():
    route = route_make(line_end="LF")
    gasps([device_make(), device_make()])
    route_write(route.pk)
    assert path_of(route).stat().st_size == 2 * 321


@pytest.mark.parametrize(
    ("reports", "duration"),
    [
        ([restore(5)], None),
        ([outage(10), restore(5)], None),
        ([outage(), outage(3), restore(10)], 10),
        ([outage(), restore(5), restore(9)], None),
        ([Report("1", TIME), Report("2", TIME + timedelta(seconds=7))], 7),
        ([outage(), Report("2", TIME + timedelta(seconds=7))], None),
    ],
)
def test_a_restoration_tells_how_long_it_was_out(reports, duration):
    route = route_make()
    device = device_make()
    for report in reports:
        arrive((device, report))
    last = [r for r in read(route) if r.oms == "Restoration"][-1]
    assert last.duration == duration


# --- replay, refusals ---------------------------------------------------------------------------


def test_a_replay_is_a_new_record_with_a_mark():
    route = route_make()
    gasps([device_make("D1"), device_make("D2")])
    route_write(route.pk)
    assert route_resend(route, Event.objects.order_by("pk")[:1]) == 1
    first, _, again = read(route)
    assert (again.sequence, again.event_id, again.replay) == (3, first.event_id, "R")


def test_an_event_that_does_not_fit_is_told_of_and_takes_no_sequence():
    route = route_make()
    device, other = device_make("D1"), device_make("D2")
    type(device).objects.filter(pk=device.pk).update(meter_number="Zähler")
    gasps([device, other])
    assert written(route) == [(1, "PWR_OUTAGE", "D2")]
    refused = RouteRecord.objects.get(state="r")
    assert (refused.sequence, refused.event.device_id) == (None, device.pk)
    assert refused.reason.startswith("FMT05 MRC")


def test_behind_the_last_sequence_nothing_is_written():
    route = route_make()
    Route.objects.filter(pk=route.pk).update(sequence=mrc.SEQUENCE_MAX - 1)
    gasps([device_make("D1"), device_make("D2")])
    assert written(route) == [(mrc.SEQUENCE_MAX, "PWR_OUTAGE", "D1")]
    assert RouteRecord.objects.get(state="r").reason.startswith("MRC02")


# --- rotation, locks, breakage ------------------------------------------------------------------


def test_a_daily_route_rotates_at_local_midnight(settings):
    settings.TIME_ZONE = "America/Chicago"
    route = route_make(rotation="daily")
    device = device_make("D")
    with time_machine.travel(datetime(2026, 4, 2, 23, 59, tzinfo=CHICAGO), tick=False):
        arrive((device, outage()))
        assert len(written(route)) == 1
    with time_machine.travel(datetime(2026, 4, 3, 0, 1, tzinfo=CHICAGO), tick=False):
        route_write(route.pk)
        assert not path_of(route).exists()
        arrive((device, outage(5)))
        assert written(route) == [(2, "PWR_OUTAGE", "D")]
    [old] = path_of(route).parent.glob("*.2*")
    assert old.name == "MRC_oms.dat.20260403000000"
    assert events_of(lines_of(old)) == [(1, "PWR_OUTAGE", "D")]
    with time_machine.travel(datetime(2026, 4, 4, 0, 1, tzinfo=CHICAGO), tick=False):
        path_of(route).unlink()  # a consumer took it
        route_write(route.pk)
    assert len(list(path_of(route).parent.glob("*.2*"))) == 1


def test_a_file_that_stays_locked_is_a_problem_after_half_a_minute():
    route = route_make()
    gasps([device_make("D")])
    path_of(route).parent.mkdir()
    with path_of(route).open("ab") as other, time_machine.travel(at(0), tick=False) as clock:
        fcntl.flock(other, fcntl.LOCK_EX)
        route_write(route.pk)
        clock.shift(timedelta(seconds=30))
        route_write(route.pk)
        assert Route.objects.get(pk=route.pk).problem == ""
        clock.shift(timedelta(seconds=1))
        route_write(route.pk)
        assert Route.objects.get(pk=route.pk).problem.startswith("MRC01 MRC: the file has been")
        fcntl.flock(other, fcntl.LOCK_UN)
        clock.shift(timedelta(seconds=61))
        assert written(route) == [(1, "PWR_OUTAGE", "D")]
    assert Route.objects.get(pk=route.pk).problem == ""


def test_a_route_that_cannot_be_evaluated_says_so():
    route = route_make()
    Route.objects.filter(pk=route.pk).update(categories=["XXXX"])
    gasps([device_make("D")])
    assert not route_write(route.pk)
    assert Route.objects.get(pk=route.pk).problem == "categories: XXXX is not known"


def test_an_event_of_an_unknown_zone_is_refused():
    route = route_make(zone="Gone/Away")
    gasps([device_make("D")])
    route_write(route.pk)
    assert RouteRecord.objects.get().reason.startswith("FMT15 MRC")


def test_a_writer_that_was_overtaken_begins_anew(monkeypatch):
    route = route_make()
    gasps([device_make("D")])

    def overtake(name: str) -> None:
        monkeypatch.setattr(failpoints, "hook", None)
        Route.objects.filter(pk=route.pk).update(sequence=7)

    monkeypatch.setattr(failpoints, "hook", overtake)
    assert route_write(route.pk)
    assert written(route) == [(8, "PWR_OUTAGE", "D")]


# --- a copy of a period -------------------------------------------------------------------------


def test_the_records_of_a_period_are_had_as_they_stand():
    route = route_make()
    devices = [device_make(f"D{n}") for n in range(3)]
    for n, device in enumerate(devices):
        arrive((device, outage()), received=at(60 * n))
    route_write(route.pk)
    lines = list(route_records_for_period(route_for_export("oms"), at(0), at(120)))
    assert lines == lines_of(path_of(route))[:2]
    with pytest.raises(Route.DoesNotExist):
        route_for_export("none")
