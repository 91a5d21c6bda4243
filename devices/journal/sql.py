"""The few places where PostgreSQL and SQLite are spoken to differently, for speed."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import BigIntegerField, Func, QuerySet, TextField
from django.db.models.expressions import RawSQL
from django.db.models.functions import Cast

from devices.blocks import day_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_streams = itertools.count()
_alias: ContextVar[str] = ContextVar("alias", default=DEFAULT_DB_ALIAS)


# --- which database is read -----------------------------------------------------------------------


@contextmanager
def reading_from(alias: str) -> Iterator[None]:
    """What the block reads comes from this database; what it writes goes where it always does."""
    token = _alias.set(alias)
    try:
        yield
    finally:
        _alias.reset(token)


def read_alias() -> str:
    """The name of the database that is read now."""
    return _alias.get()


def _reading() -> Any:
    """The connection that reads."""
    return connections[_alias.get()]


# --- queries --------------------------------------------------------------------------------------


def is_postgres() -> bool:
    """Whether the default database is PostgreSQL."""
    return connection.vendor == "postgresql"


@contextmanager
def cursor() -> Iterator[Any]:
    """A cursor that hands over bytes untouched: binary rows on PostgreSQL."""
    if is_postgres():
        import psycopg

        reading = _reading()
        reading.ensure_connection()
        with psycopg.Cursor(reading.connection) as raw:
            raw.format = psycopg.pq.Format.BINARY
            yield raw
    else:
        with _reading().cursor() as wrapped:
            yield wrapped


def rows(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query, with blobs as bytes. Placeholders are %s."""
    with cursor() as c:
        c.execute(sql, params)
        return c.fetchall()


def stream(sql: str, params: Sequence[Any] = (), size: int = 2000) -> Iterator[tuple[Any, ...]]:
    """Rows of a query that may be large, one by one."""
    return itertools.chain.from_iterable(chunks(sql, params, size))


def chunks(
    sql: str, params: Sequence[Any] = (), size: int = 2000
) -> Iterator[list[tuple[Any, ...]]]:
    """The same in lists, as they are fetched (a held cursor on PostgreSQL)."""
    if is_postgres():
        import psycopg

        reading = _reading()
        reading.ensure_connection()
        name, hold = f"tms_stream_{next(_streams)}", not reading.in_atomic_block
        with psycopg.ServerCursor(reading.connection, name, withhold=hold) as named:
            named.execute(sql, params, binary=True)
            while chunk := named.fetchmany(size):
                yield chunk
    else:
        with _reading().cursor() as c:
            c.execute(sql, params)
            while chunk := c.fetchmany(size):
                yield chunk


def flow(sql: str, params: Sequence[Any] = (), size: int = 2000) -> Iterator[list[tuple[Any, ...]]]:
    """The same without a cursor, which would keep PostgreSQL from reading with several processes.

    Until the last list nothing else may be asked on the connection.
    """
    if not is_postgres():
        yield from chunks(sql, params, size)
        return
    import psycopg

    reading = _reading()
    reading.ensure_connection()
    with psycopg.Cursor(reading.connection) as raw:
        found = raw.stream(sql, params, binary=True, size=size)
        while chunk := list(itertools.islice(found, size)):
            yield chunk


def stream_of(query: QuerySet[Any, Any], size: int = 2000) -> Iterator[tuple[Any, ...]]:
    """The rows of a query of columns as the database's driver makes them, one by one."""
    text, params = query.query.get_compiler(using=query.db).as_sql()
    return stream(text, params, size)


@contextmanager
def snapshot(writes: bool = False) -> Iterator[None]:
    """All queries of the block see one state of the database (PostgreSQL, outermost only).

    With `writes` it may add rows of its own, in the same transaction.

    On SQLite a reader that held one would keep the write-ahead log from being cleared; there the
    order of the queries alone has to do.
    """
    if not is_postgres() or connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as c:
            mode = "READ WRITE" if writes else "READ ONLY"
            c.execute(f"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, {mode}")
        yield


@contextmanager
def by_index() -> Iterator[None]:
    """Queries of the block ask for few rows of large tables: in a transaction on PostgreSQL, pages
    found through an index then count little more than pages read in a row. As delivered it reads
    whole tables sooner, which takes longer the more they hold."""
    if not (is_postgres() and connection.in_atomic_block):
        yield
        return
    with connection.cursor() as c:
        c.execute("SET LOCAL random_page_cost = 1.1")
        yield
        c.execute("SET LOCAL random_page_cost TO DEFAULT")


def array_text(values: Iterable[Any]) -> str:
    """An array literal of numbers or dates; far quicker to send than an adapted list."""
    return "{" + ",".join(map(str, values)) + "}"


