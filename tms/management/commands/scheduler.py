"""`manage.py scheduler`: sets off what is due each minute, until told to stop."""

from typing import Any

from django.core.management.base import BaseCommand

from tms.loops import tick_until
from tms.stop import Stop


class Command(BaseCommand):
    help = "Set off, each minute, what is due: as tasks when TMS_BROKER_URL is set, else here."

    def handle(self, *args: Any, **options: Any) -> None:
        tick_until(Stop())
