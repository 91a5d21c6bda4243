"""What the house watches of itself each minute: space on the disk, gateways that fall silent."""

from __future__ import annotations

import shutil
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from devices.models import ApiKey
from events.services.system import system_alarm_clear, system_alarm_raise


def disk_watch() -> None:
    """Raise an alarm when the data directory's disk has less free than TMS_DISK_FREE per cent."""
    usage = shutil.disk_usage(settings.DATA_DIR)
    free = 100 * usage.free / usage.total
    if free >= settings.TMS_DISK_FREE:
        system_alarm_clear(code="TMS_DISK", key="data")
        return
    system_alarm_raise(
        code="TMS_DISK",
        key="data",
        title=f"The disk of the data directory is nearly full: {free:.1f} % free",
        text=f"{usage.free / 2**30:.1f} GiB of {usage.total / 2**30:.1f} GiB are free in "
        f"{settings.DATA_DIR}. Without space nothing can be taken in or written.",
    )


def gateways_watch() -> None:
    """Raise an alarm for each key that posted readings and has been silent for too long."""
    if not settings.TMS_GATEWAY_HOURS:
        return
    limit = timezone.now() - timedelta(hours=settings.TMS_GATEWAY_HOURS)
    keys = ApiKey.objects.filter(revoked=None).exclude(last_used=None)
    for key in keys:
        if "ingest" not in key.scopes or key.last_used >= limit:
            system_alarm_clear(code="TMS_GATEWAY", key=f"key {key.pk}")
            continue
        system_alarm_raise(
            code="TMS_GATEWAY",
            key=f"key {key.pk}",
            title=f"Gateway {key.name} has gone silent",
            text=f"Its key was last used at {key.last_used:%Y-%m-%d %H:%M} UTC.",
        )
