"""The examples of the two specifications, byte for byte."""

from datetime import date
from decimal import Decimal

import pytest

from devices.models import Device, Membership
from tests.devices.imports.files import GOLDEN, codes, device, group, result_bytes, send

pytestmark = pytest.mark.django_db


def test_devices_added_updated_deleted_and_damaged_by_a_spreadsheet():
    device("SSI0004711", notes="old")
    device("SSI0004600")
    job = send((GOLDEN / "devices1.csv").read_bytes())
    assert result_bytes(job) == (GOLDEN / "devices1_result.csv").read_bytes()
    added = Device.objects.get(device_id="SSI0004801")
    assert (added.meter_number, added.notes) == ("00123458", "New, pole 7")
    assert (added.latitude, added.longitude) == (Decimal("32.2988"), Decimal("-90.1848"))
    assert [channel.number for channel in added.channels.all()] == [1]
    assert Device.objects.get(device_id="SSI0004711").notes == ""
    assert Device.objects.get(device_id="SSI0004600").state == "unprovisioned"


def test_semicolons_decimal_commas_and_a_date_without_order():
    body = (GOLDEN / "devices2.csv").read_bytes()
    assert codes(send(body)) == ["ERROR DEV18"]
    assert codes(send(body, date_order="MDY")) == ["OK"]
    added = Device.objects.get(device_id="SSI0004803")
    assert (added.meter_number, added.install_date) == ("00123460", date(2024, 4, 1))
    assert added.installations.get().multiplier == Decimal("1.5")


def test_a_header_without_its_key_refuses_the_file():
    job = send("Action,MeterNumber\r\n")
    expected = "\ufeffAction,MeterNumber,RowNumber,Result,Code,Message\r\n"
    expected += ",,0,ERROR,DEV02,required column DeviceID missing\r\n"
    assert result_bytes(job) == expected.encode()


def _groups() -> bytes:
    device("SSI0004711", "00123456", ("CYCLE05",))
    device("SSI0004600", groups=("CYCLE05",))
    device("SSI0004601")
    for code in ("CYCLE05", "CYCLE06"):
        group(code)
    group("SOLAR", "GENERAL")
    # The specification's installation has no such cycle; ours ships with it.
    group("CYCLE09").delete()
    return (GOLDEN / "groups1.csv").read_bytes()


def test_groups_moved_added_and_removed():
    job = send(_groups(), "groups")
    assert result_bytes(job) == (GOLDEN / "groups1_result.csv").read_bytes()
    stays = Membership.objects.filter(device__device_id="SSI0004711").order_by("valid_from")
    assert [stay.group.code for stay in stays] == ["CYCLE05", "CYCLE06"]
    assert stays[0].valid_to == stays[1].valid_from


def test_the_same_groups_again_change_nothing():
    body = _groups()
    first = send(body, "groups")
    count = Membership.objects.count()
    again = send(body, "groups")
    assert again.message == f"same file as import {first.batch}"
    warned, refused = "WARN GRP51", "ERROR GRP03"
    assert codes(again) == [
        *("WARN GRP55", warned, refused, warned, warned, "ERROR GRP05", "ERROR GRP07"),
    ]
    assert Membership.objects.count() == count


def test_a_move_on_a_date_takes_effect_at_local_midnight():
    _groups()
    job = send(
        "Action,DeviceID,GroupCode,EffectiveDate\r\nM,SSI0004600,CYCLE06,2024-11-03", "groups"
    )
    assert codes(job) == ["OK"]
    left, entered = Membership.objects.filter(device__device_id="SSI0004600").order_by("valid_from")
    assert left.valid_to == entered.valid_from
    assert f"{entered.valid_from:%FT%TZ}" == "2024-11-03T05:00:00Z"
