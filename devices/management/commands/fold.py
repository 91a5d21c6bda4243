"""`manage.py fold`: fold all that waits in the journal, as the worker does by itself."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from devices import journal


class Command(BaseCommand):
    help = "Fold everything that waits in the journal into blocks and register versions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        before = journal.folded_to()
        journal.fold_all()
        after = journal.folded_to()
        if options["json"]:
            self.stdout.write(json.dumps({"from": before, "to": after}))
        else:
            self.stdout.write(f"folded to batch number {after} (was {before})")
