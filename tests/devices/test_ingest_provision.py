"""Devices and channels that a batch brings: made as the batch, the caller and the class say."""

from decimal import Decimal

import pytest
from django.conf import settings

from devices import blocks
from devices.models import (
    Channel,
    ChannelTemplate,
    Device,
    DeviceClass,
    Installation,
)
from devices.services.ingest import Provision
from tests.devices.factories import channel_make, device_make
from tests.devices.posting import START, answer, at_start, post, refused

pytestmark = pytest.mark.django_db
PROVISION = Provision("METER")
RUN = {"start": START, "seconds": 900, "uom": "KWH", "counts": [1, 2]}


@pytest.fixture(autouse=True)
def meter_class():
    made = DeviceClass.objects.create(code="METER")
    for number, unit, resolution, value_type in (
        (1, "KWH", "0.01", "U"),
        (4, "V", "0.1", "P"),
    ):
        ChannelTemplate.objects.create(
            device_class=made, number=number, unit=unit, seconds=3600, value_type=value_type,
            resolution=Decimal(resolution), by_default=True,
        )  # fmt: skip
    return made


def bring(run, provision=PROVISION, **members):
    """The one channel that a run brings with its device."""
    post({"device": "NEW", **members, "intervals": [run]}, provision=provision)
    return Channel.objects.get()


def test_a_device_is_made_with_the_channels_that_come_and_no_others():
    said = answer({"device": "NEW", "intervals": [RUN]}, provision=PROVISION)
    assert said["created"] == {"devices": 1, "channels": 1}
    device, channel = Device.objects.get(), Channel.objects.get()
    assert (device.device_id, device.meter_number, device.serial_number) == ("NEW", "NEW", "")
    assert (device.device_class.code, device.state) == ("METER", "provisioned")
    assert device.time_zone == settings.TIME_ZONE
    assert device.history.count() == 1
    # Number, value type and resolution from the template, the length from the batch.
    assert (channel.number, channel.unit, channel.flow) == (1, "KWH", "DEL")
    assert (channel.seconds, channel.value_type, channel.resolution) == (900, "U", Decimal("0.01"))
    assert (channel.multiplier, channel.multiplier_applied) == (None, True)
    assert at_start(channel, 2) == [(1, 0), (2, 0)]
    assert Installation.objects.get().valid_to is None


def test_what_the_batch_states_goes_before_the_caller_and_the_template():
    run = {**RUN, "channel": 7, "resolution": "0.5", "value_type": "P", "multiplier": 40}
    channel = bring(run, Provision("METER", Decimal("0.25")))
    assert (channel.number, channel.resolution, channel.value_type) == (7, Decimal("0.5"), "P")
    assert (channel.multiplier, channel.multiplier_applied) == (Decimal(40), True)


def test_what_the_caller_states_goes_before_the_template():
    channel = bring(RUN, Provision("METER", Decimal("0.25"), "America/Chicago"))
    assert channel.resolution == Decimal("0.25")
    assert channel.device.time_zone == "America/Chicago"
    assert channel.grid_offset == -21600


def test_without_a_template_the_number_is_free_and_the_rest_plain():
    channel = bring({**RUN, "uom": "GAL"})
    assert (channel.number, channel.value_type) == (2, "U")  # 1 is the template's
    assert channel.resolution == Decimal("0.001")


def test_a_channel_named_by_number_alone_is_that_of_the_template():
    channel = bring({"start": START, "seconds": 900, "channel": 4, "values": ["230.1"]})
    assert (channel.unit, channel.value_type, channel.seconds) == ("V", "P", 900)
    Channel.objects.all().delete()
    Device.objects.all().delete()
    assert bring({"start": START, "channel": 1, "counts": [1]}).seconds == 3600


def test_a_template_whose_number_is_taken_gives_the_rest():
    device = device_make("NEW")
    channel_make(device, number=1, unit="GAL")
    device.device_class = DeviceClass.objects.get(code="METER")
    device.save()
    post({"device": "NEW", "intervals": [RUN]}, provision=PROVISION)
    channel = Channel.objects.get(unit="KWH")
    assert (channel.number, channel.resolution) == (2, Decimal("0.01"))


def test_a_known_device_gets_the_channel_that_it_lacks():
    channel_make(device_make("NEW"))
    said = answer(
        {"device": "NEW", "intervals": [RUN, {**RUN, "flow": "REC"}]}, provision=PROVISION
    )
    assert said["created"] == {"devices": 0, "channels": 1}
    assert Channel.objects.get(flow="REC").number == 2


@pytest.mark.parametrize("zone", ["America/Chicago", "Europe/Dublin"])
def test_a_one_day_channel_follows_the_zone_of_its_device(zone):
    start = {"America/Chicago": "2026-03-14T05:00:00Z", "Europe/Dublin": START}[zone]
    channel = bring({**RUN, "seconds": 86400, "start": start}, time_zone=zone)
    assert (channel.zone, channel.device.time_zone) == (zone, zone)
    assert channel.grid_offset == blocks.standard_offset(zone, 2026)


