"""Posting batches over HTTP: every status, bad input, keys, and what is left behind."""

import copy
import gzip
import io
import json
from datetime import timedelta

import pytest
from django.utils import timezone

from devices.models import (
    ApiKey,
    Batch,
    FunctionalGroup,
    JournalEntry,
    Membership,
    Quarantined,
    RegisterEntry,
)
from events.models import Event
from tests.devices.callers import Caller, codes, key_make
from tests.devices.factories import channel_make, device_make

pytestmark = pytest.mark.django_db

ONE_DAY = {"start": "2026-03-14T00:00:00Z", "end": "2026-03-15T00:00:00Z"}
RUN = {
    "channel": 1,
    "start": "2026-03-14T00:00:00Z",
    "seconds": 900,
    "values": ["0.312", 0.305, None],
    "status": ["", "estimated", "missing"],
}
BATCH = {"source": "near-term", "meters": [{"device": "D1", "intervals": [RUN]}]}


@pytest.fixture
def device():
    device = device_make("D1")
    channel_make(device)
    return device


@pytest.fixture
def gateway(device) -> Caller:
    return Caller(key_make(name="gateway"))


def changed(**members) -> dict:
    """The batch with members of its run of intervals changed; None removes one."""
    body = copy.deepcopy(BATCH)
    run = body["meters"][0]["intervals"][0]
    run.update(members)
    for name in [name for name, value in members.items() if value is None]:
        del run[name]
    return body


def nothing_is_stored() -> bool:
    tables = (Batch, JournalEntry, RegisterEntry, Quarantined, Event)
    return not any(table.objects.exists() for table in tables)


# --- taken ---------------------------------------------------------------------------------------


def test_a_batch_is_answered_201_and_can_be_read_back(gateway):
    answer = gateway.post(BATCH)
    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/json"
    said = answer.json()
    assert (said["status"], said["devices"], said["intervals"]) == ("accepted", 1, 3)
    assert said["refused"] == []
    found = gateway.items("/devices/D1/intervals", **ONE_DAY)
    assert [(i["value"], i["status"]) for i in found] == [
        ("0.312", []),
        ("0.305", ["estimated"]),
        (None, ["missing"]),
    ]


def test_a_batch_of_all_kinds_of_data_is_taken(gateway):
    read = {
        "time": "2026-04-01T05:00:00Z",
        "type": "SR",
        "values": [{"no": 1, "class": "SUM", "uom": "KWH", "value": "45812.347"}],
    }
    event = {"code": "PWR_OUTAGE", "time": "2026-04-02T19:31:07Z", "id": "e-991"}
    body = copy.deepcopy(BATCH)
    body["meters"][0] |= {"registers": [read], "events": [event]}
    said = gateway.post(body).json()
    assert (said["intervals"], said["registers"], said["events"]) == (3, 1, 1)
    period = {"start": "2026-04-01T00:00:00Z", "end": "2026-04-03T00:00:00Z"}
    (back,) = gateway.items("/devices/D1/registers", **period)
    assert back["values"][0] == {
        **read["values"][0],
        **{"flow": "DEL", "rate": "T", "status": ""},
    }
    (event_back,) = gateway.items("/devices/D1/events", **period)
    assert event_back["id"] == "e-991"


def test_gzip_and_plain_are_one_and_the_same(gateway):
    plain = json.dumps(BATCH).encode()
    first = gateway.post(gzip.compress(plain), Content_Encoding="gzip", Idempotency_Key="a")
    again = gateway.post(plain, Idempotency_Key="a")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content


def test_the_content_type_does_not_matter(gateway):
    assert gateway.post(BATCH, Content_Type="text/plain").status_code == 201


@pytest.mark.parametrize(("days", "kept"), [(0, False), (3, True)])
def test_the_body_is_kept_only_where_it_is_asked_for(gateway, settings, days, kept):
    settings.TMS_BODY_DAYS = days
    body = json.dumps(BATCH).encode()
    gateway.post(body)
    stored = Batch.objects.get().body
    assert (bytes(stored) if stored else None) == (body if kept else None)


