"""One row of each model that has pages, for tests that visit every page."""

import gzip
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.utils import timezone

from devices.models import (
    ApiKey,
    Batch,
    Device,
    FunctionalGroup,
    Quarantined,
    RegisterSnapshot,
    ScheduleProfile,
)
from events.models import (
    AlarmRule,
    Event,
    EventAlias,
    EventType,
    Notification,
    RouteRecord,
)
from events.services.incidents import incidents_follow
from events.services.routes import route_write
from events.services.system import system_alarm_raise
from exports.models import Delivery, Hold, InboxFile, ReaderSetting
from tests.devices import fleet
from tests.devices.imports.files import send
from tests.events.arriving import arrive, outage, route_make
from tests.exports.factories import (
    definition_make,
    directory_make,
    meters_make,
    readings_post,
    run_now,
)

Rows = dict[str, Any]  # the key of a row by `app.model`


def rows_make(settings: Any, folder: Path) -> Rows:
    """Rows of every registered model.

    Whoever registers a model adds its row here, and its rights to tests/security/matrix.py.
    """
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    readings_post(meters_make(1, group="NORTH"))
    definition = definition_make(destinations=[directory_make(settings, folder)])
    run = run_now(definition)
    route = route_make("oms")
    arrive((Device.objects.get(), outage()))
    incidents_follow()
    route_write(route.pk)
    system_alarm_raise(code="TMS_DISK", title="Little room")
    now = timezone.now().replace(microsecond=0)
    fleet.store_total(Device.objects.get(), now - timedelta(hours=1), "1")
    made: dict[str, Callable[[], Any]] = {
        "axes.accessattempt": lambda: AccessAttempt.objects.create(
            username="eve", ip_address="10.0.0.9", failures_since_start=1
        ),
        "axes.accesslog": lambda: AccessLog.objects.create(username="eve"),
        "axes.accessfailurelog": lambda: AccessFailureLog.objects.create(username="eve"),
        "auth.user": lambda: User.objects.create_user("somebody", password="long enough"),
        "auth.group": lambda: Group.objects.create(name="Auditors"),
        "devices.apikey": lambda: ApiKey.objects.create(
            name="gateway", prefix="abc", scopes=["ingest"]
        ),
        "devices.functionalgroup": lambda: FunctionalGroup.objects.create(code="MINE"),
        "devices.registersnapshot": lambda: RegisterSnapshot.objects.create(
            device=Device.objects.get(), read_type="CUR", time=now, number=1, values="[]"
        ),
        "devices.scheduleprofile": lambda: ScheduleProfile.objects.create(name="hourly"),
        "devices.importjob": lambda: send("Action,DeviceID,Notes\r\n"),
        "devices.quarantined": lambda: Quarantined.objects.create(
            batch=Batch.objects.first(),
            device="X1",
            code="unknown_device",
            payload=gzip.compress(b"{}"),
            received=now - timedelta(hours=1),
        ),
        "events.eventalias": lambda: EventAlias.objects.create(
            code="OWN_1", type=EventType.objects.first()
        ),
        "events.alarmrule": lambda: AlarmRule.objects.create(
            name="outages", categories=["OUTG"], addresses="a@example.com"
        ),
        "events.notification": lambda: Notification.objects.create(kind="alarm", subject="Out"),
        "events.routerecord": RouteRecord.objects.get,
        "events.event": Event.objects.get,
        "exports.exportrun": lambda: run,
        "exports.exportdefinition": lambda: definition,
        "exports.delivery": Delivery.objects.get,
        "exports.inboxfile": lambda: InboxFile.objects.create(
            format="cmep", name="a.cmep", bytes=1, taken=now, put_aside=True
        ),
        "exports.readersetting": lambda: ReaderSetting.objects.create(format="cmep"),
        "exports.hold": lambda: Hold.objects.create(
            definition=definition, run=run, start=run.start, end=run.end, reasons="too few"
        ),
    }
    found = {}
    for model in admin.site._registry:
        label = model._meta.label_lower
        row = made[label]() if label in made else model._default_manager.first()
        assert row is not None, f"tests/security/rows.py makes no row of {label} yet"
        found[label] = row.pk
    return found
