"""Work that waits for others, beside the sweeps of a worker without a broker.

Such a worker does one thing after another; a mail or file server that stalls would hold up all of
them. What is done here is leased in its rows, so a thread that dies with its process loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread

from django.db import connections


class Beside:
    """A thread that does `function` to its end, one at a time."""

    def __init__(self, name: str, function: Callable[[], object]) -> None:
        self._name, self._function = name, function
        self._thread: Thread | None = None

    def begin(self) -> None:
        """Start it where it is not at work."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def join(self) -> None:
        """Wait until it is done."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._function()
        finally:
            connections.close_all()
