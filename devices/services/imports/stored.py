"""Rows as they were staged, read again: for another look at the state, or because they are due."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from django.db.models import Q, QuerySet

from devices.imports.cells import MASKED, CellReader, Chunk
from devices.imports.devicerules import Patch, Waiting
from devices.imports.kinds import Reader
from devices.imports.text import Record
from devices.imports.workbook import Dated
from devices.models import ImportJob, ImportRow, ScheduleProfile
from devices.services.imports.jobs import DEVICES, actions_of, header_of, options_of
from devices.services.imports.lookup import Catalogues
from devices.services.imports.tables import text_set
from devices.services.secrets import secret_open

WAITING = ImportRow.Status.WAITING
# Of rows that say nothing but that: their cells were cut, so they are not read again.
TOO_MANY_CELLS = ("DEV05", "GRP15")


def cells_pack(cells: Sequence[str]) -> str:
    """The cells of a row as they are kept; a date of a workbook stays known as one."""
    if Dated in map(type, cells):
        return json.dumps([[cell] if isinstance(cell, Dated) else cell for cell in cells])
    return msgspec.json.encode(cells).decode()


def cells_unpack(text: str) -> list[str]:
    """The cells of a kept row."""
    return [cell if isinstance(cell, str) else Dated(cell[0]) for cell in json.loads(text)]


def reader_of(job: ImportJob, catalogues: Catalogues) -> CellReader:
    """The reader of a job's cells, by its header and options."""
    options = options_of(job)
    reader = Reader(
        comma=job.delimiter in (";", "\t"),
        date_order=options.date_order,
        pad=options.pad,
        classes=catalogues.classes.keys(),
        groups=catalogues.groups if job.kind == DEVICES else None,
        profiles=set(ScheduleProfile.objects.values_list("name", flat=True)),
    )
    return CellReader(header_of(job), reader, actions_of(job.kind))


def chunk_read(reader: CellReader, rows: Sequence[tuple[int, str, str]]) -> Chunk:
    """A chunk of kept rows: (number, cells, secret)."""
    records: list[Record] = [(number, cells_unpack(cells)) for number, cells, _ in rows]
    chunk = reader.read(records)
    secrets = {number: secret for number, _, secret in rows if secret}
    if secrets and "pin" in chunk.values:
        pins = chunk.values["pin"]
        for index, number in enumerate(chunk.numbers):
            if number in secrets and pins[index] is MASKED:
                pins[index] = secret_open(secrets[number])
    return chunk


def rows_of(job: ImportJob, size: int) -> Iterator[list[tuple[int, str, str]]]:
    """The staged rows of a job, portion by portion: (number, cells, secret)."""
    after = 0
    while True:
        rows = list(
            ImportRow.objects.filter(job=job, number__gt=after)
            .exclude(code__in=TOO_MANY_CELLS)
            .order_by("number")
            .values_list("number", "cells", "secret")[:size]
        )
        if not rows:
            return
        yield rows
        after = rows[-1][0]


def range_of(job: ImportJob, first: int, last: int) -> QuerySet[ImportRow]:
    """The rows that `rows_of` gave as one portion."""
    rows = ImportRow.objects.filter(job=job, number__range=(first, last))
    return rows.exclude(code__in=TOO_MANY_CELLS)


def patch_of(chunk: Chunk, index: int) -> Patch:
    """What a row asks for."""
    cells = {name: values[index] for name, values in chunk.values.items() if name != "action"}
    return Patch(chunk.actions[index], {n: cell for n, cell in cells.items() if cell is not None})


def waiting_exist() -> bool:
    """Whether any row is stored for later."""
    return ImportRow.objects.filter(status=WAITING).exists()


def waiting_load(
    keys: Iterable[str], meters: Iterable[str], catalogues: Catalogues
) -> list[Waiting]:
    """The rows stored for later of these devices, or asking for these meter numbers."""
    rows = ImportRow.objects.filter(
        Q(key__in=text_set(keys)) | Q(meter__in=text_set(meters)), status=WAITING
    )
    found: list[Waiting] = []
    jobs: dict[int, list[tuple[Any, ...]]] = {}
    for row in rows.order_by("job", "number").values_list(
        "job", "number", "cells", "secret", "due"
    ):
        jobs.setdefault(row[0], []).append(row[1:])
    for job in ImportJob.objects.filter(pk__in=jobs):
        chunk = chunk_read(reader_of(job, catalogues), [row[:3] for row in jobs[job.pk]])
        due = {row[0]: row[3] for row in jobs[job.pk]}
        for index, number in enumerate(chunk.numbers):
            patch = patch_of(chunk, index)
            order = (job.pk, number)
            found.append(Waiting(due[number], order, patch.values["device_id"], patch))
    return found
