"""Batches that are refused: with path, code and message, and without a trace."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from devices.batchform import BatchRefused
from devices.services.channels import channel_change
from devices.services.ingest.problems import CODES
from devices.services.keys import api_key_create
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import START, meter, post, refused

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def channel():
    channel = channel_make(device_make("A", meter_number="M1", serial_number="S1"))
    channel.device.installations.create(
        valid_from=datetime(2020, 1, 1, tzinfo=UTC), multiplier=Decimal(40)
    )
    return channel


RUNS = [
    # run, member, code
    ({"counts": [1], "channel": 2}, "channel", "UNKNOWN_CHANNEL"),
    ({"counts": [1], "channel": None}, "channel", "MISSING_MEMBER"),
    ({"counts": [1], "channel": None, "uom": "KVARH"}, "channel", "UNKNOWN_CHANNEL"),
    ({"counts": [1], "channel": None, "uom": "KWH", "flow": "REC"}, "channel", "UNKNOWN_CHANNEL"),
    ({"counts": [1], "uom": "KVARH"}, "uom", "INVENTORY_MISMATCH"),
    ({"counts": [1], "flow": "REC"}, "flow", "INVENTORY_MISMATCH"),
    ({"counts": [1], "value_type": "D"}, "value_type", "INVENTORY_MISMATCH"),
    ({"counts": [1], "resolution": "0.01"}, "resolution", "INVENTORY_MISMATCH"),
    ({"counts": [1], "resolution": "NaN"}, "resolution", "NOT_FINITE"),
    ({"counts": [1], "multiplier": 80}, "multiplier", "INVENTORY_MISMATCH"),
    ({"counts": [1], "multiplier": "sNaN"}, "multiplier", "NOT_FINITE"),
    ({"counts": [1], "multiplier_applied": False}, "multiplier_applied", "INVENTORY_MISMATCH"),
    ({"counts": [1], "seconds": 3600}, "seconds", "SECONDS_MISMATCH"),
    ({}, "values", "NO_VALUES"),
    ({"counts": [1], "values": [1]}, "values", "NO_VALUES"),
    ({"counts": []}, "values", "NO_VALUES"),
    ({"values": []}, "values", "NO_VALUES"),
    ({"values": None}, "values", "BAD_TYPE"),
    ({"values": {"0": 1}}, "values", "BAD_TYPE"),
    ({"values": ["0.312", "0.3125"]}, "values[1]", "NOT_A_MULTIPLE"),
    ({"values": [0.0001]}, "values[0]", "NOT_A_MULTIPLE"),
    ({"values": ["1", "NaN"]}, "values[1]", "NOT_FINITE"),
    ({"values": ["Infinity"]}, "values[0]", "NOT_FINITE"),
    ({"values": ["1", "x"]}, "values[1]", "BAD_NUMBER"),
    ({"values": ["1000000000000000.001"]}, "values[0]", "OVERFLOW"),
    ({"counts": [1, 10**18 + 1]}, "counts[1]", "OVERFLOW"),
    ({"counts": [1, None, -(10**30)]}, "counts[2]", "OVERFLOW"),
    ({"counts": [1, 2], "status": [""]}, "status", "LENGTH_MISMATCH"),
    ({"counts": [1], "status": ["estimatet"]}, "status[0]", "UNKNOWN_STATUS"),
    ({"counts": [1, 2], "status": ["", "missing"]}, "status[1]", "STATUS_CONFLICT"),
    ({"counts": [None], "status": ["missing+edited"]}, "status[0]", "STATUS_CONFLICT"),
    ({"counts": [None], "status": ["estimated"]}, "status[0]", "STATUS_CONFLICT"),
    ({"counts": [1], "start": "2026-03-14T00:07:00Z"}, "start", "MISALIGNED"),
    ({"counts": [1], "start": "2026-03-14T00:00:01Z"}, "start", "MISALIGNED"),
    ({"counts": [1], "start": "2026-03-14T00:00:00.5Z"}, "start", "FRACTION"),
    ({"counts": [1], "start": "1999-12-31T00:00:00Z"}, "start", "IMPLAUSIBLE_TIME"),
    ({"counts": [1], "start": "2199-01-01T00:00:00Z"}, "start", "IMPLAUSIBLE_TIME"),
    ({"counts": [1] * 2_000_000, "start": START}, "start", "IMPLAUSIBLE_TIME"),
    ({"counts": [1], "start_register": "NaN"}, "start_register", "NOT_FINITE"),
]


@pytest.mark.parametrize(("run", "member", "code"), RUNS)
def test_a_run_that_cannot_be_kept(run, member, code):
    given = {"channel": 1, "start": START, **run}
    if given["channel"] is None:
        del given["channel"]
    assert refused({"device": "A", "intervals": [given]}) == [
        (f"meters[0].intervals[0].{member}", code)
    ]


METERS = [
    # meter, member, code
    ({}, "", "NO_DEVICE"),
    ({"device": ""}, "", "NO_DEVICE"),
    ({"device": "B"}, ".device", "UNKNOWN_DEVICE"),
    ({"device": "a"}, ".device", "UNKNOWN_DEVICE"),
    ({"device": "X" * 21}, ".device", "BAD_IDENTIFIER"),
    ({"device": "A\0"}, ".device", "BAD_IDENTIFIER"),
    ({"device": " A"}, ".device", "BAD_IDENTIFIER"),
    ({"meter_number": "M2"}, ".meter_number", "UNKNOWN_DEVICE"),
    ({"serial_number": "S9"}, ".serial_number", "UNKNOWN_DEVICE"),
    ({"device": "A", "meter_number": "M2"}, ".meter_number", "INVENTORY_MISMATCH"),
    ({"device": "A", "serial_number": "S2"}, ".serial_number", "INVENTORY_MISMATCH"),
    ({"device": "A", "time_zone": "Europe/Oslo"}, ".time_zone", "INVENTORY_MISMATCH"),
    ({"device": "A", "device_class": "KV2C"}, ".device_class", "INVENTORY_MISMATCH"),
]


@pytest.mark.parametrize(("said", "member", "code"), METERS)
def test_a_meter_that_is_not_known_so(said, member, code):
    assert refused(said) == [(f"meters[0]{member}", code)]


def test_a_serial_number_that_two_devices_have():
    device_make("B", serial_number="S1")
    assert refused({"serial_number": "S1"}) == [("meters[0].serial_number", "AMBIGUOUS_DEVICE")]


def test_a_unit_that_two_channels_measure(channel):
    channel_make(channel.device, number=2)
    run = {"uom": "KWH", "start": START, "counts": [1]}
    assert refused({"device": "A", "intervals": [run]}) == [
        ("meters[0].intervals[0].channel", "AMBIGUOUS_CHANNEL")
    ]


@pytest.mark.parametrize("second", ["2026-03-14T00:00:00Z", "2026-03-14T00:30:00Z"])
def test_a_slot_that_the_batch_has_twice(second):
    first = meter("A", {"counts": [1, 2, 3, 4]})
    assert refused(first, meter("A", {"start": second, "counts": [1]})) == [
        ("meters[1].intervals[0].start", "DUPLICATE_SLOT")
    ]


def test_every_run_inside_a_long_one_is_a_duplicate():
    later = [{"start": f"2026-03-14T0{hour}:00:00Z", "counts": [1]} for hour in (1, 2, 3)]
    found = refused(meter("A", {"counts": [1] * 96}, *later))
    assert found == [(f"meters[0].intervals[{n}].start", "DUPLICATE_SLOT") for n in (1, 2, 3)]


def test_a_run_across_a_change_of_the_channel_and_one_before_it_began(channel):
    at = datetime(2026, 3, 14, 1, tzinfo=UTC)
    channel_change(channel, at=at, seconds=3600)
    assert refused(meter("A", {"counts": [1] * 5})) == [
        ("meters[0].intervals[0].start", "STRADDLES_ERAS")
    ]
    channel_make(channel.device, number=3, unit="V", valid_from=at)
    run = {"start": START, "counts": [1]}
    for name in ({"channel": 3}, {"uom": "V"}):
        assert refused({"device": "A", "intervals": [{**run, **name}]}) == [
            ("meters[0].intervals[0].start", "NO_ERA")
        ]


def test_a_one_day_channel_starts_at_local_midnight():
    channel_make(device_make("B"), seconds=86400, zone="Europe/London")
    for start, code in (
        ("2026-03-30T00:00:00Z", "MISALIGNED"),
        ("1999-01-01T00:00:00Z", "IMPLAUSIBLE_TIME"),
    ):
        assert refused(meter("B", {"start": start, "counts": [1]})) == [
            ("meters[0].intervals[0].start", code)
        ]
    long = meter("B", {"start": "2026-03-29T00:00:00Z", "counts": [1] * 4_000_000})
    assert refused(long) == [("meters[0].intervals[0].start", "IMPLAUSIBLE_TIME")]
    post(meter("B", {"start": "2026-03-29T23:00:00Z", "counts": [1]}))


def test_a_series_of_another_resolution_in_the_same_batch_is_told_apart():
    channel_make(device_make("B"), resolution=Decimal("0.25"))
    assert refused(meter("A", {"values": ["0.3"]}), meter("B", {"values": ["0.3"]})) == [
        ("meters[1].intervals[0].values[0]", "NOT_A_MULTIPLE")
    ]


def test_one_bad_meter_refuses_all():
    assert refused(meter("A", {"counts": [1]}), meter("B")) == [
        ("meters[1].device", "UNKNOWN_DEVICE")
    ]


def test_every_fault_is_told_at_once():
    found = refused(
        meter("A", {"counts": [1], "start": "2026-03-14T00:07:00Z", "seconds": 3600}),
        meter("B"),
        meter("A", {"values": ["x"]}, events=[{"code": "?"}]),
    )
    assert [code for _, code in found] == [
        *("SECONDS_MISMATCH", "MISALIGNED", "UNKNOWN_DEVICE", "BAD_NUMBER", "BAD_CODE"),
    ]


def test_a_hundred_problems_are_listed_and_the_rest_counted():
    found = refused(*(meter(f"B{n}") for n in range(150)))
    assert len(found) == 101
    assert found[-1][0] == ""


def test_on_error_meter_with_nothing_to_keep():
    bad = meter("A", {"counts": []})
    assert refused(bad, on_error="meter") == [("meters[0].intervals[0].values", "NO_VALUES")]


def test_a_key_of_some_groups_is_not_told_which_devices_there_are():
    from tests.devices.fleet import make_group

    key, _ = api_key_create("gateway", ["ingest"], [make_group("G1", "GENERAL")])
    for name in ("A", "B"):
        assert refused(meter(name), api_key=key) == [("meters[0].device", "FORBIDDEN_DEVICE")]


def test_the_next_batch_is_not_affected(channel):
    refused(meter("A", {"counts": []}))
    assert post(meter("A", {"counts": [1]})).status == "accepted"


def test_messages_name_channel_number_and_remedy():
    with pytest.raises(BatchRefused) as caught:
        post(meter("A", {"values": ["0.3125"]}))
    message = caught.value.problems[0].message
    assert message.startswith("channel 1 from 2026-03-14T00:00:00+00:00: [0]: ")
    assert "0.3125" in message
    assert "0.001" in message


def test_every_code_of_these_tests_is_in_the_table():
    used = {code for _, _, code in [*RUNS, *METERS]}
    assert used <= CODES.keys()


@pytest.mark.parametrize("name", ["service_point_id", "account_id", "premise_id"])
def test_a_place_that_no_installation_ever_had_is_refused(channel, name):
    home = channel.device.installations.get()
    home.valid_to = datetime(2021, 1, 1, tzinfo=UTC)
    setattr(home, name, "OLD")
    home.save()
    channel.device.installations.create(valid_from=home.valid_to, **{name: "NEW"})
    found = refused(meter("A", **{name: "OTHER"}))
    assert found == [(f"meters[0].{name}", "INVENTORY_MISMATCH")]
    for known in ("OLD", "NEW"):
        post(meter("A", {"counts": [1]}, **{name: known}))
