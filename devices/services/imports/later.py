"""Rows that were stored for a time to come: done when it has come, or refused then, and said."""

import logging
from datetime import datetime
from itertools import groupby

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from devices.imports.codes import said
from devices.imports.outcome import REFUSED
from devices.models import ImportJob, ImportRow
from devices.services.imports.apply import hooks_call
from devices.services.imports.changes import changes_write
from devices.services.imports.evaluate import Evaluator
from devices.services.imports.lookup import catalogues_load
from devices.services.imports.steps import AFTER, step_write
from devices.services.imports.stored import WAITING, chunk_read, reader_of

logger = logging.getLogger(__name__)
AT_ONCE = 500


def rows_due(now: datetime | None = None) -> bool:
    """Do some rows that are due, in the order of their times; True: there are more.

    Each set of one import and one instant is a step of its import, in one transaction.
    """
    now = now or timezone.now()
    due = ImportRow.objects.filter(status=WAITING, due__lte=now).order_by("due", "job", "number")
    rows = list(due.values_list("due", "job", "number")[:AT_ONCE])
    for (at, job), some in groupby(rows, key=lambda row: row[:2]):
        numbers = [row[2] for row in some]
        try:
            _rows_do(job, at, numbers)
        except IntegrityError:  # another took a meter number just now: the next look refuses it
            logger.warning("rows of import %s collided with another change; again", job)
            return True
    return len(rows) == AT_ONCE


def _rows_do(job_id: int, at: datetime, numbers: list[int]) -> None:
    with transaction.atomic():
        job = ImportJob.objects.select_for_update().get(pk=job_id)
        mine = ImportRow.objects.filter(job=job, number__in=numbers, status=WAITING)
        rows = list(mine.order_by("number").values_list("number", "cells", "secret"))
        mine.update(status=ImportRow.Status.APPLIED)  # so that they are no more to come
        catalogues = catalogues_load()
        evaluator = Evaluator(job, catalogues, at, 0, False)
        portion = evaluator.portion(chunk_read(reader_of(job, catalogues), rows))
        step = job.steps + 1
        first = {outcome.device_id: outcome.number for outcome in portion.outcomes}
        changes_write(job, step, portion.pairs, catalogues, numbers=first)
        job.moment = at
        step_write(job, step, to=AFTER, user_id=job.user_id, reason=f"import {job.batch}")
        ImportJob.objects.filter(pk=job.pk).update(steps=step)
        hooks_call(job, step, undone=False)
        refused = [outcome for outcome in portion.outcomes if outcome.kind == REFUSED]
        for outcome in refused:
            words = said(evaluator.codes, outcome.issues, outcome.number)
            ImportRow.objects.filter(job=job, number=outcome.number).update(
                status=ImportRow.Status.REFUSED,
                result=words.result,
                code=words.code,
                message=words.message,
            )
            transaction.on_commit(
                lambda n=outcome.number, w=words: _alarm(job, n, w.code, w.message)
            )


def _alarm(job: ImportJob, number: int, code: str, message: str) -> None:
    """Tell the operators, by the house's alarms and in the log."""
    logger.error("import %s: %s refused when due: %s", job.batch, code, message)
    for name in settings.TMS_ALARM_HOOKS:
        import_string(name)(
            code="TMS_IMPORT",
            title=f"Import {job.batch}: row {number} was refused when it was due",
            key=f"import {job.batch} row {number}",
            text=f"{job.filename}: {code} {message}",
            link=reverse("admin:devices_importjob_change", args=[job.pk]),
        )
