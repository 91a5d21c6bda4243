"""Takes an applied import back."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devices.models import ImportJob
from devices.services.imports.jobs import ImportFault
from devices.services.imports.undo import import_undo


class Command(BaseCommand):
    help = "Take an applied import back, by its number; devices that changed since are left alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", help="the import's number, as import_… prints it")
        parser.add_argument(
            "--force", action="store_true", help="also what has changed since; that is lost"
        )
        parser.add_argument("--json", action="store_true", help="report as one JSON object")

    def handle(self, **given: Any) -> None:
        job = ImportJob.objects.filter(batch=given["id"]).first()
        if job is None:
            raise CommandError(f"there is no import {given['id']}")
        try:
            undone = import_undo(job, force=given["force"])
        except ImportFault as fault:
            raise CommandError(str(fault)) from fault
        if given["json"]:
            report = {"import": job.batch, "status": "undone"}
            report |= {"conflicts": undone.conflicts, "kept": undone.kept}
            self.stdout.write(json.dumps(report))
            return
        self.stdout.write(f"Import {job.batch} undone.")
        for key in undone.kept:
            self.stdout.write(f"{key}: has readings; unprovisioned instead of taken away")
        for key in undone.conflicts:
            self.stdout.write(f"{key}: changed since; left as it is")
