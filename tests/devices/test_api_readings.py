"""Intervals and register reads over HTTP: what is shown, in which order, by which pages."""

from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

import pytest
from django.utils import timezone
from hypothesis import given, strategies as st

from devices import journal
from devices.api import intervals
from devices.api.intervals import count_text
from devices.api.schemas import decimal_text
from devices.readings import DAY, RegisterRead, RegisterValue, Status
from tests.devices.callers import Caller, codes, key_make
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of

pytestmark = pytest.mark.django_db

D = day_of(2026, 3, 14)
EXACT = Context(prec=60)
ONE_DAY = {"start": "2026-03-14T00:00:00Z", "end": "2026-03-15T00:00:00Z"}


@pytest.fixture
def reader() -> Caller:
    return Caller(key_make("read", name="reader"))


@pytest.fixture
def device():
    return device_make("D1")


def test_an_interval_shows_its_end_value_status_and_revision(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, [312, None, 5])])
    batch_post([entry_of(channel, D, 2, [7000], int(Status.ESTIMATED | Status.DST))])
    batch_post([entry_of(channel, D, 0, [313])])
    assert reader.items("/devices/D1/intervals", **ONE_DAY) == [
        {
            "channel": 1,
            "end": "2026-03-14T00:15:00Z",
            "value": "0.313",
            "status": [],
            "revision": 1,
        },
        {
            "channel": 1,
            "end": "2026-03-14T00:30:00Z",
            "value": None,
            "status": ["missing"],
            "revision": 0,
        },
        {
            "channel": 1,
            "end": "2026-03-14T00:45:00Z",
            "value": "0.005",
            "status": [],
            "revision": 0,
        },
    ]


def test_the_answer_is_the_same_before_and_after_the_fold(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, range(96))])
    before = reader.items("/devices/D1/intervals", **ONE_DAY)
    journal.fold_all()
    assert reader.items("/devices/D1/intervals", **ONE_DAY) == before
    assert len(before) == 96


def test_a_period_holds_the_intervals_that_end_in_it_its_own_end_included(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, range(96))])
    found = reader.items(
        "/devices/D1/intervals", start="2026-03-14T02:15:00+02:00", end="2026-03-14T00:45:00Z"
    )
    assert [i["end"][11:16] for i in found] == ["00:30", "00:45"]


def test_intervals_come_by_end_then_channel_and_the_pages_join(reader, device):
    two, one = channel_make(device, number=2), channel_make(device, number=1, seconds=3600)
    batch_post([entry_of(one, D, 0, range(24)), entry_of(two, D, 0, range(96))])
    whole = reader.items("/devices/D1/intervals", **ONE_DAY)
    assert whole == sorted(whole, key=lambda i: (i["end"], i["channel"]))
    assert len(whole) == 120
    for limit in (1, 7, 119, 120):
        assert reader.items("/devices/D1/intervals", limit=limit, **ONE_DAY) == whole
    only = reader.items("/devices/D1/intervals", channel=1, **ONE_DAY)
    assert only == [i for i in whole if i["channel"] == 1]
    assert reader.items("/devices/D1/intervals", channel=9, **ONE_DAY) == []


def test_far_apart_readings_are_found_in_few_calls(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, day_of(2011, 5, 1), 3, [1])])
    batch_post([entry_of(channel, day_of(2099, 5, 1), 3, [2])])
    wide = {"start": "2000-01-01T00:00:00Z", "end": "2199-12-31T00:00:00Z"}
    assert [i["value"] for i in reader.items("/devices/D1/intervals", **wide)] == ["0.001", "0.002"]


def test_a_call_that_has_read_its_fill_ends_its_page_and_says_where_to_go_on(
    reader, device, monkeypatch
):
    monkeypatch.setattr(intervals, "CALL_SLOTS", 100)
    monkeypatch.setattr(intervals, "STRETCH_SLOTS", 96)
    channel = channel_make(device)
    for day in (D, D + 3, D + 4):
        batch_post([entry_of(channel, day, 0, [day] * 96)])
    wide = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-25T00:00:00Z", "limit": 10}
    assert reader.get("/devices/D1/intervals", **wide).json()["items"] == []
    found = reader.items("/devices/D1/intervals", **wide)
    assert len(found) == 288
    assert found == sorted(found, key=lambda i: i["end"])


