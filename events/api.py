"""Reading events: `GET /devices/{id}/events`."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from devices.api.auth import KeyAuth, device_visible
from devices.api.cursors import cursor_after, cursor_pack
from devices.api.openapi import answers
from devices.api.schemas import Instant, Page, PeriodQuery, answer, decimal_text, refusals
from devices.readings import instant
from events.models import Event
from events.selectors import Place, events_for_device

router = Router(tags=["Devices"], auth=KeyAuth("read"))


# Seconds and microseconds of the last event's time, its number.
Key = tuple[int, Annotated[int, msgspec.Meta(ge=0, lt=1_000_000)], int]


class EventQuery(PeriodQuery):
    start: Instant | None = Field(None, description="ISO 8601 with offset. Default: the oldest.")
    end: Instant | None = Field(None, description="ISO 8601 with offset. Default: the newest.")
    limit: int = Field(100, ge=1, le=1000)


class EventOut(msgspec.Struct):
    """An event: the members that were posted, then what TMS adds.

    `code` is the mnemonic of the catalogue, or STD_nnnnn, MFG_nnnnn. `time_valid` is false where
    the meter gave no time and that of receipt stands for it. `event` is its number in TMS.
    `replay` is D for what was read from the meter's log, empty for what came as it happened.
    """

    code: str
    time: datetime
    id: str
    origin: str
    native: str
    phases: str
    value: str | None
    unit: str
    duration: int | None
    text: str
    event: int
    time_valid: bool
    received: datetime
    iec_code: str
    category: str
    severity: str
    state: str
    replay: str


@router.get(
    "/devices/{device_id}/events",
    summary="Events of a device",
    response=refusals(404, 422),
    openapi_extra=answers(OK=Page[EventOut]),
)
def event_list(request: HttpRequest, device_id: str, query: Query[EventQuery]) -> HttpResponse:
    """Events with start ≤ time < end, oldest first; by default all that there are.

    Pass `next` as `cursor` until it is null.
    """
    device = device_visible(request, device_id)
    after = None if query.cursor is None else _place(query.cursor)
    found = events_for_device(device, start=query.start, end=query.end, after=after)
    rows = list(found[: query.limit + 1])
    shown = rows[: query.limit]
    more = len(rows) > len(shown)
    return answer(Page([_event(event) for event in shown], _cursor(shown[-1]) if more else None))


def _cursor(event: Event) -> str:
    return cursor_pack(int(event.time.timestamp()), event.time.microsecond, event.pk)


def _place(cursor: str) -> Place:
    seconds, fraction, number = cursor_after(cursor, Key)
    return Place(instant(seconds).replace(microsecond=fraction), number)


def _event(event: Event) -> EventOut:
    return EventOut(
        code=event.type.mnemonic,
        time=event.time.astimezone(UTC),
        id=event.event_id,
        origin=event.origin,
        native="" if event.native is None else str(event.native),
        phases=event.phases,
        value=None if event.value is None else decimal_text(event.value),
        unit=event.unit,
        duration=event.duration,
        text=event.text,
        event=event.pk,
        time_valid=event.time_valid,
        received=event.received.astimezone(UTC),
        iec_code=event.iec_code,
        category=event.category,
        severity=event.severity,
        state=event.type.state,
        replay=event.replay,
    )
