"""What the tests of events stand on."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import time_machine

from devices.models import Batch, Device, DeviceClass
from tests.events.arriving import NOON

RECEIVED = datetime(2026, 4, 2, 19, 31, 19, tzinfo=UTC)


@pytest.fixture
def device(db) -> Device:
    return Device.objects.create(
        device_id="SSI0004711",
        meter_number="S00123456",
        device_class=DeviceClass.objects.get_or_create(code="CENTRON")[0],
        time_zone="America/Chicago",
    )


@pytest.fixture
def batch_make(db) -> Callable[..., Batch]:
    def make(source: str = "near-term", received: datetime = RECEIVED) -> Batch:
        return Batch.objects.create(source=source, received=received, body_hash=b"\0" * 32)

    return make


@pytest.fixture
def clock():
    """Noon; `clock.shift(delta)` moves on."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller
