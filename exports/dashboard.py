"""The dashboard's cards about exports (settings.TMS_DASHBOARD_CARDS)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from exports import schedules, selectors

SHOWN = 6


def attention(request: HttpRequest) -> list[dict[str, Any]]:
    """What has failed, before everything else; no card when nothing has."""
    if not request.user.has_perm("exports.view_exportrun"):
        return []
    failed, stuck = selectors.failures_for_dashboard()
    return [_failures(failed, stuck)] if failed or stuck else []


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


def _failures(failed: int, stuck: int) -> dict[str, Any]:
    figures = []
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
    return {
        "title": "Needs attention",
        "template": "devices/cards/figures.html",
        "size": "figures",
        "context": {"figures": figures},
    }
