"""What some rows are about, as it stands: the inventory, the rows before, what is stored for later.

A handful of queries for thousands of rows; nothing is kept from one portion to the next, so memory
does not grow with the file.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from devices.imports.columns import PLACE_FIELDS
from devices.imports.state import RECORD_DEFAULTS, Place, State
from devices.imports.stays import BILL_CYCLE, Stay
from devices.journal import sql
from devices.models import (
    Device,
    DeviceClass,
    FunctionalGroup,
    ImportJob,
    ImportPlace,
    ImportRecord,
    ImportStay,
    Installation,
    Membership,
)
from devices.services.imports.tables import text_set

RECORD = tuple(RECORD_DEFAULTS)
CLASS = RECORD.index("device_class")
KINDS = {"BILL_CYCLE": BILL_CYCLE, "GENERAL": "GENERAL"}
DATABASE_KINDS = {word: kind for kind, word in KINDS.items()}
AFTER = ImportRecord.AFTER


@dataclass
class Catalogues:
    """Classes and groups, loaded once an import."""

    classes: dict[str, int] = field(default_factory=dict)
    class_codes: dict[int, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)


def catalogues_load() -> Catalogues:
    """The catalogues as they stand."""
    classes = dict(DeviceClass.objects.values_list("code", "pk"))
    groups = FunctionalGroup.objects.values_list("code", "kind")
    return Catalogues(
        classes,
        {pk: code for code, pk in classes.items()},
        {code: KINDS[kind] for code, kind in groups},
    )


@dataclass
class Found:
    """`bases`: devices as the inventory has them; `states`: as the import's rows left them."""

    bases: dict[str, State]
    states: dict[str, State]


def states_load(
    keys: set[str],
    meters: set[str],
    catalogues: Catalogues,
    *,
    job: ImportJob | None = None,
    step: int = 0,
) -> Found:
    """The devices with these ids, and the active ones with these meter numbers.

    With a job: as the rows of its step have left them, which are not applied yet.
    """
    # One question an index: asked for both at once, the database would look at every device.
    bases = _bases(Q(device_id__in=text_set(keys)), catalogues)
    owned = {state.record["meter_number"] for state in bases.values() if state.active}
    if further := meters - owned:
        in_use = ~Q(state=Device.State.UNPROVISIONED)
        bases |= _bases(in_use & Q(meter_number__in=text_set(further)), catalogues)
    if job is None:
        return Found(bases, dict(bases))
    mine = ImportRecord.objects.filter(job=job, step=step, side=AFTER)
    known = keys | bases.keys()
    records = {
        row[0]: row
        for wanted in (Q(key__in=text_set(known)), Q(meter_number__in=text_set(meters)))
        for row in mine.filter(wanted).values_list("key", "device", "changed_at", *RECORD)
    }
    if further := records.keys() - known:
        bases |= _bases(Q(device_id__in=text_set(further)), catalogues)
    overlaid = Overlay(job, step, known | records.keys())
    states = dict(bases)
    for key in records.keys() | overlaid.keys:
        if key not in records and key not in bases:
            continue
        base = bases.get(key, State(key))
        if key in records:
            _, _, changed, *values = records[key]
            base = base._replace(record=_record(values, catalogues), changed=changed)
        states[key] = overlaid.applied(base)
    return Found(bases, states)


def _bases(wanted: Q, catalogues: Catalogues) -> dict[str, State]:
    """States of the inventory alone."""
    rows = list(
        Device.objects.filter(wanted)
        .order_by()
        .values_list("pk", "device_id", "changed_at", *RECORD)
    )
    pks = {row[0]: row[1] for row in rows}
    places, stays = _places(pks), _stays(pks)
    return {
        key: State(
            key,
            pk,
            _record(values, catalogues),
            tuple(places.get(pk, ())),
            tuple(stays.get(pk, ())),
            changed,
        )
        for pk, key, changed, *values in rows
    }


def _record(values: Sequence[Any], catalogues: Catalogues) -> dict[str, Any]:
    record = dict(zip(RECORD, values, strict=True))
    record["device_class"] = catalogues.class_codes.get(record["device_class"], "")
    return record


def _places(pks: Iterable[int]) -> dict[int, list[Place]]:
    found: dict[int, list[Place]] = {}
    if ids := list(pks):
        rows = Installation.objects.filter(device_id__in=sql.id_set(ids)).order_by()
        for pk, start, end, *values in rows.values_list(
            "device_id", "valid_from", "valid_to", *PLACE_FIELDS
        ):
            found.setdefault(pk, []).append(Place(start, end, tuple(values)))
    return found


def _stays(pks: Iterable[int]) -> dict[int, list[Stay]]:
    found: dict[int, list[Stay]] = {}
    if ids := list(pks):
        rows = Membership.objects.filter(device_id__in=sql.id_set(ids)).order_by()
        for pk, code, kind, start, end in rows.values_list(
            "device_id", "group__code", "kind", "valid_from", "valid_to"
        ):
            found.setdefault(pk, []).append(Stay(code, KINDS[kind], start, end))
    return found


class Overlay:
    """The interval changes of a step that is not applied yet, of some devices."""

    def __init__(self, job: ImportJob, step: int, keys: set[str]) -> None:
        mine = {"job": job, "step": step, "key__in": text_set(keys)}
        ends = ("before_from", "before_to", "after_from", "after_to")
        self.places = _by_key(
            ImportPlace.objects.filter(**mine).order_by().values_list("key", *ends, *PLACE_FIELDS)
        )
        self.stays = _by_key(
            ImportStay.objects.filter(**mine)
            .order_by()
            .values_list("key", *ends, "group_code", "kind")
        )

    @property
    def keys(self) -> set[str]:
        return self.places.keys() | self.stays.keys()

    def applied(self, state: State) -> State:
        """A device's state with the changes made."""
        places = {place.start: place for place in state.places}
        for before, _, after, end, *values in _gone_first(self.places.get(state.device_id, ())):
            if before is not None:
                places.pop(before, None)
            if after is not None:
                places[after] = Place(after, end, tuple(values))
        stays = {(stay.group, stay.start): stay for stay in state.stays}
        for before, _, after, end, group, kind in _gone_first(self.stays.get(state.device_id, ())):
            if before is not None:
                stays.pop((group, before), None)
            if after is not None:
                stays[group, after] = Stay(group, KINDS[kind], after, end)
        return state._replace(places=tuple(places.values()), stays=tuple(stays.values()))


def _gone_first(rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What takes an interval away before what puts another in its place."""
    return sorted(rows, key=lambda row: row[2] is not None)


def _by_key(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    found: dict[str, list[tuple[Any, ...]]] = {}
    for key, *rest in rows:
        found.setdefault(key, []).append(tuple(rest))
    return found
