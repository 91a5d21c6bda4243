"""Writing and reading LodeStar in tests: a few words instead of a context."""

import io
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from devices.readings import (
    NEVER,
    DeviceInfo,
    Frame,
    IntervalSeries,
    MeterData,
    RegisterRead,
    Status,
    instant,
)
from exports.formats import get
from exports.formats.base import FormatError, Inventory, ReadReport, Tally, WriteContext
from exports.formats.lodestar.run import Run
from exports.formats.lodestar.writer import FrameWriter
from tests.exports.formats.lodestar_cases import METER, at, series

LODESTAR = get("lodestar")
CONTEXT = ("mode", "on_error", "on_unsupported", "start")


def context(created: str = "20240116041500", **words: object) -> WriteContext:
    """A context; words that it does not know are options of the format."""
    own = {name: words.pop(name) for name in CONTEXT if name in words}
    return WriteContext(
        **{  # type: ignore[arg-type]
            "created": at(created),
            "batch_id": "20240116101500",
            "start": datetime(2024, 1, 1, 6, tzinfo=UTC),
            "end": datetime(2025, 1, 1, 6, tzinfo=UTC),
            "options": LODESTAR.options_clean(words, "write"),
            **own,
        }
    )


def write(
    meters: Sequence[MeterData] | Frame, compiled: bool = True, **words: object
) -> tuple[bytes, Tally]:
    """The file and its tally, by the compiled writer or by the declared one alone."""
    ctx, out, tally = context(**words), io.BytesIO(), Tally()
    frame = meters if isinstance(meters, Frame) else Frame.of(meters)
    FrameWriter(frame, Run(ctx), tally).write(out, compiled=compiled)
    return out.getvalue(), tally


def both(meters: MeterData | Sequence[MeterData] | Frame, **words: object) -> str:
    """The file as text, the same by both writers."""
    given = [meters] if isinstance(meters, MeterData) else meters
    data, _ = write(given, **words)
    assert data == write(given, compiled=False, **words)[0]
    return data.decode("ascii")


def refusal(meters: MeterData | Sequence[MeterData], **words: object) -> str:
    """The refusal's message, the same by both writers."""
    given = [meters] if isinstance(meters, MeterData) else meters
    texts = []
    for compiled in (True, False):
        with pytest.raises(FormatError) as caught:
            write(given, compiled=compiled, **words)
        texts.append(str(caught.value))
    assert texts[0] == texts[1]
    return texts[0]


def read(
    data: bytes | str,
    inventory: Inventory | None = None,
    on_error: str = "record",
    **options: object,
) -> tuple[list[MeterData], ReadReport]:
    report = ReadReport(on_error)  # type: ignore[arg-type]
    raw = data.encode("ascii") if isinstance(data, str) else data
    clean = LODESTAR.options_clean(options, "read")
    return list(LODESTAR.read(io.BytesIO(raw), clean, inventory, report)), report


def of(*found: IntervalSeries, reads: Sequence[RegisterRead] = (), **device: str) -> MeterData:
    return MeterData(METER._replace(**device), found, tuple(reads))


def named(number: str, *found: IntervalSeries, **device: str) -> MeterData:
    return MeterData(DeviceInfo("D", number, time_zone=METER.time_zone)._replace(**device), found)


Values = dict[tuple[object, ...], tuple[object, int]]


def values_of(meter: MeterData) -> Values:
    """A meter's intervals by number, unit, flow, length and instant."""
    found: Values = {}
    for one in meter.series:
        key = one.channel[:4]
        columns = (one.ends.tolist(), one.values(), one.status.tolist())
        for end, value, mask in zip(*columns, strict=True):
            assert (*key, instant(end)) not in found
            found[(*key, instant(end))] = (value, mask)
    return found


def sent_mask(mask: int, invalid: bool, ercot: bool) -> int:
    """What is left of a mask after writing and reading (section 4)."""
    if mask & Status.MISSING:
        kept = int(Status.MISSING)
    else:
        kept = int(Status.ESTIMATED) if mask & (Status.ESTIMATED | Status.EDITED) else 0
    return kept | (int(Status.RAW) if invalid and not ercot else 0)


DAY = "20240115000000"

# --- one file, a few words -----------------------------------------------------------------------


def record(text: str, number: int, cut: int = 0) -> list[str]:
    """The fields of a header record of a cut."""
    lines = [line for line in text.split("\r\n") if line.startswith(f"{number:08}")]
    return lines[cut].split(",")


def spans(text: str) -> list[tuple[str, str]]:
    """Start and stop of every cut."""
    lines = [line.split(",") for line in text.split("\r\n") if line.startswith("00000001")]
    return [(fields[3], fields[4]) for fields in lines]


def hours(count: int, first: str | datetime = DAY, **words: object) -> IntervalSeries:
    return series(first, ["1"] * count, seconds=3600, **words)


def absent(one: IntervalSeries, *places: slice) -> IntervalSeries:
    for place in places:
        one.status[place] = NEVER
    return one
