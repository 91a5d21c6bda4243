"""`manage.py purge`: let go of what has passed its term, as the scheduler does every day."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devices.services.retention import expire


class Command(BaseCommand):
    help = (
        "Remove idempotency keys, bodies, quarantined meters and journal entries past their term."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = expire()
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            self.stdout.write(", ".join(f"{what} {count}" for what, count in counts.items()))
