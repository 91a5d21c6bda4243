"""Short ways to a fleet with readings, a definition and its runs, for tests of exports."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from devices.models import Channel, FunctionalGroup, Installation, Membership
from devices.services.secrets import secret_seal
from exports import services
from exports.models import Delivery, Destination, ExportDefinition, ExportRun
from tests.devices.factories import batch_post, channel_make, day_of, device_make, entry_of
from tests.servers import HOST
from tests.sshd import Sshd

D = day_of(2026, 3, 14)
START = datetime(2026, 3, 14, tzinfo=UTC)
LONG_AGO = START - timedelta(days=400)


def meters_make(count: int = 3, *, first: int = 0, group: str = "", **fields: Any) -> list[Channel]:
    """Devices D0, D1 … with an hourly channel each; installed, and in a group if one is named."""
    channels = []
    for n in range(first, first + count):
        device = device_make(f"D{n:04}", meter_number=f"M{n:04}")
        Installation.objects.create(device=device, valid_from=LONG_AGO, service_point_id=f"SP{n}")
        if group:
            join(device, group)
        channels.append(channel_make(device, seconds=3600, **fields))
    return channels


def join(device: Any, code: str, since: datetime = LONG_AGO) -> Membership:
    group, _ = FunctionalGroup.objects.get_or_create(code=code)
    return Membership.objects.create(device=device, group=group, valid_from=since)


def readings_post(
    channels: list[Channel], *, day: int = D, slot: int = 0, values: Any = None
) -> int:
    """One batch with a run of values for each channel; its number."""
    return batch_post(
        [entry_of(c, day, slot, values or [n, *range(23)]) for n, c in enumerate(channels)]
    )


def definition_make(
    name: str = "NIGHTLY",
    *,
    groups: Any = (),
    destinations: Any = (),
    devices: Any = (),
    from_now: bool = False,
    **fields: Any,
) -> ExportDefinition:
    """A definition of fixed dates around the 14th of March, unless told otherwise."""
    if fields.get("period", "fixed") == "fixed":
        fields = {"period": "fixed", "start": START, "end": START + timedelta(days=1)} | fields
    definition = ExportDefinition(name=name, **{"format": "cmep", **fields})
    definition.full_clean()
    return services.definition_save(
        definition,
        groups=FunctionalGroup.objects.filter(code__in=groups),
        devices=devices,
        destinations=destinations,
        from_now=from_now,
    )


def directory_make(settings: Any, folder: Path, **fields: Any) -> Destination:
    """A destination in a folder, which is permitted from then on."""
    settings.TMS_DELIVERY_ROOTS = [str(folder)]
    return destination_make(**{"path": str(folder / "in"), **fields})


def destination_make(**fields: Any) -> Destination:
    """A destination of any kind, as its form would make it."""
    destination = Destination(**{"name": "CIS", "receiver": "CIS1", **fields})
    destination.full_clean()
    destination.save()
    return destination


def sftp_make(server: Sshd, **fields: Any) -> Destination:
    """A destination on a test's SSH server, whose host key was accepted."""
    return destination_make(
        **{
            "kind": "sftp",
            "host": HOST,
            "port": server.port,
            "username": server.user,
            "auth": "key",
            "private_key": secret_seal(server.client_key.read_text()),
            "host_key": server.host_key,
            "folder": str(server.home),
            "timeout": 5,
            **fields,
        }
    )


def delivery_make(destination: Destination) -> Delivery:
    """A finished run's file on its way to a destination."""
    if not Channel.objects.exists():
        readings_post(meters_make(1))
    name = f"EXPORT{ExportDefinition.objects.count()}"
    run = run_now(definition_make(name, destinations=[destination]))
    return Delivery.objects.select_related("file", "destination").get(file__run=run)


def work_all(most: int = 1000) -> int:
    """Do all work there is, as a worker does; how many pieces it was."""
    for done in range(most):
        if not services.work():
            return done
    raise AssertionError(f"more than {most} pieces of work")


def run_now(definition: ExportDefinition, **given: Any) -> ExportRun:
    """A run of a definition, to its end."""
    run = services.definition_run(definition, **given)
    work_all()
    run.refresh_from_db()
    return run


def file_text(run: ExportRun) -> str:
    """The content of a run's only file."""
    return Path(run.files.get().path).read_text()


def abandon(row: Any) -> None:
    """Make a row's worker one that has stopped long ago, on a machine that is not this one."""
    type(row).objects.filter(pk=row.pk).update(
        worker="elsewhere/0/1/1/1", lease_until=timezone.now() - timedelta(seconds=1)
    )
