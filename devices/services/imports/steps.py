"""Making a step's change set true, and taking it back: a fixed number of statements, any size.

The same statements do both: a step has two sides, before and after, and `write` goes from one to
the other. Devices that an undo leaves alone (the job's conflicts) are left out of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model
from django.utils import timezone

from devices.blocks import standard_offset
from devices.imports.columns import PLACE_FIELDS
from devices.models import (
    Channel,
    ChannelTemplate,
    Device,
    FunctionalGroup,
    ImportConflict,
    ImportJob,
    ImportPlace,
    ImportRecord,
    ImportStay,
    Installation,
    Membership,
)
from devices.readings import DAY
from devices.services.imports.lookup import RECORD
from devices.services.imports.tables import column_of, differs, run, same

BEFORE, AFTER = ImportRecord.BEFORE, ImportRecord.AFTER
SIDES = {BEFORE: "before", AFTER: "after"}
# A device's columns: in the inventory, in a change set.
_DEVICE = {name: name if name != "device_class" else "device_class_id" for name in RECORD}


def _table(model: type[Model]) -> str:
    return model._meta.db_table


DEVICE, RECORDS = _table(Device), _table(ImportRecord)
GROUP, CONFLICTS = _table(FunctionalGroup), _table(ImportConflict)


@dataclass(frozen=True)
class Intervals:
    """Dated rows of devices and the table of their changes."""

    rows: str
    changes: str
    columns: Sequence[str]
    join: str = ""  # from a change to what a row refers to
    match: str = ""  # of a row to its change, beside device and start
    extra: tuple[tuple[str, str], ...] = ()  # further columns of a row, from a change


INTERVALS = (
    Intervals(_table(Installation), _table(ImportPlace), PLACE_FIELDS),
    Intervals(
        _table(Membership),
        _table(ImportStay),
        ("kind",),
        join=f"JOIN {GROUP} g ON g.code = c.group_code",
        match="AND r.group_id = g.id",
        extra=(("group_id", "g.id"),),
    ),
)
_MINE = (
    "c.job_id = %s AND c.step = %s AND NOT EXISTS (SELECT 1 FROM "
    f"{CONFLICTS} x WHERE x.job_id = c.job_id AND x.key = c.key)"
)


# --- is everything as the step expects it? -------------------------------------------------------


def conflicts_find(job: ImportJob, step: int, side: int) -> list[str]:
    """The devices of a step that are not as this side of it says."""
    found = set(column_of(*_records_differ(job, step, side)))
    for intervals in INTERVALS:
        found.update(column_of(*_intervals_differ(intervals, job, step, side)))
    return sorted(found)


def _records_differ(job: ImportJob, step: int, side: int) -> tuple[str, list[Any]]:
    columns = " OR ".join(differs(f"d.{own}", f"c.{name}") for name, own in _DEVICE.items())
    text = (
        f"SELECT c.key FROM {RECORDS} c LEFT JOIN {DEVICE} d ON d.device_id = c.key "
        f"WHERE {_MINE} AND c.side = %s AND (d.id IS NULL OR {columns})"
    )
    params: list[Any] = [job.pk, step, side]
    if side == BEFORE:  # and what is to be made must not be there
        text += (
            f" UNION SELECT c.key FROM {RECORDS} c JOIN {DEVICE} d ON d.device_id = c.key "
            f"WHERE {_MINE} AND c.side = {AFTER} AND c.made"
        )
        params += [job.pk, step]
    return text, params


def _intervals_differ(
    intervals: Intervals, job: ImportJob, step: int, side: int
) -> tuple[str, list[Any]]:
    """Intervals that this side says and are not there, or are there and it says are not."""
    here, there = SIDES[side], SIDES[1 - side]
    equal = " AND ".join(same(f"r.{name}", f"c.{name}") for name in intervals.columns)
    link = f"r.device_id = d.id {intervals.match}"
    row = f"SELECT 1 FROM {intervals.rows} r WHERE {link} AND r.valid_from = c."
    whole = f"{same('r.valid_to', f'c.{here}_to')} AND {equal}"
    replaced = (
        f"SELECT 1 FROM {intervals.changes} o WHERE o.job_id = c.job_id AND o.step = c.step "
        f"AND o.key = c.key AND o.{here}_from = c.{there}_from"
    )
    if intervals.match:
        replaced += " AND o.group_code = c.group_code"
    text = (
        f"SELECT c.key FROM {intervals.changes} c {intervals.join} "
        f"LEFT JOIN {DEVICE} d ON d.device_id = c.key WHERE {_MINE} AND ("
        f"(c.{here}_from IS NOT NULL AND NOT EXISTS ({row}{here}_from AND {whole})) OR "
        f"(c.{here}_from IS NULL AND EXISTS ({row}{there}_from) AND NOT EXISTS ({replaced})))"
    )
    return text, [job.pk, step]


# --- from one side to the other ------------------------------------------------------------------


def step_write(job: ImportJob, step: int, *, to: int, user_id: int | None, reason: str) -> None:
    """Make one side of a step true. Inside a transaction; IntegrityError when it cannot be."""
    mine = [job.pk, step]
    if to == BEFORE:
        _intervals_write(mine, to)
    _records_update(mine, to)
    if to == AFTER:
        _records_insert(mine)
        _intervals_write(mine, to)
        _channels_insert(mine, job.moment or timezone.now())
        _history_insert(mine, user_id, reason)
    else:
        _history_insert(mine, user_id, reason)
        _records_delete(mine)


def _records_update(mine: list[Any], to: int) -> None:
    """Devices that are on both sides. Meter numbers that change hands are let go of first."""
    run(
        f"UPDATE {DEVICE} SET meter_number = '~' || CAST(id AS varchar(19)) WHERE id IN ("
        f"SELECT d.id FROM {RECORDS} c JOIN {DEVICE} d ON d.device_id = c.key "
        f"WHERE {_MINE} AND c.side = {AFTER} AND c.hands)",
        mine,
    )
    columns = ", ".join(f"{own} = c.{name}" for name, own in _DEVICE.items())
    run(
        f"UPDATE {DEVICE} SET {columns}, changed_at = c.changed_at FROM {RECORDS} c "
        f"WHERE {_MINE} AND c.side = %s AND c.device = {DEVICE}.id",
        [*mine, to],
    )


def _records_insert(mine: list[Any]) -> None:
    """Devices that are new, in the order of their rows."""
    own, theirs = ", ".join(_DEVICE.values()), ", ".join(f"c.{name}" for name in _DEVICE)
    run(
        f"INSERT INTO {DEVICE} (device_id, {own}, created, changed_at) "
        f"SELECT c.key, {theirs}, %s, c.changed_at FROM {RECORDS} c "
        f"WHERE {_MINE} AND c.side = {AFTER} AND c.made ORDER BY c.number",
        [timezone.now(), *mine],
    )


def _records_delete(mine: list[Any]) -> None:
    """Devices that the step made, with the channels that it gave them."""
    new = (
        f"SELECT d.id FROM {RECORDS} c JOIN {DEVICE} d ON d.device_id = c.key "
        f"WHERE {_MINE} AND c.side = {AFTER} AND c.made"
    )
    run(f"DELETE FROM {_table(Channel)} WHERE device_id IN ({new})", mine)
    run(f"DELETE FROM {DEVICE} WHERE id IN ({new})", mine)


def _intervals_write(mine: list[Any], to: int) -> None:
    """Installations and memberships: what goes, then what ends, then what goes on or begins."""
    here, target = SIDES[1 - to], SIDES[to]
    for intervals in INTERVALS:
        rows, changes, join = intervals.rows, intervals.changes, intervals.join
        source = f"{changes} c JOIN {DEVICE} d ON d.device_id = c.key {join}"
        link = f"r.device_id = d.id {intervals.match} AND r.valid_from = c.{here}_from"
        run(
            f"DELETE FROM {rows} WHERE id IN (SELECT r.id FROM {source} JOIN {rows} r ON {link} "
            f"WHERE {_MINE} AND c.{target}_from IS NULL)",
            mine,
        )
        for which in ("IS NOT NULL", "IS NULL"):
            run(
                f"UPDATE {rows} AS r SET valid_from = c.{target}_from, valid_to = c.{target}_to "
                f"FROM {source} WHERE {link} AND {_MINE} AND c.{target}_from IS NOT NULL "
                f"AND c.{target}_to {which}",
                mine,
            )
        columns = [*intervals.columns, *(name for name, _ in intervals.extra)]
        values = [
            *(f"c.{name}" for name in intervals.columns),
            *(value for _, value in intervals.extra),
        ]
        run(
            f"INSERT INTO {rows} (device_id, valid_from, valid_to, {', '.join(columns)}) "
            f"SELECT d.id, c.{target}_from, c.{target}_to, {', '.join(values)} FROM {source} "
            f"WHERE {_MINE} AND c.{here}_from IS NULL",
            mine,
        )


def _channels_insert(mine: list[Any], moment: datetime) -> None:
    """The channels of their class for devices that are new, active again or of another class.

    A channel is as `channel_grid` says: the zone's standard offset, frozen now.
    """
    needs = f"c.side = {AFTER} AND c.outfits"
    zones = column_of(
        f"SELECT DISTINCT c.time_zone FROM {RECORDS} c WHERE {_MINE} AND {needs}", mine
    )
    for zone in zones:
        run(
            f"INSERT INTO {_table(Channel)} (device_id, number, unit, flow, seconds, value_type, "
            "resolution, multiplier_applied, grid_offset, zone) SELECT d.id, t.number, "
            "t.unit, t.flow, t.seconds, t.value_type, t.resolution, %s, %s, "
            f"CASE WHEN t.seconds = {DAY} THEN c.time_zone ELSE '' END FROM {RECORDS} c "
            f"JOIN {DEVICE} d ON d.device_id = c.key "
            f"JOIN {_table(ChannelTemplate)} t ON t.device_class_id = c.device_class "
            f"WHERE {_MINE} AND {needs} AND c.time_zone = %s AND t.by_default AND NOT EXISTS ("
            f"SELECT 1 FROM {_table(Channel)} h WHERE h.device_id = d.id "
            "AND h.number = t.number AND h.valid_to IS NULL) ORDER BY c.number, t.number",
            [True, standard_offset(zone, moment.year), *mine, zone],
        )


def _history_insert(mine: list[Any], user_id: int | None, reason: str) -> None:
    """A history row for each device whose own columns a step changed."""
    history = Device.history.model
    columns = [f.column for f in Device._meta.concrete_fields if f.name != "pin"]
    run(
        f"INSERT INTO {_table(history)} ({', '.join(columns)}, history_date, "
        "history_change_reason, history_type, history_user_id) "
        f"SELECT {', '.join(f'd.{column}' for column in columns)}, %s, %s, "
        f"CASE WHEN c.made THEN '+' ELSE '~' END, %s FROM {RECORDS} c "
        f"JOIN {DEVICE} d ON d.device_id = c.key WHERE {_MINE} AND c.side = {AFTER}",
        [timezone.now(), reason, user_id, *mine],
    )
