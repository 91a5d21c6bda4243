"""A real web server on the benchmark's database, and clients that post to it."""

import http.client
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.servers import HOST, free_port
from tms.management.commands.start import web_command

START_SECONDS = 30


@contextmanager
def server() -> Iterator[int]:
    """the web server as `manage.py start` starts it; its port."""
    port = free_port()
    process = subprocess.Popen(web_command(HOST, port))
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def _wait(port: int) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        finally:
            connection.close()


def post_all(port: int, key: str, bodies: Sequence[bytes], clients: int = 1) -> float:
    """Seconds until all bodies are answered 201, sent by so many clients at once."""
    failures: list[str] = []
    threads = [
        threading.Thread(target=_post, args=(port, key, bodies[n::clients], failures))
        for n in range(clients)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])
    return time.perf_counter() - began


def _post(port: int, key: str, bodies: Sequence[bytes], failures: list[str]) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=120)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        for body in bodies:
            connection.request("POST", "/api/v1/batches", body, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 201:
                failures.append(f"{response.status}: {text[:300]!r}")
                return
    except OSError as error:
        failures.append(repr(error))
    finally:
        connection.close()
