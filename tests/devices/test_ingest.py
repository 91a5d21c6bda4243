"""Batches that are taken: what comes in stands in the store, slot by slot."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import time_machine
from hypothesis import given, settings, strategies as st

from devices import blocks, journal
from devices.batchform import decode
from devices.models import Batch, JournalEntry, Quarantined, RegisterEntry
from devices.readings import NEVER, Status
from devices.services.channels import channel_change
from devices.services.ingest.layout import entries_pack
from devices.services.ingest.lookup import KnownChannel, devices_find
from devices.services.ingest.quarantine import payload_open
from devices.services.ingest.resolve import form_is_brief
from devices.services.keys import api_key_create
from events.models import Event
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import START, answer, at_start, meter, post, slots

pytestmark = pytest.mark.django_db

MISSING, EDITED, ESTIMATED = int(Status.MISSING), int(Status.EDITED), int(Status.ESTIMATED)


@pytest.fixture
def channel():
    return channel_make(device_make("A"))


# --- values and counts --------------------------------------------------------------------------


def test_values_become_counts_and_null_is_missing(channel):
    said = answer(meter("A", {"values": ["0.312", 0.305, None, "-1"], "seconds": 900}))
    assert at_start(channel, 4) == [(312, 0), (305, 0), (None, MISSING), (-1000, 0)]
    assert said == {
        "batch": str(Batch.objects.get().pk),
        "status": "accepted",
        "devices": 1,
        "intervals": 4,
        "registers": 0,
        "events": 0,
        "created": {"devices": 0, "channels": 0},
        "refused": [],
    }


def test_counts_are_taken_as_they_are(channel):
    post(meter("A", {"counts": [312, None, -7, 10**18]}))
    assert at_start(channel, 4) == [(312, 0), (None, MISSING), (-7, 0), (10**18, 0)]


def test_arrays_written_in_different_ways_mix_in_one_batch(channel):
    other = channel_make(device_make("B"), resolution=Decimal("0.25"))
    post(
        meter("A", {"values": ["1", "2.5"]}),
        meter("B", {"values": [0.25, 1e1]}),
        meter("A", {"start": "2026-03-14T00:30:00Z", "counts": [7]}),
    )
    assert at_start(channel, 3) == [(1000, 0), (2500, 0), (7, 0)]
    assert at_start(other, 2) == [(1, 0), (40, 0)]


def test_status_words_are_kept_by_the_slot(channel):
    post(
        meter(
            "A",
            {
                "values": ["1", "2", None, None],
                "status": ["estimated+power_outage", "", "missing", "power_outage"],
            },
        )
    )
    outage = int(Status.POWER_OUTAGE)
    assert at_start(channel, 4) == [
        (1000, ESTIMATED | outage),
        (2000, 0),
        (None, MISSING),
        (None, MISSING | outage),
    ]


def test_source_edited_marks_values_but_neither_estimates_nor_gaps(channel):
    post(meter("A", {"values": ["1", "2", None], "status": ["", "estimated", ""]}), source="edited")
    assert at_start(channel, 3) == [(1000, EDITED), (2000, ESTIMATED), (None, MISSING)]


def test_what_the_inventory_knows_may_be_said_again(channel):
    device = channel.device
    said = {"meter_number": device.meter_number, "time_zone": "UTC", "device_class": "TEST"}
    run = {"uom": "KWH", "flow": "DEL", "seconds": 900, "value_type": "U", "resolution": 0.001,
           "multiplier_applied": True, "counts": [1]}  # fmt: skip
    assert answer(meter("A", run, **said))["intervals"] == 1


def test_a_multiplier_is_that_of_the_installation_where_the_channel_has_none(channel):
    channel.device.installations.create(
        valid_from=datetime(2026, 1, 1, tzinfo=UTC), multiplier=Decimal(40)
    )
    assert answer(meter("A", {"counts": [1], "multiplier": "40"}))["intervals"] == 1


def test_a_channel_may_be_named_by_unit_and_flow(channel):
    run = {"start": START, "uom": "KWH", "counts": [5]}
    assert answer({"device": "A", "intervals": [run]})["intervals"] == 1
    assert at_start(channel, 1) == [(5, 0)]


@pytest.mark.parametrize("name", ["meter_number", "serial_number"])
def test_a_device_may_be_named_by_its_other_identifiers(name):
    channel = channel_make(device_make("A", meter_number="M1", serial_number="S1"))
    value = {"meter_number": "M1", "serial_number": "S1"}[name]
    run = {"channel": 1, "start": START, "counts": [5]}
    assert answer({name: value, "intervals": [run]})["intervals"] == 1
    assert at_start(channel, 1) == [(5, 0)]


def test_a_meter_number_that_was_used_again_means_the_device_in_use():
    device_make("OLD", meter_number="M1", state="unprovisioned")
    channel = channel_make(device_make("NEW", meter_number="M1"))
    run = {"channel": 1, "start": START, "counts": [5]}
    assert answer({"meter_number": "M1", "intervals": [run]})["intervals"] == 1
    assert at_start(channel, 1) == [(5, 0)]


def test_an_unprovisioned_device_still_takes_its_last_readings():
    channel = channel_make(device_make("A", state="unprovisioned"))
    post(meter("A", {"counts": [5]}))
    assert at_start(channel, 1) == [(5, 0)]


def test_a_batch_without_meters_is_taken():
    assert answer()["devices"] == 0


# --- the grid -----------------------------------------------------------------------------------


def test_a_run_over_many_days_is_one_entry_a_day():
    channel = channel_make(device_make("A"), seconds=3600, grid_offset=-21600)
    counts = list(range(20_000))
    post(meter("A", {"start": "2023-01-01T00:00:00Z", "counts": counts}))
    first = int(datetime(2023, 1, 1, tzinfo=UTC).timestamp())
    assert slots(channel, first, first + 20_000 * 3600) == [(count, 0) for count in counts]
    entries = list(JournalEntry.objects.order_by("seq").values_list("first_slot", "day"))
    assert entries[0][0] == 18
    assert {slot for slot, _ in entries[1:]} == {0}
    assert len(entries) == 835


def test_hourly_channels_of_half_hour_zones_start_at_the_half_hour():
    channel = channel_make(device_make("A"), seconds=3600, grid_offset=19800)
    post(meter("A", {"start": "2026-03-13T18:30:00Z", "counts": [1, 2]}))
    start = int(datetime(2026, 3, 13, 18, 30, tzinfo=UTC).timestamp())
    assert slots(channel, start, start + 7200) == [(1, 0), (2, 0)]
    assert JournalEntry.objects.get().first_slot == 0


@pytest.mark.parametrize("zone", ["Europe/London", "America/Santiago", "Africa/Casablanca"])
def test_one_day_channels_follow_local_dates_through_clock_changes(zone):
    info = ZoneInfo(zone)
    channel = channel_make(device_make("A"), seconds=86400, zone=zone)
    first = datetime.fromtimestamp(
        blocks.local_midnight(zone, date(2025, 1, 1)),
        UTC,
    )
    post(meter("A", {"start": first.isoformat(), "counts": list(range(500))}))
    days = sorted(JournalEntry.objects.values_list("day", "first_slot"))
    assert [slot for _, slot in days] == [0] * 500
    assert days[0][0] == first.astimezone(info).date()
    assert (days[-1][0] - days[0][0]).days == 499
    assert channel.slots == 1


def test_stamps_of_2011_and_of_2099(channel):
    post(meter("A", {"start": "2011-09-20T00:00:00Z", "counts": [1]}))
    with time_machine.travel(datetime(2099, 6, 1, tzinfo=UTC), tick=False):
        post(meter("A", {"start": "2099-06-01T00:00:00Z", "counts": [2]}))
    assert JournalEntry.objects.count() == 2


def test_offsets_and_the_last_slot_that_time_allows(channel):
    now = datetime(2026, 3, 14, 12, tzinfo=UTC)
    with time_machine.travel(now, tick=False):
        post(meter("A", {"start": "2026-03-15T13:45:00+02:00", "counts": [1]}))
    end = int((now + timedelta(days=1)).timestamp())
    assert slots(channel, end - 900, end) == [(1, 0)]


def test_the_era_that_holds_the_interval_is_taken(channel):
    at = datetime(2026, 3, 14, 1, tzinfo=UTC)
    era = channel_change(channel, at=at, seconds=3600)
    post(
        meter("A", {"counts": [1, 2, 3, 4], "seconds": 900}),
        meter("A", {"start": "2026-03-14T01:00:00Z", "counts": [10]}),
        {"device": "A",
         "intervals": [{"uom": "KWH", "start": "2026-03-14T02:00:00Z", "counts": [11]}]},
    )  # fmt: skip
    start = int(at.timestamp())
    assert at_start(channel, 4) == [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert slots(era, start, start + 7200) == [(10, 0), (11, 0)]


def test_a_brief_look_up_finds_the_same_but_for_what_nobody_asked(channel):
    channel_change(channel, at=datetime(2026, 3, 14, 1, tzinfo=UTC), seconds=3600)
    channel_make(channel.device, number=2, resolution=Decimal("0.25"), seconds=86400, zone="UTC")
    device_make("B")
    names = {"device": {"A", "B", "C"}}
    brief = devices_find(names, None, brief=True)["device"]
    whole = devices_find(names, None)["device"]
    assert list(brief) == list(whole) == ["A", "B"]
    for name in "AB":
        (one,), (other,) = brief[name], whole[name]
        assert (one.pk, one.device_id, one.allowed) == (other.pk, other.device_id, other.allowed)
        assert one.channels == {
            number: [KnownChannel(*era[:8]) for era in eras]
            for number, eras in other.channels.items()
        }


@pytest.mark.parametrize(
    ("said", "brief"),
    [
        ({}, True),
        ({"intervals": [{"channel": 1, "start": START, "seconds": 900, "counts": [1]}]}, True),
        ({"meter_number": "A"}, False),
        ({"time_zone": "UTC"}, False),
        ({"feeder_id": "F"}, False),
        ({"intervals": [{"uom": "KWH", "start": START, "counts": [1]}]}, False),
        ({"intervals": [{"channel": 1, "multiplier": 1, "start": START, "counts": [1]}]}, False),
        ({"intervals": [{"channel": 1, "end_register": 1, "start": START, "counts": [1]}]}, False),
    ],
)
def test_a_batch_that_speaks_of_ids_only_is_brief(said, brief):
    body = {"meters": [{"device": "A"}, {"device": "A", **said}]}
    assert form_is_brief(decode(json.dumps(body).encode())) is brief


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.integers(-300, 300), st.integers(-(2**40), 2**40)), min_size=1, max_size=5
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_entries_are_packed_as_one_by_one(runs, flagged):
    counts = np.array([count for run in runs for count in run], np.int64)
    starts = np.cumsum([0, *map(len, runs[:-1])])
    masks = (counts % 3 == 0).astype(np.uint16) if flagged else None
    packed = zip(*entries_pack(counts, masks, starts), strict=True)
    for run, start, (some, status) in zip(runs, starts, packed, strict=True):
        part = slice(start, start + len(run))
        assert some == blocks.pack_entry(counts[part])
        assert status == (b"" if masks is None else blocks.pack_status(masks[part]))


# --- in part ------------------------------------------------------------------------------------


def test_on_error_meter_takes_whole_good_meters_and_keeps_strangers(channel):
    other = channel_make(device_make("B"))
    said = answer(
        meter("A", {"counts": [1]}, events=[{"code": "PWR_OUTAGE", "time": START}]),
        meter("B", {"counts": [2]}, {"start": "2026-03-14T00:07:00Z", "counts": [3]},
              registers=[{"time": START, "values": [{"uom": "KWH", "value": "1"}]}],
              events=[{"code": "PWR_OUTAGE", "time": START}]),
        meter("C", {"values": ["0.312", 1.5]}),
        {"devise": "D"},
        on_error="meter",
        source="near-term",
    )  # fmt: skip
    assert (said["status"], said["devices"], said["intervals"]) == ("partial", 1, 1)
    assert [(p["path"], p["code"]) for p in said["refused"]] == [
        ("meters[1].intervals[1].start", "MISALIGNED"),
        ("meters[2].device", "UNKNOWN_DEVICE"),
        ("meters[3].devise", "UNKNOWN_MEMBER"),
    ]
    assert at_start(channel, 1) == [(1, 0)]
    assert at_start(other, 1) == [(None, NEVER)]
    assert not RegisterEntry.objects.exists()
    assert Event.objects.count() == 1
    kept = Quarantined.objects.get()
    assert (kept.device, kept.code, kept.state) == ("C", "UNKNOWN_DEVICE", "held")
    assert json.loads(payload_open(bytes(kept.payload))) == {
        "source": "near-term",
        "meters": [
            {
                "device": "C",
                "intervals": [{"channel": 1, "start": START, "values": ["0.312", 1.5]}],
            }
        ],
    }
    assert Batch.objects.get().refused == 3


def test_a_batch_of_strangers_alone_is_kept_in_quarantine():
    said = answer(meter("C", {"counts": [1]}), on_error="meter")
    assert (said["status"], said["devices"]) == ("partial", 0)
    assert Quarantined.objects.count() == 1


def test_the_later_of_two_runs_over_one_slot_is_left_out(channel):
    said = answer(
        meter("A", {"counts": [1, 2, 3]}),
        meter("A", {"start": "2026-03-14T00:15:00Z", "counts": [9]}),
        on_error="meter",
    )
    assert [p["code"] for p in said["refused"]] == ["DUPLICATE_SLOT"]
    assert at_start(channel, 3) == [(1, 0), (2, 0), (3, 0)]


def test_an_overlap_with_a_meter_that_is_left_out_is_none(channel):
    said = answer(
        meter("A", {"counts": [1, 2, 3]}, {"counts": []}),
        meter("A", {"start": "2026-03-14T00:15:00Z", "counts": [9]}),
        on_error="meter",
    )
    assert [p["code"] for p in said["refused"]] == ["NO_VALUES"]
    assert at_start(channel, 2) == [(None, NEVER), (9, 0)]


# --- keys of some groups, queries ---------------------------------------------------------------


def test_a_key_of_a_group_feeds_the_devices_in_it(channel):
    from tests.devices.fleet import make_group

    group = make_group("G1", "GENERAL")
    key, _ = api_key_create("gateway", ["ingest"], [group])
    membership = channel.device.memberships.create(
        group=group, valid_from=datetime(2026, 1, 1, tzinfo=UTC)
    )
    assert answer(meter("A", {"counts": [1]}), api_key=key)["devices"] == 1
    membership.valid_to = datetime(2026, 2, 1, tzinfo=UTC)
    membership.save()
    said = answer(meter("A", {"counts": [2]}), meter("X"), api_key=key, on_error="meter")
    assert [p["code"] for p in said["refused"]] == ["FORBIDDEN_DEVICE", "FORBIDDEN_DEVICE"]
    words = {p["message"].replace(" A:", " X:") for p in said["refused"]}
    assert len(words) == 1
    assert at_start(channel, 1) == [(1, 0)]


def test_the_number_of_queries_does_not_grow_with_the_meters(django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for n in range(40):
        channel_make(device_make(f"D{n:03}"))
    journal.prepare(datetime.now(UTC))

    def queries(meters):
        with CaptureQueriesContext(connection) as caught:
            post(*(meter(f"D{n:03}", {"counts": [n]}) for n in range(meters)))
        return len(caught)

    queries(1)
    assert queries(40) == queries(2)
