"""Events are stored once, whatever their code, and a storm costs as many queries as a breeze."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.readings import Event as Report
from events.models import Event, EventAlias, EventType
from events.services import batch_events_store, store
from tests.events.conftest import RECEIVED

pytestmark = pytest.mark.django_db

TIME = datetime(2026, 4, 2, 19, 31, 7, tzinfo=UTC)
GASP = Report("PWR_OUTAGE", TIME, "e-991")


def test_an_event_is_stored_with_what_its_type_says(device, batch_make):
    batch = batch_make()
    sag = Report(
        code="V_SAG_END",
        time=TIME,
        event_id="e-1",
        origin="M",
        native="02061",
        phases="CA",
        value=Decimal("101.40"),
        unit="V",
        duration=12,
        text="Sag “over”",
    )
    assert batch_events_store(batch, [(device.pk, sag)]) == 1
    event = Event.objects.get()
    assert (event.device, event.batch, event.type.mnemonic) == (device, batch, "V_SAG_END")
    assert (event.time, event.time_valid, event.received) == (TIME, True, RECEIVED)
    assert (event.origin, event.native, event.iec_code) == ("M", 2061, "3.26.38.224")
    assert (event.category, event.severity, event.event_id) == ("PQLT", "I", "e-1")
    assert (event.phases, event.value, event.unit) == ("AC", Decimal("101.4"), "V")
    assert (event.duration, event.text, event.replay) == (12, "Sag “over”", "")


@pytest.mark.parametrize("value", ["0.000001", "99999999.999", "-9999999.999001", "0", "12345678"])
def test_a_value_comes_back_to_the_last_digit(device, batch_make, value):
    batch_events_store(batch_make(), [(device.pk, replace(GASP, value=Decimal(value)))])
    assert Event.objects.get().value == Decimal(value)


def test_a_time_keeps_its_instant_and_its_fraction(device, batch_make):
    local = datetime(2026, 4, 2, 14, 31, 7, 250000, timezone(timedelta(hours=-5)))
    batch_events_store(batch_make(), [(device.pk, replace(GASP, time=local))])
    assert Event.objects.get().time == TIME.replace(microsecond=250000)


def test_nothing_is_asked_for_no_events(batch_make, django_assert_num_queries):
    batch = batch_make()
    with django_assert_num_queries(0):
        assert batch_events_store(batch, []) == 0


# --- duplicates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "repeat",
    [
        {},
        {"event_id": "e-992"},
        {"time": TIME.astimezone(timezone(timedelta(hours=9)))},
        {"text": "second try"},
    ],
)
def test_a_repeated_last_gasp_is_one_event(device, batch_make, repeat):
    again = (device.pk, replace(GASP, **repeat))
    assert batch_events_store(batch_make(), [(device.pk, GASP), again]) == 1
    assert batch_events_store(batch_make(), [again]) == 0
    assert Event.objects.get().event_id == "e-991"


SAG = Report("V_SAG_START", TIME, phases="A", value=Decimal("98.5"), unit="V", text="t")


@pytest.mark.parametrize("repeat", [{}, {"value": Decimal("98.50")}, {"event_id": "other"}])
def test_an_exact_duplicate_is_one_event(device, batch_make, repeat):
    again = replace(SAG, **repeat)
    assert batch_events_store(batch_make(), [(device.pk, SAG), (device.pk, again)]) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"time": TIME + timedelta(seconds=40)},
        {"time": TIME + timedelta(microseconds=1)},
        {"code": "V_SWELL_START"},
        {"phases": "B"},
        {"value": Decimal("98.6")},
        {"unit": "A"},
        {"duration": 3},
        {"text": "u"},
        {"origin": "S"},
        {"origin": "M", "native": "5"},
    ],
)
def test_events_that_differ_are_two(device, batch_make, other):
    assert (
        batch_events_store(batch_make(), [(device.pk, SAG), (device.pk, replace(SAG, **other))])
        == 2
    )


def test_one_event_at_two_devices_is_two(device, batch_make):
    assert batch_events_store(batch_make(), [(device.pk, GASP), (device.pk + 1, GASP)]) == 2


def test_two_outages_forty_seconds_apart_stay_two(device, batch_make):
    later = replace(GASP, time=TIME + timedelta(seconds=40))
    assert batch_events_store(batch_make(), [(device.pk, GASP), (device.pk, later)]) == 2


# --- without a time ----------------------------------------------------------------------------


def test_without_a_time_that_of_receipt_stands(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, replace(GASP, time=None))])
    event = Event.objects.get()
    assert (event.time, event.time_valid) == (RECEIVED, False)


def test_without_a_time_the_senders_id_tells_events_apart(device, batch_make):
    first = replace(GASP, time=None)
    second = replace(first, event_id="e-992")
    assert batch_events_store(batch_make(), [(device.pk, first), (device.pk, second)]) == 2
    later = batch_make(received=RECEIVED + timedelta(hours=1))
    assert batch_events_store(later, [(device.pk, first), (device.pk, second)]) == 0


def test_without_time_and_id_each_report_is_an_event(device, batch_make):
    bare = replace(GASP, time=None, event_id="")
    assert batch_events_store(batch_make(), [(device.pk, bare)]) == 1
    later = batch_make(received=RECEIVED + timedelta(hours=1))
    assert batch_events_store(later, [(device.pk, bare)]) == 1


# --- codes -------------------------------------------------------------------------------------


def test_an_alias_names_type_and_phase(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, Report("3.26.132.223", TIME))])
    event = Event.objects.get()
    assert (event.type.mnemonic, event.phases, event.iec_code) == (
        *("V_SAG_START", "B"),
        "3.26.38.223",
    )


def test_phases_that_were_reported_stand_against_those_of_the_code(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, Report("3.26.132.223", TIME, phases="BC"))])
    assert Event.objects.get().phases == "BC"


def test_standard_code_0_is_not_stored(device, batch_make):
    assert batch_events_store(batch_make(), [(device.pk, Report("0", TIME))]) == 0


@pytest.mark.parametrize(
    ("report", "mnemonic", "native", "iec_code"),
    [
        (Report("49", TIME), "STD_00049", 49, ""),
        (Report("999", TIME, origin="M"), "MFG_00999", 999, ""),
        (Report("3.99.1.2", TIME), "MFG_00000", None, "3.99.1.2"),
        (Report("DOOR_OPEN", TIME), "DOOR_OPEN", None, ""),
    ],
)
def test_an_unknown_code_is_kept_and_waits_to_be_described(
    device, batch_make, report, mnemonic, native, iec_code
):
    for minutes in range(2):
        report = replace(report, time=TIME + timedelta(minutes=minutes))
        assert batch_events_store(batch_make(), [(device.pk, report)]) == 1
    kind = EventType.objects.get(mnemonic=mnemonic)
    assert (kind.category, kind.severity, kind.state) == ("CONF", "I", "P")
    assert kind.unmapped
    assert not kind.nuisance
    assert kind.events.filter(native=native, iec_code=iec_code).count() == 2


def test_two_unknown_iec_codes_at_one_time_are_two_events(device, batch_make):
    reports = [(device.pk, Report(f"3.99.1.{n}", TIME)) for n in (2, 3)]
    assert batch_events_store(batch_make(), reports) == 2


def test_a_known_nuisance_is_marked_when_it_first_arrives(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, Report("7", TIME))])
    kind = EventType.objects.get(mnemonic="STD_00007")
    assert (kind.nuisance, kind.meaning) == (True, "Read access")


def test_a_code_that_another_batch_brings_meanwhile_is_no_error(device, batch_make, monkeypatch):
    """The other batch commits between our look at the types and our insert."""
    EventType.objects.create(
        mnemonic="STD_00049", category="CONF", severity="I", state="P", unmapped=True
    )
    looks = iter([lambda names: {}])
    look = store.kinds_for_mnemonics
    monkeypatch.setattr(store, "kinds_for_mnemonics", lambda names: next(looks, look)(names))
    assert batch_events_store(batch_make(), [(device.pk, Report("49", TIME))]) == 1


def test_an_operators_alias_holds_for_later_events(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, Report("2061", TIME, origin="M"))])
    EventAlias.objects.create(code="MFG_02061", type=EventType.objects.get(mnemonic="V_SAG_END"))
    later = Report("2061", TIME + timedelta(minutes=1), origin="M")
    batch_events_store(batch_make(), [(device.pk, later)])
    stored = Event.objects.order_by("id").values_list("type__mnemonic", "native")
    assert list(stored) == [("MFG_02061", 2061), ("V_SAG_END", 2061)]


def test_an_operators_severity_holds_for_later_events(device, batch_make):
    batch_events_store(batch_make(), [(device.pk, GASP)])
    EventType.objects.filter(mnemonic="PWR_OUTAGE").update(severity="W")
    batch_events_store(batch_make(), [(device.pk + 1, GASP)])
    assert list(Event.objects.order_by("id").values_list("severity", flat=True)) == ["A", "W"]


# --- log entries -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "report", "replay"),
    [
        ("near-term", Report("1", TIME), ""),
        ("pushed", Report("1", TIME), ""),
        ("scheduled", Report("1", TIME), "D"),
        ("gap-fill", Report("V_SAG_END", TIME, origin="M", native="2061"), "D"),
        ("scheduled", GASP, ""),
    ],
)
def test_what_is_read_from_a_meters_log_is_marked_late(device, batch_make, source, report, replay):
    batch_events_store(batch_make(source), [(device.pk, report)])
    assert Event.objects.get().replay == replay


# --- storms ------------------------------------------------------------------------------------


def test_a_storm_is_stored_by_as_many_queries_as_one_event(batch_make):
    codes = ("PWR_OUTAGE", "PWR_DOWN", "3.26.0.47", "7", "MFG_00321")

    def queries(batch, count: int) -> int:
        storm = [
            (device, Report(codes[device % 5], TIME, f"e-{device}")) for device in range(count)
        ]
        with CaptureQueriesContext(
            connection,
        ) as captured:
            stored.append(batch_events_store(batch, storm))
        return len(captured)

    stored: list[int] = []
    few = queries(batch_make(), 10)
    assert queries(batch_make(), 20_000) <= few
    assert stored == [10, 19_990]
    assert Event.objects.filter(type__mnemonic="PWR_DOWN").count() == 8_000


def test_more_events_than_one_statement_takes_are_stored_whole(batch_make, monkeypatch):
    monkeypatch.setattr(store, "ROWS_AT_ONCE", 7)
    storm = [(device, GASP) for device in range(20)]
    assert batch_events_store(batch_make(), [*storm, *storm]) == 20


def test_events_of_a_batch_get_their_keys_in_order_of_time(batch_make):
    reports = [(n, replace(GASP, time=TIME - timedelta(seconds=n))) for n in range(5)]
    batch_events_store(batch_make(), reports)
    times = list(Event.objects.order_by("id").values_list("time", flat=True))
    assert times == sorted(times)
