"""Run a saved export now, and wait for it."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from exports import services
from exports.commandline import parse_time, report_print
from exports.formats.base import OptionError
from exports.models import ExportDefinition, ExportRun

POLL = 0.2  # seconds between two looks at a run that others work on


class Command(BaseCommand):
    help = "Run a saved export now: run NAME [--start T --end T] [--mode correction]"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the export's name")
        parser.add_argument("--start", help="ISO time, or a date = its local midnight")
        parser.add_argument("--end", help="the same; exclusive; in place of the export's period")
        parser.add_argument(
            "--mode",
            choices=["normal", "correction"],
            default="normal",
            help="correction: nothing but what changed after it was sent",
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        try:
            run = self.asked(given)
        except (OptionError, ValueError) as error:
            raise CommandError(str(error), returncode=2) from error
        run = services.run_finish(run, lambda: time.sleep(POLL))
        if run.state not in (ExportRun.State.DONE, ExportRun.State.EMPTY):
            raise CommandError(f"run {run.pk} {run.get_state_display().lower()}: {run.error}")
        report_print(services.run_report(run), self.stdout, self.stderr, given["json"])

    def asked(self, given: dict[str, Any]) -> ExportRun:
        """The run that the command line asks for. ValueError says what is wrong."""
        definition = ExportDefinition.objects.filter(name=given["name"]).first()
        if definition is None:
            raise ValueError(f"there is no export named {given['name']}")
        if bool(given["start"]) != bool(given["end"]):
            raise ValueError("give --start and --end, or neither")
        period = {}
        if given["start"]:
            zone = definition.zone or definition.schedule_clock
            period = {name: parse_time(given[name], zone) for name in ("start", "end")}
        return services.definition_run(
            definition,
            trigger=ExportRun.Trigger.COMMAND,
            corrections=given["mode"] == "correction",
            **period,
        )
