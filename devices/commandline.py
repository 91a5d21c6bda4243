"""What the two import commands share."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from devices.imports.options import OptionFault, Options, options_read
from devices.models import ImportJob
from devices.services.imports.answer import report_of
from devices.services.imports.apply import Stale
from devices.services.imports.jobs import ImportFault, State, columns_of
from devices.services.imports.marked import result_write
from devices.services.imports.work import file_import

SHOWN = 20  # errors that are printed one by one


class ImportCommand(BaseCommand):
    """Reads a file, applies its good rows, reports. `kind` is the interface."""

    kind = ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--dry-run", action="store_true", help="report only, store nothing")
        parser.add_argument(
            "--all-or-nothing", action="store_true", help="one refused row and nothing is applied"
        )
        parser.add_argument(
            "--ignore-unknown",
            action="store_true",
            help="ignore columns whose names are near a known one",
        )
        parser.add_argument("--option", action="append", default=[], metavar="K=V")
        parser.add_argument("--result", type=Path, metavar="OUT.csv", help="or OUT.xlsx")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        options = self._options(given)
        try:
            stream = given["file"].open("rb")
        except OSError as error:
            raise CommandError(f"{given['file']}: {error.strerror}") from error
        with stream:
            if given["dry_run"]:
                with transaction.atomic():
                    report = self._import(stream, options, given)
                    transaction.set_rollback(True)
            else:
                report = self._import(stream, options, given)
        self._report(report, given)

    def _options(self, given: dict[str, Any]) -> Options:
        words = {name: "yes" for name in ("all_or_nothing", "ignore_unknown") if given[name]}
        for text in given["option"]:
            name, equals, value = text.partition("=")
            if not equals:
                raise CommandError(f"--option {text}: write NAME=VALUE", returncode=2)
            words[name] = value
        try:
            return options_read(words, columns_of(self.kind))
        except OptionFault as fault:
            raise CommandError(f"--option: {fault}", returncode=2) from fault

    def _import(self, stream: BinaryIO, options: Options, given: dict[str, Any]) -> dict[str, Any]:
        try:
            job = file_import(
                kind=self.kind,
                filename=given["file"].name,
                stream=stream,
                options=options,
                origin=ImportJob.Origin.COMMAND,
                apply=not given["dry_run"],
            )
        except (Stale, ImportFault) as fault:
            raise CommandError(str(fault)) from fault
        if given["result"]:
            try:
                result_write(job, given["result"])
            except OSError as error:
                raise CommandError(f"{given['result']}: {error.strerror}") from error
        return report_of(job)

    def _report(self, report: dict[str, Any], given: dict[str, Any]) -> None:
        if given["json"]:
            self.stdout.write(json.dumps(report))
        else:
            self._list(report)
        done = (State.APPLIED, State.PREVIEW)
        if report["status"] not in done:
            raise CommandError(f"nothing was applied: {_why(report)}")

    def _list(self, report: dict[str, Any]) -> None:
        words = ("added", "updated", "deleted", "moved", "unchanged", "refused")
        counts = ", ".join(f"{report[word]:,} {word}" for word in words)
        self.stdout.write(f"Import {report['import']} {report['status']}: {counts}.")
        said = [row for row in report["rows"] if row["result"] not in ("OK", "SKIPPED")]
        for row in said[:SHOWN]:
            self.stderr.write(f"{row['result']} {row['code']} {row['message']}")
        if len(said) > SHOWN:
            self.stderr.write(f"… and {len(said) - SHOWN:,} more; --result has them all")


def _why(report: dict[str, Any]) -> str:
    """One line: what is said of the whole file, else the first refused row."""
    first = next((row for row in report["rows"] if row["result"] == "ERROR"), None)
    if first is None:
        return "see the rows"
    return f"{first['code']} {first['message']}"
