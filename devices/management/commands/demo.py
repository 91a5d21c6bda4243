"""`manage.py demo`: a virtual utility, sent through the same services as real data."""

import hashlib
import json
import zoneinfo
from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from django.utils.module_loading import import_string

from devices import batchform, journal
from devices.blocks import day_date, day_number, local_midnight
from devices.demo import batches, fleet
from devices.models import Device, FunctionalGroup, Watermark
from devices.services.ingest import batch_accept
from devices.services.inventory import NewDevice, devices_create

INSTALLED = date(2019, 1, 1)  # when the meters were hung, unless the readings begin earlier
ZONE = "America/Chicago"  # where clocks change, for an installation that keeps UTC
SEEDS = 1000
BEGUN = "demo"  # the mark of `--once`: the first day, for as long as it is not finished


class Command(BaseCommand):
    help = (
        "Make a virtual utility: meters with their classes, groups and channels, and what they "
        "send in some days. The same arguments give the same data; what is there already is not "
        "sent twice. A larger fleet or another period of the same seed goes beside it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        most = fleet.SEED_STEP - 1
        parser.add_argument("--devices", type=_count(1, most), default=200, metavar="N")
        parser.add_argument(
            "--start", type=date.fromisoformat, metavar="DATE", help="default: D days before today"
        )
        parser.add_argument("--days", type=_count(1, 3660), default=14, metavar="D")
        parser.add_argument(
            "--seed",
            type=_count(0, SEEDS - 1),
            default=0,
            metavar="S",
            help="another seed is another utility beside this one (default: 0)",
        )
        parser.add_argument(
            "--zone",
            default="",
            metavar="Z",
            help=f"IANA zone of the meters (default: the system's; {ZONE} where that is UTC)",
        )

        parser.add_argument(
            "--once",
            action="store_true",
            help="only where there is no device yet, or where this was cut off; then the same days",
        )

    def handle(self, **given: Any) -> None:
        self.verbosity = given["verbosity"]
        zone = given["zone"] or (settings.TIME_ZONE if settings.TIME_ZONE != "UTC" else ZONE)
        start, days, seed = given["start"], given["days"], given["seed"]
        today = _today(zone)
        start = start or today - timedelta(days=days)
        if given["once"]:
            begun = Watermark.objects.filter(name=BEGUN).first()
            if begun is None and Device.objects.exists():
                return
            start = start if begun is None else day_date(begun.number)
            self.stdout.write("Creating the demo utility …")
        if start + timedelta(days=days) > today:
            raise CommandError(f"the period ends after {today}, the last midnight in {zone}")
        if not batches.begins_on_hours(zone, start, days):
            raise CommandError(f"{zone}: days there do not begin on the hours of standard time")
        if given["once"]:
            Watermark.objects.update_or_create(name=BEGUN, defaults={"number": day_number(start)})
        meters = fleet.meters(given["devices"], seed)
        made = self.inventory(meters, zone, start)
        self.note(f"{len(meters)} meters, {made} of them new")
        sent = self.send(batches.bodies(meters, seed=seed, zone=zone, start=start, days=days))
        journal.fold_all()
        if given["once"]:
            for name in settings.TMS_DEMO_HOOKS:
                import_string(name)(zone)
        Watermark.objects.filter(name=BEGUN).delete()
        self.stdout.write(
            f"Demo utility in {zone}, {days} days from {start}: {len(meters)} meters ({made} new), "
            f"{sent['batches']} batches ({sent['new']} new) of {sent['intervals']:,} intervals, "
            f"{sent['registers']:,} register reads, {sent['events']:,} events."
        )

    def inventory(self, meters: Sequence[fleet.Meter], zone: str, start: date) -> int:
        """Make groups and devices that are not there yet; the number of new devices."""
        for code, name in fleet.GROUPS.items():
            FunctionalGroup.objects.get_or_create(code=code, defaults={"name": name})
        other = Device.objects.filter(device_id=meters[0].device_id).exclude(time_zone=zone).first()
        if other is not None:
            raise CommandError(
                f"{other} is there already, in {other.time_zone}; give --zone {other.time_zone}, "
                "or another --seed"
            )
        hung = local_midnight(zone, min(INSTALLED, start - timedelta(days=1)))
        try:
            return devices_create(
                [_device(meter, zone) for meter in meters],
                since=datetime.fromtimestamp(hung, UTC),
                reason="demo",
            )
        except IntegrityError as error:
            raise CommandError(
                f"one of the meter numbers is in use; give another --seed ({error})"
            ) from error

    def send(self, bodies: Iterable[bytes]) -> Counter[str]:
        """Have each body taken in, as if it had been posted; what was sent."""
        sent: Counter[str] = Counter()
        try:
            for body in bodies:
                form = batchform.decode(body)
                answer = batch_accept(
                    form,
                    body_hash=hashlib.sha256(body).digest(),
                    key=form.batch,
                    api_key=None,
                )
                said = json.loads(answer.text)
                sent["batches"] += 1
                sent["new"] += answer.created
                for what in ("intervals", "registers", "events"):
                    sent[what] += said[what]
                self.note(f"{form.batch}: {len(form.meters)} meters")
        except batchform.BatchRefused as error:
            lines = [f"{problem.path}: {problem.message}" for problem in error.problems[:5]]
            raise CommandError("refused: " + "; ".join(lines)) from error
        return sent

    def note(self, line: str) -> None:
        """Progress, for who wants to see it."""
        if self.verbosity > 1:
            self.stderr.write(line)


def _device(meter: fleet.Meter, zone: str) -> NewDevice:
    return NewDevice(
        device_id=meter.device_id,
        meter_number=meter.meter_number,
        device_class=meter.kind.device_class,
        time_zone=zone,
        serial_number=meter.serial_number,
        service_point_id=meter.service_point_id,
        account_id=meter.account_id,
        premise_id=meter.premise_id,
        transformer_id=meter.transformer_id,
        feeder_id=meter.feeder_id,
        multiplier=Decimal(meter.kind.customer.multiplier),
        groups=meter.groups,
        channels=meter.kind.channels,
    )


def _today(zone: str) -> date:
    try:
        return datetime.now(zoneinfo.ZoneInfo(zone)).date()
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise CommandError(f"--zone {zone}: not an IANA time zone") from error


def _count(low: int, high: int) -> Any:
    """An argument type: a whole number from low to high."""

    def parse(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise ArgumentTypeError(f"from {low} to {high}")
        return value

    return parse
