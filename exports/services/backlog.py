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
from exports.scope import ExtraDay, ExtraRead, rests_of

Taken = dict[tuple[int, int | None], list[Backlog]]
LeftOut = tuple[str, int | None, str]  # device id, channel number (None: all of it), code
HELD_CODE = "GATE"  # of what is left out because the gate holds it
EARLIEST, LATEST = date(1970, 1, 1), date(9999, 12, 31)


def backlog_for_run(run: ExportRun) -> list[Backlog]:
    """The rows that a run takes up: all of its definition that are in no other run.

    What the format could not carry is not tried again before the definition has been changed.
    """
    if run.definition is None or not run.moves_cursor:
        return []
    hopeless = Q(reason=Backlog.Reason.UNSUPPORTED, version=run.definition.version)
    free = Q(run=None) | Q(run=run)
    if run.corrections:  # what is held is not corrected before it is released
        hopeless |= Q(reason=Backlog.Reason.HELD)
    return list(Backlog.objects.filter(free, definition=run.definition).exclude(hopeless))


def extra_for_rows(rows: Sequence[Backlog], horizon: int) -> dict[str, Any]:
    """The scope's `extra` and `extra_reads`: the channel-days and reads that the rows speak of."""
    days: dict[tuple[int, int], tuple[int, int]] = {}
    for channel, day, since, sent in _days(rows, horizon):
        known = days.get((channel, day), (since, sent))
        days[channel, day] = min(known[0], since), min(known[1], sent)
    return {
        "extra": tuple(ExtraDay(*key, *numbers) for key, numbers in sorted(days.items())),
        "extra_reads": tuple(_reads(rows, horizon)),
        "extra_events": _events(rows),
    }


def _events(rows: Iterable[Backlog]) -> dict[int, int]:
    """Since when events of a device are owed; those of before it came into the scope never are."""
    owed: dict[int, int] = {}
    for row in rows:
        if row.channel_id is None and row.reason != Backlog.Reason.SCOPE:
            owed[row.device_id] = min(row.since, owed.get(row.device_id, row.since))
    return owed


def _days(rows: Iterable[Backlog], horizon: int) -> Iterable[tuple[int, int, int, int]]:
    """Channel-days that hold anything, in the blocks or in what is not folded yet."""
    asked = [
        (
            *(row.channel_id, row.first_day or EARLIEST, row.last_day or LATEST, row.since),
            max(row.since, row.sent),
        )
        for row in rows
        if row.channel_id is not None
    ]
    if not asked:
        return
    source, params = sql.table(asked, ("bigint", "date", "date", "bigint", "bigint"))
    inside = "t.channel_id = k.c0 AND t.day BETWEEN k.c1 AND k.c2"
    day = sql.day_column("t.day")
    waiting = "JOIN devices_batch b ON b.id = t.batch_id AND b.number > %s AND b.number <= %s"
    for query, more in (
        (
            f"SELECT t.channel_id, {day}, k.c3, k.c4 FROM {source} "
            f"JOIN devices_intervalblock t ON {inside}",
            [],
        ),
        (
            f"SELECT t.channel_id, {day}, k.c3, k.c4 FROM {source} "
            f"JOIN devices_journalentry t ON {inside} {waiting}",
            [journal.folded_to(), horizon],
        ),
    ):
        for channel, stored, since, sent in sql.stream(query, [*params, *more]):
            yield channel, sql.day_back(stored), since, sent


def _reads(rows: Iterable[Backlog], horizon: int) -> Iterable[ExtraRead]:
    """Register reads that the store holds of the devices whose reads are owed."""
    owed: dict[int, tuple[int, int]] = {}
    for row in rows:
        if row.channel_id is None:
            own = row.since, max(row.since, row.sent)
            known = owed.get(row.device_id, own)
            owed[row.device_id] = min(known[0], own[0]), min(known[1], own[1])
    if not owed:
        return
    of_devices = {"device_id__in": sql.id_set(owed)}
    folded = RegisterSnapshot.objects.filter(**of_devices, number__lte=horizon)
    waiting = RegisterEntry.objects.filter(
        **of_devices, batch__number__gt=journal.folded_to(), batch__number__lte=horizon
    )
    key = ("device_id", "read_type", "time")
    for device, read_type, time in sorted({*folded.values_list(*key), *waiting.values_list(*key)}):
        yield ExtraRead(device, read_type, time, *owed[device])


def backlog_settle(run: ExportRun, left_out: Sequence[LeftOut]) -> None:
    """Within the commit of a run: what it took up is no longer owed, what it left out is."""
    taken: Taken = {}
    for row in Backlog.objects.filter(run=run):
        taken.setdefault((row.device_id, row.channel_id), []).append(row)
    unsupported = formats.get(run.format).unsupported
    owed_again: list[Backlog] = list(_new(run, taken)) if run.corrections else []
    for device_id, channels, code in _places(left_out):
        reason = Backlog.Reason.UNSUPPORTED if code in unsupported else Backlog.Reason.LEFT_OUT
        reason = Backlog.Reason.HELD if code == HELD_CODE else reason
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


def _new(run: ExportRun, taken: Taken) -> Iterable[Backlog]:
    """What a correction run has left out because it was new; its reason stays, if it was owed."""
    for findings in run.parts.exclude(findings={}).values_list("findings", flat=True):
        for rest in rests_of(findings, run.since):
            before = taken.get((rest.device, rest.channel), ())
            yield Backlog(
                definition=run.definition,
                device_id=rest.device,
                channel_id=rest.channel,
                first_day=rest.first,
                last_day=rest.last,
                since=rest.since,
                sent=run.horizon,
                reason=before[0].reason if before else Backlog.Reason.NEW,
                version=run.definition.version,
            )


def backlog_release(run: ExportRun) -> None:
    """A run that ended without being sent: what it took up is owed as before."""
    Backlog.objects.filter(run=run).update(run=None)


def _copy(row: Backlog, **changes: Any) -> Backlog:
    kept = ("definition_id", "device_id", "channel_id", "first_day", "last_day", "since", "sent")
    return Backlog(**{name: getattr(row, name) for name in kept}, **changes)


def _widest(rows: Iterable[Backlog]) -> list[Backlog]:
    """Without rows that another one includes."""
    widest: dict[tuple[Any, ...], Backlog] = {}
    for row in rows:
        key = (row.device_id, row.channel_id, row.first_day, row.last_day)
        known = widest.setdefault(key, row)
        sent = min(max(row.since, row.sent), max(known.since, known.sent))
        if row.since < known.since:
            widest[key] = known = row
        known.sent = sent
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
