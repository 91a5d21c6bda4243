"""One export, in this process: the same code as a scheduled run."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.models import Device, FunctionalGroup
from devices.readings import UNITS
from exports import formats, services
from exports.commandline import parse_options, parse_time, parse_zone, report_print
from exports.formats.base import OptionError
from exports.scope import Selection


class Command(BaseCommand):
    help = "Export readings to a file: export FORMAT --start T --end T --output PATH"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("format", choices=[f.code for f in formats.every() if f.writable])
        parser.add_argument(
            "--start", required=True, help="ISO time, or a date = its local midnight"
        )
        parser.add_argument("--end", required=True, help="the same; exclusive")
        parser.add_argument("--group", action="extend", nargs="+", default=[], metavar="CODE")
        parser.add_argument("--device", action="extend", nargs="+", default=[], metavar="ID")
        parser.add_argument(
            "--channel", action="extend", nargs="+", default=[], type=int, metavar="N"
        )
        parser.add_argument(
            "--unit", action="extend", nargs="+", default=[], choices=list(UNITS), metavar="U"
        )
        parser.add_argument("--zone", default="", help="IANA zone (default: the system's)")
        parser.add_argument("--option", action="append", default=[], metavar="K=V")
        parser.add_argument("--output", required=True, help="file, folder/ or - for stdout")
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        try:
            request = self.request(given)
            run = services.run_create(request)
        except (OptionError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        try:
            services.run_execute(run, given["output"])
        except services.RunFailed as error:
            raise CommandError(f"run {run.pk} failed: {error}") from error
        out = sys.stderr if given["output"] == services.STDOUT else self.stdout
        report_print(services.run_report(run), out, self.stderr, given["json"])

    def request(self, given: dict[str, Any]) -> services.RunRequest:
        """The request that the command line names. ValueError says what is wrong."""
        zone = parse_zone(given["zone"] or settings.TIME_ZONE)
        _check_known("--group", given["group"], FunctionalGroup.objects, "code")
        _check_known("--device", given["device"], Device.objects, "device_id")
        options = parse_options(given["option"])
        own = {
            name: options.pop(name) for name in ("on_error", "on_unsupported") if name in options
        }
        for name, allowed in (
            ("on_error", ("stop", "skip_meter")),
            ("on_unsupported", ("skip", "stop")),
        ):
            if name in own and own[name] not in allowed:
                raise ValueError(f"--option {name}={own[name]}: one of {', '.join(allowed)}")
        return services.RunRequest(
            format=given["format"],
            start=parse_time(given["start"], zone),
            end=parse_time(given["end"], zone),
            selection=Selection(
                *(tuple(given["group"]), tuple(given["device"])),
                *(tuple(given["channel"]), tuple(given["unit"])),
            ),
            options=options,
            zone=given["zone"],
            **own,
        )


def _check_known(flag: str, given: list[str], rows: Any, column: str) -> None:
    known = set(rows.filter(**{f"{column}__in": given}).values_list(column, flat=True))
    unknown = sorted(set(given) - known)
    if unknown:
        raise ValueError(f"{flag} {', '.join(unknown)}: unknown")
