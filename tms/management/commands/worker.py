"""`manage.py worker`: does the due work of the house until told to stop."""

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from tms.loops import sweep_until
from tms.stop import Stop


class Command(BaseCommand):
    help = "Do due work: as a Celery worker when TMS_BROKER_URL is set, else by looking for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=int,
            default=2,
            metavar="N",
            help="processes of the Celery worker (default 2); without a broker there is one",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.BROKER_URL:
            command = celery_command(options["concurrency"])
            os.execv(command[0], command)
        sweep_until(Stop())


def celery_command(concurrency: int) -> list[str]:
    """The Celery worker that takes this process's place."""
    return [
        *(sys.executable, "-m", "celery", "--app", "tms", "--workdir", str(settings.BASE_DIR)),
        *("worker", "--concurrency", str(concurrency), "--prefetch-multiplier", "1"),
        *("--loglevel", "WARNING", "--without-mingle", "--without-gossip"),
    ]
