"""What the page of a device says of its events (settings.TMS_DEVICE_SECTIONS)."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from devices.models import Device
from events.selectors import events_latest_for_device
from events.selectors.incidents import incidents_for_device

SHOWN = 20
INCIDENTS = 5


def device_events(request: HttpRequest, device: Device) -> dict[str, Any] | None:
    """The newest events of a device; None for who may not look at events."""
    if not request.user.has_perm("events.view_event"):
        return None
    rows = events_latest_for_device(device, SHOWN + 1)
    everything = f"{reverse('admin:events_event_changelist')}?{urlencode({'q': device.device_id})}"
    return {
        "title": "Events",
        "template": "events/device_section.html",
        "context": {
            "events": rows[:SHOWN],
            "all_link": everything if len(rows) > SHOWN else None,
            "zone": ZoneInfo(device.time_zone),
        },
    }


def device_incidents(request: HttpRequest, device: Device) -> dict[str, Any] | None:
    """A device's outages and other conditions; None where there are none, or none to be seen."""
    if not request.user.has_perm("events.view_incident"):
        return None
    rows = incidents_for_device(device.pk, INCIDENTS + 1)
    if not rows:
        return None
    query = urlencode({"q": device.device_id})
    everything = f"{reverse('admin:events_incident_changelist')}?{query}"
    return {
        "title": "Incidents",
        "template": "events/device_incidents.html",
        "context": {
            "incidents": rows[:INCIDENTS],
            "all_link": everything if len(rows) > INCIDENTS else None,
            "zone": ZoneInfo(device.time_zone),
        },
    }
