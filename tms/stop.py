"""How a long-running process of TMS is asked to stop, and how it waits in the meantime."""

import os
import select
import signal
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """A request to stop, made by a signal; a process finishes its step and looks here.

    The signal handler writes to a pipe that `wait` listens to. (A `threading.Event` may not be
    set in a handler: when the signal comes inside its own `wait`, both hold the same lock.)
    """

    def __init__(self) -> None:
        self.asked = False
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in SIGNALS:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.ask()

    def ask(self) -> None:
        """Ask as a signal does."""
        if not self.asked:
            self.asked = True
            os.write(self._write, b".")

    def wait(self, seconds: float) -> bool:
        """Wait, but no longer than until the process is asked to stop; True when it is."""
        select.select([self._read], [], [], max(0.0, seconds))
        return self.asked
