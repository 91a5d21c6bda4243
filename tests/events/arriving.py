"""Events that arrive, and what routes, rules and mails make of them, in tests."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, connections, transaction
from django.utils import timezone

from devices import journal
from devices.models import ApiKey, Batch, Device, FunctionalGroup, Installation, Membership
from devices.readings import Event as Report
from events import failpoints
from events.models import AlarmRule, Notification, Route
from events.services import batch_events_store
from events.services.alarms import alarms_detect
from events.services.notices import notifications_make
from events.services.routes import mrc_folder, route_start, route_write
from exports.formats import mrc
from tests.devices.factories import device_make

TIME = datetime(2026, 4, 2, 19, 31, 7, tzinfo=UTC)
NOON = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def arrive(
    *reports: tuple[Device | int, Report],
    source: str = "near-term",
    received: datetime | None = None,
    api_key: ApiKey | None = None,
) -> Batch:
    """A batch with these events, as the way in stores it."""
    with transaction.atomic():
        batch = Batch.objects.create(
            body_hash=b"\0" * 32,
            source=source,
            received=received or timezone.now(),
            api_key=api_key,
        )
        keyed = [(getattr(device, "pk", device), report) for device, report in reports]
        batch.events = batch_events_store(batch, keyed)
        journal.batch_number(batch)
    return batch


def outage(seconds: float = 0, **fields: Any) -> Report:
    return Report("PWR_OUTAGE", TIME + timedelta(seconds=seconds), **fields)


def restore(seconds: float, **fields: Any) -> Report:
    return Report("PWR_RESTORE", TIME + timedelta(seconds=seconds), **fields)


def gasps(devices: Sequence[Device | int], batches: int = 1, seconds: float = 0) -> None:
    """A last gasp of each device, in so many batches."""
    size = -(-len(devices) // batches)
    for first in range(0, len(devices), size):
        arrive(*((device, outage(seconds)) for device in devices[first : first + size]))


def device_placed(device_id: str, group: str = "", cycle: str = "", **place: Any) -> Device:
    """A device that hangs somewhere, in a group and a bill cycle."""
    device = device_make(device_id, time_zone="America/Chicago")
    Installation.objects.create(device=device, valid_from=LONG_AGO, **place)
    for code, kind in ((group, "GENERAL"), (cycle, "BILL_CYCLE")):
        if code:
            row, _ = FunctionalGroup.objects.get_or_create(code=code, defaults={"kind": kind})
            Membership.objects.create(device=device, group=row, valid_from=LONG_AGO)
    return device


def route_make(name: str = "oms", **fields: Any) -> Route:
    """An active route of the default selection that begins now."""
    route = Route.objects.create(name=name, **{"catalogue_default": True, **fields})
    route_start(route)
    return Route.objects.get(pk=route.pk)


def path_of(route: Route) -> Path:
    return mrc_folder() / f"MRC_{route.name}.dat"


def lines_of(*paths: Path) -> list[bytes]:
    """The records of files, one behind the other; each of them holds whole lines only."""
    data = b"".join(path.read_bytes() for path in paths)
    assert len(data) % (mrc.LENGTH + 2) == 0
    lines = data.split(b"\r\n")
    assert lines.pop() == b""
    return lines


def events_of(lines: Sequence[bytes]) -> list[tuple[int, str, str]]:
    """(sequence, mnemonic, device) of records."""
    found = [mrc.recorded(line) for line in lines]
    return [(event.sequence, event.code, device.device_id) for device, event in found]


def at(seconds: float) -> datetime:
    return TIME + timedelta(seconds=seconds)


def written(route: Route) -> list[tuple[int, str, str]]:
    """What the route's file holds after it has written what is due."""
    return events_of(_lines_written(route))


def read(route: Route) -> list[mrc.Recorded]:
    """The same as events."""
    return [mrc.recorded(line)[1] for line in _lines_written(route)]


def _lines_written(route: Route) -> list[bytes]:
    route_write(route.pk)
    return lines_of(path_of(route))


# --- rules and what they make -------------------------------------------------------------------


def rule_make(name: str = "rule", **fields: Any) -> AlarmRule:
    values = {"categories": ["OUTG"], "addresses": "a@example.com", "hourly_limit": None}
    return AlarmRule.objects.create(name=name, **(values | fields))


def fallback() -> AlarmRule:
    return AlarmRule.objects.get(fallback=True)


def alarms_follow() -> None:
    """All alarms and notifications that are due."""
    while alarms_detect():
        pass
    while notifications_make():
        pass


def subjects() -> list[str]:
    return list(Notification.objects.order_by("pk").values_list("subject", flat=True))


# --- killed at a step ---------------------------------------------------------------------------


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do some work in a process of its own that is killed at the n-th fail-point.

    False: it ended before it came there. As `kill -9`: nothing of it is undone or flushed.
    """
    connections.close_all()
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            failpoints.hook = _killer(step)
            work()
            status = 0
        os._exit(status)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        _locks_await()
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def _locks_await() -> None:
    """Wait for the locks of others: a database server may learn a little later that they died."""
    if connection.vendor == "postgresql":
        key = "classid::bigint::int, objid::bigint::int"
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT pg_advisory_lock({key}), pg_advisory_unlock({key}) FROM pg_locks "
                "WHERE locktype = 'advisory' AND objsubid = 2 AND pid <> pg_backend_pid() "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )


def _killer(step: int) -> Callable[[str], None]:
    passed = 0

    def hook(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return hook