def any_of(column: str, values: Sequence[int]) -> tuple[str, Any]:
    """`column` is one of these integers: condition and its one parameter."""
    if is_postgres():
        return f"{column} = ANY(%s::bigint[])", array_text(values)
    return f"{column} IN (SELECT value FROM json_each(%s))", json.dumps(list(values))


def any_day(column: str, days: Sequence[int]) -> tuple[str, list[Any]]:
    """A date column is one of these days: condition and parameters."""
    texts = [day_text(day) for day in days]
    if is_postgres():
        return f"{column} = ANY(%s::date[])", [array_text(texts)]
    return f"{column} IN (SELECT value FROM json_each(%s))", [json.dumps(texts)]


def id_set(values: Iterable[int]) -> RawSQL:
    """For `filter(x__in=…)`: any number of ids in one parameter."""
    if is_postgres():
        return RawSQL("SELECT unnest(%s::bigint[])", [array_text(values)])
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps(list(values))])


def pairs(values: Sequence[tuple[int, int]]) -> tuple[str, list[Any]]:
    """A table expression `k(c, d)` of (channel id, day) pairs, days as the database keeps them."""
    if is_postgres():
        channels = array_text(c for c, _ in values)
        days = array_text(day_text(d) for _, d in values)
        return "unnest(%s::bigint[], %s::date[]) AS k(c, d)", [channels, days]
    text = json.dumps([[c, day_text(d)] for c, d in values])
    return (
        "(SELECT json_extract(value, '$[0]') AS c, json_extract(value, '$[1]') AS d "
        "FROM json_each(%s)) AS k",
        [text],
    )


_texts: dict[int, str] = {}
_numbers: dict[str, int] = {}


def day_text(day: int) -> str:
    """A day number as SQLite keeps it."""
    text = _texts.get(day)
    if text is None:
        text = _texts[day] = day_date(day).isoformat()
    return text


def day_param(day: int) -> Any:
    """A day number as a query parameter."""
    return day_date(day) if is_postgres() else day_text(day)


def day_column(column: str) -> str:
    """SQL of a date column, to be turned back by `day_back`."""
    return f"({column} - DATE '1970-01-01')" if is_postgres() else column


def day_back(value: Any) -> int:
    """A day number from what `day_column` gave."""
    if isinstance(value, int):
        return value
    number = _numbers.get(value)
    if number is None:
        number = _numbers[value] = date.fromisoformat(str(value)).toordinal() - 719163
    return number


def epoch_column(column: str) -> str:
    """SQL of an instant as whole seconds since 1970, null where it is null."""
    if is_postgres():
        return f"EXTRACT(EPOCH FROM {column})::bigint"
    return f"CAST(strftime('%%s', {column}) AS INTEGER)"


def instant_column(name: str) -> Func:
    """An instant as a value that `Instants` turns back; cheaper to fetch than a time."""
    if not is_postgres():
        return Cast(name, TextField())
    micros = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
    return Func(name, template=micros, output_field=BigIntegerField())


class Instants(dict[Any, datetime]):
    """Instants by what `instant_column` gave, each made once."""

    def __missing__(self, value: Any) -> datetime:
        if isinstance(value, int):
            when = EPOCH + timedelta(microseconds=value)
        else:
            when = datetime.fromisoformat(value).replace(tzinfo=UTC)
        self[value] = when
        return when


def instant_param(when: datetime) -> Any:
    """An instant as a query parameter."""
    return when if is_postgres() else connection.ops.adapt_datetimefield_value(when)


def bytewise(column: str) -> str:
    """A text column that sorts by its bytes."""
    return f'{column} COLLATE "C"' if is_postgres() else column


@contextmanager
def view() -> Iterator[None]:
    """All queries of the block see one state of the database, on SQLite too; it must be brief.

    On SQLite a deferred transaction, which no writer waits for; nothing may be written in it.
    """
    if is_postgres() or connection.in_atomic_block:
        with snapshot():
            yield
        return
    connection.ensure_connection()
    raw = connection.connection
    raw.execute("BEGIN DEFERRED")
    try:
        yield
    finally:
        raw.execute("COMMIT")


def table(values: Sequence[Sequence[Any]], types: Sequence[str]) -> tuple[str, list[Any]]:
    """A table expression `k(c0, c1, …)` of rows of numbers and dates."""
    names = [f"c{n}" for n in range(len(types))]
    if is_postgres():
        arrays = ", ".join(f"%s::{kind}[]" for kind in types)
        columns = [array_text(column) for column in zip(*values, strict=True)]
        return f"unnest({arrays}) AS k({', '.join(names)})", columns
    picked = ", ".join(f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(names))
    return (
        f"(SELECT {picked} FROM json_each(%s)) AS k",
        [json.dumps([[str(v) if isinstance(v, date) else v for v in row] for row in values])],
    )
