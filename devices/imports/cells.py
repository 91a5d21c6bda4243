"""Records into values, column by column: each cell mended, checked and read by its kind.

Most cells are good as they stand and are told so by one pattern each; the others are read once a
distinct text and remembered.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from devices.imports.codes import Issue
from devices.imports.columns import MASK, Column
from devices.imports.header import Header
from devices.imports.kinds import Pin, Reader, Refused, has_lost_digits
from devices.imports.mend import mend
from devices.imports.text import Record
from devices.imports.workbook import Dated

REMEMBERED = 20_000  # distinct texts of a column


class Mark(Enum):
    """What a cell may be beside a value; an empty cell is None."""

    CLEARED = "<null>"
    BAD = "bad"
    MASKED = "****"


CLEARED, BAD, MASKED = Mark.CLEARED, Mark.BAD, Mark.MASKED


class Cell(NamedTuple):
    """A cell as read: its text trimmed and unwrapped, its value, what is to be said of it."""

    text: str
    value: Any
    faults: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass
class Chunk:
    """Some rows of a file. `values`: field → a value a row; `texts`: the mended cells a row."""

    numbers: list[int]
    texts: list[list[str]]
    actions: list[str]
    values: dict[str, list[Any]]
    issues: dict[int, list[Issue]] = field(default_factory=dict)  # by position in the chunk

    def __len__(self) -> int:
        return len(self.numbers)

    def issue(self, index: int, symbol: str, place: int, **values: Any) -> None:
        """Note an issue of a row."""
        self.issues.setdefault(index, []).append(Issue(symbol, place, values))


class CellReader:
    """Reads the rows of one file."""

    def __init__(self, header: Header, reader: Reader, actions: Mapping[str, str]) -> None:
        self.header, self.reader, self.actions = header, reader, actions
        self._width = len(header.names)
        self._columns = [_ColumnReader(column, reader) for column in header.columns]

    def read(self, records: Sequence[Record]) -> Chunk:
        """The rows of some records; those without content are left out."""
        rows: list[tuple[int, list[str]]] = []
        overlong: dict[int, int] = {}
        for number, cells in records:
            if len(cells) != self._width:
                cells = self._fitted(cells, number, overlong)
            rows.append((number, cells))
        columns = list(zip(*(cells for _, cells in rows), strict=True)) if rows else []
        read = [one.read(cells) for one, cells in zip(self._columns, columns, strict=False)]
        texts = [list(row) for row in zip(*(column.texts for column in read), strict=True)]
        action = self.header.places["action"]
        kept = [
            index
            for index, row in enumerate(texts)
            if row[action]
            or any(row[place] for place in self.header.counted)
            or rows[index][0] in overlong
        ]
        if len(kept) != len(rows):
            read = [column.only(kept) for column in read]
        return self._chunk([rows[i][0] for i in kept], [texts[i] for i in kept], read, overlong)

    def _fitted(self, cells: list[str], number: int, overlong: dict[int, int]) -> list[str]:
        """As many cells as the header has names; content right of them is noted."""
        beyond = [place for place, cell in enumerate(cells[self._width :]) if mend(cell)[0]]
        if beyond:
            overlong[number] = self._width + beyond[-1] + 1
        return cells[: self._width] + [""] * (self._width - len(cells))

    def _chunk(
        self,
        numbers: list[int],
        texts: list[list[str]],
        read: list[_ColumnRead],
        overlong: Mapping[int, int],
    ) -> Chunk:
        places = self.header.places
        words = read[places["action"]].texts if read else []
        named = self.actions
        actions = [named.get(word) or named.get(word.upper(), "") for word in words]
        values = {name: list(read[place].values) if read else [] for name, place in places.items()}
        chunk = Chunk(numbers, texts, actions, values)
        self._row_issues(chunk, words, overlong)
        for place, column in enumerate(read):
            name = self.header.names[place]
            known = self.header.columns[place]
            if known is None or known.field == "action":
                continue
            for index, faults in column.faults.items():
                if chunk.actions[index] == "D" and known.field not in ("device_id", "effective"):
                    continue  # a deletion's other cells are not even checked
                for symbol, said in faults:
                    chunk.issue(index, symbol, place, name=known.name or name, **said)
        return chunk

    def _row_issues(self, chunk: Chunk, words: Sequence[str], overlong: Mapping[int, int]) -> None:
        """What makes a row unreadable: too many cells, no action that we know."""
        place = self.header.places["action"]
        for index, action in enumerate(chunk.actions):
            if not action:
                word = "" if words[index].lower() == CLEARED.value else words[index]
                chunk.issue(index, "action", place, v=word)
        if overlong:
            for index, number in enumerate(chunk.numbers):
                if number in overlong:
                    chunk.issue(index, "cells", -1, k=overlong[number], m=self._width)


@dataclass
class _ColumnRead:
    texts: Sequence[str]
    values: Sequence[Any]
    faults: dict[int, tuple[tuple[str, Mapping[str, Any]], ...]]

    def only(self, kept: Sequence[int]) -> _ColumnRead:
        """Of these rows only."""
        faults = {new: self.faults[old] for new, old in enumerate(kept) if old in self.faults}
        texts, values = [self.texts[i] for i in kept], [self.values[i] for i in kept]
        return _ColumnRead(texts, values, faults)


class _ColumnReader:
    """Reads one column of a file; one that is ignored is only mended."""

    def __init__(self, column: Column | None, reader: Reader) -> None:
        self.column, self.reader = column, reader
        self._seen: dict[str, Cell] = {}
        pattern = column.kind.plain() if column and column.field not in reader.pad else ""
        self._plain: Callable[[str], object] = re.compile(pattern or "(?!)").fullmatch

    def read(self, cells: Sequence[str]) -> _ColumnRead:
        plain, seen = self._plain, self._seen
        texts, values = list(cells), list[Any](cells)
        faults = {}
        for index, cell in enumerate(cells):
            if not cell:
                values[index] = None
            elif not plain(cell):
                found = seen.get(cell) if type(cell) is str else None
                if found is None:
                    found = self._cell(cell)
                texts[index], values[index] = found.text, found.value
                if found.faults:
                    faults[index] = found.faults
        return _ColumnRead(texts, values, faults)

    def _cell(self, raw: str) -> Cell:
        if isinstance(raw, Dated):
            return self._dated(raw)
        if len(self._seen) > REMEMBERED:
            self._seen.clear()
        found = self._seen[raw] = cell_read(self.column, raw, self.reader)
        return found

    def _dated(self, raw: Dated) -> Cell:
        """A date of a workbook: an identifier that is one was changed by the spreadsheet."""
        if self.column is not None and self.column.kind.identifier:
            return Cell(raw, BAD, (("damaged", {"v": str(raw)}),))
        found = cell_read(self.column, str(raw), self.reader)
        return found._replace(text=Dated(found.text))


def cell_read(column: Column | None, raw: str, reader: Reader) -> Cell:
    """A cell of a column, by all the rules. At most one error, that of the lowest code."""
    text, invisible = mend(raw)
    if column is None:
        return Cell(text, text or None, ())
    said: list[tuple[str, Mapping[str, Any]]] = [("invisible", {})] if invisible else []
    if not text:
        return Cell("", None, ())
    if text.lower() == CLEARED.value:
        return Cell(text, None if column.clear == "empty" else CLEARED, tuple(said))
    secret = isinstance(column.kind, Pin)
    if secret and text == MASK:
        return Cell(text, MASKED, tuple(said))
    used = text
    digits = reader.pad.get(column.field, 0)
    if len(text) < digits and text.isascii() and text.isdigit():
        used = text.zfill(digits)
        said.append(("padded", {"v": used}))
    try:
        column.kind.check(used)
        value = column.kind.read(used, reader)
    except Refused as refused:
        values = {**refused.values, **({"v": MASK} if secret and "v" in refused.values else {})}
        said.append((refused.symbol, values))
        value = BAD
    else:
        if column.kind.identifier and has_lost_digits(used):
            said.append(("zeros", {"v": MASK if secret else used}))
    return Cell(MASK if secret else text, value, tuple(said))
