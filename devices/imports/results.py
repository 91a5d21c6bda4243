"""The answer to a file: the clerk's own rows with result, code and message, safe to open.

Text of people's spreadsheets: with a byte-order mark, formulas disarmed.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from devices.imports.columns import ANSWER_COLUMNS, Column

BOM = "\ufeff"
_FORMULAS = frozenset("=+-@")
AT_ONCE = 500  # rows of one piece of text


class ResultWriter:
    """Writes rows as delimited text. `columns`: by place, None where a column is ignored."""

    def __init__(
        self,
        names: Sequence[str],
        columns: Sequence[Column | None],
        delimiter: str,
        *,
        excel_safe: bool = False,
    ) -> None:
        self.names, self.delimiter = list(names), delimiter
        marks = r"\." if delimiter == "," else "[.,]"
        self._number = re.compile(rf"-[0-9]+(?:{marks}[0-9]+)?")
        self._ids = [
            place
            for place, column in enumerate(columns)
            if excel_safe and column is not None and column.kind.identifier
        ]

    def guarded(self, cells: Sequence[str]) -> list[str]:
        """The cells as they may be written: none is a formula, no identifier a number."""
        row = [f"'{cell}" if self._is_formula(cell) else cell for cell in cells]
        for place in self._ids:
            if place < len(cells) and is_changed_by_spreadsheets(cells[place]):
                row[place] = f'="{cells[place]}"'
        return row

    def _is_formula(self, cell: str) -> bool:
        return cell[:1] in _FORMULAS and not self._number.fullmatch(cell)

    def text(self, rows: Iterable[Sequence[str]], *, answers: bool = True) -> Iterator[str]:
        """The whole file in pieces: mark, header, rows; CR LF."""
        head = [*self.names, *ANSWER_COLUMNS] if answers else self.names
        yield BOM + self._lines([self.guarded(head)])
        piece = []
        for row in rows:
            piece.append(self.guarded(row))
            if len(piece) >= AT_ONCE:
                yield self._lines(piece)
                piece = []
        yield self._lines(piece)

    def _lines(self, rows: Iterable[Sequence[str]]) -> str:
        out = io.StringIO()
        csv.writer(out, delimiter=self.delimiter).writerows(rows)
        return out.getvalue()


def is_changed_by_spreadsheets(text: str) -> bool:
    """Whether a spreadsheet would make another text of an identifier."""
    if not text.isascii():
        return False
    if text.isdigit():
        return text[0] == "0" or len(text) > 15
    return bool(re.fullmatch(r"[0-9]+[Ee][0-9]+", text))
