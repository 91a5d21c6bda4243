"""Many rows at once, past the model layer: a storm brings them by the hundred thousand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model


def rows_insert(
    model: type[Model], columns: Sequence[str], rows: Sequence[Sequence[Any]], once: bool = False
) -> None:
    """Insert rows of plain values; `once`: those that are there already are left as they are."""
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join(["%s"] * len(columns))
    conflict = " ON CONFLICT DO NOTHING" if once else ""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places}){conflict}", rows)


def instants(times: set[datetime]) -> dict[datetime, Any]:
    """Times as the database takes them; those of one batch are the same again and again."""
    return {time: connection.ops.adapt_datetimefield_value(time) for time in times}
