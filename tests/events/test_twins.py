"""Events that module and meter log both tell; clock settings; aliases by sender; re-mapping."""

from datetime import timedelta

import pytest

from devices.models import ApiKey, DeviceClass
from devices.readings import Event as Report
from events.models import Event, EventAlias, EventType
from events.services.mapping import alias_apply
from tests.devices.factories import device_make
from tests.events.arriving import TIME, arrive, outage

pytestmark = pytest.mark.django_db


def at(seconds: float):
    return TIME + timedelta(seconds=seconds)


def told() -> list[tuple[str, str, str]]:
    rows = Event.objects.order_by("time", "pk")
    return [(row.type.mnemonic, row.origin, row.twin) for row in rows.select_related("type")]


RESET, LOGGED = Report("DEMAND_RESET", TIME), Report("20", at(45))
NOTE = "S 20 at 2026-04-02T19:31:52+00:00"


@pytest.mark.parametrize("together", [True, False])
def test_a_reset_told_by_module_and_log_is_one_event(together):
    device = device_make()
    batches = [[RESET, LOGGED]] if together else [[RESET], [LOGGED]]
    for reports in batches:
        arrive(*((device, report) for report in reports))
    assert told() == [("DEMAND_RESET", "T", NOTE)]


def test_the_log_may_be_earlier():
    device = device_make()
    arrive((device, LOGGED), source="scheduled")
    arrive((device, RESET))
    assert told() == [("DEMAND_RESET", "S", "T at 2026-04-02T19:31:07+00:00")]


def test_a_twin_that_comes_again_changes_nothing():
    device = device_make()
    for _ in range(2):
        arrive((device, RESET), (device, LOGGED))
        arrive((device, LOGGED))
    assert told() == [("DEMAND_RESET", "T", NOTE)]


@pytest.mark.parametrize(
    ("reports", "count"),
    [
        ([RESET, Report("20", at(61))], 2),
        ([RESET, Report("DEMAND_RESET", at(40))], 2),
        ([RESET, LOGGED, Report("20", at(50))], 2),
        ([Report("SWITCH_OPEN", TIME), Report("SWITCH_OPEN", at(3), origin="M", native="9")], 1),
        ([Report("SWITCH_OPEN", TIME), Report("SWITCH_CLOSED", at(3), origin="M")], 2),
        ([Report("TAMPER", TIME), Report("47", at(3))], 2),
        ([outage(), outage(40)], 2),
        ([Report("DEMAND_RESET", None), Report("20", None)], 2),
    ],
)
def test_only_twins_are_merged(reports, count):
    device = device_make()
    arrive(*((device, report) for report in reports))
    assert Event.objects.count() == count


def test_twins_are_of_one_device():
    arrive((device_make(), RESET), (device_make(), LOGGED))
    assert Event.objects.count() == 2


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("codes", [("3", "4"), ("5", "6")])
def test_old_and_new_time_of_a_clock_are_one_event(codes, order):
    device = device_make()
    reports = [Report(codes[0], TIME), Report(codes[1], at(30))][::order]
    arrive(*((device, report) for report in reports))
    event = Event.objects.get()
    assert (event.type.mnemonic, event.time, event.native) == (
        *("TIME_CHANGED", at(30)),
        int(codes[1]),
    )
    assert event.text == ("Clock set from 2026-04-02T19:31:07+00:00 to 2026-04-02T19:31:37+00:00")
    assert event.twin == f"S {codes[0]} at 2026-04-02T19:31:07+00:00"


def test_a_clock_set_back_keeps_its_new_time():
    device = device_make()
    arrive((device, Report("3", at(30))), (device, Report("4", TIME)))
    assert Event.objects.get().time == TIME


def test_one_half_of_a_clock_setting_is_an_event():
    arrive((device_make(), Report("4", TIME)))
    assert told() == [("TIME_CHANGED", "S", "")]


def test_the_other_half_in_a_later_batch_is_noted():
    device = device_make()
    arrive((device, Report("4", at(30))))
    arrive((device, Report("3", TIME)))
    assert told() == [("TIME_CHANGED", "S", "S 3 at 2026-04-02T19:31:07+00:00")]


# --- aliases by sender --------------------------------------------------------------------------


@pytest.fixture
def keys() -> dict[str, ApiKey]:
    return {n: ApiKey.objects.create(name=n, prefix=n, scopes=["ingest"]) for n in ("a", "b")}


