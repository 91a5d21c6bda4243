"""The dashboard's cards about exports (settings.TMS_DASHBOARD_CARDS)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from exports import schedules, selectors
from exports.models import Destination

SHOWN = 6


def attention(request: HttpRequest) -> dict[str, list[dict[str, Any]]]:
    """What has failed or is held (settings.TMS_ATTENTION)."""
    if not request.user.has_perm("exports.view_exportrun"):
        return {}
    failed, stuck = selectors.failures_for_dashboard()
    paused = selectors.destinations_for_dashboard(SHOWN)
    return {"figures": [*_failures(failed, stuck, paused), *_held()]}


def cards(request: HttpRequest) -> list[dict[str, Any]]:
    """What runs, what ran, what runs next; nothing for who may not look."""
    if not request.user.has_perm("exports.view_exportrun"):
        return []
    runs = selectors.runs_for_dashboard(SHOWN)
    return [
        *_flows(),
        {
            "title": "Exports",
            "template": "exports/cards/runs.html",
            "size": "half",
            "link": reverse("admin:exports_exportrun_changelist"),
            "context": runs,
        },
        {
            "title": "Next by schedule",
            "template": "exports/cards/next.html",
            "size": "half",
            "link": reverse("admin:exports_exportdefinition_changelist"),
            "context": {
                "rows": [
                    {
                        "name": row.name,
                        "address": reverse("admin:exports_exportdefinition_change", args=[row.pk]),
                        "due": schedules.local_text(row.next_due, row.schedule_clock),
                    }
                    for row in selectors.next_for_dashboard(SHOWN)
                ]
            },
        },
    ]


def _flows() -> list[dict[str, Any]]:
    """How long readings take from their arrival into a file, for each live export."""
    figures = [
        {
            "name": name,
            "value": f"{newest:,.1f} s",
            "link": reverse("admin:exports_exportdefinition_change", args=[pk]),
            "note": f"from arrival to file, last; {slowest:,.1f} s at most of {files} files",
        }
        for pk, name, newest, slowest, files in selectors.delays_for_dashboard(SHOWN)
    ]
    if not figures:
        return []
    return [
        {
            "title": "Readings as they arrive",
            "template": "devices/cards/figures.html",
            "size": "figures",
            "context": {"figures": figures},
        }
    ]


def inbox(request: HttpRequest) -> list[dict[str, Any]]:
    """The files that were taken in last, of readings and of the inventory; no card without any."""
    if not request.user.has_perm("exports.view_inboxfile"):
        return []
    rows = [
        {
            "name": row.name,
            "folder": f"reads/{row.format}",
            "state": row.state,
            "word": row.get_state_display(),
            "taken": row.taken,
            "address": reverse("admin:exports_inboxfile_change", args=[row.pk]),
        }
        for row in selectors.inbox_for_dashboard(SHOWN)
    ]
    if request.user.has_perm("devices.view_importjob"):
        rows += [
            {
                "name": job.filename,
                "folder": job.kind,
                "state": job.state,
                "word": job.get_state_display(),
                "taken": job.created,
                "address": reverse("admin:devices_importjob_change", args=[job.pk]),
            }
            for job in selectors.imports_for_dashboard(SHOWN)
        ]
    if not rows:
        return []
    rows.sort(key=lambda row: row["taken"], reverse=True)
    return [
        {
            "title": "Inbox",
            "template": "exports/cards/inbox.html",
            "size": "half",
            "link": reverse("admin:exports_inboxfile_changelist"),
            "context": {"rows": rows[:SHOWN]},
        }
    ]


def _failures(failed: int, stuck: int, paused: list[Destination]) -> list[dict[str, Any]]:
    figures = [
        {
            "name": f"{row.name} is paused",
            "value": (waiting := selectors.waiting_for_destination(row)),
            "link": reverse("admin:exports_destination_change", args=[row.pk]),
            "note": f"{'file waits' if waiting == '1' else 'files wait'}: {row.error}",
            "alarm": True,
        }
        for row in paused
    ]
    if failed:
        figures.append(
            {
                "name": "Exports failed today",
                "value": f"{failed:,}",
                "link": reverse("admin:exports_exportrun_changelist") + "?state__exact=failed",
                "note": "open a run to see why",
                "alarm": True,
            }
        )
    if stuck:
        figures.append(
            {
                "name": "Files not delivered",
                "value": f"{stuck:,}",
                "link": reverse("admin:exports_delivery_changelist"),
                "note": "waiting to be tried again, or given up",
                "alarm": True,
            }
        )
    return figures


def _held() -> list[dict[str, Any]]:
    meters, runs = selectors.holds_for_dashboard()
    return [
        {
            "name": name,
            "value": f"{count:,}{'+' if count == selectors.SHOWN else ''}",
            "link": reverse("admin:exports_hold_changelist") + "?state__exact=held",
            "note": "out of exports until Billing releases them, or they pass",
            "alarm": True,
        }
        for name, count in (("Meters held", meters), ("Runs held", runs))
        if count
    ]
