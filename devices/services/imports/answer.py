"""The clerk's answer: the result file, the resubmit file, the report of a command."""

import json
import re
from collections.abc import Iterator
from typing import Any

from devices.imports.results import ResultWriter
from devices.models import ImportJob, ImportRow
from devices.services.imports.jobs import header_of, options_of
from devices.services.imports.stored import cells_unpack

LINES_AT_ONCE = 2000


def result_name(job: ImportJob, extension: str = "csv", word: str = "result") -> str:
    """The name of a result file: the input's, and the number of the import."""
    stem = job.filename.rsplit(".", 1)[0] or "import"
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', stem)[:150]}_{word}_{job.batch}.{extension}"


def writer_of(job: ImportJob) -> ResultWriter:
    """The writer of a job's answers."""
    columns = header_of(job).columns if job.names else ()
    safe = options_of(job).excel_safe
    return ResultWriter(job.names, columns, job.delimiter or ",", excel_safe=safe)


def result_rows(job: ImportJob, *, only_bad: bool = False) -> Iterator[list[str]]:
    """Rows of the result file: that of the whole file first, then each row with its answer."""
    if job.message and not only_bad:
        yield [*[""] * len(job.names), "0", job.result, job.code, job.message]
    rows = ImportRow.objects.filter(job=job)
    if only_bad:
        rows = rows.filter(result__in=("ERROR", "SKIPPED"))
    fields = ("number", "cells", "result", "code", "message")
    for number, cells, *answer in (
        rows.order_by("number").values_list(*fields).iterator(chunk_size=LINES_AT_ONCE)
    ):
        yield cells_unpack(cells) if only_bad else [*cells_unpack(cells), str(number), *answer]


def result_text(job: ImportJob, *, only_bad: bool = False) -> Iterator[str]:
    """The result file in pieces of text; `only_bad`: what is to be mended and sent again."""
    return writer_of(job).text(result_rows(job, only_bad=only_bad), answers=not only_bad)


def report_of(job: ImportJob) -> dict[str, Any]:
    """What a command prints of an import."""
    counts = job.counts
    answers = ImportRow.objects.filter(job=job).order_by("number")
    rows = [
        {"row": number, "result": result, "code": code, "message": message}
        for number, result, code, message in answers.values_list(
            "number", "result", "code", "message"
        ).iterator(chunk_size=LINES_AT_ONCE)
    ]
    if job.message:
        whole = {"row": 0, "result": job.result, "code": job.code, "message": job.message}
        rows.insert(0, whole)
    stands = job.state != ImportJob.State.REFUSED
    numbers = {
        word: counts.get(kind, 0) if stands else 0
        for word, kind in (
            *(("added", "added"), ("updated", "changed"), ("deleted", "removed")),
            *(("moved", "moved"), ("unchanged", "unchanged")),
        )
    }
    return {
        "import": job.batch,
        "status": "held" if job.held and job.state != ImportJob.State.APPLIED else job.state,
        **numbers,
        "refused": counts.get("refused", 0),
        "rows": rows,
    }


def changes_of(row: ImportRow) -> list[tuple[str, str, str]]:
    """Column, old, new of a row, for people."""
    found = json.loads(row.changes) if row.changes else {}
    return [(name, old, new) for name, (old, new) in found.items()]
