"""Where a device was, and in which groups, over a window: its stays.

Used for the devices that something happened to in the window; the rest are one stay each.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from devices.journal import sql
from devices.models import Device, FunctionalGroup, Installation, Membership
from devices.readings import DeviceInfo
from exports.scope.frozen import LIST

NOWHERE = ("", "", "", "", "")
CYCLE = FunctionalGroup.Kind.BILL_CYCLE.value
# A device's groups at an instant (the value that ends then belongs to them), kind before code.
_GROUPS = (
    "SELECT m.device_id, {aggregate} AS codes FROM devices_membership m "
    "JOIN devices_functionalgroup g ON g.id = m.group_id "
    "WHERE m.valid_from < %s AND (m.valid_to IS NULL OR m.valid_to >= %s) AND {{among}} "
    "GROUP BY m.device_id"
)
GROUPS = {
    True: _GROUPS.format(aggregate=f"string_agg(m.kind || ' ' || g.code, '{LIST}')"),
    False: _GROUPS.format(aggregate=f"group_concat(m.kind || ' ' || g.code, '{LIST}')"),
}


class Stay(NamedTuple):
    """A stretch (start, end] in which a device's identity held and its group included it.

    `info`: the columns of DeviceInfo, the groups as one text.
    """

    info: tuple[str, ...]
    multiplier: str
    start: int
    end: int

    @property
    def device(self) -> DeviceInfo:
        """Who it is, with the groups apart."""
        *columns, groups, cycle = self.info
        return DeviceInfo(*columns, tuple(groups.split(LIST)) if groups else (), cycle)


def during(rows: QuerySet[Any], start: datetime, end: datetime) -> QuerySet[Any]:
    """Dated rows that touch a period."""
    return rows.filter(
        Q(valid_to=None) | Q(valid_to__gt=start), Q(valid_from=None) | Q(valid_from__lt=end)
    )


def codes_split(codes: str) -> tuple[str, str]:
    """The groups but for the bill cycle, sorted, as one text; and the bill cycle."""
    found = [code.partition(" ")[::2] for code in codes.split(LIST)] if codes else []
    groups = sorted(code for kind, code in found if kind != CYCLE)
    return LIST.join(groups), min((code for kind, code in found if kind == CYCLE), default="")


def epoch_or(instant: datetime | None, default: int) -> int:
    """Epoch seconds of an instant; the default where there is none."""
    return default if instant is None else int(instant.timestamp())


Membered = tuple[str, int, int]  # kind and code, from, to


@dataclass(frozen=True, slots=True)
class Histories:
    """Installations and memberships of the devices that something happened to in a window.

    `ends`: when those that were unprovisioned by the window's end were.
    """

    first: int
    last: int
    groups: Sequence[str]
    homes: dict[int, list[tuple[Any, ...]]]
    memberships: dict[int, list[Membered]]
    ends: dict[int, int]

    def __contains__(self, device: int) -> bool:
        return device in self.homes

    def stays(self, device: int, names: Sequence[str], what: Sequence[str]) -> Iterator[Stay]:
        """The device cut where its installation changes, kept where one of the groups had it,
        until it was unprovisioned.

        `names`: device id, meter number, serial number; `what`: class and zone.
        """
        held = self.memberships.get(device, ())
        last = self.ends.get(device, self.last)
        for low, high, place, multiplier in self._places(self.homes[device], last):
            for opened, closed in _windows(held, self.groups, low, high):
                mine = LIST.join(code for code, a, b in held if a < closed and b >= closed)
                info = (*names, *place[:3], *what, *place[3:], *codes_split(mine))
                yield Stay(info, multiplier, opened, closed)

    def _places(
        self, homes: Sequence[tuple[Any, ...]], last: int
    ) -> Iterator[tuple[int, int, tuple[str, ...], str]]:
        """The window up to `last`, cut by installations; without one identifiers are empty."""
        at = self.first
        for home in homes:
            start = min(epoch_or(home[1], at), last)
            end = min(epoch_or(home[2], last), last)
            if start > at:
                yield at, start, NOWHERE, ""
            at = max(at, start)
            if end > at:
                yield at, end, home[3:8], str(home[8])
            at = max(at, end)
        if at < last:
            yield at, last, NOWHERE, ""


def histories_of(
    start: datetime, end: datetime, groups: Sequence[str], among: Q, devices: Q
) -> Histories:
    """The histories of those devices that were unprovisioned within a window, or of which an
    installation, or a membership in one of the groups, begins or ends within it; `among` narrows
    the latter by their `device`, as `devices` the devices."""
    within = Q(valid_from__gt=start, valid_from__lt=end) | Q(valid_to__gt=start, valid_to__lt=end)
    ids = set(Installation.objects.filter(among, within).values_list("device_id", flat=True))
    if groups:
        chosen = Membership.objects.filter(among, within, group__code__in=groups)
        ids.update(chosen.values_list("device_id", flat=True))
    gone = Device.objects.filter(devices, ended__gt=start, ended__lt=end).order_by()
    ids.update(gone.values_list("pk", flat=True))
    return histories_of_devices(ids, start, end, groups)


def histories_of_devices(
    ids: Collection[int], start: datetime, end: datetime, groups: Sequence[str]
) -> Histories:
    """The histories of these devices over a window."""
    homes: dict[int, list[tuple[Any, ...]]] = {pk: [] for pk in ids}
    installed = during(Installation.objects.filter(device_id__in=sql.id_set(ids)), start, end)
    for home in installed.order_by("device_id", "valid_from").values_list(
        *("device_id", "valid_from", "valid_to", "service_point_id", "account_id"),
        *("premise_id", "transformer_id", "feeder_id", "multiplier"),
    ):
        homes[home[0]].append(home)
    first, last = int(start.timestamp()), int(end.timestamp())
    ended = Device.objects.filter(pk__in=sql.id_set(ids), ended__lt=end).order_by()
    ends = {pk: int(at.timestamp()) for pk, at in ended.values_list("pk", "ended")}
    return Histories(first, last, groups, homes, _memberships(ids, start, end), ends)


def _memberships(ids: Collection[int], start: datetime, end: datetime) -> dict[int, list[Membered]]:
    """The memberships of some devices that touch a window, by start, cut to it."""
    first, last = int(start.timestamp()), int(end.timestamp())
    found: dict[int, list[Membered]] = {}
    for pk, kind, code, opened, closed in (
        during(Membership.objects.filter(device_id__in=sql.id_set(ids)), start, end)
        .order_by("device_id", "valid_from", "group__code")
        .values_list("device_id", "kind", "group__code", "valid_from", "valid_to")
    ):
        low, high = max(first, epoch_or(opened, first)), min(last, epoch_or(closed, last))
        found.setdefault(pk, []).append((f"{kind} {code}", low, high))
    return found


def _windows(
    held: Sequence[Membered], groups: Sequence[str], low: int, high: int
) -> Iterator[tuple[int, int]]:
    """When, between two instants, a device was in one of the groups, as disjoint windows."""
    if not groups:
        yield low, high
        return
    at = low
    opened = None
    for code, start, end in held:
        start, end = max(start, low), min(end, high)
        if code.partition(" ")[2] not in groups or start >= end:
            continue
        if opened is not None and start > at:
            yield opened, at
            opened = None
        opened = start if opened is None else opened
        at = max(at, end)
    if opened is not None:
        yield opened, at
