"""One file into the store, in this process, through the same service as posted batches."""

import json
from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.batchform import BatchRefused
from devices.readings import SOURCES
from devices.services.ingest import KeyConflict
from devices.services.ingest_provision import zone_known
from exports.commandline import parse_options
from exports.formats.base import OptionError
from exports.ingest import Ingested, IngestRequest, file_ingest, readable

REFUSED_SHOWN = 20


class Command(BaseCommand):
    help = "Take a file of readings into the store: ingest FILE --format FORMAT"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="plain or gzip")
        parser.add_argument("--format", required=True, choices=readable())
        parser.add_argument(
            "--source", default="", choices=list(SOURCES), help="default: the file's, or imported"
        )
        parser.add_argument(
            "--provision", default="", metavar="CLASS", help="make unknown devices, of this class"
        )
        parser.add_argument(
            "--resolution",
            type=resolution,
            metavar="R",
            help="of new channels of which the file states none, e.g. 0.001",
        )
        parser.add_argument(
            "--zone", type=zone, help="IANA zone of new devices (default: the system's)"
        )
        parser.add_argument(
            "--on-error",
            default="",
            choices=["batch", "meter"],
            help="take all or nothing (default), or whole good meters",
        )
        parser.add_argument("--option", action="append", default=[], metavar="K=V")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        try:
            done = file_ingest(self.request(given))
        except OptionError as error:
            raise CommandError(str(error), returncode=2) from error
        except BatchRefused as refused:
            if given["json"]:
                self.stdout.write(json.dumps(_nothing(refused)))
            raise CommandError(f"{given['file']}: {_summary(refused)}") from refused
        except KeyConflict as conflict:
            raise CommandError(f"{given['file']}: {conflict}") from conflict
        except OSError as error:
            raise CommandError(f"{given['file']}: {error.strerror or error}") from error
        for line in done.warnings:
            self.stderr.write(f"warning: {line}")
        if given["json"]:
            self.stdout.write(json.dumps(done.answer))
        else:
            self.report(done)

    def request(self, given: dict[str, Any]) -> IngestRequest:
        """What the command line asks for. OptionError when an option is not K=V."""
        try:
            options = parse_options(given["option"])
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from error
        if options and given["format"] == "json":
            raise CommandError("--option: format json has no options", returncode=2)
        names = ("format", "source", "provision", "resolution", "on_error")
        return IngestRequest(
            path=given["file"],
            zone=given["zone"] or "",
            options=options,
            **{name: given[name] for name in names},
        )

    def report(self, done: Ingested) -> None:
        """One line of what was stored, then one for each meter that was not."""
        answer = done.answer
        made = answer["created"]
        self.stdout.write(
            f"batch {answer['batch']} {answer['status']}{'' if done.created else ' before'}: "
            f"{answer['devices']:,} devices, {answer['intervals']:,} intervals, "
            f"{answer['registers']:,} register reads, {answer['events']:,} events; "
            f"made {made['devices']:,} devices, {made['channels']:,} channels"
        )
        for problem in answer["refused"][:REFUSED_SHOWN]:
            self.stderr.write(f"refused {_line(problem)}")
        if len(answer["refused"]) > REFUSED_SHOWN:
            self.stderr.write(f"and {len(answer['refused']) - REFUSED_SHOWN:,} more problems")


def _line(problem: dict[str, str]) -> str:
    return f"{problem['path']}: {problem['code']}: {problem['message']}"


def _summary(refused: BatchRefused) -> str:
    first, *more = refused.problems
    text = f"{first.path}: " if first.path else ""
    text += f"{first.code}: {first.message}"
    return f"{text} (and {len(more)} more)" if more else text


def _nothing(refused: BatchRefused) -> dict[str, Any]:
    return {
        **dict.fromkeys(("devices", "intervals", "registers", "events"), 0),
        "batch": None,
        "status": "refused",
        "created": {"devices": 0, "channels": 0},
        "refused": [
            {"path": p.path, "code": p.code, "message": p.message} for p in refused.problems
        ],
    }


def resolution(text: str) -> Decimal:
    """The argument of --resolution."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal(0)
    if not value.is_finite() or value <= 0:
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return value


def zone(text: str) -> str:
    """The argument of --zone."""
    if not zone_known(text):
        raise ArgumentTypeError(f"{text!r} is no IANA time zone")
    return text
