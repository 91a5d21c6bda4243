"""Reading register reads: `GET /devices/{id}/registers`, in the shape in which they are posted."""

from datetime import UTC, timedelta

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router

from devices import journal, readings
from devices.api.auth import KeyAuth, device_visible
from devices.api.cursors import cursor_after, cursor_pack
from devices.api.intervals import period
from devices.api.openapi import answers
from devices.api.schemas import (
    Page,
    RegisterOut,
    RegisterQuery,
    ValueOut,
    answer,
    decimal_text,
    refusals,
    status_words,
)
from devices.models import Device
from devices.readings import DAY, RegisterRead, RegisterValue

router = Router(tags=["Devices"], auth=KeyAuth("read"))

DEFAULT_PERIOD = timedelta(days=31)
STRETCH = 31 * DAY  # read at once, to begin with
TYPES = list(readings.READ_TYPES)
SOURCES = {code: word for word, code in readings.SOURCES.items()}
Place = tuple[int, int]  # time, place of the read type in TYPES


@router.get(
    "/devices/{device_id}/registers",
    summary="Register reads of a device",
    response=refusals(404, 422),
    openapi_extra=answers(OK=Page[RegisterOut]),
)
def register_list(
    request: HttpRequest, device_id: str, query: Query[RegisterQuery]
) -> HttpResponse:
    """Reads with start ≤ time < end, the latest version of each; default: the last 31 days.

    By time, then type. Pass `next` as `cursor` until it is null.
    """
    device = device_visible(request, device_id)
    start, end = period(query, DEFAULT_PERIOD)
    after = None if query.cursor is None else cursor_after(query.cursor, Place)
    types = [query.type] if query.type else []
    return answer(register_page(device, start, end, types, after, query.limit))


def register_page(
    device: Device, start: int, end: int, types: list[str], after: Place | None, limit: int
) -> Page[RegisterOut]:
    """One page of a device's reads over a period, after a place."""
    horizon = journal.horizon()
    if after is not None:
        start = max(start, after[0])
    reads: list[RegisterRead] = []
    stretch = STRETCH
    while start < end and len(reads) <= limit:
        stop = min(end, start + stretch)
        bounds = (readings.instant(start), readings.instant(stop))
        found = journal.registers_read([device.pk], *bounds, read_types=types, horizon=horizon)
        fresh = [read for read in found.get(device.pk, ()) if after is None or _place(read) > after]
        reads += sorted(fresh, key=_place)
        start, stretch = stop, 2 * stretch
    items = [_read(read) for read in reads[:limit]]
    more = len(reads) > limit
    return Page(items, cursor_pack(*_place(reads[limit - 1])) if more else None)


def _place(read: RegisterRead) -> Place:
    return readings.epoch(read.time), TYPES.index(read.read_type)


def _read(read: RegisterRead) -> RegisterOut:
    return RegisterOut(
        time=read.time.astimezone(UTC),
        type=read.read_type,
        revision=read.revision,
        values=[_value(value) for value in read.values],
        season=read.season,
        reset_count=read.reset_count,
        reset_time=read.reset_time,
        status_word=read.status_word,
        id=read.read_id,
        source=SOURCES.get(read.source, read.source),
    )


def _value(value: RegisterValue) -> ValueOut:
    return ValueOut(
        no=value.number,
        register_class=value.register_class,
        uom=value.unit,
        flow=value.flow,
        rate=value.rate,
        occurrence=value.occurrence,
        value=None if value.value is None else decimal_text(value.value),
        status="+".join(status_words(value.status)),
        peak_time=value.peak_time,
        multiplier=None if value.multiplier is None else decimal_text(value.multiplier),
        multiplier_applied=value.multiplier_applied,
        dials=value.dials,
        decimals=value.decimals,
        source=SOURCES.get(value.source, value.source),
    )