def test_a_withdrawn_slot_is_not_listed(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, [1, 2, 3])])
    batch_post([journal.withdrawal_entry(channel.pk, D, 1, 1)])
    values = [i["value"] for i in reader.items("/devices/D1/intervals", **ONE_DAY)]
    assert values == ["0.001", "0.003"]


def test_eras_of_one_number_are_read_as_one(reader, device):
    turn = datetime(2026, 3, 14, 12, tzinfo=UTC)
    old = channel_make(device, valid_to=turn)
    new = channel_make(device, valid_from=turn, seconds=3600, resolution=Decimal("0.25"))
    batch_post([entry_of(old, D, 46, [10, 20]), entry_of(new, D, 12, [3])])
    found = reader.items("/devices/D1/intervals", channel=1, limit=1, **ONE_DAY)
    assert [(i["end"][11:16], i["value"]) for i in found] == [
        ("11:45", "0.01"),
        ("12:00", "0.02"),
        ("13:00", "0.75"),
    ]


def test_without_a_period_the_last_day_is_shown(reader, device):
    channel = channel_make(device)
    now = int(timezone.now().timestamp())
    day, slot = now // DAY, now % DAY // 900
    batch_post([entry_of(channel, day - 3, 0, [1] * 96), entry_of(channel, day, 0, [2] * slot)])
    found = reader.items("/devices/D1/intervals")
    assert len(found) == slot
    assert {i["value"] for i in found} <= {"0.002"}


