"""Taking an applied import back, step by step from the last, each device whole or not at all."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from devices.journal import sql
from devices.models import (
    Channel,
    Device,
    FunctionalGroup,
    ImportConflict,
    ImportJob,
    ImportRow,
    ImportStay,
    Installation,
    Membership,
)
from devices.services.imports.apply import hooks_call
from devices.services.imports.jobs import ImportFault, State
from devices.services.imports.steps import (
    AFTER,
    BEFORE,
    CONFLICTS,
    DEVICE,
    INTERVALS,
    RECORDS,
    SIDES,
    Intervals,
    conflicts_find,
    step_write,
)
from devices.services.imports.tables import column_of, run, text_set
from devices.services.memberships import (
    memberships_changed,
    whereabouts_changes,
    whereabouts_of,
)

FORCE = "devices.force_importjob"
UNDO = "devices.undo_importjob"
Why = ImportConflict.Why


@dataclass
class Undone:
    """What an undo left alone: devices that changed since, and those kept for their readings."""

    conflicts: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def undo_allowed(job: ImportJob, user: AbstractBaseUser, force: bool = False) -> bool:
    """One's own import; anybody's, and against later changes, for who may insist."""
    if user.has_perm(FORCE):
        return True
    return not force and user.has_perm(UNDO) and job.user_id == user.pk


def import_undo(
    job: ImportJob, *, user: AbstractBaseUser | None = None, force: bool = False
) -> Undone:
    """Take an import back, in one transaction. ImportFault says why it cannot be.

    A device that changed since is left as it is and listed; with `force` it is put back, too, and
    what came after is lost. One that the import added and that has readings is unprovisioned.
    """
    try:
        with transaction.atomic():
            return _undo(job, user, force)
    except IntegrityError as error:
        raise ImportFault(
            "Another device has taken a meter number or a group that this would give back. "
            "Nothing was changed."
        ) from error


def _undo(job: ImportJob, user: AbstractBaseUser | None, force: bool) -> Undone:
    again = force and job.state == State.UNDONE and job.conflicts.exists()
    states = (State.APPLIED, State.UNDONE) if again else (State.APPLIED,)
    name = user.get_username() if user is not None else "command"
    mine = ImportJob.objects.filter(pk=job.pk, state__in=states)
    if not mine.update(state=State.UNDONE, undone=timezone.now(), undone_by=name):
        raise ImportFault(f"Import {job.batch} is not applied: {job.get_state_display().lower()}.")
    left = _left_before(job) if again else []
    ImportConflict.objects.filter(job=job, why__in=(Why.CHANGED, Why.TAKEN)).delete()
    ImportRow.objects.filter(job=job, status=ImportRow.Status.WAITING).update(
        status=ImportRow.Status.UNDONE
    )
    job.refresh_from_db()
    for step in range(job.steps, 0, -1):
        _step_undo(job, step, user, force, left)
    _groups_remove(job)
    conflicts = job.conflicts.values_list("key", "why").order_by("key")
    found = Undone(
        [key for key, why in conflicts if why != Why.KEPT],
        [key for key, why in conflicts if why == Why.KEPT],
    )
    return found


def _left_before(job: ImportJob) -> list[str]:
    """Of an import that is undone but for conflicts: what is to be insisted on now."""
    return list(job.conflicts.exclude(why=Why.KEPT).values_list("key", flat=True))


def _step_undo(
    job: ImportJob, step: int, user: AbstractBaseUser | None, force: bool, only: list[str]
) -> None:
    if only:
        # The others of the step are back already: to this undo they are as if not in it.
        _conflicts_note(job, _others(job, step, only), Why.KEPT)
    found = conflicts_find(job, step, AFTER)
    was, now = whereabouts_of(found if force else ()), timezone.now()
    if force:
        _now_as_after(job, step, found)
    else:
        _conflicts_note(job, found, Why.CHANGED)
        _conflicts_note(job, _meters_taken(job, step), Why.TAKEN)
    kept = _with_readings(job, step)
    _conflicts_note(job, kept, Why.KEPT)
    reason = f"undo of import {job.batch}"
    _unprovision(kept, now, user, reason)
    step_write(job, step, to=BEFORE, user_id=user.pk if user else job.user_id, reason=reason)
    hooks_call(job, step, undone=True)
    # Of what is insisted on, the hooks know only from where the step had left it.
    memberships_changed(whereabouts_changes(was, whereabouts_of(found if force else ())))


def _conflicts_note(job: ImportJob, keys: list[str], why: str) -> None:
    ImportConflict.objects.bulk_create(
        [ImportConflict(job=job, key=key, why=why) for key in keys],
        ignore_conflicts=True,
        batch_size=5000,
    )


def _others(job: ImportJob, step: int, only: list[str]) -> list[str]:
    keys: set[str] = set()
    for table in (RECORDS, *(intervals.changes for intervals in INTERVALS)):
        text = f"SELECT DISTINCT key FROM {table} WHERE job_id = %s AND step = %s"
        keys.update(column_of(text, [job.pk, step]))
    return sorted(keys.difference(only))


def _meters_taken(job: ImportJob, step: int) -> list[str]:
    """Devices that would be active again under a meter number which another active one has."""
    return column_of(
        f"SELECT c.key FROM {RECORDS} c JOIN {DEVICE} d ON d.meter_number = c.meter_number "
        f"AND d.device_id <> c.key AND d.state <> 'unprovisioned' WHERE c.job_id = %s "
        f"AND c.step = %s AND c.side = {BEFORE} AND c.state <> 'unprovisioned' AND NOT EXISTS ("
        f"SELECT 1 FROM {RECORDS} o WHERE o.job_id = c.job_id AND o.step = c.step "
        f"AND o.key = d.device_id AND o.side = {AFTER} AND o.meter_number = c.meter_number "
        f"AND NOT EXISTS (SELECT 1 FROM {CONFLICTS} x WHERE x.job_id = o.job_id "
        "AND x.key = o.key))",
        [job.pk, step],
    )


def _with_readings(job: ImportJob, step: int) -> list[str]:
    """Devices that the step made and that anything refers to since: readings, events, files."""
    ours = {Installation, Membership, Channel}
    checks = [
        f"EXISTS (SELECT 1 FROM {table} u WHERE u.{column} = d.id)"
        for table, column in _references(Device, ours)
    ]
    channels = f"{Channel._meta.db_table} h WHERE h.device_id = d.id AND u."
    checks += [
        f"EXISTS (SELECT 1 FROM {table} u, {channels}{column} = h.id)"
        for table, column in _references(Channel, set())
    ]
    return column_of(
        f"SELECT c.key FROM {RECORDS} c JOIN {DEVICE} d ON d.device_id = c.key WHERE c.job_id = %s "
        f"AND c.step = %s AND c.side = {AFTER} AND c.made "
        f"AND NOT EXISTS (SELECT 1 FROM {CONFLICTS} x WHERE x.job_id = c.job_id AND x.key = c.key) "
        f"AND ({' OR '.join(checks)})",
        [job.pk, step],
    )


def _references(model: type[Any], but: set[type[Any]]) -> list[tuple[str, str]]:
    """Tables and columns of all apps that refer to a model."""
    fields = model._meta.get_fields(include_hidden=True)
    related = [f for f in fields if f.auto_created and not f.concrete and f.one_to_many]
    return [
        (f.related_model._meta.db_table, f.field.column)
        for f in related
        if f.related_model not in but and f.related_model._meta.managed
    ]


def _unprovision(
    keys: list[str], now: datetime, user: AbstractBaseUser | None, reason: str
) -> None:
    """Devices that stay for their readings end now: unprovisioned, nowhere, in no group."""
    devices = list(Device.objects.filter(device_id__in=text_set(keys)))
    for device in devices:
        device.state, device.provision_at = Device.State.UNPROVISIONED, None
        device.changed_at = device.ended = now
    columns = ["state", "changed_at", "provision_at", "ended"]
    bulk_update_with_history(
        devices, Device, columns, batch_size=500, default_user=user, default_change_reason=reason
    )
    pks = [device.pk for device in devices]
    for model in (Installation, Membership):
        rows = model.objects.filter(device_id__in=sql.id_set(pks))
        rows.filter(valid_from__gte=now).delete()
        rows.filter(Q(valid_to=None) | Q(valid_to__gt=now)).update(valid_to=now)


def _now_as_after(job: ImportJob, step: int, keys: list[str]) -> None:
    """For who insists: what the step left is put in place of what came since, of these devices."""
    if not keys:
        return
    pks = list(Device.objects.filter(device_id__in=text_set(keys)).values_list("pk", flat=True))
    for intervals, model in zip(INTERVALS, (Installation, Membership), strict=True):
        _lane_reset(intervals, model, job, step, keys, pks)


def _lane_reset(
    intervals: Intervals,
    model: type[Any],
    job: ImportJob,
    step: int,
    keys: list[str],
    pks: list[int],
) -> None:
    """Take away what began since the step did, and what it left in another form; put that back."""
    for pk, key in Device.objects.filter(pk__in=pks).values_list("pk", "device_id"):
        start = column_of(
            f"SELECT MIN(COALESCE(c.after_from, c.before_from)) FROM {intervals.changes} c "
            "WHERE c.job_id = %s AND c.step = %s AND c.key = %s",
            [job.pk, step, key],
        )[0]
        if start is None:
            continue
        rows = model.objects.filter(device_id=pk)
        if model is Membership:
            rows = rows.filter(_lane(job, step, key))
        aware = _aware(start)
        rows.filter(valid_from__gte=aware).delete()
        columns = [*intervals.columns, *(name for name, _ in intervals.extra)]
        values = [f"c.{n}" for n in intervals.columns] + [value for _, value in intervals.extra]
        run(
            f"INSERT INTO {intervals.rows} (device_id, valid_from, valid_to, {', '.join(columns)}) "
            f"SELECT {pk}, c.{SIDES[AFTER]}_from, c.{SIDES[AFTER]}_to, {', '.join(values)} "
            f"FROM {intervals.changes} c {intervals.join} WHERE c.job_id = %s AND c.step = %s "
            f"AND c.key = %s AND c.{SIDES[AFTER]}_from IS NOT NULL",
            [job.pk, step, key],
        )


def _lane(job: ImportJob, step: int, key: str) -> Q:
    """The sets of memberships that a step touched of a device."""
    rows = ImportStay.objects.filter(job=job, step=step, key=key).values_list("group_code", "kind")
    lanes = Q(pk=None)
    for code, kind in rows:
        lanes |= Q(kind=kind) if kind == "BILL_CYCLE" else Q(group__code=code)
    return lanes


def _aware(value: Any) -> datetime:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _groups_remove(job: ImportJob) -> None:
    """Groups that the import created and nobody has been in since."""
    made = FunctionalGroup.objects.filter(code__in=list(job.created_groups), memberships=None)
    for group in made:
        group.delete()
