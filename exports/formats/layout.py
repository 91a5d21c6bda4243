"""Record layouts declared as tables, in the specification's own order and counting.

`Record` is of fixed fields (start and size in bytes), `Line` of delimited columns (numbered from
1) with an optional group that repeats. A table that does not hang together does not import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from exports.formats.kinds import Const, Kind


class LayoutError(ValueError):
    """A declaration that does not hang together, or values that do not belong to it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A fixed field: first byte, size in bytes, name, kind, note of the specification."""

    start: int
    size: int
    name: str
    kind: Kind
    note: str = ""

    def put(self, value: Any) -> bytes:
        data = self.kind.put(value, self.name, self.size)
        if len(data) > self.size:
            raise LayoutError(f"{self.name}: {data!r} is over {self.size} bytes")
        if self.kind.to_right:
            return data.rjust(self.size, self.kind.fill)
        return data.ljust(self.size, self.kind.fill)

    def raw(self, record: bytes, first: int = 0) -> bytes:
        """The field's bytes in a record, or in one that begins at byte `first`."""
        start = self.start - first
        return record[start : start + self.size]

    def get(self, record: bytes, first: int = 0) -> Any:
        return self.kind.get(self.raw(record, first))


def _unique(name: str, fields: Iterable[str]) -> None:
    seen: set[str] = set()
    for field_name in fields:
        if field_name in seen:
            raise LayoutError(f"{name}: two fields are named {field_name}")
        seen.add(field_name)


def _check_keys(name: str, needed: set[str], fixed: set[str], given: Iterable[str]) -> None:
    keys = set(given)
    if missing := needed - fixed - keys:
        raise LayoutError(f"{name}: no value for {', '.join(sorted(missing))}")
    if unknown := keys - needed:
        raise LayoutError(f"{name}: has no field {', '.join(sorted(unknown))}")


@dataclass(frozen=True, slots=True)
class Record:
    """Fixed fields that touch and end where the specification ends, which counts from `first`."""

    name: str
    length: int
    fields: tuple[Field, ...]
    first: int = 0

    def __post_init__(self) -> None:
        _unique(self.name, (field.name for field in self.fields))
        end = self.first
        for field in self.fields:
            if field.start != end:
                raise LayoutError(f"{self.name}.{field.name} starts at {field.start}, not {end}")
            end += field.size
        if end - self.first != self.length:
            raise LayoutError(f"{self.name} ends at {end - self.first}, not {self.length}")

    def put(self, values: Mapping[str, Any]) -> bytes:
        """The record's bytes. Constants need no value; any other key must be there, no more."""
        fixed = {f.name for f in self.fields if isinstance(f.kind, Const)}
        _check_keys(self.name, {f.name for f in self.fields}, fixed, values)
        return b"".join(field.put(values.get(field.name)) for field in self.fields)

    def template(self, known: Mapping[str, Any]) -> bytes:
        """The record for the `%` operator: known values and constants put, `%s` for the others,
        which have to be given in full size."""
        parts = []
        for field in self.fields:
            fixed = field.name in known or isinstance(field.kind, Const)
            data = field.put(known.get(field.name)) if fixed else None
            parts.append(b"%s" if data is None else data.replace(b"%", b"%%"))
        return b"".join(parts)

    def field(self, name: str) -> Field:
        for field in self.fields:
            if field.name == name:
                return field
        raise LayoutError(f"{self.name}: has no field {name}")

    def get(self, record: bytes) -> dict[str, Any]:
        """The record's values; ValueError names the field that cannot be read."""
        if len(record) != self.length:
            raise ValueError(f"{self.name}: {len(record)} bytes, not {self.length}")
        values = {}
        for field in self.fields:
            try:
                values[field.name] = field.get(record, self.first)
            except ValueError as error:
                raise ValueError(f"{self.name}.{field.name}: {error}") from error
        return values

    def table(self) -> list[tuple[str, ...]]:
        """Heading and rows for the documentation."""
        rows = [
            (str(f.start), str(f.size), f.name, f.kind.phrase, f.note or "") for f in self.fields
        ]
        return [("Off", "Len", "Field", "Type", "Written"), *rows]


@dataclass(frozen=True, slots=True)
class Column:
    """A delimited column: number (from 1), name, kind, most characters, note.

    `guide` is a width beyond which receivers may cut, though the protocol allows more.
    """

    number: int
    name: str
    kind: Kind
    limit: int
    note: str = ""
    guide: int | None = None

    def put(self, value: Any) -> bytes:
        return self.kind.put(value, self.name, self.limit)

    def get(self, raw: bytes) -> Any:
        return self.kind.get(raw)


@dataclass(frozen=True, slots=True)
class Line:
    """Delimited columns, then a group of columns that repeats (numbered on)."""

    name: str
    columns: tuple[Column, ...]
    group: tuple[Column, ...] = ()
    delimiter: bytes = b","

    def __post_init__(self) -> None:
        every = (*self.columns, *self.group)
        _unique(self.name, (column.name for column in every))
        for number, column in enumerate(every, start=1):
            if column.number != number:
                raise LayoutError(f"{self.name}.{column.name} is {column.number}, not {number}")

    def column(self, name: str) -> Column:
        for column in (*self.columns, *self.group):
            if column.name == name:
                return column
        raise LayoutError(f"{self.name}: has no field {name}")

    def put(self, values: Mapping[str, Any]) -> bytes:
        """The columns before the group, delimited. Every key must be there, no more."""
        fixed = {c.name for c in self.columns if isinstance(c.kind, Const)}
        _check_keys(self.name, {c.name for c in self.columns}, fixed, values)
        return self.delimiter.join(c.put(values.get(c.name)) for c in self.columns)

    def template(self, known: Mapping[str, Any], last: str) -> bytes:
        """The columns up to `last` for the `%` operator: known values put, `%s` for the others."""
        parts = []
        for column in self.columns[: self.column(last).number]:
            text = column.put(known[column.name]) if column.name in known else None
            parts.append(b"%s" if text is None else text.replace(b"%", b"%%"))
        return self.delimiter.join(parts)

    def table(self) -> list[tuple[str, ...]]:
        """Heading and rows for the documentation."""
        rows = []
        first = len(self.columns) + 1
        for column in (*self.columns, *self.group):
            repeated = column.number >= first and self.group
            number = f"{column.number}+{len(self.group)}k" if repeated else str(column.number)
            width = f"{column.limit}" + (f", guide {column.guide}" if column.guide else "")
            rows.append((number, column.name, column.kind.phrase, width, column.note))
        return [("#", "Field", "Type", "At most", "Written"), *rows]
