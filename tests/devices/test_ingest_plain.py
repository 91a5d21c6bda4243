"""Batches of one interval a meter take a shorter way, to the same rows and the same answers."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.batchform import BatchRefused
from devices.models import Batch, Device, FunctionalGroup, JournalEntry
from devices.readings import Status
from devices.services.channels import channel_change
from devices.services.ingest import accept
from devices.services.ingest.plain import plain_read
from devices.services.keys import api_key_create
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import at_start, meter, post

pytestmark = pytest.mark.django_db
MISSING, ESTIMATED, OUTAGE = (
    int(status) for status in (Status.MISSING, Status.ESTIMATED, Status.POWER_OUTAGE)
)
ROW = ("seq", "month", "channel_id", "day", "first_slot", "counts", "status")


@pytest.fixture
def ways(monkeypatch):
    """Which way each batch took: True for the short one."""
    taken: list[bool] = []

    def noted(*given):
        found = plain_read(*given)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(accept, "plain_read", noted)
    return taken


def rows(batch: Batch) -> list[tuple]:
    found = JournalEntry.objects.filter(batch=batch).order_by("seq").values_list(*ROW)
    return [tuple(bytes(c) if isinstance(c, memoryview) else c for c in row) for row in found]


def both(monkeypatch, *meters, **members):
    """What a batch leaves and is answered, by the short way and by the long one."""
    outcomes = []
    for way in (plain_read, lambda *_: None):
        monkeypatch.setattr(accept, "plain_read", way)
        try:
            said = json.loads(post(*meters, **members).text)
        except BatchRefused as refused:
            outcomes.append(refused.problems)
            continue
        batch = Batch.objects.latest("pk")
        assert said.pop("batch") == str(batch.pk)
        outcomes.append((said, rows(batch)))
    return outcomes


def test_one_interval_a_meter_takes_the_short_way(ways):
    channels = [channel_make(device_make(name)) for name in "ABC"]
    post(
        meter("C", {"counts": [312], "seconds": 900}),
        meter("A", {"counts": [None], "status": ["power_outage"]}),
        meter("B", {"start": "2026-03-14T00:15:00Z", "counts": [70000], "status": ["estimated"]}),
    )
    assert ways == [True]
    assert at_start(channels[0], 1) == [(None, MISSING | OUTAGE)]
    assert at_start(channels[1], 2)[1] == (70000, ESTIMATED)
    assert at_start(channels[2], 1) == [(312, 0)]
    batch = Batch.objects.get()
    assert (batch.devices, batch.intervals) == (3, 3)


RUNS = st.fixed_dictionaries(
    {"counts": st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63)), min_size=1, max_size=1)
     | st.sampled_from([[0], [127], [128], [-129], [40000], [None], [1, 2], []])},
    optional={
        "channel": st.sampled_from([1, 1, 2, 7]),
        "seconds": st.sampled_from([900, 900, 3600]),
        "start": st.sampled_from(
            ["2026-03-14T00:00:00Z", "2026-03-14T23:45:00Z", "2026-03-14T00:07:00Z",
             "2026-03-14T01:00:00+01:00", "2026-03-14T00:00:00.5Z", "1999-12-31T23:45:00Z",
             "2099-01-01T00:00:00Z"]
        ),
        "status": st.sampled_from([[""], ["estimated"], ["missing"], ["odd"], ["", ""], []]),
        "uom": st.just("KWH"),
        "values": st.just([1]),
    },
)  # fmt: skip
GOOD = st.fixed_dictionaries(
    {"counts": st.sampled_from([[0], [127], [128], [-129], [40000], [1 << 40], [None]])},
    optional={
        "channel": st.sampled_from([1, 1, 2]),
        "seconds": st.just(900),
        "start": st.sampled_from(["2026-03-14T00:00:00Z", "2026-03-14T01:00:00+01:00"]),
        "status": st.sampled_from([[""], ["power_outage"]]),
    },
)


@settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from("ABCDE"), GOOD | RUNS), min_size=1, max_size=4),
    st.sampled_from(["scheduled", "edited", "near-term"]),
    st.sampled_from(["batch", "meter"]),
)
def test_both_ways_agree(monkeypatch, found, source, on_error):
    for name in "ABCD":
        if not Device.objects.filter(device_id=name).exists():
            device = device_make(name)
            channel_make(device)
            channel_make(device, number=2, grid_offset=-3600)
    meters = [meter(name, run) for name, run in found]
    short, long = both(monkeypatch, *meters, source=source, on_error=on_error)
    assert short == long


def test_what_only_the_long_way_knows_takes_it(ways):
    channel = channel_make(device_make("A"))
    post(meter("A", {"counts": [1, 2]}))
    post(meter("A", {"values": ["1"]}))
    post(meter("A", {"counts": [1]}, registers=[]))
    assert ways == [False, False, True]
    channel_change(channel, at=datetime(2026, 3, 15, tzinfo=UTC), seconds=3600)
    post(meter("A", {"counts": [5]}))
    assert ways[-1] is False
    assert at_start(channel, 1) == [(5, 0)]


def test_a_key_of_some_groups_feeds_no_other_device(ways):
    channel = channel_make(device_make("A"))
    group = FunctionalGroup.objects.create(code="G", kind=FunctionalGroup.Kind.values[0])
    every, _ = api_key_create("every", ["ingest"])
    some, _ = api_key_create("some", ["ingest"], [group])
    post(meter("A", {"counts": [5]}), api_key=every)
    with pytest.raises(BatchRefused) as caught:
        post(meter("A", {"counts": [6]}), api_key=some)
    assert [problem.code for problem in caught.value.problems] == ["FORBIDDEN_DEVICE"]
    assert ways == [True, False]
    assert at_start(channel, 1) == [(5, 0)]


def test_a_channel_that_is_closed_meanwhile_is_looked_at_again(monkeypatch):
    channel = channel_make(device_make("A"))
    after = []

    def close(*given):
        found = plain_read(*given)
        if not after:
            new = channel_change(channel, at=datetime(2026, 3, 14, tzinfo=UTC), seconds=900)
            after.append(new)
        return found

    monkeypatch.setattr(accept, "plain_read", close)
    post(meter("A", {"counts": [5]}))
    assert at_start(after[0], 1) == [(5, 0)]
