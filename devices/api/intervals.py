"""Reading intervals: `GET /devices/{id}/intervals`.

The store is read in stretches that grow until a page is full, so that a call costs what it gives
back, not what the period could hold.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router

from devices import journal, readings
from devices.api.auth import KeyAuth, device_visible
from devices.api.cursors import cursor_after, cursor_pack
from devices.api.errors import query_fault
from devices.api.openapi import answers
from devices.api.schemas import (
    IntervalOut,
    IntervalQuery,
    Page,
    PeriodQuery,
    answer,
    refusals,
    status_words,
)
from devices.models import Channel
from devices.readings import ABSENT, DAY

router = Router(tags=["Devices"], auth=KeyAuth("read"))

STRETCH_SLOTS = 200_000  # read at once
CALL_SLOTS = 2_000_000  # read in one call; the page then ends, full or not
PLACES = 9  # decimals of a resolution
Place = tuple[int, int, int]  # end, channel number, channel id
Row = tuple[int, int, int, int, int]  # end, place among the channels, count, status, revision


@router.get(
    "/devices/{device_id}/intervals",
    summary="Intervals of a device",
    response=refusals(404, 422),
    openapi_extra=answers(OK=Page[IntervalOut]),
)
def interval_list(
    request: HttpRequest, device_id: str, query: Query[IntervalQuery]
) -> HttpResponse:
    """Intervals that arrived, with start < end of the interval ≤ end; default: the last 24 hours.

    By end, then channel. A page may hold fewer than `limit`: pass `next` as `cursor` until null.
    """
    device = device_visible(request, device_id)
    start, end = period(query, timedelta(days=1))
    after = None if query.cursor is None else cursor_after(query.cursor, Place)
    channels = device.channels.order_by("number", "pk")
    if query.channel is not None:
        channels = channels.filter(number=query.channel)
    return answer(interval_page(list(channels), start, end, after, query.limit))


def period(query: PeriodQuery, default: timedelta) -> tuple[int, int]:
    """Start and end asked for, epoch seconds; `default`: how long before the end it starts."""
    end = query.end or timezone.now().replace(microsecond=0)
    start = query.start or end - default
    if start >= end:
        raise query_fault("end", "PERIOD", "The end must be after the start.")
    return readings.epoch(start), readings.epoch(end)


def interval_page(
    channels: Sequence[Channel], start: int, end: int, after: Place | None, limit: int
) -> Page[IntervalOut]:
    """One page of channels (ordered by number and id) over a period, after a place."""
    if not channels:
        return Page([], None)
    keys = [(channel.number, channel.pk) for channel in channels]
    passed = None
    if after is not None:
        start = max(start, after[0] - 1)
        passed = (after[0], bisect_right(keys, after[1:]) - 1)
    horizon = journal.horizon()
    density = sum(1 / channel.seconds for channel in channels)
    last = start + CALL_SLOTS / density
    stretch = max(DAY, int(limit / density))
    rows: list[Row] = []
    while start < min(end, last) and len(rows) <= limit:
        stop = min(end, start + stretch)
        series = journal.series_read(channels, start, stop, horizon=horizon)
        rows += _rows(series, passed, limit + 1 - len(rows))
        start = stop
        stretch = max(DAY, int(min(2 * stretch, STRETCH_SLOTS / density)))
    if len(rows) > limit:
        end_of_last, place = rows[limit - 1][:2]
        return Page(_items(channels, rows[:limit]), cursor_pack(end_of_last, *keys[place]))
    return Page(_items(channels, rows), cursor_pack(start + 1, 0, 0) if start < end else None)


def _rows(
    series: Sequence[journal.ChannelSeries], passed: tuple[int, int] | None, most: int
) -> list[Row]:
    """The first rows of some channels' intervals, in the list's order, after what is passed."""
    ends = np.concatenate([s.ends for s in series])
    place = np.repeat(np.arange(len(series)), [len(s.ends) for s in series])
    status = np.concatenate([s.status for s in series])
    keep = (status & ABSENT) == 0
    if passed is not None:
        keep &= (ends > passed[0]) | ((ends == passed[0]) & (place > passed[1]))
    pick = np.flatnonzero(keep)
    pick = pick[np.lexsort((place[pick], ends[pick]))][:most]
    counts = np.concatenate([s.counts for s in series])[pick]
    revisions = np.concatenate([s.revisions for s in series])[pick]
    columns = (ends[pick], place[pick], counts, status[pick], revisions)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _items(channels: Sequence[Channel], rows: Sequence[Row]) -> list[IntervalOut]:
    numbers = [channel.number for channel in channels]
    resolutions = [channel.resolution for channel in channels]
    return [
        IntervalOut(
            numbers[place],
            readings.instant(end),
            None if status & readings.Status.MISSING else count_text(count, resolutions[place]),
            _words(status),
            revision,
        )
        for end, place, count, status, revision in rows
    ]


def count_text(count: int, resolution: Decimal) -> str:
    """count × resolution, exactly: plain, without trailing zeros."""
    value = count * int(resolution.scaleb(PLACES))
    digits = str(abs(value)).zfill(PLACES + 1)
    text = f"{digits[:-PLACES]}.{digits[-PLACES:]}".rstrip("0").rstrip(".")
    return f"-{text}" if value < 0 else text


@lru_cache(maxsize=1024)
def _words(mask: int) -> tuple[str, ...]:
    return tuple(status_words(mask))
