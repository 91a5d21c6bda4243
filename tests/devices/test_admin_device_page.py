"""The page of a device, and its form."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from devices.models import Device, Installation, Membership
from devices.services.secrets import secret_seal
from tests.devices import fleet
from tests.people import log_in

pytestmark = pytest.mark.django_db
LAST = datetime(2026, 11, 8, 6, tzinfo=UTC)


@pytest.fixture
def operator(client):
    log_in(client, "Operator")
    return client


def page_of(client, device: Device, **params) -> str:
    answer = client.get(f"/devices/device/{device.pk}/change/", params)
    assert answer.status_code == 200
    return answer.content.decode()


# --- looking -------------------------------------------------------------------------------------


def test_the_page_shows_who_the_device_is_and_what_it_brought(operator):
    page = page_of(operator, fleet.make_story(LAST))
    for said in ("SSI0004711", "M00004711", "ACC0004711", "SP00004711", "CYCLE01"):
        assert said in page
    assert page.count('class="plot curve"') == 3
    assert "Channel 1: active energy, delivered to the customer" in page
    assert "45812.347" in page
    assert "40 missing" in page
    assert "25 h day" in page  # the week has the first of November


def test_the_page_shows_what_is_recorded_but_never_the_pin(operator):
    device = fleet.make_devices(1)[0]
    page = page_of(operator, device)
    assert "Communication" not in page
    assert "Unprovisioned</dt>" not in page
    Device.objects.filter(pk=device.pk).update(
        comm_type="LTE",
        comm_address="10.0.0.7",
        address="1 Main St",
        city="Jackson",
        postal_code="39201",
        region="MS",
        phase="ABC",
        latitude=Decimal("32.2988"),
        longitude=Decimal("-90.1848"),
        ct_ratio=Decimal(40),
        pt_ratio=Decimal(1),
        install_date=LAST.date(),
        removal_date=LAST.date(),
        schedule_profile="HOURLY",
        provision_at=LAST,
        pin=secret_seal("4711"),
        state="unprovisioned",
        ended=LAST,
    )
    page = page_of(operator, device)
    for said in (
        *("LTE 10.0.0.7", "1 Main St, 39201 Jackson, MS", "32.2988, -90.1848", "CT 40, PT 1"),
        *("<dd>ABC</dd>", "<dd>2026-11-08</dd>", "HOURLY", "2026-11-08 00:00"),
        "Unprovisioned</dt>",
    ):
        assert said in page
    assert "4711" not in page
    assert Device.objects.get(pk=device.pk).pin not in page


def test_the_page_ends_with_the_newest_readings_not_with_today(operator):
    page = page_of(operator, fleet.make_story(LAST), period="day")
    assert "7 Nov 2026" in page


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"from": "x", "to": "2026-11-01"}, "Choose both days from the calendar"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "Swap them"),
        ({"from": "0001-01-01", "to": "2026-11-01"}, "between the years 2000 and 2100"),
        ({"from": "2020-01-01", "to": "2026-11-01"}, "at most 400 days"),
    ],
)
def test_a_period_that_cannot_be_says_how_to_mend_it(operator, query, said):
    assert said in page_of(operator, fleet.make_story(LAST), period="custom", **query)


def test_a_long_period_is_drawn_as_an_envelope(operator):
    (device,) = fleet.make_devices(1)
    fleet.store_days(fleet.make_channel(device), LAST - timedelta(days=60), fleet.load_shape(60))
    page = page_of(
        operator, device, **{"period": "custom", "from": "2026-09-10", "to": "2026-11-07"}
    )
    assert 'class="envelope"' in page


def test_what_a_device_lacks_says_what_to_do(operator):
    page = page_of(
        operator,
        Device.objects.create(
            device_id="BARE", meter_number="BARE", device_class=fleet.make_class(), time_zone="UTC"
        ),
    )
    for said in ("This device has no channels", "Not installed anywhere yet", "In no group"):
        assert said in page


def test_the_batches_of_the_period_are_listed(operator):
    (device,) = fleet.make_devices(1)
    channel = fleet.make_channel(device)
    old = fleet.store_days(channel, LAST - timedelta(days=20), fleet.load_shape(1))
    new = fleet.store_days(channel, LAST - timedelta(days=1), fleet.load_shape(1))
    page = page_of(operator, device, period="day")
    assert f"/devices/batch/{new.pk}/change/" in page
    assert f"/devices/batch/{old.pk}/change/" not in page


def test_other_apps_add_sections_by_name(operator, settings):
    settings.TMS_DEVICE_SECTIONS = [f"{__name__}.a_section", f"{__name__}.no_section"]
    page = page_of(operator, fleet.make_story(LAST))
    assert "Sevens" in page
    assert "Worker" not in page


def a_section(request, device):
    return {"title": "Sevens", "template": "devices/cards/figures.html", "context": {}}


def no_section(request, device):
    return None


def test_an_unknown_device_is_not_found(operator):
    assert operator.get("/devices/device/999/change/").status_code == 404
    assert operator.get("/devices/device/x/change/").status_code == 404


def test_the_history_says_who_changed_what(operator):
    (device,) = fleet.make_devices(1)
    device = Device.objects.get(pk=device.pk)
    device.save()
    device.notes = "behind the garage"
    device.save()
    page = operator.get(f"/devices/device/{device.pk}/history/").content.decode()
    assert "behind the garage" in page
    assert "style=" not in page


# --- editing -------------------------------------------------------------------------------------


def form_of(device: Device, **changed: str) -> dict[str, str]:
    """What the form sends: the device, one installation, one membership, one empty row each."""
    place, stay = device.installations.get(), device.memberships.get()
    return {
        "meter_number": device.meter_number,
        "serial_number": device.serial_number,
        "device_class": str(device.device_class_id),
        "time_zone": device.time_zone,
        "state": device.state,
        "notes": device.notes,
        **_management("installations", 2, 1),
        "installations-0-id": str(place.pk),
        "installations-0-device": str(device.pk),
        **_dates("installations-0-valid_from", "2024-01-01"),
        **_dates("installations-0-valid_to", ""),
        "installations-0-account_id": place.account_id,
        "installations-0-multiplier": "1",
        "installations-1-multiplier": "1",
        "installations-1-device": str(device.pk),
        **_management("memberships", 2, 1),
        "memberships-0-id": str(stay.pk),
        "memberships-0-device": str(device.pk),
        "memberships-0-group": str(stay.group_id),
        **_dates("memberships-0-valid_from", "2024-01-01"),
        **_dates("memberships-0-valid_to", ""),
        "memberships-1-device": str(device.pk),
        **changed,
    }


def _management(prefix: str, total: int, initial: int) -> dict[str, str]:
    return {
        f"{prefix}-TOTAL_FORMS": str(total),
        f"{prefix}-INITIAL_FORMS": str(initial),
    }


def _dates(name: str, day: str) -> dict[str, str]:
    return {f"{name}_0": day, f"{name}_1": "00:00:00" if day else ""}


def edit(client, device: Device, **changed: str):
    return client.post(f"/devices/device/{device.pk}/edit/", form_of(device, **changed))


def test_an_edit_leads_back_to_the_page(operator):
    (device,) = fleet.make_devices(1)
    answer = edit(operator, device, notes="behind the garage")
    assert answer.headers["Location"] == f"/devices/device/{device.pk}/change/"
    device.refresh_from_db()
    assert device.notes == "behind the garage"
    assert device.history.latest().history_user.username == "operator"


def test_the_device_id_is_not_edited(operator):
    (device,) = fleet.make_devices(1)
    edit(operator, device, device_id="OTHER")
    assert Device.objects.get(pk=device.pk).device_id == "SSI0000000"


def test_a_meter_exchange_ends_one_installation_and_begins_another(operator):
    (device,) = fleet.make_devices(1)
    changed = {
        **_dates("installations-0-valid_to", "2026-05-01"),
        **_dates("installations-1-valid_from", "2026-05-01"),
        "installations-1-account_id": "NEWTENANT",
    }
    assert edit(operator, device, **changed).status_code == 302
    assert [row.account_id for row in device.installations.all()] == ["ACC0000000", "NEWTENANT"]


def test_overlapping_installations_are_refused_in_words(operator):
    (device,) = fleet.make_devices(1)
    changed = {
        **_dates("installations-0-valid_to", "2026-05-02"),
        **_dates("installations-1-valid_from", "2026-05-01"),
    }
    page = edit(operator, device, **changed).content.decode()
    assert "Two installations overlap from 2026-05-01 00:00 UTC" in page
    assert Installation.objects.count() == 1


def test_a_second_bill_cycle_at_a_time_is_refused_in_words(operator):
    (device,) = fleet.make_devices(1)
    changed = {
        "memberships-1-group": str(fleet.make_group("CYCLE02").pk),
        **_dates("memberships-1-valid_from", "2026-05-01"),
    }
    page = edit(operator, device, **changed).content.decode()
    assert "Two bill cycles overlap" in page
    assert Membership.objects.count() == 1


def test_an_end_before_the_beginning_is_refused_in_words(operator):
    (device,) = fleet.make_devices(1)
    changed = _dates("installations-0-valid_to", "2023-05-02")
    page = edit(operator, device, **changed).content.decode()
    assert "The end must be later than the beginning." in page


def test_a_group_may_be_joined_beside_the_bill_cycle(operator):
    (device,) = fleet.make_devices(1)
    changed = {
        "memberships-1-group": str(fleet.make_group("NORTH", "GENERAL").pk),
        **_dates("memberships-1-valid_from", "2026-05-01"),
    }
    assert edit(operator, device, **changed).status_code == 302
    assert device.memberships.get(group__code="NORTH").kind == "GENERAL"


def test_a_new_device_gets_the_channels_of_its_class(operator):
    device_class = fleet.make_class("I210")
    form = {
        "device_id": "NEW1",
        "meter_number": "M-NEW1",
        "serial_number": "",
        "device_class": str(device_class.pk),
        "time_zone": fleet.ZONE,
    }
    answer = operator.post("/devices/device/add/", form)
    device = Device.objects.get(device_id="NEW1")
    assert answer.headers["Location"] == f"/devices/device/{device.pk}/change/"
    assert (device.state, device.history.get().history_user.username) == ("provisioned", "operator")
    assert [channel.seconds for channel in device.channels.all()] == [3600]


def test_a_device_that_cannot_be_says_why(operator):
    form = {"device_id": "é", "meter_number": "M1", "device_class": "", "time_zone": "Mars/Base"}
    page = operator.post("/devices/device/add/", form).content.decode()
    for said in ("is not printable ASCII", "This field is required", "is not an IANA time zone"):
        assert said in page