@pytest.mark.parametrize(
    ("params", "path", "code"),
    [
        ({"start": "2026-03-14T00:00:00"}, "start", "NAIVE_TIME"),
        ({"start": "2026-03-14"}, "start", "NAIVE_TIME"),
        ({"end": "2026-03-14T00:00:00.5Z"}, "end", "TIME_FRACTION"),
        ({"end": "1773446400"}, "end", "TIME"),
        ({"end": "nonsense"}, "end", "TIME"),
        ({"end": ""}, "end", "TIME"),
        ({"end": "0001-01-01T00:00:00+23:59"}, "end", "TIME_RANGE"),
        ({"end": "9999-12-31T23:59:59-23:59"}, "end", "TIME_RANGE"),
        ({"start": "2026-03-14T00:00:00Z", "end": "2026-03-14T00:00:00Z"}, "end", "PERIOD"),
        ({"channel": 0}, "channel", "GREATER_THAN_EQUAL"),
        ({"channel": "1.5"}, "channel", "INT_PARSING"),
        ({"limit": 10001}, "limit", "LESS_THAN_EQUAL"),
        ({"cursor": "garbage"}, "cursor", "CURSOR"),
        ({"cursor": "WzEsMiwiYSJd"}, "cursor", "CURSOR"),  # [1,2,"a"]
        ({"cursor": "Wy0xLDAsMF0"}, "cursor", "CURSOR"),  # [-1,0,0]
        ({"cursor": "Wzk5OTk5OTk5OTk5OTk5OTk5OTk5LDAsMF0"}, "cursor", "CURSOR"),
        ({"form": "2026-03-14T00:00:00Z"}, "form", "UNKNOWN"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(reader, device, params, path, code):
    channel_make(device)
    assert codes(reader.get("/devices/D1/intervals", **params)) == [(path, code)]


def test_an_offset_whose_plus_was_not_escaped_is_understood(reader, device):
    channel = channel_make(device)
    batch_post([entry_of(channel, D, 0, range(96))])
    found = reader.items(
        "/devices/D1/intervals", start="2026-03-14T02:00:00 02:00", end="2026-03-14T00:15:00Z"
    )
    assert len(found) == 1


def reads_of(device) -> list[tuple[int, RegisterRead]]:
    peak = datetime(2026, 3, 18, 21, 45, tzinfo=UTC)
    values = (
        RegisterValue("SUM", "KWH", "DEL", value=Decimal("45812.3470"), number=1, dials=6),
        RegisterValue("MAX", "KW", "DEL", value=Decimal("12.48"), number=2, peak_time=peak),
        RegisterValue("CUM", "KW", "DEL", status=int(Status.MISSING | Status.RAW), number=3),
    )
    read = RegisterRead(
        datetime(2026, 4, 1, 5, tzinfo=UTC),
        "SR",
        values,
        season=1,
        reset_count=17,
        reset_time=datetime(2026, 3, 1, 6, 5, tzinfo=UTC),
        source="NT",
    )
    later = [
        RegisterRead(read.time + timedelta(days=n), kind, values[:1])
        for n in (0, 1, 40)
        for kind in ("PDR", "CUR")
    ]
    return [(device.pk, r) for r in (read, *later)]


APRIL = {"start": "2026-04-01T05:00:00Z", "end": "2026-05-11T05:00:00Z"}


def test_a_register_read_comes_back_in_the_shape_it_was_posted_in(reader, device):
    batch_post([], reads_of(device))
    found = reader.items("/devices/D1/registers", type="SR", **APRIL)
    assert found == [
        {
            "time": "2026-04-01T05:00:00Z",
            "type": "SR",
            "revision": 0,
            "season": 1,
            "reset_count": 17,
            "reset_time": "2026-03-01T06:05:00Z",
            "source": "near-term",
            "values": [
                {
                    "no": 1,
                    "class": "SUM",
                    "uom": "KWH",
                    "flow": "DEL",
                    "rate": "T",
                    "value": "45812.347",
                    "status": "",
                    "dials": 6,
                },
                {
                    "no": 2,
                    "class": "MAX",
                    "uom": "KW",
                    "flow": "DEL",
                    "rate": "T",
                    "value": "12.48",
                    "status": "",
                    "peak_time": "2026-03-18T21:45:00Z",
                },
                {
                    "no": 3,
                    "class": "CUM",
                    "uom": "KW",
                    "flow": "DEL",
                    "rate": "T",
                    "value": None,
                    "status": "missing+raw",
                },
            ],
        }
    ]


def test_register_reads_come_by_time_and_type_and_the_pages_join(reader, device):
    batch_post([], reads_of(device))
    whole = reader.items("/devices/D1/registers", **APRIL)
    assert [(r["time"][:10], r["type"]) for r in whole] == [
        ("2026-04-01", "CUR"),
        ("2026-04-01", "PDR"),
        ("2026-04-01", "SR"),
        ("2026-04-02", "CUR"),
        ("2026-04-02", "PDR"),
    ]
    for limit in (1, 2, 4, 5):
        assert reader.items("/devices/D1/registers", limit=limit, **APRIL) == whole
    journal.fold_all()
    assert reader.items("/devices/D1/registers", **APRIL) == whole
    assert len(reader.items("/devices/D1/registers", **{**APRIL, "end": "2027-01-01T00:00Z"})) == 7


def test_a_changed_register_read_has_a_revision(reader, device):
    first = reads_of(device)[:1]
    batch_post([], first)
    changed = RegisterValue("SUM", "KWH", "DEL", value=Decimal(1), status=int(Status.EDITED))
    batch_post([], [(device.pk, RegisterRead(first[0][1].time, "SR", (changed,)))])
    (read,) = reader.items("/devices/D1/registers", **APRIL)
    assert (read["revision"], read["values"][0]["value"]) == (1, "1")
    assert read["values"][0]["status"] == "edited"


def test_an_unknown_read_type_is_refused(reader, device):
    assert codes(reader.get("/devices/D1/registers", type="XX")) == [("type", "LITERAL_ERROR")]


@given(st.integers(-(2**63), 2**63 - 1), st.integers(1, 10**18 - 1))
def test_a_value_is_exact_and_plain(count, billionths):
    text = count_text(count, Decimal(billionths).scaleb(-9))
    assert int(Decimal(text).scaleb(9, EXACT)) == count * billionths
    assert decimal_text(Decimal(text)) == text
    assert text.lstrip("-").replace(".", "", 1).isdigit()


@pytest.mark.parametrize(
    ("resolution", "text"),
    [("0.001", "-1.2"), ("1", "-1200"), ("1E+2", "-120000"), ("0.250000000", "-300")],
)
def test_a_resolution_of_any_spelling_scales(resolution, text):
    assert count_text(-1200, Decimal(resolution)) == text
