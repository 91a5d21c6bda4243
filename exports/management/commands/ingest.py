"""Read a file of readings into the store."""

import json
from argparse import ArgumentParser
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.models import DeviceClass
from devices.readings import SOURCES
from devices.services.ingest import KeyConflict, Provision
from exports import formats
from exports.commandline import parse_options, parse_zone
from exports.formats.base import OptionError
from exports.ingest import JSON, FileRefused, FileRequest, file_ingest

SHOWN = 20  # warnings and refusals that are printed one by one


class Command(BaseCommand):
    help = "Read a file in any readable format into the store: ingest FILE --format FORMAT"

    def add_arguments(self, parser: ArgumentParser) -> None:
        readable = [fmt.code for fmt in formats.every() if fmt.readable]
        parser.add_argument("file", type=Path)
        parser.add_argument("--format", required=True, choices=[JSON, *readable])
        parser.add_argument("--source", default="", choices=list(SOURCES), metavar="NAME")
        parser.add_argument("--provision", metavar="CLASS", help="make unknown devices, of this")
        parser.add_argument("--resolution", metavar="R", help="of channels that are made")
        parser.add_argument("--zone", default="", help="of devices that are made")
        parser.add_argument("--on-error", default="", choices=["batch", "meter"])
        parser.add_argument("--option", action="append", default=[], metavar="K=V")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        try:
            request = self.request(given)
            report, warnings = file_ingest(request)
        except (OptionError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        except (KeyConflict, OSError) as error:
            raise CommandError(str(error)) from error
        except FileRefused as error:
            self.refused(error, given["json"])
        else:
            self.report(report, warnings, given["json"])

    def request(self, given: dict[str, Any]) -> FileRequest:
        """The request that the command line names. ValueError says what is wrong."""
        provision = None
        zone = parse_zone(given["zone"]) if given["zone"] else ""
        if given["provision"]:
            if not DeviceClass.objects.filter(code=given["provision"]).exists():
                known = ", ".join(DeviceClass.objects.values_list("code", flat=True))
                raise ValueError(f"--provision {given['provision']}: no such class; one of {known}")
            provision = Provision(given["provision"], _resolution(given["resolution"]), zone)
        elif given["resolution"]:
            raise ValueError("--resolution is of channels that are made: give --provision, too")
        options = parse_options(given["option"])
        if options and given["format"] == JSON:
            raise ValueError("--option: json has none")
        return FileRequest(
            path=given["file"],
            format=given["format"],
            source=given["source"],
            provision=provision,
            zone=zone,
            on_error=given["on_error"],
            options=options,
        )

    def refused(self, error: FileRefused, as_json: bool) -> None:
        """Say why nothing was stored; exit code 1."""
        problems = [{"path": p.path, "code": p.code, "message": p.message} for p in error.problems]
        if as_json:
            self.stdout.write(json.dumps(_nothing(problems)))
        else:
            self._list(problems)
        raise CommandError(f"nothing was stored: {len(problems)} faults, the first: {error}")

    def report(self, report: dict[str, Any], warnings: list[str], as_json: bool) -> None:
        for line in warnings[:SHOWN]:
            self.stderr.write(line)
        if len(warnings) > SHOWN:
            self.stderr.write(f"… and {len(warnings) - SHOWN} more")
        if as_json:
            self.stdout.write(json.dumps(report))
            return
        made = report["created"]
        self.stdout.write(
            f"Batch {report['batch']} {report['status']}: {report['devices']:,} devices, "
            f"{report['intervals']:,} intervals, {report['registers']:,} register reads, "
            f"{report['events']:,} events; made {made['devices']:,} devices and "
            f"{made['channels']:,} channels."
        )
        if report["refused"]:
            self.stderr.write(f"{len(report['refused'])} refused:")
            self._list(report["refused"])

    def _list(self, problems: list[dict[str, str]]) -> None:
        for problem in problems[:SHOWN]:
            self.stderr.write(f"{problem['path']}: {problem['code']} {problem['message']}")


def _resolution(text: str | None) -> Decimal | None:
    if not text:
        return None
    try:
        resolution = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"--resolution {text}: write a plain number, e.g. 0.001") from error
    if not resolution.is_finite() or resolution <= 0:
        raise ValueError(f"--resolution {text}: must be above 0")
    return resolution


def _nothing(problems: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "batch": None,
        "status": "refused",
        "devices": 0,
        "intervals": 0,
        "registers": 0,
        "events": 0,
        "created": {"devices": 0, "channels": 0},
        "refused": problems,
    }
