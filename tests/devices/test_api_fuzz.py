"""Garbage posted over HTTP: never a fault of ours, never stored unless acknowledged."""

import json

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from devices.models import Batch, JournalEntry
from events.models import Event
from tests.devices.callers import Caller, key_make
from tests.devices.factories import channel_make, device_make

pytestmark = pytest.mark.django_db

SEED = json.dumps(
    {
        "batch": "k",
        "on_error": "meter",
        "source": "near-term",
        "meters": [
            {
                "device": "D1",
                "time_zone": "UTC",
                "intervals": [
                    {
                        "channel": 1,
                        "start": "2026-03-14T00:00:00Z",
                        "seconds": 900,
                        "values": ["0.312", 0.305, None],
                        "status": ["", "estimated", "missing"],
                        "resolution": "0.001",
                    }
                ],
                "registers": [
                    {
                        "time": "2026-04-01T05:00:00Z",
                        "values": [{"uom": "KWH", "value": "1.5", "occurrence": 1}],
                    }
                ],
                "events": [{"code": "PWR_OUTAGE", "time": "2026-04-02T19:31:07Z", "value": 5}],
            }
        ],
    }
).encode()
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "\0", "\ud800", "1e999", "NaN", "9" * 400, "2026-02-30T00:00:00Z"]),
    st.sampled_from(["0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "missing+estimated"]),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


def _paths(node, path=()):
    """Where in a tree something stands."""
    yield path
    if isinstance(node, dict | list):
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _paths(child, (*path, name))


PATHS = [path for path in _paths(json.loads(SEED)) if path]


@pytest.fixture
def fuzzed(settings) -> Caller:
    settings.TMS_BATCH_RATE = 0
    channel_make(device_make("D1"))
    return Caller(key_make("ingest"))


def harmless(gateway: Caller, body: bytes) -> None:
    """Whatever was sent: no fault of ours, and stored only when it was acknowledged."""
    before = Batch.objects.count(), JournalEntry.objects.count(), Event.objects.count()
    answer = gateway.post(body)
    assert answer.status_code in (200, 201, 409, 422), answer.content
    if answer.status_code != 201:
        after = Batch.objects.count(), JournalEntry.objects.count(), Event.objects.count()
        assert after == before
    if answer.status_code == 422:
        assert all(set(problem) == {"path", "code", "message"} for problem in answer.json())


fuzz = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@fuzz
@given(st.lists(st.tuples(st.sampled_from(PATHS), TREES), min_size=1, max_size=2))
def test_a_batch_with_members_of_any_kind_is_harmless(fuzzed, changes):
    body = json.loads(SEED)
    body.pop("batch")
    for path, value in changes:
        node = body
        try:
            for name in path[:-1]:
                node = node[name]
            node[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue
    harmless(fuzzed, json.dumps(body).encode())


@fuzz
@given(st.integers(0, len(SEED)), st.binary(max_size=4), st.integers(0, 6))
def test_a_batch_with_bytes_of_any_kind_is_harmless(fuzzed, place, inserted, removed):
    harmless(fuzzed, SEED[:place] + inserted + SEED[place + removed :])


@fuzz
@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_harmless(fuzzed, body):
    harmless(fuzzed, body)
    answer = fuzzed.post(body, Content_Encoding="gzip")
    assert answer.status_code == 422
