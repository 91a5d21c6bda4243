"""Events that cannot be kept as they are: each fault is told with its member."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from devices.readings import Event
from events.services import event_check

NOW = datetime(2026, 4, 2, 20, 0, tzinfo=UTC)
GOOD = Event("PWR_OUTAGE", NOW - timedelta(minutes=1), "e-991")


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"time": None},
        {"time": NOW + timedelta(days=1)},
        {"time": datetime(2000, 1, 1, tzinfo=UTC)},
        {"time": NOW.astimezone(timezone(timedelta(hours=-5))) - timedelta(microseconds=5)},
        {"code": "22", "origin": "S", "native": "00022"},
        {"code": "MFG_02061", "origin": "M"},
        {"code": "3.26.132.223", "origin": "M", "native": "7"},
        {"phases": "CA"},
        {"value": Decimal("99999999.999"), "unit": "V"},
        {"value": Decimal("-9999999.999")},
        {"value": Decimal("0.000001")},
        {"value": Decimal("1.5E+3")},
        {"duration": 0},
        {"text": "Żółw " + "x" * 250},
    ],
)
def test_a_good_event_has_no_faults(changes):
    assert event_check(replace(GOOD, **changes)) == []


@pytest.mark.parametrize(
    ("changes", "member", "code"),
    [
        ({"code": "pwr"}, "code", "bad_code"),
        ({"code": ""}, "code", "bad_code"),
        ({"origin": "X"}, "origin", "unknown_origin"),
        ({"code": "22", "origin": "T"}, "origin", "code_conflict"),
        ({"code": "STD_00022", "origin": "M"}, "origin", "code_conflict"),
        ({"code": "22", "native": "23"}, "native", "code_conflict"),
        ({"native": "x1"}, "native", "bad_native"),
        ({"native": "123456"}, "native", "bad_native"),
        ({"native": "٣"}, "native", "bad_native"),
        ({"time": NOW.replace(tzinfo=None)}, "time", "naive_time"),
        ({"time": datetime(1999, 12, 31, 23, 59, 59, tzinfo=UTC)}, "time", "implausible_time"),
        ({"time": NOW + timedelta(days=1, seconds=1)}, "time", "implausible_time"),
        ({"event_id": "e" * 65}, "id", "too_long"),
        ({"event_id": " e"}, "id", "bad_character"),
        ({"event_id": "é"}, "id", "bad_character"),
        ({"phases": "AD"}, "phases", "bad_phases"),
        ({"phases": "AA"}, "phases", "bad_phases"),
        ({"value": Decimal("NaN")}, "value", "not_finite"),
        ({"value": Decimal("-Infinity")}, "value", "not_finite"),
        ({"value": Decimal("100000000")}, "value", "too_wide"),
        ({"value": Decimal("-10000000")}, "value", "too_wide"),
        ({"value": Decimal("99999999.9996")}, "value", "too_wide"),
        ({"value": Decimal("1E+999999")}, "value", "too_wide"),
        ({"value": Decimal("0.0000001")}, "value", "too_fine"),
        ({"unit": "SECONDS"}, "unit", "too_long"),
        ({"duration": -1}, "duration", "out_of_range"),
        ({"duration": 2**31}, "duration", "out_of_range"),
        ({"text": "x" * 256}, "text", "too_long"),
        ({"text": "a\r\nBcc: b"}, "text", "bad_character"),
        ({"text": "a\0"}, "text", "bad_character"),
        ({"text": "a\ud800"}, "text", "bad_character"),
    ],
)
def test_a_fault_is_told_with_its_member(changes, member, code):
    faults = event_check(replace(GOOD, **changes))
    assert [(fault[0], fault[1]) for fault in faults] == [(member, code)]
    assert faults[0][2]


def test_all_faults_are_told_at_once():
    faults = event_check(Event("?", None, phases="Z", duration=-1))
    assert [fault[0] for fault in faults] == ["code", "phases", "duration"]
