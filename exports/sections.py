"""What the page of a device says of the files it went into (settings.TMS_DEVICE_SECTIONS)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from devices.models import Device
from exports.selectors import definitions_for_device, files_for_device

SHOWN = 10


def device_files(request: HttpRequest, device: Device) -> dict[str, Any] | None:
    """The newest files with this device; None for who may not look at runs."""
    if not request.user.has_perm("exports.view_exportrun"):
        return None
    return {
        "title": "Files",
        "template": "exports/device_section.html",
        "context": {
            "files": files_for_device(device, SHOWN),
            "device": device,
            "exports": definitions_for_device(device, SHOWN)
            if request.user.has_perm("exports.view_exportdefinition")
            else [],
        },
    }
