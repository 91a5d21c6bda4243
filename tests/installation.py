"""An installation of TMS of a test's own: a data directory, an environment, processes."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 60.0  # seconds to wait for what must happen


class Installation:
    """Runs `manage.py` as a user does. What it started is ended with it."""

    def __init__(self, data_dir: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("TMS_", "DJANGO_"))}
        self.data_dir = data_dir
        self.environment = {**kept, "TMS_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}
        self.port = free_port()
        self.log = data_dir.parent / "output.txt"
        self._processes: list[subprocess.Popen] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            process.wait(PATIENCE)

    def manage(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self._command(arguments),
            env=self.environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            **options,
        )

    def begin(self, *arguments: str) -> subprocess.Popen:
        """Start a command and leave it running; its output goes to `log`."""
        with self.log.open("a") as log:
            process = subprocess.Popen(
                self._command(arguments),
                env=self.environment,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page; (0, "") when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds; what was printed so far tells why it did not."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain; output:\n{self.log.read_text()}")
            time.sleep(0.1)

    @staticmethod
    def _command(arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]
