"""The inventory over HTTP: pages, filters, what a key may see, errors."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from devices.models import Device, FunctionalGroup, Installation, Membership
from tests.devices.callers import Caller, codes, key_make
from tests.devices.factories import channel_make, device_make

pytestmark = pytest.mark.django_db

NOW = timezone.now()
AGO = NOW - timedelta(days=10)


@pytest.fixture
def reader() -> Caller:
    return Caller(key_make("read", name="reader"))


def group_make(code: str, *devices: Device, until=None) -> FunctionalGroup:
    group = FunctionalGroup.objects.create(code=code)
    for device in devices:
        Membership.objects.create(device=device, group=group, valid_from=AGO, valid_to=until)
    return group


def ids(items: list[dict]) -> list[str]:
    return [item["device"] for item in items]


def test_a_device_shows_its_identifiers_place_groups_and_channels(reader):
    device = device_make("D1", meter_number="M1", serial_number="S1", state="provisioned")
    channel_make(device, number=2, unit="KVARH", resolution=Decimal("0.25"))
    channel_make(device, number=1, multiplier=Decimal(40), multiplier_applied=False)
    group_make("NORTH", device)
    group_make("LEFT", device, until=NOW - timedelta(days=1))
    Installation.objects.create(
        device=device, valid_from=AGO, account_id="A1", feeder_id="F1", multiplier=Decimal("1.5")
    )
    answer = reader.get("/devices/D1").json()
    assert answer["channels"][0] == {
        "channel": 1,
        "uom": "KWH",
        "flow": "DEL",
        "seconds": 900,
        "value_type": "U",
        "resolution": "0.001",
        "multiplier": "40",
        "multiplier_applied": False,
        "valid_from": None,
        "valid_to": None,
    }
    assert [c["resolution"] for c in answer["channels"]] == ["0.001", "0.25"]
    assert answer["groups"] == ["NORTH"]
    assert (answer["account_id"], answer["feeder_id"], answer["multiplier"]) == ("A1", "F1", "1.5")
    assert (answer["device"], answer["meter_number"]) == ("D1", "M1")
    assert (answer["status"], answer["device_class"]) == ("provisioned", "TEST")


def test_pages_of_devices_follow_each_other_without_gap_or_repeat(reader):
    for n in range(7):
        device_make(f"D{n}")
    first = reader.get("/devices", limit=3).json()
    assert ids(first["items"]) == ["D0", "D1", "D2"]
    assert ids(reader.items("/devices", limit=3)) == [f"D{n}" for n in range(7)]
    assert reader.get("/devices", limit=7).json()["next"] is None


def test_devices_are_filtered_by_group_status_and_beginning(reader):
    one = device_make("AB1", state="provisioned")
    two = device_make("AB2", meter_number="X77")
    three = device_make("AC3", state="unprovisioned")
    group_make("G", one, two)
    group_make("OLD", three, until=NOW - timedelta(days=1))
    assert ids(reader.items("/devices", group="G")) == ["AB1", "AB2"]
    assert ids(reader.items("/devices", group="OLD")) == []
    assert ids(reader.items("/devices", group="NONE")) == []
    assert ids(reader.items("/devices", status="unprovisioned")) == ["AC3"]
    assert ids(reader.items("/devices", q="AB")) == ["AB1", "AB2"]
    assert ids(reader.items("/devices", q="X7")) == ["AB2"]
    assert ids(reader.items("/devices", q="%")) == []
    assert ids(reader.items("/devices", group="G", status="placed", q="AB")) == ["AB2"]


def test_a_page_takes_as_many_queries_for_many_devices_as_for_one(
    reader, django_assert_num_queries
):
    # The key, its groups, devices; installations, memberships and channels of the page.
    reader.get("/devices")
    for count in (1, 20):
        for n in range(count):
            device = device_make(f"Q{count}-{n}")
            channel_make(device)
            group_make(f"{count}-{n}", device)
        with django_assert_num_queries(6):
            assert reader.get("/devices", limit=500).status_code == 200


@pytest.mark.parametrize(
    ("params", "path", "code"),
    [
        ({"limit": 0}, "limit", "GREATER_THAN_EQUAL"),
        ({"limit": 501}, "limit", "LESS_THAN_EQUAL"),
        ({"limit": "x"}, "limit", "INT_PARSING"),
        ({"status": "gone"}, "status", "LITERAL_ERROR"),
        ({"cursor": "garbage"}, "cursor", "CURSOR"),
        ({"cursor": "é"}, "cursor", "CURSOR"),
        ({"cursor": "WzEsMl0"}, "cursor", "CURSOR"),  # [1,2]
        ({"cursor": "WyJhXHUwMDAwIl0"}, "cursor", "CURSOR"),  # ["a\u0000"]
        ({"cursor": "W" * 201}, "cursor", "STRING_TOO_LONG"),
        ({"q": "a\0b"}, "q", "STRING_PATTERN_MISMATCH"),
        (
            {"group": "\udcff".encode("utf-8", "surrogateescape")},
            "group",
            "STRING_PATTERN_MISMATCH",
        ),
        ({"groop": "G"}, "groop", "UNKNOWN"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named(reader, params, path, code):
    assert codes(reader.get("/devices", **params)) == [(path, code)]


@pytest.mark.parametrize("device_id", ["NONE", "a%00b", "%FF", "x" * 500, "..", "é"])
def test_an_unknown_device_is_404(reader, device_id):
    for call in ("", "/intervals", "/registers"):
        answer = reader.get(f"/devices/{device_id}{call}")
        assert answer.status_code == 404
        assert "detail" in answer.json()


def test_a_key_limited_to_groups_sees_only_their_present_devices():
    inside, left, outside = device_make("IN"), device_make("LEFT"), device_make("OUT")
    group = group_make("MINE", inside)
    other = FunctionalGroup.objects.create(code="OTHER")
    Membership.objects.create(
        device=left, group=group, valid_from=AGO, valid_to=NOW - timedelta(days=1)
    )
    Membership.objects.create(device=outside, group=other, valid_from=AGO)
    caller = Caller(key_make("read", groups=(group,)))
    assert ids(caller.items("/devices")) == ["IN"]
    assert caller.get("/devices/IN").status_code == 200
    for device_id in ("LEFT", "OUT"):
        for call in ("", "/intervals", "/registers"):
            assert caller.get(f"/devices/{device_id}{call}").status_code == 404
