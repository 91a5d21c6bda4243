"""Many rows of a table at once, past the model layer."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, models

from devices.journal import sql


def rows_insert(
    model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows by COPY (PostgreSQL) or executemany (SQLite); columns as in the database. What
    makes the rows must not ask the database: it is busy taking them."""
    table, named = model._meta.db_table, ", ".join(f'"{column}"' for column in columns)
    connection.ensure_connection()
    if sql.is_postgres():
        with (
            connection.connection.cursor() as raw,
            raw.copy(f"COPY {table} ({named}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        return
    marks = ", ".join(["?"] * len(columns))
    with connection.cursor() as cursor:
        cursor.cursor.connection.executemany(
            f"INSERT INTO {table} ({named}) VALUES ({marks})",
            ([_adapted(value) for value in row] for row in rows),
        )


def _adapted(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, Decimal):
        return str(value)
    return str(value) if hasattr(value, "isoformat") else value
