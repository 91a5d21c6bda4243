"""Register reads in the journal, and their versions folded by the same rule as intervals.

A read is known by (device, read type, time). Its values are keyed (class, unit, flow, rate,
occurrence); each batch that changes one makes a new version with all of them.
"""

import itertools
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import Q

from devices.journal import marks, sql
from devices.models import RegisterEntry, RegisterSnapshot
from devices.readings import RegisterRead, RegisterValue, Status, worst_letter
from devices.storedreads import (
    HEAD_FIELDS,
    Head,
    StoredRead,
    encode,
    heads_decode,
    values_decode,
)

Key = tuple[int, str, datetime]
KEYS = 500  # asked for in one query


def entry_columns(device: int, read: RegisterRead) -> dict[str, Any]:
    """The columns of a read's journal row."""
    return {
        "device_id": device,
        "read_type": read.read_type,
        "time": read.time.astimezone(UTC),
        "head": encode(Head(**{f: getattr(read, f) for f in HEAD_FIELDS})).decode(),
        "values": encode(read.values).decode(),
    }


def rank(status: int) -> int:
    """The rank of a value from its mask, as `blocks.ranks` has it for slots."""
    if status & Status.MISSING:
        return 0
    if status & Status.EDITED:
        return 3
    return 1 if status & Status.ESTIMATED else 2


def merge(
    standing: list[RegisterValue], arrived: list[RegisterValue]
) -> list[RegisterValue] | None:
    """Standing values with what arrived folded in; None when that makes no new version."""
    merged = {value.key: value for value in standing}
    changed = False
    for value in arrived:
        old = merged.get(value.key)
        if old is None or (rank(value.status) >= rank(old.status) and value.said != old.said):
            merged[value.key] = value
            changed = True
    return list(merged.values()) if changed else None


def fold(batch_ids: Sequence[int]) -> None:
    """Fold the reads of these batches into snapshots, a thousand keys to a transaction."""
    entries = (
        RegisterEntry.objects.filter(batch_id__in=sql.id_set(batch_ids))
        .order_by("device_id", "time", "read_type", "batch__number", "id")
        .values_list("device_id", "read_type", "time", "head", "values", "batch__number")
        .iterator()
    )
    keyed = itertools.groupby(entries, key=lambda entry: entry[:3])
    while chunk := [list(group) for _, group in itertools.islice(keyed, 1000)]:
        _fold_chunk([entry for group in chunk for entry in group])


def _fold_chunk(entries: Sequence[tuple[Any, ...]]) -> None:
    with transaction.atomic():
        fresh = versions(entries, _latest({entry[:3] for entry in entries}))
        RegisterSnapshot.objects.bulk_create(
            [
                RegisterSnapshot(
                    device_id=key[0],
                    read_type=key[1],
                    time=key[2],
                    number=number,
                    revision=revision,
                    head=head,
                    values=encode(values).decode(),
                    quality=worst_letter((value.status for value in values), default="M"),
                )
                for (key, number), (revision, head, values) in fresh.items()
            ],
            ignore_conflicts=True,
            batch_size=2000,
        )


Version = tuple[int, int, str, list[RegisterValue]]  # number, revision, head, values
Written = tuple[int, int, str, str]  # the same with the values as text
COLUMNS = ("device_id", "read_type", "time", "number", "revision", "head", "values")


def _latest(keys: set[Key]) -> dict[Key, Version]:
    """The newest snapshot of each key."""
    found: dict[Key, Version] = {}
    times = [key[2] for key in keys]
    rows = (
        RegisterSnapshot.objects.filter(
            device_id__in=sql.id_set({key[0] for key in keys}),
            time__range=(min(times), max(times)),
        )
        .order_by("number")
        .values_list(*COLUMNS)
    )
    for *key, number, revision, head, values in rows.iterator():
        if (k := tuple(key)) in keys:
            found[k] = (number, revision, head, values_decode(values))
    return found


def versions(
    entries: Sequence[tuple[Any, ...]], latest: dict[Key, Version]
) -> dict[tuple[Key, int], tuple[int, str, list[RegisterValue]]]:
    """New versions by key and number; `latest` moves along."""
    fresh: dict[tuple[Key, int], tuple[int, str, list[RegisterValue]]] = {}
    for device, read_type, time, head, values, number in entries:
        key = (device, read_type, time)
        standing = latest.get(key)
        if standing and standing[0] > number:
            continue  # folded before
        merged = merge(standing[3] if standing else [], values_decode(values))
        if merged is None:
            continue
        revision = standing[1] + (standing[0] != number) if standing else 0
        latest[key] = (number, revision, head, merged)
        fresh[key, number] = (revision, head, merged)
    return fresh


