"""Reading ahead: the next part is read while this one is written."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from django.db import connection, connections

T = TypeVar("T")
_END = object()


def read_ahead(make: Callable[[], Iterator[T]], depth: int = 1) -> Iterator[T]:
    """The items of `make()`, made on a thread with a database connection of its own.

    At most `depth` items wait. An error of the thread is raised here, after the items before it.
    Inside a transaction nothing is read ahead: another connection would not see what it wrote.
    """
    if connection.in_atomic_block:
        yield from make()
        return
    ready: queue.Queue[object] = queue.Queue(depth)
    stop = threading.Event()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            for item in make():
                if not _put(ready, item, stop):
                    return
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()
            _put(ready, _END, stop)

    thread = threading.Thread(target=run, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            yield item  # type: ignore[misc]
        if failed:
            raise failed[0]
    finally:
        stop.set()
        thread.join()


def _put(ready: "queue.Queue[object]", item: object, stop: threading.Event) -> bool:
    """Wait for room, but not for a reader that has gone."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.2)
        except queue.Full:
            continue
        return True
    return False
