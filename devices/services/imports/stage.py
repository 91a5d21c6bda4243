"""Reading a file into the staging tables: every row with what it would do, nothing applied."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, BinaryIO

from django.db import transaction
from django.utils import timezone

from devices.imports.cells import Chunk
from devices.imports.codes import ERROR, Issue, said
from devices.imports.header import header_read
from devices.imports.outcome import ADDED, CHANGED, MOVED, REFUSED, REMOVED
from devices.imports.text import FileRefused, Record, TextTable
from devices.imports.workbook import WorkbookTable
from devices.longwork import collector_resting
from devices.models import ImportJob, ImportPlace, ImportRecord, ImportRow, ImportStay
from devices.rows import rows_insert
from devices.services.imports.changes import changes_clear, changes_write
from devices.services.imports.evaluate import COLUMNS, Evaluator, Portion
from devices.services.imports.jobs import (
    State,
    codes_of,
    columns_of,
    job_beat,
    job_end,
    limits,
    options_of,
)
from devices.services.imports.lookup import catalogues_load
from devices.services.imports.stored import (
    TOO_MANY_CELLS,
    chunk_read,
    range_of,
    reader_of,
    rows_of,
    waiting_exist,
)
from devices.services.imports.tables import statistics_make

PORTION = 5000  # rows evaluated and written together
MANY = 1000  # rows after which the database should know how large the tables are
STEP = 1  # whose changes a preview stages
WORKBOOKS = (".xlsx", ".xlsm")


def import_stage(job: ImportJob, stream: BinaryIO) -> None:
    """Read a claimed job's file; it ends as a preview, or refused. Lost when it is another's."""
    staged_clear(job)
    try:
        table = _table(job, stream)
        try:
            _file_stage(job, table)
        finally:
            table.close()
    except FileRefused as refused:
        import_refuse(job, refused)


def import_refuse(job: ImportJob, refused: FileRefused) -> None:
    """End a claimed job whose file cannot be read."""
    _refuse(job, [Issue(refused.symbol, -1, refused.values)])


def staged_clear(job: ImportJob) -> None:
    """Forget what an earlier try has staged."""
    ImportRow.objects.filter(job=job).delete()
    changes_clear(job)


def _table(job: ImportJob, stream: BinaryIO) -> TextTable | WorkbookTable:
    if job.filename.lower().endswith(WORKBOOKS):
        return WorkbookTable(stream, limits())
    return TextTable(stream, limits())


@collector_resting()  # hundreds of thousands of small values, none of them in a cycle
def _file_stage(job: ImportJob, table: TextTable | WorkbookTable) -> None:
    records = iter(table)
    first = next(records, None)
    header = header_read(first[1] if first else (), columns_of(job.kind))
    issues = list(header.issues)
    if table.encoding == "cp1252":
        issues.append(Issue("windows", -1, {}))
    if same := _same_file(job):
        issues.append(Issue("same_file", -1, {"batch": same}))
    job.names, job.delimiter = list(header.names), table.delimiter
    job.moment = timezone.now().replace(microsecond=0)
    codes = codes_of(job.kind)
    if any(codes[issue.symbol].level == ERROR for issue in issues):
        _refuse(job, issues)
        return

    def noted() -> int:
        return min(99, 100 * table.position // max(job.size, 1))

    cell_reader = reader_of(job, catalogues := catalogues_load())
    evaluator = Evaluator(job, catalogues, job.moment, STEP, waiting_exist())
    tally = _Tally()
    with closing(_ahead(map(cell_reader.read, _portions(records)))) as chunks:
        for place, chunk in enumerate(chunks):
            _portion_stage(job, evaluator, chunk, tally, noted)
            if not place and len(chunk) == PORTION:  # the next ones look at what this one wrote
                statistics_make(ImportRecord, ImportPlace, ImportStay)
    if refusal := tally.refusal():
        staged_clear(job)
        _refuse(job, [*issues, refusal])
        return
    _staged_end(job, issues, evaluator, tally)


@collector_resting()
def import_restage(job: ImportJob) -> bool:
    """Evaluate a claimed job's staged rows anew, on the state of now; True: with equal outcome."""
    before = dict(job.counts)
    changes_clear(job, STEP)
    job.moment = timezone.now().replace(microsecond=0)
    catalogues = catalogues_load()
    cell_reader = reader_of(job, catalogues)
    evaluator = Evaluator(job, catalogues, job.moment, STEP, waiting_exist())
    tally = _Tally()
    tally.refused(ImportRow.objects.filter(job=job, code__in=TOO_MANY_CELLS).count())
    for rows in rows_of(job, PORTION):
        numbers = rows[0][0], rows[-1][0]
        chunk = chunk_read(cell_reader, rows)
        with transaction.atomic():
            range_of(job, *numbers).delete()
            _portion_write(job, evaluator, chunk, tally)
    tally.end(options_of(job).all_or_nothing)
    _skip_others(job, tally)
    ImportJob.objects.filter(pk=job.pk).update(
        counts=tally.counts, moment=job.moment, created_groups=evaluator.created
    )
    job.counts, job.created_groups = tally.counts, evaluator.created
    return before == tally.counts


def _portions(records: Iterator[Record]) -> Iterator[list[Record]]:
    portion: list[Record] = []
    for record in records:
        portion.append(record)
        if len(portion) >= PORTION:
            yield portion
            portion = []
    if portion:
        yield portion


