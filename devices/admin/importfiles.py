"""Files to download: results, templates, the present inventory in the interfaces' columns."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.utils import get_column_letter

from devices.imports.results import ResultWriter
from devices.models import ImportJob
from devices.resources import RESOURCES
from devices.services.imports.answer import result_name, result_text
from devices.services.imports.jobs import columns_of
from devices.services.imports.marked import result_workbook

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"
EXTENSIONS = ("csv", "xlsx")


def result(job: ImportJob, only_bad: bool = False) -> HttpResponse:
    """The clerk's rows with their answers, or the bad ones alone to be mended and sent again."""
    name = result_name(job, word="resubmit" if only_bad else "result")
    return _streamed(result_text(job, only_bad=only_bad), name)


def workbook(job: ImportJob) -> HttpResponse:
    """The result with the bad cells marked."""
    out = _scratch()
    result_workbook(job, out)
    return _file(out, result_name(job, "xlsx"))


def template(kind: str, extension: str) -> HttpResponse:
    """A header line to begin with; as a workbook with its columns as text, and explained."""
    _check(kind, extension)
    name = f"{kind}_template.{extension}"
    if extension == "csv":
        return _streamed(_writer(kind).text((), answers=False), name)
    return _file(_book(kind, ()), name)


def present(kind: str, extension: str) -> HttpResponse:
    """What there is now, as rows that would change nothing."""
    _check(kind, extension)
    rows = RESOURCES[kind]().rows()
    name = f"{kind}_present.{extension}"
    if extension == "csv":
        return _streamed(_writer(kind).text(rows, answers=False), name)
    return _file(_book(kind, rows), name)


def _check(kind: str, extension: str) -> None:
    if kind not in RESOURCES or extension not in EXTENSIONS:
        raise Http404("There is no such file.")


def _writer(kind: str) -> ResultWriter:
    columns = columns_of(kind)
    return ResultWriter([column.name for column in columns], columns, ",")


def _book(kind: str, rows: Iterable[list[str]]):
    """A workbook whose cells are text, with a second sheet that explains the columns."""
    columns = columns_of(kind)
    book = Workbook(write_only=True)
    sheet = book.create_sheet(kind)
    sheet.freeze_panes = "A2"
    for place, _ in enumerate(columns, 1):
        dimension = sheet.column_dimensions[get_column_letter(place)]
        dimension.width, dimension.number_format = 18, "@"
    sheet.append([column.name for column in columns])
    for row in rows:
        sheet.append([_text(sheet, cell) for cell in row])
    help_sheet = book.create_sheet("columns")
    help_sheet.append(["Column", "Required", "Holds", "Meaning"])
    for column in columns:
        cells = (column.name, column.required, column.kind.phrase(), column.meaning)
        help_sheet.append([_text(help_sheet, cell) for cell in cells])
    out = _scratch()
    book.save(out)
    return out


def _scratch():
    """A file without a name; the response closes it."""
    return tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)


def _text(sheet, value: str) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value=value)
    cell.data_type, cell.number_format = "s", "@"
    return cell


def _streamed(pieces: Iterator[str], name: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(
        (piece.encode() for piece in pieces),
        content_type=CSV,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _file(out, name: str) -> FileResponse:
    out.seek(0)
    return FileResponse(out, as_attachment=True, filename=name, content_type=XLSX)
