"""Register reads and events of a batch: kept whole, or refused at their place."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devices import journal
from devices.models import RegisterEntry
from devices.readings import Status
from events.models import Event
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import START, answer, meter, post, refused

pytestmark = pytest.mark.django_db

TIME = "2026-04-01T05:00:00Z"
AT = datetime(2026, 4, 1, 5, tzinfo=UTC)


@pytest.fixture(autouse=True)
def channel():
    return channel_make(device_make("A"))


def read(*values, **members):
    return {"time": TIME, "type": "SR", "values": list(values), **members}


def kwh(value="1.5", **members):
    return {"uom": "KWH", "value": value, **members}


def reads(channel):
    """What is in the store of the device of a channel."""
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    return journal.registers_read([channel.device_id], start, end).get(channel.device_id, [])


# --- reads --------------------------------------------------------------------------------------


def test_a_read_is_kept_with_all_that_it_says(channel):
    peak = {"class": "MAX", "uom": "KW", "value": "12.48", "peak_time": "2026-03-18T21:45:00Z",
            "no": 2, "occurrence": 1, "rate": "A", "multiplier": 40, "multiplier_applied": True,
            "dials": 6, "decimals": 3, "status": "questionable", "source": "edited"}  # fmt: skip
    head = {"season": 1, "reset_count": 17, "reset_time": "2026-03-01T06:05:00Z",
            "status_word": "00A1", "id": "r-1", "source": "self-read"}  # fmt: skip
    said = answer(meter("A", registers=[read(kwh(45812.347, no=1), peak, **head)]))
    assert (said["registers"], said["intervals"]) == (1, 0)
    (kept,) = reads(channel)
    assert (kept.time, kept.read_type, kept.source, kept.read_id) == (AT, "SR", "SR", "r-1")
    assert (kept.season, kept.reset_count, kept.status_word) == (1, 17, "00A1")
    assert kept.reset_time == datetime(2026, 3, 1, 6, 5, tzinfo=UTC)
    total, maximum = kept.values
    assert (total.value, total.key) == (Decimal("45812.347"), ("SUM", "KWH", "DEL", "T", 1))
    assert maximum.key == ("MAX", "KW", "DEL", "A", 1)
    assert maximum.peak_time == datetime(2026, 3, 18, 21, 45, tzinfo=UTC)
    assert (maximum.multiplier, maximum.multiplier_applied) == (Decimal(40), True)
    assert (maximum.number, maximum.dials, maximum.decimals) == (2, 6, 3)
    assert (maximum.status, maximum.source) == (int(Status.QUESTIONABLE), "ED")


def test_a_read_without_a_source_has_that_of_the_batch(channel):
    post(meter("A", registers=[read(kwh())]), source="scheduled")
    assert reads(channel)[0].source == "SC"


def test_a_null_register_is_missing_and_an_epoch_peak_is_none(channel):
    values = [
        kwh(None, status="power_outage"),
        {"class": "MAX", "uom": "KW", "value": "0", "peak_time": "1970-01-01T00:00:00Z"},
        {"class": "MAX", "uom": "KW", "occurrence": 2, "peak_time": "1969-12-31T18:00:00-06:00"},
    ]
    post(meter("A", registers=[read(*values)]))
    null, peak, second = reads(channel)[0].values
    assert (null.value, null.status) == (None, int(Status.MISSING | Status.POWER_OUTAGE))
    assert (peak.value, peak.peak_time, second.peak_time) == (Decimal(0), None, None)


def test_source_edited_marks_values_but_no_estimates(channel):
    values = [kwh("1"), kwh("2", rate="A", status="estimated"), kwh(None, rate="B")]
    post(meter("A", registers=[read(*values)]), source="edited")
    assert [v.status for v in reads(channel)[0].values] == [
        *(int(Status.EDITED), int(Status.ESTIMATED), int(Status.MISSING))
    ]


def test_parts_of_one_read_come_together(channel):
    post(meter("A", registers=[read(kwh("1"), season=2), read(kwh("2", rate="A"))]))
    (kept,) = reads(channel)
    assert [v.value for v in kept.values] == [Decimal(1), Decimal(2)]
    assert kept.season == 2
    assert RegisterEntry.objects.count() == 1


def test_start_and_end_readings_of_a_run_become_a_read(channel):
    said = answer(
        meter(
            "A",
            {"counts": [1, 2], "start_register": "100.0", "end_register": "100.003"},
            {"start": "2026-03-14T00:30:00Z", "counts": [3], "start_register": "100.003"},
            registers=[{"time": START, "type": "CUR", "season": 3, "values": [kwh("7", rate="A")]}],
        )
    )
    assert said["registers"] == 2  # the posted one has its start's reading, too
    first, second = reads(channel)
    assert (first.read_type, first.season) == ("CUR", 3)
    assert [(v.rate, v.value) for v in first.values] == [("A", Decimal(7)), ("T", Decimal(100))]
    assert second.time == datetime(2026, 3, 14, 0, 30, tzinfo=UTC)
    assert [v.value for v in second.values] == [Decimal("100.003")]


FAULTS = [
    (read(), "values", "NO_VALUES"),
    (read(kwh(), time="2026-04-01T05:00:00.5Z"), "time", "FRACTION"),
    (read(kwh(), time="1999-04-01T05:00:00Z"), "time", "IMPLAUSIBLE_TIME"),
    (read(kwh(), reset_time="2190-04-01T05:00:00Z"), "reset_time", "IMPLAUSIBLE_TIME"),
    (read(kwh(), type="XX"), "type", "UNKNOWN_WORD"),
    (read(kwh(), source="guess"), "source", "UNKNOWN_SOURCE"),
    (read(kwh(), id="x" * 65), "id", "TOO_LONG"),
    (read(kwh(), status_word="\n"), "status_word", "TOO_LONG"),
    (read(kwh(), kwh()), "values[1]", "DUPLICATE_REGISTER"),
    (read(kwh(), kwh("NaN", rate="A")), "values[1].value", "NOT_FINITE"),
    (read(kwh("1e20")), "values[0].value", "OVERFLOW"),
    (read(kwh("0.0000000001")), "values[0].value", "TOO_FINE"),
    (read(kwh("1e-999999")), "values[0].value", "TOO_FINE"),
    (read(kwh(multiplier="0")), "values[0].multiplier", "OUT_OF_RANGE"),
    (read(kwh(multiplier="1.00001")), "values[0].multiplier", "TOO_FINE"),
    (read(kwh(multiplier="sNaN")), "values[0].multiplier", "NOT_FINITE"),
    (read(kwh(status="misssing")), "values[0].status", "UNKNOWN_STATUS"),
    (read(kwh(status="missing")), "values[0].status", "STATUS_CONFLICT"),
    (read(kwh(None, status="estimated")), "values[0].status", "STATUS_CONFLICT"),
    (read(kwh(rate="Z")), "values[0].rate", "UNKNOWN_WORD"),
    (read(kwh(source="x")), "values[0].source", "UNKNOWN_SOURCE"),
    (read(kwh(peak_time="1999-01-01T00:00:00Z")), "values[0].peak_time", "IMPLAUSIBLE_TIME"),
    (read({"uom": "MWH", "value": 1}), "values[0].uom", "UNKNOWN_UNIT"),
    (read(kwh(flow="IN")), "values[0].flow", "UNKNOWN_FLOW"),
    (read({"uom": "V", "flow": "REC", "value": 1}), "values[0].flow", "UNKNOWN_FLOW"),
    (read({"uom": "KW", "class": "PEAK", "value": 1}), "values[0].class", "UNKNOWN_WORD"),
]


@pytest.mark.parametrize(("wrong", "member", "code"), FAULTS)
def test_a_read_that_cannot_be_kept(wrong, member, code):
    good = read(kwh("3"), time="2026-04-02T05:00:00Z")
    assert refused(meter("A", {"counts": [1]}, registers=[good, wrong])) == [
        (f"meters[0].registers[1].{member}", code)
    ]


def test_trailing_zeros_are_no_decimals(channel):
    post(meter("A", registers=[read(kwh("1.500000000000"), kwh("0e-30", rate="A"))]))
    assert [v.value for v in reads(channel)[0].values] == [Decimal("1.5"), 0]


def test_a_register_that_the_batch_has_twice_differently():
    run = {"counts": [1], "start_register": "2"}
    posted = {"time": START, "type": "CUR", "values": [kwh("1")]}
    assert refused(meter("A", run, registers=[posted])) == [
        ("meters[0].intervals[0].start_register", "DUPLICATE_REGISTER")
    ]
    assert refused(meter("A", registers=[read(kwh("1")), read(kwh("2"))])) == [
        ("meters[0].registers[1]", "DUPLICATE_REGISTER")
    ]


def test_values_of_a_meter_that_is_left_out_are_not_kept_with_anothers(channel):
    said = answer(
        meter("A", registers=[read(kwh("1"))]),
        meter("A", registers=[read(kwh("5", rate="A")), read(kwh("2"))]),
        on_error="meter",
    )
    assert [p["path"] for p in said["refused"]] == ["meters[1].registers[1]"]
    assert [v.value for v in reads(channel)[0].values] == [Decimal(1)]


# --- events -------------------------------------------------------------------------------------


def test_events_are_stored_once():
    event = {"code": "PWR_OUTAGE", "time": TIME, "id": "e-991", "value": None, "text": ""}
    assert answer(meter("A", events=[event]))["events"] == 1
    assert answer(meter("A", events=[event]))["events"] == 0
    assert Event.objects.get().event_id == "e-991"


def test_an_event_that_cannot_be_kept():
    late = {"code": "PWR_OUTAGE", "time": "1999-01-01T00:00:00Z"}
    wide = {"code": "PWR_OUTAGE", "value": "NaN", "phases": "X"}
    assert refused(meter("A", events=[late, wide])) == [
        ("meters[0].events[0].time", "IMPLAUSIBLE_TIME"),
        ("meters[0].events[1].phases", "BAD_PHASES"),
        ("meters[0].events[1].value", "NOT_FINITE"),
    ]
