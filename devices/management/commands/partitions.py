"""`manage.py partitions`: make, merge and drop partitions, as the scheduler does by itself."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devices.journal.partitions import partitions_maintain


class Command(BaseCommand):
    help = "Make next month's partitions, drop empty and merge old ones (PostgreSQL only)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        counts = partitions_maintain()
        if options["json"]:
            self.stdout.write(json.dumps(counts))
        else:
            self.stdout.write(", ".join(f"{what} {count}" for what, count in counts.items()))
