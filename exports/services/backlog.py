"""What a since-last export owes: found when a run is planned, settled when it is committed."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from django.db.models import Q

from devices import blocks, journal
from devices.journal import sql
from devices.models import Channel, Device, RegisterEntry, RegisterSnapshot
from exports import formats
from exports.models import Backlog, ExportRun
from exports.scope import ExtraDay, ExtraRead

LeftOut = tuple[str, int | None, str]  # device id, channel number (None: all of it), code
EARLIEST, LATEST = date(1970, 1, 1), date(9999, 12, 31)


def backlog_for_run(run: ExportRun) -> list[Backlog]:
    """The rows that a run takes up: all of its definition that are in no other run.

    What the format could not carry is not tried again before the definition has been changed.
    """
    if run.since is None or run.definition is None or run.original_id:
        return []
    hopeless = Q(reason=Backlog.Reason.UNSUPPORTED, version=run.definition.version)
    free = Q(run=None) | Q(run=run)
    return list(Backlog.objects.filter(free, definition=run.definition).exclude(hopeless))


def extra_for_rows(rows: Sequence[Backlog], horizon: int) -> dict[str, Any]:
    """The scope's `extra` and `extra_reads`: the channel-days and reads that the rows speak of."""
    days: dict[tuple[int, int], int] = {}
    for channel, day, since in _days(rows, horizon):
        known = days.get((channel, day))
        days[channel, day] = since if known is None else min(known, since)
    return {
        "extra": tuple(ExtraDay(*key, since) for key, since in sorted(days.items())),
        "extra_reads": tuple(_reads(rows, horizon)),
    }


def _days(rows: Iterable[Backlog], horizon: int) -> Iterable[tuple[int, int, int]]:
    """Channel-days that hold anything, in the blocks or in what is not folded yet."""
    asked = [
        (row.channel_id, row.first_day or EARLIEST, row.last_day or LATEST, row.since)
        for row in rows
        if row.channel_id is not None
    ]
    if not asked:
        return
    source, params = sql.table(asked, ("bigint", "date", "date", "bigint"))
    inside = "t.channel_id = k.c0 AND t.day BETWEEN k.c1 AND k.c2"
    day = sql.day_column("t.day")
    waiting = "JOIN devices_batch b ON b.id = t.batch_id AND b.number > %s AND b.number <= %s"
    for query, more in (
        (
            f"SELECT t.channel_id, {day}, k.c3 FROM {source} "
            f"JOIN devices_intervalblock t ON {inside}",
            [],
        ),
        (
            f"SELECT t.channel_id, {day}, k.c3 FROM {source} "
            f"JOIN devices_journalentry t ON {inside} {waiting}",
            [journal.folded_to(), horizon],
        ),
    ):
        for channel, stored, since in sql.stream(query, [*params, *more]):
            yield channel, sql.day_back(stored), since


def _reads(rows: Iterable[Backlog], horizon: int) -> Iterable[ExtraRead]:
    """Register reads that the store holds of the devices whose reads are owed."""
    owed: dict[int, int] = {}
    for row in rows:
        if row.channel_id is None:
            owed[row.device_id] = min(row.since, owed.get(row.device_id, row.since))
    if not owed:
        return
    of_devices = {"device_id__in": sql.id_set(owed)}
    folded = RegisterSnapshot.objects.filter(**of_devices, number__lte=horizon)
    waiting = RegisterEntry.objects.filter(
        **of_devices, batch__number__gt=journal.folded_to(), batch__number__lte=horizon
    )
    key = ("device_id", "read_type", "time")
    for device, read_type, time in sorted({*folded.values_list(*key), *waiting.values_list(*key)}):
        yield ExtraRead(device, read_type, time, owed[device])


def backlog_settle(run: ExportRun, left_out: Sequence[LeftOut]) -> None:
    """Within the commit of a run: what it took up is no longer owed, what it left out is."""
    taken: dict[tuple[int, int | None], list[Backlog]] = {}
    for row in Backlog.objects.filter(run=run):
        taken.setdefault((row.device_id, row.channel_id), []).append(row)
    unsupported = formats.get(run.format).unsupported
    owed_again: list[Backlog] = []
    for device_id, channels, code in _places(left_out):
        reason = Backlog.Reason.UNSUPPORTED if code in unsupported else Backlog.Reason.LEFT_OUT
        mark = {"code": code, "reason": reason, "version": run.definition.version}
        for channel_id in channels:
            owed_again += [_copy(row, **mark) for row in taken.get((device_id, channel_id), ())]
            owed_again.append(
                Backlog(
                    definition=run.definition,
                    device_id=device_id,
                    channel_id=channel_id,
                    since=run.since,
                    **mark,
                )
            )
    Backlog.objects.filter(run=run).delete()
    Backlog.objects.bulk_create(_widest(owed_again), batch_size=1000)


def backlog_release(run: ExportRun) -> None:
    """A run that ended without being sent: what it took up is owed as before."""
    Backlog.objects.filter(run=run).update(run=None)


def _copy(row: Backlog, **changes: Any) -> Backlog:
    kept = ("definition_id", "device_id", "channel_id", "first_day", "last_day", "since")
    return Backlog(**{name: getattr(row, name) for name in kept}, **changes)


def _widest(rows: Iterable[Backlog]) -> list[Backlog]:
    """Without rows that another one includes."""
    widest: dict[tuple[Any, ...], Backlog] = {}
    for row in rows:
        key = (row.device_id, row.channel_id, row.first_day, row.last_day)
        if key not in widest or row.since < widest[key].since:
            widest[key] = row
    return list(widest.values())


def _places(left_out: Sequence[LeftOut]) -> Iterable[tuple[int, list[int | None], str]]:
    """Device and channels, as the inventory numbers them, of what was left out.

    A channel number stands for all its eras; a whole meter for all its channels and its reads.
    """
    ids = sorted({device_id for device_id, _, _ in left_out})
    found: dict[str, int] = {}
    for first in range(0, len(ids), 1000):
        rows = Device.objects.filter(device_id__in=ids[first : first + 1000])
        found |= dict(rows.values_list("device_id", "pk"))
    channels: dict[int, list[tuple[int, int]]] = {}
    for pk, device, number in Channel.objects.filter(
        device_id__in=sql.id_set(found.values())
    ).values_list("pk", "device_id", "number"):
        channels.setdefault(device, []).append((pk, number))
    for device_id, number, code in left_out:
        device = found[device_id]
        mine = channels.get(device, [])
        if number is None:
            every: list[int | None] = [pk for pk, _ in mine]
            yield device, [*every, None], code
        else:
            yield device, [pk for pk, own in mine if own == number], code


def day_bounds(start: int | None, end: int | None) -> tuple[date | None, date | None]:
    """The days, whatever the channel's offset, that touch a window of epoch seconds."""
    return (
        None if start is None else blocks.day_date(start // 86400 - 1),
        None if end is None else blocks.day_date(end // 86400 + 1),
    )
