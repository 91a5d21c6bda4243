"""The change set of a step: what each device was and becomes, written to the staging tables."""

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from devices.imports.columns import PLACE_FIELDS
from devices.imports.state import State
from devices.models import ImportJob, ImportPlace, ImportRecord, ImportStay
from devices.rows import rows_insert
from devices.services.imports.lookup import CLASS, DATABASE_KINDS, RECORD, Catalogues
from devices.services.imports.tables import text_set

_ENDS = ("before_from", "before_to", "after_from", "after_to")
_FLAGS = ("made", "hands", "outfits")
_RECORD_COLUMNS = (
    *("job_id", "step", "key", "side", "number", "device", "changed_at", *_FLAGS),
    *RECORD,
)
_PLACE_COLUMNS = ("job_id", "step", "key", *_ENDS, *PLACE_FIELDS)
_STAY_COLUMNS = ("job_id", "step", "key", *_ENDS, "group_code", "kind")
_record_of = itemgetter(*RECORD)
BEFORE, AFTER = ImportRecord.BEFORE, ImportRecord.AFTER


def changes_clear(
    job: ImportJob, step: int | None = None, keys: Iterable[str] | None = None
) -> None:
    """Forget the change set of a job, of a step, or of some devices in it."""
    for model in (ImportRecord, ImportPlace, ImportStay):
        rows = model.objects.filter(job=job)
        if step is not None:
            rows = rows.filter(step=step)
        if keys is not None:
            rows = rows.filter(key__in=text_set(keys))
        rows.delete()


def changes_write(
    job: ImportJob,
    step: int,
    pairs: Mapping[str, tuple[State | None, State]],
    catalogues: Catalogues,
    *,
    numbers: Mapping[str, int],
    again: Iterable[str] = (),
) -> None:
    """Write what devices were (None: not there) and become.

    `numbers`: the row that touched each first. `again`: devices that an earlier portion of the
    step has written; they are written anew, whole.
    """
    if stale := list(again):
        changes_clear(job, step, stale)
    head = (job.pk, step)
    rows_insert(ImportRecord, _RECORD_COLUMNS, _records(head, pairs, catalogues, numbers))
    rows_insert(ImportPlace, _PLACE_COLUMNS, _place_rows(head, pairs))
    rows_insert(ImportStay, _STAY_COLUMNS, _stay_rows(head, pairs))


Pairs = Mapping[str, tuple[State | None, State]]


def _records(
    head: tuple[int, int], pairs: Pairs, catalogues: Catalogues, numbers: Mapping[str, int]
) -> Iterator[tuple[Any, ...]]:
    for key, (before, after) in pairs.items():
        if before is not None and before.record == after.record and before.changed == after.changed:
            continue
        flags = _flags(before, after)
        for side, state in ((BEFORE, before), (AFTER, after)):
            if state is None:
                continue
            values = list(_record_of(state.record))
            values[CLASS] = catalogues.classes[values[CLASS]]
            pk = before.key if before is not None else None
            yield (*head, key, side, numbers.get(key, 0), pk, state.changed, *flags, *values)


def _flags(before: State | None, after: State) -> tuple[bool, bool, bool]:
    """Made, its meter number changes hands, gets channels: as the model says."""
    if before is None:
        return True, True, after.active  # an undo frees its number before others get it back
    was, now = before.record, after.record
    hands = was["meter_number"] != now["meter_number"] or before.active != after.active
    outfits = not before.active or was["device_class"] != now["device_class"]
    return False, hands, after.active and outfits


def _place_rows(head: tuple[int, int], pairs: Pairs) -> Iterator[tuple[Any, ...]]:
    for key, (before, after) in pairs.items():
        was = {place.start: place for place in before.places} if before else {}
        now = {place.start: place for place in after.places}
        for start in was.keys() | now.keys():
            old, new = was.get(start), now.get(start)
            if old == new:
                continue
            if old and new and old.values == new.values:
                yield (*head, key, start, old.end, start, new.end, *new.values)
                continue
            if old:
                yield (*head, key, start, old.end, None, None, *old.values)
            if new:
                yield (*head, key, None, None, start, new.end, *new.values)


def _stay_rows(head: tuple[int, int], pairs: Pairs) -> Iterator[tuple[Any, ...]]:
    for key, (before, after) in pairs.items():
        was = {(stay.group, stay.start): stay for stay in before.stays} if before else {}
        now = {(stay.group, stay.start): stay for stay in after.stays}
        for group, start in was.keys() | now.keys():
            old, new = was.get((group, start)), now.get((group, start))
            if old == new:
                continue
            kind = DATABASE_KINDS[(old or new).kind]  # type: ignore[union-attr]
            ends = (
                *((start, old.end) if old else (None, None)),
                *((start, new.end) if new else (None, None)),
            )
            yield (*head, key, *ends, group, kind)
