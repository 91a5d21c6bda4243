"""Lists the formats."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from exports.formats import every
from exports.formats.base import Format

MEMBERS = (
    *("code", "label", "extension", "intervals", "registers", "events", "readable", "writable"),
)


class Command(BaseCommand):
    requires_system_checks = ()  # touches no app and no database
    help = "Lists the file formats: code, what they carry, whether they are written and read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print a list of objects")

    def handle(self, **options: Any) -> None:
        if options["json"]:
            listed = [{name: getattr(fmt, name) for name in MEMBERS} for fmt in every()]
            self.stdout.write(json.dumps(listed))
            return
        for fmt in every():
            self.stdout.write(f"{fmt.code:10} {_words(fmt):32} {fmt.label}")


def _words(fmt: Format) -> str:
    carries = [name for name in ("intervals", "registers", "events") if getattr(fmt, name)]
    can = [name for name, has in (("write", fmt.writable), ("read", fmt.readable)) if has]
    return f"{'+'.join(carries)}; {', '.join(can)}"
