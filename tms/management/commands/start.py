"""`manage.py start`: the whole house with one command (`make run`)."""

import argparse
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, connections

from tms import trial
from tms.stop import Stop
from tms.supervisor import Child, supervise


class Command(BaseCommand):
    help = "Bring the database up to date, then run web, worker and scheduler until Ctrl-C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="(default 8000)")
        parser.add_argument("--address", default="127.0.0.1", help="(default 127.0.0.1)")
        parser.add_argument(
            "--demo",
            action=argparse.BooleanOptionalAction,
            help="create the demo utility where there are no devices, or finish it (default: in a "
            "trial, which is SQLite on a loopback address)",
        )

    def handle(
        self, *args: Any, address: str, port: int, demo: bool | None, **options: Any
    ) -> None:
        port_claim(address, port)
        in_trial = trial.is_trial(address)
        self._say("Bringing the database up to date …")
        call_command("migrate", verbosity=0, interactive=False)
        if in_trial if demo is None else demo:
            call_command("demo", "--once", stdout=self.stdout, stderr=self.stderr)
        logins = trial.logins_create() if in_trial else []
        closed = [] if in_trial else trial.logins_close()
        greeting = "\n".join(_greeting(f"http://{address}:{port}/", logins, closed))
        connections.close_all()

        stop = Stop()
        children = [
            Child("web", web_command(address, port)),
            Child("worker", _manage("worker")),
            Child("scheduler", _manage("scheduler")),
        ]
        greet = self._greeter(address, port, greeting)
        if not supervise(children, stop, report=self._say, meanwhile=greet):
            raise CommandError("stopped: a process could not be kept running")
        self._say("Stopped.")

    def _greeter(self, address: str, port: int, greeting: str) -> Callable[[], None]:
        """Says the greeting once, as soon as the web server answers."""
        waiting = [greeting]

        def greet() -> None:
            if waiting:
                with suppress(OSError), socket.create_connection((address, port), timeout=1):
                    self._say(waiting.pop())

        return greet

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def port_claim(address: str, port: int) -> None:
    """Refuse a port that somebody listens on, before anything else is done."""
    if not 0 < port < 65536:
        raise CommandError(f"there is no port {port}")
    try:
        family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise CommandError(
            f"port {port} of {address} cannot be used ({error}); "
            "is TMS running already? Another port: make run PORT=8001"
        ) from error


def web_command(address: str, port: int) -> list[str]:
    """The web server; threads and time-outs are in gunicorn.conf.py.

    On SQLite one process: it has one writer anyway.
    """
    workers = 1 if connection.vendor == "sqlite" else min(4, os.cpu_count() or 1)
    return [
        *(sys.executable, "-m", "gunicorn", "tms.wsgi", "--chdir", str(settings.BASE_DIR)),
        *("--config", str(settings.BASE_DIR / "gunicorn.conf.py")),
        *("--bind", f"{address}:{port}", "--workers", str(workers)),
    ]


def _manage(command: str) -> list[str]:
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), command]


def _greeting(url: str, logins: list[trial.Login], closed: list[str]) -> list[str]:
    """What a person needs to begin."""
    lines = ["", f"  TMS: {url}", f"  API: {url}api/v1/docs", ""]
    if logins:
        lines += [f"  {login.username:10}{trial.PASSWORD}   {login.role}" for login in logins]
        lines += ["", "  These logins exist because this is a trial: SQLite, on this machine only."]
    if closed:
        lines += [f"  No trial any more; demo logins made inactive: {', '.join(closed)}."]
    if not logins and not User.objects.filter(is_active=True, is_superuser=True).exists():
        lines += ["  Nobody can log in as administrator yet: manage.py createsuperuser"]
    return [*lines, "  Ctrl-C stops everything.", ""]
