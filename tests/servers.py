"""PostgreSQL and Redis for the tests: those that run on this machine, or ones of our own.

Each is a context manager that yields a URL without a database, or raises Unavailable with the
reason. Nothing is installed here, and what was started is ended.
"""

import getpass
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import psycopg
import redis

HOST = "127.0.0.1"
START_SECONDS = 30


class Unavailable(Exception):
    """Why a server cannot be had."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


# --- PostgreSQL --------------------------------------------------------------------------------


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL where databases can be made."""
    for user in dict.fromkeys((getpass.getuser(), "postgres")):
        url = f"postgresql://{user}@{HOST}:5432"
        if _postgres_answers(url):
            yield url
            return
    with postgres_started() as (url, _):
        yield url


def _postgres_answers(url: str) -> bool:
    query = "SELECT rolsuper OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
    try:
        with psycopg.connect(f"{url}/postgres", connect_timeout=3) as connection:
            return bool(connection.execute(query).fetchone()[0])
    except psycopg.OperationalError:
        return False


@contextmanager
def postgres_started(also: str = "") -> Iterator[tuple[str, Callable[[], None]]]:
    """A cluster of our own in a temporary directory, and how to restart it; it need not survive a
    power cut. `also`: another address that it listens on, for all of its network."""
    making = ("initdb", "-U", "tms", "-A", "trust", "-E", "UTF8", "--locale=C")
    with _cluster(*making, also=also) as started:
        yield started


@contextmanager
def postgres_replica(primary: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """A streaming replica of a cluster of our own: its queries give way at once to a replay that
    needs a lock, and to none that only clears rows away, which come when the primary likes."""
    making = ("pg_basebackup", "-d", primary, "-R", "-X", "stream", "-c", "fast")
    ways = {"max_standby_streaming_delay": "0", "hot_standby_feedback": "on"}
    with _cluster(*making, **ways) as started:
        yield started


@contextmanager
def _cluster(
    program: str, *arguments: str, also: str = "", **more: str
) -> Iterator[tuple[str, Callable[[], None]]]:
    """A cluster whose directory a program makes, and how to restart it."""
    programs = _postgres_programs()
    port, owner = free_port(), _unprivileged()
    with tempfile.TemporaryDirectory(prefix="tms-postgres-") as directory:
        if owner:
            shutil.chown(directory, owner, pwd.getpwnam(owner).pw_gid)
        data = f"{directory}/data"
        making = [programs / program, "-D", data, "--no-sync", *arguments]
        made = subprocess.run(making, **_as(owner), capture_output=True, text=True)
        if made.returncode:
            raise Unavailable(f"{program}: {made.stderr.strip()}")
        addresses = f"{HOST},{also}".strip(",")
        options = {"listen_addresses": addresses, "unix_socket_directories": "", "fsync": "off"}
        options |= more
        if also:
            with Path(data, "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet trust\n")
        settings = [word for key, value in options.items() for word in ("-c", f"{key}={value}")]
        command = [programs / "postgres", "-D", data, "-p", str(port), *settings]
        url = f"postgresql://tms@{HOST}:{port}"
        with ExitStack() as server:

            def start() -> None:
                answers = partial(_postgres_answers, url)
                server.enter_context(_running(command, signal.SIGINT, answers, **_as(owner)))

            def restart() -> None:
                server.close()
                start()

            start()
            yield url, restart


def _postgres_programs() -> Path:
    found = [Path(path).resolve().parent for path in (shutil.which("initdb"),) if path] + sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name)
    )
    for directory in found:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise Unavailable("no PostgreSQL answers on port 5432 and its programs are not installed")


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root: the user it runs as instead, None where we are not."""
    if os.getuid():
        return None
    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def _as(owner: str | None) -> dict:
    if owner is None:
        return {}
    return {"user": owner, "group": pwd.getpwnam(owner).pw_gid, "extra_groups": [], "cwd": "/"}


@contextmanager
def postgres_database(server: str, name: str) -> Iterator[str]:
    """A new, empty database; dropped afterwards, whoever is still connected."""
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield f"{server}/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


# --- Redis -------------------------------------------------------------------------------------


@contextmanager
def redis_server(also: str = "") -> Iterator[str]:
    """A Redis that may be emptied: our own where its program is installed, else the one found.
    `also`: another address that it listens on."""
    program = shutil.which("redis-server")
    if program is None:
        url = f"redis://{HOST}:6379"
        if not _redis_answers(url):
            raise Unavailable("no Redis answers on port 6379 and redis-server is not installed")
        yield url
        return
    port = free_port()
    url = f"redis://{HOST}:{port}"
    with tempfile.TemporaryDirectory(prefix="tms-redis-") as directory:
        command = [program, "--port", str(port), "--save", "", "--dir", directory]
        command += ["--bind", HOST, *([also, "--protected-mode", "no"] if also else [])]
        with _running(command, signal.SIGTERM, lambda: _redis_answers(url)):
            yield url


def _redis_answers(url: str) -> bool:
    client = redis.Redis.from_url(url, socket_connect_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


# --- both --------------------------------------------------------------------------------------


@contextmanager
def _running(
    command: list, stop_signal: int, answers: Callable[[], bool], **options
) -> Iterator[None]:
    """A server process from its first answer on; ended by the signal."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, start_new_session=True, **quiet, **options)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"{command[0]} did not start")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(stop_signal)
        process.wait(START_SECONDS)
