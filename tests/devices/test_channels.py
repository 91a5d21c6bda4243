"""Channels are immutable once they hold data; a change opens a new era."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from devices.models import Channel
from devices.models.inventory import ChannelFrozen
from devices.readings import DAY
from devices.services.channels import channel_change, channel_create
from tests.devices.factories import (
    batch_post,
    channel_make,
    day_of,
    day_read,
    device_make,
    entry_of,
    shown,
)

pytestmark = pytest.mark.django_db

D = day_of(2026, 3, 14)
AT = datetime(2026, 3, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": Decimal("0.01")},
        {"seconds": 3600},
        {"grid_offset": 3600},
        {"zone": "Europe/London"},
        {"unit": "KVARH"},
    ],
)
def test_an_edit_of_what_readings_depend_on_is_refused(change):
    channel = channel_make()
    for name, value in change.items():
        setattr(channel, name, value)
    with pytest.raises(ChannelFrozen, match=next(iter(change))):
        channel.save()
    with pytest.raises(ChannelFrozen):
        Channel.objects.filter(pk=channel.pk).update(**change)
    channel.refresh_from_db()
    channel.save()  # as it was: nothing to refuse


def test_a_new_channel_lies_on_the_standard_time_of_its_zone():
    device = device_make(time_zone="America/Chicago")
    summer = datetime(2026, 7, 1, tzinfo=UTC)
    channel = channel_create(device, number=1, unit="KWH", seconds=900, opened=summer)
    daily = channel_create(device, number=2, unit="V", seconds=DAY, opened=summer)
    assert (channel.grid_offset, channel.zone, channel.value_type) == (-6 * 3600, "", "U")
    assert (daily.zone, daily.value_type) == ("America/Chicago", "V")
    with pytest.raises(ValidationError, match="999"):
        channel_create(device, number=1000, unit="KWH", seconds=900, opened=summer)


def test_a_change_opens_a_new_era_and_the_old_readings_keep_their_meaning():
    old = channel_make(device_make())
    batch_post([entry_of(old, D, 95, [7])])
    new = channel_change(old, at=AT, seconds=3600, resolution=Decimal("0.01"))
    old.refresh_from_db()
    assert (old.valid_to, new.valid_from, new.number) == (AT, AT, old.number)
    assert (new.seconds, new.resolution, new.unit) == (3600, Decimal("0.01"), "KWH")
    batch_post([entry_of(new, D + 1, 0, [8])])
    assert shown(day_read(old, D)) == [(7, 0, 0)]
    assert shown(day_read(new, D + 1)) == [(8, 0, 0)]


def test_a_change_that_would_orphan_readings_is_refused():
    channel = channel_make(device_make())
    batch_post([entry_of(channel, D + 1, 3, [7])])
    with pytest.raises(ValidationError, match="holds readings from after 2026-03-15"):
        channel_change(channel, at=AT, seconds=3600)
    channel_change(channel, at=datetime(2026, 3, 15, 1, tzinfo=UTC), seconds=3600)


def test_a_closed_or_later_begun_channel_is_not_changed_again():
    channel = channel_make(device_make())
    era = channel_change(channel, at=AT, seconds=3600)
    with pytest.raises(ValidationError, match="was closed"):
        channel_change(channel, at=AT, seconds=1800)
    with pytest.raises(ValidationError, match="began only"):
        channel_change(era, at=AT, seconds=1800)
    with pytest.raises(ValidationError, match="no number"):
        channel_change(era, at=AT, number=4)
