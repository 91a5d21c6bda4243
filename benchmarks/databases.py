"""Databases of the benchmarks' own: made, used once, dropped."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.servers import Unavailable, postgres

VENDORS = ("postgresql", "sqlite")
NAME = "tms_bench"
URL = "TMS_BENCH_DATABASE_URL"  # a PostgreSQL to use instead of the one found


@contextmanager
def database(vendor: str) -> Iterator[dict[str, str]]:
    """The environment of a process that works on a fresh database. Unavailable says why not."""
    with ExitStack() as stack:
        folder = tempfile.mkdtemp(prefix="tms-bench-")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = f"sqlite:///{Path(folder) / 'bench.sqlite3'}"
        if vendor == "postgresql":
            url = os.environ.get(URL) or f"{stack.enter_context(postgres())}/{NAME}_{os.getpid()}"
            stack.enter_context(_created(url))
        kept = {name: text for name, text in os.environ.items() if not name.startswith("TMS_")}
        (Path(folder) / "static").mkdir()
        yield kept | {
            "DJANGO_SETTINGS_MODULE": "tms.settings",
            "TMS_DATABASE_URL": url,
            "TMS_DATA_DIR": folder,
            "TMS_SECRET_KEY": "of the benchmarks only",
            "TMS_LOG_LEVEL": "WARNING",
            "TMS_BATCH_RATE": "0",
        }


@contextmanager
def _created(url: str) -> Iterator[None]:
    """A database, empty at first, gone afterwards."""
    name = str(conninfo_to_dict(url).get("dbname", ""))
    if not name.startswith(NAME):
        raise Unavailable(f"{URL} must name a database {NAME}…, which is dropped; not {name!r}")
    try:
        with psycopg.connect(url, dbname="postgres", autocommit=True) as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            admin.execute(f'CREATE DATABASE "{name}"')
            try:
                yield
            finally:
                admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    except psycopg.OperationalError as error:
        raise Unavailable(str(error).strip()) from error
