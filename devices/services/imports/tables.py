"""Many texts asked for, and the words that the two databases say differently."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db import connection, models
from django.db.models.expressions import RawSQL

from devices.journal import sql

SEPARATOR = "\x1f"  # in no identifier


def text_set(values: Iterable[str]) -> RawSQL:
    """For `filter(x__in=…)`: any number of texts in one parameter."""
    if sql.is_postgres():
        text = SEPARATOR.join(values)
        return RawSQL("SELECT unnest(string_to_array(%s, %s)::varchar[])", [text, SEPARATOR])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(values))])


def run(statement: str, params: Sequence[Any] = ()) -> int:
    """Execute a statement; the number of rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [_param(value) for value in params])
        return cursor.rowcount


def column_of(statement: str, params: Sequence[Any] = ()) -> list[Any]:
    """The first column of a query."""
    with connection.cursor() as cursor:
        cursor.execute(statement, [_param(value) for value in params])
        return [row[0] for row in cursor.fetchall()]


def _param(value: Any) -> Any:
    return sql.instant_param(value) if isinstance(value, datetime) else value


def differs(one: str, other: str) -> str:
    """Two columns are not the same, where two nulls are."""
    word = "IS DISTINCT FROM" if sql.is_postgres() else "IS NOT"
    return f"{one} {word} {other}"


def same(one: str, other: str) -> str:
    """Two columns are the same; two nulls are, too."""
    word = "IS NOT DISTINCT FROM" if sql.is_postgres() else "IS"
    return f"{one} {word} {other}"


def statistics_make(*tables: type[models.Model]) -> None:
    """Let PostgreSQL know how large tables have become, before statements that join them.

    What was filled a moment ago counts as empty until it looks by itself; a plan for empty tables
    takes hours on full ones.
    """
    if sql.is_postgres():
        run(f"ANALYZE {', '.join(map(_asked_for, tables))}")


def _asked_for(table: type[models.Model]) -> str:
    """A table and those of its columns that statements join and select by: numbers, times, flags,
    and the texts that have an index. The others are most of its bytes."""
    meta = table._meta
    indexed = {name for index in meta.indexes for name in index.fields}
    indexed |= {name for one in meta.constraints for name in getattr(one, "fields", ())}
    columns = [
        field.column
        for field in meta.concrete_fields
        if field.name in indexed or not isinstance(field, (models.CharField, models.TextField))
    ]
    return f"{meta.db_table} ({', '.join(columns)})"
