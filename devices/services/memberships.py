"""Changes of group membership, told to the apps above in the transaction that makes them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from devices.journal import sql
from devices.models import Device, Membership
from devices.services.imports.tables import text_set

Stay = tuple[datetime | None, datetime | None]


class MembershipChange(NamedTuple):
    """A stay in a group as it was and as it is now; None where there was, or is, none.

    Without a group: the device's time in the inventory, which ends when it is unprovisioned.
    """

    device_id: int
    group_id: int | None
    old: Stay | None
    new: Stay | None


def memberships_changed(changes: Sequence[MembershipChange]) -> None:
    """Tell the hooks of TMS_MEMBERSHIP_HOOKS; called after the rows were stored."""
    real = [change for change in changes if change.old != change.new]
    if real:
        for name in settings.TMS_MEMBERSHIP_HOOKS:
            import_string(name)(real)


def memberships_as_stored(rows: Iterable[Membership]) -> dict[int, Stay]:
    """The stays of rows as the database has them, by primary key."""
    stored = Membership.objects.filter(pk__in=[row.pk for row in rows if row.pk])
    return {
        pk: (start, end) for pk, start, end in stored.values_list("pk", "valid_from", "valid_to")
    }


class Whereabouts(NamedTuple):
    """When some devices are in which groups, and until when in the inventory."""

    stays: set[tuple[int, int, Stay]]
    ends: dict[int, datetime | None]


def whereabouts_of(device_ids: Sequence[str]) -> Whereabouts:
    """Where devices are, as stored."""
    found = Device.objects.filter(device_id__in=text_set(device_ids)).order_by()
    ends = dict(found.values_list("pk", "ended"))
    rows = Membership.objects.filter(device__in=sql.id_set(ends)).order_by()
    stays = rows.values_list("device_id", "group_id", "valid_from", "valid_to")
    return Whereabouts({(device, group, (low, high)) for device, group, low, high in stays}, ends)


def whereabouts_changes(was: Whereabouts, now: Whereabouts) -> list[MembershipChange]:
    """What lies between: of devices that are there before and after."""
    gone, come = was.stays - now.stays, now.stays - was.stays
    return [
        *(MembershipChange(device, group, stay, None) for device, group, stay in gone),
        *(MembershipChange(device, group, None, stay) for device, group, stay in come),
        *(
            MembershipChange(device, None, (None, was.ends[device]), (None, end))
            for device, end in now.ends.items()
        ),
    ]