# --- idempotency keys ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["header", "member", "both"])
def test_the_same_key_and_body_are_answered_200_with_the_same_bytes(gateway, place):
    body = {**BATCH, **({} if place == "header" else {"batch": "gw7-1"})}
    headers = {} if place == "member" else {"Idempotency_Key": "gw7-1"}
    first, again = gateway.post(body, **headers), gateway.post(body, **headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.content == again.content
    assert Batch.objects.get().key == "gw7-1"


def test_the_same_key_with_another_body_is_409(gateway):
    assert gateway.post(BATCH, Idempotency_Key="a").status_code == 201
    answer = gateway.post(changed(values=["1", "2", None]), Idempotency_Key="a")
    assert answer.status_code == 409
    assert list(answer.json()) == ["detail"]
    assert Batch.objects.count() == 1


def test_a_key_belongs_to_its_sender(gateway):
    other = Caller(key_make("ingest", name="other"))
    assert gateway.post(BATCH, Idempotency_Key="a").status_code == 201
    assert other.post(changed(values=["1", "2", None]), Idempotency_Key="a").status_code == 201


def test_without_a_key_each_post_is_a_batch(gateway):
    assert [gateway.post(BATCH).status_code for _ in "ab"] == [201, 201]
    assert Batch.objects.count() == 2


def test_header_and_member_that_differ_are_refused(gateway):
    answer = gateway.post({**BATCH, "batch": "a"}, Idempotency_Key="b")
    assert codes(answer) == [("Idempotency-Key", "BAD_KEY")]
    assert nothing_is_stored()


@pytest.mark.parametrize("key", ["", "x" * 201, "tab\there", "\x7f", "é"])
def test_a_key_that_cannot_be_is_refused_in_the_header_or_in_the_body(gateway, key):
    assert codes(gateway.post(BATCH, Idempotency_Key=key)) == [("Idempotency-Key", "BAD_KEY")]
    if key:
        assert codes(gateway.post({**BATCH, "batch": key})) == [("batch", "BAD_KEY")]
    assert nothing_is_stored()


def test_a_refused_batch_does_not_use_up_its_key(gateway):
    assert gateway.post(changed(start="2026-03-14T00:01:00Z"), Idempotency_Key="a")
    assert gateway.post(BATCH, Idempotency_Key="a").status_code == 201


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "member", "code"),
    [
        (changed(channel=9), "channel", "UNKNOWN_CHANNEL"),
        (changed(start="2026-03-14T00:01:00Z"), "start", "MISALIGNED"),
        (changed(seconds=3600), "seconds", "SECONDS_MISMATCH"),
        (changed(values=["0.0001", "1", None]), "values[0]", "NOT_A_MULTIPLE"),
        (changed(values=["NaN", "1", None]), "values[0]", "NOT_FINITE"),
        (changed(values=["1,5", "1", None]), "values[0]", "BAD_NUMBER"),
        (changed(values=["1e30", "1", None]), "values[0]", "OVERFLOW"),
        (changed(start="2026-03-14T00:00:00"), "start", "NAIVE_TIME"),
        (changed(start="1999-12-31T00:00:00Z"), "start", "IMPLAUSIBLE_TIME"),
        (changed(start="2199-12-31T00:00:00Z"), "start", "IMPLAUSIBLE_TIME"),
        (changed(status=["", ""]), "status", "LENGTH_MISMATCH"),
        (changed(status=["", "bad", "missing"]), "status[1]", "UNKNOWN_STATUS"),
        (changed(values=None), "values", "NO_VALUES"),
        (changed(sekonds=900), "sekonds", "UNKNOWN_MEMBER"),
    ],
)
def test_bad_intervals_are_named_and_nothing_is_stored(gateway, body, member, code):
    assert (f"meters[0].intervals[0].{member}", code) in codes(gateway.post(body))
    assert nothing_is_stored()
    assert gateway.post(BATCH).status_code == 201


def test_a_slot_twice_in_a_batch_is_refused(gateway):
    body = copy.deepcopy(BATCH)
    body["meters"][0]["intervals"].append({**RUN, "start": "2026-03-14T00:30:00Z"})
    assert "DUPLICATE_SLOT" in [code for _, code in codes(gateway.post(body))]
    assert nothing_is_stored()


def test_an_unknown_device_refuses_the_batch(gateway):
    body = {"meters": [*BATCH["meters"], {"device": "NOBODY", "intervals": [RUN]}]}
    assert codes(gateway.post(body)) == [("meters[1].device", "UNKNOWN_DEVICE")]
    assert nothing_is_stored()


