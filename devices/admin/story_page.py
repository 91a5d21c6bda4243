"""The story of a device: its life in order, the newest first, with the why of each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.module_loading import import_string

from devices.admin.days import day_typed
from devices.admin.downloads import csv_response, file_name, safe_cell
from devices.blocks import local_midnight
from devices.models import Device
from devices.readings import instant
from devices.story import Page, Source, Span, page

BEFORE = "older"  # than this instant: the next page
PAGES = 200  # of a download
COLUMNS = ("device", "time_utc", "time_local", "kind", "what", "why")


def sources(request: HttpRequest) -> list[Source]:
    """The kinds that the reader may be told."""
    every = (one for name in settings.TMS_STORIES for one in import_string(name)())
    return [one for one in every if not one.may or request.user.has_perm(one.may)]


def context(request: HttpRequest, device: Device) -> dict[str, Any]:
    """Everything `devices/story.html` needs."""
    every = sources(request)
    kind = request.GET.get("kind", "")
    span, days, fault = _span(request, device)
    found = _page(request, device, [s for s in every if not kind or s.kind == kind], span)
    labels = {one.kind: one.label for one in every}
    zone = ZoneInfo(device.time_zone)
    kept = {name: value for name, value in request.GET.items() if name != BEFORE}
    older = None if found.older is None else found.older.astimezone(UTC).isoformat()
    return {
        "device": device,
        "title": f"Story of {device}",
        "zone": zone,
        "kinds": [("", "Everything"), *labels.items()],
        "kind": kind,
        "days": days,
        "fault": fault,
        "by_day": [
            (day, [(line, labels[line.kind]) for line in lines])
            for day, lines in groupby(
                found.lines, lambda line: line.entry.time.astimezone(zone).date()
            )
        ],
        "query": urlencode(kept),
        "older": older and "?" + urlencode({**kept, BEFORE: older}),
        "newest": "?" + urlencode(kept) if BEFORE in request.GET else None,
    }


def _page(request: HttpRequest, device: Device, asked: list[Source], span: Span) -> Page:
    """A page; where a source found nothing that far back, the next one with something."""
    found = page([(one.kind, one.tell(request, device, span)) for one in asked])
    if found.older is not None and span.first is not None and found.older <= span.first:
        return Page(found.lines, None)
    return found


def _span(request: HttpRequest, device: Device) -> tuple[Span, dict[str, str], str]:
    """What is asked for by the days typed and the page; the days as typed, and their fault."""
    typed = {name: request.GET.get(name, "") for name in ("from", "to")}
    first, last = (day_typed(text) for text in typed.values())
    fault = ""
    if any(typed.values()) and None in (first if typed["from"] else 0, last if typed["to"] else 0):
        fault = "Choose the days from the calendar, or write them as 2026-03-29."
    if first and last and last < first:
        first, last, fault = None, None, "The last day is before the first. Swap them."
    zone = device.time_zone
    low = instant(local_midnight(zone, first)) if first else None
    high = instant(local_midnight(zone, last + timedelta(days=1))) if last else None
    older = _instant(request.GET.get(BEFORE, ""))
    if older is not None:
        high = older if high is None else min(high, older)
    return Span(low, high), typed, fault


def _instant(text: str) -> datetime | None:
    """An instant of a link; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None and 1990 < found.year < 2200 else None


def story_csv(request: HttpRequest, device: Device) -> StreamingHttpResponse:
    """The whole story, as it is filtered."""
    return csv_response(file_name(f"{device.device_id}-story.csv"), COLUMNS, _rows(request, device))


def _rows(request: HttpRequest, device: Device) -> Iterator[list[str]]:
    kind = request.GET.get("kind", "")
    asked = [one for one in sources(request) if not kind or one.kind == kind]
    span, zone = _span(request, device)[0], ZoneInfo(device.time_zone)
    for _ in range(PAGES):
        found = _page(request, device, asked, span)
        for line in found.lines:
            entry = line.entry
            yield [
                safe_cell(device.device_id),
                *(f"{entry.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",),
                *(entry.time.astimezone(zone).isoformat(timespec="seconds"), line.kind),
                *(safe_cell(entry.title), safe_cell(entry.why)),
            ]
        if found.older is None:
            return
        span = Span(span.first, found.older)
