"""The versions of register totals (SUM, rate T) that a range of batch numbers made, in order.

Totals are keyed (device, time, register), whatever the type of the read that brought them: who
follows them as they arrive knows no read types. The fold rule holds for that key, too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from devices.journal import marks, registers, sql
from devices.journal.registers import Key, Version
from devices.journal.versions import Batches, kept_check
from devices.models import RegisterEntry, RegisterSnapshot
from devices.readings import READ_TYPES, RegisterValue

ORDER = {read_type: place for place, read_type in enumerate(READ_TYPES)}


class Total(NamedTuple):
    """A version of a register total; `revision`: the number of earlier ones. Nulls count but are
    none to send."""

    device_id: int
    time: datetime
    number: int
    value: RegisterValue
    source: str  # two-letter code
    revision: int


@dataclass(slots=True)
class _Register:
    """What stands for one register at one time."""

    value: RegisterValue
    versions: int = 1


@dataclass(slots=True)
class _Moment:
    """A device at a time: what stands of each read, and of each register."""

    reads: dict[str, dict[Any, RegisterValue]] = field(default_factory=dict)
    registers: dict[Any, _Register] = field(default_factory=dict)


def totals_read(
    batches: Batches, wanted: Callable[[Sequence[int]], set[int]] | None = None
) -> list[Total]:
    """The versions of totals of some batches, of the devices that `wanted` picks, in the order of
    (batch number, read, register number)."""
    touched: dict[tuple[int, datetime], int] = {}
    found = RegisterEntry.objects.filter(batch_id__in=sql.id_set(batches.ids))
    for pk, device, time in found.order_by("id").values_list("id", "device_id", "time").iterator():
        touched.setdefault((device, time), pk)
    if wanted is not None and touched:
        chosen = wanted(sorted({device for device, _ in touched}))
        touched = {moment: pk for moment, pk in touched.items() if moment[0] in chosen}
    if not touched:
        kept_check(batches)
        return []
    moments: dict[tuple[int, datetime], list[tuple[Key, Version]]] = {}
    for key, version in _history(touched.keys(), batches.last):
        moments.setdefault((key[0], key[2]), []).append((key, version))
    kept_check(batches)
    totals = [
        (total.number, touched[moment], total.value.number or 0, total)
        for moment, versions in moments.items()
        for total in _totals(versions, batches.first)
    ]
    totals.sort(key=lambda item: item[:3])
    return [item[3] for item in totals]


def _history(moments: Iterable[tuple[int, datetime]], upto: int) -> Iterator[tuple[Key, Version]]:
    """Every version of the reads of these moments numbered ≤ upto: folded ones, and waiting."""
    done = marks.folded_to()
    chosen = set(moments)
    times = [time for _, time in chosen]
    bounds: dict[str, Any] = {
        "device_id__in": sql.id_set({device for device, _ in chosen}),
        "time__range": (min(times), max(times)),
    }
    waiting: list[tuple[Any, ...]] = []
    if done < upto:
        entries = RegisterEntry.objects.filter(
            batch__number__gt=done, batch__number__lte=upto, **bounds
        ).order_by("batch__number", "id")
        columns = ("device_id", "read_type", "time", "head", "values", "batch__number")
        waiting = [row for row in entries.values_list(*columns) if (row[0], row[2]) in chosen]
    latest: dict[Key, Version] = {}
    snapshots = RegisterSnapshot.objects.filter(number__lte=upto, **bounds).order_by("number")
    for *key, number, revision, head, values in snapshots.values_list(
        *registers.COLUMNS
    ).iterator():
        if (key[0], key[2]) in chosen:
            version = (number, revision, head, registers.values_of(values))
            latest[key[0], key[1], key[2]] = version
            yield (key[0], key[1], key[2]), version
    for (read, number), (revision, head, values) in registers.versions(waiting, latest).items():
        yield read, (number, revision, head, values)


def _totals(versions: list[tuple[Key, Version]], first: int) -> Iterator[Total]:
    """The totals that the versions of one moment's reads made from number `first` on."""
    moment = _Moment()
    versions.sort(key=lambda item: (item[1][0], ORDER.get(item[0][1], len(ORDER))))
    for (device, read_type, time), (number, _, head, values) in versions:
        standing = moment.reads.setdefault(read_type, {})
        for value in values:
            old = standing.get(value.key)
            standing[value.key] = value
            if _is_total(value) and (old is None or old.said != value.said):
                revision = _take(moment, value)
                if revision is not None and number >= first:
                    source = value.source or registers.source_of(head)
                    yield Total(device, time, number, value, source, revision)


def _is_total(value: RegisterValue) -> bool:
    return (value.register_class, value.rate, value.occurrence) == ("SUM", "T", 1)


def _take(moment: _Moment, value: RegisterValue) -> int | None:
    """Fold a value into what stands for its register; its revision if it is a version."""
    key = value.number or (value.unit, value.flow)
    register = moment.registers.get(key)
    if register is None:
        moment.registers[key] = _Register(value)
        return 0
    old = register.value
    loses = registers.rank(value.status) < registers.rank(old.status)
    if loses or (value.value, value.status) == (old.value, old.status):
        return None
    register.value = value
    register.versions += 1
    return register.versions - 1
