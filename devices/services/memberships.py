"""Changes of group membership, told to the apps above in the transaction that makes them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from devices.models import Membership

Stay = tuple[datetime | None, datetime | None]


class MembershipChange(NamedTuple):
    """A stay in a group as it was and as it is now; None where there was, or is, none."""

    device_id: int
    group_id: int
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
