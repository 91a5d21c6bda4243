"""Register reads as CSV, a row a value, streamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django.http import StreamingHttpResponse

from devices.admin.downloads import csv_response, safe_cell
from devices.journal import version_read
from devices.models import RegisterSnapshot
from devices.readings import status_letter, status_names

COLUMNS = (
    *("device", "meter_number", "type", "read_utc", "read_local", "season", "reset_count"),
    *("reset_utc", "class", "unit", "flow", "rate", "occurrence", "value", "peak_utc"),
    *("multiplier", "quality", "status", "revision", "batch"),
)


def reads_csv(name: str, rows: Iterable[RegisterSnapshot]) -> StreamingHttpResponse:
    """These versions of reads, with their devices. An empty cell: there is none."""
    return csv_response(name, COLUMNS, _rows(rows))


def _rows(rows: Iterable[RegisterSnapshot]) -> Iterator[list[str]]:
    for row in rows:
        read = version_read(row)
        zone = ZoneInfo(row.device.time_zone)
        head = [
            *(safe_cell(row.device.device_id), safe_cell(row.device.meter_number)),
            *(row.read_type, _utc(row.time), row.time.astimezone(zone).isoformat()),
            *(_text(read.season), _text(read.reset_count), _utc(read.reset_time)),
        ]
        for value in read.values:
            yield [
                *head,
                *(value.register_class, value.unit, value.flow, value.rate, str(value.occurrence)),
                "" if value.value is None else f"{value.value:f}",
                *(_utc(value.peak_time), _text(value.multiplier)),
                *(status_letter(value.status), "+".join(status_names(value.status))),
                *(str(row.revision), str(row.number)),
            ]


def _utc(at: datetime | None) -> str:
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _text(value: object) -> str:
    return "" if value is None else str(value)
