"""The result as a workbook, with the bad cells marked; and the result as a file of a given name."""

import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter

from devices.imports.columns import ANSWER_COLUMNS
from devices.models import ImportJob
from devices.services.imports.answer import result_rows, result_text

BAD = PatternFill("solid", fgColor="F8D0CC")
MIND = PatternFill("solid", fgColor="FDECCB")
HEAD = PatternFill("solid", fgColor="DCEBEC")
# What a workbook cannot hold; openpyxl would raise.
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ROW_LIMIT = 1_048_576


def result_workbook(job: ImportJob, out: BinaryIO) -> None:
    """Write the result as .xlsx: every cell a text, so that nothing is changed by opening it."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Result")
    sheet.freeze_panes = "A2"
    names = [*job.names, *ANSWER_COLUMNS]
    for place, name in enumerate(names, 1):
        sheet.column_dimensions[get_column_letter(place)].width = 60 if name == "Message" else 18
    sheet.append([_cell(sheet, name, HEAD, bold=True) for name in names])
    for row in _limited(result_rows(job)):
        sheet.append(_marked(sheet, names, row))
    book.save(out)


def _limited(rows: Iterable[list[str]]) -> Iterator[list[str]]:
    for number, row in enumerate(rows, 2):
        if number > _ROW_LIMIT:
            return
        yield row


def _marked(sheet: Any, names: Sequence[str], row: Sequence[str]) -> list[WriteOnlyCell]:
    """A row's cells; those that its message names are filled."""
    result, message = row[-3], row[-1]
    fill = BAD if result == "ERROR" else MIND
    named = {name for name in names if re.search(rf"\b{re.escape(name)}\b", message)}
    cells = []
    for name, value in zip(names, row, strict=True):
        marked = fill if result in ("ERROR", "WARN") and name in {*named, "Result"} else None
        cells.append(_cell(sheet, value, marked))
    return cells


def _cell(sheet: Any, value: str, fill: PatternFill | None, bold: bool = False) -> WriteOnlyCell:
    cell = WriteOnlyCell(sheet, value=_ILLEGAL.sub("�", value))
    cell.data_type = "s"  # text, also where it looks like a formula
    cell.number_format = "@"
    if fill is not None:
        cell.fill = fill
    if bold:
        cell.font = Font(bold=True)
        cell.alignment = Alignment(vertical="top")
    return cell


def result_write(job: ImportJob, path: Path) -> None:
    """Write the result to a file, whole or not at all; .xlsx by its name. OSError."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as out:
        draft = Path(out.name)
        try:
            if path.suffix.lower() == ".xlsx":
                result_workbook(job, out)
            else:
                for piece in result_text(job):
                    out.write(piece.encode("utf-8"))
            out.flush()
            draft.chmod(0o644)
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
