"""Compare every kept file with its SHA-256, as after a restore."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exports.services.archive import files_verify


class Command(BaseCommand):
    help = "Compare every kept file of exports with its SHA-256; exit code 1 when one is not whole."

    def handle(self, **given: Any) -> None:
        good = bad = 0
        for _, fault in files_verify():
            if fault:
                bad += 1
                self.stderr.write(fault)
            else:
                good += 1
        if bad:
            raise CommandError(f"{bad} of {good + bad} kept files are not whole")
        self.stdout.write(f"{good} kept files are whole")
