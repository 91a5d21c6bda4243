"""Applying an import: the staged change set as it was shown, or row by row on the state of now."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.module_loading import import_string

from devices.imports.outcome import REFUSED, UNCHANGED
from devices.models import FunctionalGroup, ImportJob, ImportRow
from devices.rows import rows_insert
from devices.services.imports.changes import changes_clear, changes_write
from devices.services.imports.evaluate import COLUMNS, ROLE, Evaluator, Portion
from devices.services.imports.jobs import (
    DEVICES,
    ImportFault,
    State,
    is_to_confirm,
    job_beat,
    job_end,
    options_of,
)
from devices.services.imports.lookup import DATABASE_KINDS, catalogues_load
from devices.services.imports.stage import STEP, import_restage
from devices.services.imports.steps import AFTER, BEFORE, conflicts_find, step_write
from devices.services.imports.stored import chunk_read, range_of, reader_of, rows_of, waiting_exist

FRESH = timedelta(minutes=15)  # a preview older than this is looked at again before it is applied
SLICE = 500  # rows of one transaction, row by row
LATER = ImportRow.Status.WAITING
CHANGED_SINCE = (
    "The inventory has changed since the preview, and with it what this file would do. "
    "Nothing was applied. Look at the preview again."
)


class Stale(ImportFault):
    """What the preview showed does not hold any more; it was made anew."""


def import_queue(
    job: ImportJob, *, user: AbstractBaseUser | None, confirmed: bool = False, dangers: bool = False
) -> None:
    """Say yes to a preview: from now on it may be applied. ImportFault says what is in the way.

    `confirmed`: to columns that may be mistyped and to a file that was imported before;
    `dangers`: to the rows that are marked dangerous.
    """
    if job.state != State.PREVIEW:
        raise ImportFault(f"This import is not a preview: {job.get_state_display().lower()}.")
    if user is not None and not user.has_perm(ROLE):
        raise ImportFault("You may not import.")
    if is_to_confirm(job) and not confirmed:
        raise ImportFault("Confirm what is said of the whole file first.")
    if job.counts.get("dangerous") and not dangers:
        raise ImportFault("Confirm the dangerous rows first.")
    if options_of(job).all_or_nothing and job.counts.get("ERROR"):
        raise ImportFault("Rows were refused, and it is all or nothing.")
    name = user.get_username() if user is not None else job.get_origin_display()
    ready = ImportJob.objects.filter(pk=job.pk, state=State.PREVIEW, cancel=False)
    noted = {"result": "WARN"} if job.held else {}  # what was held is confirmed now
    if not ready.update(state=State.QUEUED, applied_by=name, progress=0, **noted):
        raise ImportFault("Somebody else has decided on this import.")
    job.refresh_from_db()


def import_apply(job: ImportJob) -> None:
    """Apply a claimed import. Stale: it is a preview again. Lost: another's, or cancelled."""
    if options_of(job).row_by_row:
        _apply_by_rows(job)
        return
    try:
        if not _is_fresh(job) and not import_restage(job):
            raise Stale(CHANGED_SINCE)
        try:
            _apply_whole(job)
        except IntegrityError as error:  # another took a meter number, a group, a device id
            raise Stale(CHANGED_SINCE) from error
    except Stale:
        _back_to_preview(job)
        raise


def _is_fresh(job: ImportJob) -> bool:
    young = job.moment is not None and timezone.now() - job.moment < FRESH
    return young and not conflicts_find(job, STEP, BEFORE)


def _back_to_preview(job: ImportJob) -> None:
    with transaction.atomic():
        import_restage(job)
        job_end(job, State.PREVIEW, applied_by="")


def _apply_whole(job: ImportJob) -> None:
    """One transaction: all of it or nothing, whatever dies."""
    job_beat(job, progress=10)
    with transaction.atomic():
        groups_create(job.created_groups)
        step_write(job, STEP, to=AFTER, user_id=job.user_id, reason=f"import {job.batch}")
        rows_done(job)
        hooks_call(job, STEP, undone=False)
        job_end(job, State.APPLIED, applied=timezone.now(), steps=STEP)


def _apply_by_rows(job: ImportJob) -> None:
    """Some rows a transaction; what is applied stays, and is gone on from."""
    if not job.steps:
        changes_clear(job)
    total = max(job.counts.get("rows", 0), 1)
    catalogues = catalogues_load()
    reader = reader_of(job, catalogues)
    done = 0
    for rows in rows_of(job, SLICE):
        done += len(rows)
        first, last = rows[0][0], rows[-1][0]
        if last <= job.done_to:
            continue
        with transaction.atomic():
            moment = timezone.now().replace(microsecond=0)
            step = ImportJob.objects.values_list("steps", flat=True).get(pk=job.pk) + 1
            evaluator = Evaluator(job, catalogues, moment, 0, waiting_exist())
            portion = evaluator.portion(chunk_read(reader, rows))
            numbers = {outcome.device_id: outcome.number for outcome in portion.outcomes}
            changes_write(job, step, portion.pairs, catalogues, numbers=numbers)
            groups_create(evaluator.created)
            job.moment = moment
            step_write(job, step, to=AFTER, user_id=job.user_id, reason=f"import {job.batch}")
            _rows_rewrite(job, evaluator, portion, first, last)
            hooks_call(job, step, undone=False)
            created = {**job.created_groups, **evaluator.created}
            job.created_groups = created
            progress = min(99, 100 * done // total)
            job_beat(job, steps=step, done_to=last, created_groups=created, progress=progress)
    job_end(job, State.APPLIED, applied=timezone.now())


def _rows_rewrite(
    job: ImportJob, evaluator: Evaluator, portion: Portion, first: int, last: int
) -> None:
    """The rows as they turned out now, which may differ from their preview."""
    range_of(job, first, last).delete()
    rows_insert(ImportRow, COLUMNS, evaluator.rows(portion))
    rows_done(job, (first, last))


def rows_done(job: ImportJob, between: tuple[int, int] | None = None) -> None:
    """Mark the rows that are stored for later; of the others the state of the import tells."""
    if job.kind != DEVICES:  # a change of groups is dated itself and needs no waiting
        return
    rows = ImportRow.objects.filter(job=job, due__isnull=False).exclude(result="SKIPPED")
    if between:
        rows = rows.filter(number__range=between)
    rows.exclude(kind__in=(REFUSED, UNCHANGED)).update(status=LATER)


def groups_create(created: dict[str, str]) -> None:
    """Make the groups that rows create."""
    FunctionalGroup.objects.bulk_create(
        FunctionalGroup(code=code, kind=DATABASE_KINDS[kind]) for code, kind in created.items()
    )


def hooks_call(job: ImportJob, step: int, *, undone: bool) -> None:
    """Tell the apps above, in the transaction (TMS_IMPORT_HOOKS)."""
    for name in settings.TMS_IMPORT_HOOKS:
        import_string(name)(job, step, undone=undone)
