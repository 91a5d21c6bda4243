"""Devices as columns are the devices that they were."""

import pytest

from devices.readings import DeviceInfo
from devices.rosters import Roster, column_of

PLAIN = [DeviceInfo(f"D{n}", f"M{n}", groups=("A",) * n) for n in range(3)]
COLUMNS = Roster(list(zip(*PLAIN, strict=True)))


def test_devices_come_one_by_one_and_in_parts():
    assert list(COLUMNS) == PLAIN
    assert (len(COLUMNS), COLUMNS[-1], list(COLUMNS[1:])) == (3, PLAIN[2], PLAIN[1:])
    assert list(COLUMNS.take([2, 0])) == [PLAIN[2], PLAIN[0]]
    assert PLAIN[1] in COLUMNS


@pytest.mark.parametrize("devices", [PLAIN, COLUMNS])
def test_a_field_of_all_is_had_without_them(devices):
    assert list(column_of(devices, "meter_number")) == ["M0", "M1", "M2"]