def _portion_stage(
    job: ImportJob,
    evaluator: Evaluator,
    chunk: Chunk,
    tally: "_Tally",
    progress: Callable[[], int],
) -> None:
    with transaction.atomic():
        _portion_write(job, evaluator, chunk, tally)
        job_beat(job, progress=progress())


def _ahead(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    """The chunks, each read while the database is at work on the one before. Closed, it reads no
    more: the file may be closed then."""
    with ThreadPoolExecutor(1, "import-read") as beside:
        coming = beside.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = beside.submit(next, chunks, None)
            yield chunk


def _portion_write(job: ImportJob, evaluator: Evaluator, chunk: Chunk, tally: "_Tally") -> Portion:
    portion = evaluator.portion(chunk)
    rows = tally.counted(evaluator.rows(portion))
    rows_insert(ImportRow, COLUMNS, rows)
    numbers: dict[str, int] = {}
    for outcome in portion.outcomes:
        numbers.setdefault(outcome.device_id, outcome.number)
    changes_write(
        job,
        evaluator.step or STEP,
        portion.pairs,
        evaluator.catalogues,
        numbers=numbers,
        again=portion.again,
    )
    return portion


class _Tally:
    """Counts of the rows that go by: kinds, results, dangers, rows for later."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._counter: Counter[str] = Counter()
        self._overlong: tuple[int, int, int] | None = None
        self.all_overlong = True
        self._first: str = ""

    def counted(self, rows: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows, counted."""
        kept = list(rows)
        counter = self._counter
        for _, _, _, kind, result, code, message, _, _, danger, due, *_ in kept:
            counter[kind] += 1
            counter[result] += 1
            if danger:
                counter["dangerous"] += 1
            if due is not None:
                counter["later"] += 1
            if code in TOO_MANY_CELLS:
                self._first = self._first or message
            else:
                self.all_overlong = False
        counter["rows"] += len(kept)
        self.counts = dict(counter)
        return kept

    def refused(self, count: int) -> None:
        """Count rows that are refused whatever the state is."""
        if count:
            self._counter.update({REFUSED: count, "ERROR": count, "rows": count})

    def refusal(self) -> Issue | None:
        """Too many cells in every row: the file's header is another file's."""
        if self._counter["rows"] and self.all_overlong:
            return Issue("cells", -1, {"text": self._first})
        return None

    def end(self, all_or_nothing: bool) -> None:
        """Count the rows that are skipped because another failed."""
        if all_or_nothing and self._counter["ERROR"]:
            skipped = self._counter["rows"] - self._counter["ERROR"]
            for word in ("OK", "WARN"):
                self._counter.pop(word, None)
            self._counter["SKIPPED"] = skipped
            self.counts = dict(self._counter)


def _staged_end(
    job: ImportJob, issues: Sequence[Issue], evaluator: Evaluator, tally: _Tally
) -> None:
    options = options_of(job)
    codes = codes_of(job.kind)
    held = any(issue.symbol == "meant" for issue in issues) and not options.ignore_unknown
    words = said(codes, issues, confirmed=not held)
    tally.end(options.all_or_nothing)
    if tally.counts.get("rows", 0) > MANY:
        statistics_make(ImportRecord, ImportPlace, ImportStay)
    with transaction.atomic():
        _skip_others(job, tally)
        job.pieces.all().delete()
        job_end(
            job,
            State.PREVIEW,
            names=job.names,
            delimiter=job.delimiter,
            moment=job.moment,
            held=held,
            counts=tally.counts,
            created_groups=evaluator.created,
            result=words.result if issues else "",
            code=words.code,
            message=words.message,
        )


def _skip_others(job: ImportJob, tally: _Tally) -> None:
    if "SKIPPED" in tally.counts:
        code = codes_of(job.kind)["skipped"]
        good = ImportRow.objects.filter(job=job).exclude(result="ERROR")
        good.update(result="SKIPPED", code=code.code, message=code.text)


def _refuse(job: ImportJob, issues: Sequence[Issue]) -> None:
    """End a job whose file cannot be taken; the reason is the row 0 of its result."""
    codes = dict(codes_of(job.kind))
    if any(issue.symbol == "cells" for issue in issues):
        # Every row has too many cells: the message is that of the first, as it stands.
        codes["cells"] = codes["cells"]._replace(text="{text}")
    words = said(codes, issues, confirmed=False)
    with transaction.atomic():
        staged_clear(job)
        job.pieces.all().delete()
        job_end(
            job,
            State.REFUSED,
            names=job.names,
            delimiter=job.delimiter or ",",
            moment=job.moment or timezone.now(),
            held=False,
            counts={REFUSED: 0, "rows": 0},
            result=words.result,
            code=words.code,
            message=words.message,
        )


def _same_file(job: ImportJob) -> str:
    """The number of an earlier import of the same bytes that did something and stands."""
    earlier = ImportJob.objects.filter(
        kind=job.kind, sha256=job.sha256, state=State.APPLIED, pk__lt=job.pk
    )
    for batch, counts in earlier.order_by("-pk").values_list("batch", "counts")[:100]:
        if any(counts.get(kind) for kind in (ADDED, CHANGED, REMOVED, MOVED)):
            return str(batch)
    return ""
