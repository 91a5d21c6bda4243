"""Lists as CSV, streamed: memory does not grow with the list."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from devices.models import Channel, Device
from devices.readings import NEVER, Status, status_names

if TYPE_CHECKING:
    from devices.admin.device_page import Period

DEVICE_COLUMNS = (
    *("device", "meter_number", "serial_number", "device_class", "state", "time_zone"),
    *("service_point", "account", "premise", "transformer", "feeder", "groups"),
)
READING_COLUMNS = (
    *("device", "channel", "unit", "flow", "seconds", "end_utc", "end_local", "value"),
    *("status", "revision", "batch"),
)
NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")  # what a spreadsheet computes to itself
STRETCH = 31 * 86400  # of readings held in memory at a time


class _Echo:
    """A file whose `write` hands back what it was given."""

    def write(self, value: str) -> str:
        return value


def safe_cell(value: object) -> str:
    """A cell that no spreadsheet takes for a formula: `=`, `+`, `-`, `@` get a leading quote."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def csv_response(
    name: str, columns: Iterable[str], rows: Iterable[Iterable[str]]
) -> StreamingHttpResponse:
    """A download of these columns and rows; no cell of them is a formula, numbers stay."""
    writer = csv.writer(_Echo())

    def lines() -> Iterator[str]:
        yield writer.writerow(columns)
        for row in rows:
            yield writer.writerow(
                [cell if NUMBER.fullmatch(str(cell)) else safe_cell(cell) for cell in row]
            )

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def devices_csv(queryset: QuerySet[Device]) -> StreamingHttpResponse:
    """Devices with what holds of them now. `queryset` as `devices_for_list` makes it."""
    rows = (
        [safe_cell(cell) for cell in _device_cells(device)]
        for device in queryset.iterator(chunk_size=1000)
    )
    return csv_response("devices.csv", DEVICE_COLUMNS, rows)


def _device_cells(device: Device) -> list[object]:
    place = device.installed[0] if device.installed else None
    where = (
        *(
            "service_point_id",
            "account_id",
            "premise_id",
            "transformer_id",
            "feeder_id",
        ),
    )
    return [
        *(
            device.device_id,
            device.meter_number,
            device.serial_number,
            device.device_class.code,
        ),
        *(device.state, device.time_zone),
        *(getattr(place, name, "") for name in where),
        " ".join(membership.group.code for membership in device.grouped),
    ]


def readings_csv(device: Device, period: Period) -> StreamingHttpResponse:
    """The intervals of a device's channels in a period, as they stand."""
    name = f"{device.device_id}-{period.first:%Y%m%d}-{period.last:%Y%m%d}.csv"
    return csv_response(file_name(name), READING_COLUMNS, _reading_rows(device, period))


def file_name(name: str) -> str:
    """A name that any system takes for a file's."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in name)


def _reading_rows(device: Device, period: Period) -> Iterator[list[str]]:
    from devices.journal import series_read

    zone = ZoneInfo(device.time_zone)
    identifier = safe_cell(device.device_id)
    for start in range(period.start, period.end, STRETCH):
        end = min(start + STRETCH, period.end)
        for series in series_read(period.channels, start, end):
            yield from _series_rows(identifier, series, zone)


def _series_rows(identifier: str, series, zone: ZoneInfo) -> Iterator[list[str]]:
    channel: Channel = series.channel
    head = [
        identifier,
        str(channel.number),
        channel.unit,
        channel.flow,
        str(channel.seconds),
    ]
    columns = (
        series.ends,
        series.counts,
        series.status,
        series.numbers,
        series.revisions,
    )
    for end, count, status, number, revision in zip(*(c.tolist() for c in columns), strict=True):
        if status & NEVER == NEVER:
            continue
        at = datetime.fromtimestamp(end, UTC)
        missing = status & Status.MISSING
        value = "" if missing else f"{count * channel.resolution.normalize():f}"
        yield [
            *head,
            f"{at:%Y-%m-%dT%H:%M:%SZ}",
            at.astimezone(zone).isoformat(),
            value,  # a number: no quote before a minus
            "+".join(status_names(status)),
            *(str(revision), str(number)),
        ]