def registers_stored(
    device_ids: Sequence[int],
    start: datetime,
    end: datetime,
    *,
    read_types: Sequence[str] = (),
    closed: bool = False,
    horizon: int | None = None,
) -> dict[int, list[StoredRead]]:
    """Reads of devices with start ≤ time < end (`closed`: ≤ end), as of a horizon, by time.

    The latest version numbered at most the horizon, with what is not folded yet merged in.
    """
    bounds = Q(device_id__in=sql.id_set(device_ids), time__gte=start)
    bounds &= Q(time__lte=end) if closed else Q(time__lt=end)
    if read_types:
        bounds &= Q(read_type__in=list(read_types))
    reads: dict[int, list[StoredRead]] = {}
    for key, version in _standing(bounds, horizon).items():
        stored = StoredRead._make(key[1:] + version[1:])
        if (mine := reads.get(key[0])) is None:
            reads[key[0]] = [stored]
        else:
            mine.append(stored)
    for mine in reads.values():
        if len(mine) > 1:
            mine.sort(key=attrgetter("time"))
    return reads


def registers_read(
    device_ids: Sequence[int], start: datetime, end: datetime, **asked: Any
) -> dict[int, list[RegisterRead]]:
    """The reads of `registers_stored`, asked in the same words, with their values."""
    found = registers_stored(device_ids, start, end, **asked)
    return {device: [stored.read() for stored in mine] for device, mine in found.items()}


def registers_read_keys(
    keys: Collection[Key], *, horizon: int | None = None
) -> list[tuple[Key, int, StoredRead]]:
    """These reads as of a horizon, by time, each with the number of the batch that last changed
    it; those that did not exist then are left out."""
    found: list[tuple[Key, int, StoredRead]] = []
    ordered, wanted = sorted(keys), set(keys)
    for low in range(0, len(ordered), KEYS):
        some = ordered[low : low + KEYS]
        bounds = Q(device_id__in=sql.id_set({key[0] for key in some}))
        bounds &= Q(time__in=sorted({key[2] for key in some}))
        for key, version in _standing(bounds, horizon).items():
            if key in wanted:
                number, *rest = version
                found.append((key, number, StoredRead(*key[1:], *rest)))
                wanted.discard(key)
    return sorted(found, key=lambda one: (one[0][2], one[0]))


def registers_numbers(
    device_ids: Collection[int], start: datetime, end: datetime, *, horizon: int | None = None
) -> dict[Key, int]:
    """The reads of devices with start ≤ time ≤ end as of a horizon, each with the number of the
    batch that last changed it."""
    bounds = Q(device_id__in=sql.id_set(device_ids), time__gte=start, time__lte=end)
    return {key: version[0] for key, version in sorted(_standing(bounds, horizon).items())}


def _standing(bounds: Q, horizon: int | None) -> "dict[Key, Written]":
    """What stands, as of a horizon, of the reads within bounds."""
    if horizon is None:
        horizon = marks.horizon()
    done = marks.folded_to()
    times = sql.Instants()
    snapshots = RegisterSnapshot.objects.filter(bounds, number__lte=horizon).order_by("number")
    columns = snapshots.values_list(*COLUMNS[:2], sql.instant_column("time"), *COLUMNS[3:])
    standing: dict[Key, Written] = {
        (device, read_type, times[time]): (number, revision, head, values)
        for device, read_type, time, number, revision, head, values in sql.stream_of(columns)
    }
    if done < horizon:
        waiting = list(
            RegisterEntry.objects.filter(bounds, batch__number__gt=done, batch__number__lte=horizon)
            .order_by("batch__number", "id")
            .values_list("device_id", "read_type", "time", "head", "values", "batch__number")
        )
        touched = {entry[:3] for entry in waiting} & standing.keys()
        latest = {key: _decoded(standing[key]) for key in touched}
        versions(waiting, latest)
        for key, (*rest, values) in latest.items():
            standing[key] = (*rest, encode(values).decode())
    return standing


def _decoded(written: Written) -> Version:
    *rest, values = written
    return (*rest, values_decode(values))


def values_of(text: str) -> list[RegisterValue]:
    """A version's values from its column."""
    return values_decode(text)


def source_of(head: str) -> str:
    """The source that a version's head names."""
    return heads_decode(head).source


def version_read(row: RegisterSnapshot) -> RegisterRead:
    """The read that a version's row holds."""
    return StoredRead(row.read_type, row.time, row.revision, row.head, row.values).read()