@pytest.mark.parametrize("name", ["meter_number", "serial_number"])
def test_an_identifier_that_is_required_takes_the_one_there_is(name):
    post({name: "X1", "registers": [{"time": START, "values": [{"uom": "GAL", "value": 1}]}]},
         provision=PROVISION)  # fmt: skip
    device = Device.objects.get()
    assert (device.device_id, device.meter_number) == ("X1", "X1")
    assert device.serial_number == ("X1" if name == "serial_number" else "")


def test_places_go_into_the_installation_and_the_class_may_be_stated():
    DeviceClass.objects.create(code="OTHER")
    bring(RUN, service_point_id="SP1", account_id="AC1", premise_id="PR1", transformer_id="T1",
          feeder_id="F1", device_class="OTHER", serial_number="S1", meter_number="M1")  # fmt: skip
    place = Installation.objects.get()
    assert (place.service_point_id, place.account_id, place.premise_id) == ("SP1", "AC1", "PR1")
    assert (place.transformer_id, place.feeder_id) == ("T1", "F1")
    assert place.device.device_class.code == "OTHER"
    assert (place.device.meter_number, place.device.serial_number) == ("M1", "S1")


def test_one_batch_may_bring_a_device_in_parts():
    second = {**RUN, "start": "2026-03-14T00:30:00Z"}
    said = answer(
        {"device": "NEW", "intervals": [RUN]},
        {"device": "NEW", "intervals": [second]},
        {"device": "NEW", "events": [{"code": "PWR_OUTAGE", "time": START}]},
        provision=PROVISION,
    )
    assert said["created"] == {"devices": 1, "channels": 1}
    assert (said["devices"], said["intervals"], said["events"]) == (1, 4, 1)


def test_only_what_good_meters_use_is_made():
    said = answer(
        {"device": "GOOD", "intervals": [RUN]},
        {"device": "GOOD", "intervals": [{**RUN, "uom": "GAL", "counts": []}]},
        {"device": "BAD", "intervals": [{**RUN, "counts": []}]},
        provision=PROVISION,
        on_error="meter",
    )
    assert said["created"] == {"devices": 1, "channels": 1}
    assert list(Device.objects.values_list("device_id", flat=True)) == ["GOOD"]


WRONG = [
    ({"device": "X" * 21}, "device", "BAD_IDENTIFIER"),
    ({"serial_number": "X" * 24}, "device_id", "BAD_IDENTIFIER"),
    ({"device": "N", "account_id": "é"}, "account_id", "BAD_IDENTIFIER"),
    ({"device": "N", "meter_number": "M1"}, "meter_number", "INVENTORY_MISMATCH"),
    ({"device": "M1"}, "meter_number", "INVENTORY_MISMATCH"),
    ({"device": "N", "time_zone": "Mars/Olympus"}, "time_zone", "UNKNOWN_ZONE"),
    ({"device": "N", "device_class": "NONE"}, "device_class", "UNKNOWN_CLASS"),
    ({"device": "N", "intervals": [{"start": START, "counts": [1], "channel": 9}]},
     "intervals[0].uom", "NOT_ENOUGH"),
    ({"device": "N", "intervals": [{"start": START, "counts": [1], "uom": "GAL"}]},
     "intervals[0].seconds", "NOT_ENOUGH"),
    ({"device": "N", "intervals": [{**RUN, "seconds": 901}]},
     "intervals[0].seconds", "BAD_SECONDS"),
    ({"device": "N", "intervals": [{**RUN, "uom": "MWH"}]}, "intervals[0].uom", "UNKNOWN_UNIT"),
    ({"device": "N", "intervals": [{**RUN, "flow": "IN"}]}, "intervals[0].flow", "UNKNOWN_FLOW"),
    ({"device": "N", "intervals": [{**RUN, "uom": "V", "flow": "REC"}]},
     "intervals[0].flow", "UNKNOWN_FLOW"),
    ({"device": "N", "intervals": [{**RUN, "value_type": "X"}]},
     "intervals[0].value_type", "BAD_VALUE"),
    *(
        ({"device": "N", "intervals": [{**RUN, "resolution": wrong}]},
         "intervals[0].resolution", "OUT_OF_RANGE")
        for wrong in ("0", "-1", "NaN", "1e-10", "1e10")
    ),
    ({"device": "N", "intervals": [{**RUN, "multiplier": "0.00001"}]},
     "intervals[0].multiplier", "OUT_OF_RANGE"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "member", "code"), WRONG)
def test_what_cannot_be_made(said, member, code):
    device_make("A", meter_number="M1")
    assert refused(said, provision=PROVISION) == [(f"meters[0].{member}", code)]


def test_two_new_devices_cannot_have_one_meter_number():
    one, two = ({"device": name, "meter_number": "M1"} for name in ("N1", "N2"))
    assert refused(one, two, provision=PROVISION) == [
        ("meters[1].meter_number", "INVENTORY_MISMATCH")
    ]


def test_a_class_that_is_not_there():
    assert refused({"device": "N"}, provision=Provision("NONE")) == [
        ("meters[0].device_class", "UNKNOWN_CLASS")
    ]


def test_a_meter_number_of_an_unprovisioned_device_is_free():
    device_make("OLD", meter_number="M1", state="unprovisioned")
    run = {"device": "NEW", "meter_number": "M1", "intervals": [RUN]}
    assert answer(run, provision=PROVISION)["created"]["devices"] == 1
