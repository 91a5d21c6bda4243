"""Writing and reading formats of 216-byte records in tests: a few words instead of a context."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from devices.readings import (
    Channel,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Sheet,
    Status,
)
from exports.formats import get
from exports.formats.base import FormatError, Inventory, ReadReport, Tally, WriteContext
from exports.formats.hhf.book import HhfBook
from exports.formats.mv90.book import Mv90Book
from exports.formats.records216.layouts import LENGTH
from exports.formats.records216.writer import FrameWriter

CONTEXT = ("mode", "on_error", "on_unsupported", "created", "start", "end", "export")
EASTERN = timezone(timedelta(hours=-5))
CENTRAL = timezone(timedelta(hours=-6))
BOOKS: dict[str, Any] = {"hhf": HhfBook, "mv90": Mv90Book}
METER = DeviceInfo(
    "UTIL000123",
    "M000123",
    "SN12345678",
    service_point_id="ACME WATERWORKS",
    account_id="ACC-0001",
    premise_id="1 RIVER ROAD",
    device_class="GENERIC",
    time_zone="America/New_York",
    feeder_id="SPRINGFIELD",
)
LETTERHEAD = {"name": "ServicePointID", "addr1": "PremiseID", "addr2": "FeederID"}
MISSING = int(Status.MISSING)


def at(text: str, zone: timezone = EASTERN) -> datetime:
    """`202403010000`, or with seconds, in a fixed offset."""
    return datetime.strptime(text.ljust(14, "0"), "%Y%m%d%H%M%S").replace(tzinfo=zone)


def epoch(text: str, zone: timezone = EASTERN) -> int:
    return int(at(text, zone).timestamp())


def channel(**words: object) -> Channel:
    """KWH delivered, 15 minutes, of 0.01."""
    plain = Channel(1, "KWH", "DEL", 900, "U", Decimal("0.01"), Decimal(1), True, -18000)
    return plain._replace(**words)  # type: ignore[arg-type]


def sheet(
    counts: Sequence[int],
    masks: dict[int, int] | None = None,
    start: str = "202403010000",
    zone: timezone = EASTERN,
    device: int = 0,
    **words: object,
) -> Sheet:
    """One channel from a local time on; `masks` by slot."""
    own = channel(**words)
    ends = epoch(start, zone) + own.seconds * np.arange(1, len(counts) + 1)
    status = None
    if masks is not None:
        status = np.zeros((1, len(counts)), np.uint16)
        for slot, mask in masks.items():
            status[0, slot] = mask
    return Sheet(np.array([device]), [own], ends, np.array([counts]), status)


def reads(*readings: tuple[str, str], zone: timezone = EASTERN, **words: Any) -> list[RegisterRead]:
    """Total registers by local time and reading."""
    unit, flow = words.get("unit", "KWH"), words.get("flow", "DEL")
    return [
        RegisterRead(
            at(time, zone),
            words.get("read_type", "CUR"),
            (RegisterValue("SUM", unit, flow, value=Decimal(value)),),
        )
        for time, value in readings
    ]


def frame(*sheets: Sheet, device: DeviceInfo = METER, **words: Any) -> Frame:
    return Frame([device], sheets, {0: words["reads"]} if "reads" in words else {})


def context(code: str, **words: Any) -> WriteContext:
    """A context of 1 March 2024; words that it does not know are options of the format."""
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    plain = {
        "created": at("202403020015"),
        "start": at("202403010000"),
        "end": at("202403020000"),
        "batch_id": "20240302051500",
    }
    return WriteContext(**{**plain, **own}, options=get(code).options_clean(words, "write"))


def write(
    code: str, data: Frame | Sequence[Frame], compiled: bool = True, **words: Any
) -> tuple[bytes, Tally]:
    """The file and its tally, by the compiled writer or by the declared one alone."""
    ctx, body, out, tally = context(code, **words), io.BytesIO(), io.BytesIO(), Tally()
    fmt = get(code)
    for part in [data] if isinstance(data, Frame) else data:
        FrameWriter(part, BOOKS[code](ctx), tally).write(body, compiled=compiled)
    fmt.begin(ctx, out, tally)
    out.write(body.getvalue())
    fmt.finish(ctx, out, tally)
    if tally.meters:
        assert fmt.verify(io.BytesIO(out.getvalue()), ctx) == []
    return out.getvalue(), tally


def both(code: str, data: Frame, **words: Any) -> tuple[bytes, Tally]:
    """What both writers give, which is the same."""
    first, second = (write(code, data, compiled, **words) for compiled in (True, False))
    assert first[0] == second[0]
    assert summary(first[1]) == summary(second[1])
    return first


def summary(tally: Tally) -> tuple[object, ...]:
    left_out = [(item.device.device_id, item.code) for item in tally.left_out]
    counts = (tally.meters, tally.records, tally.intervals, tally.registers, tally.missing)
    return counts, tally.warnings.counts, left_out


def refusal(code: str, data: Frame, **words: Any) -> str:
    """The refusal's message, the same by both writers."""
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(code, data, compiled, **words)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def read(
    code: str, data: bytes, inventory: Inventory | None = None, **options: object
) -> tuple[list[MeterData], ReadReport]:
    report = ReadReport(options.pop("on_error", "record"))  # type: ignore[arg-type]
    clean = get(code).options_clean({"zone": "America/New_York", **options}, "read")
    return list(get(code).read(io.BytesIO(data), clean, inventory, report)), report


def patch(data: bytes, record: int, offset: int, new: bytes) -> bytes:
    """The file with other bytes at an offset of a record (from 0)."""
    start = record * LENGTH + offset
    return data[:start] + new + data[start + len(new) :]


def records(data: bytes) -> list[bytes]:
    return [data[place : place + LENGTH] for place in range(0, len(data), LENGTH)]


def codes(data: bytes) -> list[int]:
    return [int.from_bytes(record[2:4], "little") for record in records(data)]


def values(series: IntervalSeries) -> list[tuple[Decimal | None, int]]:
    return list(zip(series.values(), series.status.tolist(), strict=True))


def zone_instants(text: str) -> datetime:
    """A UTC time."""
    return at(text, UTC)  # type: ignore[arg-type]
