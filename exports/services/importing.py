"""What imports mean for exports: rows to be warned of, readings that come into a scope.

Supplied to the imports by settings (TMS_IMPORT_DANGERS, TMS_IMPORT_HOOKS).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from devices.imports.outcome import LEAVES_CYCLE, UNPROVISIONS, Fact
from devices.journal import sql
from devices.models import (
    Device,
    FunctionalGroup,
    ImportConflict,
    ImportJob,
    ImportRecord,
    ImportStay,
    Membership,
)
from devices.services.memberships import MembershipChange, Stay
from exports.models import ExportDefinition, ExportRun
from exports.models.definitions import SINCE_LAST
from exports.services.scopes import memberships_changed

SOON = timedelta(hours=24)  # an export that is due within it is about to be made
DEVICES_AT_ONCE = 5000
# The newest batch that brought intervals, or register reads, of each device.
_NEWEST = """
    SELECT c.device_id, MAX(b.number) FROM devices_channel c
    {join} devices_journalentry e ON e.channel_id = c.id
    JOIN devices_batch b ON b.id = e.batch_id
    WHERE b.number > %s AND {of_channel} GROUP BY c.device_id
    UNION ALL
    SELECT e.device_id, MAX(b.number) FROM devices_registerentry e
    JOIN devices_batch b ON b.id = e.batch_id
    WHERE b.number > %s AND {of_entry} GROUP BY e.device_id"""


# --- rows to be warned of ------------------------------------------------------------------------


def dangers_find(facts: Sequence[Fact]) -> dict[int, str]:
    """Row → why it is dangerous: readings that no file has had yet, a cycle about to be billed."""
    gone = [fact for fact in facts if fact.what == UNPROVISIONS]
    leaving = [fact for fact in facts if fact.what == LEAVES_CYCLE]
    found = _unsent(gone) if gone else {}
    return found | _due(leaving) if leaving else found


def _unsent(facts: Sequence[Fact]) -> dict[int, str]:
    """Rows that unprovision a device of which a since-last export has readings to send."""
    definitions = list(
        ExportDefinition.objects.filter(period=SINCE_LAST)
        .prefetch_related("groups")
        .order_by("name")
    )
    if not definitions:
        return {}
    devices = sorted({fact.device for fact in facts})
    newest = _newest(devices, min(definition.cursor for definition in definitions))
    names: dict[int, list[str]] = {}
    for definition in definitions:
        behind = [pk for pk, number in newest.items() if number > definition.cursor]
        for pk in _selected(definition, behind):
            names.setdefault(pk, []).append(definition.name)
    return {
        fact.number: f"has readings not yet exported by {', '.join(names[fact.device])}"
        for fact in facts
        if fact.device in names
    }


def _newest(devices: Sequence[int], after: int) -> dict[int, int]:
    """The newest batch past a number that brought readings of each of these devices."""
    of_channel, ids = sql.any_of("c.device_id", devices)
    of_entry, _ = sql.any_of("e.device_id", devices)
    # SQLite would begin with all batches; the devices are few.
    join = "JOIN" if sql.is_postgres() else "CROSS JOIN"
    query = _NEWEST.format(join=join, of_channel=of_channel, of_entry=of_entry)
    found: dict[int, int] = {}
    for device, number in sql.rows(query, [after, ids, after, ids]):
        found[device] = max(number, found.get(device, 0))
    return found


def _selected(definition: ExportDefinition, devices: Sequence[int]) -> Iterable[int]:
    """Those of some devices that a definition is about, now or before."""
    if not devices:
        return ()
    ids = sql.id_set(devices)
    rows = Device.objects.order_by().filter(pk__in=ids)
    if groups := definition.groups.all():
        members = Membership.objects.filter(group__in=groups, device__in=ids)
        rows = rows.filter(pk__in=members.values("device_id"))
    if definition.devices.exists():
        rows = rows.filter(pk__in=definition.devices.values("pk"))
    return rows.values_list("pk", flat=True)


def _due(facts: Sequence[Fact]) -> dict[int, str]:
    """Rows that take a device out of a bill cycle whose export is due, or being made."""
    soon = Q(active=True, next_due__lte=timezone.now() + SOON)
    soon |= Q(runs__state__in=ExportRun.OPEN)
    cycles = {fact.group for fact in facts}
    names: dict[str, list[str]] = {}
    for name, group in (
        ExportDefinition.objects.filter(soon, groups__code__in=cycles)
        .order_by("name")
        .values_list("name", "groups__code")
        .distinct()
    ):
        names.setdefault(group, []).append(name)
    return {
        fact.number: f"leaves {fact.group}, whose export {', '.join(names[fact.group])} is due"
        for fact in facts
        if fact.group in names
    }


# --- what comes into a scope ---------------------------------------------------------------------


def step_done(job: ImportJob, step: int, *, undone: bool) -> None:
    """A step of an import was made true, or taken back: what it brings in is owed (promise P2)."""
    if not ExportDefinition.objects.filter(period=SINCE_LAST, cursor__gt=0).exists():
        return
    for changes in _changes(job, step):
        if undone:
            changes = [change._replace(old=change.new, new=change.old) for change in changes]
        memberships_changed([change for change in changes if change.old != change.new])


def _changes(job: ImportJob, step: int) -> Iterator[list[MembershipChange]]:
    """What a step changes of where devices are and when, some thousand devices at a time.

    Not of devices that it makes, which have no readings, nor of those that its undo leaves.
    """
    mine = {"job": job, "step": step}
    left = ImportConflict.objects.filter(job=job).values("key")
    made = ImportRecord.objects.filter(**mine, made=True).values("key")
    records = ImportRecord.objects.filter(**mine).exclude(key__in=left).exclude(key__in=made)
    stays = ImportStay.objects.filter(**mine).exclude(key__in=left).exclude(key__in=made)
    codes = dict(FunctionalGroup.objects.values_list("code", "pk"))
    last = ""
    while keys := _keys(records, stays, last):
        last = keys[-1]
        known = dict(_between(Device.objects, "device_id", keys).values_list("device_id", "pk"))
        changes = _ends(_between(records, "key", keys), known)
        for key, code, *times in _between(stays, "key", keys).values_list(
            *("key", "group_code", "before_from", "before_to", "after_from", "after_to")
        ):
            was, now = _stay(*times[:2]), _stay(*times[2:])
            changes.append(MembershipChange(known[key], codes[code], was, now))
        yield changes


def _keys(records: QuerySet[Any], stays: QuerySet[Any], after: str) -> list[str]:
    """The next devices that either speaks of, in order."""
    found = [
        rows.filter(key__gt=after).order_by("key").values_list("key", flat=True).distinct()
        for rows in (records, stays)
    ]
    return sorted({key for rows in found for key in rows[:DEVICES_AT_ONCE]})[:DEVICES_AT_ONCE]


def _between(rows: Any, name: str, keys: Sequence[str]) -> QuerySet[Any]:
    return rows.filter(**{f"{name}__gte": keys[0], f"{name}__lte": keys[-1]}).order_by()


def _ends(records: QuerySet[Any], known: dict[str, int]) -> list[MembershipChange]:
    """Of which devices the time in the inventory ends otherwise."""
    ends: dict[str, list[datetime | None]] = {}
    for key, side, ended in records.values_list("key", "side", "ended"):
        ends.setdefault(key, [None, None])[side] = ended
    return [
        MembershipChange(known[key], None, (None, was), (None, now))
        for key, (was, now) in ends.items()
        if was != now
    ]


def _stay(start: datetime | None, end: datetime | None) -> Stay | None:
    return None if start is None else (start, end)
