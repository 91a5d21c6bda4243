"""What comes into the selection of a since-last export by a change of it, or of a membership.

Readings that were stored before and have never been sent by this definition are owed from then on
(promise P2): a backlog row for each channel, over the days of the stretches of time that are new.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.journal import sql
from devices.models import Channel, Device, Membership
from devices.rows import rows_insert
from devices.services.memberships import MembershipChange, Stay
from exports.models import Backlog, ExportDefinition
from exports.models.definitions import SINCE_LAST, flow_formats
from exports.scope import Selection
from exports.services.backlog import day_bounds

Window = tuple[int, int]  # epoch seconds (start, end]
ALWAYS: Window = (-(1 << 40), 1 << 40)
DEVICES_AT_ONCE = 5000
PLACE = ("device_id", "channel_id", "first_day", "last_day")  # of a backlog row


def memberships_changed(changes: Sequence[MembershipChange]) -> None:
    """Called in the transaction that changed memberships, after they were stored."""
    touched = {change.group_id for change in changes}
    definitions = ExportDefinition.objects.filter(period=SINCE_LAST, cursor__gt=0)
    definitions = definitions.exclude(format__in=flow_formats())
    if None not in touched:
        definitions = definitions.filter(groups__in=touched).distinct()
    for definition in definitions:
        groups = set(definition.groups.values_list("pk", flat=True))
        mine: dict[int, list[MembershipChange]] = {}
        for change in changes:
            if change.group_id is None or change.group_id in groups:
                mine.setdefault(change.device_id, []).append(change)
        _changed_for(definition, groups, mine)


def _changed_for(
    definition: ExportDefinition,
    groups: set[int],
    changes: Mapping[int, Sequence[MembershipChange]],
) -> None:
    devices = set(changes)
    if definition.devices.exists():
        devices &= set(definition.devices.values_list("pk", flat=True))
    members = Membership.objects.filter(group__in=groups, device__in=sql.id_set(devices))
    stays, ends = _stays(members), _ends(devices)
    added = {}
    for device in devices:
        after = stays.get(device, []) if groups else [ALWAYS]
        before, end = list(after), ends[device]
        for change in changes[device]:
            if change.group_id is None:
                end = change.old
                continue
            if change.new is not None and _window(change.new) in before:
                before.remove(_window(change.new))
            if change.old is not None:
                before.append(_window(change.old))
        added[device] = subtract(_until(after, ends[device]), _until(before, end))
    _owe(definition, added, _channels(definition.channels, definition.units))


def _ends(devices: Iterable[int]) -> dict[int, Stay]:
    """When each device is in the inventory: until it was unprovisioned."""
    rows = Device.objects.order_by().filter(pk__in=sql.id_set(devices))
    return {pk: (None, ended) for pk, ended in rows.values_list("pk", "ended")}


def _until(windows: Iterable[Window], end: Stay | None) -> list[Window]:
    """Windows as far as a device was in the inventory."""
    last = _window(end)[1] if end else ALWAYS[0]
    return [(start, min(stop, last)) for start, stop in windows if start < last]


def selection_changed(definition: ExportDefinition, before: Selection, after: Selection) -> None:
    """Called in the transaction that stored another selection."""
    same_channels = (before.channels, before.units) == (after.channels, after.units)
    known = _channels(before.channels, before.units)
    for devices in _devices(after):
        now, then = _windows(after, devices), _windows(before, devices)
        added = {device: subtract(now[device], then[device]) for device in now}
        _owe(definition, added, _channels(after.channels, after.units))
        if not same_channels:
            new = _channels(after.channels, after.units) & ~known
            both = {device: subtract(now[device], added[device]) for device in now}
            _owe(definition, both, new)


def _devices(selection: Selection) -> Iterator[dict[int, str]]:
    """The selection's devices by primary key, some thousand at a time."""
    rows = Device.objects.order_by("pk")
    if selection.devices:
        rows = rows.filter(device_id__in=selection.devices)
    if selection.groups:
        inside = Membership.objects.filter(group__code__in=selection.groups)
        rows = rows.filter(pk__in=inside.values("device_id"))
    last = 0
    while found := dict(rows.filter(pk__gt=last).values_list("pk", "device_id")[:DEVICES_AT_ONCE]):
        yield found
        last = max(found)


def _windows(selection: Selection, devices: Mapping[int, str]) -> dict[int, list[Window]]:
    """When each device is in a selection."""
    if selection.groups:
        rows = Membership.objects.filter(group__code__in=selection.groups)
        stays = _stays(rows.filter(device__in=sql.id_set(devices)))
    else:
        stays = {device: [ALWAYS] for device in devices}
    chosen, ends = set(selection.devices), _ends(devices)
    return {
        device: _until(stays.get(device, ()), ends[device]) if not chosen or name in chosen else []
        for device, name in devices.items()
    }


def _stays(rows: QuerySet[Membership]) -> dict[int, list[Window]]:
    found: dict[int, list[Window]] = {}
    for device, start, end in rows.values_list("device_id", "valid_from", "valid_to"):
        found.setdefault(device, []).append(_window((start, end)))
    return found


def _window(dates: tuple[datetime | None, datetime | None]) -> Window:
    start, end = dates
    return (
        ALWAYS[0] if start is None else int(start.timestamp()),
        ALWAYS[1] if end is None else int(end.timestamp()),
    )


def subtract(windows: Iterable[Window], others: Iterable[Window]) -> list[Window]:
    """What of the windows none of the others covers."""
    left = list(windows)
    for low, high in others:
        left = [
            piece
            for start, end in left
            for piece in ((start, min(end, low)), (max(start, high), end))
            if piece[0] < piece[1]
        ]
    return sorted(set(left))


def _channels(numbers: Sequence[int], units: Sequence[str]) -> Q:
    condition = Q(pk__isnull=False)
    if numbers:
        condition &= Q(number__in=list(numbers))
    if units:
        condition &= Q(unit__in=list(units))
    return condition


def _owe(definition: ExportDefinition, added: Mapping[int, Sequence[Window]], which: Q) -> None:
    """Backlog rows for channels, and register reads, of devices over windows."""
    if definition.cursor == 0:
        return  # nothing was sent yet: the next run sends all there is
    devices = {device: windows for device, windows in added.items() if windows}
    if not devices:
        return
    mark = {
        "definition_id": definition.pk,
        "reason": Backlog.Reason.SCOPE,
        "version": definition.version,
        "created": timezone.now(),
        **{"since": 0, "sent": 0, "code": ""},
    }
    channels = Channel.objects.filter(which, device_id__in=sql.id_set(devices))
    owed = _owed(devices, list(channels.values_list("pk", "device_id")))
    values = tuple(mark.values())
    rows_insert(Backlog, [*PLACE, *mark], ((*place, *values) for place in owed))


def _owed(
    devices: Mapping[int, Sequence[Window]], channels: Sequence[tuple[int, int]]
) -> Iterator[tuple[Any, ...]]:
    """PLACE for the reads of each device, and for each channel and window."""
    for device in devices:
        yield device, None, None, None
    days = {
        window: day_bounds(*(None if at in ALWAYS else at for at in window))
        for window in {window for windows in devices.values() for window in windows}
    }
    for channel, device in channels:
        for window in devices[device]:
            yield device, channel, *days[window]
