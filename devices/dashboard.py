"""The dashboard's cards about devices and readings (settings.TMS_DASHBOARD_CARDS)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from devices import charts, journal, selectors
from devices.models import FunctionalGroup, Heartbeat

BEHIND = 1000  # batches not yet folded that are worth a warning
SILENT = timedelta(minutes=3)  # a process that says nothing for so long has stopped
PROCESSES = {"worker": "Worker", "scheduler": "Scheduler"}
STORY = "story "  # before an identifier in the search box: leads to the device's story


def cards(request: HttpRequest) -> list[dict[str, Any]]:
    """Figures, what arrived, and the newest batches; only what the user may look at."""
    if not request.user.has_perm("devices.view_batch"):
        return []
    days = selectors.intervals_for_days()
    return [
        {
            "title": "Now",
            "template": "devices/cards/figures.html",
            "size": "figures",
            "context": {"figures": _figures(request, days)},
        },
        {
            "title": "Intervals arrived",
            "template": "devices/cards/arrived.html",
            "size": "half",
            "context": {
                "plot": charts.day_bars(days, "Intervals arrived per day"),
                "total": sum(total for _, total in days),
                "days": len(days),
            },
        },
        {
            "title": "Newest batches",
            "template": "devices/cards/batches.html",
            "size": "half",
            "link": reverse("admin:devices_batch_changelist"),
            "context": {"batches": selectors.batches_for_dashboard()},
        },
    ]


def _figures(request: HttpRequest, days: list) -> list[dict[str, Any]]:
    """Tiles: a number, what it is, where it leads, and whether it wants attention."""
    tiles = [
        {
            "name": "Intervals today",
            "value": f"{days[-1][1]:,}",
            "link": reverse("admin:devices_batch_changelist"),
            "note": f"{days[-2][1]:,} yesterday",
        },
        _fold_tile(),
    ]
    if request.user.has_perm("devices.view_quarantined"):
        tiles.append(_quarantine_tile())
    return [*tiles, _processes_tile()]


def _fold_tile() -> dict[str, Any]:
    behind = max(journal.horizon() - journal.folded_to(), 0)
    return {
        "name": "Waiting to be folded",
        "value": f"{behind:,}",
        "note": "up to date" if not behind else "batches; the worker folds them",
        "alarm": behind > BEHIND,
    }


def _quarantine_tile() -> dict[str, Any]:
    held, more = selectors.quarantine_for_dashboard()
    return {
        "name": "In quarantine",
        "value": f"{held:,}{'+' if more else ''}",
        "link": reverse("admin:devices_quarantined_changelist") + "?state__exact=held",
        "note": "meters wait for a decision" if held else "nothing waits",
        "alarm": bool(held),
    }


def _processes_tile() -> dict[str, Any]:
    """Which of the processes beside the web's have shown themselves lately."""
    now = timezone.now()
    seen = {row.name: now - row.at for row in Heartbeat.objects.filter(name__in=PROCESSES)}
    silent = [label for name, label in PROCESSES.items() if seen.get(name, SILENT) >= SILENT]
    return {
        "name": "Processes",
        "value": "Running" if not silent else f"{len(silent)} silent",
        "note": f"{' and '.join(silent)}: not seen lately" if silent else "worker, scheduler",
        "alarm": bool(silent),
    }


def search(request: HttpRequest, text: str) -> str | None:
    """Where the header's search leads (settings.TMS_SEARCHES): a device, a group, or the list."""
    user = request.user
    told = text.lower().startswith(STORY)
    if told and user.has_perm("devices.view_device"):
        device = selectors.device_for_address(text[len(STORY) :].strip())
        if device is not None:
            return reverse("admin:devices_device_story", args=[device.pk])
    if user.has_perm("devices.view_device"):
        device = selectors.device_for_address(text)
        if device is None:
            found = selectors.devices_for_search(text, limit=1)
            only = list(found.reasons) if not found.more else []
            if len(only) == 1:
                return reverse("admin:devices_device_change", args=only)
        else:
            return reverse("admin:devices_device_change", args=[device.pk])
    if user.has_perm("devices.view_functionalgroup") and "\0" not in text:
        group = FunctionalGroup.objects.filter(code=text.upper()).first()
        if group is not None:
            return reverse("admin:devices_functionalgroup_change", args=[group.pk])
    if user.has_perm("devices.view_device"):
        return f"{reverse('admin:devices_device_changelist')}?{urlencode({'q': text})}"
    return None