def sent_by(key: ApiKey | None, report: Report, device_class: str = "TEST") -> str:
    """The type that a report becomes."""
    before = set(Event.objects.values_list("pk", flat=True))
    arrive((device_make(device_class=device_class), report), api_key=key)
    return Event.objects.exclude(pk__in=before).get().type.mnemonic


def alias(code: str, mnemonic: str, **where) -> EventAlias:
    return EventAlias.objects.create(
        code=code, type=EventType.objects.get(mnemonic=mnemonic), **where
    )


def test_an_alias_holds_for_its_head_end(keys):
    alias("MFG_02061", "V_SAG_END", head_end=keys["a"])
    report = Report("2061", TIME, origin="M")
    assert sent_by(keys["a"], report) == "V_SAG_END"
    assert sent_by(keys["b"], report) == sent_by(None, report) == "MFG_02061"


def test_the_narrower_alias_goes_first(keys):
    kv2c = DeviceClass.objects.get(code="KV2C")
    alias("MFG_00007", "TAMPER")
    alias("MFG_00007", "COVER_REMOVED", device_class=kv2c)
    alias("MFG_00007", "METER_REMOVED", head_end=keys["a"])
    alias("MFG_00007", "INVERSION", head_end=keys["a"], device_class=kv2c)
    report = Report("7", TIME, origin="M")
    assert sent_by(None, report) == "TAMPER"
    assert sent_by(None, report, "KV2C") == "COVER_REMOVED"
    assert sent_by(keys["a"], report) == "METER_REMOVED"
    assert sent_by(keys["a"], report, "KV2C") == "INVERSION"


def test_a_head_ends_own_alias_goes_before_the_catalogue(keys):
    alias("3.22.12.243", "TEST_MODE_OFF", head_end=keys["a"])
    alias("3.26.38.150", "V_LOSS_POT", head_end=keys["a"])
    assert sent_by(keys["a"], Report("3.26.38.150", TIME)) == "V_LOSS_POT"
    assert sent_by(keys["b"], Report("3.26.38.150", TIME)) == "V_UNDER"
    assert sent_by(keys["a"], Report("3.22.12.243", TIME)) == "TEST_MODE_OFF"


# --- re-mapping ---------------------------------------------------------------------------------


def test_stored_events_are_mapped_by_an_explicit_step():
    device = device_make()
    arrive(*((device, Report("2061", at(n), origin="M")) for n in range(3)))
    made = alias("MFG_02061", "V_SAG_END", phases="B")
    assert set(told()) == {("MFG_02061", "M", "")}
    assert alias_apply(made) == (3, 0)
    event = Event.objects.first()
    assert (event.type.mnemonic, event.category, event.severity) == ("V_SAG_END", "PQLT", "I")
    assert (event.native, event.iec_code, event.phases) == (2061, "3.26.38.224", "B")


def test_an_unknown_iec_code_is_mapped_by_itself():
    device = device_make()
    arrive((device, Report("3.99.1.2", TIME)), (device, Report("3.99.1.3", TIME)))
    assert alias_apply(alias("3.99.1.2", "TAMPER")) == (1, 0)
    assert sorted(name for name, _, _ in told()) == ["MFG_00000", "TAMPER"]


def test_an_event_that_is_there_already_stays_once():
    device = device_make()
    arrive((device, Report("2061", TIME, origin="M")))
    made = alias("MFG_02061", "V_SAG_END")
    event = Event.objects.get()
    event.pk, event.type = None, made.type
    event.save(force_insert=True)
    assert alias_apply(made) == (0, 1)


def test_an_alias_of_a_head_end_and_a_class_maps_theirs(keys):
    kv2c = DeviceClass.objects.get(code="KV2C")
    report = Report("2061", TIME, origin="M")
    for key, code in ((None, "TEST"), (keys["a"], "TEST"), (keys["a"], "KV2C")):
        sent_by(key, report, code)
    assert (
        alias_apply(alias("MFG_02061", "TAMPER", head_end=keys["a"], device_class=kv2c)).moved == 1
    )
    assert alias_apply(alias("MFG_02061", "TAMPER", head_end=keys["a"])).moved == 1
    assert alias_apply(alias("MFG_02061", "TAMPER")).moved == 1