def test_by_meter_the_good_are_taken_and_the_unknown_kept_apart(gateway):
    body = {
        "on_error": "meter",
        "meters": [*BATCH["meters"], {"device": "NOBODY", "intervals": [RUN]}],
    }
    answer = gateway.post(body)
    assert answer.status_code == 201
    said = answer.json()
    assert (said["status"], said["devices"]) == ("partial", 1)
    assert [set(problem) for problem in said["refused"]] == [{"path", "code", "message"}]
    assert said["refused"][0]["code"] == "UNKNOWN_DEVICE"
    assert Quarantined.objects.get().device == "NOBODY"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "BAD_JSON"),
        (b"{", "BAD_JSON"),
        (b"\xff\xfe", "BAD_JSON"),
        (b"[]", "BAD_TYPE"),
        (b"null", "BAD_TYPE"),
        (b'{"meters":NaN}', "NOT_FINITE"),
        (b"{}", "MISSING_MEMBER"),
        (b"[" * 100_000, "BAD_TYPE"),
        (b'{"meters":' + b"[" * 100_000, "BAD_JSON"),
        (b'{"meters": [], "source": "space"}', "UNKNOWN_SOURCE"),
    ],
)
def test_a_body_that_is_no_batch_is_422(gateway, body, code):
    assert code in [found for _, found in codes(gateway.post(body))]
    assert nothing_is_stored()


@pytest.mark.parametrize("cut", [1, 9, 50])
def test_a_truncated_gzip_body_is_422(gateway, cut):
    packed = gzip.compress(json.dumps(BATCH).encode())[:-cut]
    assert codes(gateway.post(packed, Content_Encoding="gzip")) == [("", "BAD_GZIP")]
    assert nothing_is_stored()


def test_an_unknown_coding_is_415_and_says_what_is_known(gateway):
    answer = gateway.post(BATCH, Content_Encoding="br")
    assert answer.status_code == 415
    assert answer["Accept-Encoding"] == "gzip, identity"
    assert nothing_is_stored()


def test_a_body_over_the_limit_is_413_packed_or_not(gateway, settings):
    settings.TMS_BATCH_MAX_BYTES = 1000
    body = json.dumps(BATCH).encode()
    assert gateway.post(body).status_code == 201
    for large in (body + b" " * 1000, gzip.compress(body + b" " * 1000)):
        coding = {"Content_Encoding": "gzip"} if large[:2] == b"\x1f\x8b" else {}
        answer = gateway.post(large, **coding)
        assert answer.status_code == 413
        assert "1000 bytes" in answer.json()["detail"]
    assert Batch.objects.count() == 1


def test_a_sender_that_stops_half_way_leaves_nothing(gateway):
    body = json.dumps(BATCH).encode()
    answer = gateway.client.generic(
        "POST",
        "/api/v1/batches",
        headers=gateway.headers,
        CONTENT_LENGTH=str(len(body) + 10),
        **{"wsgi.input": io.BytesIO(body)},
    )
    assert answer.status_code == 400
    assert "ended after" in answer.json()["detail"]
    assert nothing_is_stored()


# --- who, and how often --------------------------------------------------------------------------


def test_over_the_rate_is_429_with_the_time_to_wait(gateway, settings, time_machine):
    time_machine.move_to("2026-03-20T12:00:50Z", tick=False)
    settings.TMS_BATCH_RATE = 2
    other = Caller(key_make("ingest", name="other"))
    assert [gateway.post(BATCH).status_code for _ in range(3)] == [201, 201, 429]
    answer = gateway.post(BATCH)
    assert answer["Retry-After"] == "10"
    assert list(answer.json()) == ["detail"]
    assert other.post(BATCH).status_code == 201
    time_machine.move_to("2026-03-20T12:01:00Z", tick=False)
    assert gateway.post(BATCH).status_code == 201
    settings.TMS_BATCH_RATE = 0
    assert [gateway.post(BATCH).status_code for _ in range(3)] == [201, 201, 201]


def test_a_key_limited_to_groups_feeds_only_their_devices(device):
    other = device_make("D2")
    channel_make(other)
    group = FunctionalGroup.objects.create(code="MINE")
    Membership.objects.create(
        device=device, group=group, valid_from=timezone.now() - timedelta(days=1)
    )
    caller = Caller(key_make("ingest", groups=(group,)))
    assert caller.post(BATCH).status_code == 201
    outside = {"meters": [{"device": "D2", "intervals": [RUN]}]}
    assert codes(caller.post(outside)) == [("meters[0].device", "FORBIDDEN_DEVICE")]
    unknown = {"meters": [{"device": "NOBODY", "intervals": [RUN]}]}
    assert codes(caller.post(unknown)) == [("meters[0].device", "FORBIDDEN_DEVICE")]


def test_the_batch_is_its_keys(gateway):
    gateway.post(BATCH)
    assert Batch.objects.get().api_key == ApiKey.objects.get(name="gateway")
