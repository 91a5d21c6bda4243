"""Writing and reading CMEP in tests: a few words instead of a context."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from devices.readings import (
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    RegisterValue,
    Status,
    instant,
)
from exports.formats import get
from exports.formats.base import FormatError, Inventory, ReadReport, Tally, WriteContext
from exports.formats.cmep.run import Run
from exports.formats.cmep.writer import FrameWriter
from tests.exports.formats.cmep_cases import METER, minute

CMEP = get("cmep")
CONTEXT = ("mode", "sender", "receiver", "destination", "on_error", "on_unsupported")


def context(created: str = "202603150610", **words: object) -> WriteContext:
    """A context; words that it does not know are options of the format."""
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    return WriteContext(
        created=minute(created),
        batch_id="20260315061000",
        start=datetime(2026, 3, 14, tzinfo=UTC),
        end=datetime(2026, 3, 15, tzinfo=UTC),
        options=CMEP.options_clean(words, "write"),
        **{"sender": "123456789", "receiver": "987654321", **own},  # type: ignore[arg-type]
    )


def write(
    meters: Sequence[MeterData] | Frame, compiled: bool = True, **words: object
) -> tuple[bytes, Tally]:
    """The file and its tally, by the compiled writer or by the declared one alone."""
    ctx, out, tally = context(**words), io.BytesIO(), Tally()
    frame = meters if isinstance(meters, Frame) else Frame.of(meters)
    FrameWriter(frame, Run(ctx), tally).write(out, compiled=compiled)
    CMEP.finish(ctx, out, tally)
    return out.getvalue(), tally


def read(
    data: bytes, inventory: Inventory | None = None, on_error: str = "record", **options: object
) -> tuple[list[MeterData], ReadReport]:
    report = ReadReport(on_error)  # type: ignore[arg-type]
    clean = CMEP.options_clean(options, "read")
    return list(CMEP.read(io.BytesIO(data), clean, inventory, report)), report


Values = dict[tuple[object, ...], tuple[object, int]]


def sent_mask(mask: int, sensus: bool, register: bool) -> int:
    """What is left of a mask after writing and reading (README 2.6, last row)."""
    strongest = (Status.MISSING, Status.EDITED, Status.ESTIMATED)
    first = next((bit for bit in strongest if mask & bit), Status(0))
    if not first and (mask & (Status.RAW | Status.QUESTIONABLE) or sensus):
        first = Status.RAW
    kept = 0x17E0 | (int(Status.RESET) if register else 0)
    return int(first) | (mask & kept if sensus else 0)


def values_of(meter: MeterData) -> Values:
    """A meter's data by unit, flow and instant."""
    found: Values = {}
    for one in meter.series:
        channel = one.channel
        key = (channel.unit, channel.flow, channel.seconds)
        columns = (one.ends.tolist(), one.values(), one.status.tolist())
        for end, value, mask in zip(*columns, strict=True):
            found[(*key, instant(end))] = (value, mask)
    for read in meter.reads:
        for value in read.values:
            found[("register", value.unit, value.flow, read.time)] = (value.value, value.status)
    return found


def values_sent(meter: MeterData, sensus: bool = False, split: bool = False) -> Values:
    """The same as it comes back after writing: masks mapped, with `split` no missing slots."""
    return {
        key: (value, sent_mask(mask, sensus, key[0] == "register"))
        for key, (value, mask) in values_of(meter).items()
        if not (split and value is None)
    }


# --- one meter, a few lines ---------------------------------------------------------------------


def lines(meter: MeterData | list[MeterData], **words: object) -> list[str]:
    """The lines written, the same by both writers."""
    meters = meter if isinstance(meter, list) else [meter]
    data, _ = write(meters, **words)
    assert data == write(meters, compiled=False, **words)[0]
    return data.decode().splitlines()


def fields(*found: IntervalSeries, device: DeviceInfo = METER, **words: object) -> list[str]:
    """The fields of the only line."""
    [line] = lines(MeterData(device, found), **words)
    return line.split(",")


def refusal(meter: MeterData | list[MeterData], **words: object) -> str:
    """The refusal's message, the same by both writers."""
    meters = meter if isinstance(meter, list) else [meter]
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(meters, compiled=compiled, **words)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def of(*found: IntervalSeries, **device: str) -> MeterData:
    return MeterData(METER._replace(**device), found)


def reads(*values: RegisterValue, time: str = "202603140700", kind: str = "CUR") -> MeterData:
    return MeterData(METER, reads=(RegisterRead(minute(time), kind, values),))
